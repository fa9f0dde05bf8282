"""Read tables of calls or of turns: Parquet, CSV and JSON lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import msgspec
import polars as pl

from analysis.errors import CallsError
from analysis.surrogates import CURE, has_escaped_surrogates
from analysis.transcripts.sources import (
    CHECK_FILE,
    GET_AGAIN,
    ColumnNames,
    Source,
    decode,
    read_bytes,
    show_first,
    suggest_columns,
)
from analysis.transcripts.turns import join_turns
from analysis.transcripts.unpacking import check_ratio

WHOLE = r"^-?(0|[1-9]\d{0,17})$"
DECIMAL = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$"
DEFAULTS = ColumnNames()
MOST_DEPTH = 32  # of a value of JSON lines; what builds a column of it takes time by the third power of its depth
VALUE_BYTES = 16  # of a text in memory, besides what it says
SHALLOW = 6  # levels that nearly all values have
NESTED = (dict, list)
Scalar = None | bool | int | float | str
MOST_COLUMNS = 5000  # of JSON lines, where each line may bring names of its own


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
        check_rows(source)
        return pl.read_parquet(source.path, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        # polars panics, which is no Exception, over some damages that it does not look for.
        reason = f"cannot be read as Parquet ({str(error).splitlines()[0] if str(error) else 'damaged'})"
        cure = CHECK_FILE if isinstance(error, PermissionError | FileNotFoundError) else GET_AGAIN
        raise CallsError(source.label, reason, cure) from error


def check_rows(source: Source) -> None:
    """Raise for a file of very many rows in few bytes: a column of one value takes no room there, in memory it does.

    No such limit for the sum of files: Parquet is how large tables are kept, and not only packed.
    """
    table = pl.scan_parquet(source.path, glob=False)
    values = table.select(pl.len()).collect().item() * len(table.collect_schema())
    cure = "pass it to prepare as a frame if you trust it"
    check_ratio(source.label, source.path.stat().st_size, VALUE_BYTES * values, cure=cure)


def read_csv(source: Source, columns: ColumnNames) -> pl.DataFrame:
    """Read one CSV file: ids and words unchanged, and as numbers those other columns that have only numbers."""
    content = read_bytes(source)
    # Called for its error, which names the first byte that is not UTF-8.
    decode(source.label, content)
    try:
        table = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        # Not in the words of polars, and without the cause: it quotes the field.
        why = "a line has more fields than the first" if "more fields" in str(error) else "a quote within a field"
        cure = "put text with commas, quotes or line breaks between quotes, and write a quote in it twice"
        raise CallsError(source.label, f"cannot be read as CSV ({why})", cure) from None
    words = {columns.call_id, columns.transcript, columns.speaker, columns.text}
    table = convert_numbers(table, [name for name in table.columns if name not in words])
    # polars reads an empty line that ends in CR LF as a row.
    return table.filter(~pl.all_horizontal(pl.all().is_null()))


def convert_numbers(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Convert to numbers those columns of texts that have only numbers; 007 is an id, not a number."""
    texts = table.select(names)
    for pattern, dtype in ((WHOLE, pl.Int64), (DECIMAL, pl.Float64)):
        # All columns at once, since polars takes longer to begin than for a short column.
        checks = texts.select(pl.all().str.contains(pattern).all() & (pl.all().null_count() < pl.len()))
        numbers = texts.select(column.name for column in checks if column.all())
        table = table.with_columns(numbers.cast(dtype).get_columns())
        texts = texts.drop(numbers.columns)
    return table


def read_jsonl(source: Source, _: ColumnNames) -> pl.DataFrame:
    """Read one file of JSON lines; a field that a line does not have is missing there."""
    rows = list(read_lines(source.label, read_bytes(source)))
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > MOST_COLUMNS:
        reason = f"has {len(names):,} different fields, of which each would be a column"
        raise CallsError(source.label, reason, "put fields that are named by their content into one list")
    fields = {name: unify_kinds([row.get(name) for row in rows]) for name in names}
    try:
        return pl.DataFrame(fields, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError, OverflowError) as error:
        # Without the cause, which quotes values.
        reason = f"the lines do not fit one table ({type(error).__name__})"
        raise CallsError(source.label, reason, "give each field values of one kind") from None


def read_lines(label: str, content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the object of every line that is not blank."""
    decode(label, content)
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            if line.strip():
                yield read_line(line)
        except msgspec.DecodeError as error:
            raise CallsError(f"{label}, line {number}", *explain_line(line, error)) from error
        except RecursionError:
            reason = f"a field is nested more than {MOST_DEPTH} deep"
            raise CallsError(f"{label}, line {number}", reason, "leave the field out, or write it as text") from None


def read_line(line: bytes) -> dict[str, Any]:
    """Decode the object of a line; raise a RecursionError for one that is nested too deeply.

    A type of few levels finds without any further look that a line is not deep: nearly every line.
    """
    try:
        return make_shallow_decoder().decode(line)
    except msgspec.ValidationError:
        row: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        if is_deep(row.values()):
            raise RecursionError from None
        return row


@cache
def make_shallow_decoder() -> msgspec.json.Decoder[dict[str, Any]]:
    """Make a decoder for objects of few levels; its type doubles with each level."""
    values: Any = Scalar
    for _ in range(SHALLOW):
        values = Scalar | list[values] | dict[str, values]
    return msgspec.json.Decoder(dict[str, values])


def explain_line(line: bytes, error: msgspec.DecodeError) -> tuple[str, str]:
    """Return why a line cannot be read, and what to do about it."""
    if has_escaped_surrogates(line) and is_json(line):
        return "half of a surrogate pair (\\ud800 to \\udfff): not a character", CURE
    return f"not a JSON object ({error})", "write one object in each line"


def is_json(line: bytes) -> bool:
    """Return whether the line is an object for Python's parser, which accepts half of a surrogate pair."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def unify_kinds(values: list[Any]) -> list[Any]:
    """Convert values of several types, such as 7 and "007", to text, so that none is lost."""
    kinds = {float if kind is int else kind for kind in map(type, values)} - {type(None)}
    if len(kinds) <= 1:
        return values
    return [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]


def is_deep(values: Iterable[Any]) -> bool:
    """Return whether a value is nested deeper than a column can be; all values are looked at level by level."""
    level = list(values)
    for _ in range(MOST_DEPTH):
        objects = [value.values() if isinstance(value, dict) else value for value in level if type(value) in NESTED]
        level = list(chain.from_iterable(objects))
        if not level:
            return False
    return any(type(value) in NESTED for value in level)


def rename_columns(label: str, table: pl.DataFrame, columns: ColumnNames) -> pl.DataFrame:
    """Rename the columns that are read, convert them to text and move them first; raise for rows without an id."""
    wanted = find_columns(label, table.columns, columns)
    unread = {"turn", "speaker"} - set(wanted) if "text" in wanted else set()
    others = [name for name in table.columns if name not in {*wanted.values(), *unread}]
    if taken := sorted(set(others) & set(wanted)):
        raise CallsError(label, f"a second column is called {taken[0]!r}", "rename or remove it")
    named = table.select(*(pl.col(name).alias(word) for word, name in wanted.items()), *others)
    texts = [read_as_text(label, named[word]) for word in wanted if word != "turn"]
    named = named.with_columns(texts)
    missing = (named["call_id"].fill_null("").str.strip_chars() == "").arg_true() + 1
    if len(missing):
        raise CallsError(label, f"no id in {len(missing)} rows ({show_first(missing)})", "every call needs an id")
    return named


def find_columns(label: str, present: list[str], columns: ColumnNames) -> dict[str, str]:
    """Map our names to the table's, of calls or else of turns; a column that the caller named must be there."""
    names = {word: name for word, name in vars(columns).items() if name is not None}
    words = ["call_id", "transcript"] if columns.transcript in present else ["call_id", "turn", "speaker", "text"]
    given = [word for word, name in names.items() if name != getattr(DEFAULTS, word)]
    for word in given:
        require_column(label, word, names[word], present)
    if columns.transcript not in present and columns.text not in present:
        reason = f"no column {columns.transcript!r} (where a row is a call) or {columns.text!r} (where it is a turn)"
        cure = "give its name as transcript= or text= (--column transcript=NAME)"
        raise CallsError(label, reason, f"{suggest_columns(columns.transcript, present)}; {cure}")
    for word in words:
        if word in names:
            require_column(label, word, names[word], present)
    return {word: names[word] for word in words if names.get(word) in present}


def require_column(label: str, word: str, name: str, present: list[str]) -> None:
    """Raise an error for a missing column, with the parameter that names another."""
    if name not in present:
        without = {"speaker": " (or speaker=None)", "turn": ", or keep the order of the file with turn=None"}.get(
            word, ""
        )
        raise CallsError(
            label,
            f"no column {name!r}",
            f"{suggest_columns(name, present)}; give the name of the column as {word}={without}",
        )


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
