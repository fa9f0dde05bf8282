r"""Match the regular expressions of the service models in polynomial time.

`re` tries every way to divide the dashes of a job name such as `a------_` between `-*` and `[a-zA-Z0-9+\-.]`, and
their number doubles with each dash. Here each part of a pattern maps the set of positions where it can begin to the
set of positions where it can end, so that each position is tried once (as in Thompson's construction).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import chain, repeat

Part = Callable[[str, set[int]], set[int]]
# A class, an escape, the beginning of a group, a count, or any other character.
TOKEN = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]|\\.|\((?:\?:)?|\{\d+(?:,\d*)?\}|.", re.DOTALL)
COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


# Every record of a job has the same few texts matched again, above all the model's id.
@lru_cache(maxsize=64)
def is_match(pattern: str, text: str) -> bool:
    """Return whether a pattern (syntax of `re`, without look-around and back-references) matches a whole text."""
    return len(text) in read_pattern(pattern)(text, {0})


@cache
def read_pattern(pattern: str) -> Part:
    """Parse a pattern."""
    tokens = chain(TOKEN.findall(pattern), repeat(""))
    return read_choice(tokens)


def read_choice(tokens: Iterator[str]) -> Part:
    """Parse alternatives between `|`, up to the end of the group or the pattern."""
    choices: list[list[Part]] = [[]]
    while (token := next(tokens)) not in ("", ")"):
        if token == "|":  # noqa: S105 -- no password
            choices.append([])
        elif token in COUNTS or (token[0] == "{" and token[-1] == "}"):
            choices[-1].append(repeated(choices[-1].pop(), *read_count(token)))
        else:
            choices[-1].append(read_choice(tokens) if token[0] == "(" else single(token))
    return lambda text, starts: set().union(*(follow(parts, text, starts) for parts in choices))


def read_count(token: str) -> tuple[int, int | None]:
    """Parse `*`, `{2}`, `{2,}` or `{2,5}` to the fewest and the most repetitions."""
    if token in COUNTS:
        return COUNTS[token]
    least, comma, most = token[1:-1].partition(",")
    return int(least), int(most) if most else None if comma else int(least)


def single(token: str) -> Part:
    """Match a class, a character or an anchor."""
    # The services' expressions are Java's, where `\s` matches ASCII spaces only.
    match = re.compile(token, re.ASCII).match
    return lambda text, starts: {found.end() for start in starts if (found := match(text, start))}


def follow(parts: list[Part], text: str, starts: set[int]) -> set[int]:
    """Match parts in sequence."""
    for part in parts:
        starts = part(text, starts)
    return starts


def repeated(part: Part, least: int, most: int | None) -> Part:
    """Match a part repeatedly; a position that fewer repetitions reached is not tried again."""

    def match(text: str, starts: set[int]) -> set[int]:
        for _ in range(least):
            starts = part(text, starts)
        ends = set(starts)
        for _ in range(len(text) if most is None else most - least):
            if not (starts := part(text, starts) - ends):
                break
            ends |= starts
        return ends

    return match
