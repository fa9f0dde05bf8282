"""Browser of answers: pick calls by what their answers are like, and read them one by one."""

from __future__ import annotations

from typing import Any

import anywidget
import polars as pl
import traitlets
from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.comparison.beside_calls import find_claims, read_answers, read_claims, write_call
from analysis.display import count
from analysis.widgets.pages import read_script, read_style

FILTERS = ("variant", "stop", "error", "words_low", "words_high", "unsupported", "search")
NO_ERROR = "none"


class AnswerBrowser(anywidget.AnyWidget):
    """Shows one call and its answers at a time; nothing else is sent to the page.

    Attributes
    ----------
    variant, stop, error
        Calls with such an answer are shown; empty for any. `error` is a kind of error, or `none`.
    words_low, words_high
        The fewest and the most words of such an answer; None for any.
    unsupported
        Whether such an answer has a claim that its call does not support.
    search
        A text that the call or such an answer has, in small letters or capitals.
    calls
        The number of calls that are picked.
    position
        Which of them is shown, from 0.
    page, told
        What is shown, as HTML with all texts escaped, and how many calls there are.
    """

    _esm = read_script("browser")
    _css = read_style()
    choices = traitlets.Dict().tag(sync=True)
    variant = traitlets.Unicode().tag(sync=True)
    stop = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    words_low = traitlets.Int(None, allow_none=True).tag(sync=True)
    words_high = traitlets.Int(None, allow_none=True).tag(sync=True)
    unsupported = traitlets.Bool().tag(sync=True)
    search = traitlets.Unicode().tag(sync=True)
    calls = traitlets.Int().tag(sync=True)
    position = traitlets.Int().tag(sync=True)
    page = traitlets.Unicode().tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)

    def __init__(self, answers: pl.DataFrame, claims: pl.DataFrame) -> None:
        self.answers, self.claims = answers, claims
        self.picked: dict[str, list[int]] = {}
        super().__init__(choices=list_choices(answers))
        self.observe(self.pick, FILTERS)
        self.observe(self.show, "position")
        self.pick()

    def pick(self, _: Any = None) -> None:
        """Pick the calls by the filters, and show the first."""
        filters = {name: getattr(self, name) for name in FILTERS}
        rows = self.answers.filter(build_filter(**filters))
        picked = rows.group_by("call_id", maintain_order=True).agg("place")
        with self.hold_sync(), self.hold_trait_notifications():
            self.picked = dict(picked.iter_rows())
            self.calls, self.position = len(picked), 0
        self.show()

    def show(self, _: Any = None) -> None:
        """Write the page of the call that is chosen; without a call it says so."""
        with self.hold_sync():
            self.position = max(0, min(self.position, self.calls - 1))
            self.told = f"Call {self.position + 1:,} of {self.calls:,}" if self.calls else "No answer is like that."
            self.page = self.write() if self.calls else ""

    def write(self) -> str:
        """Write the chosen call as HTML."""
        call_id = list(self.picked)[self.position]
        rows = self.answers.filter(pl.col("call_id") == call_id)
        found = [place for place, row in enumerate(rows["place"]) if row in self.picked[call_id]]
        some = found if len(found) < len(rows) else None  # a bar beside all would tell nothing
        return write_call(rows.to_dicts(), find_claims(self.claims, call_id), some)


def browse_answers(answers: IntoDataFrame, claims: IntoDataFrame | None = None) -> AnswerBrowser:
    """Read answers call by call in JupyterLab: pick calls by what their answers are like, go on by the arrow keys.

    Parameters
    ----------
    answers
        One row per answer: `call_id`, `variant` and `text` are read, and what else `show_answers` reads.
    claims
        From `find_unsupported_claims(answers)`: marked in the answer and, what the call says instead, in the call.

    Returns
    -------
    widget
        Without a kernel nothing of it is shown: `show_answers(answers, claims)` is the same on paper.
    """
    read_columns(answers, (), of="answers")
    listed = read_claims(claims)
    return AnswerBrowser(add_filtered(read_answers(answers), listed), listed)


def add_filtered(answers: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
    """Add what the filters read: the place of the row, its words, and whether it has an unsupported claim."""
    keys = ["call_id", "variant", "sample"]
    known = claims.select(pl.col(key).cast(answers.schema[key]) for key in keys).unique()
    known = known.with_columns(unsupported=True)
    words = pl.col("text").str.count_matches(r"\S+").cast(pl.Int64)
    joined = answers.with_row_index("place").join(known, on=keys, how="left", maintain_order="left")
    return joined.with_columns(words=words, unsupported=pl.col("unsupported").fill_null(value=False))


def list_choices(answers: pl.DataFrame) -> dict[str, Any]:
    """List what can be chosen: each value with the number of answers that have it; none where all have the same."""
    columns = {"variant": pl.col("variant"), "stop": pl.col("stop"), "error": pl.col("error_kind").fill_null(NO_ERROR)}
    choices = {name: count_values(answers.select(value=column)) for name, column in columns.items()}
    return {**choices, "unsupported": bool(answers["unsupported"].any())}


def count_values(values: pl.DataFrame) -> list[tuple[str, str]]:
    """Return each value, and a text of it with its count, the most frequent first."""
    counts = values.drop_nulls().group_by("value").len().sort("len", "value", descending=[True, False])
    listed = [(value, f"{value} ({count(number, 'answer')})") for value, number in counts.iter_rows()]
    return listed if len(listed) > 1 else []


def build_filter(
    *,
    variant: str,
    stop: str,
    error: str,
    words_low: int | None,
    words_high: int | None,
    unsupported: bool,
    search: str,
) -> pl.Expr:
    """Build the condition that an answer meets."""
    texts = [pl.col(name).str.contains(f"(?i){escape_pattern(search)}") for name in ("text", "transcript")]
    conditions = [
        pl.col("variant") == variant if variant else None,
        pl.col("stop") == stop if stop else None,
        pl.col("error_kind").fill_null(NO_ERROR) == error if error else None,
        pl.col("words") >= words_low if words_low is not None else None,
        pl.col("words") <= words_high if words_high is not None else None,
        pl.col("unsupported") if unsupported else None,
        pl.any_horizontal(*texts) if search else None,
    ]
    return pl.all_horizontal(pl.lit(value=True), *(one for one in conditions if one is not None))


def escape_pattern(text: str) -> str:
    """Escape a text for a regular expression of polars."""
    return "".join(f"\\x{{{ord(char):x}}}" if not char.isalnum() else char for char in text)
