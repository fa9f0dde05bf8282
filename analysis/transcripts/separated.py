"""Read tables as text: values separated by commas, semicolons, tabs or bars, which the first line tells."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.naming import find_usual_columns
from analysis.transcripts.sources import ColumnNames, Source, read_text_bytes

WHOLE = r"^-?(0|[1-9]\d{0,17})$"
DECIMAL = r"^-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d+)?$"
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
HEADER_LINES = 100  # a name may be written in several
EXCEL_MARK = b"sep="  # the first line by which Excel is told the separator


def read_separated(source: Source, columns: ColumnNames) -> pl.DataFrame:
    """Read one file: ids and words unchanged, and as numbers those other columns that have only numbers."""
    content, separator = find_separator(read_text_bytes(source), columns)
    try:
        table = pl.read_csv(io.BytesIO(content), infer_schema=False, separator=separator)
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        # Not in the words of polars, and without the cause: it quotes the field.
        raise explain(source.label, content, separator, "more fields" in str(error)) from None
    found = vars(columns) | find_usual_columns(table.schema, columns)
    words = {*vars(columns).values(), *found.values()} - {found["turn"]}
    table = convert_numbers(table, [name for name in table.columns if name not in words])
    # polars reads an empty line that ends in CR LF as a row.
    return table.filter(~pl.all_horizontal(pl.all().is_null()))


def find_separator(content: bytes, columns: ColumnNames) -> tuple[bytes, str]:
    """Return the text of a table and its separator: what Excel's first line says, else what divides the header best.

    Best is what gives the most columns that calls need, and then the most columns.
    """
    if content[:5].lower().startswith(EXCEL_MARK):
        first, _, rest = content.partition(b"\n")
        if len(mark := first.strip(b"\r\n")[4:]) == 1:
            return rest, mark.decode()
    names = {separator: read_header(content, separator) for separator in SEPARATORS}
    schemas = {separator: dict.fromkeys(header, pl.String()) for separator, header in names.items()}
    found = {each: len(find_usual_columns(schema, columns)) for each, schema in schemas.items()}
    return content, max(SEPARATORS, key=lambda separator: (found[separator], len(names[separator])))


def read_header(content: bytes, separator: str) -> list[str]:
    """Return the fields of the header, if that is what separates them."""
    lines = (line.decode() for line in islice(io.BytesIO(content), HEADER_LINES))
    try:
        return next(csv.reader(lines, delimiter=separator), [])
    except csv.Error:
        return []


def explain(label: str, content: bytes, separator: str, is_longer: bool) -> CallsError:  # noqa: FBT001
    """Return an error that says what is wrong with a table, and in which line where a line is too long."""
    marks = SEPARATORS.get(separator, repr(separator))
    place = find_long_line(content, separator) if is_longer else ""
    why = f"{place or 'a line'} has more fields than the first" if is_longer else "a quote within a field"
    cure = f"put text with {marks}, quotes or line breaks between quotes, and write a quote in it twice"
    return CallsError(label, f"cannot be read as a table whose columns are separated by {marks} ({why})", cure)


def find_long_line(content: bytes, separator: str) -> str:
    """Return the first line with more fields than the header, as `line 3`; empty if it is not found."""
    rows = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator)
    try:
        width = len(next(rows))
        return next((f"line {rows.line_num}" for row in rows if len(row) > width), "")
    except csv.Error:
        return ""


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
