import json

import jsonschema_rs
import pytest

from bedrock_local.families import read_converse_question, read_native_question
from bedrock_local.models import find_model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.responders.extract import extract

SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "why the customer called"},
        "outcome": {"enum": ["unresolved", "resolved", "pending"]},
        "mood": {"type": "string", "enum": ["angry", "calm"]},
        "score": {"type": "integer"},
        "scores": {"type": "array", "items": {"type": "number"}},
        "actions": {"type": "array", "items": {"type": "string"}},
        "amounts": {"type": "array", "items": {"type": "string"}},
        "follow_up": {"type": ["string", "null"]},
        "was_refunded": {"type": "boolean"},
        "agent": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/person"}]},
        "nothing": {"type": "null"},
        "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
    },
    "$defs": {
        "person": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
SCHEMA["required"] = list(SCHEMA["properties"])
CALL = "Agent: Hello.\nCustomer: I was charged 20 euros twice.\nAgent: I have refunded the 20 euros. It is resolved."
TEXT = f"Summarize.\n\n<transcript>\n{CALL}\n</transcript>"
HAIKU = find_model("anthropic.claude-haiku-4-5-20251001-v1:0")
OSS = find_model("openai.gpt-oss-20b-1:0")


def ask_claude(text, **fields):
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2000, "messages": [message]}
    return extract(read_native_question(HAIKU, body | fields))


def ask_converse(schema, max_tokens=2000):
    form = {"type": "json_schema", "structure": {"jsonSchema": {"name": "answer", "schema": schema}}}
    message = {"role": "user", "content": [{"text": TEXT}]}
    body = {"messages": [message], "inferenceConfig": {"maxTokens": max_tokens}, "outputConfig": {"textFormat": form}}
    return extract(read_converse_question(HAIKU, body))


def ask_openai():
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    message = {"role": "user", "content": TEXT}
    return extract(read_native_question(OSS, {"messages": [message], "max_tokens": 2000, "response_format": form}))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: ask_claude(TEXT, output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
        lambda: ask_converse(json.dumps(SCHEMA)),
        ask_openai,
        lambda: ask_claude(f"{TEXT}\n\nAnswer with JSON by this JSON Schema:\n{json.dumps(SCHEMA)}"),
    ],
    ids=["claude", "converse", "openai", "words"],
)
def test_a_request_with_a_schema_gets_json_that_it_accepts(ask):
    reply = ask()
    answer = json.loads(reply.text)
    assert list(jsonschema_rs.validator_for(SCHEMA).iter_errors(answer)) == []
    assert answer["amounts"] == ["20 euros"]
    assert answer["outcome"] == "resolved"
    assert reply.stop == "end"


def test_a_limit_cuts_the_json():
    reply = ask_converse(json.dumps(SCHEMA), max_tokens=5)
    assert (reply.text[:1], len(reply.text), reply.stop) == ("{", 20, "length")


@pytest.mark.parametrize("schema", ["{", "[]", '"a"'])
def test_a_schema_that_is_no_json_of_an_object_is_refused(schema):
    with pytest.raises(ServiceError, match="The schema of outputConfig is not the JSON of an object"):
        ask_converse(schema)


def test_converse_refuses_what_the_model_refuses():
    with pytest.raises(
        ServiceError, match=r"The model returned the following errors: output_config.format.schema: For 'obj"
    ):
        ask_converse('{"type": "object"}')
