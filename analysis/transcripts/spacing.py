"""Join pieces of text as they are written: with spaces between words, or without as in Chinese, Japanese and Thai."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Scripts without spaces between words, with their punctuation. Source: Unicode Standard Annex 14, classes ID and SA.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
LOOK_AHEAD = 200  # characters in which a word is looked for that is not where it should be


def choose_space(left: str, right: str) -> str:
    """Return what stands between two pieces of text: nothing in the scripts that have no spaces."""
    return "" if UNSPACED.match(left[-1:]) and UNSPACED.match(right[:1]) else " "


def join_texts(texts: Iterable[str]) -> str:
    """Join pieces of text, such as the lines of a subtitle; spaces of their own decide where there are such."""
    joined = ""
    for text in texts:
        bare = text.strip()
        if not joined or not bare:
            joined = joined or bare
            continue
        joined += (" " if text[:1].isspace() else choose_space(joined, bare)) + bare
    return joined


def find_spaces(words: Iterable[str], whole: str, place: int = 0) -> tuple[list[str | None], int]:
    """Return what stands before each word in the text that they are the words of, and where they end in it.

    They are looked for in their order, from a place on. None where the text has other words, as where some were
    replaced; it is gone on with where it has them again.
    """
    spaces: list[str | None] = []
    for word in words:
        begin = skip_spaces(whole, place)
        is_next = whole.startswith(word, begin)
        spaces.append(whole[place:begin] if is_next else None)
        begin = begin if is_next else whole.find(word, begin, begin + LOOK_AHEAD)
        place = place if begin < 0 else begin + len(word)
    return spaces, place


def skip_spaces(text: str, place: int) -> int:
    """Return the place of the first character that is no space, from a place on."""
    # At most so many: what stands where a word is missing is looked at again for the next one.
    end = min(len(text), place + LOOK_AHEAD)
    while place < end and text[place].isspace():
        place += 1
    return place
