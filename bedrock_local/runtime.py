"""Models on demand: InvokeModel, Converse and CountTokens.

Source: Amazon Bedrock API Reference, Amazon Bedrock Runtime; the texts as reported in maximhq/bifrost#2169 and
agentgateway/agentgateway#3254 (a profile whose tokens are not counted) and in the user guide.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bedrock_local.emulator import Emulator
from bedrock_local.families import answer_converse, answer_native, read_converse_question, read_native_question
from bedrock_local.families.limits import check_window
from bedrock_local.models import Model, find_model, names_profile
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request, Response, read_all
from bedrock_local.protocol.routing import find_id, no_operation
from bedrock_local.protocol.shapes import check_request

BODY_BYTES = 25_000_000
MALFORMED = "Malformed input request, please reformat your input and try again."
OPERATIONS = ("InvokeModel", "Converse", "CountTokens")
# "Count tokens": Claude from 3.5 on; that 4.5 and 4.6 are counted was seen, that the newest are not too.
COUNTED = re.compile(r"anthropic\.claude-(3-[57]|(sonnet|opus|haiku)-4)")
# CountTokens took no longer prompts whatever the model's window is: boto/botocore#3707.
COUNTED_TOKENS = 200_000
JSON_TYPES = ("", "*/*", "application/*", "application/json", "application/octet-stream")
# Headers of InvokeModel that come back as they were sent.
ECHOED = ("x-amzn-bedrock-performanceconfig-latency", "x-amzn-bedrock-service-tier")


def handle(operation: str, request: Request, emulator: Emulator) -> Response:
    """Answer a request to a model."""
    if operation not in OPERATIONS:
        raise no_operation(operation, request, OPERATIONS)
    model_id = find_id(request)
    model = find_model(model_id)
    if model is None:
        raise ServiceError("ValidationException", "The provided model identifier is invalid.")
    check_types(request.headers)
    body = read_body(request)
    try:
        return carry_out(operation, model, model_id, body, emulator, request.headers)
    except RecursionError:
        # What can be read may still be too deep to be looked at.
        raise ServiceError("ValidationException", MALFORMED) from None


def carry_out(
    operation: str, model: Model, model_id: str, body: dict[str, Any], emulator: Emulator, headers: Mapping[str, str]
) -> Response:
    """Do with a body what is asked for."""
    if operation == "CountTokens":
        return count_tokens(model, model_id, body)
    check_profile(model, model_id)
    if operation == "Converse":
        return json_response(answer_converse(model, body, emulator.ask, elapsed_ms=start_clock()))
    return invoke_model(model, body, emulator, headers)


def invoke_model(model: Model, body: dict[str, Any], emulator: Emulator, headers: Mapping[str, str]) -> Response:
    """Answer a body in the model's own form, and count its tokens in the headers."""
    elapsed_ms = start_clock()
    reply, answer = answer_native(model, body, emulator.ask)
    counts = {
        "x-amzn-bedrock-input-token-count": str(reply.input_tokens),
        "x-amzn-bedrock-output-token-count": str(reply.output_tokens),
        "x-amzn-bedrock-invocation-latency": str(elapsed_ms()),
    }
    return json_response(answer, counts | {name: headers[name] for name in ECHOED if name in headers})


def count_tokens(model: Model, model_id: str, body: dict[str, Any]) -> Response:
    """Count the tokens of a request that nobody answers."""
    check_request("bedrock-runtime", "CountTokens", {"modelId": model_id, **body})
    if not COUNTED.match(model.base) or names_profile(model_id):
        raise ServiceError("ValidationException", "The provided model doesn't support counting tokens.")
    wish = body["input"]
    if wish.get("converse") is not None:
        question = read_converse_question(model, wish["converse"])
    else:
        question = read_native_question(model, decode(read_blob(wish["invokeModel"]["body"])))
    return json_response({"inputTokens": check_window(question, COUNTED_TOKENS)})


def check_profile(model: Model, model_id: str) -> None:
    """Refuse the bare id of a model that only a profile reaches."""
    if model.needs_profile and not names_profile(model_id):
        reason = f"Invocation of model ID {model_id} with on-demand throughput isn't supported."
        cure = "Retry your request with the ID or ARN of an inference profile that contains this model."
        raise ServiceError("ValidationException", f"{reason} {cure}")


def check_types(headers: Mapping[str, str]) -> None:
    """Refuse a body that says it is no JSON, and a wish for an answer that is none; the words are the emulator's."""
    for name in ("content-type", "accept"):
        types = [part.partition(";")[0].strip().lower() for part in headers.get(name, "").split(",")]
        if not set(types) & set(JSON_TYPES):
            raise ServiceError("ValidationException", f"The {name} {headers[name]} is not supported: models take JSON")


def read_blob(text: str) -> bytes:
    """Read the body whose tokens are to be counted."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ServiceError("ValidationException", "input.invokeModel.body is not base64") from None


def read_body(request: Request) -> dict[str, Any]:
    """Read the body of a request."""
    content = read_all(request.body, BODY_BYTES)
    if content is None:
        raise ServiceError("ValidationException", f"The request body is longer than {BODY_BYTES} bytes.")
    return decode(content)


def decode(content: bytes) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ServiceError("ValidationException", MALFORMED) from None


def json_response(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """Answer with a JSON document."""
    return Response(200, {"content-type": "application/json", **(headers or {})}, msgspec.json.encode(body))


def start_clock() -> Callable[[], int]:
    """Give a function that says how many milliseconds have gone by."""
    started = time.monotonic()
    return lambda: round((time.monotonic() - started) * 1000)
