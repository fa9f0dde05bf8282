"""Sample: the answers of a run that the first page measures, all of them or those to calls picked at random."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.comparison.decision import Advice, advise
from analysis.comparison.metric import ANSWERED
from analysis.comparison.notices import GROUPS, OWN_IDS
from analysis.errors import ComparisonNotice
from analysis.metrics.claims.kept import measure_kept
from analysis.metrics.costs import COST_COLUMNS, add_costs
from analysis.metrics.quality import measure_answers
from analysis.metrics.stop_reasons import TRUNCATED
from analysis.prompts import Prompt
from analysis.runs import Run, scan_answers
from analysis.transcripts.picking import pick_calls
from analysis.tuning import compare_round

MOST_ANSWERS = 6_000  # measured in seconds, and held in memory with their calls
NEEDED = (*COST_COLUMNS, "sample", "text", "max_tokens", "tool_calls", "error_message", "transcript")


@dataclass(frozen=True)
class Sample:
    """Measured answers, and on how many calls they rest.

    Attributes
    ----------
    answers
        One row per answer: what `measure_answers`, `measure_kept` and `add_costs` give, and `truncated`.
    calls, all_calls
        Calls that were measured, and those of the run.
    """

    answers: pl.DataFrame
    calls: int
    all_calls: int


@dataclass(frozen=True)
class Decision:
    """What a comparison of the variants of a run says.

    Attributes
    ----------
    baseline
        The variant that the others are compared with.
    comparisons
        From `compare_variants`.
    advice
        From `advise`.
    notices
        Sentences on what may make the comparison mean something else than it seems.
    """

    baseline: str
    comparisons: pl.DataFrame
    advice: Advice
    notices: list[str]


def measure_sample(run: Run, prices: pl.DataFrame, *, columns: Sequence[str] = (), most: int = MOST_ANSWERS) -> Sample:
    """Measure the answers of a run; where there are more than `most`, those to some calls, picked at random.

    The pick is the same each time. `columns` are further ones of the answers that are kept.
    """
    prompts = run.read_prompts()
    calls = pl.scan_parquet(run.folder / "calls.parquet").select("call_id").collect()
    answers, room = scan_answers(run), max(1, most // sum(prompt.samples for prompt in prompts))
    picked = calls if len(calls) <= room else pick_calls(calls, room)
    if len(picked) < len(calls):
        answers = answers.filter(pl.col("call_id").is_in(picked["call_id"].implode()))
    known = answers.collect_schema().names()
    groups = [name for name in known if name not in OWN_IDS and GROUPS.fullmatch(name.lower())]
    wanted = [name for name in dict.fromkeys([*NEEDED, *columns, *groups]) if name in known]
    frame = answers.select(wanted).collect(engine="streaming")
    costed = add_costs(frame, prices, records=read_silent(run, frame))
    measured = measure_kept(measure_answers(costed, prompts=prompts))
    return Sample(measured.with_columns(truncated=pl.col("stop") == TRUNCATED), len(picked), len(calls))


def read_silent(run: Run, answers: pl.DataFrame) -> pl.DataFrame | None:
    """Read the estimated tokens of records whose answers do not say theirs; None where all do."""
    is_silent = pl.any_horizontal(pl.col("input_tokens", "output_tokens").is_null()) & pl.col("error_kind").is_null()
    silent = answers.filter(is_silent)["record_id"]
    if silent.is_empty():
        return None
    records = pl.scan_parquet(run.folder / "records.parquet").select("record_id", "input_tokens_estimate")
    return records.filter(pl.col("record_id").is_in(silent.implode())).collect(engine="streaming")


@dataclass(frozen=True)
class Choices:
    """What decides between the variants of a run, as in `compare_round`, and whether they were tuned on its calls."""

    decide_by: Sequence[str] = ()
    margin_points: float = 2.0
    baseline: str = ""
    are_tuned: bool = False


def compare_sample(sample: Sample, prompts: Sequence[Prompt], choices: Choices) -> Decision | None:
    """Compare the variants of a sample with one of them, by default the first; None where there is only one."""
    if len(prompts) < 2:
        return None
    baseline = choices.baseline or prompts[0].name
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ComparisonNotice)
        comparisons = compare_round(
            sample.answers, decide_by=choices.decide_by, margin_points=choices.margin_points, baseline=baseline
        )
    order = {prompt.name: place for place, prompt in enumerate(prompts)}
    ordered = comparisons.sort(
        pl.col("variant").replace_strict(order, return_dtype=pl.Int64),
        pl.col("metric") != ANSWERED,
        maintain_order=True,
    )
    return Decision(baseline, ordered, advise(ordered), [str(notice.message) for notice in caught])
