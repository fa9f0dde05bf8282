from __future__ import annotations

import pytest

from bedrock_local.inference import Question

R = "cohere.command-r-v1:0"
COMMAND = "cohere.command-text-v14"
BODY = {
    "message": "AGENT: Good morning",
    "preamble": "Be short.",
    "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
    "max_tokens": 300,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"message": ""}, "#/message: expected minLength: 1, actual: 0"),
        ({"p": 1}, "#/p: 1 is not less or equal to 0.99"),
        ({"p": 0}, "#/p: 0 is not greater or equal to 0.01"),
        ({"k": 501}, "#/k: 501 is not less or equal to 500"),
        ({"temperature": 1.5}, "#/temperature: 1.5 is not less or equal to 1"),
        ({"chat_history": [{"role": "user"}]}, "#/chat_history/0/role: user is not a valid enum value"),
        ({"messages": []}, "#: extraneous key [messages] is not permitted"),
    ],
)
def test_a_body_that_command_r_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(R, BODY | wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 5.1}, "#/temperature: 5.1 is not less or equal to 5"),
        ({"return_likelihoods": "SOME"}, "#/return_likelihoods: SOME is not a valid enum value"),
        ({"max_tokens": 4_097}, "exceeds the model limit of 4096"),
        ({"message": "a"}, "#: extraneous key [message] is not permitted"),
    ],
)
def test_a_body_that_command_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(COMMAND, {"prompt": "a"} | wrong)


def test_the_question_to_command_r_has_all_texts_of_the_user(question):
    assert question(R, BODY) == Question(R, "Be short.", "Hi\n\nAGENT: Good morning", 300)


def test_the_default_limit_of_command_is_small(question):
    assert question(COMMAND, {"prompt": "a", "stop_sequences": ["END"]}) == Question(COMMAND, "", "a", 20, ("END",))


def test_an_answer_of_command_r_has_the_conversation_and_no_token_counts(answer):
    written = answer(R, BODY)
    asked, said = {"role": "USER", "message": "AGENT: Good morning"}, {"role": "CHATBOT", "message": "Refunded."}
    assert written["chat_history"] == [*BODY["chat_history"], asked, said]
    assert list(written) == ["response_id", "text", "generation_id", "chat_history", "finish_reason"]
    assert (written["text"], written["finish_reason"]) == ("Refunded.", "COMPLETE")


def test_an_answer_of_command_has_the_prompt_and_no_token_counts(answer):
    written = answer(COMMAND, {"prompt": "AGENT: Good morning"})
    (generation,) = written["generations"]
    assert (list(written), written["prompt"]) == (["id", "generations", "prompt"], "AGENT: Good morning")
    assert (generation["text"], generation["finish_reason"]) == ("Refunded.", "COMPLETE")
    assert generation["id"] != written["id"]
