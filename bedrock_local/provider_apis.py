"""The APIs of Anthropic and OpenAI on bedrock-runtime: Messages and Chat Completions, whole or as a stream.

The bodies are those of InvokeModel, with the model and the wish for a stream in them. Sources: Amazon Bedrock User
Guide, "Anthropic Messages API" and "Chat Completions API"; the API references of Anthropic and OpenAI for headers,
errors and streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bedrock_local.emulator import Emulator
from bedrock_local.families import answer_native, find_family, stream_native
from bedrock_local.families.family import Chunks
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.json import json_response, read_object
from bedrock_local.protocol.messages import Response, read_all
from bedrock_local.protocol.provider_errors import describe_anthropic_error, describe_openai_error
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.server_sent_events import CONTENT_TYPE, ServerSentBody, encode_server_sent
from bedrock_local.runtime import BODY_BYTES, check_profile, refusing_deep_bodies

NO_JSON = "The request body is not valid JSON, or not an object."
BEDROCK_VERSION = "bedrock-2023-05-31"
Body = dict[str, Any]


def create_message(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer a body of Anthropic's Messages API."""
    if not request.headers.get("anthropic-version"):
        raise ServiceError("ValidationException", "anthropic-version: header is required")
    body = read_body(request)
    if "anthropic_version" in body:
        raise ServiceError("ValidationException", "anthropic_version: Extra inputs are not permitted")
    model, is_stream = take_model(body, emulator, family="anthropic"), take_stream(body)
    body = {"anthropic_version": BEDROCK_VERSION, **read_betas(request), **body}
    return answer(model, body, emulator, write_message_events if is_stream else None, describe_anthropic_error)


def create_chat_completion(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer a body of OpenAI's Chat Completions API."""
    body = read_body(request)
    model, is_stream = take_model(body, emulator, family="openai"), take_stream(body)
    options = body.get("stream_options")
    has_usage = isinstance(options, dict) and options.get("include_usage") is True

    def write_events(chunks: Chunks) -> Iterator[bytes]:
        return write_completion_events(chunks, has_usage=has_usage)

    return answer(model, body, emulator, write_events if is_stream else None, describe_openai_error)


def answer(
    model: Model,
    body: Body,
    emulator: Emulator,
    write_events: Callable[[Chunks], Iterator[bytes]] | None,
    describe: Callable[[ServiceError], dict[str, Any]],
) -> Response:
    """Answer a body as InvokeModel does; as a stream where there is a function that writes its events."""
    with refusing_deep_bodies():
        if write_events is None:
            return json_response(answer_native(model, body, emulator.ask)[1])
        reply, chunks = stream_native(model, body, emulator.ask_stream)

    def write_error(error: ServiceError) -> bytes:
        content = describe(error)
        return encode_server_sent(content, content.get("type", ""))

    return Response(200, {"content-type": CONTENT_TYPE}, ServerSentBody(write_events(chunks), write_error, reply.close))


def read_body(request: ResolvedRequest) -> Body:
    """Read the JSON object in the body of a request."""
    content = read_all(request.body, BODY_BYTES)
    if content is None:
        raise ServiceError("ValidationException", f"The request body is longer than {BODY_BYTES} bytes.")
    return read_object(content, NO_JSON)


def take_model(body: Body, emulator: Emulator, *, family: str) -> Model:
    """Take the model out of a body, and find it; those of other families have other APIs."""
    model_id = body.pop("model", None)
    if not isinstance(model_id, str):
        raise ServiceError("ValidationException", "model: Field required")
    model = emulator.find_model(model_id)
    if model is None:
        raise ServiceError("ResourceNotFoundException", f"model: {model_id}")
    if find_family(model).name != family:
        raise ServiceError("ValidationException", f"The model {model_id} is not supported by this API")
    check_profile(model, model_id, emulator.region)
    return model


def take_stream(body: Body) -> bool:
    """Take out of a body whether it asks for a stream."""
    is_stream = body.pop("stream", None)
    if not isinstance(is_stream, bool | None):
        raise ServiceError("ValidationException", "stream: Input should be a valid boolean")
    return bool(is_stream)


def read_betas(request: ResolvedRequest) -> Body:
    """Read the betas, which InvokeModel takes in the body, out of the header."""
    names = [name.strip() for name in request.headers.get("anthropic-beta", "").split(",") if name.strip()]
    return {"anthropic_beta": names} if names else {}


def write_message_events(chunks: Chunks) -> Iterator[bytes]:
    """Write the chunks of Claude as events that have their names."""
    last = yield from write_each(chunks, named=True)
    yield encode_server_sent(last, last["type"])


def write_completion_events(chunks: Chunks, *, has_usage: bool) -> Iterator[bytes]:
    """Write the chunks of OpenAI's format; the tokens come in a chunk of their own, if they are asked for."""
    last = yield from write_each(chunks, named=False)
    usage = last.pop("usage", None)
    yield encode_server_sent(last)
    if has_usage:
        yield encode_server_sent({**last, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def write_each(chunks: Chunks, *, named: bool) -> Any:
    """Yield the events of all chunks but the last, and return that one."""
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as end:
            return dict(end.value)
        yield encode_server_sent(chunk, chunk["type"] if named else "")
