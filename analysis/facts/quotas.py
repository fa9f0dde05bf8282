"""Quotas: how much Amazon Bedrock accepts in one input file, in one batch job, and in all unfinished jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from analysis.errors import QuotaError
from analysis.facts import read_facts, read_own_facts

LATEST = "2026"


@dataclass(frozen=True)
class Quotas:
    """What an account may send of one model in one region.

    Attributes
    ----------
    min_records, records_per_job
        Fewest and most records of a job, over all its files.
    records_per_file
        Most records of one input file.
    file_bytes, job_bytes
        Largest input file, largest sum of a job's files.
    unfinished_jobs
        Most jobs of one model that may be submitted or in progress together.
    """

    min_records: int
    records_per_file: int
    records_per_job: int
    file_bytes: int
    job_bytes: int
    unfinished_jobs: int


def find_quotas(model: str, *, year: str = LATEST, **own: int) -> Quotas:
    """Look up the quotas of a model: those of your account where `batchbook facts update` read them, else AWS's.

    Parameters
    ----------
    model
        Base model id; a few models have their own rows, the others share one.
    year
        `2026`, or `2024` for the values of the launch post, which older accounts may still have.
    own
        Values of your account, from the Service Quotas console, by the names of `Quotas`.

    Raises
    ------
    QuotaError
        An unknown year, an unknown quota, or a value below 1.
    """
    # Your own rows come first, and the sort below is stable, so they win over the package's.
    table = pl.concat([read_own_facts("quotas"), read_facts("quotas")]).with_columns(pl.col("quotas").cast(pl.String))
    rows = table.filter(pl.col("quotas") == year)
    if rows.is_empty():
        years = ", ".join(table["quotas"].unique().sort())
        raise QuotaError("quotas", f"no values for {year!r}", f"known years are {years}")
    closest = rows.filter(pl.col("model").is_null() | (pl.col("model") == model)).sort(
        "model", nulls_last=True, maintain_order=True
    )
    # A row of the model may lack quotas, which are taken from the row for all models.
    names = list(Quotas.__dataclass_fields__)
    quotas = Quotas(**closest.select(pl.col(names).drop_nulls().first()).row(0, named=True))
    check_own(own)
    return replace(quotas, **own)


def check_own(own: dict[str, int]) -> None:
    """Raise an error for a quota that does not exist or is below 1."""
    for name, value in own.items():
        if name not in Quotas.__dataclass_fields__:
            raise QuotaError(
                "quotas", f"unknown quota {name!r}", f"the quotas are {', '.join(Quotas.__dataclass_fields__)}"
            )
        if not isinstance(value, int) or value < 1:
            raise QuotaError("quotas", f"{name} is {value!r}", "give a whole number of 1 or more")
