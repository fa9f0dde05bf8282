"""Families: the models that share a request and an answer format, one file each.

A new family is a module with its `Family` at the end, and an entry in `FAMILIES`; docs/families.md has an example.
"""

from __future__ import annotations

from analysis.errors import ModelError
from analysis.facts.model_names import find_nearest
from analysis.facts.models import Model
from analysis.families.anthropic import ANTHROPIC
from analysis.families.anthropic_text import ANTHROPIC_TEXT
from analysis.families.cohere import COHERE
from analysis.families.cohere_embed import COHERE_EMBED
from analysis.families.cohere_r import COHERE_R
from analysis.families.converse import CONVERSE
from analysis.families.deepseek_r1 import DEEPSEEK_R1
from analysis.families.family import Family, Limits, ParsedAnswer, Sampling, only_read
from analysis.families.imported import IMPORTED
from analysis.families.jamba import JAMBA
from analysis.families.jurassic import JURASSIC
from analysis.families.llama import LLAMA
from analysis.families.mistral import MISTRAL
from analysis.families.mistral_chat import MISTRAL_CHAT
from analysis.families.nova import NOVA
from analysis.families.nova_embed import NOVA_EMBED
from analysis.families.openai import OPENAI
from analysis.families.titan import TITAN
from analysis.families.titan_embed import TITAN_EMBED
from analysis.families.writer import WRITER

__all__ = ["FAMILIES", "Family", "Limits", "ParsedAnswer", "Sampling", "find_family"]

# The shape of an answer is tried in this order; of families that share one shape, the first is the most likely.
FAMILIES = (
    ANTHROPIC,
    CONVERSE,
    NOVA,
    OPENAI,
    MISTRAL_CHAT,
    JAMBA,
    WRITER,
    LLAMA,
    MISTRAL,
    TITAN,
    COHERE_R,
    COHERE,
    DEEPSEEK_R1,
    IMPORTED,
    ANTHROPIC_TEXT,
    JURASSIC,
    TITAN_EMBED,
    COHERE_EMBED,
    NOVA_EMBED,
)


def find_family(model: Model, invocation_type: str) -> Family:
    """Find the family that writes a model's requests and reads its answers.

    Raises
    ------
    ModelError
        The request format of the model is not known here; Converse has one format for all models.
    """
    if invocation_type == "Converse":
        return CONVERSE
    for family in FAMILIES:
        if family.write_request is not only_read and family.models.match(model.base):
            return family
    if model.kind not in {"foundation-model", "inference-profile", "custom-model"}:
        reason = f"an id of kind {model.kind} does not tell which model answers, so its request format is not known"
        raise ModelError(model.model_id, reason, "set invocation_type to Converse, or give the id of the model")
    if "." not in model.base:
        near = find_nearest(model.base)
        meant = f"did you mean {near}? else " if near else ""
        cure = f"{meant}write one such as global.anthropic.claude-haiku-4-5-20251001-v1:0"
        raise ModelError(model.model_id, "not a model id of Amazon Bedrock", cure)
    reason = f"the {invocation_type} format of {model.provider} models is not known here"
    raise ModelError(model.model_id, reason, "set invocation_type to Converse")
