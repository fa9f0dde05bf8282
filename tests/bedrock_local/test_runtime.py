from __future__ import annotations

import json

import pytest

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "my card is lost"}],
}
SAID = [{"role": "user", "content": [{"text": "my card is lost"}]}]


def test_a_native_call_is_answered_with_its_tokens_in_the_headers(runtime):
    response = runtime.invoke_model(modelId=MODEL, body=json.dumps(BODY))
    answer = json.loads(response["body"].read())
    assert (answer["content"][0]["text"], answer["usage"]["input_tokens"]) == ("my card is lost", 4)
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == headers["x-amzn-bedrock-output-token-count"] == "4"
    assert headers["x-amzn-bedrock-invocation-latency"].isdigit()


def test_a_converse_call_has_metrics_and_no_nulls(runtime):
    response = runtime.converse(modelId=MODEL, messages=SAID)
    assert response["output"]["message"]["content"] == [{"text": "my card is lost"}]
    assert response["usage"] == {"inputTokens": 4, "outputTokens": 4, "totalTokens": 8}
    assert (response["stopReason"], response["metrics"]["latencyMs"] >= 0) == ("end_turn", True)


@pytest.mark.parametrize(
    "wish", [{"converse": {"messages": SAID}}, {"invokeModel": {"body": json.dumps(BODY).encode()}}]
)
def test_tokens_are_counted_in_either_form(runtime, wish):
    assert runtime.count_tokens(modelId=MODEL, input=wish)["inputTokens"] == 4


def test_a_model_that_is_not_there_is_refused(runtime, error_of):
    error = error_of(runtime.converse, modelId="does-not-exist", messages=SAID)
    assert error == ("ValidationException", 400, "The provided model identifier is invalid.")


def test_a_model_without_batch_answers_on_demand(runtime):
    assert runtime.converse(modelId="us.anthropic.claude-sonnet-5", messages=SAID)["stopReason"] == "end_turn"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}"])
def test_a_body_that_cannot_be_read_is_refused(runtime, error_of, body):
    assert error_of(runtime.invoke_model, modelId=MODEL, body=body)[:2] == ("ValidationException", 400)


def test_tools_are_no_error_on_demand(runtime):
    tool = {"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "object"}}}}
    assert runtime.converse(modelId=MODEL, messages=SAID, toolConfig={"tools": [tool]})["stopReason"] == "end_turn"


def test_streams_are_refused(runtime, error_of):
    assert error_of(runtime.converse_stream, modelId=MODEL, messages=SAID)[0] == "UnknownOperationException"
