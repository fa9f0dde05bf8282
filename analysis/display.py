"""Display: tables, counts and amounts as people read them, in a notebook, on a page and in print."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from html import escape

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame
from polars.selectors import date, datetime

from analysis.columns import as_pandas, read_columns
from analysis.errors import CONTROLS, escape_controls, needs_extra

MISSING = "\N{EN DASH}"
LEFT = "text-align: left; white-space: pre-wrap"
# MathJax 3 (JupyterLab) and 2 (pages of nbconvert) leave an element of such a class alone; otherwise they show the
# words between two dollar amounts as a formula.
NO_FORMULAS = "mathjax_ignore tex2jax_ignore"


@dataclass(frozen=True, repr=False)
class Table:
    """A frame that a notebook shows as a formatted table, and a terminal as text that cannot command it."""

    frame: IntoDataFrame
    empty: str = ""

    def __repr__(self) -> str:
        return self.empty if self.is_replaced else escape_controls(repr(self.frame))

    @property
    def is_replaced(self) -> bool:
        """Whether a sentence is shown, since the frame has no rows."""
        return bool(self.empty) and not len(nw.from_native(self.frame, eager_only=True))

    def _repr_html_(self) -> str:
        if self.is_replaced:
            return f"<p>{escape(self.empty)}</p>"
        with needs_extra("notebooks", "show_table"):
            from pandas.io.formats.style import Styler

        frame = escape_texts(nw.from_native(self.frame, eager_only=True).to_polars())
        shown = as_pandas(frame.with_columns(datetime().dt.to_string("%Y-%m-%d %H:%M"), date().cast(pl.String)))
        is_text = [dtype == "str" for dtype in shown.dtypes]
        left = ", ".join(f".col{position}" for position, text in enumerate(is_text) if text)
        # The same columns give the same id, so a page is the same in every run and tables do not style each other.
        identity = sha256("\n".join(shown.columns).encode()).hexdigest()[:8]
        styler = Styler(shown, uuid=identity, cell_ids=False, thousands=",", na_rep=MISSING, escape="html")
        styler.format(choose_formats(frame), thousands=",", na_rep=MISSING, escape="html")
        styler.format_index(escape="html", axis="columns")
        styler.set_table_attributes(f'class="{NO_FORMULAS}"')
        styler.hide(axis="index").set_table_styles([{"selector": left or ".none", "props": LEFT}])
        return str(styler.to_html())


def escape_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Escape the controls in texts and in names of columns; lists are shown by `repr`, which escapes them anyway."""
    texts = [column for column in frame.select(pl.col(pl.String)) if column.str.contains(f"[{CONTROLS}]").any()]
    escaped = [column.map_elements(escape_controls, return_dtype=pl.String) for column in texts]
    return frame.with_columns(escaped).rename(escape_controls)


def choose_formats(frame: pl.DataFrame) -> dict[str, str]:
    """Return a format for each float column: shares as percentages, others by the size of their values."""
    fractions = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    return {name: "{:.1%}" if "share" in name else f"{{:,.{count_digits(frame[name])}f}}" for name in fractions}


def count_digits(numbers: pl.Series) -> int:
    """Return the number of decimals of a column, the same in all rows so that they can be compared."""
    largest = numbers.abs().max()
    if not isinstance(largest, float) or largest >= 1 or largest == 0:
        return 2
    return 4 if largest >= 0.01 else 6


def format_table(frame: pl.DataFrame) -> str:
    """Format a frame as lines of text, with all rows and columns and no types; what is missing is a dash."""
    texts = frame.with_columns(datetime().dt.to_string("%Y-%m-%d %H:%M")).cast(pl.String).fill_null(MISSING)
    texts = texts.with_columns(pl.all().str.replace_all(r"\s", " "))
    columns = [
        [text.rjust(width) if dtype.is_numeric() else text.ljust(width) for text in cells]
        for cells, dtype in zip(([column.name, *column] for column in texts), frame.dtypes, strict=True)
        for width in [max(map(len, cells))]
    ]
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def show_table(frame: IntoDataFrame, *, empty: str = "") -> Table:
    """Format a frame as a table: texts complete and left-aligned, thousands separated, missing as a dash, all escaped.

    In a terminal, `print(show_table(frame))` writes the frame as text, and escapes what a terminal would obey: texts
    of calls and answers can hold such sequences, which `print(frame)` of polars and pandas passes on.

    In JupyterLab, a cell that ends in a frame shows the words between two dollar amounts of a text as a formula; a
    cell that ends in `show_table(frame)` shows the text.

    Parameters
    ----------
    frame
        pandas or polars. All rows are shown, so pass the head of a long one.
    empty
        The sentence that is shown in place of a table without rows; without it the columns are shown.

    Raises
    ------
    ColumnError
        It is no frame, or one of another kind.
    """
    read_columns(frame, (), of="show_table")
    return Table(frame, empty)


def count(number: int, noun: str) -> str:
    """Format a number with its noun, as `1 record` or `1,200 records`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def usd(value: float | None) -> str:
    """Format a cost in USD, with more decimals for a small one, so that it does not read 0.00."""
    if value is None:
        return "unknown"
    digits = 2 if value >= 0.01 or value == 0 else 4 if value >= 0.0001 else 6
    return f"{value:,.{digits}f} USD"
