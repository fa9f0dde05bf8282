"""Progress: how far the jobs of a run are, how fast they go on, and what that cost so far, as counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from analysis.display import count, usd
from analysis.jobs.statuses import FINISHED
from analysis.runs.folder import Run

LOOKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "job_key": pl.String,
    "job_try": pl.Int64,
    "at": pl.Datetime("us", "UTC"),
    "processed_records": pl.Int64,
}
ENDLESS_MINUTES = 60 * 24 * 365  # beyond which a time is no estimate


@dataclass(frozen=True)
class Progress:
    """How far the jobs of a run are.

    Attributes
    ----------
    statuses
        Number of jobs by their latest status, in the order of the jobs.
    records, processed, failed
        Of the latest try of each job; as last seen, so up to a tenth of a job behind.
    per_minute
        Records that the jobs that run now process in a minute, each from the first time that some were seen processed
        to the last; None where none of them was seen at two numbers, and where no job runs.
    minutes_left
        At this rate; None where it is not known, 0 where nothing is left.
    cost_usd
        Of what was processed, by all tries, at its share of the estimate; None where a price is not known.
    """

    statuses: dict[str, int]
    records: int
    processed: int
    failed: int
    per_minute: float | None
    minutes_left: float | None
    cost_usd: float | None

    @property
    def jobs(self) -> int:
        """The number of jobs."""
        return sum(self.statuses.values())

    def list_counters(self) -> list[tuple[str, str]]:
        """List what is known, each with its name, as people read it."""
        statuses = ", ".join(f"{number:,} {name}" for name, number in self.statuses.items())
        rate = None if self.per_minute is None else f"{self.per_minute:,.0f} records a minute"
        left = None if self.minutes_left is None else format_minutes(self.minutes_left)
        counters = {
            "Jobs": f"{self.jobs:,} ({statuses})" if statuses else "0",
            "Processed": f"{self.processed:,} of {count(self.records, 'record')}",
            "Failed": f"{self.failed:,}",
            "Rate": rate or "not known yet",
            "Time left": left or "not known yet",
            "Cost so far": f"about {usd(self.cost_usd)}, by the estimate" if self.cost_usd is not None else "not known",
        }
        if self.minutes_left == 0:
            del counters["Rate"]
        return list(counters.items())


def measure_progress(jobs: pl.DataFrame, looks: pl.DataFrame, estimate_usd: float | None) -> Progress:
    """Measure how far the jobs of a run are.

    Parameters
    ----------
    jobs
        From `load_jobs` or `update_jobs`.
    looks
        From `load_looks`.
    estimate_usd
        What the whole run costs by its plan; None where a price is not known.
    """
    latest = jobs.unique("job_key", keep="last", maintain_order=True)
    statuses = dict(latest.group_by("status", maintain_order=True).len().iter_rows())
    records, processed, failed = (int(latest[name].sum()) for name in ("records", "processed_records", "error_records"))
    running = latest.filter(~pl.col("status").is_in(FINISHED))
    per_minute, left = measure_rate(running, looks), records - processed
    is_over = not left or running.is_empty()
    cost = None if estimate_usd is None else estimate_usd * measure_share(jobs)
    return Progress(
        statuses,
        records,
        processed,
        failed,
        per_minute,
        0 if is_over else left / per_minute if per_minute else None,
        cost,
    )


def measure_share(jobs: pl.DataFrame) -> float:
    """Return how many records were processed, by all tries and repairs, as a share of those that the plan prices."""
    is_planned = (pl.col("job_try") == 1) & ~pl.col("job_key").str.starts_with("a")
    planned = jobs.filter(is_planned).select(pl.sum("records", "taken")).sum_horizontal().item()
    return float(jobs["processed_records"].sum() / planned) if planned else 0.0


def load_looks(run: Run) -> pl.DataFrame:
    """Load what the ledger of a run saw of records that were processed: a row for about each tenth of a job."""
    told = [event for event in run.ledger.read() if "processed" in event.get("counts", {})]
    rows = [
        (event["job_key"], event["job_try"], datetime.fromisoformat(event["at"]), event["counts"]["processed"])
        for event in told
    ]
    return pl.DataFrame(rows, LOOKS, orient="row")


def measure_rate(running: pl.DataFrame, looks: pl.DataFrame) -> float | None:
    """Return how many records jobs process in a minute; None where that is not known of any.

    Of each job from its first record on: what lies between two jobs, or before a job begins, is no part of it.
    """
    seen = looks.filter(pl.col("processed_records") > 0).join(running, on=["job_key", "job_try"], how="semi")
    at, processed = pl.col("at"), pl.col("processed_records")
    spans = seen.group_by("job_key").agg(
        minutes=(at.max() - at.min()).dt.total_milliseconds() / 60_000, records=processed.max() - processed.min()
    )
    known = spans.filter(pl.col("minutes") > 0, pl.col("records") > 0)
    return float((known["records"] / known["minutes"]).sum()) if len(known) else None


def format_minutes(minutes: float) -> str:
    """Format a time that is estimated, in its largest unit."""
    if minutes == 0:
        return "none"
    if minutes > ENDLESS_MINUTES:
        return "more than a year"
    units: Sequence[tuple[float, str]] = ((60 * 24, "day"), (60, "hour"), (1, "minute"))
    size, name = next(((size, name) for size, name in units if minutes >= 1.5 * size), (1 / 60, "second"))
    return f"about {count(round(minutes / size), name)}"
