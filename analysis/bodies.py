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
from analysis.families import find_family
from analysis.models import find_model
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


class Column(NamedTuple):
    """What some calls put at one place of a body, in their order.

    Attributes
    ----------
    values
        Bytes as they stand in the body.
    digests
        SHA-256 of each value.
    text_bytes
        Sizes of the texts, for the estimate of tokens.
    """

    values: list[bytes]
    digests: list[bytes]
    text_bytes: list[int]


class Source(Protocol):
    """Where a column comes from; prompts with equal sources share the column."""

    def read(self, calls: pl.DataFrame) -> Column:
        """Read the column of some calls."""


@dataclass(frozen=True)
class CallColumn:
    """A column of the calls, as `{{ name }}` writes it."""

    name: str

    def read(self, calls: pl.DataFrame) -> Column:
        """Write numbers and truths as text, and escape."""
        texts = calls[self.name]
        if texts.dtype != pl.String:
            texts = pl.Series([str(value) for value in texts.to_list()], dtype=pl.String)
        return make_column(map(escape, texts.to_list()), texts.str.len_bytes().to_list())


@dataclass(frozen=True, eq=False)
class UserText:
    """The text of a template with logic, which only jinja2 can write."""

    prompt: Prompt

    def read(self, calls: pl.DataFrame) -> Column:
        """Render call by call, and escape."""
        texts = [write_text(self.prompt, call) for call in calls.iter_rows(named=True)]
        return make_column(map(escape, texts), map(count_bytes, texts))


@dataclass(frozen=True, eq=False)
class WholeBody:
    """The body of a family that changes the text on its way into the request."""

    prompt: Prompt

    def read(self, calls: pl.DataFrame) -> Column:
        """Render, write and encode call by call."""
        texts = [write_text(self.prompt, call) for call in calls.iter_rows(named=True)]
        return make_column((encode(write_request(self.prompt, text)) for text in texts), map(count_bytes, texts))


class Form(NamedTuple):
    """How the bodies of a prompt are put together: a piece, a value, a piece, ..., a value, a piece.

    Attributes
    ----------
    prompt
        The prompt.
    pieces
        What is the same for every call.
    sources
        Where the values between the pieces come from.
    text_bytes
        Size of the texts that are the same for every call, for the estimate of tokens.
    """

    prompt: Prompt
    pieces: tuple[bytes, ...]
    sources: tuple[Source, ...]
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
        return Form(prompt, (b"", b""), (WholeBody(prompt),), system_bytes)
    before, after = place
    if parts is None or not is_plain(*parts, calls):
        return Form(prompt, (before, after), (UserText(prompt),), system_bytes)
    texts, names = parts
    pieces = [escape(text) for text in texts]
    pieces[0], pieces[-1] = before + pieces[0], pieces[-1] + after
    return Form(prompt, tuple(pieces), tuple(map(CallColumn, names)), system_bytes + sum(map(count_bytes, texts)))


def digest_prompts(prompts: Iterable[Prompt]) -> list[bytes]:
    """Digest what a prompt asks of every call; equal ones have numbers, so that each gets a digest of its own."""
    met: Counter[bytes] = Counter()
    digests = []
    for prompt in prompts:
        request = encode([prompt.model_id, prompt.invocation_type, write_request(prompt, prompt.template)])
        met[request] += 1
        digests.append(hashlib.sha256(request + b"%d" % met[request]).digest())
    return digests


def read_columns(forms: Iterable[Form], calls: pl.DataFrame) -> dict[Source, Column]:
    """Read what some calls put into the bodies, once for all forms."""
    return {source: source.read(calls) for source in dict.fromkeys(source for form in forms for source in form.sources)}


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


def make_column(values: Iterable[bytes], text_bytes: Iterable[int]) -> Column:
    """Digest the values."""
    values = list(values)
    return Column(values, [hashlib.sha256(value).digest() for value in values], list(text_bytes))


def escape(text: str) -> bytes:
    """Write a text as it stands between quotes in JSON."""
    return encode(text)[1:-1]


def count_bytes(text: str) -> int:
    """Count the bytes of a text in UTF-8."""
    return len(text.encode())


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
