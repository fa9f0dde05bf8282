"""Calls that a program passes as a frame: converted to polars, and checked before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.exceptions import DuplicateError
from narwhals.typing import IntoDataFrame

from analysis.columns import is_convertible
from analysis.errors import CallsError, describe_passed, show_name, show_names
from analysis.files import has_lone_surrogates
from analysis.transcripts.sources import suggest_columns

TEXT = (pl.String, pl.Categorical, pl.Enum)
SHOWN = 3  # ids and columns in a message


def read_frame(calls: IntoDataFrame) -> pl.DataFrame:
    """Convert a pandas or polars frame to polars.

    Raises
    ------
    CallsError
        It is no frame, or a column has values of several types, or text that is not valid Unicode; no value is quoted.
    """
    try:
        frame = nw.from_native(calls, eager_only=True)
    except DuplicateError as error:
        raise CallsError("calls", "two columns have the same name", "rename or drop one") from error
    except TypeError as error:
        cure = "pass a pandas or polars frame, as read_calls returns; of a LazyFrame what collect() returns"
        raise CallsError("calls", f"{describe_passed(calls)} is not a table of calls", cure) from error
    try:
        return frame.to_polars()
    except Exception:  # of pandas, pyarrow and polars, each by its own class
        # Without the cause, which quotes a value.
        raise explain_columns(frame) from None


def explain_columns(frame: nw.DataFrame[Any]) -> CallsError:
    """Return an error that names the columns which cannot be converted."""
    names = [name for name in frame.columns if not is_convertible(frame, name)]
    if not names:
        cure = "give each column a name of its own, as text"
        return CallsError("calls", f"the columns cannot be converted ({show_names(frame.columns)})", cure)
    for name in names:
        if where := find_surrogates(frame, name):
            return CallsError(
                "calls", f"halves of surrogate pairs, which are no characters, in {where}", "replace them"
            )
    reason = f"values of several types, or of a type of Python's own, in the column {show_names(names, most=SHOWN)}"
    return CallsError("calls", reason, f"make it text, as by calls[{str(names[0])!r}].astype(str), or drop it")


def find_surrogates(frame: nw.DataFrame[Any], name: str) -> str:
    """Return the column and the first call with half of a surrogate pair in it; empty where there is none."""
    for number, value in enumerate(frame[name].to_list()):
        if isinstance(value, str) and has_lone_surrogates(value):
            call = show_name(frame["call_id"][number]) if "call_id" in frame.columns else f"row {number + 1}"
            return f"{show_name(name)} of call {call}"
    return ""


def check_frame(calls: pl.DataFrame) -> pl.DataFrame:
    """Check that each row is a call with an id and words, and return the frame with both as text.

    Raises
    ------
    CallsError
        A column is missing or has another type, a row has no id or no words, or two rows have the same id.
    """
    for column in ("call_id", "transcript"):
        if column not in calls.columns:
            cure = f"{suggest_columns(column, calls.columns)}; rename one"
            raise CallsError("calls", f"no column {column!r}", cure)
        if missing := calls[column].null_count():
            raise explain_missing(column, missing)
    if calls.is_empty():
        raise CallsError("calls", "no rows", "prepare at least one call")
    check_types(calls)
    calls = calls.with_columns(read_ids(calls["call_id"]), pl.col("transcript").cast(pl.String))
    empty = find_empty(calls)
    if len(empty):
        raise explain_empty(len(empty), empty[0])
    repeated = calls.filter(pl.col("call_id").is_duplicated())["call_id"].unique(maintain_order=True)
    if len(repeated):
        raise explain_repeated(len(repeated), repeated)
    return calls


def find_empty(calls: pl.DataFrame) -> pl.Series:
    """Find the ids of calls without words."""
    # A regular expression, since stripping would copy every text.
    return calls.filter(~pl.col("transcript").str.contains(r"\S"))["call_id"]


def explain_missing(column: str, rows: int) -> CallsError:
    """Return an error about a column that is missing in some rows."""
    return CallsError("calls", f"{column!r} is missing in {rows} rows", "fill or drop them")


def explain_empty(rows: int, first: str) -> CallsError:
    """Return an error about calls without words."""
    reason = f"{rows} transcripts are empty, such as that of call {show_name(first)!r}"
    return CallsError("calls", reason, "leave them out by drop_empty_calls(calls)")


def explain_repeated(ids: int, first: Iterable[str]) -> CallsError:
    """Return an error about ids that several calls have."""
    reason = f"{ids} ids occur more than once, such as {show_names(first, most=SHOWN)}"
    return CallsError("calls", reason, "make them unique")


def check_types(calls: pl.DataFrame) -> None:
    """Raise for a transcript that is no text, and for columns that no file of calls can hold."""
    kind = calls["transcript"].dtype
    if kind not in TEXT:
        cure = "decode bytes, join lists, and check that the column has what was said"
        raise CallsError("calls", f"'transcript' has the type {kind.base_type()}, not text", cure)
    odd = [name for name, kind in calls.schema.items() if kind == pl.Object or kind == pl.Struct([])]
    if odd:
        reason = f"objects of Python's own, or without a field, in the column {show_names(odd, most=SHOWN)}"
        raise CallsError("calls", reason, "make it text, or drop it")


def read_ids(ids: pl.Series) -> pl.Series:
    """Convert ids to text, via integers where pandas has turned whole numbers into floats."""
    texts = ids.cast(pl.String) if ids.dtype in TEXT else None
    if texts is None and ids.dtype.is_numeric():
        whole = ids.cast(pl.Int128, strict=False)
        texts = whole.cast(pl.String) if bool((whole == ids).fill_null(value=False).all()) else None
    if texts is None:
        reason = f"'call_id' has the type {ids.dtype.base_type()}, and is not text or whole numbers"
        raise CallsError("calls", reason, "give each call an id as text")
    if blank := int((texts.str.strip_chars() == "").sum()):
        raise CallsError("calls", f"'call_id' is empty in {blank} rows", "give each call its own id")
    return texts
