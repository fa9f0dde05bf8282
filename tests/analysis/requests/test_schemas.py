import json
import re

import msgspec
import pytest

from analysis import collect, invoke, load_answers, make_calls, plan_repair, prepare, preview, read_json_answers
from analysis.errors import PromptError
from analysis.prompts import Prompt
from analysis.requests.body_templates import write_request
from analysis.requests.prompt_checks import check_settings
from analysis.requests.schemas import describe_doubt

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS = "global.anthropic.claude-opus-5"
OSS = "openai.gpt-oss-20b-1:0"
NOVA = "global.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
TEXT = {"type": "string"}
SCHEMA = {"type": "object", "properties": {"reason": TEXT}, "required": ["reason"], "additionalProperties": False}
BARE = {"type": "object", "properties": {"reason": TEXT}}
CONVERSE = {"invocation_type": "Converse"}


def make(model_id, **fields):
    return Prompt(**{"name": "short", "model_id": model_id, "template": "{{ transcript }}", "schema": SCHEMA} | fields)


def with_property(**schema):
    return SCHEMA | {"properties": {"reason": schema}}


@pytest.mark.parametrize(
    ("model_id", "fields", "places"),
    [
        (HAIKU, {}, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        (OPUS, {"schema_by": "format"}, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        (
            OSS,
            {},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        ),
        (
            "us.anthropic.claude-sonnet-4-6",
            {"additional_fields": {"output_config": {"effort": "low"}}},
            {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
    ],
)
def test_a_request_carries_the_schema_where_the_model_takes_it(model_id, fields, places):
    prompt = make(model_id, **fields)
    check_settings(prompt)
    bare = write_request(prompt.replace(schema=None, schema_by="", additional_fields={}), "a call")
    assert write_request(prompt, "a call") == bare | places


@pytest.mark.parametrize(
    ("model_id", "places"),
    [
        (
            OPUS,
            {"tools": [{"name": "answer", "input_schema": BARE}], "tool_choice": {"type": "tool", "name": "answer"}},
        ),
        (
            NOVA,
            {
                "toolConfig": {
                    "tools": [{"toolSpec": {"name": "answer", "inputSchema": {"json": BARE}}}],
                    "toolChoice": {"tool": {"name": "answer"}},
                }
            },
        ),
        (
            OSS,
            {
                "tools": [{"type": "function", "function": {"name": "answer", "parameters": BARE}}],
                "tool_choice": {"type": "function", "function": {"name": "answer"}},
            },
        ),
    ],
)
def test_a_header_may_ask_for_a_tool_that_has_to_be_called(model_id, places):
    prompt = make(model_id, schema=BARE, schema_by="tool")
    check_settings(prompt)
    assert (
        write_request(prompt, "a call") == write_request(prompt.replace(schema=None, schema_by=""), "a call") | places
    )


@pytest.mark.parametrize("model_id", [HAIKU, NOVA, OSS])
def test_a_forced_tool_is_answered_with_a_call_that_is_read_into_columns(model_id, account, tmp_path):
    run = prepare(make_calls(2), make(model_id, schema_by="tool"), into=tmp_path)
    invoke(run)
    collect(run)
    values = read_json_answers(load_answers(run), SCHEMA)
    assert values.select("stop", "json_error").unique().rows() == [("tool", None)]
    assert values["reason"].null_count() == 0
    assert plan_repair(run).causes.is_empty()


@pytest.mark.parametrize("model_id", [HAIKU, OSS])
def test_in_converse_the_schema_is_a_text(model_id):
    prompt = make(model_id, **CONVERSE)
    check_settings(prompt)
    body = write_request(prompt, "a call")
    given = body.pop("outputConfig")["textFormat"]
    assert body == write_request(prompt.replace(schema=None), "a call")
    assert given["type"] == "json_schema"
    assert given["structure"]["jsonSchema"]["name"] == "answer"
    assert json.loads(given["structure"]["jsonSchema"]["schema"]) == SCHEMA


@pytest.mark.parametrize(
    ("model_id", "fields"),
    [(OPUS, {}), (NOVA, CONVERSE), (NOVA, {}), (LLAMA, {}), (HAIKU, {"schema_by": "words"}), (LLAMA, {"schema": BARE})],
)
def test_elsewhere_the_prompt_says_it_in_words(model_id, fields):
    prompt = make(model_id, **fields)
    check_settings(prompt)
    said = preview(prompt, {"call_id": "a", "transcript": "a call"}).text
    assert said.startswith("a call\n\nAnswer with one JSON object")
    assert said.endswith(msgspec.json.encode(prompt.schema).decode())
    bare = prompt.replace(schema=None, schema_by="")
    assert write_request(prompt, "a call") == write_request(bare, said)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"model_id": LLAMA, "schema_by": "format"},
            "meta.* by InvokeModel has no field for a schema; set schema_by to",
        ),
        ({"schema_by": "tool", **CONVERSE}, "anthropic.* by Converse has no tool that it has to call in a batch job"),
        (
            {"schema_by": "tool", "additional_fields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
            "a model that thinks cannot be made to call a tool; leave thinking out, or set schema_by to words",
        ),
        (
            {"schema_by": "tool", "additional_fields": {"tools": []}},
            "additional_fields has 'tools', and so has the schema",
        ),
        ({"schema": BARE}, "an object of the schema does not say additionalProperties: false, .*; add it, or set sch"),
        ({"schema": with_property(type="array", items=BARE)}, "does not say additionalProperties: false"),
        ({"schema": with_property(type="integer", minimum=1)}, "the schema has 'minimum', .* refuse in a request"),
        (
            {"schema": with_property(type="array", minItems=2)},
            "the schema has a minItems above 1, .*; write 0 or 1, or",
        ),
        ({"schema": SCHEMA | {"$defs": {"a": {"maxLength": 3}}}}, "the schema has 'maxLength'"),
        ({"schema": SCHEMA | {"properties": {f"p{n}": TEXT for n in range(26)}}}, "has 26 properties that are not req"),
        (
            {
                "schema": SCHEMA
                | {
                    "properties": {f"p{n}": {"type": ["string", "null"]} for n in range(17)},
                    "required": [f"p{n}" for n in range(17)],
                }
            },
            "the schema has 17 unions of types, and models take 16",
        ),
        ({"additional_fields": {"output_config": {"format": {}}}}, "additional_fields has 'output_config', and so has"),
        (
            {"additional_fields": {"outputConfig": {"textFormat": {}}}, **CONVERSE},
            "additional_fields has 'outputConfig', and so has",
        ),
    ],
)
def test_a_schema_that_a_request_cannot_have_is_refused(fields, reason):
    with pytest.raises(PromptError, match=reason):
        check_settings(make(**{"model_id": HAIKU} | fields))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "objekt"}, "short: schema is no JSON Schema .*; write one of an object"),
        ({"type": "array"}, "short: schema is not of an object that has properties"),
        ({"type": "object"}, "short: schema is not of an object that has properties"),
        (BARE | {"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "short: schema is no JSON Schema"),
        (BARE | {"default": float("nan")}, "short: schema has a float, which JSON cannot hold"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema, reason):
    with pytest.raises(PromptError, match=reason):
        make(HAIKU, schema=schema)


def test_how_a_schema_is_told_needs_one():
    with pytest.raises(
        PromptError, match="short: schema_by says how a schema is told, and there is none; add a schema"
    ):
        make(HAIKU, schema=None, schema_by="words")


@pytest.mark.parametrize(
    ("model_id", "fields", "doubt"),
    [
        (HAIKU, {}, "a page of AWS takes that in batch jobs, an older text of it does not; .* set schema_by to words"),
        (HAIKU, {"schema_by": "words"}, "$"),
        (HAIKU, {"schema": None}, "$"),
        (OPUS, {}, "told in words, as anthropic.claude-opus-5 refused schemas .*; schema_by format sends it"),
        (
            OPUS,
            {"schema_by": "format"},
            "anthropic.claude-opus-5 refused schemas until September 2026; .* try a few first",
        ),
        (NOVA, CONVERSE, "$"),
        (NOVA, {"schema_by": "tool"}, "no output of a batch job with a forced tool has been seen: try a few"),
    ],
)
def test_where_sources_disagree_the_plan_says_so(model_id, fields, doubt):
    assert re.match(f".*{doubt}" if doubt != "$" else "$", describe_doubt(make(model_id, **fields)))


def test_members_of_converse_are_not_hidden_among_the_fields_of_the_model():
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    fields = {"guardrailConfig": guardrail, "outputConfig": {"effort": "low"}, "thinking": {"type": "disabled"}}
    body = write_request(make(HAIKU, schema=None, additional_fields=fields, **CONVERSE), "a call")
    assert body["guardrailConfig"] == guardrail
    assert body["outputConfig"] == {"effort": "low"}
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("toolConfig", "set invocation_type to InvokeModel"),
        ("serviceTier", "leave it out: a batch job has a price of its own"),
        ("system", "write the text under '# System'"),
        ("requestMetadata", "tag the job"),
        ("additionalModelRequestFields", "write what is in it as additional_fields"),
    ],
)
def test_a_member_that_no_record_takes_is_refused_by_name_with_the_cure(name, cure):
    with pytest.raises(PromptError, match=f"additional_fields has '{name}', .* by Converse; .*{cure}"):
        check_settings(make(NOVA, schema=None, additional_fields={name: {"a": 1}}, **CONVERSE))
