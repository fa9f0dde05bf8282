import pytest

from analysis.families.family import ParsedAnswer, Sampling
from analysis.families.jurassic import JURASSIC


def test_an_answer_is_read(read):
    body = (
        '{"id":1234,"prompt":{"text":"Hello","tokens":[]},"completions":[{"data":{"text":"A refund.","tokens":[]},'
        '"finishReason":{"reason":"endoftext"}}]}'
    )
    assert read(JURASSIC, body) == ParsedAnswer(text="A refund.", stop_reason="endoftext")


@pytest.mark.parametrize("completions", ["[]", "null", "[{}]", '[{"data":null,"finishReason":null}]'])
def test_an_answer_without_completions_has_no_text(read, completions):
    assert read(JURASSIC, f'{{"completions":{completions}}}') == ParsedAnswer()


def test_the_inference_parameters_of_a_request_are_read(echo):
    request = echo(JURASSIC, {"prompt": "Hello", "maxTokens": 200, "temperature": 0.5, "topP": 0.5})
    assert request.has_own_field()
    assert request.sampling() == Sampling(200, 0.5, 0.5)


@pytest.mark.parametrize(("reason", "stop"), [("endoftext", "end"), ("length", "length"), ("stop", "stop_sequence")])
def test_stop_reasons_in_common_words(reason, stop):
    assert JURASSIC.find_stop(reason) == stop
