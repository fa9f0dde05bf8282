from __future__ import annotations

import pytest

from bedrock_local.inference import Question

X5 = "writer.palmyra-x5-v1:0"
BODY = {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "AGENT: Good morning"}]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"messages": []}, "#/messages: expected minimum item count: 1, found: 0"),
        ({"max_tokens": 8_193}, "exceeds the model limit of 8192"),
        ({"max_tokens": 0}, "#/max_tokens: 0 is not greater or equal to 1"),
        ({"temperature": 2.1}, "#/temperature: 2.1 is not less or equal to 2"),
        ({"top_p": 0}, "#/top_p: 0 is not greater than 0"),
        ({"stop": list("abcde")}, "#/stop: expected maximum item count: 4, found: 5"),
        ({"presence_penalty": -3}, "#/presence_penalty: -3 is not greater or equal to -2"),
        ({"prompt": "a"}, "#: extraneous key [prompt] is not permitted"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(X5, BODY | wrong)


@pytest.mark.parametrize("content", ["Hello", {"text": "Hello"}, [{"type": "text", "text": "Hello"}]])
def test_content_may_be_a_text_a_part_or_parts(question, content):
    asked = question(X5, {"messages": [{"role": "user", "content": content}], "max_tokens": 300, "stop": ["END"]})
    assert asked == Question(X5, "", "Hello", 300, ("END",))


def test_the_default_limit_is_sixteen_tokens(question):
    assert question(X5, BODY).max_tokens == 16


def test_an_answer_has_the_format_of_the_page(answer):
    written = answer(X5, BODY)
    message = {"role": "assistant", "reasoning_content": None, "content": "Refunded.", "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    assert (written["model"], written["choices"]) == (X5, [choice])
    assert written["usage"]["total_tokens"] == 30 + 4
