"""Costs of a run: its outputs are priced and summed part by part, so memory does not grow with the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import narwhals as nw
import polars as pl

from analysis.columns import aggregate, finish_frame
from analysis.metrics.bills import (
    add_calls,
    add_groups,
    add_invocations,
    finish_bill,
    finish_comparison,
    finish_projection,
    join_squares,
    sum_by_call,
    sum_calls,
    sum_invocations,
    sum_outputs,
)
from analysis.metrics.costs import TOKENS, UNPRICED, UNREADABLE, add_costs, count_unpriced, read_cost_columns
from analysis.outputs import OUTPUT_SCHEMA, scan_parts
from analysis.runs.answers import check_collected
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.regions import find_prompt_prices
from analysis.runs.status import load_jobs
from analysis.runs.winners import OUTPUT, find_losers

ROWS_TOGETHER = 100_000  # read at once, or one part where it has more
ROWS_PRICED = 25_000  # at once: pricing takes more memory than reading
VARIANT = ["variant"]
Groups = nw.DataFrame[pl.DataFrame]
COUNTERS = TOKENS[2:]
LOST = ("job_key", "job_id", "model_id", "answers", "unreadable", "input_tokens", "output_tokens", "cost_usd")


@dataclass(frozen=True)
class RunCosts:
    """What the outputs of a run cost, from `sum_run_costs`.

    Attributes
    ----------
    bill
        One row per variant: what `sum_costs` gives of all outputs at once.
    total
        One row: the same of all variants together.
    invocations
        One row per variant, as from `compare_invocations`.
    unpriced
        One row per model and cause, as from `count_unpriced`.
    groups
        Sums that `project` needs.
    """

    bill: pl.DataFrame
    total: pl.DataFrame
    invocations: pl.DataFrame
    unpriced: pl.DataFrame
    groups: pl.DataFrame

    def project(self, calls: int, *, confidence: float = 0.95) -> pl.DataFrame:
        """Project the cost of the calls seen to more calls of the same kind: see `project_costs`."""
        return finish_projection(nw.from_native(self.groups, eager_only=True), VARIANT, calls, confidence)


def sum_run_costs(run: RunSource, prices: pl.DataFrame | None = None) -> RunCosts:
    """Price the outputs of a run and add them up, a hundred thousand at a time.

    Parameters
    ----------
    run
        A run that has been collected; before that, and without outputs, the sums are those of no rows.
    prices
        As in `add_costs`; without it those of the run's models in its region, from `find_prices`.

    Returns
    -------
    costs
        The same frames as those that `sum_costs` and the other functions give of all outputs at once; tokens that an
        answer does not say are estimated, as in `add_costs` with `records`.

    Raises
    ------
    RunError
        A part of the outputs is missing or damaged.
    """
    run = open_run(run)
    if prices is None:
        prices = find_run_prices(run)
    nothing = add_costs(pl.DataFrame(schema=OUTPUT_SCHEMA), prices)
    outputs, invocations = [sum_outputs(nothing, VARIANT)], [sum_invocations(nothing, prices, VARIANT)]
    unpriced = [count_unpriced(nothing, prices)]
    calls: list[Groups] = []
    all_calls: list[Groups] = []
    opened = sum_by_call(nothing, VARIANT)  # calls of which a later part may have outputs
    losers = find_losers(run).with_columns(is_loser=True)
    for parts, is_closed in list_batches(run):
        for costed in price_parts(run, parts, prices, losers):
            outputs.append(sum_outputs(costed, VARIANT))
            invocations.append(sum_invocations(costed, prices, VARIANT))
            unpriced.append(count_unpriced(costed, prices))
            opened = nw.concat([opened, sum_by_call(costed, VARIANT)])
        rows = add_calls(opened, VARIANT)
        closed, opened = rows.filter(is_closed), rows.filter(~is_closed)
        calls.append(sum_calls(closed, VARIANT))
        all_calls.append(sum_calls(add_calls(closed, []), []))
    calls.append(sum_calls(opened, VARIANT))
    all_calls.append(sum_calls(add_calls(opened, []), []))
    groups = add_groups([*outputs, join_squares(calls, VARIANT)], VARIANT)
    total = add_groups([*outputs, join_squares(all_calls, [])], [])
    names = [prompt.name for prompt in run.read_prompts()]
    return RunCosts(
        bill=sort_variants(finish_bill(groups, VARIANT), names),
        total=finish_bill(total, []),
        invocations=sort_variants(finish_comparison(add_invocations(invocations, VARIANT), VARIANT), names),
        unpriced=add_unpriced(unpriced),
        groups=sort_variants(groups.to_native(), names),
    )


def sort_variants(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Sort rows of variants in the order in which these were asked; those of no variant are last."""
    places = {name: place for place, name in enumerate(names)}
    place = pl.col("variant").replace_strict(places, default=len(names), return_dtype=pl.Int64)
    return frame.sort(place, maintain_order=True)


def list_batches(run: Run) -> Iterator[tuple[list[Path], nw.Expr]]:
    """Yield the parts of a run together with the condition that no later part has outputs of a call.

    Files follow `call_id` by bytes, so in the order of their first calls few calls wait for further outputs, however
    many jobs there are; in any other order the sums are the same and take more memory.
    """
    run.scan_outputs()  # which says what to do where a part is missing or damaged
    if not (parts := run.list_parts()):
        return
    first = pl.col("call_id").min()
    survey = (
        pl.scan_parquet(parts, include_file_paths="part", glob=False).group_by("part").agg(first=first, rows=pl.len())
    )
    surveyed = survey.collect(engine="streaming").sort("first", "part", nulls_last=True)
    numbered = surveyed.with_columns(batch=(pl.col("rows").cum_sum() - 1) // ROWS_TOGETHER)
    batches = numbered.partition_by("batch", maintain_order=True)
    following = [*(batch["first"][0] for batch in batches), None][1:]
    for together, first_call in zip(batches, following, strict=True):
        # Outputs of no call, each named by its record, may be in any part.
        has_call, is_before = ~nw.col("_call").is_null(), nw.col("_call") < (first_call or "")
        yield [Path(part) for part in together["part"]], has_call if first_call is None else has_call & is_before


def price_parts(run: Run, parts: list[Path], prices: pl.DataFrame, losers: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Price the outputs of some parts; records are read only where an answer does not say its tokens.

    Each answer has been paid for, but the price of what was asked is that of the winner: other attempts, and the second
    line of a record that is in the output twice, add nothing to it.
    """
    outputs = read_cost_columns(scan_parts(parts), *(OUTPUT if len(losers) else ()))
    records = None if outputs["text"].null_count() == outputs.height else read_estimates(run, outputs["call_id"])
    for few in outputs.iter_slices(ROWS_PRICED):
        costed = add_costs(few, prices, records=records)
        if len(losers):
            costed = costed.join(losers, on=OUTPUT, how="left", maintain_order="left").with_columns(
                price_usd=pl.when("is_loser").then(0.0).otherwise("price_usd")
            )
        yield costed


def read_estimates(run: Run, call_ids: pl.Series) -> pl.DataFrame:
    """Read the estimates of the records of some calls, and of few others, since files of records follow `call_id`."""
    asked = pl.col("call_id").is_between(pl.lit(call_ids.min()), pl.lit(call_ids.max()))
    records = run.scan_records().filter(asked).select("record_id", "input_tokens_estimate")
    # A repair may have asked for the same record once more.
    return records.unique("record_id", maintain_order=True).collect(engine="streaming")


def add_unpriced(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up the counts of parts."""
    keys = ["model_id", "cause"]
    counts = aggregate(nw.from_native(pl.concat(parts), eager_only=True), keys, nw.col("outputs").sum())
    return finish_frame(counts, [], UNPRICED)


def sum_lost_costs(run: RunSource, prices: pl.DataFrame | None = None) -> pl.DataFrame:
    """Price what the manifests of a run count beyond its outputs: answers that were charged, and whose lines are lost.

    Parameters
    ----------
    run
        A run that has been collected.
    prices
        As in `sum_run_costs`.

    Returns
    -------
    frame
        One row per job and try whose manifest counts more answers than its output has, in the order of `load_jobs`:
        `job_key`, `job_id`, `model_id`, `answers` (that are lost), `unreadable` (lines that cannot be read, which may
        be some of them), `input_tokens`, `output_tokens` (of the manifest, without those of the lines) and `cost_usd`.
        Tokens are missing where the manifest or an answer does not give them, or gives fewer than the lines; costs
        where tokens or price are not known. No rows where nothing is lost, or no manifest tells.

    Raises
    ------
    RunError
        The run has not been collected.
    """
    run = open_run(run)
    check_collected(run)
    if prices is None:
        prices = find_run_prices(run)
    manifests = pl.read_parquet(run.folder / "manifests.parquet", glob=False).drop_nulls("job_id")
    jobs = load_jobs(run).select("job_key", "job_id", "model_id").drop_nulls("job_id")
    compared = jobs.join(manifests, on="job_id", maintain_order="left").join(
        count_lines(run), on="job_id", how="left", maintain_order="left"
    )
    none = pl.col("lines").is_null()  # a job without a line has no tokens in them
    counts = {name: pl.col(name) - pl.when(none).then(0).otherwise(f"{name}_read") for name in COUNTERS}
    # A job has variants of one Region, so the prices of the first are those of all.
    first = pl.col("variants").list.first().struct.field("variant")
    variants = dict(run.read_files().select("job_key", first).iter_rows())
    lost = compared.with_columns(
        variant=pl.col("job_key").replace_strict(variants, default=None, return_dtype=pl.String),
        **{name: pl.when(count >= 0).then(count) for name, count in counts.items()},
        answers=pl.col("success_records") - pl.col("answers").fill_null(0),
        unreadable=pl.col("unreadable").fill_null(0),
        invocation=pl.lit("batch"),
    )
    return add_costs(lost.filter(pl.col("answers") > 0), prices).select(LOST)


def count_lines(run: Run) -> pl.DataFrame:
    """Count the lines and tokens of each job; a sum of tokens is missing where an answer does not say its own."""
    is_answer = pl.col("error_kind").is_null()
    tokens = [
        pl.when((is_answer & pl.col(name).is_null()).sum() == 0).then(pl.col(name).sum()).alias(f"{name}_read")
        for name in COUNTERS[:2]
    ]
    # Most answers say nothing of a cache, which is then not used.
    caches = [pl.col(name).sum().alias(f"{name}_read") for name in COUNTERS[2:]]
    outputs = (
        run.scan_outputs()
        .group_by("job_id")
        .agg(
            *tokens,
            *caches,
            lines=pl.len(),
            answers=is_answer.sum().cast(pl.Int64),
            unreadable=(pl.col("error_kind") == UNREADABLE).sum().cast(pl.Int64),
        )
    )
    return outputs.collect(engine="streaming")


def find_run_prices(run: RunSource, *, own: pl.DataFrame | None = None) -> pl.DataFrame:
    """Find the prices of a run's models, each in the Region in which its prompts are asked.

    Parameters
    ----------
    run
        A run, or its folder or name.
    own
        Your prices, from `read_prices`; they replace those of the package.

    Returns
    -------
    frame
        As from `find_prices`. Of a run whose prompts are asked in several Regions one row per variant and invocation,
        with `variant` and `region` first, by which `add_costs` prices the outputs of each variant.
    """
    run = open_run(run)
    return find_prompt_prices(run.read_prompts(), run.region, own=own)
