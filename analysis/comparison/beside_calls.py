"""Answers beside their calls: a call and all answers to it, with what differs and what the call does not say."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.comparison.side_by_side import NEEDED, TEXT_STYLE, clean, find_own_words, mark
from analysis.display import NO_FORMULAS, count

READ = (*NEEDED, "sample", "transcript", "stop", "error_kind", "error_message", "unmet")
CLAIMED = ("call_id", "variant", "sample", "begin", "end", "nearest")
MOST_CALLS = 100  # on one page
COLUMN = "minmax(16em, 1fr)"
GRID = "display: grid; gap: 1em; text-align: left; margin-bottom: 1.5em; overflow-x: auto"
FOUND = "border-left: 4px solid #0072b2; padding-left: 0.5em"
Claims = dict[tuple[str, int], list[tuple[int, int, str | None]]]


@dataclass(frozen=True, repr=False)
class BesideCalls:
    """Calls that a notebook shows beside their answers; `pages` has the HTML of each, with all texts escaped."""

    pages: list[str]
    calls: int

    def __repr__(self) -> str:
        return f"{count(len(self.pages), 'call')} of {self.calls:,} with their answers, which a notebook shows"

    def _repr_html_(self) -> str:
        more = self.calls - len(self.pages)
        rest = f"<p>and {count(more, 'other call')}</p>" if more else ""
        return f'<div class="{NO_FORMULAS}">{"".join(self.pages)}{rest}</div>'


def show_answers(answers: IntoDataFrame, claims: IntoDataFrame | None = None) -> BesideCalls:
    """Show calls beside all answers to them: words that an answer does not share with the first are marked.

    Parameters
    ----------
    answers
        One row per answer: `call_id`, `variant`, `text` and, where they are there, `sample`, `transcript`, `stop`,
        `error_message` and `unmet` are read. The first 100 calls are shown: pass those that you have picked.
    claims
        From `find_unsupported_claims`: marked where they stand, and in the call what it says instead.

    Returns
    -------
    page
        Shown by a notebook. All texts are escaped; long ones are cut at 6,000 characters. `browse_answers` of
        `analysis.widgets` shows the same, call by call.
    """
    frame = read_answers(answers)
    calls = frame["call_id"].unique(maintain_order=True)
    shown = frame.filter(pl.col("call_id").is_in(calls.head(MOST_CALLS).implode()))
    listed = read_claims(claims)
    pages = [write_call(rows.to_dicts(), find_claims(listed, rows["call_id"][0])) for rows in split_by_call(shown)]
    return BesideCalls(pages, len(calls))


def read_answers(answers: IntoDataFrame) -> pl.DataFrame:
    """Read the columns of answers that a page shows; those that are not there are missing."""
    frame = read_columns(answers, NEEDED, of="answers")
    known = frame.select([name for name in READ if name in frame.columns]).to_polars()
    others = {name: pl.lit(None, pl.String) for name in READ if name not in known.columns}
    sample = {"sample": pl.lit(1, pl.Int64)} if "sample" in others else {}
    return known.with_columns(**others | sample).select(READ)


def read_claims(claims: IntoDataFrame | None) -> pl.DataFrame:
    """Read where claims stand; no rows without any."""
    if claims is None:
        return pl.DataFrame(schema=dict.fromkeys(CLAIMED, pl.String))
    return read_columns(claims, CLAIMED, of="claims").select(*CLAIMED).to_polars()


def find_claims(claims: pl.DataFrame, call_id: str) -> Claims:
    """Find the claims of the answers to one call, by variant and sample."""
    found: Claims = {}
    for _, variant, sample, *place in claims.filter(pl.col("call_id") == call_id).iter_rows():
        found.setdefault((variant, sample), []).append((place[0], place[1], place[2]))
    return found


def split_by_call(answers: pl.DataFrame) -> list[pl.DataFrame]:
    """Divide answers into those of each call, in the order of the calls."""
    return answers.partition_by("call_id", maintain_order=True)


def write_call(answers: Sequence[dict[str, Any]], claims: Claims, found: Collection[int] | None = None) -> str:
    """Write a call and its answers as HTML; a bar stands beside the answers that were `found`, by their places."""
    transcript = next((row["transcript"] for row in answers if row["transcript"]), None)
    boxes = [write_box(f"call {clean(answers[0]['call_id'])}", mark(transcript, [], [], find_said(transcript, claims)))]
    for place, row in enumerate(answers):
        said = claims.get((row["variant"], row["sample"]), [])
        marked = mark(row["text"], find_own(answers, place), [(begin, end) for begin, end, _ in said])
        style = FOUND if found and place in found else ""
        boxes.append(write_box(clean(describe_answer(row, answers)), marked + write_error(row), style))
    columns = f"grid-template-columns: repeat({len(boxes)}, {COLUMN})"
    return f'<div style="{GRID}; {columns}">{"".join(boxes)}</div>'


def write_box(title: str, content: str, style: str = "") -> str:
    """Write a text under its title, both escaped before; whoever has no mouse scrolls it while it has the focus."""
    text = f'<div style="{TEXT_STYLE}" tabindex="0" role="group" aria-label="{title}">{content}</div>'
    return f'<div style="{style}"><strong>{title}</strong>{text}</div>'


def write_error(row: dict[str, Any]) -> str:
    """Write the error of an answer, if it has one, as HTML."""
    return f"<p>{clean(row['error_message'])}</p>" if row["error_message"] else ""


def describe_answer(row: dict[str, Any], answers: Sequence[dict[str, Any]]) -> str:
    """Describe an answer: its variant, which of several it is, how it ended, its length, and what it does not meet."""
    told = [str(row["variant"])]
    told += [f"sample {row['sample']}"] if any(other["sample"] != row["sample"] for other in answers) else []
    told += [row["stop"] or row["error_kind"]] if row["stop"] or row["error_kind"] else []
    told += [count(len(row["text"].split()), "word")] if row["text"] is not None else []
    told += [row["unmet"]] if row["unmet"] else []
    return " · ".join(told)


def find_own(answers: Sequence[dict[str, Any]], place: int) -> list[tuple[int, int]]:
    """Find the words that an answer does not share with the first; of two both show what they alone have."""
    texts = [row["text"] or "" for row in answers]
    if place:
        return find_own_words(texts[0], texts[place])[1] if texts[0] else []
    return find_own_words(texts[0], texts[1])[0] if len(texts) == 2 and texts[1] else []


def find_said(transcript: str | None, claims: Claims) -> list[tuple[int, int]]:
    """Find where a call says what stands nearest to claims that it does not support."""
    said = {nearest for places in claims.values() for *_, nearest in places if nearest}
    if not transcript or not said:
        return []
    pattern = "|".join(map(re.escape, sorted(said, key=len, reverse=True)))
    return [found.span() for found in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", transcript, re.IGNORECASE)]
