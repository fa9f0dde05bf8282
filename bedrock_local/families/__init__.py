"""Families: the models that share a request and an answer format, one file each, and Converse for all of them.

A new family is a file that ends in its `Family`, and its place in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bedrock_local.families import converse
from bedrock_local.families.anthropic import ANTHROPIC
from bedrock_local.families.cohere_command import COHERE_COMMAND
from bedrock_local.families.cohere_command_r import COHERE_COMMAND_R
from bedrock_local.families.deepseek import DEEPSEEK
from bedrock_local.families.family import Body, Family
from bedrock_local.families.jamba import JAMBA
from bedrock_local.families.llama import LLAMA
from bedrock_local.families.mistral_chat import MISTRAL_CHAT
from bedrock_local.families.mistral_prompt import MISTRAL_PROMPT
from bedrock_local.families.nova import NOVA
from bedrock_local.families.openai import OPENAI
from bedrock_local.families.reasoning import ask, find_thought
from bedrock_local.families.titan import TITAN
from bedrock_local.families.writer import WRITER
from bedrock_local.inference import Question, Reply, Responder
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError

__all__ = [
    "FAMILIES", "Family", "answer_converse", "answer_converse_record", "answer_native", "find_family",
    "read_converse_question", "read_native_question",
]  # fmt: skip

FAMILIES = (
    ANTHROPIC, COHERE_COMMAND, COHERE_COMMAND_R, DEEPSEEK, JAMBA, LLAMA, MISTRAL_CHAT, MISTRAL_PROMPT, NOVA, OPENAI,
    TITAN, WRITER,
)  # fmt: skip


def find_family(model: Model) -> Family:
    """Find the family of a model; embedding models have none here."""
    for family in FAMILIES:
        if family.models.match(model.base):
            return family
    raise ServiceError("ValidationException", f"The emulator does not answer {model.base}: it knows no family for it")


def read_native_question(model: Model, body: Body) -> Question:
    """Check a body in the model's own form, as InvokeModel takes it, and read what it asks."""
    family = find_family(model)
    family.check_body(model, body)
    return add_sampling(family.read_question(model, body), body)


def read_converse_question(model: Model, body: Body) -> Question:
    """Check a body of Converse and read what it asks."""
    converse.check_body(model, body, find_family(model))
    return add_sampling(converse.read_question(model, body), body)


def add_sampling(question: Question, body: Body) -> Question:
    """Add the temperature and top_p of a checked body, which stand beside the text or among the wishes."""
    wishes = [body, body.get("inferenceConfig") or {}, body.get("textGenerationConfig") or {}]
    given = {name: value for part in wishes for name, value in part.items() if value is not None}
    return replace(question, temperature=given.get("temperature"), top_p=given.get("top_p", given.get("topP")))


def answer_native(model: Model, body: Body, responder: Responder) -> tuple[Reply, dict[str, Any]]:
    """Answer a body in the model's own form: the reply with its tokens, and the body that says so."""
    question = read_native_question(model, body)
    reply = ask(model, question, find_thought(model, body, question.max_tokens), responder)
    return reply, find_family(model).write_answer(model, body, reply)


def ask_converse(model: Model, body: Body, responder: Responder) -> Reply:
    """Have a body of Converse answered."""
    question = read_converse_question(model, body)
    return ask(model, question, find_thought(model, converse.read_wishes(model, body), question.max_tokens), responder)


def answer_converse_record(model: Model, body: Body, responder: Responder) -> tuple[Reply, dict[str, Any]]:
    """Answer a record of a Converse job, which may hold less than a call and is answered with nulls."""
    converse.check_record(body)
    reply = ask_converse(model, body, responder)
    return reply, converse.write_batch_answer(model, body, reply)


def answer_converse(model: Model, body: Body, responder: Responder, *, elapsed_ms: Callable[[], int]) -> dict[str, Any]:
    """Answer a call of Converse; `elapsed_ms` says, once there is a reply, how long it took."""
    reply = ask_converse(model, body, responder)
    return converse.write_answer(model, body, reply, latency_ms=elapsed_ms())
