"""Workbooks of Excel (.xlsx): one sheet of answers, written row by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from analysis.errors import StorageError
from analysis.outputs.cells import (
    NUMBER_DIGITS,
    Changes,
    cut_text,
    is_formula,
    is_plain,
    is_too_long,
    write_as_text,
)

SHEET = "answers"
# Rows go to a file of the draft as they come, and no text becomes a formula, a link or a number.
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
# The same answers shall make the same file: what a zip has where nothing is known.
CREATED = datetime(1980, 1, 1, tzinfo=UTC).replace(tzinfo=None)
EPOCH_DAY, DAY_US = 25_569, 86_400_000_000  # 1970-01-01 as Excel counts days
# Before 1900-03-01 Excel counts a day that there was not, and after 9999 none.
FIRST_DAY, LAST_DAY = 61, 2_958_466
TEXT_WIDTH = 24

Cells = tuple[Callable[[int, int, Any], None], list[Any]]  # how each value of a column is written, and the values


def write_workbook(names: Sequence[str], frames: Iterable[pl.DataFrame], path: Path, changes: Changes) -> None:
    """Write frames below each other into the sheet of a new workbook; what is unfinished is beside it.

    Raises
    ------
    StorageError
        It would be larger than 4 GB, which Excel does not open.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileSizeError

    workbook = Workbook(path, OPTIONS | {"tmpdir": str(path.parent)})
    workbook.set_properties({"created": CREATED})
    sheet = Sheet(workbook, changes)
    sheet.write_header(names)
    for frame in frames:
        sheet.write_rows(frame)
    try:
        workbook.close()
    except FileSizeError as error:
        raise StorageError(path.name, "is larger than 4 GB", "write .csv or .parquet, or fewer columns") from error


@dataclass
class Sheet:
    """The sheet of a workbook, and the row that is written next."""

    workbook: Any
    changes: Changes
    row: int = 0

    def __post_init__(self) -> None:
        self.sheet = self.workbook.add_worksheet(SHEET)
        # What begins like a formula stays text also when somebody edits the cell.
        self.quoted = self.workbook.add_format({"quote_prefix": True})
        self.day = self.workbook.add_format({"num_format": "yyyy-mm-dd"})
        self.time = self.workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.head = self.workbook.add_format({"bold": True, "quote_prefix": True})

    def write_header(self, names: Sequence[str]) -> None:
        """Write the names of the columns into the first row, which stays on the screen."""
        self.sheet.freeze_panes(1, 0)
        self.sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        self.sheet.set_column(0, max(0, len(names) - 1), TEXT_WIDTH)
        for column, name in enumerate(names):
            self.sheet.write_string(0, column, self.fit(name), self.head)
        self.row = 1

    def write_rows(self, frame: pl.DataFrame) -> None:
        """Write the rows of a frame below those that are there; a missing value leaves its cell empty."""
        cells = [self.choose_cells(column) for column in frame.get_columns()]
        for place in range(frame.height):
            for column, (write, values) in enumerate(cells):
                if (value := values[place]) is not None:
                    write(self.row, column, value)
            self.row += 1

    def choose_cells(self, column: pl.Series) -> Cells:
        """Choose how the values of a column are written."""
        kind = column.dtype
        if isinstance(kind, pl.Boolean):
            return self.sheet.write_boolean, column.to_list()
        if kind.is_numeric():
            return (self.write_number if kind.is_float() else self.write_exact), column.to_list()
        # A day of Excel has no time zone, so one with a zone is text.
        if isinstance(kind, pl.Date) or (isinstance(kind, pl.Datetime) and kind.time_zone is None):
            return self.write_time, list_days(column)
        texts = column if is_plain(kind) else write_as_text(column)
        return self.write_text, pair_with_formula(texts)

    def write_text(self, row: int, column: int, value: tuple[str, bool]) -> None:
        """Write a text, which is never evaluated."""
        text, may_be_evaluated = value
        self.sheet.write_string(row, column, self.fit(text), self.quoted if may_be_evaluated else None)

    def fit(self, text: str) -> str:
        """Cut a text that is longer than a cell, and count it."""
        if not is_too_long(text):
            return text
        self.changes.cut += 1
        return cut_text(text)

    def write_number(self, row: int, column: int, value: float) -> None:
        """Write a number; what Excel has none for, as infinity, is written as text."""
        if math.isfinite(value):
            self.sheet.write_number(row, column, value)
        else:
            self.sheet.write_string(row, column, str(value))

    def write_exact(self, row: int, column: int, value: int | Decimal) -> None:
        """Write an integer or a decimal; one of more digits than Excel keeps is written as text, and counted."""
        if len(Decimal(value).as_tuple().digits) <= NUMBER_DIGITS:
            self.sheet.write_number(row, column, value)
        else:
            self.changes.long_numbers += 1
            self.sheet.write_string(row, column, f"{value:f}" if isinstance(value, Decimal) else str(value))

    def write_time(self, row: int, column: int, value: float | str) -> None:
        """Write a day as Excel counts it; one that it does not have is written as text."""
        if isinstance(value, str):
            self.sheet.write_string(row, column, value)
        else:
            self.sheet.write_number(row, column, value, self.day if isinstance(value, int) else self.time)


def list_days(column: pl.Series) -> list[Any]:
    """List dates and times as the days that Excel counts, whole for dates; as text where it counts none."""
    if isinstance(column.dtype, pl.Date):
        days = column.to_physical().cast(pl.Int64) + EPOCH_DAY
    else:
        days = column.dt.epoch("us") / DAY_US + EPOCH_DAY
    has_day = (days >= FIRST_DAY) & (days < LAST_DAY)
    if has_day.all():
        return days.to_list()
    texts = write_as_text(column).to_list()
    return [day if known else text for day, known, text in zip(days, has_day, texts, strict=True)]


def pair_with_formula(texts: pl.Series) -> list[tuple[str, bool] | None]:
    """List texts, each with whether a program might evaluate it; missing stays missing."""
    return [
        None if text is None else (text, bool(may_be_evaluated))
        for text, may_be_evaluated in zip(texts, is_formula(texts), strict=True)
    ]
