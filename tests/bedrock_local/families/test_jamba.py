from __future__ import annotations

import pytest

from bedrock_local.inference import Question

JAMBA = "ai21.jamba-1-5-mini-v1:0"
BODY = {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "AGENT: Good morning"}]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"messages": []}, "#/messages: expected minimum item count: 1, found: 0"),
        ({"messages": [{"role": "user"}]}, "#/messages/0: required key [content] not found"),
        ({"max_tokens": 4_097}, "exceeds the model limit of 4096"),
        ({"max_tokens": -1}, "#/max_tokens: -1 is not greater or equal to 0"),
        ({"temperature": 2.1}, "#/temperature: 2.1 is not less or equal to 2"),
        ({"n": 17}, "#/n: 17 is not less or equal to 16"),
        ({"stop": 7}, "#/stop: expected type: String or JSONArray, found: Integer"),
        ({"prompt": "a"}, "#: extraneous key [prompt] is not permitted"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(JAMBA, BODY | wrong)


@pytest.mark.parametrize("stop", ["END", ["END"]])
def test_the_question_has_the_text_of_the_user(question, stop):
    asked = question(JAMBA, BODY | {"max_tokens": 300, "stop": stop})
    assert asked == Question(JAMBA, "Be short.", "AGENT: Good morning", 300, ("END",))


def test_an_answer_has_the_format_of_the_model(answer):
    written = answer(JAMBA, BODY)
    message = {"role": "assistant", "content": "Refunded."}
    assert written["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert written["usage"] == {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}


def test_n_answers_are_written(answer):
    assert [choice["index"] for choice in answer(JAMBA, BODY | {"n": 3})["choices"]] == [0, 1, 2]


def test_a_limit_of_0_tokens_is_reached_at_once(answer):
    written = answer(JAMBA, BODY | {"max_tokens": 0})
    assert (written["choices"][0]["finish_reason"], written["usage"]["completion_tokens"]) == ("length", 0)
