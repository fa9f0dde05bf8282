from __future__ import annotations

import pytest

from bedrock_local.inference import Question

R1 = "deepseek.r1-v1:0"
BAR, BLOCK = "\N{FULLWIDTH VERTICAL LINE}", "\N{LOWER ONE EIGHTH BLOCK}"
BEGIN, USER, ASSISTANT = f"<{BAR}begin{BLOCK}of{BLOCK}sentence{BAR}>", f"<{BAR}User{BAR}>", f"<{BAR}Assistant{BAR}>"
OWN = f"{BEGIN}Be short.{USER}AGENT: Good morning{ASSISTANT}<think>\n"
TYPED = "<|begin_of_sentence|>Be short.<|User|>AGENT: Good morning<|Assistant|>"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_tokens": 32_769}, "exceeds the model limit of 32768"),
        ({"max_tokens": 0}, "#/max_tokens: 0 is not greater or equal to 1"),
        ({"stop": ["x"] * 11}, "#/stop: expected maximum item count: 10, found: 11"),
        ({"top_p": 1.1}, "#/top_p: 1.1 is not less or equal to 1"),
        ({"messages": []}, "#: extraneous key [messages] is not permitted"),
        ({"system": "Be short."}, "#: extraneous key [system] is not permitted"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(R1, {"prompt": "a"} | wrong)


@pytest.mark.parametrize("prompt", [OWN, TYPED])
def test_the_call_is_found_in_the_chat_template(question, prompt):
    asked = question(R1, {"prompt": prompt, "max_tokens": 300, "stop": ["END"]})
    assert asked == Question(R1, "Be short.", "AGENT: Good morning", 300, ("END",))


def test_the_answer_follows_the_end_of_the_reasoning(answer):
    written = answer(R1, {"prompt": OWN})
    reasoning, text = written["choices"][0].pop("text").split("</think>")
    assert (bool(reasoning), text.strip(), written) == (True, "Refunded.", {"choices": [{"stop_reason": "stop"}]})


def test_a_small_limit_is_used_up_by_reasoning(answer):
    choice = {"text": "The request ", "stop_reason": "length"}
    assert answer(R1, {"prompt": OWN, "max_tokens": 3}) == {"choices": [choice]}
