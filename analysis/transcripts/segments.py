"""Join the real-time segments of a contact that are in several documents, as a stream has them, into one call."""

from __future__ import annotations

import polars as pl

from analysis.transcripts.calls import TURN_SCHEMA
from analysis.transcripts.turns import format_lines

REAL_TIME = "contact_lens_real_time"
KEY, PLACE = ["call_id", "source_format"], "_place"


def join_segments(calls: pl.DataFrame) -> pl.DataFrame:
    """Join the rows of real-time segments that have one contact into one row, at the place of the first.

    Turns are in the order of their times; categories are those of all rows, and the summary is the last one.
    """
    is_part = (pl.col("source_format") == REAL_TIME) & (pl.col("call_id") != "") & pl.struct(KEY).is_duplicated()
    placed = calls.with_row_index(PLACE)
    parts = placed.filter(is_part)
    if parts.is_empty():
        return calls
    taken = {"turns", "transcript", "categories", "summary", "started_at", *KEY}
    heads = parts.group_by(KEY, maintain_order=True).agg(
        *(pl.col(name).drop_nulls().first() for name in parts.columns if name not in taken),
        pl.col("started_at").min(),
        pl.col("categories").drop_nulls().explode().unique(maintain_order=True),
        pl.col("summary").drop_nulls().last(),
        # An empty list where rows name none, as in one document, and missing where no row says anything.
        _named=pl.col("categories").is_not_null().any(),
    )
    heads = heads.with_columns(categories=pl.when("_named").then("categories"))
    joined = heads.join(join_turns(parts), on=KEY, how="left").select(placed.columns)
    return pl.concat([placed.filter(~is_part), joined]).sort(PLACE).drop(PLACE)


def join_turns(parts: pl.DataFrame) -> pl.DataFrame:
    """Join the turns of each contact, with their transcript."""
    said = parts.select(*KEY, "started_at", "turns").explode("turns").drop_nulls("turns").unnest("turns")
    # Clock times were counted from the first turn of their own document.
    first = pl.col("started_at").min().over(KEY)
    shift = (pl.col("started_at") - first).dt.total_milliseconds().fill_null(0)
    said = said.with_columns(pl.col("begin_ms", "end_ms") + shift)
    # A turn without a time stays behind the one before it.
    said = said.sort(pl.col("begin_ms").forward_fill().over(KEY), maintain_order=True)
    lines = format_lines(said).str.join("\n").alias("transcript")
    return said.group_by(KEY, maintain_order=True).agg(lines, pl.struct(list(TURN_SCHEMA)).alias("turns"))
