import pytest

from analysis.errors import ModelError
from analysis.facts.models import find_model
from analysis.families import find_family
from analysis.families.family import ParsedAnswer, Sampling
from analysis.families.imported import IMPORTED

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"


def test_an_answer_is_read_in_full(read):
    body = (
        '{"object":"text_completion","id":"","model":"/opt/ml/model","choices":[{"index":0,"text":" A refund.",'
        '"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":6,"completion_tokens":100}}'
    )
    assert read(IMPORTED, body) == ParsedAnswer("/opt/ml/model", " A refund.", "length", 6, 100)


def test_the_inference_parameters_of_a_request_are_read(echo):
    assert echo(IMPORTED, {"prompt": "Hello", "max_tokens": 100, "temperature": 0.5}).sampling() == Sampling(100, 0.5)


def test_requests_of_imported_models_are_refused(make_prompt):
    with pytest.raises(ModelError, match=r"imported-model does not tell which model .* invocation_type to Converse"):
        find_family(find_model(ARN), "InvokeModel")


def test_requests_in_a_format_that_is_only_read_are_refused(make_prompt):
    with pytest.raises(
        ModelError, match=r"requests in its own format cannot be written; set invocation_type to Converse"
    ):
        IMPORTED.write_request(make_prompt(ARN), "Hello")
