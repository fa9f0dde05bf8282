"""Variant rows: what each variant costs and how good its answers are, as the first page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, sqrt
from typing import Any

import polars as pl

from analysis.comparison.call_values import read_call_values
from analysis.comparison.judged import Values, correct
from analysis.comparison.metric import JUDGED
from analysis.comparison.sentences import says_nothing
from analysis.comparison.verdicts import BETTER, WORSE
from analysis.display import MISSING, count, usd
from analysis.metrics.stop_reasons import share_truncated, suggest_max_tokens
from analysis.prompts import Prompt
from analysis.runs.causes import OF_BODY

MOST_TRUNCATED = 0.01  # as in the notebook stop_reasons
ALL = "all"
MOST_LOST = 0.02  # of the records of a variant, as the margin of a comparison
ENOUGH_AS_EXPECTED = 0.9
CONFIDENCE = 0.95
SCHEMA = "schema"  # what an answer does not meet, where it is not valid JSON
MEASURES = {
    "price_usd": "cost of 1,000 calls",
    "answered": "answered",
    "truncated": "cut off",
    "kept_all": "amounts, dates and codes kept",
    "has_unsupported": "with claims that the call does not support",
    "as_expected": "as the prompt expects",
    "valid_json": "valid JSON",
    "rated_score": "score, by people and judge",
    "rated_wins": "preferred, by people and judge",
    "judge_score": "score, by the judge alone",
    "judge_wins": "preferred, by the judge alone",
}


@dataclass(frozen=True)
class Cell:
    """One number of a variant: its text, its interval, what a comparison says of it, and a note.

    `state` is `good` or `bad` where the number stands out, else empty.
    """

    text: str
    interval: str = ""
    verdict: str = ""
    note: str = ""
    state: str = ""


def tabulate_variants(
    prompts: Sequence[Prompt],
    counts: pl.DataFrame,
    groups: pl.DataFrame,
    measured: pl.DataFrame,
    comparisons: pl.DataFrame | None,
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Tabulate the variants in the order in which they were asked.

    Parameters
    ----------
    prompts
        Those of the run.
    counts
        One row per answer of the run: `variant`, `stop` and `error_kind`.
    groups
        Of `sum_run_costs`: sums of each variant.
    measured
        The answers of the sample.
    comparisons
        With the first variant as baseline; None where there is one variant.

    Returns
    -------
    headings, rows
        Measures that some variant has, with their names for people; and for each variant `prompt` and `cells`, by
        measure.
    """
    verdicts = read_verdicts(comparisons)
    cut = {row["variant"]: row for row in share_truncated(counts).iter_rows(named=True)}
    sums = {row["variant"]: row for row in groups.iter_rows(named=True)}
    rows: list[dict[str, Any]] = []
    for prompt in prompts:
        own, own_counts = (frame.filter(pl.col("variant") == prompt.name) for frame in (measured, counts))
        cells: dict[str, Cell] = {
            "price_usd": describe_price(sums.get(prompt.name)),
            "answered": describe_answered(own_counts),
            "truncated": describe_truncated(cut.get(prompt.name)),
            **{name: describe_measure(own, name) for name in ("kept_all", "has_unsupported", "as_expected")},
        }
        cells["as_expected"] = add_unmet(cells["as_expected"], own)
        cells["valid_json"] = describe_json(own) if prompt.schema is not None else Cell(MISSING)
        for rated, judged_by in JUDGED.items():
            cells[rated] = describe_judged(comparisons, prompt.name, rated)
            if comparisons is None:
                cells[rated] = describe_corrected(own, rated, judged_by)
            # What people have not corrected may be wrong by any amount, so it stands only where there is nothing else.
            cells[judged_by] = Cell(MISSING) if cells[rated].text != MISSING else describe_judge(own, judged_by)
        judged = {name: add_verdict(cell, verdicts.get((prompt.name, name), "")) for name, cell in cells.items()}
        rows.append({"prompt": prompt, "cells": judged})
    known = [name for name in MEASURES if any(row["cells"][name].text != MISSING for row in rows)]
    return {name: MEASURES[name] for name in known}, rows


def read_verdicts(comparisons: pl.DataFrame | None) -> dict[tuple[str, str], str]:
    """Read the verdict on each variant and metric, where there is something to say."""
    if comparisons is None:
        return {}
    rows = comparisons.iter_rows(named=True)
    return {(row["variant"], row["metric"]): row["verdict"] for row in rows if not says_nothing(row)}


def add_verdict(cell: Cell, verdict: str) -> Cell:
    """Add what a comparison says of a cell; what is bad by itself stays bad."""
    state = cell.state or {BETTER: "good", WORSE: "bad"}.get(verdict, "")
    return replace(cell, verdict=verdict.replace("_", " "), state=state)


def describe_price(sums: Mapping[str, Any] | None) -> Cell:
    """Describe the batch price of 1,000 answered calls, with the interval of the mean call."""
    if sums is None or not sums["answered_calls"]:
        return Cell(MISSING)
    price, seen = 1000 * sums["answered_usd"] / sums["answered_calls"], sums["calls_seen"]
    if seen < 2:
        return Cell(usd(price))
    from scipy.special import stdtrit

    error = sqrt(sums["squares"] / (seen - 1) / seen)
    half = 1000 * float(stdtrit(seen - 1, (1 + CONFIDENCE) / 2)) * error
    low, high = (usd(end).removesuffix(" USD") for end in (max(0.0, price - half), price + half))
    return Cell(usd(price), f"{low} to {high}")


def describe_answered(counts: pl.DataFrame) -> Cell:
    """Describe how many records of a variant were answered, and why the others were not."""
    kinds = dict(counts.drop_nulls("error_kind").group_by("error_kind").len().sort("error_kind").iter_rows())
    lost, asked = sum(kinds.values()), len(counts)
    if not asked:
        return Cell(MISSING)
    missing = kinds.get("missing", 0)
    told = [f"{number:,} {what}" for number, what in ((lost - missing, "failed"), (missing, "missing")) if number]
    return Cell(
        format_percent((asked - lost) / asked),
        describe_share(asked - lost, asked),
        note=", ".join(told) or f"{ALL} {asked:,}",
        state="bad" if lost / asked > MOST_LOST else "",
    )


def describe_truncated(row: Mapping[str, Any] | None) -> Cell:
    """Describe the share of answers that were cut off."""
    if row is None or row["share"] is None:
        return Cell(MISSING)
    ends = format_ends(row["share_low"], row["share_high"])
    return Cell(format_percent(row["share"]), ends, state="bad" if row["share"] > MOST_TRUNCATED else "")


def describe_measure(answers: pl.DataFrame, name: str) -> Cell:
    """Describe the mean of a measure over the calls of a variant; several samples of a call are averaged first."""
    known = answers.drop_nulls(name)
    values = known.group_by("call_id").agg(pl.col(name).cast(pl.Float64).mean())[name]
    if values.is_empty():
        return Cell(MISSING)
    mean = float(values.sum()) / len(values)
    # Shares of calls with one answer each are counts; what is averaged over samples is none.
    if answers.schema[name] == pl.Boolean and len(known) == len(values):
        return Cell(format_percent(mean), describe_share(round(values.sum()), len(values)))
    return Cell(format_percent(mean), describe_mean(values))


def describe_share(number: int, of: int) -> str:
    """Describe Wilson's interval of a share."""
    from scipy.stats import binomtest

    ends = binomtest(number, of).proportion_ci(CONFIDENCE, method="wilson")
    return format_ends(float(ends.low), float(ends.high))


def describe_mean(values: pl.Series) -> str:
    """Describe Student's interval of the mean of values from 0 to 1; empty for fewer than two."""
    if len(values) < 2:
        return ""
    mean, half = float(values.to_numpy().mean()), find_half_width(values)
    return format_ends(max(0.0, mean - half), min(1.0, mean + half))


def find_half_width(values: pl.Series) -> float:
    """Find half the width of Student's interval of a mean; 0 for fewer than two values, and where all are equal."""
    if len(values) < 2:
        return 0.0
    from scipy.special import stdtrit

    spread = float(values.to_numpy().std(ddof=1))
    return float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * spread / sqrt(len(values))


def describe_judged(comparisons: pl.DataFrame | None, variant: str, metric: str) -> Cell:
    """Describe what people and judge together say of a variant, as it was compared."""
    if comparisons is None:
        return Cell(MISSING)
    rows = comparisons.filter(pl.col("metric") == metric, pl.col("value").is_not_null())
    own, against = rows.filter(pl.col("variant") == variant), rows.filter(pl.col("baseline") == variant)
    value = next((frame[name][0] for frame, name in ((own, "value"), (against, "baseline_value")) if len(frame)), None)
    if value is None:
        return Cell(MISSING)
    return Cell(format_judged(metric, value), note=f"{count((own if len(own) else against)['calls'][0], 'call')} rated")


def describe_corrected(answers: pl.DataFrame, rated: str, judged_by: str) -> Cell:
    """Describe the mean of a variant that is compared with none, by judge and people: from 100 rated calls on."""
    if not {rated, judged_by} <= {*answers.columns} or answers.is_empty():
        return Cell(MISSING)
    values = read_call_values(answers, [rated, judged_by])
    (name,) = values.variants
    ours, judged = values.select(rated, name), values.select(judged_by, name)
    seen = Values(ours, 0 * ours, judged, 0 * judged)  # its difference from 0 is the mean
    found = correct(seen, None, 1 - CONFIDENCE).estimate
    if isnan(found.low):
        return Cell(MISSING)
    note = f"{count(int(seen.is_judged.sum()), 'call')} judged, {int(seen.is_rated.sum()):,} of them rated"
    return Cell(format_judged(rated, found.difference), format_judged_ends(rated, found.low, found.high), note=note)


def describe_judge(answers: pl.DataFrame, judged_by: str) -> Cell:
    """Describe the mean of a judge over the calls of a variant, and how many it judged."""
    if judged_by not in answers.columns:
        return Cell(MISSING)
    values = answers.drop_nulls(judged_by).group_by("call_id").agg(pl.col(judged_by).mean())[judged_by]
    if values.is_empty():
        return Cell(MISSING)
    mean, half = float(values.sum()) / len(values), find_half_width(values)
    interval = format_judged_ends(judged_by, mean - half, mean + half) if half else ""
    return Cell(format_judged(judged_by, mean), interval, note=f"{count(len(values), 'call')} judged, none corrected")


def format_judged(metric: str, value: float) -> str:
    """Format a score, or the share of answers that were preferred."""
    return f"{value:.2f}" if metric.endswith("_score") else format_percent(min(1.0, max(0.0, value)))


def format_judged_ends(metric: str, low: float, high: float) -> str:
    """Format the ends of an interval of a score or share."""
    return " to ".join(format_judged(metric, end).removesuffix(" %") for end in (low, high))


def add_unmet(cell: Cell, answers: pl.DataFrame) -> Cell:
    """Add what most answers do not meet of what their prompt expects."""
    if (most := find_unmet(answers)) is None:
        return cell
    share = answers["as_expected"].mean()
    is_bad = isinstance(share, float) and share < ENOUGH_AS_EXPECTED
    return replace(cell, note=f"{most[1]:,} {most[0]}", state="bad" if is_bad else "")


def find_unmet(answers: pl.DataFrame) -> tuple[str, int] | None:
    """Find what most answers do not meet, in words, and how many; None where all are as expected."""
    unmet = answers.select(pl.col("unmet").str.split("; ").list.explode().alias("unmet")).filter(pl.col("unmet") != "")
    counts = unmet.group_by("unmet").len().sort("len", "unmet", descending=[True, False])
    return (name_unmet(counts["unmet"][0]), int(counts["len"][0])) if len(counts) else None


def describe_json(answers: pl.DataFrame) -> Cell:
    """Describe how many answers of a prompt with a schema are valid by it, and what is wrong with most others."""
    invalid = pl.col("unmet").str.extract(f"(?:^|; ){SCHEMA}: (.*)$")
    is_valid = pl.when(pl.col("error_kind").is_null()).then(invalid.is_null() & pl.col("unmet").is_not_null())
    known = answers.with_columns(invalid=invalid, valid_json=is_valid)
    cell, share = describe_measure(known, "valid_json"), known["valid_json"].mean()
    counts = known.drop_nulls("invalid").group_by("invalid").len().sort("len", "invalid", descending=[True, False])
    note = f"{counts['len'][0]:,} {counts['invalid'][0]}" if len(counts) else ""
    is_bad = isinstance(share, float) and share < ENOUGH_AS_EXPECTED
    return replace(cell, note=note, state="bad" if is_bad else "")


def name_unmet(unmet: str) -> str:
    """Name in words what an answer does not meet."""
    kind, _, what = unmet.partition(": ")
    if kind == "max_words":
        return "with too many words"
    if kind == SCHEMA:
        return f"not valid by the schema ({what})"
    return f"{'begin with' if kind == 'forbidden_openings' else 'without'} {what!r}"


def describe_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe each variant in a sentence, where there is nothing to compare it with."""
    return [describe_row(row["prompt"].name, row["cells"]) for row in rows]


def describe_row(name: str, cells: Mapping[str, Cell]) -> str:
    """Describe the cost of a variant, and how many answers came back and were cut off."""
    price, answered, cut = (cells[measure].text for measure in ("price_usd", "answered", "truncated"))
    told = [f"1,000 calls cost {price}", f"{answered} answered", f"{cut} cut off"]
    told += [f"{MEASURES[measure]} {cells[measure].text}" for measure in ("rated_score", "judge_score")]
    return f"`{name}`: {', '.join(phrase for phrase in told if MISSING not in phrase)}."


def list_cures(rows: Sequence[Mapping[str, Any]], measured: pl.DataFrame, run: str) -> list[str]:
    """List what to do about what is bad, as sentences: of each variant, then about records without an answer."""
    needs = {row["variant"]: row for row in suggest_max_tokens(measured).iter_rows(named=True)}
    own = [sentence for row in rows for sentence in describe_cures(row, needs.get(row["prompt"].name), measured)]
    lost = [(row["prompt"].name, row["cells"]["answered"].note) for row in rows]
    told = [f"{note} of `{name}`" for name, note in lost if note and not note.startswith(ALL)]
    unanswered = measured.filter(pl.col("error_kind").is_not_null())
    is_refused = (pl.col("error_kind") == "service") & pl.col("error_code").is_in(OF_BODY)
    what_next = f"`batchbook repair {run}` asks again."
    if len(unanswered) and unanswered.select(is_refused.fill_null(value=False).all()).item():
        what_next = "These requests are refused each time: change their prompt or call."
    return [*own, *([f"Without an answer: {', '.join(told)}. {what_next}"] if told else [])]


def describe_cures(row: Mapping[str, Any], need: Mapping[str, Any] | None, measured: pl.DataFrame) -> Iterator[str]:
    """Yield what to do about one variant."""
    prompt, cells = row["prompt"], row["cells"]
    if need and need["answers"] and need["truncated"] / need["answers"] > MOST_TRUNCATED:
        most, suggested = need["max_tokens"] or prompt.max_tokens, need["suggested_max_tokens"]
        least = suggested if suggested and suggested > most else 2 * most
        are = f"{describe_part(need['truncated'] / need['answers'])} of the answers are cut off at {most:,} tokens"
        yield f"`{prompt.name}`: {are}; ask with at least {least:,}. Tokens that are not used cost nothing."
    if cells["as_expected"].state == "bad" and cells["as_expected"].note:
        met = measured.filter(pl.col("variant") == prompt.name)["as_expected"].drop_nulls()
        what = f"{len(met) - int(met.sum()):,} of {count(len(met), 'answer')} are not as the prompt expects"
        yield f"`{prompt.name}`: {what}; {cells['as_expected'].note}."


def describe_part(share: float) -> str:
    """Describe a share in words: half of, or a percentage."""
    return "half" if 0.45 <= share <= 0.55 else "all" if share == 1 else format_percent(share)


def format_percent(share: float) -> str:
    """Format a share in percent, with enough digits that a small one does not read 0."""
    digits = 1 if share == 0 or share >= 0.001 else 2
    return f"{100 * share:.{digits}f}".removesuffix(".0") + " %"


def format_ends(low: float, high: float) -> str:
    """Format the ends of an interval of a share."""
    return f"{format_percent(low).removesuffix(' %')} to {format_percent(high)}"
