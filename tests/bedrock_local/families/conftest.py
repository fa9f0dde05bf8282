"""Fixtures that check a body, read its question, or answer it, by the base id of a model."""

from __future__ import annotations

import pytest

from bedrock_local.families import answer_native, read_converse_question, read_native_question
from bedrock_local.inference import Reply
from bedrock_local.models import MODELS
from bedrock_local.protocol.errors import ServiceError


@pytest.fixture
def refusal():
    """Return the message with which a model refuses a body in its own format."""
    return lambda base, body: refuse(read_native_question, base, body)


@pytest.fixture
def converse_refusal():
    """Return the message with which a body of Converse is refused."""
    return lambda base, body: refuse(read_converse_question, base, body)


@pytest.fixture
def question():
    """Return the question in a body in the model's own format."""
    return lambda base, body: read_native_question(MODELS[base], body)


@pytest.fixture
def answer():
    """Return a model's answer with one word, or another reply."""

    def write(base, body, stop="end", text="Refunded.", stop_sequence=None):
        return answer_native(MODELS[base], body, lambda _: Reply(text, stop, 30, 4, stop_sequence))[1]

    return write


def refuse(read, base, body):
    with pytest.raises(ServiceError) as caught:
        read(MODELS[base], body)
    assert caught.value.code == "ValidationException"
    return caught.value.message
