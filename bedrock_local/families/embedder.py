"""What a family of embedding models declares: its models, the schema of a body, and how vectors are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bedrock_local.families.error_wording import check_schema, format_schema
from bedrock_local.families.family import Body
from bedrock_local.families.schema import Object
from bedrock_local.inference import Question, Reply, Responder
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError


@dataclass(frozen=True)
class Embedder:
    """The embedding models that share a request and an answer format.

    Attributes
    ----------
    models
        Pattern of the base ids of its models.
    schema
        Schema of a body.
    count_tokens
        Counts the input tokens of a checked body; raises a ServiceError for one that the model refuses all the same.
    write_answer
        Writes the answer with the vectors.
    """

    models: re.Pattern[str]
    schema: Object
    count_tokens: Callable[[Model, Body], int]
    write_answer: Callable[[Model, Body, int], dict[str, Any]]

    def answer(self, model: Model, body: Body, responder: Responder) -> tuple[Reply, dict[str, Any]]:
        """Answer a body; return a reply without text, for its token counts, and the body of the answer."""
        check_schema(body, self.schema, format_schema)
        tokens = self.count_tokens(model, body)
        # It is asked for no tokens, which no model has to answer; a fault that is injected may raise.
        responder(Question(model.base, "", "", 0))
        return Reply("", "end", tokens, 0), self.write_answer(model, body, tokens)


def check_choice(name: str, value: Any, choices: tuple[int, ...]) -> None:
    """Refuse a number that is none of the choices, in the words of the schema check."""
    if value is not None and value not in choices:
        reason = f"#/{name}: {value} is not a valid enum value"
        raise malformed(reason)


def malformed(reason: str) -> ServiceError:
    """Return the refusal of a body, in the words of the schema check."""
    text = f"Malformed input request: {reason}, please reformat your input and try again."
    return ServiceError("ValidationException", text)
