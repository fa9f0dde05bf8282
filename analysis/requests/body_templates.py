"""Bodies: model inputs as bytes; what stays is encoded once a prompt, what a call says once for all prompts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import polars as pl

from analysis.errors import PromptError
from analysis.facts.models import find_model
from analysis.families import find_family
from analysis.prompts import Prompt, render, split_template

# Texts that a family puts into its request unchanged if it changes none: one is plain, in the other is what it may
# want to change, such as spaces at the ends, template tokens, turns and tags.
PROBES = (
    "what the call says",
    " \r\n\t<|eot_id|><|eot|></s>[INST]<<SYS>>[/INST]<\uff5cUser\uff5c>\n\nHuman: {{ É }} <b>&amp;</b> \\ \"'\0🙂\n ",
)
# Python's white space; the first four are none to a regular expression.
WORDS = r"[^\x1c-\x1f\s]"

encode = msgspec.json.Encoder().encode


class Texts(NamedTuple):
    """What some calls put into a body, in the order of the calls.

    Attributes
    ----------
    values
        For each place in the body a list: bytes as they stand there.
    digests
        SHA-256 of what a call puts in.
    value_bytes, text_bytes
        Sizes of all values of a call; and as texts, for the estimate of tokens.
    """

    values: tuple[list[bytes], ...]
    digests: list[bytes]
    value_bytes: list[int]
    text_bytes: list[int]


class Slab:
    """Some calls; a column that several prompts use is escaped and digested once."""

    def __init__(self, calls: pl.DataFrame) -> None:
        self.calls = calls
        self.columns: dict[str, Texts] = {}

    def read_column(self, name: str) -> Texts:
        """Escape a column, numbers and truths as `str` writes them."""
        if name not in self.columns:
            texts = list(map(str, self.calls[name].to_list()))
            self.columns[name] = make_texts(map(escape, texts), map(count_bytes, texts))
        return self.columns[name]

    def render(self, prompt: Prompt) -> list[str]:
        """Write the user's text call by call."""
        return [write_text(prompt, call) for call in self.calls.iter_rows(named=True)]


class Source(Protocol):
    """Where the values in a body come from; prompts with equal sources share them."""

    def read(self, slab: Slab) -> Texts:
        """Read the values of some calls."""


@dataclass(frozen=True)
class Columns:
    """Columns of the calls, as `{{ name }}` writes them."""

    names: tuple[str, ...]

    def read(self, slab: Slab) -> Texts:
        """Put the columns side by side."""
        columns = [slab.read_column(name) for name in self.names]
        if len(columns) == 1:
            return columns[0]
        values, digests, value_bytes, text_bytes = zip(*columns, strict=True)
        together = [hashlib.sha256(b"".join(of_call)).digest() for of_call in zip(*digests, strict=True)]
        sums = [list(map(sum, zip(*sizes, strict=True))) for sizes in (value_bytes, text_bytes)]
        return Texts(tuple(places for (places,) in values), together, *sums)


@dataclass(frozen=True, eq=False)
class UserText:
    """The text of a template with logic, which only jinja2 can write."""

    prompt: Prompt

    def read(self, slab: Slab) -> Texts:
        """Render call by call, and escape."""
        texts = slab.render(self.prompt)
        return make_texts(map(escape, texts), map(count_bytes, texts))


@dataclass(frozen=True, eq=False)
class WholeBody:
    """The body of a family that changes the text on its way into the request."""

    prompt: Prompt

    def read(self, slab: Slab) -> Texts:
        """Render, write and encode call by call."""
        texts = slab.render(self.prompt)
        return make_texts((encode(write_request(self.prompt, text)) for text in texts), map(count_bytes, texts))


class Form(NamedTuple):
    """How the bodies of a prompt are put together: a piece, a value, a piece, ..., a value, a piece.

    Attributes
    ----------
    prompt
        The prompt.
    pieces
        What is the same for every call.
    source
        Where the values between the pieces come from.
    text_bytes
        Size of the texts that are the same for every call, for the estimate of tokens.
    """

    prompt: Prompt
    pieces: tuple[bytes, ...]
    source: Source
    text_bytes: int


def make_form(prompt: Prompt, calls: pl.DataFrame) -> Form:
    """Find what stays the same in the bodies of a prompt.

    Raises
    ------
    ModelError
        A model whose requests nobody writes here.
    """
    place, parts = find_place(prompt), split_template(prompt.template)
    system_bytes = count_bytes(prompt.system)
    if place is None:
        return Form(prompt, (b"", b""), WholeBody(prompt), system_bytes)
    before, after = place
    if parts is None or not is_plain(*parts, calls):
        return Form(prompt, (before, after), UserText(prompt), system_bytes)
    texts, names = parts
    pieces = [escape(text) for text in texts]
    pieces[0], pieces[-1] = before + pieces[0], pieces[-1] + after
    return Form(prompt, tuple(pieces), Columns(tuple(names)), system_bytes + sum(map(count_bytes, texts)))


def digest_prompts(prompts: Iterable[Prompt]) -> list[bytes]:
    """Digest what a prompt asks of every call; equal ones have numbers, so that each gets a digest of its own."""
    met: Counter[bytes] = Counter()
    digests = []
    for prompt in prompts:
        request = encode([prompt.model_id, prompt.invocation_type, write_request(prompt, prompt.template)])
        met[request] += 1
        digests.append(hashlib.sha256(request + b"%d" % met[request]).digest())
    return digests


def find_place(prompt: Prompt) -> tuple[bytes, bytes] | None:
    """Give what stands before and after the user's text in a body; None if the family changes some texts."""
    places = {split_body(encode(write_request(prompt, probe)), escape(probe)) for probe in PROBES}
    return places.pop() if len(places) == 1 else None


def split_body(body: bytes, text: bytes) -> tuple[bytes, bytes] | None:
    """Split a body around a text, if it stands there once."""
    pieces = body.split(text)
    return (pieces[0], pieces[1]) if len(pieces) == 2 else None


def is_plain(texts: Sequence[str], names: Sequence[str], calls: pl.DataFrame) -> bool:
    """Whether a template of texts and variables can be written without jinja2, which has an error for the others."""
    if not all(name in calls.columns and is_text(calls[name]) for name in names):
        return False
    return bool(names) and (any(text.strip() for text in texts) or any(has_words(calls[name]) for name in names))


def is_text(column: pl.Series) -> bool:
    """Whether every value of a column can stand in a text as `str` writes it."""
    kind = column.dtype
    return column.null_count() == 0 and (kind in {pl.String, pl.Boolean} or kind.is_numeric())


def has_words(column: pl.Series) -> bool:
    """Whether no value of a column is empty or white space."""
    return column.dtype != pl.String or column.str.contains(WORDS).all()


def make_texts(values: Iterable[bytes], text_bytes: Iterable[int]) -> Texts:
    """Digest and measure the values of one place."""
    values = list(values)
    digests = [hashlib.sha256(value).digest() for value in values]
    return Texts((values,), digests, list(map(len, values)), list(text_bytes))


def escape(text: str) -> bytes:
    """Write a text as it stands between quotes in JSON."""
    return encode(text)[1:-1]


def count_bytes(text: str) -> int:
    """Count the bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def write_text(prompt: Prompt, call: Mapping[str, Any]) -> str:
    """Write the user's text for one call.

    Raises
    ------
    PromptError
        The template does not fit the call, or makes a text of white space only, which every model refuses.
    """
    text = render(prompt, call)
    if not text.strip():
        raise PromptError(prompt.name, f"makes an empty text of call {call['call_id']!r}", "leave empty calls out")
    return text


def write_request(prompt: Prompt, text: str) -> dict[str, Any]:
    """Write the model input for one text."""
    family = find_family(find_model(prompt.model_id), prompt.invocation_type)
    return family.write_request(prompt, text)
