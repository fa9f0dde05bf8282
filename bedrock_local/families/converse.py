"""Converse: the rules for a body, the question in it, and the answer format in a batch job and on demand.

Sources: the service model of bedrock-runtime; "Batch inference" of the Amazon Bedrock User Guide for what a record
must not contain, and gateways that run batches in this format (stdapi-ai/stdapi.ai); refusals in
langgenius/dify-official-plugins#1767, Mintplex-Labs/anything-llm#2486, langgenius/dify#19975, BerriAI/litellm#13825.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bedrock_local.families import claude_rules
from bedrock_local.families.content_events import write_content_events
from bedrock_local.families.error_wording import check_schema, format_claude, format_schema
from bedrock_local.families.family import Body, Family, digest
from bedrock_local.families.forced_tools import find_converse_tool, read_input
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.messages import check_conversation, join_role, list_texts
from bedrock_local.families.reasoning import make_reasoning
from bedrock_local.families.response_fields import FIELD, check_pointers, pick_fields
from bedrock_local.families.schema import ANY, Object
from bedrock_local.families.tool_results import find_converse_violations
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.shapes import find_violations, input_shape, refuse_violations

PATHS = "additionalModelResponseFieldPaths"
STOPS = {"end": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "filtered": "content_filtered"}
# Members of a content block in a job's output file, where those that are not set are null.
BLOCK_MEMBERS = (
    "audio", "cachePoint", "citationsContent", "document", "guardContent", "image", "reasoningContent",
    "searchResult", "text", "toolResult", "toolUse", "video",
)  # fmt: skip
# A job's output has both names of each counter; the second is in recorded answers, but not in the service model.
COUNTERS = ("cacheReadInputTokens", "cacheWriteInputTokens")
BATCH_COUNTERS = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
# Fields that a record must not have: the documentation.
NOT_IN_BATCH = {"toolConfig": "Tool use"}
# Fields that a gateway leaves out of batches; whether a record with them fails is not known.
DOUBTFUL_IN_BATCH = {
    "guardrailConfig": "The guardrailConfig field",
    "requestMetadata": "The requestMetadata field",
    "serviceTier": "The serviceTier field",
}
# Models that were seen to refuse a system text, or stop sequences, in the issues above.
WITHOUT_SYSTEM = re.compile(r"amazon\.titan-text|cohere\.command-(light-)?text|mistral\.(mistral-7b|mixtral)")
# Their cards say that they take no schema; the wording of the refusal is the emulator's own.
WITHOUT_SCHEMA = re.compile(r"amazon\.nova")
WITHOUT_STOPS = re.compile(r"openai\.gpt-oss|qwen\.|deepseek\.v")
# For models whose own limit is not known.
DEFAULT_MAX_TOKENS = 4096


def check_body(model: Model, body: Body, family: Family, operation: str) -> None:
    """Refuse a body that Converse or ConverseStream, or the model behind it, would refuse; `family` is the model's."""
    shape = input_shape("bedrock-runtime", operation)
    # The check against the shape, below, ignores unknown members, which the service refuses.
    known = dict.fromkeys((name for name in shape.members if name != "modelId"), ANY)
    check_schema(body, Object(known), format_schema)
    # The shape requires modelId, which is in the path of a request and not in a record.
    refuse_violations(list(find_violations({"modelId": model.base, **body}, shape, "")))
    check_conversation(body.get("messages") or (), model.base)
    tools = find_converse_violations(body.get("messages") or (), body.get("toolConfig"))
    for reason in (*tools, *find_unsupported(model, body)):
        raise ServiceError("ValidationException", reason)
    read_schema(body)
    check_pointers(body.get(PATHS) or ())
    check_ceiling(model, (body.get("inferenceConfig") or {}).get("maxTokens") or 1)
    check_additional_fields(model, body, family)


def check_batch_record(body: Body, *, strict: bool = False) -> None:
    """Refuse what Converse accepts on demand but not in a batch record; the wording is the emulator's own."""
    blocks = [block for message in list_objects(body.get("messages")) for block in list_objects(message.get("content"))]
    for name, words in (NOT_IN_BATCH | (DOUBTFUL_IN_BATCH if strict else {})).items():
        if body.get(name) is not None:
            raise ServiceError("ValidationException", f"{words} is not supported for batch inference with Converse.")
    if any(block.get("cachePoint") is not None for block in [*blocks, *list_objects(body.get("system"))]):
        reason = "Prompt caching (cachePoint) is not supported for batch inference with Converse."
        raise ServiceError("ValidationException", reason)


def list_objects(value: Any) -> list[dict[str, Any]]:
    """List the objects in a value that may not be a list: nothing has been checked yet."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def find_unsupported(model: Model, body: Body) -> Iterator[str]:
    """Find fields of Converse that the model does not support."""
    stops = (body.get("inferenceConfig") or {}).get("stopSequences") or ()
    if body.get("system") and WITHOUT_SYSTEM.match(model.base):
        cure = "Try again without a system message or use a model that supports system messages."
        yield f"This model doesn't support system messages. {cure}"
    if stops and WITHOUT_STOPS.match(model.base):
        yield "This model doesn't support the stopSequences field. Remove stopSequences and try again."
    if (body.get("outputConfig") or {}).get("textFormat") and WITHOUT_SCHEMA.match(model.base):
        cure = "Remove outputConfig.textFormat and try again."
        yield f"This model doesn't support the outputConfig.textFormat field. {cure}"
    for place, stop in enumerate(stops):
        if model.base.startswith("deepseek.r1") and len(stop) > 10:
            yield f"The stop sequence you provided at index {place} is longer than the model limit of 10 characters."


def check_additional_fields(model: Model, body: Body, family: Family) -> None:
    """Refuse additional fields that break the schema of the model's own format, or the rules of Claude."""
    more = body.get("additionalModelRequestFields") or {}
    if isinstance(more, dict):
        try:
            # Only the properties: what a native body requires has its own place in a body of Converse.
            check_schema(more, Object(family.schema.properties, nullable=family.schema.nullable), family.format_error)
        except ServiceError as error:
            raise ServiceError(error.code, attribute_to_model(family, error.message)) from None
    if family.format_error is format_claude:
        for reason in claude_rules.find_claude_violations(
            model, read_native_parameters(model, body), last_role=body["messages"][-1]["role"]
        ):
            raise ServiceError("ValidationException", attribute_to_model(family, reason))


def attribute_to_model(family: Family, reason: str) -> str:
    """Prefix a model's own error as Bedrock does; the message of Bedrock's schema check has no prefix."""
    return reason if family.format_error is format_schema else f"The model returned the following errors: {reason}"


def read_native_parameters(model: Model, body: Body) -> dict[str, Any]:
    """Return the parameters of a body by the names that the model's own format has for them."""
    config, more = body.get("inferenceConfig") or {}, body.get("additionalModelRequestFields")
    own: dict[str, Any] = {"temperature": config.get("temperature"), "top_p": config.get("topP")}
    own["max_tokens"] = find_max_tokens(model, body)
    if (schema := read_schema(body)) is not None:
        own["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if (effort := (body.get("outputConfig") or {}).get("effort")) is not None:
        own.setdefault("output_config", {})["effort"] = effort
    return {**own, **(more if isinstance(more, dict) else {})}


def find_max_tokens(model: Model, body: Body) -> int:
    """Return the requested limit of the answer, or the model's own when there is none."""
    return (body.get("inferenceConfig") or {}).get("maxTokens") or model.max_output_tokens or DEFAULT_MAX_TOKENS


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    config = body.get("inferenceConfig") or {}
    tool = find_converse_tool(body)
    return Question(
        model_id=model.base,
        system="\n\n".join(list_texts(body.get("system"))),
        text=join_role(body["messages"], "user"),
        max_tokens=find_max_tokens(model, body),
        stop_sequences=tuple(config.get("stopSequences") or ()),
        schema=tool.schema if tool else read_schema(body),
        tool=tool,
    )


def read_schema(body: Body) -> dict[str, Any] | None:
    """Read the JSON Schema of the answer, which is a text in the request; the error's wording is the emulator's own."""
    form = (body.get("outputConfig") or {}).get("textFormat") or {}
    given = ((form.get("structure") or {}).get("jsonSchema") or {}).get("schema")
    try:
        schema = None if given is None else json.loads(given)
    except (ValueError, RecursionError):
        schema = given
    if schema is not None and not isinstance(schema, dict):
        raise ServiceError("ValidationException", "The schema of outputConfig is not the JSON of an object.")
    return schema


def write_answer(model: Model, body: Body, reply: Reply, family: Family, *, latency_ms: int) -> dict[str, Any]:
    """Write the answer to a request on demand; cache counters are always 0. `family` is the model's."""
    counters = dict.fromkeys(COUNTERS, 0) if claude_rules.reports_cache_tokens(model) else {}
    return {
        # Members in alphabetical order, as in recorded answers.
        **write_asked_fields(model, body, reply, family),
        "metrics": {"latencyMs": latency_ms},
        "output": {"message": {"content": write_blocks(model, body, reply), "role": "assistant"}},
        "stopReason": STOPS[reply.stop] if read_input(find_converse_tool(body), reply) is None else "tool_use",
        "usage": {**counters, **write_usage(reply)},
        **{name: body[name] for name in ("performanceConfig", "serviceTier") if body.get(name)},
    }


def write_events(
    model: Model, body: Body, stream: ReplyStream, family: Family, *, elapsed_ms: Callable[[], int]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a stream, name and content, as on demand; `elapsed_ms` is called once the reply is there."""
    yield "messageStart", {"role": "assistant"}
    reasoning, signature = find_reasoning(model, body)
    is_called = yield from write_content_events(
        stream,
        reasoning=reasoning,
        signature=signature,
        tool=find_converse_tool(body),
        tool_use_id=make_tool_use_id(body),
    )
    answer = write_answer(model, body, stream.reply, family, latency_ms=elapsed_ms())
    asked = {name: answer.pop(name) for name in (FIELD,) if name in answer}
    yield "messageStop", {**asked, "stopReason": "tool_use" if is_called else answer["stopReason"]}
    yield "metadata", {name: part for name, part in answer.items() if name not in ("output", "stopReason")}


def write_asked_fields(model: Model, body: Body, reply: Reply, family: Family) -> dict[str, Any]:
    """Write the fields of the model's own answer that a request asks for; none where it asks for none."""
    if not (pointers := body.get(PATHS)):
        return {}
    text = read_question(model, body).text
    # What was asked, in the member that the family has for it; parts of it come back in some answers.
    asked = {"messages": [{"role": "user", "content": text}], "prompt": text, "message": text}
    native = {**asked, **read_native_parameters(model, body)}
    return pick_fields(family.write_answer(model, native, reply), pointers)


def write_batch_answer(model: Model, body: Body, reply: Reply, family: Family) -> dict[str, Any]:
    """Write the answer for a job's output file: members that are not set are null, and there are no metrics."""
    content = [fill_block(block) for block in write_blocks(model, body, reply)]
    counters = dict.fromkeys(COUNTERS + BATCH_COUNTERS, 0 if claude_rules.reports_cache_tokens(model) else None)
    usage = {**write_usage(reply), **counters, "cacheDetails": None, "serverToolUsage": None}
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": STOPS[reply.stop],
        "usage": usage,
        **write_asked_fields(model, body, reply, family),
    }


def write_blocks(model: Model, body: Body, reply: Reply) -> list[dict[str, Any]]:
    """Write the content: a block of reasoning and a block of text, each only if it is not empty."""
    blocks: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
    tool = find_converse_tool(body)
    if tool and (given := read_input(tool, reply)) is not None:
        blocks = [{"toolUse": {"toolUseId": make_tool_use_id(body), "name": tool.name, "input": given}}]
    reasoning, signature = find_reasoning(model, body)
    if reasoning or signature:
        inside = {"signature": signature} if signature else {}
        blocks.insert(0, {"reasoningContent": {"reasoningText": {**inside, "text": reasoning}}})
    return blocks


def find_reasoning(model: Model, body: Body) -> tuple[str, str]:
    """Return the reasoning as the answer shows it, and its signature, which only Claude has; both may be empty."""
    parameters = read_native_parameters(model, body)
    reasoning = make_reasoning(model, parameters, read_question(model, body).max_tokens)
    if not reasoning or model.provider != "anthropic":
        return reasoning, ""
    return reasoning if claude_rules.shows_reasoning(model, parameters.get("thinking")) else "", digest(body)


def make_tool_use_id(body: Body) -> str:
    """Make the id of the call of a tool."""
    return f"tooluse_{digest(body)[:22]}"


def fill_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Add nulls for the members of a block that are not set, also inside the reasoning."""
    filled = {**dict.fromkeys(BLOCK_MEMBERS), **block}
    if reasoning := block.get("reasoningContent"):
        inside = {"signature": None, "text": None, **reasoning["reasoningText"]}
        filled["reasoningContent"] = {"reasoningText": inside, "redactedContent": None}
    return filled


def write_usage(reply: Reply) -> dict[str, Any]:
    """Write the token counts of an answer."""
    return {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
    }
