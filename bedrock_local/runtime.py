"""Models on demand: InvokeModel and Converse, whole or as a stream of events, and CountTokens.

Source: Amazon Bedrock API Reference, Amazon Bedrock Runtime; the texts as reported in maximhq/bifrost#2169 and
agentgateway/agentgateway#3254 (a profile whose tokens are not counted) and in the user guide.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from bedrock_local.emulator import Emulator
from bedrock_local.families import (
    answer_converse,
    answer_native,
    read_converse_question,
    read_native_question,
    stream_converse,
    stream_native,
)
from bedrock_local.families.family import Chunks
from bedrock_local.families.limits import check_window
from bedrock_local.inference import Question, ReplyStream
from bedrock_local.models import Model
from bedrock_local.profiles import is_any_profile
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.event_stream import CONTENT_TYPE, Event, EventStreamBody
from bedrock_local.protocol.json import json_response, read_object
from bedrock_local.protocol.messages import Response, read_all
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import check_request

BODY_BYTES = 25_000_000
MALFORMED = "Malformed input request, please reformat your input and try again."
# "Count tokens": Claude from 3.5 on. Observed: 4.5 and 4.6 are counted, those from 4.7 on are not.
COUNTED = re.compile(r"anthropic\.claude-(3-[57]|(sonnet|opus|haiku)-4(?!-[78]))")
# CountTokens refuses longer prompts even for models with a larger window: boto/botocore#3707.
COUNTED_TOKENS = 200_000
JSON_TYPES = ("", "*/*", "application/*", "application/json", "application/octet-stream", CONTENT_TYPE)
# Headers of InvokeModel that are returned as they were sent.
ECHOED = ("x-amzn-bedrock-performanceconfig-latency", "x-amzn-bedrock-service-tier")


def invoke_model(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer a body in the model's own format; the headers have the counts of tokens."""
    model, body = read_model_request(request, emulator)
    check_profile(model, request.identifier, emulator.region)
    elapsed_ms = start_clock()
    with refusing_deep_bodies():
        reply, answer = answer_native(model, body, emulator.ask)
    counts = {
        "x-amzn-bedrock-input-token-count": str(reply.input_tokens),
        "x-amzn-bedrock-output-token-count": str(reply.output_tokens),
        "x-amzn-bedrock-invocation-latency": str(elapsed_ms()),
    }
    return json_response(answer, counts | echo_headers(request))


def converse(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer a body of Converse, which is the same for every model family."""
    model, body = read_model_request(request, emulator)
    check_profile(model, request.identifier, emulator.region)
    with refusing_deep_bodies():
        return json_response(answer_converse(model, body, emulator.ask, elapsed_ms=start_clock()))


def invoke_model_stream(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer a body in the model's own format by a stream of its chunks."""
    model, body = read_model_request(request, emulator)
    check_profile(model, request.identifier, emulator.region)
    elapsed_ms = start_clock()
    with refusing_deep_bodies():
        reply, chunks = stream_native(model, body, emulator.ask_stream)
    events = write_chunk_events(chunks, reply, elapsed_ms)
    headers = {"x-amzn-bedrock-content-type": "application/json", **echo_headers(request)}
    return stream_response(request, events, reply, headers)


def converse_stream(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer a body of Converse by a stream of events, which are the same for every model family."""
    model, body = read_model_request(request, emulator)
    check_profile(model, request.identifier, emulator.region)
    with refusing_deep_bodies():
        reply, events = stream_converse(model, body, emulator.ask_stream, elapsed_ms=start_clock())
    return stream_response(request, events, reply, {})


def stream_response(
    request: ResolvedRequest, events: Iterator[Event], reply: ReplyStream, headers: Mapping[str, str]
) -> Response:
    """Return a response whose body is a stream of events."""
    body = EventStreamBody(request.operation, events, reply.close)
    return Response(200, {"content-type": CONTENT_TYPE, **headers}, body)


def write_chunk_events(chunks: Chunks, reply: ReplyStream, elapsed_ms: Callable[[], int]) -> Iterator[Event]:
    """Yield the events of the chunks of a model; the last chunk also has the counts of tokens and the times."""
    # The first piece of the reply is there before a stream is answered.
    first_ms = elapsed_ms()
    last = yield from map_chunks(chunks)
    metrics = {
        "inputTokenCount": reply.reply.input_tokens,
        "outputTokenCount": reply.reply.output_tokens,
        "invocationLatency": elapsed_ms(),
        "firstByteLatency": first_ms,
    }
    yield write_chunk_event({**last, "amazon-bedrock-invocationMetrics": metrics})


def map_chunks(chunks: Chunks) -> Generator[Event, None, dict[str, Any]]:
    """Yield all chunks but the last as events, and return that one."""
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as end:
            return dict(end.value)
        yield write_chunk_event(chunk)


def write_chunk_event(chunk: Mapping[str, Any]) -> Event:
    """Write the event of a chunk, which is JSON in base64."""
    return "chunk", {"bytes": base64.b64encode(msgspec.json.encode(chunk)).decode()}


def echo_headers(request: ResolvedRequest) -> dict[str, str]:
    """Return the headers that go back as they were sent."""
    return {name: request.headers[name] for name in ECHOED if name in request.headers}


def count_tokens(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Count the tokens of a request without answering it."""
    model, body = read_model_request(request, emulator)
    with refusing_deep_bodies():
        check_request("bedrock-runtime", "CountTokens", {"modelId": request.identifier, **body})
        if not COUNTED.match(model.base) or is_any_profile(request.identifier):
            raise ServiceError("ValidationException", "The provided model doesn't support counting tokens.")
        question = read_counted_question(model, body["input"])
        return json_response({"inputTokens": check_window(question, COUNTED_TOKENS)})


def read_counted_question(model: Model, counted: dict[str, Any]) -> Question:
    """Read the question out of the body of Converse or InvokeModel whose tokens are to be counted."""
    if counted.get("converse") is not None:
        return read_converse_question(model, counted["converse"])
    return read_native_question(model, read_object(read_blob(counted["invokeModel"]["body"]), MALFORMED))


def read_model_request(request: ResolvedRequest, emulator: Emulator) -> tuple[Model, dict[str, Any]]:
    """Find the model that a path names, and read the body."""
    model = emulator.find_model(request.identifier)
    if model is None:
        raise ServiceError("ValidationException", "The provided model identifier is invalid.")
    # Nothing says that the service refuses other types, and `curl -d` sends the one of a form.
    if emulator.settings.strict:
        check_types(request.headers)
    content = read_all(request.body, BODY_BYTES)
    if content is None:
        raise ServiceError("ValidationException", f"The request body is longer than {BODY_BYTES} bytes.")
    return model, read_object(content, MALFORMED)


@contextmanager
def refusing_deep_bodies() -> Iterator[None]:
    """Refuse a body that could be read, but is nested too deep for the functions that look at it."""
    try:
        yield
    except RecursionError:
        raise ServiceError("ValidationException", MALFORMED) from None


def check_profile(model: Model, model_id: str, region: str) -> None:
    """Refuse the bare id of a model that can be invoked in a region by a profile only."""
    if model.needs_profile and region not in model.own_regions and not is_any_profile(model_id):
        reason = f"Invocation of model ID {model_id} with on-demand throughput isn't supported."
        cure = "Retry your request with the ID or ARN of an inference profile that contains this model."
        raise ServiceError("ValidationException", f"{reason} {cure}")


def check_types(headers: Mapping[str, str]) -> None:
    """Refuse content types other than JSON for body and response; the wording is the emulator's own."""
    for name in ("content-type", "accept"):
        types = [part.partition(";")[0].strip().lower() for part in headers.get(name, "").split(",")]
        if not set(types) & set(JSON_TYPES):
            raise ServiceError("ValidationException", f"The {name} {headers[name]} is not supported: use JSON")


def read_blob(text: str) -> bytes:
    """Decode the base64 of a body whose tokens are to be counted."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ServiceError("ValidationException", "input.invokeModel.body is not base64") from None


def start_clock() -> Callable[[], int]:
    """Return a function that returns the milliseconds since this call."""
    started = time.monotonic()
    return lambda: round((time.monotonic() - started) * 1000)
