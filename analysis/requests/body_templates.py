"""Templates of model inputs as bytes: constant parts are encoded once per prompt, a call's once for all."""

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
from analysis.requests.schemas import add_schema

# A family that puts both texts into its request unchanged is taken to change no text: one is plain, the other has
# what families do change, such as spaces at the ends, template tokens, turns and tags.
PROBES = (
    "what the call says",
    " \r\n\t<|eot_id|><|eot|></s>[INST]<<SYS>>[/INST]<\uff5cUser\uff5c>\n\nHuman: {{ É }} <b>&amp;</b> \\ \"'\0🙂\n ",
)
# Of a text with several columns: {{ transcript }} a thousand times would be read as often into memory.
MOST_BYTES = 100_000_000
# All but Python's white space; a regular expression's lacks the first four.
WORDS = r"[^\x1c-\x1f\s]"

encode = msgspec.json.Encoder().encode


class BodyValues(NamedTuple):
    """The variable parts of the bodies of some calls, in the order of the calls.

    Attributes
    ----------
    values
        One list per variable of the template: the bytes to insert for each call.
    digests
        SHA-256 of the values of each call.
    value_bytes, text_bytes
        Sizes of all values of each call, escaped and as plain text; the latter for the estimate of tokens.
    """

    values: tuple[list[bytes], ...]
    digests: list[bytes]
    value_bytes: list[int]
    text_bytes: list[int]


class CallBatch:
    """Some calls; a column that several prompts use is escaped and digested once for all of them."""

    def __init__(self, calls: pl.DataFrame) -> None:
        self.calls = calls
        self.columns: dict[str, BodyValues] = {}

    def read_column(self, name: str) -> BodyValues:
        """Escape a column; numbers and booleans become text by `str`."""
        if name not in self.columns:
            texts = list(map(str, self.calls[name].to_list()))
            self.columns[name] = make_values(map(escape, texts), map(count_bytes, texts))
        return self.columns[name]

    def render(self, prompt: Prompt) -> list[str]:
        """Render the user's text of each call."""
        return [write_text(prompt, call) for call in self.calls.iter_rows(named=True)]


class ValueSource(Protocol):
    """Computes the variable parts of bodies; prompts with equal sources share the result."""

    def read(self, batch: CallBatch) -> BodyValues:
        """Compute the values of some calls."""


@dataclass(frozen=True)
class ColumnValues:
    """Columns of the calls, as `{{ name }}` writes them."""

    names: tuple[str, ...]

    def read(self, batch: CallBatch) -> BodyValues:
        """Combine the values of the columns call by call."""
        columns = [batch.read_column(name) for name in self.names]
        if len(columns) == 1:
            return columns[0]
        values, digests, value_bytes, text_bytes = zip(*columns, strict=True)
        together = [hashlib.sha256(b"".join(of_call)).digest() for of_call in zip(*digests, strict=True)]
        sums = [list(map(sum, zip(*sizes, strict=True))) for sizes in (value_bytes, text_bytes)]
        if (longest := max(sums[0], default=0)) > MOST_BYTES:
            reason = f"{len(self.names):,} variables make a text of {longest:,} bytes for one call"
            raise PromptError("prompts", reason, "write each column once in a template")
        return BodyValues(tuple(places for (places,) in values), together, *sums)


@dataclass(frozen=True, eq=False)
class RenderedText:
    """The text of a template with logic, which only jinja2 can write."""

    prompt: Prompt

    def read(self, batch: CallBatch) -> BodyValues:
        """Render and escape the text of each call."""
        texts = batch.render(self.prompt)
        return make_values(map(escape, texts), map(count_bytes, texts))


@dataclass(frozen=True, eq=False)
class WholeBody:
    """The whole body, for a family that changes the text when it writes the request."""

    prompt: Prompt

    def read(self, batch: CallBatch) -> BodyValues:
        """Render, write and encode the request of each call."""
        texts = batch.render(self.prompt)
        return make_values((encode(write_request(self.prompt, text)) for text in texts), map(count_bytes, texts))


class BodyTemplate(NamedTuple):
    """The bodies of a prompt: constant pieces with values between them: piece, value, piece, ..., value, piece.

    Attributes
    ----------
    prompt
        The prompt.
    pieces
        The bytes that are equal for every call.
    source
        Where the values between the pieces come from.
    text_bytes
        Size of the texts and additional fields that are equal for every call, for the estimate of tokens.
    """

    prompt: Prompt
    pieces: tuple[bytes, ...]
    source: ValueSource
    text_bytes: int


@dataclass(frozen=True)
class ColumnCounts:
    """How many values of a column keep jinja2 necessary; the counts of parts of the calls add up to those of all.

    Attributes
    ----------
    missing
        Values that are missing.
    blank
        Texts that are empty or white space.
    other
        Values of a type that `str` may not write as jinja2 does.
    """

    missing: int = 0
    blank: int = 0
    other: int = 0

    def __add__(self, more: ColumnCounts) -> ColumnCounts:
        return ColumnCounts(self.missing + more.missing, self.blank + more.blank, self.other + more.other)

    @property
    def is_text(self) -> bool:
        """Whether `str` writes every value of the column as jinja2 would."""
        return not self.missing and not self.other


def make_body_template(prompt: Prompt, columns: Mapping[str, ColumnCounts]) -> BodyTemplate:
    """Split the bodies of a prompt into constant pieces and a source of values, by the counts of the calls' columns.

    Raises
    ------
    ModelError
        A model whose requests this package cannot write.
    """
    place, parts = find_surroundings(prompt), split_template(prompt.template)
    system_bytes = count_fixed_bytes(prompt)
    if place is None:
        return BodyTemplate(prompt, (b"", b""), WholeBody(prompt), system_bytes)
    before, after = place
    if parts is None or not is_plain(*parts, columns):
        return BodyTemplate(prompt, (before, after), RenderedText(prompt), system_bytes)
    texts, names = parts
    pieces = [escape(text) for text in texts]
    pieces[0], pieces[-1] = before + pieces[0], pieces[-1] + after
    return BodyTemplate(prompt, tuple(pieces), ColumnValues(tuple(names)), system_bytes + sum(map(count_bytes, texts)))


def digest_prompts(prompts: Iterable[Prompt]) -> list[bytes]:
    """Digest the request and `repeat` of each prompt without the calls; equal prompts are numbered, so they differ."""
    met: Counter[bytes] = Counter()
    digests = []
    for prompt in prompts:
        parts = [prompt.model_id, prompt.invocation_type, write_request(prompt, prompt.template)]
        # Left out where it is 1, so that it changes no id of a prompt that does not use it.
        request = encode(parts if prompt.repeat == 1 else [*parts, prompt.repeat])
        met[request] += 1
        digests.append(hashlib.sha256(request + b"%d" % met[request]).digest())
    return digests


def find_surroundings(prompt: Prompt) -> tuple[bytes, bytes] | None:
    """Return the bytes before and after the user's text in a body; None if the family changes some texts."""
    places = {split_body(encode(write_request(prompt, probe)), escape(probe)) for probe in PROBES}
    return places.pop() if len(places) == 1 else None


def split_body(body: bytes, text: bytes) -> tuple[bytes, bytes] | None:
    """Split a body around a text; None unless the text occurs exactly once."""
    pieces = body.split(text)
    return (pieces[0], pieces[1]) if len(pieces) == 2 else None


def is_plain(texts: Sequence[str], names: Sequence[str], columns: Mapping[str, ColumnCounts]) -> bool:
    """Return whether texts and variables can be joined without jinja2, which raises the errors of all others."""
    if not all(name in columns and columns[name].is_text for name in names):
        return False
    return bool(names) and (any(text.strip() for text in texts) or any(not columns[name].blank for name in names))


def count_columns(calls: pl.DataFrame) -> dict[str, ColumnCounts]:
    """Count in each column of some calls the values that a template cannot insert without jinja2."""
    return {column.name: count_column(column) for column in calls.iter_columns()}


def count_column(column: pl.Series) -> ColumnCounts:
    """Count the values of one column that a template cannot insert without jinja2."""
    kind = column.dtype
    blank = int((~column.str.contains(WORDS)).sum()) if kind == pl.String else 0
    other = 0 if kind in {pl.String, pl.Boolean} or kind.is_numeric() else len(column)
    return ColumnCounts(column.null_count(), blank, other)


def count_fixed_bytes(prompt: Prompt) -> int:
    """Count the bytes that the model reads with every call: the system text, tools among the fields, the schema."""
    prompt, words = add_schema(prompt, "")
    fields = len(encode(prompt.additional_fields)) if prompt.additional_fields else 0
    return count_bytes(prompt.system) + count_bytes(words) + fields


def make_values(values: Iterable[bytes], text_bytes: Iterable[int]) -> BodyValues:
    """Digest and measure the values of one variable."""
    values = list(values)
    digests = [hashlib.sha256(value).digest() for value in values]
    return BodyValues((values,), digests, list(map(len, values)), list(text_bytes))


def escape(text: str) -> bytes:
    """Encode a text as JSON, without the quotes."""
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
    """Write the model input for one text, with the schema of the prompt."""
    family = find_family(find_model(prompt.model_id), prompt.invocation_type)
    return family.write_request(*add_schema(prompt, text))
