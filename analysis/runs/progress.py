"""Progress: how far the jobs of a run are, how fast they go on, and what that cost so far, as one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from analysis.display import count, usd

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
        Records processed in a minute since the first job was created; None before one was, and before one is processed.
    minutes_left
        At this rate; None where it is not known, 0 where nothing is left.
    cost_usd
        Of what was processed, at its share of the estimate; None where a price is not known.
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
        return list(counters.items())


def measure_progress(jobs: pl.DataFrame, estimate_usd: float | None, now: datetime | None = None) -> Progress:
    """Measure how far the jobs of a run are.

    Parameters
    ----------
    jobs
        From `load_jobs` or `update_jobs`.
    estimate_usd
        What the whole run costs by its plan; None where a price is not known.
    now
        The time, with a time zone.
    """
    latest = jobs.unique("job_key", keep="last", maintain_order=True)
    statuses = dict(latest.group_by("status", maintain_order=True).len().iter_rows())
    records, processed, failed = (int(latest[name].sum()) for name in ("records", "processed_records", "error_records"))
    minutes = measure_minutes(jobs, latest, now or datetime.now(UTC))
    per_minute = processed / minutes if minutes and processed else None
    left = records - processed
    is_over = not left or bool(latest["ended_at"].is_not_null().all() and len(latest))
    cost = None if estimate_usd is None else estimate_usd * (processed / records if records else 0)
    return Progress(
        statuses,
        records,
        processed,
        failed,
        per_minute,
        0 if is_over else left / per_minute if per_minute else None,
        cost,
    )


def measure_minutes(jobs: pl.DataFrame, latest: pl.DataFrame, now: datetime) -> float | None:
    """Return the minutes from the first job to the end of the last, or to now; None before the first."""
    begin = jobs["submitted_at"].min()
    end = latest["ended_at"].max() if latest["ended_at"].null_count() == 0 else now
    if not isinstance(begin, datetime) or not isinstance(end, datetime):
        return None
    return max((end - begin).total_seconds(), 0) / 60


def format_minutes(minutes: float) -> str:
    """Format a time that is estimated, in its largest unit."""
    if minutes == 0:
        return "none"
    if minutes > ENDLESS_MINUTES:
        return "more than a year"
    units: Sequence[tuple[float, str]] = ((60 * 24, "day"), (60, "hour"), (1, "minute"))
    size, name = next(((size, name) for size, name in units if minutes >= 1.5 * size), (1 / 60, "second"))
    return f"about {count(round(minutes / size), name)}"
