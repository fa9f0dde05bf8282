"""Tables: frames shown for reading, on screen, in a page and on paper."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame
from polars.selectors import date, datetime

from analysis.columns import as_pandas

MISSING = "\N{EN DASH}"
LEFT = "text-align: left; white-space: pre-wrap"


@dataclass(frozen=True, repr=False)
class Table:
    """A frame to look at; what it holds is in `frame`."""

    frame: IntoDataFrame

    def __repr__(self) -> str:
        return repr(self.frame)

    def _repr_html_(self) -> str:
        from pandas.io.formats.style import Styler

        frame = nw.from_native(self.frame, eager_only=True).to_polars()
        shown = as_pandas(frame.with_columns(datetime().dt.to_string("%Y-%m-%d %H:%M"), date().cast(pl.String)))
        is_text = [dtype == "str" for dtype in shown.dtypes]
        left = ", ".join(f".col{position}" for position, text in enumerate(is_text) if text)
        # The same columns give the same id, so a page is the same in every run and tables do not style each other.
        identity = sha256("\n".join(shown.columns).encode()).hexdigest()[:8]
        styler = Styler(shown, uuid=identity, cell_ids=False, thousands=",", na_rep=MISSING, escape="html")
        styler.format(format_of(frame), thousands=",", na_rep=MISSING, escape="html")
        styler.format_index(escape="html", axis="columns")
        styler.hide(axis="index").set_table_styles([{"selector": left or ".none", "props": LEFT}])
        return str(styler.to_html())


def format_of(frame: pl.DataFrame) -> dict[str, str]:
    """Say how to write the fractions of a frame: shares as percents, all else by the size of its column."""
    fractions = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    return {name: "{:.1%}" if "share" in name else f"{{:,.{count_digits(frame[name])}f}}" for name in fractions}


def count_digits(numbers: pl.Series) -> int:
    """Choose how many digits stand behind the point: as many in all rows, so that they can be compared."""
    largest = numbers.abs().max()
    if not isinstance(largest, float) or largest >= 1 or largest == 0:
        return 2
    return 4 if largest >= 0.01 else 6


def show_table(frame: IntoDataFrame) -> Table:
    """Show a frame for reading: texts whole and to the left, thousands apart, what is missing as a dash, all escaped.

    Parameters
    ----------
    frame
        pandas or polars. It is shown whole, so take its head when it is long.
    """
    return Table(frame)


def count(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def usd(value: float | None) -> str:
    """Write a cost with as many digits as a small one needs, which is not 0."""
    if value is None:
        return "unknown"
    digits = 2 if value >= 0.01 or value == 0 else 4 if value >= 0.0001 else 6
    return f"{value:,.{digits}f} USD"
