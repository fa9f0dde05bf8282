"""Model names: the model id behind each display name in AWS's price list and quotas."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from analysis.facts import read_facts
from analysis.facts.models import list_models

# `qwen.` of a model id, or the word before a display name: "Anthropic Claude 3 Haiku". Mistral and MiniMax are the
# first words of their models' names, so only `mistral.` and `minimax.` of the ids are removed.
VENDOR = re.compile(
    r"(z\.ai|amazon|anthropic|meta|mistral ai|moonshot ai|kimi ai|google|nvidia|openai|deepseek)[ -]"
    r"|[a-z0-9]+\.(?=[a-z])"
)
RELEASE = re.compile(r"-20\d{6}(?=-|$)")  # claude-haiku-4-5-20251001
# nova-lite-v1:0, gpt-oss-20b-1:0, Nova Lite V1; v2 is kept, since it distinguishes models.
VERSION = re.compile(r"[ -](v1|v?1:0)$")
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
