"""Columns: what the functions of frames look for on the way in and promise on the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.errors import ColumnError

if TYPE_CHECKING:
    import pandas as pd

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


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Convert to pandas; whole numbers stay whole (`Int64`, ...) where values are missing, and texts are `str`."""
    import pandas as pd
    import pyarrow as pa

    text = pd.StringDtype("pyarrow", na_value=float("nan"))
    dtypes = {pa.string(): text, pa.large_string(): text, pa.bool_(): pd.BooleanDtype()}
    for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"):
        dtypes[getattr(pa, kind.lower())()] = getattr(pd, f"{kind}Dtype")()
    return frame.to_arrow().to_pandas(types_mapper=dtypes.get, date_as_object=False)
