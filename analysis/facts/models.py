"""Models: the parts of a model id, and the known limits of the model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis.facts import read_facts

# Prefixes of inference profiles, "List Supported Regions and models for inference profiles"; the list grows.
PROFILE = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")
CONTEXT = re.compile(r":\d+k$")  # claude-3-haiku-20240307-v1:0:48k, a variant with another context window
# ARNs of these kinds end in the id of a model; those of other kinds in an id of the resource alone.
NAMED_BY_MODEL = {"foundation-model", "inference-profile", "custom-model"}


@dataclass(frozen=True)
class Model:
    """What is known of a model; limits that are not published are missing.

    Attributes
    ----------
    model_id
        The id as it was given.
    base
        The foundation model's id, without region prefix or ARN. For an ARN that does not tell which model is
        behind it (application-inference-profile, provisioned-model, imported-model, ...) its end, `<kind>/<id>`.
    profile
        Prefix of the inference profile (`us`, `eu`, `global`, ...), empty for the model in its own region.
    provider
        First part of the base id: `anthropic`, `amazon`, `meta`, ...; empty when the base is not known.
    context_tokens
        The most tokens of request and answer together.
    max_output_tokens
        The highest `max_tokens` that the model accepts.
    sampling
        Which of temperature, top_p and top_k it accepts: `free`, `one` (temperature or top_p), `none`.
    thinking
        How thinking is switched on: `budget` (`enabled` with a budget), `adaptive` (without a budget); missing for a
        model that cannot think, or where it is not documented.
    kind
        The kind of resource, in the words of ARNs: `foundation-model`, `inference-profile`, `custom-model`,
        `application-inference-profile`, `imported-model`, `provisioned-model`, ...
    """

    model_id: str
    base: str
    profile: str
    provider: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    sampling: str | None = None
    thinking: str | None = None
    kind: str = "foundation-model"

    @property
    def price_key(self) -> str:
        """The base id by which prices are listed; empty for models with another price, or with one not per token."""
        return self.base if self.kind in {"foundation-model", "inference-profile"} else ""


@cache
def find_model(model_id: str) -> Model:
    """Parse a model id, profile id or ARN and look up the model's limits."""
    kind, name = split_arn(model_id)
    if kind and kind not in NAMED_BY_MODEL:
        return Model(model_id, f"{kind}/{name}", "", "", kind=kind)
    name = name.split("/", 1)[0]  # the id of the custom model follows its base model
    prefix = PROFILE.match(name)
    base = CONTEXT.sub("", name[prefix.end() :] if prefix else name)
    kind = kind or ("inference-profile" if prefix else "foundation-model")
    known = read_models().get(base, {})
    return Model(model_id, base, prefix[1] if prefix else "", base.split(".")[0], **known, kind=kind)


def split_arn(model_id: str) -> tuple[str, str]:
    """Split the end of an ARN into kind and name; a plain id has an empty kind."""
    if not model_id.startswith("arn:"):
        return "", model_id
    kind, _, name = model_id.split(":", 5)[-1].partition("/")
    return kind, name


def list_models() -> list[str]:
    """List the base ids of the models that are known here."""
    return list(read_models())


@cache
def read_models() -> dict[str, dict[str, Any]]:
    """Read the table of models, by base id, once per process."""
    facts = read_facts("models").select("model", "context_tokens", "max_output_tokens", "sampling", "thinking")
    return {row.pop("model"): row for row in facts.to_dicts()}
