import pytest

from analysis.families.cohere import COHERE
from analysis.families.family import ParsedAnswer, Sampling

LIGHT = "cohere.command-light-text-v14"


def test_a_request_has_one_text_with_the_system_text_first(make_prompt):
    assert COHERE.write_request(make_prompt(LIGHT, top_k=5, stop_sequences=("END",)), "Hello") == {
        "prompt": "You write notes.\n\nHello",
        "max_tokens": 400,
        "temperature": 0.5,
        "p": 0.9,
        "k": 5,
        "stop_sequences": ["END"],
    }


def test_the_inference_parameters_of_a_request_are_read_back(make_prompt, echo):
    request = echo(COHERE, COHERE.write_request(make_prompt(LIGHT, top_k=5), "Hello"))
    assert request.has_own_field()
    assert request.sampling() == Sampling(400, 0.5, 0.9, 5)


def test_an_answer_has_no_tokens(read):
    body = '{"id":"i","prompt":"Summarise","generations":[{"id":"g","text":"A refund.","finish_reason":"COMPLETE"}]}'
    assert read(COHERE, body) == ParsedAnswer(text="A refund.", stop_reason="COMPLETE")


@pytest.mark.parametrize("generations", ["[]", "null", "[{}]"])
def test_an_answer_without_generations_has_no_text(read, generations):
    assert read(COHERE, f'{{"generations":{generations}}}') == ParsedAnswer()


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("COMPLETE", "end"),
        ("complete", "end"),
        ("MAX_TOKENS", "length"),
        ("ERROR_LIMIT", "length"),
        ("STOP_SEQUENCE", "stop_sequence"),
        ("ERROR_TOXIC", "filtered"),
        ("USER_CANCEL", "other"),
    ],
)
def test_stop_reasons_in_common_words(reason, stop):
    assert COHERE.find_stop(reason) == stop
