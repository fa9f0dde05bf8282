"""What a model that thinks writes before its answer: made up, as long as the effort that was asked for, and paid for.

Thinking counts as output: a small limit may be used up by it, and then nothing is answered.
Sources: "OpenAI models" and "Extended thinking" of the Amazon Bedrock User Guide; BerriAI/litellm-docs#1408.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bedrock_local.families import claude_rules
from bedrock_local.families.limits import check_window
from bedrock_local.inference import Question, Reply, Responder
from bedrock_local.inference import count_tokens as count
from bedrock_local.models import Model

SENTENCES = (
    "The request is about the text that comes with it.",
    "I look for the parts of the text that matter to it.",
    "Then I write them down in the form that was asked for.",
)
EFFORTS = {"low": 1, "medium": 2, "high": 3}


def find_thought(model: Model, wishes: Mapping[str, Any], max_tokens: int) -> str:
    """Give what the model thinks when it is asked in this way; empty when it does not think."""
    if model.provider == "anthropic":
        effort = "medium" if claude_rules.is_thinking(model, wishes.get("thinking")) else ""
    elif model.provider == "amazon":
        config = wishes.get("reasoningConfig") or (wishes.get("inferenceConfig") or {}).get("reasoningConfig") or {}
        effort = config.get("maxReasoningEffort", "medium") if config.get("type") == "enabled" else ""
    else:
        effort = wishes.get("reasoning_effort") or "medium" if model.thinking == "always" else ""
    thought = " ".join(SENTENCES[: EFFORTS.get(effort, 0)])
    # A token of the stand-in is four bytes, and these are plain letters.
    return thought[: 4 * max_tokens]


def ask(model: Model, question: Question, thought: str, responder: Responder) -> Reply:
    """Have a question answered with the tokens that the thought leaves; it is counted with the answer."""
    input_tokens, spent = check_window(question, model.context_tokens), count(thought)
    if spent >= question.max_tokens:
        return Reply("", "length", input_tokens, spent)
    reply = responder(replace(question, max_tokens=question.max_tokens - spent))
    return replace(reply, output_tokens=reply.output_tokens + spent)
