from analysis.families.family import ParsedAnswer, Sampling
from analysis.families.jamba import JAMBA

MINI = "ai21.jamba-1-5-mini-v1:0"


def test_a_request_has_messages_and_stop(make_prompt):
    assert JAMBA.write_request(make_prompt(MINI, system="", stop_sequences=("END",)), "Hello") == {
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 400,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }


def test_the_inference_parameters_of_a_request_are_read_back(make_prompt, echo):
    assert echo(JAMBA, JAMBA.write_request(make_prompt(MINI), "Hello")).sampling() == Sampling(400, 0.5, 0.9)


def test_an_answer_is_read_in_full(read):
    body = (
        '{"id":"i","choices":[{"index":0,"message":{"role":"assistant","content":"A refund."},"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":150,"completion_tokens":8,"total_tokens":158}}'
    )
    assert read(JAMBA, body) == ParsedAnswer(None, "A refund.", "stop", 150, 8)
