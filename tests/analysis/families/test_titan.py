import pytest

from analysis.families.family import ParsedAnswer, Sampling
from analysis.families.titan import TITAN

LITE = "amazon.titan-text-lite-v1"


def test_a_request_has_one_text_with_the_system_text_first(make_prompt):
    assert TITAN.write_request(make_prompt(LITE, stop_sequences=("END",)), "Hello") == {
        "inputText": "You write notes.\n\nHello",
        "textGenerationConfig": {"maxTokenCount": 400, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
    }


def test_the_inference_parameters_of_a_request_are_read_back(make_prompt, echo):
    request = echo(TITAN, TITAN.write_request(make_prompt(LITE), "Hello"))
    assert request.has_own_field()
    assert request.sampling() == Sampling(400, 0.5, 0.9)


def test_an_answer_is_read_in_full(read):
    body = (
        '{"inputTextTokenCount":170,"results":[{"tokenCount":8,"outputText":"A refund.","completionReason":"FINISH"}]}'
    )
    assert read(TITAN, body) == ParsedAnswer(None, "A refund.", "FINISH", 170, 8)


@pytest.mark.parametrize("results", ["[]", "null", "[{}]", '[{"outputText":null}]'])
def test_an_answer_without_results_has_no_text(read, results):
    assert read(TITAN, f'{{"results":{results}}}') == ParsedAnswer()


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("FINISH", "end"),
        ("FINISHED", "end"),
        ("LENGTH", "length"),
        ("STOP_CRITERIA_MET", "stop_sequence"),
        ("CONTENT_FILTERED", "filtered"),
        ("RAG_QUERY_WHEN_RAG_DISABLED", "other"),
    ],
)
def test_stop_reasons_in_common_words(reason, stop):
    assert TITAN.find_stop(reason) == stop
