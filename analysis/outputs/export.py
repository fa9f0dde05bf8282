"""Export: answers in a file that other programs open, as CSV, as a workbook of Excel, or as Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from analysis.aws.storage import is_s3_uri
from analysis.columns import is_convertible, read_columns
from analysis.display import count
from analysis.errors import ColumnError, StorageError, show_name, show_path
from analysis.files import (
    check_path,
    explain_file_errors,
    flush_path,
    has_lone_surrogates,
    make_draft,
    replace_lone_surrogates,
    sweep_drafts,
)
from analysis.outputs.cells import MOST_COLUMNS, MOST_ROWS, Changes, guard_texts, is_plain, write_as_text
from analysis.outputs.workbook import write_workbook

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

CSV, XLSX, PARQUET = ENDS = (".csv", ".xlsx", ".parquet")
DRAFTS = "batchbook-export"  # what the names of unfinished exports begin with
ROWS_TOGETHER = 5_000  # whose texts are in memory at once
BOM = b"\xef\xbb\xbf"  # without it Excel takes CSV for the code page of its system


@dataclass(frozen=True, repr=False)
class Export:
    """What was written, and what of it is not as in the frame; printing it says so in sentences.

    Attributes
    ----------
    file
        Where it is.
    rows, columns, bytes
        How many answers and columns it has, and its size.
    changes
        How many cells are not as in the frame, by what was done to them.
    """

    file: Path
    rows: int
    columns: int
    bytes: int
    changes: Changes

    def __repr__(self) -> str:
        what = f"{count(self.rows, 'answer')}, {count(self.columns, 'column')}"
        return "\n".join([f"{show_path(self.file)}: {what}, {self.bytes:,} bytes.", *self.changes.describe()])


@explain_file_errors()
def write_answers(answers: IntoDataFrame | pl.LazyFrame, file: str | Path, *, replace: bool = False) -> Export:
    """Write answers to a file that others open: `.csv`, `.xlsx` or `.parquet`, as its name ends.

    What a spreadsheet cannot hold, or would evaluate, is changed as docs/export.md says, and the result counts it.
    Parquet has every column as it is. The file appears when it is complete.

    Parameters
    ----------
    answers
        One row per call, variant and sample, from `load_answers` or any function of answers, pandas or polars; or a
        LazyFrame, such as `scan_answers` returns, of which some thousand rows are in memory at a time. The index of
        pandas is not written.
    file
        A local path; its folder is made where it is missing. Whoever may use that folder can read it.
    replace
        Whether a file that is there is replaced.

    Returns
    -------
    export
        What was written, and how many cells were changed; printing it says so.

    Raises
    ------
    StorageError
        The file exists, or its name ends otherwise; or a workbook has no room for so many answers or columns.
    ColumnError
        It is no frame, or a column has values of several types.
    """
    path = check_target(file, replace=replace)
    changes = Changes()
    source = answers if isinstance(answers, pl.LazyFrame) else convert_frame(answers, changes)
    make_parents(path)
    sweep_drafts(path.parent, DRAFTS)
    with make_draft(path.parent, DRAFTS) as draft:
        unfinished = draft / f"export{path.suffix.lower()}"
        rows, columns = write_source(source, unfinished, path, changes)
        flush_path(unfinished)
        size = unfinished.stat().st_size
        check_target(path, replace=replace)  # another one may have come meanwhile
        unfinished.replace(path)
        flush_path(path.parent)
    return Export(path, rows, columns, size, changes)


def check_target(file: str | Path, *, replace: bool) -> Path:
    """Return the path of a file that may be written, or raise an error that says why it may not."""
    check_path(file)
    path = Path(file)
    if is_s3_uri(file):
        raise StorageError(file, "exports are local files", "write one, then `aws s3 cp` it")
    if path.suffix.lower() not in ENDS:
        raise StorageError(file, f"ends in none of {', '.join(ENDS)}", "give the file one of these ends")
    if path.is_dir():
        raise StorageError(file, "is a folder", "give another name")
    if path.exists() and not replace:
        raise StorageError(file, "is there already", "give another name, or replace it (replace=True, --replace)")
    return path


def make_parents(path: Path) -> None:
    """Make the folder of a file, as any program does: it is not a run's, which only its user may read."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(path.parent, "is no folder", "give another path") from error


def write_source(
    source: pl.DataFrame | pl.LazyFrame, unfinished: Path, target: Path, changes: Changes
) -> tuple[int, int]:
    """Write a frame to a file of the kind that its name says; return the number of rows and columns."""
    if isinstance(source, pl.LazyFrame) or unfinished.suffix == PARQUET:
        # A query is executed once, in constant memory; its rows are then read part by part.
        parquet = unfinished.with_suffix(PARQUET)
        source.lazy().sink_parquet(parquet, row_group_size=ROWS_TOGETHER)
        source = pl.scan_parquet(parquet, glob=False)
    names = source.collect_schema().names()
    rows = source.lazy().select(pl.len()).collect().item()
    if unfinished.suffix == XLSX:
        check_room(rows, len(names), target)
        write_workbook(names, slice_rows(source, rows), unfinished, changes)
    elif unfinished.suffix == CSV:
        write_csv(names, slice_rows(source, rows), unfinished, changes)
        changes.rows_beyond = max(0, rows + 1 - MOST_ROWS)
    return rows, len(names)


def slice_rows(source: pl.DataFrame | pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of a frame, some thousand at a time."""
    for start in range(0, rows, ROWS_TOGETHER):
        yield source.lazy().slice(start, ROWS_TOGETHER).collect()


def check_room(rows: int, columns: int, target: Path) -> None:
    """Raise where a sheet of Excel has fewer rows or columns than are needed."""
    for number, what, most in ((rows, "answers", MOST_ROWS - 1), (columns, "columns", MOST_COLUMNS)):
        if number > most:
            reason = f"{number:,} {what}, and a sheet of Excel has room for {most:,}"
            raise StorageError(target, reason, "write .csv or .parquet, or a part of them")


def write_csv(names: Sequence[str], frames: Iterable[pl.DataFrame], path: Path, changes: Changes) -> None:
    """Write frames below each other as CSV, UTF-8 with its mark, every text in quotes and missing values empty."""
    # A row of one empty cell would be a blank line, which readers pass over.
    empty = '""' if len(names) == 1 else ""
    head = guard_texts(pl.Series("name", names, pl.String), changes)
    with path.open("wb") as file:
        file.write(BOM)
        names_alone = pl.DataFrame([head.to_list()], orient="row")
        names_alone.write_csv(file, include_header=False, quote_style="non_numeric")
        for frame in frames:
            columns = [column if is_plain(column.dtype) else write_as_text(column) for column in frame.get_columns()]
            guarded = [guard_texts(column, changes) if column.dtype == pl.String else column for column in columns]
            pl.DataFrame(guarded).write_csv(file, include_header=False, quote_style="non_numeric", null_value=empty)


def convert_frame(answers: IntoDataFrame, changes: Changes) -> pl.DataFrame:
    """Convert a frame to polars; halves of surrogate pairs in its texts are replaced and counted.

    Raises
    ------
    ColumnError
        It is no frame, or a column cannot be converted.
    """
    frame = read_columns(answers, (), of="answers")
    if frame.implementation.is_polars():
        return frame.to_polars()
    names = [*map(str, frame.columns)]
    columns = [
        frame.select(name).to_polars().to_series() if is_convertible(frame, name) else mend_texts(frame[name], changes)
        for name in frame.columns
    ]
    return pl.DataFrame(dict(zip(names, columns, strict=True)))


def mend_texts(column: nw.Series[Any], changes: Changes) -> pl.Series:
    """Replace the halves of surrogate pairs in a column of pandas, which polars and UTF-8 cannot hold."""
    values = [None if is_missing(value) else value for value in column.to_list()]
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    if kinds != ["str"]:
        reason = f"column {show_name(column.name)!r} has values of the types {', '.join(kinds)}"
        raise ColumnError("answers", reason, "convert it to one type, or leave it out")
    changes.surrogates += sum(has_lone_surrogates(value) for value in values if value is not None)
    mended = [None if value is None else replace_lone_surrogates(value) for value in values]
    return pl.Series(column.name, mended, pl.String)


def is_missing(value: object) -> bool:
    """Return whether a value of a column of texts is one of those that pandas has for missing."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in {"NAType", "NaTType"}
