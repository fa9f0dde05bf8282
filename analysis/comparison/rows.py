"""Rows: results as a frame of the caller's kind, with fixed columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, WHOLE, finish_frame


def make_frame(
    rows: Sequence[Mapping[str, Any]], dtypes: dict[str, Any], *, like: nw.DataFrame[IntoDataFrameT]
) -> IntoDataFrameT:
    """Make a frame of rows, as pandas or polars as another is; NaN and None are missing."""
    columns = [make_column(name, [row[name] for row in rows], dtype, like) for name, dtype in dtypes.items()]
    frame: nw.DataFrame[IntoDataFrameT] = nw.concat([column.to_frame() for column in columns], how="horizontal")
    return finish_frame(frame, [], dtypes)


def make_column(name: str, values: list[Any], dtype: Any, like: nw.DataFrame[Any]) -> nw.Series[Any]:
    """Make a column; whole numbers of which some are missing go in as fractions, since those of pandas cannot be."""
    known = [None if isinstance(value, float) and isnan(value) else value for value in values]
    entered = FRACTION if dtype == WHOLE and None in known else dtype
    return nw.new_series(name, known, entered, backend=like.implementation)
