"""Which tool a request forces a model to call, by each format that can say so."""

from __future__ import annotations

import json

import pytest

from bedrock_local import open_session

HAIKU, NOVA, OPENAI = (
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.amazon.nova-lite-v1:0",
    "openai.gpt-oss-20b-1:0",
)
SCHEMA = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
ASKED = "The customer wants a refund of 40 euros."


@pytest.fixture
def runtime(tmp_path):
    """Requests on demand, which `extract` answers."""
    return open_session(tmp_path).client("bedrock-runtime")


def ask_claude(runtime, called):
    turns = [{"role": "user", "content": ASKED}]
    for name in called:
        call = {"type": "tool_use", "id": "one", "name": name, "input": {}}
        result = {"type": "tool_result", "tool_use_id": "one", "content": "Done."}
        turns += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    tools = [{"name": name, "input_schema": SCHEMA} for name in ("find", "bill")]
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 200, "messages": turns}
    answer = invoke(runtime, HAIKU, body | {"tools": tools, "tool_choice": {"type": "any"}})
    return [block["name"] for block in answer["content"] if block["type"] == "tool_use"]


def ask_openai(runtime, called):
    turns = [{"role": "user", "content": ASKED}]
    for name in called:
        call = {"id": "one", "type": "function", "function": {"name": name, "arguments": "{}"}}
        turns += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "one", "content": "Done."},
        ]
    tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("find", "bill")]
    answer = invoke(runtime, OPENAI, {"messages": turns, "tools": tools, "tool_choice": "required"})
    return [call["function"]["name"] for call in answer["choices"][0]["message"]["tool_calls"]]


def make_converse(called):
    turns = [{"role": "user", "content": [{"text": ASKED}]}]
    for name in called:
        call = {"toolUse": {"toolUseId": "one", "name": name, "input": {}}}
        result = {"toolResult": {"toolUseId": "one", "content": [{"text": "Done."}]}}
        turns += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    tools = [{"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}} for name in ("find", "bill")]
    return {"messages": turns, "toolConfig": {"tools": tools, "toolChoice": {"any": {}}}}


def ask_nova(runtime, called):
    return list_calls(invoke(runtime, NOVA, make_converse(called)))


def ask_converse(runtime, called):
    return list_calls(runtime.converse(modelId=HAIKU, **make_converse(called)))


def invoke(runtime, model_id, body):
    return json.loads(runtime.invoke_model(modelId=model_id, body=json.dumps(body))["body"].read())


def list_calls(answer):
    content = answer["output"]["message"]["content"]
    return [block["toolUse"]["name"] for block in content if "toolUse" in block]


@pytest.mark.parametrize("ask", [ask_claude, ask_openai, ask_nova, ask_converse])
@pytest.mark.parametrize(
    ("called", "expected"), [([], "find"), (["find"], "bill"), (["bill"], "find"), (["find", "bill"], "bill")]
)
def test_any_tool_is_the_first_that_the_conversation_has_not_called(runtime, ask, called, expected):
    assert ask(runtime, called) == [expected]


@pytest.mark.parametrize("choice", [{}, {"tool_choice": {"type": "auto"}}, {"tool_choice": {"type": "none"}}])
def test_a_tool_that_is_not_forced_is_not_called(runtime, choice):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "tools": [{"name": "find", "input_schema": SCHEMA}],
    }
    answer = invoke(runtime, HAIKU, body | choice | {"messages": [{"role": "user", "content": ASKED}]})
    assert [block["type"] for block in answer["content"]] == ["text"]
