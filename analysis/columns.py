"""Columns: check those that a function reads, and fix the order and dtypes of those that it returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.errors import ColumnError, describe_passed, needs_extra

if TYPE_CHECKING:
    import pandas as pd

WHOLE = nw.Int64()
FRACTION = nw.Float64()
TEXT = nw.String()
TRUTH = nw.Boolean()
# Where each frame comes from, for the error of a function that gets another one.
SOURCES = {
    "answers": "load_answers(run)",
    "bill": "sum_costs(costed)",
    "calls": "read_calls(where)",
    "comparison": "compare_estimate(estimate, bill)",
    "comparisons": "compare_variants(measured, metrics)",
    "costed outputs": "add_costs(outputs)",
    "counts": "count_stop_reasons(answers)",
    "estimate": "estimate_costs(records)",
    "measured": "measure_answers(answers) or add_costs(answers)",
    "measured answers": "measure_run(run)",
    "outputs": "load_outputs(where) or load_answers(run)",
    "prices": "find_prices(model_ids) or read_prices(path)",
    "records": "run.read_records()",
    "shares": "share_truncated(answers)",
    "summary": "sum_costs(costed)",
}
# Nullable dtypes, so that integers and booleans with missing values do not become floats and objects.
PANDAS_DTYPES = {"Int64": "Int64", "Float64": "float64", "Boolean": "boolean"}


def read_columns(frame: IntoDataFrameT, needed: Iterable[str], *, of: str) -> nw.DataFrame[IntoDataFrameT]:
    """Wrap a pandas or polars frame after checking that it has the columns that are read.

    Raises
    ------
    ColumnError
        It is no frame, or a column is missing; `of` is what the error calls the frame, and the error says where such a
        frame comes from.
    """
    cure = f"pass what {SOURCES[of]} returns" if of in SOURCES else "pass a pandas or polars frame"
    try:
        wrapped = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        collected = ", or of a LazyFrame what its collect() returns" if isinstance(frame, pl.LazyFrame) else ""
        raise ColumnError(of, f"{describe_passed(frame)} is not a DataFrame", cure + collected) from error
    for name in needed:
        if name not in wrapped.columns:
            raise ColumnError(of, f"no column {name!r}", f"there are {', '.join(wrapped.columns) or 'none'}; {cure}")
    return wrapped


def finish_frame(frame: nw.DataFrame[IntoDataFrameT], keys: Sequence[str], dtypes: dict[str, Any]) -> IntoDataFrameT:
    """Convert a result to its own library: the keys unchanged, then the columns of `dtypes` cast, on a new index."""
    fixed = frame.select(*keys, *(nw.col(name) for name in dtypes))
    if not fixed.implementation.is_pandas():
        return fixed.with_columns(nw.col(name).cast(dtype) for name, dtype in dtypes.items()).to_native()
    native: Any = nw.maybe_reset_index(fixed).to_native()
    known = {name: PANDAS_DTYPES[str(dtype)] for name, dtype in dtypes.items() if str(dtype) in PANDAS_DTYPES}
    # Through Float64, since an object column may contain NA, which cannot be cast to float64 directly.
    fractions = {name: "Float64" for name, dtype in known.items() if dtype == "float64"}
    result: IntoDataFrameT = native.astype(fractions).astype(known)
    return result


def list_keys(by: str | Sequence[str]) -> list[str]:
    """Return a list of column names for one name or several."""
    return [by] if isinstance(by, str) else list(by)


def aggregate(frame: nw.DataFrame[IntoDataFrameT], keys: Sequence[str], *sums: nw.Expr) -> nw.DataFrame[IntoDataFrameT]:
    """Aggregate to one row per group, sorted by keys, missing last; without keys one row, even of no rows."""
    if not keys:
        return frame.select(*sums)
    return frame.group_by(*keys).agg(*sums).sort(*keys, nulls_last=True)


def count_where(condition: nw.Expr) -> nw.Expr:
    """Return 1 where a condition holds, 0 where it does not or is missing."""
    return nw.when(condition).then(1).otherwise(0)


def is_convertible(frame: nw.DataFrame[Any], name: str) -> bool:
    """Return whether a column can be converted to polars."""
    try:
        frame.select(name).to_polars()
    except Exception:
        return False  # pandas, pyarrow and polars each have errors of their own
    return True


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Convert to pandas; integers with missing values stay integers (`Int64`, ...), and texts are `str`."""
    import pyarrow as pa

    if not isinstance(frame, pl.DataFrame):
        cure = "pass a polars DataFrame, or of a LazyFrame what its collect() returns"
        raise ColumnError("as_pandas", f"{describe_passed(frame)} is not a polars DataFrame", cure)
    with needs_extra("notebooks", "as_pandas"):
        import pandas as pd

    text = pd.StringDtype("pyarrow", na_value=float("nan"))
    dtypes = {pa.string(): text, pa.large_string(): text, pa.bool_(): pd.BooleanDtype()}
    for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"):
        dtypes[getattr(pa, kind.lower())()] = getattr(pd, f"{kind}Dtype")()
    return frame.to_arrow().to_pandas(types_mapper=dtypes.get, date_as_object=False)
