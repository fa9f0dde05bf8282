"""Cells: what a spreadsheet would not show as it is, and the texts that stand for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import polars as pl

from analysis.display import count
from analysis.errors import ColumnError, show_name

# Source of the limits: Microsoft, "Excel specifications and limits", read in November 2026.
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
CELL_CHARS = 32_767  # in units of UTF-16, of which an emoji takes two
NUMBER_DIGITS = 15
# What a program that reads CSV may evaluate. Some leave out white space and controls before they look, some know the
# signs of East Asian keyboards; an apostrophe before them is one of ours or could be taken for one.
# Source: OWASP, "CSV Injection".
FORMULA = r"^'*[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]"  # noqa: RUF001
PLAIN_NUMBER = r"^[+\-][0-9][0-9.,]*$"
APOSTROPHE = "'"
ISO_TYPES = (pl.Date, pl.Datetime, pl.Time)


@dataclass
class Changes:
    """How many cells of an export are not as in the frame.

    Attributes
    ----------
    apostrophes
        Texts that a spreadsheet would take for formulas, and that an apostrophe stands before (CSV).
    cut
        Texts that are longer than a cell, and are cut (workbook).
    too_long
        Texts that are longer than a cell, and are whole (CSV): Excel cuts them.
    long_numbers
        Numbers of more digits than Excel keeps, which are texts (workbook).
    surrogates
        Texts with halves of surrogate pairs, which no file can hold: U+FFFD stands for each.
    rows_beyond
        Answers below the last row that Excel opens (CSV).
    """

    apostrophes: int = 0
    cut: int = 0
    too_long: int = 0
    long_numbers: int = 0
    surrogates: int = 0
    rows_beyond: int = 0

    def describe(self) -> Iterator[str]:
        """Yield a sentence for each kind of change that was made."""
        if self.apostrophes:
            yield f"An apostrophe stands before {count(self.apostrophes, 'text')} that may be taken for a formula."
        if self.cut:
            yield (
                f"{count(self.cut, 'text')} of more than {CELL_CHARS:,} characters cut off, as Excel's cells are full "
                "then; .csv and .parquet have all of it."
            )
        if self.too_long:
            yield (
                f"{count(self.too_long, 'text')} of more than {CELL_CHARS:,} characters: whole in the file, and cut "
                "off by Excel when it opens it."
            )
        if self.long_numbers:
            yield f"{count(self.long_numbers, 'number')} of more than {NUMBER_DIGITS} digits written as text."
        if self.surrogates:
            yield f"{count(self.surrogates, 'text')} with halves of surrogate pairs: U+FFFD stands for each half."
        if self.rows_beyond:
            yield f"Excel opens the first {MOST_ROWS - 1:,} answers alone: {self.rows_beyond:,} more are in the file."


def is_formula(texts: pl.Series) -> pl.Series:
    """Return which texts a program that reads CSV may evaluate; missing for missing ones."""
    return texts.str.contains(FORMULA) & ~texts.str.contains(PLAIN_NUMBER)


def guard_texts(texts: pl.Series, changes: Changes) -> pl.Series:
    """Put an apostrophe before each text that may be evaluated, and count those and the ones longer than a cell."""
    found = is_formula(texts).fill_null(value=False)
    guarded = texts.zip_with(~found, APOSTROPHE + texts) if found.any() else texts
    changes.apostrophes += int(found.sum())
    changes.too_long += sum(map(is_too_long, guarded.filter(guarded.str.len_bytes() > CELL_CHARS)))
    return guarded


def is_too_long(text: str) -> bool:
    """Return whether a text has more characters than a cell, as Excel counts them."""
    return len(text) > CELL_CHARS // 2 and count_units(text) > CELL_CHARS


def count_units(text: str) -> int:
    """Count the characters of a text as Excel does, in units of UTF-16."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut_text(text: str) -> str:
    """Cut a text to what a cell holds, the last of it a mark that says so."""
    mark = f" [cut off here: {count_units(text):,} characters in all]"
    kept = text.encode("utf-16-le")[: 2 * (CELL_CHARS - len(mark))]
    return kept.decode("utf-16-le", "ignore") + mark


def write_as_text(column: pl.Series) -> pl.Series:
    """Convert a column that is neither text, number nor truth to text.

    Times are written as ISO 8601 (with the offset of their zone), durations too (`PT1M30S`), lists and structs as JSON,
    bytes as base64, categories by their names.

    Raises
    ------
    ColumnError
        The column has objects of Python.
    """
    kind = column.dtype
    if isinstance(kind, pl.Object):
        cure = "convert it to text, or leave it out"
        raise ColumnError("answers", f"column {show_name(column.name)!r} has objects of Python", cure)
    if isinstance(kind, ISO_TYPES):
        return column.dt.to_string("iso:strict")
    if isinstance(kind, pl.Duration):
        return column.dt.to_string("iso")
    if isinstance(kind, pl.Binary):
        return column.bin.encode("base64")
    if kind.is_nested():
        return pl.Series(column.name, [*map(write_json, column.to_list())], pl.String)
    return column.cast(pl.String)


def write_json(value: object) -> str | None:
    """Write a list or a struct as JSON; missing stays missing."""
    return None if value is None else msgspec.json.encode(value).decode()


def is_plain(kind: pl.DataType) -> bool:
    """Return whether values of a type are texts, numbers or truths, which every spreadsheet has."""
    return kind.is_numeric() or isinstance(kind, pl.String | pl.Boolean)
