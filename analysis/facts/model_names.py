"""Model names: the model id behind a display name in AWS's price list and quotas, and the one nearest to a wrong id."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

from analysis.facts import read_facts
from analysis.facts.models import Name, list_models, split_name

# `qwen.` of a model id, or the word before a display name: "Anthropic Claude 3 Haiku". Mistral and MiniMax are the
# first words of their models' names, so only `mistral.` and `minimax.` of the ids are removed.
VENDOR = re.compile(
    r"(z\.ai|amazon|anthropic|meta|mistral ai|moonshot ai|kimi ai|google|nvidia|openai|deepseek)[ -]"
    r"|[a-z0-9]+\.(?=[a-z])"
)
RELEASE = re.compile(r"-20\d{6}(?=-|$)")  # claude-haiku-4-5-20251001
# nova-lite-v1:0, gpt-oss-20b-1:0, Nova Lite V1; v2 is kept, since it distinguishes models.
VERSION = re.compile(r"[ -](v1|v?1:0)$")
LEAST_ALIKE = 0.6  # of two names, as in difflib.get_close_matches
TUNING = re.compile(r"[ -](instruct|it)$")


class Unread(NamedTuple):
    """A product or quota that AWS lists and that cannot be read here, and why."""

    name: str
    reason: str


def find_named(name: str) -> str:
    """Find the base id of the model that has a name; empty if the name is not known here.

    Names are compared without vendor, version, upper case and punctuation; names that still differ from the id are in
    `facts/model_names.csv`.
    """
    return map_names().get(simplify(name), "")


def find_nearest(base: str, known: Iterable[str] | None = None) -> str:
    """Find the known model that an unknown id most likely means; empty if none has a name like it.

    The names are compared first, without versions and release days, then the versions: `anthropic.claude-haiku-4-5` is
    Haiku 4.5, and not the Haiku 3 whose id it shares more letters with. An id without a version is the newest model.
    """
    models = list_models() if known is None else list(known)
    if (named := find_named(base)) in models:
        return named
    wanted = split_name(base.lower())
    alike = {model: compare_words(wanted, split_name(model)) for model in models}
    best = max(alike.values(), default=0.0)
    if best < LEAST_ALIKE:
        return ""
    return min((model for model in models if alike[model] == best), key=lambda model: measure_distance(wanted, model))


def compare_words(wanted: Name, other: Name) -> float:
    """Return how alike the words of two names are, 0 to 1; a name that leaves out words is nearly the same."""
    is_short = set(wanted.words) < set(other.words)
    return max(0.99 * is_short, SequenceMatcher(None, "-".join(wanted.words), "-".join(other.words)).ratio())


def measure_distance(wanted: Name, model: str) -> tuple[float, str]:
    """Measure how far a model's version is from the wanted one; the id decides between equal ones."""
    newest = (99, 0)
    (major, minor), (of_model, below) = wanted.version or newest, split_name(model).version or (1, 0)
    return abs(major + minor / 10 - of_model - below / 10), model


def simplify(name: str) -> str:
    """Reduce a name or an id to the letters and digits that distinguish models."""
    text = name.strip().lower()
    if vendor := VENDOR.match(text):
        text = text[vendor.end() :]
    for ending in (VERSION, RELEASE, TUNING):
        text = ending.sub("", text)
    return re.sub(r"[^a-z0-9]", "", text)


@cache
def map_names() -> dict[str, str]:
    """Map the simplified ids and names of models to their base ids."""
    names = read_facts("model_names")
    return {simplify(base): base for base in list_models()} | {
        simplify(name): model for name, model in names.select("name", "model").iter_rows()
    }
