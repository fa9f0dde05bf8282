"""Conversations with tools: results are read, missing ones are refused, and an agent comes to its answer."""

from __future__ import annotations

import json

import pytest

from bedrock_local import open_session
from bedrock_local.inference import Reply

HAIKU, NOVA, GPT = "anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-lite-v1:0", "openai.gpt-oss-20b-1:0"
TOOLS = {"tools": [{"toolSpec": {"name": "bill", "inputSchema": {"json": {"type": "object"}}}}]}
CALL = {"toolUse": {"toolUseId": "one", "name": "bill", "input": {}}}


def talk(*results, call=CALL):
    asked, called = {"role": "user", "content": [{"text": "How much?"}]}, {"role": "assistant", "content": [call]}
    return {"messages": [asked, called, {"role": "user", "content": list(results)}]}


def result(*content, name="one"):
    return {"toolResult": {"toolUseId": name, "content": list(content)}}


def claude(*results):
    called = [{"type": "tool_use", "id": "one", "name": "bill", "input": {}}]
    turns = [("user", "How much?"), ("assistant", called), ("user", list(results))]
    said = [{"role": role, "content": content} for role, content in turns]
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": said}


def chat(content):
    call = {"id": "one", "type": "function", "function": {"name": "bill", "arguments": "{}"}}
    said = [{"role": "user", "content": "How much?"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    return {"messages": [*said, {"role": "tool", "tool_call_id": "one", "content": content}]}


@pytest.mark.parametrize(
    ("base", "body", "text"),
    [
        (HAIKU, claude({"type": "tool_result", "tool_use_id": "one", "content": "12.50"}), "How much?\n\n12.50"),
        (
            HAIKU,
            claude({"type": "tool_result", "tool_use_id": "one", "content": [{"type": "text", "text": "12.50"}]}),
            "How much?\n\n12.50",
        ),
        (HAIKU, claude({"type": "tool_result", "tool_use_id": "one"}), "How much?"),
        (NOVA, talk(result({"json": {"total": 1}}, {"text": "euros"})) | {"toolConfig": TOOLS},
         'How much?\n\n{"total": 1}\n\neuros'),
        (GPT, chat("12.50"), "How much?\n\n12.50"),
        ("mistral.mistral-large-2407-v1:0", chat("12.50"), "How much?\n\n12.50"),
    ],
)  # fmt: skip
def test_the_results_of_tools_are_part_of_the_question(question, base, body, text):
    assert question(base, body).text == text


@pytest.mark.parametrize("odd", [5, None, [5], [{"text": 5}], {"text": "x"}, [{"json": [1]}]])
def test_results_of_any_shape_break_nothing(question, odd):
    body = claude({"type": "tool_result", "tool_use_id": "one", "content": odd})
    assert question(HAIKU, body).text.startswith("How much?")


def test_converse_refuses_tools_in_a_conversation_without_its_tools(converse_refusal):
    message = "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    assert converse_refusal(HAIKU, talk(result({"text": "12.50"}))) == message


@pytest.mark.parametrize("results", [[{"text": "Well?"}], [result({"text": "1"}, name="two")]])
def test_a_call_without_its_result_is_refused(converse_refusal, refusal, results):
    message = "Expected toolResult blocks at messages.2.content for the following Ids: one"
    assert converse_refusal(HAIKU, talk(*results) | {"toolConfig": TOOLS}) == message
    text = refusal(HAIKU, claude({"type": "text", "text": "Well?"}))
    assert text.startswith("messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: one.")


@pytest.mark.parametrize("model_id", [f"us.{HAIKU}", NOVA])
def test_an_agent_comes_from_a_call_by_its_result_to_a_text(folder, model_id):
    """As frameworks do it: any tool first, and then what the model likes."""

    def answer(question):
        return Reply(json.dumps({"call": 7}) if question.tool else question.text, "end", 3, 4)

    runtime = open_session(folder, responder=answer).client("bedrock-runtime")
    said = [{"role": "user", "content": [{"text": "How much?"}]}]
    first = runtime.converse(modelId=model_id, messages=said, toolConfig=TOOLS | {"toolChoice": {"any": {}}})
    call = first["output"]["message"]["content"][0]["toolUse"]
    assert (first["stopReason"], call["input"]) == ("tool_use", {"call": 7})
    said += [
        first["output"]["message"],
        {"role": "user", "content": [result({"text": "12.50"}, name=call["toolUseId"])]},
    ]
    for choice in ({}, {"toolChoice": {"auto": {}}}):
        last = runtime.converse(modelId=model_id, messages=said, toolConfig=TOOLS | choice)
        assert last["stopReason"] == "end_turn"
        assert last["output"]["message"]["content"] == [{"text": "How much?\n\n12.50"}]
