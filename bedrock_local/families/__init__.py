"""Families of models that share a request and an answer format, one module each, and Converse for all of them.

To add a family, write a module that ends in its `Family` and list that in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bedrock_local.families import converse
from bedrock_local.families.anthropic import ANTHROPIC
from bedrock_local.families.cohere_command import COHERE_COMMAND
from bedrock_local.families.cohere_command_r import COHERE_COMMAND_R
from bedrock_local.families.cohere_embed import COHERE_EMBED_V3, COHERE_EMBED_V4
from bedrock_local.families.deepseek import DEEPSEEK
from bedrock_local.families.embedder import Embedder
from bedrock_local.families.error_wording import check_schema
from bedrock_local.families.family import Body, Chunks, Family
from bedrock_local.families.jamba import JAMBA
from bedrock_local.families.limits import check_ceiling
from bedrock_local.families.llama import LLAMA
from bedrock_local.families.mistral_chat import MISTRAL_CHAT
from bedrock_local.families.mistral_prompt import MISTRAL_PROMPT
from bedrock_local.families.nova import NOVA
from bedrock_local.families.nova_embed import NOVA_EMBED
from bedrock_local.families.openai import OPENAI
from bedrock_local.families.reasoning import make_reasoning, request_reply, request_stream
from bedrock_local.families.titan import TITAN
from bedrock_local.families.titan_embed import TITAN_EMBED_IMAGE, TITAN_EMBED_V1, TITAN_EMBED_V2
from bedrock_local.families.writer import WRITER
from bedrock_local.inference import Question, Reply, ReplyStream, Responder, Streamer
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError

__all__ = [
    "EMBEDDERS", "FAMILIES", "Family", "answer_converse", "answer_converse_record", "answer_native", "find_embedder",
    "find_family",     "read_converse_question", "read_native_question", "stream_converse", "stream_native",
]  # fmt: skip

FAMILIES = (
    ANTHROPIC, COHERE_COMMAND, COHERE_COMMAND_R, DEEPSEEK, JAMBA, LLAMA, MISTRAL_CHAT, MISTRAL_PROMPT, NOVA, OPENAI,
    TITAN, WRITER,
)  # fmt: skip


EMBEDDERS = (TITAN_EMBED_V1, TITAN_EMBED_V2, TITAN_EMBED_IMAGE, COHERE_EMBED_V3, COHERE_EMBED_V4, NOVA_EMBED)
NO_CHAT = "This action doesn't support the model that you provided. Try again with a supported text or chat model."
NO_STREAM = "The model is unsupported for streaming"


def find_family(model: Model) -> Family:
    """Find the family of a model; embedding models have none."""
    for family in FAMILIES:
        if family.models.match(model.base) and not find_embedder(model):
            return family
    raise ServiceError("ValidationException", NO_CHAT)


def find_embedder(model: Model) -> Embedder | None:
    """Find the family of an embedding model; None for other models."""
    return next((embedder for embedder in EMBEDDERS if embedder.models.match(model.base)), None)


def read_native_question(model: Model, body: Body) -> Question:
    """Check a body in the model's own format, as InvokeModel takes it, and read the question from it."""
    family = find_family(model)
    check_schema(body, family.schema, family.format_error)
    family.check_rules(model, body)
    # After the rules: the name of the limit and its default are the family's.
    question = family.read_question(model, body)
    check_ceiling(model, question.max_tokens)
    return add_sampling(question, body)


def read_converse_question(model: Model, body: Body, operation: str = "Converse") -> Question:
    """Check a body of Converse, or of ConverseStream, and read the question from it."""
    converse.check_body(model, body, find_family(model), operation)
    return add_sampling(converse.read_question(model, body), body)


def add_sampling(question: Question, body: Body) -> Question:
    """Add the temperature and top_p of a checked body, which are at its top or in its inference configuration."""
    # Claude and the OpenAI format have them at the top; Converse, Nova and Titan in a configuration.
    parts = [body, body.get("inferenceConfig") or {}, body.get("textGenerationConfig") or {}]
    given = {name: value for part in parts for name, value in part.items() if value is not None}
    return replace(question, temperature=given.get("temperature"), top_p=given.get("top_p", given.get("topP")))


def answer_native(model: Model, body: Body, responder: Responder) -> tuple[Reply, dict[str, Any]]:
    """Answer a body in the model's own format; return the reply, for its token counts, and the body of the answer."""
    if embedder := find_embedder(model):
        return embedder.answer(model, body, responder)
    question = read_native_question(model, body)
    reply = request_reply(model, question, make_reasoning(model, body, question.max_tokens), responder)
    return reply, find_family(model).write_answer(model, body, reply)


def request_converse_reply(model: Model, body: Body, responder: Responder) -> Reply:
    """Check a body of Converse and request a reply to it."""
    question = read_converse_question(model, body)
    return request_reply(
        model,
        question,
        make_reasoning(model, converse.read_native_parameters(model, body), question.max_tokens),
        responder,
    )


def answer_converse_record(
    model: Model, body: Body, responder: Responder, *, strict: bool = False
) -> tuple[Reply, dict[str, Any]]:
    """Answer a record of a Converse job, which allows fewer fields than a request on demand."""
    converse.check_batch_record(body, strict=strict)
    reply = request_converse_reply(model, body, responder)
    return reply, converse.write_batch_answer(model, body, reply, find_family(model))


def answer_converse(model: Model, body: Body, responder: Responder, *, elapsed_ms: Callable[[], int]) -> dict[str, Any]:
    """Answer a request of Converse on demand; `elapsed_ms` is called once the reply is there."""
    reply = request_converse_reply(model, body, responder)
    return converse.write_answer(model, body, reply, find_family(model), latency_ms=elapsed_ms())


def stream_native(model: Model, body: Body, streamer: Streamer) -> tuple[ReplyStream, Chunks]:
    """Answer a body in the model's own format by a stream; return the reply as it comes, and the chunks of it."""
    if find_embedder(model):
        raise ServiceError("ValidationException", NO_STREAM)
    family = find_family(model)
    # "OpenAI models", "Cohere Command models": the body may say that it asks for a stream, as the operation does.
    is_said = body.get("stream") is True and "stream" in family.schema.properties
    body = {**body, "stream": False} if is_said else body
    question = read_native_question(model, body)
    stream = request_stream(model, question, make_reasoning(model, body, question.max_tokens), streamer)
    return stream, family.write_chunks(model, body, stream)


def stream_converse(
    model: Model, body: Body, streamer: Streamer, *, elapsed_ms: Callable[[], int]
) -> tuple[ReplyStream, Iterator[tuple[str, dict[str, Any]]]]:
    """Answer a request of Converse by a stream; return the reply as it comes, and the events of it."""
    question = read_converse_question(model, body, "ConverseStream")
    parameters = converse.read_native_parameters(model, body)
    stream = request_stream(model, question, make_reasoning(model, parameters, question.max_tokens), streamer)
    return stream, converse.write_events(model, body, stream, find_family(model), elapsed_ms=elapsed_ms)
