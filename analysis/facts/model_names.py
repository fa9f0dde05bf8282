"""Names: which model AWS means where its price list and its quotas give a name and no model id."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from analysis.facts import read_facts
from analysis.facts.models import list_models

# `qwen.` of a model id, or the word before a display name: "Anthropic Claude 3 Haiku". Mistral and MiniMax are the
# first words of their models' own names, so only the ids lose them.
VENDOR = re.compile(
    r"(z\.ai|amazon|anthropic|meta|mistral ai|moonshot ai|kimi ai|google|nvidia|openai|deepseek)[ -]"
    r"|[a-z0-9]+\.(?=[a-z])"
)
RELEASE = re.compile(r"-20\d{6}(?=-|$)")  # claude-haiku-4-5-20251001
VERSION = re.compile(r"[ -](v1|v?1:0)$")  # nova-lite-v1:0, gpt-oss-20b-1:0, Nova Lite V1; v2 tells models apart
TUNING = re.compile(r"[ -](instruct|it)$")


class Unread(NamedTuple):
    """What AWS lists and is not understood here, and why."""

    name: str
    reason: str


def find_named(name: str) -> str:
    """Find the base id of the model that a name means; empty when it is none that is known here.

    A name is compared without vendor, version, upper case and punctuation; what cannot be compared is in
    `facts/model_names.csv`.
    """
    return named_models().get(simplify(name), "")


def simplify(name: str) -> str:
    """Leave of a name or an id what tells models apart."""
    text = name.strip().lower()
    if vendor := VENDOR.match(text):
        text = text[vendor.end() :]
    for ending in (VERSION, RELEASE, TUNING):
        text = ending.sub("", text)
    return re.sub(r"[^a-z0-9]", "", text)


@cache
def named_models() -> dict[str, str]:
    """List the models by what is left of their ids and of their names."""
    names = read_facts("model_names")
    return {simplify(base): base for base in list_models()} | {
        simplify(name): model for name, model in names.select("name", "model").iter_rows()
    }
