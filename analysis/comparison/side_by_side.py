"""Side by side: answers of two variants to the same call as a page, with what differs marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from itertools import groupby
from typing import Any

from narwhals.typing import IntoDataFrame

from analysis.columns import read_columns
from analysis.display import NO_FORMULAS, count
from analysis.errors import escape_controls

PAIR = ("call_id", "variant", "baseline")
NEEDED = ("call_id", "variant", "text")
NAMES = ("baseline", "variant")  # from left to right
MOST_WORDS = 1500  # of two answers, beyond which they are not compared word by word
MOST_CHARS = 6000  # of a text that are shown
NO_TEXT = "no answer"
GRID = "display: grid; grid-template-columns: repeat(3, 1fr); gap: 1em; text-align: left; margin-bottom: 1.5em"
TEXT_STYLE = "white-space: pre-wrap; overflow-wrap: anywhere; max-height: 28em; overflow: auto"
OWN, CLAIM, NEAR = 1, 2, 3  # what one answer alone says, what the call does not say, and what it says instead
# Of the palette of the plots. Black, since JupyterLab may be dark and these grounds are not.
CLAIM_STYLE = "background: #fbdcc8; color: #000; border-bottom: 2px"
MARKS = {
    0: "{}",
    OWN: '<mark style="background: #d9eefa; color: #000">{}</mark>',
    CLAIM: f'<mark style="{CLAIM_STYLE} solid #d55e00" title="not in the call">{{}}</mark>',
    NEAR: f'<mark style="{CLAIM_STYLE} dotted #d55e00" title="an answer says something else">{{}}</mark>',
}


@dataclass(frozen=True, repr=False)
class SideBySide:
    """Pairs of answers that a notebook shows beside each other, with their call."""

    pairs: list[dict[str, Any]]

    def __repr__(self) -> str:
        return f"{count(len(self.pairs), 'pair')} of answers, which a notebook shows side by side"

    def _repr_html_(self) -> str:
        return f'<div class="{NO_FORMULAS}">{"".join(map(write_pair, self.pairs))}</div>'


def show_pairs(answers: IntoDataFrame, pairs: IntoDataFrame, claims: IntoDataFrame | None = None) -> SideBySide:
    """Show answers of two variants side by side: words that one of them alone has are marked.

    Parameters
    ----------
    answers
        One row per answer: `call_id`, `variant`, `text` and, where they are there, `transcript` and `sample` are read;
        of several samples the first is shown.
    pairs
        One row per pair to show: `call_id`, `variant`, `baseline` and, where they are there, `metric` and `change` are
        read; `list_flips` gives them.
    claims
        From `find_unsupported_claims`: marked where they stand.

    Returns
    -------
    page
        Shown by a notebook. All texts are escaped; long ones are cut at 6,000 characters.
    """
    texts = read_answers(answers)
    marked = {} if claims is None else read_claims(claims)
    wanted = read_columns(pairs, PAIR, of="pairs").to_polars()
    return SideBySide([collect_pair(row, texts, marked) for row in wanted.iter_rows(named=True)])


def read_answers(answers: IntoDataFrame) -> dict[tuple[Any, str], dict[str, Any]]:
    """Read the first sample of each call and variant."""
    frame = read_columns(answers, NEEDED, of="answers")
    names = [*NEEDED, *(name for name in ("transcript", "sample") if name in frame.columns)]
    rows = frame.select(names).to_polars()
    if "sample" in names:
        rows = rows.sort("sample", maintain_order=True)
    return {(row["call_id"], row["variant"]): row for row in rows.reverse().iter_rows(named=True)}


def read_claims(claims: IntoDataFrame) -> dict[tuple[Any, str, Any], list[tuple[int, int]]]:
    """Read the places of claims by answer."""
    names = ("call_id", "variant", "sample", "begin", "end")
    places: dict[tuple[Any, str, Any], list[tuple[int, int]]] = {}
    for row in read_columns(claims, names, of="claims").select(*names).to_polars().iter_rows():
        places.setdefault(row[:3], []).append(row[3:])
    return places


def collect_pair(
    pair: dict[str, Any],
    answers: dict[tuple[Any, str], dict[str, Any]],
    claims: dict[tuple[Any, str, Any], list[tuple[int, int]]],
) -> dict[str, Any]:
    """Collect what is shown of a pair of answers."""
    both = [answers.get((pair["call_id"], pair[name]), {}) for name in NAMES]
    shown = [answer.get("text") for answer in both]
    own = find_own_words(*(text or "" for text in shown))
    keys = [(pair["call_id"], pair[name], answer.get("sample")) for name, answer in zip(NAMES, both, strict=True)]
    return {
        "call_id": pair["call_id"],
        "names": [pair[name] for name in NAMES],
        "why": [pair[name] for name in ("metric", "change") if pair.get(name)],
        "transcript": next((answer["transcript"] for answer in both if answer.get("transcript")), None),
        "texts": shown,
        "own": own,
        "claims": [claims.get(key, []) for key in keys],
    }


def find_own_words(one: str, other: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Find the places of the words that each of two texts has and the other has not."""
    places = [list(find_words(text)) for text in (one, other)]
    if sum(map(len, places)) > MOST_WORDS:
        return [], []
    words = [
        [text[begin:end].casefold() for begin, end in some] for text, some in zip((one, other), places, strict=True)
    ]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    changed = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    first = [join_places(places[0][begin:end]) for _, begin, end, _, _ in changed if begin < end]
    second = [join_places(places[1][begin:end]) for _, _, _, begin, end in changed if begin < end]
    return first, second


def find_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each word begins and ends, divided at white space."""
    begin = 0
    for word in text.split():
        begin = text.index(word, begin)
        yield begin, begin + len(word)
        begin += len(word)


def join_places(places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Join places that follow each other."""
    return places[0][0], places[-1][1]


def write_pair(pair: dict[str, Any]) -> str:
    """Write a pair of answers and their call as HTML."""
    why = f" ({', '.join(map(clean, pair['why']))})" if pair["why"] else ""
    call = write_box(f"call {clean(pair['call_id'])}{why}", mark(pair["transcript"], [], []))
    boxes = [
        write_box(clean(name), mark(text, own, claims))
        for name, text, own, claims in zip(pair["names"], pair["texts"], pair["own"], pair["claims"], strict=True)
    ]
    return f'<div style="{GRID}">{call}{"".join(boxes)}</div>'


def write_box(title: str, content: str) -> str:
    """Write a text under its title, both escaped before."""
    # Whoever has no mouse can scroll only what can have the focus.
    return f'<div><strong>{title}</strong><div style="{TEXT_STYLE}" tabindex="0">{content}</div></div>'


def mark(
    text: str | None,
    own: Sequence[tuple[int, int]],
    claims: Sequence[tuple[int, int]],
    near: Sequence[tuple[int, int]] = (),
) -> str:
    """Escape a text, and mark the words that it alone has, claims that its call does not say, and what that says."""
    if text is None:
        return f"<em>{NO_TEXT}</em>"
    shown = text[:MOST_CHARS]
    marks = bytearray(len(shown))
    for places, number in ((own, OWN), (near, NEAR), (claims, CLAIM)):
        for begin, end in places:
            marks[begin:end] = bytes([number]) * len(shown[begin:end])
    parts, begin = [], 0
    for number, some in groupby(marks):
        end = begin + len(list(some))
        parts.append(MARKS[number].format(clean(shown[begin:end])))
        begin = end
    return "".join(parts) + (" …" if len(text) > len(shown) else "")


def clean(text: object) -> str:
    """Escape a text for HTML, and what reorders a line."""
    return escape(escape_controls(str(text)))
