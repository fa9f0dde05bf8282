"""Lifecycle: the day on which a model leaves Amazon Bedrock, and what to use in its place."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from analysis.facts.batch_models import BatchSupport, find_batch_support, read_batch_models
from analysis.facts.models import split_name

# A model that launched from 2026-09-07 on may have no more than 45 days of notice, the others have 6 months: "Model
# lifecycle", Amazon Bedrock User Guide.
NOTICE = timedelta(days=90)


class End(NamedTuple):
    """The end of a model: `ended` or `ends` (within 90 days), what happens, and what to do."""

    kind: str
    what: str
    cure: str


def describe_end(base: str, today: date) -> End | None:
    """Describe the end of a model by its base id; None for one that stays, or of which no end is known.

    Notes
    -----
    Source: "Model lifecycle" and the model cards, Amazon Bedrock User Guide, as `facts/batch_models.csv` says.
    """
    support = find_batch_support(base)
    if support is None or support.ends is None or support.ends - NOTICE > today:
        return None
    newer = find_successor(support, today)
    cure = f"set model_id to a newer model, such as {newer}" if newer else "set model_id to a model that stays"
    if support.ends <= today:
        return End("ended", f"{base} left Amazon Bedrock on {support.ends}, and its requests are refused", cure)
    days = (support.ends - today).days
    left = "1 day" if days == 1 else f"{days} days"
    return End("ends", f"{base} leaves Amazon Bedrock on {support.ends}, in {left}", cure)


def find_successor(support: BatchSupport, today: date) -> str:
    """Find the newest model of the same name that takes batch jobs and stays; empty where there is none."""
    words, version = split_name(support.model)
    newer = {
        of_other: other.model
        for other in read_batch_models().values()
        for of_words, of_other in [split_name(other.model)]
        if of_words == words
        and of_other
        and of_other > (version or (1, 0))
        and other.takes_batch
        and (other.ends is None or other.ends - NOTICE > today)
    }
    return newer[max(newer)] if newer else ""
