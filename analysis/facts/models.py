"""Models: the parts of a model id, and the known limits and rules of the model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from analysis.facts import read_facts

# Prefixes of inference profiles, "List Supported Regions and models for inference profiles"; the list grows.
PROFILE = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")
CONTEXT = re.compile(r":\d+k$")  # claude-3-haiku-20240307-v1:0:48k, a variant with another context window
# The end of an id that says which release of one model it is: nova-lite-v1:0, gpt-oss-20b-1:0, haiku-4-5-20251001.
RELEASE = re.compile(r"(-20\d{6})?(-v\d+(:\d+)?|-\d:\d)?$")
# The version of a model: claude-3-5-sonnet, nova-2-lite, deepseek.v3.2; no size (gemma-3-12b), no month (large-2407).
VERSION = re.compile(r"(?<!\d)(\d{1,2})(?:[-.](\d{1,2}))?(?=[-.:]|$)")
RULES = ("context_tokens", "max_output_tokens", "sampling", "thinking", "effort", "schema")
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
        How Claude is made to think: `never`, `budget` (`enabled` with a budget), `adaptive` (without a budget), `both`,
        or `always` (as `adaptive`, and cannot be disabled).
    effort
        Whether Claude takes an effort: `no`, `beta` (with a header of its beta), `yes`, or `capped` (at `high` where
        thinking is disabled).
    schema
        Whether it takes a JSON Schema in a batch record: `yes`, `no`, or `disputed` where sources disagree.
    follows
        The generation whose rules it has, such as `claude from 4.7`, for a model that is not in the table itself; empty
        for one that is, and for one of no known generation.
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
    effort: str | None = None
    schema: str | None = None
    follows: str = ""
    kind: str = "foundation-model"

    @property
    def price_key(self) -> str:
        """The base id by which prices are listed; empty for models with another price, or with one not per token."""
        return self.base if self.kind in {"foundation-model", "inference-profile"} else ""


class Name(NamedTuple):
    """A base id without its release: the words that name a model, and its version."""

    words: tuple[str, ...]
    version: tuple[int, int] | None


@cache
def find_model(model_id: str) -> Model:
    """Parse a model id, profile id or ARN and look up the limits and rules of the model.

    What the table of models does not say of a model is taken from its generation, so an id of tomorrow has the rules
    of the newest generation that is known.
    """
    kind, name = split_arn(model_id)
    if kind and kind not in NAMED_BY_MODEL:
        return Model(model_id, f"{kind}/{name}", "", "", kind=kind)
    name = name.split("/", 1)[0]  # the id of the custom model follows its base model
    prefix = PROFILE.match(name)
    base = CONTEXT.sub("", name[prefix.end() :] if prefix else name)
    kind = kind or ("inference-profile" if prefix else "foundation-model")
    generation, rules = find_generation(base)
    own = read_models().get(base)
    return Model(
        model_id,
        base,
        prefix[1] if prefix else "",
        base.split(".")[0],
        **rules | (own or {}),
        follows=generation if own is None else "",
        kind=kind,
    )


def find_generation(base: str) -> tuple[str, dict[str, Any]]:
    """Find the newest generation that a base id belongs to, in words, and the rules that hold in it."""
    version = split_name(base).version or (1, 0)
    # Later rows hold for newer models, or for fewer of them, so they replace what earlier ones say.
    rows = [row for row in read_generations() if row["models"].match(base) and row["since"] <= version]
    rules = {name: value for row in rows for name, value in row["rules"].items()}
    newest = max((row["since"] for row in rows), default=None)
    line = "-".join(split_name(base).words[1:2]) or base
    return (f"{line} from {write_version(newest)}" if newest else ""), rules


@cache
def split_name(base: str) -> Name:
    """Split a base id into the words of its name and its version, which may stand before, between or after them."""
    text = RELEASE.sub("", base)
    found = VERSION.search(text)
    version = (int(found[1]), int(found[2] or 0)) if found else None
    left = text[: found.start()] + text[found.end() :] if found else text
    return Name(tuple(re.split(r"[-. ]+", left.lower().strip("-. "))), version)


def write_version(version: tuple[int, int]) -> str:
    """Write a version as people do: 5, 4.5."""
    return f"{version[0]}.{version[1]}" if version[1] else str(version[0])


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
    """Read the table of models, by base id, once per process; a model has what its row says of it."""
    return {row["model"]: keep_rules(row) for row in read_facts("models").iter_rows(named=True)}


@cache
def read_generations() -> list[dict[str, Any]]:
    """Read the table of generations, once per process: a pattern of base ids, the first version, and the rules."""
    return [
        {
            "models": re.compile(row["models"]),
            "since": tuple(int(part) for part in f"{row['since']}.0".split(".")[:2]),
            "rules": keep_rules(row),
        }
        for row in read_facts("generations").iter_rows(named=True)
    ]


def keep_rules(row: dict[str, Any]) -> dict[str, Any]:
    """Keep the rules that a row has."""
    return {name: row[name] for name in RULES if row[name] is not None}
