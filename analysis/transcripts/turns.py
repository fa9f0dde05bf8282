"""Join turns of talk into transcripts."""

from __future__ import annotations

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.sources import show_first

IN_FILE_ORDER = "number all turns, or keep the order of the file with turn=None"


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
    turn = turns["turn"].cast(pl.Float64, strict=False) if turns["turn"].dtype == pl.String else turns["turn"]
    if not (turn.dtype.is_numeric() or turn.dtype.is_temporal()):
        raise CallsError(where, f"the column of turn has the type {turn.dtype.base_type()}", IN_FILE_ORDER)
    unknown = turns.filter(turn.is_null())["call_id"].unique(maintain_order=True)
    if len(unknown):
        raise CallsError(
            where, f"turns without a number in {len(unknown)} calls ({show_first(unknown)})", IN_FILE_ORDER
        )
    return turn


def list_constant_columns(turns: pl.DataFrame) -> list[str]:
    """List the source's other columns that have one value in each call."""
    others = [name for name in turns.columns if name not in {"call_id", "turn", "speaker", "text"}]
    values = turns.group_by("call_id").agg(pl.col(name).n_unique() for name in others).select(pl.col(others).max())
    return [name for name in others if (values[name][0] or 0) <= 1]
