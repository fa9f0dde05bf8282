"""Join turns of talk into transcripts."""

from __future__ import annotations

import polars as pl

from analysis.display import count
from analysis.errors import CallsError
from analysis.transcripts.sources import show_first

IN_FILE_ORDER, FILE_ORDER = "correct them, or keep the order of the file", {"turn": None}
UNORDERED = (
    "turns whose order is no number, no clock time (0:01:05) and no ISO time (2026-08-01T10:00:05Z),"
    " or is not written as that of the others"
)
CLOCK = r"^(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)$"
ISO = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?([.,]\d+)?\s*(Z|[+-]\d{2}:?\d{2})?$"


def join_turns(where: str, turns: pl.DataFrame) -> pl.DataFrame:
    """Join turns to one row per call, in order of first appearance, with the columns constant in every call."""
    numbered = "turn" in turns.columns
    turns = turns.with_columns(read_order(where, turns)) if numbered else turns
    said = pl.col("text").str.strip_chars() != ""
    lines = format_lines(turns).filter(said)
    if numbered:
        # The key is filtered like the lines, or a turn without words would shift the order.
        lines = lines.sort_by(pl.col("turn").filter(said), maintain_order=True)
    calls = turns.group_by("call_id", maintain_order=True)
    kept = list_constant_columns(turns)
    return calls.agg(lines.str.join("\n").alias("transcript"), *(pl.col(name).first() for name in kept))


def format_lines(turns: pl.DataFrame) -> pl.Expr:
    """Format a turn as `Speaker: text`, or as its text alone when it has no speaker."""
    if "speaker" not in turns.columns:
        return pl.col("text")
    name = pl.col("speaker")
    name = pl.when(name != "").then(name.str.slice(0, 1).str.to_uppercase() + name.str.slice(1) + ": ")
    return pl.concat_str(name, "text", ignore_nulls=True)


def read_order(where: str, turns: pl.DataFrame) -> pl.Series:
    """Return the column `turn` as numbers or times; as text, 10 would come before 9."""
    turn = turns["turn"]
    order = read_times(turn) if turn.dtype == pl.String else turn
    if not (order.dtype.is_numeric() or order.dtype.is_temporal()):
        reason = f"the column of turn has the type {order.dtype.base_type()}"
        raise CallsError(where, reason, IN_FILE_ORDER, arguments=FILE_ORDER)
    for reason, odd in (("turns without a number or time", turn.is_null()), (UNORDERED, order.is_null())):
        calls = turns.filter(odd)["call_id"].unique(maintain_order=True)
        if len(calls):
            reason = f"{reason}, in {count(len(calls), 'call')} ({show_first(calls)})"
            raise CallsError(where, reason, IN_FILE_ORDER, arguments=FILE_ORDER)
    return order


def read_times(texts: pl.Series) -> pl.Series:
    """Convert texts to numbers, seconds or times, in the form that most of them have; the others are missing."""
    bare = texts.str.strip_chars()
    numbers = (bare.cast(dtype, strict=False) for dtype in (pl.Int64, pl.Float64))
    forms = (*numbers, read_clock(bare), read_iso(bare))
    return max(forms, key=lambda form: len(form) - form.null_count())


def read_clock(texts: pl.Series) -> pl.Series:
    """Convert clock times (`1:05`, `0:01:05.250`) to seconds."""
    parts = [texts.str.extract(CLOCK, number).str.replace(",", ".").cast(pl.Float64) for number in (1, 2, 3)]
    hours, minutes, seconds = parts
    return hours.fill_null(0) * 3600 + minutes * 60 + seconds


def read_iso(texts: pl.Series) -> pl.Series:
    """Convert days with times (ISO 8601) to times; those without a zone are UTC."""
    day, minute, second, fraction, zone = (texts.str.extract(ISO, number) for number in range(1, 6))
    full = pl.select(
        pl.concat_str(
            day, pl.lit("T"), minute, second.fill_null(":00"), fraction.str.replace(",", ".").fill_null(""),
            zone.replace("Z", "+0000").fill_null("+0000").str.replace(":", ""),
        )
    ).to_series()  # fmt: skip
    return full.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", strict=False, time_unit="ns")


def list_constant_columns(turns: pl.DataFrame) -> list[str]:
    """List the source's other columns that have one value in each call."""
    others = [name for name in turns.columns if name not in {"call_id", "turn", "speaker", "text"}]
    values = turns.group_by("call_id").agg(pl.col(name).n_unique() for name in others).select(pl.col(others).max())
    return [name for name in others if (values[name][0] or 0) <= 1]
