"""Find the encoding of a text file, and decode it: UTF-8, UTF-16, or what its letters tell."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis.display import count
from analysis.errors import CallsError, show_path

if TYPE_CHECKING:
    from charset_normalizer.models import CharsetMatch

# The longer marks first, since that of UTF-32 begins with that of UTF-16.
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
         codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip
# What Excel and older programs write, by the names of Python and of everybody else; what is rarer is not guessed at.
NAMES = {
    "cp1252": "Windows-1252", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "cp1253": "Windows-1253",
    "cp1254": "Windows-1254", "cp1255": "Windows-1255", "cp1256": "Windows-1256", "cp1257": "Windows-1257",
    "mac_roman": "Mac Roman", "koi8_r": "KOI8-R", "cp932": "Shift JIS (Windows-932)", "gb18030": "GB 18030",
    "big5": "Big5", "cp949": "Windows-949",
}  # fmt: skip
LATIN = {"cp1250", "cp1252", "cp1254", "cp1257"}  # that differ in few letters
OF_PAIRS = {"cp932", "gb18030", "big5", "cp949"}  # of bytes, of which most pairs are no character
OTHER_LETTERS = re.compile(rb"[\x80-\xff][^\n]*\n?")
CHECK = "; where letters are wrong, save it as UTF-8"
LINES, CONTEXT, LINE_BYTES = 300, 60, 1000  # that the detector is shown
HIGH, ACCENTS = re.compile(rb"[\x80-\xff]+"), 2  # letters in a row
LANGUAGE = 0.3  # from here on the detector knows the language
NEAR, FAR = 0.05, 0.2  # of its measures, which go from 0 to 1


@dataclass
class Encodings:
    """The files of one reading that are not UTF-8, by their encoding."""

    files: dict[str, dict[str, None]] = field(default_factory=dict)

    def decode(self, label: str, content: bytes) -> str:
        """Decode the bytes of a file, and note its encoding where it is not UTF-8.

        Raises
        ------
        CallsError
            The encoding is not known, or the bytes are damaged.
        """
        encoding = find_mark(content)
        try:
            text = content.decode(encoding or "utf-8")
        except UnicodeDecodeError as error:
            if encoding:
                cure = "write or download it again, as UTF-8"
                raise CallsError(label, f"begins as {name(encoding)}, but not all of it is that", cure) from error
            encoding = guess_encoding(label, content, error)
            text = content.decode(encoding)
        if encoding:
            self.files.setdefault(name(encoding), {})[label] = None
        return text.removeprefix("\ufeff")

    def convert(self, label: str, content: bytes) -> bytes:
        """Convert the bytes of a file to UTF-8, without a copy where they are that."""
        if is_utf8(content):
            return content.removeprefix(codecs.BOM_UTF8)
        return self.decode(label, content).encode()

    def describe(self) -> str:
        """Name the encodings and the files, one line for each encoding; empty where all are UTF-8."""
        return "\n".join(
            f"{count(len(files), 'file')} read as {title} ({show([*files])}){'' if title.startswith('UTF') else CHECK}"
            for title, files in self.files.items()
        )


def show(files: list[str]) -> str:
    """Format the first three files."""
    return ", ".join(map(show_path, files[:3])) + (", ..." if len(files) > 3 else "")


def name(encoding: str) -> str:
    """Return the name of an encoding that people use."""
    return NAMES.get(encoding, encoding[:6].upper())


def is_utf8(content: bytes) -> bool:
    """Return whether bytes are UTF-8, and not UTF-16 that can be read as such."""
    return find_mark(content) is None and can_decode(content, "utf-8")


def find_mark(content: bytes) -> str | None:
    """Return the encoding that the first bytes tell."""
    return next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), None) or find_nuls(content)


def find_nuls(content: bytes) -> str | None:
    """Return the encoding of bytes of which each second one is 0, as ASCII in UTF-16 without a mark."""
    even, odd = content[:200:2], content[1:200:2]
    if odd and not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if odd and not any(even) and all(odd) else None


def guess_encoding(label: str, content: bytes, error: UnicodeDecodeError) -> str:
    """Guess the encoding of bytes that are not UTF-8, from lines with other letters than those of ASCII."""
    place = f"not UTF-8 at byte {error.start}"
    sample = b"".join(find_lines(content))
    text = sample.decode("utf-8", "surrogateescape")
    damaged = sum("\udc80" <= char <= "\udcff" for char in text)
    if sum(char > "\x7f" for char in text) >= 2 * damaged:
        raise CallsError(label, f"{place}, but most of it is", "write or download it again: it is damaged") from error
    possible, is_sure = rank_encodings(sample)
    possible = [name for name in possible if can_decode(content, name)]
    if is_sure and len(possible) == 1:
        return possible[0]
    which = f": it may be {' or '.join(NAMES[name] for name in possible)}" if possible else ""
    cure = "save it as UTF-8, as by iconv -f WINDOWS-1252 -t UTF-8 with the name of its encoding"
    raise CallsError(label, f"{place}{which}", cure) from error


def find_lines(content: bytes) -> Iterable[bytes]:
    """Yield the first lines that have other letters than those of ASCII, of each a part."""
    for line, _ in zip(OTHER_LETTERS.finditer(content), range(LINES), strict=False):
        yield content[max(0, line.start() - CONTEXT) : min(line.end(), line.start() + LINE_BYTES)]


def rank_encodings(sample: bytes) -> tuple[list[str], bool]:
    """List the encodings that fit best, all that are equally likely, and return whether one alone can be believed."""
    from charset_normalizer import from_bytes

    matches = list(from_bytes(sample, cp_isolation=list(NAMES)))
    near = [match.encoding for match in matches if is_near(match, matches[0], NEAR)]
    likely = {name for match in matches if is_near(match, matches[0], FAR) for name in match.could_be_from_charset}
    is_known = bool(matches) and matches[0].coherence >= LANGUAGE
    # These differ in few letters, and Windows-1252 is by far the commonest of them.
    western = set(near[:1]) <= LATIN and ("cp1252" in likely or not is_known)
    # A few accents tell little, but words of other alphabets have none of the letters of ASCII between theirs.
    western |= not is_known and all(len(run) <= ACCENTS for run in HIGH.findall(sample))
    return (["cp1252"], True) if western else (near, is_known or set(near[:1]) <= OF_PAIRS)


def is_near(match: CharsetMatch, best: CharsetMatch, most: float) -> bool:
    """Return whether a guess is nearly as good as the best one."""
    return match.chaos <= best.chaos + most and match.coherence >= best.coherence - most


def can_decode(content: bytes, encoding: str) -> bool:
    """Return whether an encoding has a character for all bytes."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
