"""Made-up reasoning of models that think before they answer; its length depends on the requested effort.

Reasoning counts as output tokens: it may use up a small limit, and then the answer is empty.
Sources: "OpenAI models" and "Extended thinking" of the Amazon Bedrock User Guide; BerriAI/litellm-docs#1408.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bedrock_local.families import claude_rules
from bedrock_local.families.limits import check_window
from bedrock_local.inference import Question, Reply, ReplyStream, Responder, Streamer, stream_reply
from bedrock_local.inference import count_tokens as count
from bedrock_local.models import Model

SENTENCES = (
    "The request is about the text that comes with it.",
    "I look for the parts of the text that matter to it.",
    "Then I write them down in the form that was asked for.",
)
EFFORTS = {"low": 1, "medium": 2, "high": 3}


def make_reasoning(model: Model, parameters: Mapping[str, Any], max_tokens: int) -> str:
    """Return the model's reasoning, by its own parameters; empty when it does not think."""
    if model.provider == "anthropic":
        effort = "medium" if claude_rules.is_thinking(model, parameters.get("thinking")) else ""
    elif model.provider == "amazon":
        # The schema of Nova allows it in both places.
        config = (
            parameters.get("reasoningConfig") or (parameters.get("inferenceConfig") or {}).get("reasoningConfig") or {}
        )
        effort = config.get("maxReasoningEffort", "medium") if config.get("type") == "enabled" else ""
    else:
        effort = parameters.get("reasoning_effort") or "medium" if model.thinking == "always" else ""
    reasoning = " ".join(SENTENCES[: EFFORTS.get(effort, 0)])
    # The emulator counts four bytes as a token, and the sentences are ASCII.
    return reasoning[: 4 * max_tokens]


def request_reply(model: Model, question: Question, reasoning: str, responder: Responder) -> Reply:
    """Request a reply within the tokens that the reasoning leaves, and count both as output."""
    input_tokens, spent = check_window(question, model.context_tokens), count(reasoning)
    if spent >= question.max_tokens:
        return Reply("", "length", input_tokens, spent)
    reply = responder(replace(question, max_tokens=question.max_tokens - spent))
    return replace(reply, output_tokens=reply.output_tokens + spent)


def request_stream(model: Model, question: Question, reasoning: str, streamer: Streamer) -> ReplyStream:
    """Request a reply as `request_reply` does, as a stream; the reasoning is in none of its pieces."""
    input_tokens, spent = check_window(question, model.context_tokens), count(reasoning)
    if spent >= question.max_tokens:
        return stream_reply(Reply("", "length", input_tokens, spent))
    stream = streamer(replace(question, max_tokens=question.max_tokens - spent))
    stream.spent_tokens = spent
    return stream
