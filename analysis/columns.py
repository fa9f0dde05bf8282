"""Columns: what the functions of frames look for on the way in and promise on the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from analysis.errors import ColumnError

WHOLE = nw.Int64()
FRACTION = nw.Float64()
TEXT = nw.String()
TRUTH = nw.Boolean()
# The nullable dtypes keep whole numbers whole and truths true where values are missing.
PANDAS_DTYPES = {"Int64": "Int64", "Float64": "float64", "Boolean": "boolean"}


def read_columns(frame: IntoDataFrameT, needed: Iterable[str], *, of: str) -> nw.DataFrame[IntoDataFrameT]:
    """Wrap a pandas or polars frame once the columns that are read are there.

    Raises
    ------
    ColumnError
        A column is missing; `of` names the frame.
    """
    wrapped = nw.from_native(frame, eager_only=True)
    for name in needed:
        if name not in wrapped.columns:
            raise ColumnError(of, f"no column {name!r}", f"there are {', '.join(wrapped.columns) or 'none'}")
    return wrapped


def give_back(frame: nw.DataFrame[IntoDataFrameT], keys: Sequence[str], dtypes: dict[str, Any]) -> IntoDataFrameT:
    """Unwrap a result: the keys as they came, then the columns of `dtypes` in order, on a fresh index."""
    fixed = frame.select(*keys, *(nw.col(name) for name in dtypes))
    if not fixed.implementation.is_pandas():
        return fixed.with_columns(nw.col(name).cast(dtype) for name, dtype in dtypes.items()).to_native()
    native: Any = nw.maybe_reset_index(fixed).to_native()
    known = {name: PANDAS_DTYPES[str(dtype)] for name, dtype in dtypes.items() if str(dtype) in PANDAS_DTYPES}
    # By way of Float64, since an object column may hold NA, which float64 refuses.
    fractions = {name: "Float64" for name, dtype in known.items() if dtype == "float64"}
    result: IntoDataFrameT = native.astype(fractions).astype(known)
    return result


def list_keys(by: str | Sequence[str]) -> list[str]:
    """Take one column name or several."""
    return [by] if isinstance(by, str) else list(by)


def aggregate(frame: nw.DataFrame[IntoDataFrameT], keys: Sequence[str], *sums: nw.Expr) -> nw.DataFrame[IntoDataFrameT]:
    """Make one row per group in the order of the keys, missing last; without keys one row, even of nothing."""
    if not keys:
        return frame.select(*sums)
    return frame.group_by(*keys).agg(*sums).sort(*keys, nulls_last=True)
