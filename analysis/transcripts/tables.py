"""Read tables of calls or of turns: Parquet, and what all kinds of tables have in common."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.naming import find_columns
from analysis.transcripts.nested import join_lists, open_objects
from analysis.transcripts.sources import CHECK_FILE, GET_AGAIN, ColumnNames, Source, read_bytes, show_first
from analysis.transcripts.turns import join_turns
from analysis.transcripts.unpacking import check_ratio

VALUE_BYTES = 16  # of a text in memory, besides what it says


def read_tables(
    read: Callable[[Source, ColumnNames], pl.DataFrame], sources: list[Source], columns: ColumnNames
) -> pl.DataFrame:
    """Read files of one table, of calls or of turns; an empty file adds no rows."""
    tables = {source.label: read(source, columns) for source in sources}
    named = {label: rename_columns(label, table, columns) for label, table in tables.items() if table.width}
    if not named:
        return pl.DataFrame(schema={"call_id": pl.String, "transcript": pl.String})
    first = next(iter(named))
    calls = [label for label, table in named.items() if "transcript" in table.columns]
    if 0 < len(calls) < len(named):
        raise CallsError(calls[0], "a row is a call here and a turn in another file", "read them separately")
    try:
        table = pl.concat(named.values(), how="diagonal_relaxed")
    except pl.exceptions.PolarsError:
        reason = "another file has other columns: a name that both have, with values of other types"
        raise CallsError(first, reason, "read them separately") from None
    return table if calls else join_turns(first, table)


def read_parquet(source: Source, _: ColumnNames) -> pl.DataFrame:
    """Read one Parquet file."""
    try:
        file = BytesIO(read_bytes(source)) if source.read_member else source.path
        check_rows(source, file)
        return pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        # polars panics, which is no Exception, over some damages that it does not look for.
        reason = f"cannot be read as Parquet ({str(error).splitlines()[0] if str(error) else 'damaged'})"
        cure = CHECK_FILE if isinstance(error, PermissionError | FileNotFoundError) else GET_AGAIN
        raise CallsError(source.label, reason, cure) from error


def check_rows(source: Source, file: Path | BytesIO) -> None:
    """Raise for a file of very many rows in few bytes: a column of one value takes no room there, in memory it does.

    No such limit for the sum of files: Parquet is how large tables are kept, and not only packed.
    """
    table = pl.scan_parquet(file, glob=False)
    values = table.select(pl.len()).collect().item() * len(table.collect_schema())
    file_bytes = len(file.getbuffer()) if isinstance(file, BytesIO) else file.stat().st_size
    cure = "pass it to prepare as a frame if you trust it"
    check_ratio(source.label, file_bytes, VALUE_BYTES * values, cure=cure)


def rename_columns(label: str, table: pl.DataFrame, columns: ColumnNames) -> pl.DataFrame:
    """Rename the columns that are read, convert them to text and move them first; raise for rows without an id."""
    table = open_objects(table)
    wanted = find_columns(label, table.schema, columns)
    unread = {"turn", "speaker"} - set(wanted) if "text" in wanted else set()
    others = [name for name in table.columns if name not in {*wanted.values(), *unread}]
    if taken := sorted(set(others) & set(wanted)):
        raise CallsError(label, f"a second column is called {taken[0]!r}", "rename or remove it")
    named = table.select(*(pl.col(name).alias(word) for word, name in wanted.items()), *others)
    if isinstance(named.schema.get("transcript"), pl.List):
        named = join_lists(label, named, wanted["transcript"], columns)
    texts = [read_as_text(label, named[word]) for word in wanted if word != "turn"]
    named = named.with_columns(texts)
    missing = (named["call_id"].fill_null("").str.strip_chars() == "").arg_true() + 1
    if len(missing):
        raise CallsError(label, f"no id in {len(missing)} rows ({show_first(missing)})", "every call needs an id")
    return named


def read_as_text(label: str, column: pl.Series) -> pl.Series:
    """Convert a column to text; ids and speakers may also be whole numbers."""
    dtype = column.dtype
    if isinstance(dtype, pl.String | pl.Null | pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.name in {"call_id", "speaker"} and dtype.is_numeric():
        # Through an integer, or an id of a float column would read 7.0.
        whole = column.cast(pl.Int128, strict=False)
        if (whole == column).all():
            return whole.cast(pl.String)
    # Without what the type holds: of a struct these are all its fields.
    raise CallsError(label, f"the column of {column.name} has the type {dtype.base_type()}", "it must be text")
