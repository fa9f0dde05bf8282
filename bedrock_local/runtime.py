"""Models on demand: InvokeModel, Converse and CountTokens.

Source: Amazon Bedrock API Reference, Amazon Bedrock Runtime.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import Any
from urllib.parse import unquote

import msgspec

from bedrock_local import converse, native
from bedrock_local.emulator import Emulator
from bedrock_local.errors import ServiceError
from bedrock_local.models import Model, find_model
from bedrock_local.wire import Request, Response, read_all

BODY_BYTES = 25_000_000
PATH = re.compile(r"/model/([^/]+)/(invoke|converse|count-tokens)")


def handle(request: Request, emulator: Emulator) -> Response:
    """Answer a request to a model."""
    found = PATH.fullmatch(request.path)
    if not found or request.method != "POST":
        raise ServiceError("UnknownOperationException", f"The emulator has no {request.method} {request.path}")
    model = find_model(unquote(found[1]))
    if model is None:
        raise ServiceError("ValidationException", "The provided model identifier is invalid.")
    operation = {"invoke": invoke_model, "converse": answer_converse, "count-tokens": count_tokens}[found[2]]
    return operation(model, read_body(request), emulator)


def invoke_model(model: Model, body: dict[str, Any], emulator: Emulator) -> Response:
    """Answer a body in the model's own form, and count its tokens in the headers."""
    started = time.monotonic()
    reply = emulator.ask(native.read_question(model, body))
    counts = {
        "x-amzn-bedrock-input-token-count": str(reply.input_tokens),
        "x-amzn-bedrock-output-token-count": str(reply.output_tokens),
        "x-amzn-bedrock-invocation-latency": str(since_ms(started)),
    }
    return json_response(native.write_answer(model, body, reply), counts)


def answer_converse(model: Model, body: dict[str, Any], emulator: Emulator) -> Response:
    """Answer a Converse body."""
    started = time.monotonic()
    converse.check_body(model, body)
    reply = emulator.ask(converse.read_question(model, body))
    return json_response(converse.write_answer(reply, latency_ms=since_ms(started)))


def count_tokens(model: Model, body: dict[str, Any], emulator: Emulator) -> Response:
    """Count what a request would cost, by answering it."""
    wish = body.get("input") or {}
    if "converse" in wish:
        converse.check_body(model, wish["converse"])
        question = converse.read_question(model, wish["converse"])
    else:
        question = native.read_question(model, decode(read_blob(wish)))
    return json_response({"inputTokens": emulator.ask(question).input_tokens})


def read_blob(wish: dict[str, Any]) -> bytes:
    """Read the body whose tokens are to be counted."""
    try:
        return base64.b64decode(wish["invokeModel"]["body"])
    except (KeyError, TypeError, binascii.Error):
        raise ServiceError("ValidationException", "input must hold converse or invokeModel with a body") from None


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
    except msgspec.DecodeError:
        reason = "Malformed input request, please reformat your input and try again."
        raise ServiceError("ValidationException", reason) from None


def json_response(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """Answer with a JSON document."""
    return Response(200, {"content-type": "application/json", **(headers or {})}, msgspec.json.encode(body))


def since_ms(started: float) -> int:
    """Give the milliseconds since a moment of `time.monotonic`."""
    return round((time.monotonic() - started) * 1000)
