"""Converse: what a body may hold, what it asks, and how the answer looks in a batch job and on demand.

Sources: the service model of bedrock-runtime; "Batch inference" of the Amazon Bedrock User Guide for what a record
may not hold, and gateways that run batches in this form (stdapi-ai/stdapi.ai); refusals in langgenius/dify-official-
plugins#1767, Mintplex-Labs/anything-llm#2486, langgenius/dify#19975, BerriAI/litellm#13825.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_local.families import claude_rules
from bedrock_local.families.error_wording import check_fields, speak_claude, speak_schema
from bedrock_local.families.family import Body, Family, digest
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.messages import check_conversation, join_role, texts_of
from bedrock_local.families.reasoning import find_thought
from bedrock_local.families.schema import ANYTHING, Fields
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.shapes import find_violations, input_shape, refuse_violations

STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "content_filtered"}
# Members of a content block, as a job's output file has them: all there, those that are not set null.
BLOCK = (
    "audio", "cachePoint", "citationsContent", "document", "guardContent", "image", "reasoningContent",
    "searchResult", "text", "toolResult", "toolUse", "video",
)  # fmt: skip
# The second names are in recorded answers and not in the service model; a job's output has both.
COUNTERS = ("cacheReadInputTokens", "cacheWriteInputTokens")
TWINS = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
# What a record may not hold. Tools: the documentation. Cache points: a gateway saw them fail. The others that gateway
# leaves out, so whether they fail is not known.
NOT_IN_BATCH = {
    "toolConfig": "Tool use",
    "guardrailConfig": "The guardrailConfig field",
    "requestMetadata": "The requestMetadata field",
    "serviceTier": "The serviceTier field",
}
WITHOUT_SYSTEM = re.compile(r"amazon\.titan-text|cohere\.command-(light-)?text|mistral\.(mistral-7b|mixtral)")
WITHOUT_STOPS = re.compile(r"openai\.gpt-oss|qwen\.|deepseek\.v3")
DEFAULT_MAX_TOKENS = 4096


def check_body(model: Model, body: Body, family: Family) -> None:
    """Refuse a body that Converse, or the model behind it, would refuse; `family` is that of the model."""
    shape = input_shape("bedrock-runtime", "Converse")
    known = dict.fromkeys((name for name in shape.members if name != "modelId"), ANYTHING)
    check_fields(body, Fields(known), speak_schema)
    refuse_violations(list(find_violations({"modelId": model.base, **body}, shape, "")))
    check_conversation(body.get("messages") or (), model.base)
    for reason in find_unsupported(model, body):
        raise ServiceError("ValidationException", reason)
    check_ceiling(model, (body.get("inferenceConfig") or {}).get("maxTokens") or 1)
    check_additional_fields(model, body, family)


def check_record(body: Body) -> None:
    """Refuse what Converse takes on demand and a batch record may not hold; the words are the emulator's own."""
    blocks = [block for message in list_of(body.get("messages")) for block in list_of(message.get("content"))]
    for name, words in NOT_IN_BATCH.items():
        if body.get(name) is not None:
            raise ServiceError("ValidationException", f"{words} is not supported for batch inference with Converse.")
    if any(block.get("cachePoint") is not None for block in [*blocks, *list_of(body.get("system"))]):
        reason = "Prompt caching (cachePoint) is not supported for batch inference with Converse."
        raise ServiceError("ValidationException", reason)


def list_of(value: Any) -> list[dict[str, Any]]:
    """Give the objects of a list; nothing has been checked yet."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def find_unsupported(model: Model, body: Body) -> Iterator[str]:
    """Name fields of Converse that the model has nothing for."""
    stops = (body.get("inferenceConfig") or {}).get("stopSequences") or ()
    if body.get("system") and WITHOUT_SYSTEM.match(model.base):
        cure = "Try again without a system message or use a model that supports system messages."
        yield f"This model doesn't support system messages. {cure}"
    if stops and WITHOUT_STOPS.match(model.base):
        yield "This model doesn't support the stopSequences field. Remove stopSequences and try again."
    for place, stop in enumerate(stops):
        if model.base.startswith("deepseek.r1") and len(stop) > 10:
            yield f"The stop sequence you provided at index {place} is longer than the model limit of 10 characters."


def check_additional_fields(model: Model, body: Body, family: Family) -> None:
    """Refuse fields that the model's own form does not have: Bedrock hands them on; Claude speaks for itself."""
    more = body.get("additionalModelRequestFields") or {}
    if isinstance(more, dict):
        try:
            check_fields(more, Fields(family.fields.known, takes_null=family.fields.takes_null), family.voice)
        except ServiceError as error:
            raise ServiceError(error.code, say_for_model(family, error.message)) from None
    if family.voice is speak_claude:
        for reason in claude_rules.find_claude_violations(
            model, read_wishes(model, body), last_role=body["messages"][-1]["role"]
        ):
            raise ServiceError("ValidationException", say_for_model(family, reason))


def say_for_model(family: Family, reason: str) -> str:
    """Say whose refusal this is: that of Bedrock's own check stands alone."""
    return reason if family.voice is speak_schema else f"The model returned the following errors: {reason}"


def read_wishes(model: Model, body: Body) -> dict[str, Any]:
    """Put the wishes of a body under the names that the model's own form has for them."""
    wishes, more = body.get("inferenceConfig") or {}, body.get("additionalModelRequestFields")
    own = {"temperature": wishes.get("temperature"), "top_p": wishes.get("topP")}
    own["max_tokens"] = find_max_tokens(model, body)
    return {**own, **(more if isinstance(more, dict) else {})}


def find_max_tokens(model: Model, body: Body) -> int:
    """Give the limit of the answer; without one it is the model's own."""
    return (body.get("inferenceConfig") or {}).get("maxTokens") or model.max_output_tokens or DEFAULT_MAX_TOKENS


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    wishes = body.get("inferenceConfig") or {}
    return Question(
        model_id=model.base,
        system="\n\n".join(texts_of(body.get("system"))),
        text=join_role(body["messages"], "user"),
        max_tokens=find_max_tokens(model, body),
        stop_sequences=tuple(wishes.get("stopSequences") or ()),
    )


def write_answer(model: Model, body: Body, reply: Reply, *, latency_ms: int) -> dict[str, Any]:
    """Write the answer to a call on demand; nothing is ever cached."""
    counters = dict.fromkeys(COUNTERS, 0) if claude_rules.counts_cache(model) else {}
    return {
        "metrics": {"latencyMs": latency_ms},
        "output": {"message": {"content": write_blocks(model, body, reply), "role": "assistant"}},
        "stopReason": STOPS[reply.stop],
        "usage": {**counters, **write_usage(reply)},
        **{name: body[name] for name in ("performanceConfig", "serviceTier") if body.get(name)},
    }


def write_batch_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:
    """Write the answer as a job's output file has it: members that are not set are null, and there are no metrics."""
    content = [fill_block(block) for block in write_blocks(model, body, reply)]
    counters = dict.fromkeys(COUNTERS + TWINS, 0 if claude_rules.counts_cache(model) else None)
    usage = {**write_usage(reply), **counters, "cacheDetails": None, "serverToolUsage": None}
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": STOPS[reply.stop],
        "usage": usage,
    }


def write_blocks(model: Model, body: Body, reply: Reply) -> list[dict[str, Any]]:
    """Write a block for the thought, if there is one, and one for the text, if there is one."""
    wishes = read_wishes(model, body)
    blocks: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
    if thought := find_thought(model, wishes, read_question(model, body).max_tokens):
        shown = model.provider != "anthropic" or claude_rules.shows_thought(model, wishes.get("thinking"))
        inside = {"signature": digest(body)} if model.provider == "anthropic" else {}
        inside["text"] = thought if shown else ""
        blocks.insert(0, {"reasoningContent": {"reasoningText": inside}})
    return blocks


def fill_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Put nulls for the members of a block that are not set, also inside the thought."""
    filled = {**dict.fromkeys(BLOCK), **block}
    if thought := block.get("reasoningContent"):
        inside = {"signature": None, "text": None, **thought["reasoningText"]}
        filled["reasoningContent"] = {"reasoningText": inside, "redactedContent": None}
    return filled


def write_usage(reply: Reply) -> dict[str, Any]:
    """Write the tokens of an answer."""
    return {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
    }
