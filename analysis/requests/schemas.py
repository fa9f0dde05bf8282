"""Schemas of prompts in requests: as a field where the model takes one in a batch job, else in words.

Sources: Amazon Bedrock User Guide, "Structured outputs" and "Process multiple prompts with batch inference", and the
model cards, all as read in autumn 2026; the service model of Converse; refusals in vercel/ai#17737, vercel/ai#14773,
ax-llm/ax#667 and anthropics/anthropic-sdk-python#1759.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from analysis.facts.models import find_model
from analysis.families import find_family
from analysis.families.family import add_fields
from analysis.prompts import Prompt

FORMAT, TOOL, WORDS = "format", "tool", "words"
NAME = "answer"  # of the schema or tool
REQUEST = "Answer with one JSON object that is valid by this JSON Schema, and with nothing before or after it:"
# What the page lists as not taken, and what it refuses; beyond these sizes Anthropic's API refuses as well.
NOT_TAKEN = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
)  # fmt: skip
MOST_OPTIONAL, MOST_UNIONS = 24, 16


def write_output_config(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write the field of Anthropic Messages."""
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def write_text_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write the field of Converse, in which the schema is a text."""
    text = msgspec.json.encode(schema).decode()
    structure = {"jsonSchema": {"name": NAME, "schema": text}}
    return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}


def write_response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write the field of OpenAI's chat completions."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": NAME, "schema": schema}}}


def write_tools(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write a tool of Anthropic Messages, and that it has to be called."""
    return {"tools": [{"name": NAME, "input_schema": schema}], "tool_choice": {"type": "tool", "name": NAME}}


def write_tool_config(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write a tool of Nova, and that it has to be called."""
    tool = {"toolSpec": {"name": NAME, "inputSchema": {"json": schema}}}
    return {"toolConfig": {"tools": [tool], "toolChoice": {"tool": {"name": NAME}}}}


def write_functions(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write a function of OpenAI's chat completions, and that it has to be called."""
    function = {"type": "function", "function": {"name": NAME, "parameters": schema}}
    return {"tools": [function], "tool_choice": {"type": "function", "function": {"name": NAME}}}


# By way and family. Converse has tools too, and records of batch jobs that have any fail.
WRITERS: dict[str, dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    FORMAT: {"anthropic": write_output_config, "converse": write_text_format, "openai": write_response_format},
    TOOL: {"anthropic": write_tools, "nova": write_tool_config, "openai": write_functions},
}


def find_way(prompt: Prompt) -> str:
    """Return how a prompt's schema is told: `format`, `tool`, `words`, or an empty text for a prompt without one."""
    if prompt.schema is None:
        return ""
    model = find_model(prompt.model_id)
    # Of other open weights no page says that they take one; Nova, Llama, Titan and Cohere have no such field.
    takes = find_family(model, prompt.invocation_type).name in WRITERS[FORMAT] and model.schema == "yes"
    return prompt.schema_by or (FORMAT if takes else WORDS)


def write_schema_fields(prompt: Prompt) -> dict[str, Any]:
    """Write the fields of a request that tell the schema; empty where words do."""
    if prompt.schema is None or (way := find_way(prompt)) == WORDS:
        return {}
    name = find_family(find_model(prompt.model_id), prompt.invocation_type).name
    return WRITERS[way][name](prompt.schema)


def add_schema(prompt: Prompt, text: str) -> tuple[Prompt, str]:
    """Add the schema of a prompt to its fields, or to the user's text."""
    if prompt.schema is None:
        return prompt, text
    if find_way(prompt) == WORDS:
        return prompt, f"{text}\n\n{REQUEST}\n\n{msgspec.json.encode(prompt.schema).decode()}"
    return replace(prompt, additional_fields=add_fields(prompt.additional_fields, write_schema_fields(prompt))), text


def check_schema_fields(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """Find a schema that the request cannot carry, or that the model would refuse; yield reason and cure."""
    if (way := find_way(prompt)) == WORDS or prompt.schema is None:
        return
    in_words = "set schema_by to words"
    model = find_model(prompt.model_id)
    if find_family(model, prompt.invocation_type).name not in WRITERS[way]:
        what = "field for a schema" if way == FORMAT else "tool that it has to call in a batch job"
        yield f"a request of {model.base} by {prompt.invocation_type} has no {what}", in_words
        return
    for name, own in write_schema_fields(prompt).items():
        if isinstance(given := prompt.additional_fields.get(name), dict) and not own.keys() & given.keys():
            continue  # such as an effort beside the format
        if name in prompt.additional_fields:
            yield f"additional_fields has {name!r}, and so has the schema of the header", "keep one of them"
    thinking = prompt.additional_fields.get("thinking")
    if way == TOOL and isinstance(thinking, dict) and thinking.get("type") != "disabled":
        yield "a model that thinks cannot be made to call a tool", f"leave thinking out, or {in_words}"
    if way == FORMAT:  # the input of a tool is not held to its schema
        yield from check_schema_limits(prompt.schema, in_words)


def check_schema_limits(schema: Mapping[str, Any], in_words: str) -> Iterator[tuple[str, str]]:
    """Find what models refuse of a schema in a request."""
    nodes = list(walk_schemas(schema))
    for node in nodes:
        if node.get("type") == "object" and node.get("additionalProperties") is not False:
            reason = "an object of the schema does not say additionalProperties: false, which models require"
            yield reason, f"add it, or {in_words}"
        for word in NOT_TAKEN:
            if word in node:
                yield f"the schema has {word!r}, which models refuse in a request", f"leave it out, or {in_words}"
        if node.get("minItems", 0) > 1:
            yield "the schema has a minItems above 1, which models refuse in a request", f"write 0 or 1, or {in_words}"
    if (optional := sum(map(count_optional, nodes))) > MOST_OPTIONAL:
        reason = f"the schema has {optional} properties that are not required, and models take {MOST_OPTIONAL}"
        yield reason, f"require more of them, or {in_words}"
    if (unions := sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)) > MOST_UNIONS:
        reason = f"the schema has {unions} unions of types, and models take {MOST_UNIONS}"
        yield reason, f"use fewer, or {in_words}"


def walk_schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and those in it: of properties, items, alternatives and definitions."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    inside = [
        schema.get("items"),
        schema.get("additionalProperties"),
        *schema.get("anyOf", ()),
        *schema.get("allOf", ()),
    ]
    for name in ("properties", "$defs", "definitions"):
        inside += schema.get(name, {}).values()
    for each in inside:
        yield from walk_schemas(each)


def count_optional(node: Mapping[str, Any]) -> int:
    """Count the properties of an object that are not required."""
    return len(node.get("properties", {}).keys() - set(node.get("required", ())))


def describe_doubt(prompt: Prompt) -> str:
    """Describe what is not certain of how a schema is told; empty where nothing is."""
    way, model = find_way(prompt), find_model(prompt.model_id)
    base, is_disputed = model.base, model.schema == "disputed"
    if way == FORMAT and is_disputed:
        return f"{base} refused schemas until September 2026; where it still does, every record fails: try a few first"
    if way == FORMAT:
        return (
            "the request has the schema: a page of AWS takes that in batch jobs, an older text of it does not; "
            "if every record fails, set schema_by to words"
        )
    if way == TOOL:
        return "no output of a batch job with a forced tool has been seen: try a few records first"
    if way == WORDS and not prompt.schema_by and is_disputed:
        return f"told in words, as {base} refused schemas until September 2026; schema_by format sends it"
    return ""
