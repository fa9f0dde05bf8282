"""Converse: what a body may hold, what it asks, and how the answer looks in a batch job and on demand.

Sources: the service model of bedrock-runtime; "Batch inference" of the Amazon Bedrock User Guide for what a record
may not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_local.answers import Question, Reply
from bedrock_local.errors import ServiceError
from bedrock_local.models import Model
from bedrock_local.sampling import check_ceiling, check_sampling
from bedrock_local.shapes import find_faults, input_shape, refuse_faults

STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "content_filtered"}
# Members of a content block, as a job's output file has them: all there, those that are not set null.
BLOCK = (
    "audio", "cachePoint", "citationsContent", "document", "guardContent", "image", "reasoningContent",
    "searchResult", "text", "toolResult", "toolUse", "video",
)  # fmt: skip
DEFAULT_MAX_TOKENS = 4096


def check_body(model: Model, body: Mapping[str, Any]) -> None:
    """Refuse a body that Converse, or the model behind it, would refuse."""
    shape = input_shape("bedrock-runtime", "Converse")
    for name in body:
        if name == "modelId" or name not in shape.members:
            reason = f"Malformed input request: #: extraneous key [{name}] is not permitted"
            raise ServiceError("ValidationException", f"{reason}, please reformat your input and try again.")
    refuse_faults(list(find_faults({"modelId": model.base, **body}, shape, "")))
    for reason in find_message_faults(body.get("messages") or []):
        raise ServiceError("ValidationException", reason)
    wishes = body.get("inferenceConfig") or {}
    check_ceiling(model, wishes.get("maxTokens") or 1)
    more = body.get("additionalModelRequestFields")
    top_k = more.get("top_k") if isinstance(more, dict) else None
    check_sampling(model, {"temperature": wishes.get("temperature"), "top_p": wishes.get("topP"), "top_k": top_k})


def check_record(body: Mapping[str, Any]) -> None:
    """Refuse what Converse takes on demand and a batch record may not hold."""
    if body.get("toolConfig") is not None:
        raise ServiceError("ValidationException", "Tool use is not supported for batch inference with Converse.")


def find_message_faults(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Name what Converse itself refuses in messages of the right shape."""
    if not messages:
        yield "The conversation must have at least one message."
    if messages and messages[0]["role"] != "user":
        cure = "Try again with a conversation that starts with a user message."
        yield f"A conversation must start with a user message. {cure}"
    for number, message in enumerate(messages):
        for place, part in enumerate(message["content"]):
            if "text" in part and not part["text"].strip():
                where = f"messages.{number}.content.{place}"
                cure = "Add text to the text field, and try again."
                yield f"The text field in the ContentBlock object at {where} is blank. {cure}"


def read_question(model: Model, body: Mapping[str, Any]) -> Question:
    """Read the question out of a checked body."""
    wishes = body.get("inferenceConfig") or {}
    parts = [part for message in body["messages"] if message["role"] == "user" for part in message["content"]]
    return Question(
        model_id=model.base,
        system="\n\n".join(part["text"] for part in body.get("system") or () if part.get("text")),
        text="\n\n".join(part["text"] for part in parts if part.get("text")),
        max_tokens=wishes.get("maxTokens") or model.max_output_tokens or DEFAULT_MAX_TOKENS,
        stop_sequences=tuple(wishes.get("stopSequences") or ()),
    )


def write_batch_answer(reply: Reply) -> dict[str, Any]:
    """Write the answer as a job's output file has it: unset members of unions are null."""
    blank = dict.fromkeys(BLOCK)
    content = [{**blank, "text": reply.text}] if reply.text else []
    usage = {**write_usage(reply), "cacheReadInputTokens": None, "cacheWriteInputTokens": None}
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": STOPS[reply.stop],
        "usage": usage,
    }


def write_answer(reply: Reply, *, latency_ms: int) -> dict[str, Any]:
    """Write the answer to a call on demand."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": reply.text}] if reply.text else []}},
        "stopReason": STOPS[reply.stop],
        "usage": write_usage(reply),
        "metrics": {"latencyMs": latency_ms},
    }


def write_usage(reply: Reply) -> dict[str, Any]:
    """Write the tokens of an answer."""
    return {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
    }
