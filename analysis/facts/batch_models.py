"""Batch models: which models take batch jobs, in which Regions, and by which inference profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from analysis.facts import read_facts


@dataclass(frozen=True)
class BatchSupport:
    """What is known of batch jobs of a model.

    Attributes
    ----------
    model
        Base model id.
    takes_batch
        Whether CreateModelInvocationJob takes it.
    regions
        Regions in which a job names the model by its own id.
    by_profile
        Whether a job can name it by a cross-Region inference profile.
    profiles
        Prefixes of its inference profiles (`us`, `eu`, `global`); empty where they are not known.
    ends
        The day on which it left Bedrock, or leaves it; missing where none is known.
    """

    model: str
    takes_batch: bool
    regions: tuple[str, ...]
    by_profile: bool
    profiles: tuple[str, ...]
    ends: date | None


def find_batch_support(base: str) -> BatchSupport | None:
    """Look up batch jobs of a model by its base id; None for a model that the table does not have.

    Notes
    -----
    ListFoundationModels has no field for batch jobs, so only this table knows without creating one.
    Source: "Supported Regions and models for batch inference" and the model cards, Amazon Bedrock User Guide.
    """
    return read_batch_models().get(base)


@cache
def read_batch_models() -> dict[str, BatchSupport]:
    """Read the table of batch models, by base id, once per process."""
    rows = read_facts("batch_models").drop("source", "read_on").iter_rows(named=True)
    supports = (BatchSupport(**row | {name: split(row[name]) for name in ("regions", "profiles")}) for row in rows)
    return {support.model: support for support in supports}


def split(names: str | None) -> tuple[str, ...]:
    """Split names at the spaces between them."""
    return tuple((names or "").split())
