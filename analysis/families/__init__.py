"""Families: the models that share a request and an answer format, one file each.

A new family is a file that ends in its `Family`, and its place in `FAMILIES`.
"""

from __future__ import annotations

from analysis.errors import ModelError
from analysis.families.anthropic import ANTHROPIC
from analysis.families.converse import CONVERSE
from analysis.families.family import Family, Reading, Settings
from analysis.models import Model

__all__ = ["FAMILIES", "Family", "Reading", "Settings", "find_family"]

# In the order in which an output line of an unknown model is tried.
FAMILIES = (ANTHROPIC, CONVERSE)


def find_family(model: Model, invocation_type: str) -> Family:
    """Find how a model's requests are written and its answers read.

    Raises
    ------
    ModelError
        A model whose own format is not known here; Converse has one format for all.
    """
    if invocation_type == "Converse":
        return CONVERSE
    for family in FAMILIES:
        if family.models.match(model.base):
            return family
    if "." not in model.base:
        reason = "is not a model id as Bedrock spells it"
        raise ModelError(model.model_id, reason, "write one such as global.anthropic.claude-haiku-4-5-20251001-v1:0")
    reason = f"no family writes {invocation_type} requests of {model.provider} models"
    raise ModelError(model.model_id, reason, "set invocation_type to Converse")
