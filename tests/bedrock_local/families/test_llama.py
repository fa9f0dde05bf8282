from __future__ import annotations

import pytest

from bedrock_local.inference import Question

LLAMA_3 = "meta.llama3-1-8b-instruct-v1:0"
LLAMA_4 = "meta.llama4-scout-17b-instruct-v1:0"


def header(role, *, names=("start_header_id", "end_header_id")):
    return f"<|{names[0]}|>{role}<|{names[1]}|>\n\n"


def template(**more):
    turns = [header("system", **more) + "Be short.", header("user", **more) + "AGENT: Good morning"]
    return "<|begin_of_text|>" + "<|eot_id|>".join([*turns, header("assistant", **more)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompt": ""}, "#/prompt: expected minLength: 1, actual: 0"),
        ({"prompt": ["a"]}, "#/prompt: expected type: String, found: JSONArray"),
        ({"max_gen_len": 0}, "#/max_gen_len: 0 is not greater or equal to 1"),
        ({"max_gen_len": 1.0}, "#/max_gen_len: expected type: Integer, found: Double"),
        ({"max_gen_len": True}, "#/max_gen_len: expected type: Integer, found: Boolean"),
        ({"max_gen_len": 2_049}, "exceeds the model limit of 2048"),
        ({"temperature": 2}, "#/temperature: 2 is not less or equal to 1"),
        ({"top_p": -1}, "#/top_p: -1 is not greater or equal to 0"),
        ({"stop": ["END"]}, "#: extraneous key [stop] is not permitted"),
        ({"system": "Be short."}, "#: extraneous key [system] is not permitted"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(LLAMA_3, {"prompt": "a"} | wrong)


def test_the_limit_of_llama_4_is_higher(refusal, question):
    assert question(LLAMA_4, {"prompt": "a", "max_gen_len": 8_192}).max_tokens == 8_192
    assert "exceeds the model limit of 8192" in refusal(LLAMA_4, {"prompt": "a", "max_gen_len": 8_193})


@pytest.mark.parametrize("names", [("start_header_id", "end_header_id"), ("header_start", "header_end")])
def test_the_call_is_found_in_the_chat_template(question, names):
    asked = question(LLAMA_3, {"prompt": template(names=names), "max_gen_len": 300})
    assert asked == Question(LLAMA_3, "Be short.", "AGENT: Good morning", 300)


def test_a_prompt_without_a_template_is_all_the_users(question):
    assert question(LLAMA_3, {"prompt": "AGENT: Good morning"}).text == "AGENT: Good morning"


def test_an_answer_has_the_format_of_the_model(answer):
    assert answer(LLAMA_3, {"prompt": "a"}) == {
        "generation": "Refunded.",
        "prompt_token_count": 30,
        "generation_token_count": 4,
        "stop_reason": "stop",
    }
