from __future__ import annotations

import pytest

from bedrock_local.inference import Question

SMALL = "mistral.mistral-small-2402-v1:0"
MIXTRAL = "mistral.mixtral-8x7b-instruct-v0:1"
LARGE = "mistral.mistral-large-2407-v1:0"
CHAT = {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "AGENT: Good morning"}]}


@pytest.mark.parametrize(
    ("model", "wrong", "message"),
    [
        (SMALL, {"max_tokens": 8_193}, "exceeds the model limit of 8192"),
        (MIXTRAL, {"max_tokens": 4_097}, "exceeds the model limit of 4096"),
        (SMALL, {"stop": ["x"] * 11}, "#/stop: expected maximum item count: 10, found: 11"),
        (SMALL, {"top_k": 0}, "#/top_k: 0 is not greater or equal to 1"),
        (SMALL, {"top_k": 201}, "#/top_k: 201 is not less or equal to 200"),
        (SMALL, {"temperature": 1.01}, "#/temperature: 1.01 is not less or equal to 1"),
        (SMALL, CHAT, "#: extraneous key [messages] is not permitted"),
    ],
)
def test_a_prompt_body_that_the_model_refuses_is_refused(refusal, model, wrong, message):
    assert message in refusal(model, {"prompt": "a"} | wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"messages": []}, "#/messages: expected minimum item count: 1, found: 0"),
        ({"messages": [{"role": "bot", "content": "a"}]}, "#/messages/0/role: bot is not a valid enum value"),
        ({"max_tokens": 8_193}, "exceeds the model limit of 8192"),
        ({"top_k": 5}, "#: extraneous key [top_k] is not permitted"),
        ({"prompt": "a"}, "#: extraneous key [prompt] is not permitted"),
    ],
)
def test_a_chat_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(LARGE, CHAT | wrong)


@pytest.mark.parametrize(
    ("prompt", "system", "text"),
    [
        ("<s>[INST] AGENT: Good morning [/INST]", "", "AGENT: Good morning"),
        ("<s>[INST] one [/INST] no </s>[INST] two [/INST]", "", "one\n\ntwo"),
        ("<s>[INST] <<SYS>>\nBe short.\n<</SYS>>\n\nAGENT: Good morning [/INST]", "Be short.", "AGENT: Good morning"),
        ("AGENT: Good morning", "", "AGENT: Good morning"),
    ],
)
def test_the_call_is_found_in_the_prompts_template(question, prompt, system, text):
    body = {"prompt": prompt, "max_tokens": 300, "stop": ["END"]}
    assert question(SMALL, body) == Question(SMALL, system, text, 300, ("END",))


def test_the_call_is_found_in_the_messages(question):
    asked = question(LARGE, CHAT | {"max_tokens": 300})
    assert asked == Question(LARGE, "Be short.", "AGENT: Good morning", 300)


def test_an_answer_to_a_prompt_has_no_token_counts(answer):
    assert answer(SMALL, {"prompt": "a"}) == {"outputs": [{"text": "Refunded.", "stop_reason": "stop"}]}


def test_an_answer_to_messages_has_a_stop_reason_and_no_usage(answer):
    message = {"role": "assistant", "content": "Refunded.", "tool_calls": None}
    assert answer(LARGE, CHAT) == {"choices": [{"index": 0, "message": message, "stop_reason": "stop"}]}
