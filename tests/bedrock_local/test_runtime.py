from __future__ import annotations

import io
import json

import pytest

from bedrock_local import dispatch, open_session
from bedrock_local.emulator import Emulator, make_folder
from bedrock_local.families import find_family
from bedrock_local.models import MODELS
from bedrock_local.protocol.messages import Request

TRANSPORTS = ["inside", "http"]

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
BASE = "anthropic.claude-haiku-4-5-20251001-v1:0"
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "my card is lost"}],
}
CHAT = {"messages": [{"role": "user", "content": "my card is lost"}]}
PROMPT = {"prompt": "my card is lost"}
SAID = [{"role": "user", "content": [{"text": "my card is lost"}]}]

BODIES = {
    "anthropic": BODY,
    "cohere-command": PROMPT,
    "cohere-command-r": {"message": "my card is lost"},
    "deepseek": PROMPT,
    "jamba": CHAT,
    "llama": PROMPT,
    "mistral-chat": CHAT,
    "mistral-prompt": PROMPT,
    "nova": {"messages": SAID},
    "openai": CHAT,
    "titan": {"inputText": "my card is lost"},
    "writer": CHAT,
}


def test_a_native_call_is_answered_with_its_tokens_in_the_headers(runtime):
    response = runtime.invoke_model(modelId=MODEL, body=json.dumps(BODY))
    answer = json.loads(response["body"].read())
    assert (answer["content"][0]["text"], answer["usage"]["input_tokens"]) == ("my card is lost", 4)
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    counts = [headers[f"x-amzn-bedrock-{kind}-token-count"] for kind in ("input", "output")]
    assert counts == ["4", "5"]
    assert headers["x-amzn-bedrock-invocation-latency"].isdigit()


def test_a_converse_call_has_metrics_and_no_nulls(runtime):
    response = runtime.converse(modelId=MODEL, messages=SAID)
    assert response["output"]["message"]["content"] == [{"text": "my card is lost"}]
    assert response["usage"].items() >= {"inputTokens": 4, "outputTokens": 5, "totalTokens": 9}.items()
    assert (response["stopReason"], response["metrics"]["latencyMs"] >= 0) == ("end_turn", True)


WISHES = [{"converse": {"messages": SAID}}, {"invokeModel": {"body": json.dumps(BODY).encode()}}]


@pytest.mark.parametrize("wish", WISHES)
def test_tokens_are_counted_in_either_form(runtime, wish):
    # 15 letters, four to a token.
    assert runtime.count_tokens(modelId=BASE, input=wish)["inputTokens"] == 4


def refuse(question):
    raise RuntimeError("was asked")


def test_tokens_are_counted_without_a_responder(folder, error_of):
    runtime = open_session(folder, responder=refuse).client("bedrock-runtime")
    assert runtime.count_tokens(modelId=BASE, input=WISHES[0])["inputTokens"] == 4
    assert error_of(runtime.converse, modelId=MODEL, messages=SAID)[0] == "ModelErrorException"


OTHERS = [MODEL, "amazon.nova-lite-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-opus-4-8"]


@pytest.mark.parametrize("model_id", OTHERS)
def test_tokens_of_profiles_and_of_other_models_are_not_counted(runtime, error_of, model_id):
    error = error_of(runtime.count_tokens, modelId=model_id, input=WISHES[0])
    assert error == ("ValidationException", 400, "The provided model doesn't support counting tokens.")


def test_a_prompt_that_is_too_long_is_not_counted(runtime, error_of):
    said = [{"role": "user", "content": [{"text": "x" * 800_001}]}]
    error = error_of(
        runtime.count_tokens, modelId="anthropic.claude-sonnet-4-6", input={"converse": {"messages": said}}
    )
    assert error[2] == "prompt is too long: 200001 tokens > 200000 maximum"


@pytest.mark.parametrize("arguments", [{"body": json.dumps(BODY)}, {"body": json.dumps(BODY), "accept": "*/*"}])
def test_a_model_that_only_a_profile_reaches_says_so(runtime, error_of, arguments):
    code, status, message = error_of(runtime.invoke_model, modelId=BASE, **arguments)
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith(f"Invocation of model ID {BASE} with on-demand throughput isn't supported. Retry your")


def test_the_arn_of_a_profile_reaches_it(runtime):
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"
    assert runtime.converse(modelId=arn, messages=SAID)["stopReason"] == "end_turn"


@pytest.mark.parametrize("types", [{"accept": "text/plain"}, {"contentType": "text/csv"}])
def test_a_strict_emulator_accepts_and_returns_json_only(open_at, error_of, types):
    assert (
        open_at().client("bedrock-runtime").invoke_model(modelId=MODEL, body=json.dumps(BODY), **types)["body"].read()
    )
    runtime = open_at(strict=True).client("bedrock-runtime")
    assert (
        "is not supported: use JSON" in error_of(runtime.invoke_model, modelId=MODEL, body=json.dumps(BODY), **types)[2]
    )


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, application/json;q=0.9", "Application/JSON"])
def test_any_content_type_that_json_satisfies_is_accepted(open_at, accept):
    runtime = open_at(strict=True).client("bedrock-runtime")
    response = runtime.invoke_model(modelId=MODEL, body=json.dumps(BODY), accept=accept)
    assert response["contentType"] == "application/json"


def test_the_latency_that_was_asked_for_comes_back(runtime):
    response = runtime.invoke_model(modelId=MODEL, body=json.dumps(BODY), performanceConfigLatency="optimized")
    assert response["performanceConfigLatency"] == "optimized"


@pytest.mark.parametrize("base", MODELS)
def test_every_model_answers_in_its_own_form_and_in_converse(runtime, base):
    model_id = f"us.{base}" if MODELS[base].needs_profile else base
    body = BODIES[find_family(MODELS[base]).name]
    answer = json.loads(runtime.invoke_model(modelId=model_id, body=json.dumps(body))["body"].read())
    assert "my card is lost" in json.dumps(answer)
    said = runtime.converse(modelId=model_id, messages=SAID)["output"]["message"]["content"]
    assert said[-1] == {"text": "my card is lost"}


def test_an_unknown_model_is_refused(runtime, error_of):
    error = error_of(runtime.converse, modelId="does-not-exist", messages=SAID)
    assert error == ("ValidationException", 400, "The provided model identifier is invalid.")


def test_a_model_without_batch_answers_on_demand(runtime):
    assert runtime.converse(modelId="us.anthropic.claude-sonnet-5", messages=SAID)["stopReason"] == "end_turn"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b"\xff", b'{"a": ' + b"[" * 9000 + b"]" * 9000 + b"}"])
def test_a_body_that_cannot_be_read_is_refused(runtime, error_of, body):
    assert error_of(runtime.invoke_model, modelId=MODEL, body=body)[:2] == ("ValidationException", 400)


def test_tools_are_no_error_on_demand(runtime):
    tool = {"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "object"}}}}
    assert runtime.converse(modelId=MODEL, messages=SAID, toolConfig={"tools": [tool]})["stopReason"] == "end_turn"


def test_operations_that_do_not_exist_are_refused(folder):
    request = Request("bedrock-runtime", "POST", "localhost", "/async-invoke", {}, {}, io.BytesIO())
    response = dispatch.handle(request, Emulator(make_folder(folder)))
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
    message = b"The emulator has InvokeModel, InvokeModelWithResponseStream, Converse, ConverseStream, CountTokens"
    assert message + b", but no POST /async-invoke" in b"".join(response.body)


def answer_deep(folder, depth):
    """Ask by the wire: no client writes a body as deep as can be read."""
    body = {"messages": SAID, "additionalModelRequestFields": {"top_k": "deep"}}
    content = json.dumps(body).replace('"deep"', '{"a":' * depth + "0" + "}" * depth)
    path = f"/model/{MODEL.replace(':', '%3A')}/converse"
    request = Request("bedrock-runtime", "POST", "localhost", path, {}, {}, io.BytesIO(content.encode()))
    response = dispatch.handle(request, Emulator(folder))
    return response.status, response.headers["x-amzn-ErrorType"]


def test_a_body_is_refused_however_deep_it_is(folder):
    assert {answer_deep(folder, depth) for depth in range(1, 1100)} == {(400, "ValidationException")}
