"""Tables: frames shown for reading, on screen, in a page and on paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame
from polars.selectors import temporal

from analysis.outputs import as_pandas

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
        shown = as_pandas(frame.with_columns(temporal().cast(pl.String)))
        is_text = [dtype == "str" for dtype in shown.dtypes]
        left = ", ".join(f".col{position}" for position, text in enumerate(is_text) if text)
        # The same columns give the same id, so a page is the same in every run and tables do not style each other.
        identity = sha256("\n".join(shown.columns).encode()).hexdigest()[:8]
        styler = Styler(shown, uuid=identity, cell_ids=False, thousands=",", na_rep=MISSING, escape="html")
        styler.format(format_of(frame), thousands=",", na_rep=MISSING, escape="html")
        styler.format_index(escape="html", axis="columns")
        styler.hide(axis="index").set_table_styles([{"selector": left or ".none", "props": LEFT}])
        return str(styler.to_html())


def format_of(frame: pl.DataFrame) -> dict[str, Callable[[float], str]]:
    """Say how to write the fractions of a frame: shares as percents, all else with the digits that matter."""
    fractions = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    return {name: write_share if "share" in name else write_fraction for name in fractions}


def write_share(share: float) -> str:
    """Write a share, 0 to 1, as a percent."""
    return f"{share:.1%}"


def write_fraction(number: float) -> str:
    """Write two digits behind the point, or four that are not 0."""
    return f"{number:,.2f}" if abs(number) >= 1 or number == 0 else f"{number:.4g}"


def show_table(frame: IntoDataFrame) -> Table:
    """Show a frame for reading: texts whole and to the left, thousands apart, what is missing as a dash, all escaped.

    Parameters
    ----------
    frame
        pandas or polars. It is shown whole, so take its head when it is long.
    """
    return Table(frame)
