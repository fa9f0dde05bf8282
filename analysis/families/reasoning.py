"""Reasoning that models write into their texts, between tags: set apart from the text, in every family.

Sources: Amazon Bedrock User Guide, "OpenAI models" (`<reasoning>`), "DeepSeek models" (`<think>`); Amazon Nova User
Guide, "Using tools" (`<thinking>`); model cards of Qwen3, MiniMax-M2 and Kimi K2 Thinking (`<think>`).
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

REASONING_TAGS = ("think", "thinking", "reasoning")


class TagPatterns(NamedTuple):
    """An opening tag with white space before it, and a closing tag."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]


class Block(NamedTuple):
    """A block of reasoning: where its opening tag and its reasoning begin, and the name of its tags."""

    start: int
    begin: int
    name: str


@cache
def compile_tags(tags: tuple[str, ...]) -> TagPatterns:
    """Compile the patterns of some tags."""
    names = "|".join(map(re.escape, tags))
    return TagPatterns(re.compile(rf"\s*<({names})>"), re.compile(rf"</({names})>"))


def split_reasoning(text: str, tags: tuple[str, ...] = REASONING_TAGS) -> tuple[str | None, int]:
    """Split a text into what a reader shall see and the number of characters of reasoning.

    A text that begins with a block of reasoning loses it, the blocks that follow at once, and those of the same tags
    further on. One with a closing tag, and no opening one before it, begins within reasoning. Other tags are text.

    Returns
    -------
    text
        As written, without blocks and their tags; None where the answer was cut off within reasoning.
    reasoning_chars
        Characters between the tags.
    """
    if "<" not in text or not tags:
        return text, 0
    patterns = compile_tags(tags)
    block = find_first(text, patterns)
    kept, at, chars = [], 0, 0
    while block is not None:
        kept.append(text[at : block.start])
        end = text.find(f"</{block.name}>", block.begin)
        if end < 0:
            return "".join(kept) or None, chars + len(text) - block.begin
        chars += end - block.begin
        at = end + len(f"</{block.name}>")
        block = find_next(text, at, block.name, patterns)
    return "".join([*kept, text[at:]]), chars


def find_first(text: str, patterns: TagPatterns) -> Block | None:
    """Find the block that a text begins with; None where it begins with none."""
    opening = patterns.opening.match(text)
    if opening is not None:
        return Block(0, opening.end(), opening[1])
    closing = patterns.closing.search(text)
    if closing is None or f"<{closing[1]}>" in text[: closing.start()]:
        return None
    # The opening tag was the end of the request, as in the template of R1.
    return Block(0, 0, closing[1])


def find_next(text: str, at: int, name: str, patterns: TagPatterns) -> Block | None:
    """Find the next block: one that follows at once, or one of the same tags that is closed, or begins a line."""
    opening = patterns.opening.match(text, at)
    if opening is not None:
        return Block(at, opening.end(), opening[1])
    start = text.find(f"<{name}>", at)
    begin = start + len(f"<{name}>")
    if start < 0 or not (text[start - 1] == "\n" or text.find(f"</{name}>", begin) >= 0):
        return None
    return Block(start, begin, name)
