"""Answers: the winner among the outputs of each call, variant and sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from analysis.columns import WHOLE, aggregate, finish_frame, read_columns
from analysis.outputs import OUTPUT_SCHEMA

KEYS = ["call_id", "variant", "sample"]
FIRST = (*KEYS, "text", "stop", "output_tokens")  # what is read first, where a table of answers begins
ERROR_KEYS = ["variant", "error_kind", "error_code", "error_message"]
ORDER = "_record_order"


def pick_answers(outputs: IntoDataFrameT, records: IntoDataFrameT, calls: IntoDataFrameT) -> IntoDataFrameT:
    """Pick one answer for every call, variant and sample that was asked.

    An answered output wins over a failed one, then the higher attempt, then the first by file and line.

    Parameters
    ----------
    outputs
        One row per output; those of no call of `records` are left out.
    records
        One row per record; `call_id`, `variant` and `sample` are read, and several attempts are one.
    calls
        One row per call. All three frames are of one kind, pandas or polars.

    Returns
    -------
    frame
        One row per call, variant and sample, in the order of the records: these three, `text`, `stop` and
        `output_tokens`, the other columns of the winning output, then the call's own. A column of the call that an
        output has too is called `<name>_call`.
        Where no output came back `error_kind` is `missing`, and so is all else of the output.

    Raises
    ------
    ColumnError
        A frame lacks a column that is read.
    """
    known = read_columns(calls, ["call_id"], of="calls")
    asked = keep_integers(read_columns(records, KEYS, of="records")).select(*KEYS)
    asked = asked.unique(KEYS, keep="first", maintain_order=True).with_row_index(ORDER)
    winners = pick_winners(read_columns(outputs, [*KEYS, "attempt", "file", "line", "error_kind"], of="outputs"))
    clashes = {name: f"{name}_call" for name in known.columns if name in winners.columns and name != "call_id"}
    # Joins of polars promise no order, so the records are numbered before and sorted after.
    answers = mark_missing(asked.join(winners, on=KEYS, how="left"))
    answers = answers.join(known.rename(clashes), on="call_id", how="left").sort(ORDER).drop(ORDER)
    picked: IntoDataFrameT = nw.maybe_reset_index(answers.select(sort_columns(answers.columns))).to_native()
    return picked


def sort_columns(names: Sequence[str]) -> list[str]:
    """Put the columns of `FIRST` before the others, which keep their order."""
    return [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)]


def count_errors(answers: IntoDataFrameT) -> IntoDataFrameT:
    """Count why records have no answer.

    Parameters
    ----------
    answers
        One row per call, variant and sample, from `load_answers`, or one row per output.

    Returns
    -------
    frame
        One row per variant, `error_kind`, `error_code` and `error_message`, the most frequent first: `records`.
        No rows when all were answered.
    """
    frame = read_columns(answers, ERROR_KEYS, of="answers")
    failed = keep_integers(frame.filter(~nw.col("error_kind").is_null()))
    counts = aggregate(failed, ERROR_KEYS, nw.len().alias("records"))
    order = ["records", *ERROR_KEYS]
    counts = counts.sort(order, descending=[name == "records" for name in order], nulls_last=True)
    counted: IntoDataFrameT = finish_frame(counts, ERROR_KEYS, {"records": WHOLE})
    return counted


def pick_winners(outputs: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Keep the best output of each call, variant and sample."""
    ranked = keep_integers(outputs).with_columns(_failed=~nw.col("error_kind").is_null())
    ranked = ranked.sort("_failed", "attempt", "file", "line", descending=[False, True, False, False], nulls_last=True)
    return ranked.unique(KEYS, keep="first", maintain_order=True)


def mark_missing(answers: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Set `error_kind` to `missing` where no output came back."""
    kind = nw.when(nw.col("_failed").is_null()).then(nw.lit("missing")).otherwise(nw.col("error_kind"))
    return answers.with_columns(error_kind=kind).drop("_failed")


def keep_integers(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Convert whole-number columns of pandas to nullable dtypes, which stay whole where a join finds no match."""
    if not frame.implementation.is_pandas():
        return frame
    whole = {name: str(OUTPUT_SCHEMA[name]) for name in frame.columns if is_whole(name)}
    return nw.from_native(frame.to_native().astype(whole), eager_only=True)


def is_whole(name: str) -> bool:
    """Return whether a column of the outputs has whole numbers."""
    return name in OUTPUT_SCHEMA and OUTPUT_SCHEMA[name].is_integer()
