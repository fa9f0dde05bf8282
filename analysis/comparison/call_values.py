"""Values of calls: what each variant has of each metric on each call, averaged over its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame

from analysis.columns import is_convertible, read_columns
from analysis.comparison.metric import ANSWERED
from analysis.display import count
from analysis.errors import AnalysisError, ColumnError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS = ("call_id", "variant")
NO_CLUSTER = -1


@dataclass(frozen=True)
class CallValues:
    """The values of metrics, as arrays with a row for each variant and a column for each call.

    Attributes
    ----------
    calls
        Their ids, sorted: the columns of the arrays.
    variants
        Their names, sorted: the rows of the arrays.
    values
        For each metric an array, NaN where a variant has no value of a call.
    shares
        The metrics that are Boolean columns.
    sampled
        The metrics of which some call has several values; an array has their mean.
    calls_with_rows
        For each variant the number of calls that it has a row of, with a value or without.
    clusters
        A number for each call, the same for calls of one cluster; None where calls are independent.
    cluster
        The column that they are of.
    """

    calls: pl.Series
    variants: list[str]
    values: dict[str, NDArray[np.float64]]
    shares: set[str]
    sampled: set[str]
    calls_with_rows: list[int]
    clusters: NDArray[np.int64] | None = None
    cluster: str | None = None

    def select(self, metric: str, variant: str) -> NDArray[np.float64]:
        """Return the values of a metric that a variant has, call by call."""
        found: NDArray[np.float64] = self.values[metric][self.variants.index(variant)]
        return found


def read_call_values(measured: IntoDataFrame, names: Sequence[str], *, cluster: str | None = None) -> CallValues:
    """Read the values of metrics from a frame of answers.

    Parameters
    ----------
    measured
        One row per answer; `call_id`, `variant`, the metrics and the cluster are read.
        `answered` is worked out from errors and contents where these are there, and a column otherwise.

    Raises
    ------
    ColumnError
        A column is missing, has values of several types, or a metric is neither Boolean nor a number.
    AnalysisError
        A sample occurs twice, a call is in two clusters, or a value is infinite.
    """
    table = read_table(measured, names, cluster)
    calls = table["call_id"].unique().sort()
    variants = table["variant"].unique().sort()
    places = find_places(table["call_id"], calls), find_places(table["variant"], variants)
    shape = (len(variants), len(calls))
    values, sampled = {}, set()
    for name in names:
        values[name], most = average(to_floats(table[name]), places, shape)
        if most > 1:
            sampled.add(name)
    if sampled:
        check_samples(table)
    clusters = None if cluster is None else number_clusters(table, cluster, places[0], calls)
    shares = {name for name in names if table[name].dtype == pl.Boolean}
    rows = count_calls(places, shape)
    return CallValues(calls, variants.to_list(), values, shares, sampled, rows, clusters, cluster)


def tells_answers(columns: Sequence[str]) -> bool:
    """Return whether a frame with these columns says which rows are answers."""
    return ANSWERED in columns or has_contents(columns)


def has_contents(columns: Sequence[str]) -> bool:
    """Return whether a frame with these columns has errors and contents, by which answers are told."""
    return "error_kind" in columns and ("text" in columns or "tool_calls" in columns)


def read_table(measured: IntoDataFrame, names: Sequence[str], cluster: str | None) -> pl.DataFrame:
    """Read the columns that a comparison needs; rows of no call or no variant, which nothing pairs, are left out."""
    frame = read_columns(measured, KEYS, of="measured")
    # Also where there is such a column: in a table of calls it may say whether somebody took the call.
    works_out = ANSWERED in names and has_contents(frame.columns)
    given = [name for name in names if not (works_out and name == ANSWERED)]
    read_columns(measured, [*given, *([cluster] if cluster else [])], of="measured")
    wanted = {*KEYS, "sample", *given, cluster} | ({"error_kind", "text", "tool_calls"} if works_out else set())
    table = convert(frame.select([name for name in frame.columns if name in wanted]))
    if works_out:
        table = table.with_columns(is_answer(table).alias(ANSWERED))
    for name in names:
        check_dtype(table[name])
    return table.with_columns(pl.col("variant").cast(pl.String)).drop_nulls(KEYS)


def convert(frame: nw.DataFrame[Any]) -> pl.DataFrame:
    """Convert a frame to polars; the error names a column of mixed types, and quotes no value."""
    try:
        return frame.to_polars()
    except Exception:  # of pandas, pyarrow and polars, each by its own class
        mixed = [name for name in frame.columns if not is_convertible(frame, name)]
        reason = f"values of several types in {', '.join(map(repr, mixed)) or 'a column'}"
        raise ColumnError("measured", reason, "give each column values of one type") from None


def is_answer(table: pl.DataFrame) -> pl.Expr:
    """Return whether each row is an answer: no error, and a text or a call of a tool."""
    has_content = pl.lit(value=False)
    if "text" in table.columns:
        has_content |= pl.col("text").cast(pl.String).fill_null("") != ""
    if "tool_calls" in table.columns:
        is_list = isinstance(table.schema["tool_calls"], pl.List)
        has_content |= (
            pl.col("tool_calls").list.len().fill_null(0) > 0 if is_list else pl.col("tool_calls").is_not_null()
        )
    return pl.col("error_kind").is_null() & has_content


def check_dtype(column: pl.Series) -> None:
    """Raise for a column that is neither Boolean nor a number; one without any value may be either."""
    is_known = column.null_count() < len(column)
    if is_known and not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        cure = "a metric is a Boolean column for a share, or a number for a mean"
        raise ColumnError("measured", f"column {column.name!r} is {column.dtype}", cure)


def find_places(column: pl.Series, places: pl.Series) -> NDArray[np.int64]:
    """Find the place of each value of a column in a series of distinct values."""
    key = column.name
    numbered = places.to_frame().with_columns(place=pl.int_range(len(places), dtype=pl.Int64))
    found = column.to_frame().join(numbered, on=key, how="left", maintain_order="left")
    return found["place"].to_numpy()


def to_floats(column: pl.Series) -> NDArray[np.float64]:
    """Convert a column to fractions, NaN where it is missing."""
    import numpy as np

    values: NDArray[np.float64] = column.cast(pl.Float64).to_numpy()
    if np.isinf(values).any():
        number = int(np.isinf(values).sum())
        are, them = ("is", "it") if number == 1 else ("are", "them")
        reason = f"{count(number, 'value')} {are} infinite"
        raise AnalysisError(f"column {column.name!r}", reason, f"make {them} missing (null)")
    return values


def average(
    values: NDArray[np.float64], places: tuple[Any, Any], shape: tuple[int, int]
) -> tuple[NDArray[np.float64], int]:
    """Average the values of each variant and call; also return the most values that one of them has."""
    import numpy as np

    call, variant = places
    known = ~np.isnan(values)
    slots, size = (variant * shape[1] + call)[known], shape[0] * shape[1]
    counts = np.bincount(slots, minlength=size)
    sums = np.bincount(slots, values[known], minlength=size)
    means = np.full(size, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means.reshape(shape), int(counts.max(initial=0))


def count_calls(places: tuple[Any, Any], shape: tuple[int, int]) -> list[int]:
    """Count the calls that each variant has a row of."""
    import numpy as np

    call, variant = places
    has_row = np.zeros(shape, bool)
    has_row[variant, call] = True
    counts: list[int] = has_row.sum(axis=1).tolist()
    return counts


def check_samples(table: pl.DataFrame) -> None:
    """Raise where a sample of a call and variant has two rows, so that outputs are not taken for answers."""
    if "sample" not in table.columns:
        return
    repeated = table.select(*KEYS, "sample").filter(table.select(*KEYS, "sample").is_duplicated())
    if len(repeated):
        call, variant, sample = repeated.row(0)
        reason = f"call {call!r} has sample {sample} of variant {variant!r} more than once"
        raise AnalysisError("measured", reason, "pass one row per answer, as load_answers gives")


def number_clusters(
    table: pl.DataFrame, cluster: str, places: NDArray[np.int64], calls: pl.Series
) -> NDArray[np.int64]:
    """Number the cluster of each call; calls without one are one cluster, which makes intervals wider, not narrower."""
    import numpy as np

    column = table[cluster].fill_nan(None) if table[cluster].dtype.is_float() else table[cluster]
    names = column.drop_nulls().unique().sort()
    numbers = find_places(column.fill_null(names[0]) if len(names) else column, names)
    known = column.is_not_null().to_numpy()
    clusters = np.full(len(calls), NO_CLUSTER)
    clusters[places[known]] = numbers[known]
    if (clashes := np.flatnonzero(clusters[places[known]] != numbers[known])).size:
        call = calls[int(places[known][clashes[0]])]
        reason = f"call {call!r} is in more than one cluster"
        raise AnalysisError(f"cluster {cluster!r}", reason, "give a column with one value per call")
    clusters[clusters == NO_CLUSTER] = len(names)
    return clusters
