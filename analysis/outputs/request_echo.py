"""The request that an output line repeats: nine tenths of its bytes, whose texts are not read.

In JSON every quote within a text is escaped. So `"modelInput":{..."text":"` near the start of a line is not part
of a text but opens one, which ends at the next quote that is not escaped. Without what is between the two
the line has the same fields, and is decoded in a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

MODEL_INPUT = b'"modelInput"'
HEAD_BYTES = 200  # the request begins there, behind a record id at most
LONG = 500  # bytes of a text; for less it does not pay
MOST_TEXTS = 8
MOST_PATTERNS = 8  # several prompts may share a job
MOST_TRIES = 12  # requests without a long text are tried too
LEARNT_BYTES = 1 << 18  # of a line; to learn from it takes ten times as long as to decode it
MOST_QUOTES = 6  # that are escaped; each costs a look
BACKSLASH = ord("\\")

Text = tuple[int, int]


class EchoPattern(NamedTuple):
    """The bytes before a long text, their size, the same without short texts, and the pattern from there on."""

    before: bytes
    size: int
    shortened: bytes
    rest: EchoPattern | None


class EchoShortener:
    """Cuts the long texts out of requests whose other bytes equal those of an earlier one; rows stay the same."""

    def __init__(self) -> None:
        self.patterns: list[tuple[bytes, EchoPattern]] = []
        self.tries = MOST_TRIES

    def shorten(self, line: bytes) -> bytes:
        """Return a line without the long texts of its request; one of an unknown pattern stays unchanged."""
        for before, pattern in self.patterns:
            if line.startswith(before):  # Bedrock writes the request first
                return shorten_from(line, 0, pattern)
        return self.shorten_behind_id(line)

    def shorten_behind_id(self, line: bytes) -> bytes:
        """Shorten a line whose request may follow other fields, and learn the pattern of a new request."""
        at = line.find(MODEL_INPUT, 0, HEAD_BYTES) - 1  # with the byte before, which is no backslash
        for before, pattern in self.patterns if at > 0 else ():
            if line.startswith(before, at):
                is_outermost = line.count(b"{", 0, at + 1) == 1
                return line[:at] + shorten_from(line, at, pattern) if is_outermost else line
        if self.tries and at >= 0 and LONG < len(line) < LEARNT_BYTES:
            self.learn(line, at)
        return line

    def learn(self, line: bytes, at: int) -> None:
        """Store the pattern of a request, if it has a long text."""
        # In a line that is torn, the name of a field could pass for a text.
        pattern = find_pattern(line, at, list(find_texts(line))) if is_json(line) else None
        if pattern is not None:
            self.patterns.append((pattern.before, pattern))
        self.tries = 0 if len(self.patterns) == MOST_PATTERNS else self.tries - 1


def is_json(line: bytes) -> bool:
    """Return whether a line is valid JSON."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def find_pattern(line: bytes, at: int, texts: Sequence[Text]) -> EchoPattern | None:
    """Find the pattern of a request from a position on; None without a long text."""
    long = [(begin, end) for begin, end in texts if end - begin > LONG][:MOST_TEXTS]
    pattern = None
    for (_, start), (begin, _) in reversed(list(pairwise([(at, at), *long]))):
        short = [text for text in texts if start < text[0] < begin]
        pattern = EchoPattern(line[start:begin], begin - start, b"".join(split_off(line, start, begin, short)), pattern)
    return pattern


def shorten_from(line: bytes, at: int, pattern: EchoPattern) -> bytes:
    """Return a line from the position where a pattern begins, without its long texts."""
    _, size, shortened, rest = pattern
    end = line.find(b'"', at + size)
    if line[end - 1] == BACKSLASH:
        end = find_end(line, at + size)
    if end < 0:
        return line[at:]
    if rest is not None and line.startswith(rest.before, end):
        return shortened + shorten_from(line, end, rest)
    return shortened + line[end:]


def find_end(line: bytes, begin: int) -> int:
    """Find the quote that ends a text; -1 where more than a few escaped quotes precede it."""
    end = line.find(b'"', begin)
    for _ in range(MOST_QUOTES):
        if end < 0 or line[end - 1] != BACKSLASH:
            return end
        if line[end - 2] == BACKSLASH:  # which may itself be escaped, or not
            return -1
        end = line.find(b'"', end + 1)
    return -1


def blank_texts(line: bytes) -> bytes:
    """Replace each character of the request's texts by a space, so that error positions stay right."""
    texts = list(find_texts(line))
    spaces = [b" " * len(line[begin:end].decode("utf-8", "replace")) for begin, end in texts]
    rest = split_off(line, 0, len(line), texts)
    return b"".join(part for pair in zip(rest, [*spaces, b""], strict=True) for part in pair)


def split_off(line: bytes, begin: int, end: int, texts: Sequence[Text]) -> list[bytes]:
    """List the bytes before, between and after some texts of a part of the line."""
    begins = [begin, *(after for _, after in texts)]
    ends = [*(before for before, _ in texts), end]
    return [line[begin:end] for begin, end in zip(begins, ends, strict=True)]


def find_texts(line: bytes) -> Iterator[Text]:
    """Find where the texts of the request begin and end, without their quotes; names of fields do not count."""
    # Once the escapes of two characters are gone, every quote begins or ends a text.
    pieces = line.replace(rb"\\", b"..").replace(rb"\"", b"..").split(b'"')
    depth, end, is_request = 0, -1, False
    for outside, text, behind in zip(pieces[::2], pieces[1::2], pieces[2::2], strict=False):
        depth += outside.count(b"{") - outside.count(b"}")
        begin = end + len(outside) + 2
        end = begin + len(text)
        if not behind.lstrip().startswith(b":"):
            if is_request:
                yield begin, end
        elif depth == 1:
            is_request = text == b"modelInput"
