"""What a family declares: which models it is of, what a body may hold, what it asks, and how the answer looks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bedrock_local.families.fields import Fields
from bedrock_local.families.voices import Voice
from bedrock_local.inference import Question, Reply
from bedrock_local.models import Model

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """The models that share a request and an answer format.

    Attributes
    ----------
    name
        Of the family, as the documentation calls the format.
    models
        Base ids of its models.
    fields
        The table of its body; Converse takes these fields as a model's additional ones.
    voice
        How a body is refused.
    check_body
        Raises a ServiceError for a body that the model would refuse.
    read_question
        Reads what a checked body asks.
    write_answer
        Writes a reply as the model writes its answers.
    """

    name: str
    models: re.Pattern[str]
    fields: Fields
    voice: Voice
    check_body: Callable[[Model, Body], None]
    read_question: Callable[[Model, Body], Question]
    write_answer: Callable[[Model, Body, Reply], dict[str, Any]]
