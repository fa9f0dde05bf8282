"""Rater: people rate answers one by one, or two side by side, and are not told whose they are."""

from __future__ import annotations

from typing import Any

import anywidget
import polars as pl
import traitlets
from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.comparison.beside_calls import read_answers, write_box
from analysis.comparison.side_by_side import mark
from analysis.display import count
from analysis.errors import AnalysisError
from analysis.judging.ratings import PLANNED, TIE, Rating, add_ratings, check_rater, read_ratings, write_rating
from analysis.runs.folder import RunSource, open_run
from analysis.runs.ratings import find_ratings
from analysis.widgets.pages import PROBLEMS, describe, read_script, read_style

FIRST, SECOND = "first", "second"
NONE: dict[str, str] = {"choice": "", "comment": ""}


class AnswerRater(anywidget.AnyWidget):
    """Shows one answer or pair at a time; which variants they are of is never sent to the page.

    Attributes
    ----------
    call, texts
        HTML of the call, and of the answer or of two, with all texts escaped.
    scale
        The lowest and the highest score; empty for pairs.
    position, total
        What is shown, from 0, and how many there are to rate; the position is the total where all is rated.
    given
        What the page sends: `position`, `choice` (a score as text; of a pair `first`, `second` or `tie`) and `comment`.
    said
        What the rater said before of what is shown: `choice` and `comment`.
    told, problem
        How far the rater is, and why a rating could not be written.
    """

    _esm = read_script("rater")
    _css = read_style()
    call = traitlets.Unicode().tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    scale = traitlets.List(traitlets.Int()).tag(sync=True)
    position = traitlets.Int().tag(sync=True)
    total = traitlets.Int().tag(sync=True)
    given = traitlets.Dict().tag(sync=True)
    said = traitlets.Dict(NONE).tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)

    def __init__(self, planned: pl.DataFrame, answers: pl.DataFrame, write: Any, scale: list[int]) -> None:
        self.planned, self.write = planned, write
        self.answers = {(row["call_id"], row["variant"], row["sample"]): row for row in answers.iter_rows(named=True)}
        self.ratings = {
            place: read_said(row) for place, row in enumerate(planned.iter_rows(named=True)) if is_rated(row)
        }
        super().__init__(scale=scale, total=len(planned))
        self.position = self.find_next(0)
        self.observe(self.show, "position")
        self.observe(self.take, "given")
        self.show()

    def find_next(self, start: int) -> int:
        """Find what is not rated yet, from a place on and then from the beginning; the total where all is."""
        places = [*range(start, self.total), *range(start)]
        return next((place for place in places if place not in self.ratings), self.total)

    def take(self, _: Any = None) -> None:
        """Write what was given, unless it was meant for another answer, and go on."""
        if self.given.get("position") != self.position or not 0 <= self.position < self.total:
            return
        choice, comment = str(self.given.get("choice", "")), str(self.given.get("comment", ""))
        try:
            self.write(self.planned.row(self.position, named=True), choice, comment)
        except PROBLEMS as error:
            self.problem = describe(error)
            return
        self.ratings[self.position] = {"choice": choice, "comment": comment}
        self.problem = ""
        self.position = self.find_next(self.position + 1)

    def show(self, _: Any = None) -> None:
        """Show what is at the position."""
        self.position = max(0, min(self.position, self.total))
        with self.hold_sync():
            is_end = self.position == self.total
            noun = "answer" if self.scale else "pair"
            done = f"{len(self.ratings):,} of {count(self.total, noun)} rated"
            self.told = f"{done}." if is_end else f"{noun.capitalize()} {self.position + 1:,}; {done}."
            self.said = self.ratings.get(self.position, NONE)
            self.call, self.texts = ("", []) if is_end else self.write_texts()

    def write_texts(self) -> tuple[str, list[str]]:
        """Write the call and the answers as HTML."""
        row = self.planned.row(self.position, named=True)
        names = [row["variant"]] if self.scale else [row["variant"], row["other_variant"]]
        titles = ["Answer"] if self.scale else ["First answer", "Second answer"]
        found = [self.answers.get((row["call_id"], name, row["sample"]), {}) for name in names]
        said = next((answer["transcript"] for answer in found if answer), None)
        texts = [
            write_box(title, mark(answer.get("text"), [], [])) for title, answer in zip(titles, found, strict=True)
        ]
        return write_box("Call", mark(said, [], [])), texts


def rate_answers(
    answers: IntoDataFrame, planned: IntoDataFrame, *, run: RunSource, rater: str, scale: tuple[int, int] = (1, 5)
) -> AnswerRater:
    """Rate answers in JupyterLab by keys, without being told whose they are; goes on where the rater stopped.

    Parameters
    ----------
    answers
        One row per answer: `call_id`, `variant`, `text` and, where they are there, `sample` and `transcript` are read.
    planned
        From `plan_ratings` or `plan_disagreements`: what to rate, in its order. With the same one, which its seed
        makes, several raters rate the same answers.
    run
        The run, its folder or name: each rating is written there at once, and `load_ratings(run)` loads it.
    rater
        Who rates: small letters, digits and `-`.
    scale
        The lowest and the highest score, 0 to 9; pairs have none.

    Returns
    -------
    widget
        Without a kernel nothing of it is shown: `load_ratings(run)` is what is left on paper.

    Raises
    ------
    AnalysisError
        The rater's name cannot name a file, the scale is none, or the plan mixes answers and pairs.
    """
    check_rater(rater)
    low, high = scale
    if not 0 <= low < high <= 9:
        raise AnalysisError("scale", f"{low} to {high} is not a scale", "give two digits, the lowest first: (1, 5)")
    rows = read_columns(planned, PLANNED, of="planned").select(*PLANNED).to_polars()
    rows = rows.with_columns(pl.col("sample").cast(pl.Int16), pl.col("other_variant").cast(pl.String))
    pairs = rows["other_variant"].is_not_null()
    if pairs.n_unique() > 1:
        raise AnalysisError("planned", "has answers and pairs", "rate them one after the other")
    folder = find_ratings(open_run(run))

    def write(row: dict[str, Any], choice: str, comment: str) -> None:
        write_rating(folder, make_rating(row, choice, comment, rater, scale))

    known = add_ratings(rows, read_ratings(folder), rater)
    return AnswerRater(known, read_answers(answers), write, [] if pairs.any() else [low, high])


def make_rating(row: dict[str, Any], choice: str, comment: str, rater: str, scale: tuple[int, int]) -> Rating:
    """Make a rating of what was chosen."""
    about = {name: row[name] for name in PLANNED} | {"rater": rater, "comment": comment}
    if row["other_variant"] is not None:
        names = {FIRST: row["variant"], SECOND: row["other_variant"], TIE: TIE}
        return Rating(**about, preferred=names.get(choice))
    if not choice.isdecimal() or not scale[0] <= int(choice) <= scale[1]:
        raise AnalysisError("score", f"{choice!r} is not on the scale", f"give {scale[0]} to {scale[1]}")
    return Rating(**about, score=float(choice))


def is_rated(row: dict[str, Any]) -> bool:
    """Return whether a row of a plan has been rated."""
    return row["score"] is not None or row["preferred"] is not None


def read_said(row: dict[str, Any]) -> dict[str, str]:
    """Return what was chosen of a row that has been rated, as the page shows it."""
    names = {row["variant"]: FIRST, row["other_variant"]: SECOND, TIE: TIE}
    choice = f"{row['score']:g}" if row["score"] is not None else names[row["preferred"]]
    return {"choice": choice, "comment": row["comment"] or ""}
