import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.families.deepseek_r1 import DEEPSEEK_R1
from analysis.families.family import ParsedAnswer, Sampling
from analysis.prompts import Prompt

R1 = "us.deepseek.r1-v1:0"
BEGIN, USER, ASSISTANT = "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"


def test_a_request_ends_with_the_tag_that_opens_the_reasoning(make_prompt):
    assert DEEPSEEK_R1.write_request(make_prompt(R1, stop_sequences=("END",)), "Hello") == {
        "prompt": f"{BEGIN}You write notes.{USER}Hello{ASSISTANT}<think>\n",
        "max_tokens": 400,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }


@given(st.lists(st.sampled_from([USER, ASSISTANT, BEGIN, "<", "\uff5c", ">", "User", "a"]), max_size=12).map("".join))
def test_no_text_adds_a_token(text):
    written = DEEPSEEK_R1.write_request(Prompt(name="short", model_id=R1, template="x", system=text), text)["prompt"]
    assert [written.count(token) for token in (BEGIN, USER, ASSISTANT)] == [1, 1, 1]


def test_the_inference_parameters_of_a_request_are_read_back(make_prompt, echo):
    request = echo(DEEPSEEK_R1, DEEPSEEK_R1.write_request(make_prompt(R1), "Hello"))
    assert request.sampling() == Sampling(400, 0.5, 0.9)
    assert not request.has_own_field()


@pytest.mark.parametrize(
    ("written", "text", "chars"),
    [
        ("Hm.\n</think>The caller asked for a refund.", "The caller asked for a refund.", 4),
        ("<think>Hm.</think>\n\nRefund.", "\n\nRefund.", 3),
        ("Refund.", "Refund.", 0),
        ("Hm.</think>", "", 3),
        ("", "", 0),
    ],
)
def test_text_is_what_follows_the_reasoning(read, written, text, chars):
    body = {"choices": [{"text": written, "stop_reason": "stop"}]}
    assert read(DEEPSEEK_R1, json.dumps(body)) == ParsedAnswer(text=text, stop_reason="stop", reasoning_chars=chars)


@pytest.mark.parametrize(("reason", "stop"), [("stop", "end"), ("length", "length")])
def test_stop_reasons_in_common_words(reason, stop):
    assert DEEPSEEK_R1.find_stop(reason) == stop
