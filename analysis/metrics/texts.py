"""Texts: answers and transcripts of a frame as polars columns, and what was measured of them back in the frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, finish_frame
from analysis.errors import ColumnError
from analysis.files import replace_lone_surrogates


def read_texts(frame: nw.DataFrame[Any], *names: str) -> pl.DataFrame:
    """Read columns of text as polars, with the number of each row; a lone surrogate is U+FFFD there."""
    return pl.DataFrame({name: read_text(frame[name]) for name in names}).with_row_index("row")


def read_text(column: nw.Series[Any]) -> pl.Series:
    """Read one column of text."""
    try:
        return column.to_polars().cast(pl.String)
    except UnicodeEncodeError:
        texts = [replace_lone_surrogates(text) if isinstance(text, str) else None for text in column.to_list()]
        return pl.Series(column.name, texts, pl.String)


def add_columns(
    frame: nw.DataFrame[IntoDataFrameT], columns: Mapping[str, pl.Series], dtypes: Mapping[str, Any]
) -> IntoDataFrameT:
    """Add columns to the rows that they were measured of, on a new index."""
    added = [make_column(frame, name, columns[name], dtypes[name]) for name in dtypes]
    return finish_frame(frame.with_columns(*added), frame.columns, dict(dtypes))


def make_column(frame: nw.DataFrame[Any], name: str, values: pl.Series | Sequence[Any], dtype: Any) -> nw.Series[Any]:
    """Make a column of the frame's kind; numbers and truths go in as fractions, of which pandas takes missing ones."""
    if frame.implementation.is_polars():
        return nw.from_native(pl.Series(name, values), series_only=True)
    listed = pl.Series(values, dtype=pl.String if dtype == TEXT else pl.Float64, strict=False).to_list()
    column = nw.new_series(name, listed, dtype if dtype == TEXT else FRACTION, backend=frame.implementation)
    return nw.maybe_set_index(column, index=nw.maybe_get_index(frame))


def refuse_columns(frame: nw.DataFrame[Any], names: Collection[str]) -> None:
    """Raise a ColumnError where a frame has columns that would be added."""
    clashes = [name for name in frame.columns if name in names]
    if clashes:
        raise ColumnError("answers", f"has {', '.join(clashes)} already", "drop these columns to measure the answers")


def rename_clashes(frame: nw.DataFrame[IntoDataFrameT], names: Collection[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Rename columns of calls that have the name of a measure to `<name>_call`, as `load_answers` does.

    Raises
    ------
    ColumnError
        All of the measures are there: the frame was measured before.
    """
    clashes = [name for name in frame.columns if name in names]
    if len(clashes) == len(names):
        refuse_columns(frame, names)
    return frame.rename({name: f"{name}_call" for name in clashes})
