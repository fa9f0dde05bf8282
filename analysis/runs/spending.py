"""Spending: what the tries of a run have cost and what is left to send will cost, at the upper end where unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from analysis.facts.prices import find_prices
from analysis.jobs.batch import PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.on_demand import count_unanswered_requests, read_output_lines
from analysis.metrics.costs import add_costs, read_cost_columns
from analysis.metrics.estimates import estimate_costs
from analysis.outputs import scan_outputs
from analysis.outputs.manifests import MANIFEST_SCHEMA, load_manifests
from analysis.runs.state import ON_DEMAND, RunState
from analysis.runs.status import list_on_demand_outputs

WHOLE, RECORD = "whole", "record"


class UpperEnd(NamedTuple):
    """What a planned job, and one of its records, may cost at most; missing where a price is not known."""

    job_usd: float | None
    record_usd: float | None

    def find_most(self, records: int) -> float | None:
        """Return what so many records of the job may cost."""
        if self.job_usd is None or self.record_usd is None:
            return None
        return min(self.job_usd, records * self.record_usd)


@dataclass(frozen=True)
class Spending:
    """What a run has spent and has left to spend, at the upper end where it is not known.

    Attributes
    ----------
    spent_usd
        Of everything that was sent, whatever came back.
    left_usd
        Of what is still to be sent. Either is missing where a price is not known.
    """

    spent_usd: float | None
    left_usd: float | None

    @property
    def most_usd(self) -> float | None:
        """Both together."""
        return add_known([self.spent_usd, self.left_usd])


def find_spending(state: RunState, invocation: str, region: str) -> Spending:
    """Find what a run has spent and has left to spend by an invocation, `batch` or `on_demand`."""
    if invocation == ON_DEMAND:
        return find_on_demand_spending(state, state.planned, region)
    ends = find_upper_ends(state, invocation, region)
    known = find_known_costs(state, region)
    left = [
        ends[job.key].find_most(count_left(job, latest))
        for job, latest in state.pairs
        if not state.is_settled(job, latest) and (latest.is_unproductive or not latest.job_arn)
    ]
    beside = find_on_demand_spending(state, state.on_demand, region)
    spent = add_known([sum_tries(state, state.tries, ends, known), beside.spent_usd])
    return Spending(spent, add_known([*left, beside.left_usd]))


def sum_tries(
    state: RunState, tries: Iterable[JobState], ends: Mapping[str, UpperEnd], known: Mapping[str, float]
) -> float | None:
    """Sum the cost of some tries: by their manifests where these are known by job id, else at the upper end."""
    jobs = {job.key: job for job in state.planned}
    return add_known(
        known.get(each.job_id, ends[each.job_key].find_most(count_sent(jobs[each.job_key], each)))
        for each in tries
        # An intended one may have arrived, and counts as left to send.
        if each.job_key in jobs and each.job_arn
    )


def count_left(job: PlannedJob, latest: JobState) -> int:
    """Count the records of a job that its next try sends."""
    if latest.is_unproductive and latest.left is not None:
        return latest.left
    return count_sent(job, latest)


def find_upper_ends(state: RunState, invocation: str, region: str) -> dict[str, UpperEnd]:
    """Find the upper end of the cost of each planned job and of its dearest record, by job key.

    The prices are those of its Region: `region` where its prompts name none.
    """
    files, prompts = state.run.read_files(), state.run.read_prompts()
    limits = {each.name: each.max_tokens for each in prompts}
    if "max_tokens" not in files.columns:
        files = files.with_columns(max_tokens=pl.lit(None, pl.Int64))
    parts = files.select("job_key", "model_id", "max_tokens", "variants").explode("variants").unnest("variants")
    # The files of a repair say how much room its records got.
    of_prompt = pl.col("variant").replace_strict(limits, return_dtype=pl.Int64)
    parts = parts.with_columns(max_tokens=pl.coalesce("max_tokens", of_prompt))
    whole = parts.with_columns(pl.col("max_tokens") * pl.col("records"), of=pl.lit(WHOLE))
    longest = parts.with_columns(input_tokens_estimate="longest_input_tokens", of=pl.lit(RECORD))
    # Estimates are made for each variant: here for each job, and for each variant's longest record of a job.
    asked = pl.concat([whole, longest]).with_columns(
        variant=pl.when(of=WHOLE).then("job_key").otherwise(pl.format("{} {}", "job_key", "variant"))
    )
    highs: dict[str, float | None] = {}
    for there, rows in split_rows(asked, state, region):
        prices = find_prices(rows["model_id"].unique(maintain_order=True), region=there)
        highs |= estimate_costs(rows, prices, invocation=invocation).select("variant", "cost_usd_high").rows()
    dearest: dict[str, list[float | None]] = {}
    for key, high in highs.items():
        job_key, _, variant = key.partition(" ")
        if variant:
            dearest.setdefault(job_key, []).append(high)
    return {
        key: UpperEnd(highs[key], None if None in each else max(usd for usd in each if usd is not None))
        for key, each in dearest.items()
    }


def split_rows(rows: pl.DataFrame, state: RunState, region: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of the jobs of each Region, by their `job_key`, with its name."""
    regions = {job.key: job.region or region for job in state.all_jobs}
    there = pl.col("job_key").replace_strict(regions, default=region, return_dtype=pl.String)
    for (name,), own in rows.group_by(there, maintain_order=True):
        yield str(name), own


def find_known_costs(state: RunState, region: str) -> dict[str, float]:
    """Find by job id what tries cost whose manifest is here; one without tokens or a price is absent."""
    tries = {each.job_id: each for each in state.tries if each.job_arn and each.is_finished}
    manifests = read_local_manifests(state, tries)
    if manifests.is_empty():
        return {}
    models = {job.key: job.model_id for job in state.planned}
    keys = {job_id: each.job_key for job_id, each in tries.items()}
    by_id = {job_id: models.get(key) for job_id, key in keys.items()}
    tokens = manifests.with_columns(
        job_key=pl.col("job_id").replace_strict(keys, default=None, return_dtype=pl.String),
        model_id=pl.col("job_id").replace_strict(by_id, default=None, return_dtype=pl.String),
        invocation=pl.lit("batch"),
    )
    known: dict[str, float] = {}
    for there, rows in split_rows(tokens, state, region):
        prices = find_prices(rows["model_id"].drop_nulls().unique(maintain_order=True), region=there)
        known |= add_costs(rows, prices).select("job_id", "cost_usd").drop_nulls().rows()
    return known


def read_local_manifests(state: RunState, tries: Mapping[str, JobState]) -> pl.DataFrame:
    """Read the manifests of some tries by job id: those that were collected, and those that a retry has fetched."""
    table = state.run.folder / "manifests.parquet"
    collected = pl.read_parquet(table, glob=False) if table.exists() else pl.DataFrame(schema=MANIFEST_SCHEMA)
    folders = [
        state.run.folder / "output" / job_id
        for job_id in sorted(tries.keys() - set(collected["job_id"]))
        if tries[job_id].is_unproductive
    ]
    fetched = [load_manifests(folder) for folder in folders if folder.exists() and any(folder.rglob("manifest*"))]
    return pl.concat([collected, *fetched]).filter(pl.col("job_id").is_in(list(tries)))


def find_on_demand_spending(state: RunState, jobs: Sequence[PlannedJob], region: str) -> Spending:
    """Find what answers on demand have cost, requests without an answer included, and what the rest may cost."""
    if not jobs:
        return Spending(0.0, 0.0)
    ends = find_upper_ends(state, ON_DEMAND, region)
    latest = max(job.attempt for job in jobs)
    taken = {job.key: latest.taken for job, latest in state.pairs}
    spent: list[float | None] = []
    left: list[float | None] = []
    for job in jobs:
        files = list_on_demand_outputs(state.run, job)
        prices = find_prices(job.model_id, region=job.region or region)
        lines = [line for file in files for line in read_output_lines(file)]
        answered = {line.record_id for line in lines if line.is_answered}
        costs = [cost for file in files for cost in price_answers(file, job, prices)]
        unknown = sum(cost is None for cost in costs) + count_unanswered_requests(files)
        spent += [sum(cost for cost in costs if cost is not None), ends[job.key].find_most(unknown)]
        if job.attempt == latest:  # what an earlier one left unanswered is asked by the next
            left += [ends[job.key].find_most(job.records - taken.get(job.key, 0) - len(answered))]
    return Spending(add_known(spent), add_known(left))


def price_answers(file: Path, job: PlannedJob, prices: pl.DataFrame) -> list[float | None]:
    """Price each answer of an output file on demand; None where its cost is not known."""
    outputs = read_cost_columns(scan_outputs(file, model_id=job.model_id))
    answers = outputs.filter(pl.col("error_kind").is_null())
    asked = answers.with_columns(model_id=pl.lit(job.model_id), invocation=pl.lit("on_demand"))
    return add_costs(asked, prices)["cost_usd"].to_list()


def add_known(costs: Iterable[float | None] | Sequence[float | None]) -> float | None:
    """Add costs; missing where one of them is."""
    known = list(costs)
    return None if any(cost is None for cost in known) else float(sum(cost for cost in known if cost is not None))
