from analysis.families.cohere_r import COHERE_R
from analysis.families.family import ParsedAnswer, Sampling

PLUS = "cohere.command-r-plus-v1:0"


def test_a_request_has_a_message_and_a_preamble(make_prompt):
    assert COHERE_R.write_request(make_prompt(PLUS, top_k=5, stop_sequences=("END",)), "Hello") == {
        "message": "Hello",
        "preamble": "You write notes.",
        "max_tokens": 400,
        "temperature": 0.5,
        "p": 0.9,
        "k": 5,
        "stop_sequences": ["END"],
    }


def test_the_inference_parameters_of_a_request_are_read_back(make_prompt, echo):
    request = echo(COHERE_R, COHERE_R.write_request(make_prompt(PLUS), "Hello"))
    assert request.has_own_field()
    assert request.sampling() == Sampling(400, 0.5, 0.9)


def test_an_answer_without_tokens_is_read(read):
    body = '{"response_id":"r","generation_id":"g","text":"A refund.","finish_reason":"COMPLETE","chat_history":[]}'
    assert read(COHERE_R, body) == ParsedAnswer(text="A refund.", stop_reason="COMPLETE")


def test_tokens_are_those_that_are_billed(read):
    body = '{"text":"Hi.","finish_reason":"COMPLETE","meta":{"billed_units":{"input_tokens":9,"output_tokens":2}}}'
    assert read(COHERE_R, body) == ParsedAnswer(None, "Hi.", "COMPLETE", 9, 2)
