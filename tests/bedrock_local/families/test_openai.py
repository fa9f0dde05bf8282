from __future__ import annotations

import pytest

from bedrock_local.inference import Question
from bedrock_local.protocol.errors import ServiceError

GPT = "openai.gpt-oss-20b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"
BODY = {
    "messages": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "AGENT: Good morning"}],
    "max_completion_tokens": 300,
}
START = "Failed to deserialize the JSON body into the target type: "


def says(**message):
    return {"messages": [message]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompt": "a"}, "unknown variant `prompt`, expected one of `audio`, "),
        ({"anthropic_version": "x"}, "unknown variant `anthropic_version`"),
        ({"inferenceConfig": {}}, "unknown variant `inferenceConfig`"),
        ({"messages": "hello"}, "messages: invalid type: string, expected a sequence"),
        ({"messages": []}, "messages: invalid length 0, expected at least 1"),
        (
            says(role="bot", content="a"),
            "messages[0].role: unknown variant `bot`, expected one of `developer`, `system`",
        ),
        (says(content="a"), "messages[0]: missing field `role`"),
        (says(role="user"), "messages[0]: missing field `content`"),
        (says(role="user", content=7), "messages[0].content: invalid type: integer, expected a string or sequence"),
        (says(role="user", content=[{"text": "a"}]), "messages[0].content[0]: missing field `type`"),
        ({"temperature": 2.1}, "temperature: invalid value: 2.1, expected at most 2"),
        ({"top_p": 1.5}, "top_p: invalid value: 1.5, expected at most 1"),
        ({"max_tokens": 0}, "max_tokens: invalid value: 0, expected at least 1"),
        ({"n": 2}, "n: invalid value: 2, expected at most 1"),
        ({"stream": True}, "stream: unknown variant `true`, expected one of `false`"),
        (
            {"reasoning_effort": "much"},
            "reasoning_effort: unknown variant `much`, expected one of `low`, `medium`, `high`",
        ),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema: missing field `json_schema`"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert refusal(GPT, BODY | wrong).startswith(START + message)


def test_messages_are_required(refusal):
    assert refusal(GPT, {"max_tokens": 5}) == f"{START}missing field `messages`"


@pytest.mark.parametrize(("model", "limit"), [(GPT, 128_000), (QWEN, 32_768)])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_applies_to_both_names(refusal, question, model, limit, name):
    body = {"messages": BODY["messages"]}
    assert question(model, body | {name: limit}).max_tokens == limit
    assert f"exceeds the model limit of {limit}" in refusal(model, body | {name: limit + 1})


def test_a_model_in_the_body_must_be_the_requested_one(refusal, question):
    assert question(GPT, BODY | {"model": GPT, "stream": False}).model_id == GPT
    assert "is not the requested one" in refusal(GPT, BODY | {"model": "gpt-4o"})


def test_a_prompt_that_is_longer_than_the_window_is_refused(answer):
    # 9 letters of the developer are 3 tokens more.
    long = BODY | {"messages": [BODY["messages"][0], {"role": "user", "content": "x" * 4 * 128_000}]}
    with pytest.raises(ServiceError, match="prompt is too long: 128003 tokens > 128000 maximum"):
        answer(GPT, long)


def test_a_prompt_may_fill_the_window(answer):
    whole = BODY | {"messages": [BODY["messages"][0], {"role": "user", "content": "x" * 4 * 127_997}]}
    assert answer(GPT, whole)["choices"]


@pytest.mark.parametrize("stop", ["END", ["END"]])
def test_the_question_has_the_text_of_the_user(question, stop):
    asked = question(GPT, BODY | {"stop": stop, "temperature": None})
    assert asked == Question(GPT, "Be short.", "AGENT: Good morning", 300, ("END",))


def test_the_parts_of_a_content_are_joined(question):
    parts = [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "two"}]
    assert question(QWEN, says(role="user", content=parts)).text == "one\n\ntwo"


def test_an_answer_has_the_format_of_the_model(answer):
    written = answer(QWEN, BODY)
    assert written.pop("id").startswith("chatcmpl-")
    assert type(written.pop("created")) is int
    message = {"role": "assistant", "content": "Refunded.", "refusal": None}
    assert written == {
        "object": "chat.completion",
        "model": QWEN,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34},
    }


def test_the_reasoning_is_in_the_text_before_the_answer(answer):
    written = answer(GPT, BODY | {"reasoning_effort": "low"})
    content = written["choices"][0]["message"]["content"]
    # The first sentence has 50 letters: 13 tokens beside the 4 of the answer.
    assert content == "<reasoning>The request is about the text that comes with it.</reasoning>Refunded."
    assert written["usage"]["completion_tokens"] == 17


def test_a_small_limit_is_used_up_by_reasoning(answer):
    written = answer(GPT, BODY | {"max_completion_tokens": 3})
    (choice,) = written["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "<reasoning>The request </reasoning>")
    assert written["usage"]["completion_tokens"] == 3


def test_more_effort_is_longer_reasoning(answer):
    low, high = (answer(GPT, BODY | {"reasoning_effort": effort})["usage"] for effort in ("low", "high"))
    assert low["completion_tokens"] < high["completion_tokens"]
