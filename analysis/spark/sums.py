"""Sums on Spark: tasks add up their outputs with the functions of one machine, and what they found is added up here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl
import pyarrow as pa

from analysis.columns import FRACTION, TEXT, aggregate, finish_frame, list_keys
from analysis.engines import gather_batches, read_batch, write_batch
from analysis.errors import ColumnError
from analysis.metrics.bills import (
    CALL,
    OF_CALL,
    SUMMARY,
    SUMS,
    add_calls,
    add_groups,
    finish_bill,
    sum_by_call,
    sum_calls,
    sum_outputs,
)
from analysis.metrics.stop_reasons import COUNTS, share_counts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

READ: dict[str, type[pl.DataType]] = {
    "call_id": pl.String,
    "record_id": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "error_kind": pl.String,
    "stop": pl.String,
    "cost_usd": pl.Float64,
    "price_usd": pl.Float64,
    "tokens_estimated": pl.Boolean,
}
OWN = {name: f"_call_{name}" for name in OF_CALL}  # the sums of a call beside those of outputs
SUM_TYPES = {name: pl.Float64 if name.endswith("_usd") else pl.Int64 for name in (*SUMS, *OWN.values())}


def sum_costs_on_spark(outputs: DataFrame, *, by: str | Sequence[str] = "variant") -> DataFrame:
    """Add up what was paid, and what bought no answer.

    Parameters
    ----------
    outputs
        One row per output, from `read_outputs_on_spark`, or from where that was written to.
    by
        Columns that make the groups; none, `[]`, for the whole bill in one row.

    Returns
    -------
    table
        The columns and values of `sum_costs`: one row per group, in the order of `by`, missing last. Outputs are read
        and summed now.

    Raises
    ------
    ColumnError
        `outputs` lacks a column.
    """
    keys = list_keys(by)
    few = outputs.select(*check_columns(outputs, [*keys, *READ]))
    of_sums = ", ".join(f"`{name}` {'double' if kind == pl.Float64 else 'bigint'}" for name, kind in SUM_TYPES.items())
    of_calls = ", ".join(f"`{name}` string" for name in CALL)
    schema = ", ".join([*describe_keys(outputs, keys), of_calls, of_sums])
    # All outputs of a call come into one partition, where the call is counted once.
    together = few.mapInArrow(partial(sum_batches, keys=keys), schema).repartition(*keys, *CALL)
    rows = together.mapInArrow(partial(sum_partition, keys=keys), "sums binary").collect()
    groups = [nw.from_native(pl.read_ipc(bytes(row["sums"])), eager_only=True) for row in rows]
    if not groups:
        groups = [sum_rows(make_rows([], keys), keys)]
    bill = finish_bill(add_groups(groups, keys), keys)
    return write_table(outputs, keys, bill, SUMMARY)


def sum_batches(batches: Iterable[pa.RecordBatch], *, keys: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Sum outputs by group, and by group and call, some at a time."""
    for frame in gather_batches(batches):
        yield write_batch(make_rows([frame], keys), strings=True)


def make_rows(frames: Sequence[pl.DataFrame], keys: Sequence[str]) -> pl.DataFrame:
    """Make rows with the sums of groups, and rows with those of calls, in the same columns."""
    frame = pl.concat(
        [pl.DataFrame(schema={**dict.fromkeys(keys, pl.String), **READ}), *frames], how="diagonal_relaxed"
    )
    of_groups = sum_outputs(frame, keys).to_native()
    of_calls = sum_by_call(frame, keys).to_native().rename(OWN)
    rows = pl.concat([of_groups, of_calls], how="diagonal")
    return rows.select(*keys, *CALL, *(pl.col(name).cast(kind) for name, kind in SUM_TYPES.items()))


def sum_partition(batches: Iterable[pa.RecordBatch], *, keys: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Add up the sums of a partition, which has all rows of its calls."""
    frames = [read_batch(batch) for batch in batches]
    if frames:
        content = BytesIO()
        sum_rows(pl.concat(frames), keys).to_native().write_ipc(content)
        yield pa.RecordBatch.from_arrays([pa.array([content.getvalue()], pa.binary())], ["sums"])


def sum_rows(rows: pl.DataFrame, keys: Sequence[str]) -> nw.DataFrame[pl.DataFrame]:
    """Add up rows of groups and of calls."""
    is_group = pl.col("outputs").is_not_null()
    of_groups = rows.filter(is_group).select(*keys, *SUMS)
    of_calls = rows.filter(~is_group).select(*keys, *CALL, *(pl.col(own).alias(name) for name, own in OWN.items()))
    calls = sum_calls(add_calls(nw.from_native(of_calls, eager_only=True), keys), keys)
    return add_groups([nw.from_native(of_groups, eager_only=True), calls], keys)


def count_stop_reasons_on_spark(outputs: DataFrame, *, by: str | Sequence[str] = "variant") -> DataFrame:
    """Count how outputs ended.

    Parameters
    ----------
    outputs
        As in `sum_costs_on_spark`; `stop` and the columns of `by` are read.
    by
        Columns that make the groups; none, `[]`, for all in one.

    Returns
    -------
    table
        The columns and values of `count_stop_reasons`: one row per group and stop, in that order, missing last. Outputs
        are read and counted now.

    Raises
    ------
    ColumnError
        `outputs` lacks a column.
    """
    keys = list_keys(by)
    names = check_columns(outputs, [*keys, "stop"])
    rows = outputs.groupBy(*names).count().collect()
    counted = pl.DataFrame(
        [tuple(row) for row in rows],
        [*names, "answers"],
        orient="row",
        infer_schema_length=None,
        schema_overrides={"stop": pl.String, "answers": pl.Int64},
    )
    counts = aggregate(nw.from_native(counted, eager_only=True), names, nw.col("answers").sum())
    frame = finish_frame(share_counts(counts, keys), names, COUNTS)
    return write_table(outputs, keys, frame, {"stop": TEXT, **COUNTS})


def check_columns(outputs: DataFrame, names: Iterable[str]) -> list[str]:
    """Return each name once, or raise where there is no such column."""
    for name in names:
        if name not in outputs.columns:
            raise ColumnError("outputs", f"no column {name!r}", f"there are {', '.join(outputs.columns)}")
    return list(dict.fromkeys(names))


def describe_keys(outputs: DataFrame, keys: Sequence[str]) -> list[str]:
    """Describe some columns as Spark's DDL does."""
    kinds = {column.name: column.dataType.simpleString() for column in outputs.schema.fields}
    return [f"`{name}` {kinds[name]}" for name in keys]


def write_table(outputs: DataFrame, keys: Sequence[str], frame: pl.DataFrame, columns: dict[str, Any]) -> DataFrame:
    """Write a small frame as a table of Spark."""
    kinds = {str(FRACTION): "double", str(TEXT): "string"}
    described = [f"`{name}` {kinds.get(str(kind), 'bigint')}" for name, kind in columns.items() if name not in keys]
    schema = ", ".join([*describe_keys(outputs, keys), *described])
    return outputs.sparkSession.createDataFrame(frame.rows(), schema)
