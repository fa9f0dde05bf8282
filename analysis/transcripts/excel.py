"""Read tables from workbooks of Excel."""

from __future__ import annotations

import zipfile
from io import BytesIO

import polars as pl

from analysis.errors import CallsError, show_names
from analysis.transcripts.sources import GET_AGAIN, ColumnNames, Source, read_bytes
from analysis.transcripts.unpacking import check_ratio

CUT = 32_767  # characters of a cell; Excel drops what is longer. Source: Excel specifications and limits


def read_excel(source: Source, _: ColumnNames) -> pl.DataFrame:
    """Read the first sheet of a workbook that has cells, and print which others are passed over."""
    import fastexcel

    content = read_bytes(source)
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            check_ratio(source.label, len(content), sum(info.file_size for info in archive.infolist()))
        book = fastexcel.read_excel(content)
        sheets = {name: book.load_sheet(name).to_polars() for name in book.sheet_names}
    except (fastexcel.FastExcelError, zipfile.BadZipFile, OSError, pl.exceptions.PolarsError) as error:
        # Without the cause: it may quote a cell.
        raise CallsError(source.label, f"cannot be read as a workbook ({type(error).__name__})", GET_AGAIN) from None
    filled = {name: sheet for name, sheet in sheets.items() if sheet.width}
    first, *others = filled or {"": pl.DataFrame()}
    if others:
        print(f"{source.label}: only the sheet {first} is read, not {show_names(others)}")
    return check_cells(source.label, filled.get(first, pl.DataFrame()))


def check_cells(label: str, sheet: pl.DataFrame) -> pl.DataFrame:
    """Print how many cells are as long as Excel lets them be: their texts may have been longer. Drop empty rows."""
    texts = sheet.select(pl.col(pl.String).str.len_chars() >= CUT)
    if cut := sum(column.sum() for column in texts):
        print(f"{label}: {cut} cells have {CUT:,} characters, where Excel cuts a text: their ends may be missing")
    return sheet.filter(~pl.all_horizontal(pl.all().is_null())) if sheet.width else sheet
