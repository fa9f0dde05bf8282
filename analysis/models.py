"""Models: what one id says, and what is known of the model behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis.facts import read_facts

# Prefixes of inference profiles, "List Supported Regions and models for inference profiles"; the list grows.
PROFILE = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")


@dataclass(frozen=True)
class Model:
    """What is known of a model; limits are missing when nobody published them.

    Attributes
    ----------
    model_id
        As it was asked for.
    base
        The foundation model's id, without region prefix or ARN.
    profile
        Prefix of the inference profile (`us`, `eu`, `global`, ...), empty for the model in its own region.
    provider
        First part of the base id: `anthropic`, `amazon`, `meta`, ...
    context_tokens
        Tokens that request and answer may have together.
    max_output_tokens
        The highest `max_tokens` that the model accepts.
    sampling
        What it takes of temperature, top_p and top_k: `free`, `one` (temperature or top_p), `none`.
    """

    model_id: str
    base: str
    profile: str
    provider: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    sampling: str | None = None


@cache
def find_model(model_id: str) -> Model:
    """Take a model id, profile id or ARN apart and look up its limits."""
    name = model_id.rsplit("/", 1)[-1]
    prefix = PROFILE.match(name)
    base = name[prefix.end() :] if prefix else name
    known = model_facts().get(base, {})
    return Model(model_id, base, prefix[1] if prefix else "", base.split(".")[0], **known)


def list_models() -> list[str]:
    """List the base ids of the models that are known here."""
    return list(model_facts())


@cache
def model_facts() -> dict[str, dict[str, Any]]:
    """Read the table of models once."""
    facts = read_facts("models").select("model", "context_tokens", "max_output_tokens", "sampling")
    return {row.pop("model"): row for row in facts.to_dicts()}
