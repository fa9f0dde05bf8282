import pytest

from analysis.families.anthropic_text import ANTHROPIC_TEXT
from analysis.families.family import ParsedAnswer, Sampling


def test_an_answer_has_no_tokens(read):
    body = '{"type":"completion","completion":" A refund.","stop_reason":"stop_sequence","stop":"\\n\\nHuman:"}'
    assert read(ANTHROPIC_TEXT, body) == ParsedAnswer(text=" A refund.", stop_reason="stop_sequence")


def test_the_inference_parameters_of_a_request_are_read(echo):
    request = echo(
        ANTHROPIC_TEXT, {"prompt": "\n\nHuman: Hello\n\nAssistant:", "max_tokens_to_sample": 200, "top_k": 5}
    )
    assert request.has_own_field()
    assert request.sampling() == Sampling(200, None, None, 5)


@pytest.mark.parametrize(("reason", "stop"), [("stop_sequence", "stop_sequence"), ("max_tokens", "length")])
def test_stop_reasons_in_common_words(reason, stop):
    assert ANTHROPIC_TEXT.find_stop(reason) == stop
