"""Lines of output files, parsed one by one. This reader defines what is right.

First a line is decoded with the types of its shape, without the long text of the echoed request: the fast way. A line
that fails is decoded leniently: lone surrogates and bytes that are not UTF-8 become U+FFFD, NaN becomes missing, a
field of a wrong type is left out. `error_message` says so, and no paid answer is lost. Texts of the request are not
read, so errors in them change nothing.

A row depends on its line alone, and on the model where several families answer in one shape; never on other lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from analysis.facts.models import find_model
from analysis.families import FAMILIES, Family, ParsedAnswer, Sampling
from analysis.families.converse import CONVERSE
from analysis.families.family import Count, set_reasoning_apart
from analysis.families.reasoning import REASONING_TAGS
from analysis.files import has_lone_surrogates, replace_lone_surrogates
from analysis.outputs.openai_batch import CUSTOM_ID, TORN_ID, is_batch_line, rewrite_line
from analysis.outputs.request_echo import EchoShortener, blank_texts

NO_SAMPLING = Sampling()
NO_ANSWER = ParsedAnswer(skipped_blocks=None, reasoning_chars=None)
# In the body of each family, where InvokeModel was asked with a guardrail.
# Source: Amazon Bedrock User Guide, "Use your guardrail with inference operations", InvokeModel.
GUARDRAIL = "amazon-bedrock-guardrailAction"
INTERVENED = "INTERVENED"
NO_WORDS = "no words in the answer"
REFUSALS = (msgspec.DecodeError, ValueError, RecursionError)
PLACE = re.compile(r"`\$\.([\w.\[\]]+)`$")
STEP = re.compile(r"\w+")
IN_CONTENT = re.compile(r"(^|\.)content(\[\d+\])?$")  # a list of blocks, or one of them
MOST_DROPPED = 50  # each costs one conversion of the whole answer
# Only at the start or the end of the line: anywhere else it could be part of a call's text.
RECORD_ID = re.compile(
    rb'\A\s*\{\s*"recordId"\s*:\s*("(?:[^"\\]|\\.)*")|,\s*"recordId"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}\s*\Z', re.DOTALL
)


class Fault(Struct, frozen=True, gc=False):
    """The error of a line; all missing where there is none."""

    error_kind: str | None = None
    error_code: int | None = None
    error_message: str | None = None


NO_FAULT = Fault()


class Row(Struct, frozen=True, gc=False):
    """One parsed line."""

    record_id: str | None
    line: int
    family: Family | None
    parsed: ParsedAnswer
    sampling: Sampling
    fault: Fault
    is_filtered: bool = False  # by a guardrail, whose words are then the answer

    def find_stop(self) -> str | None:
        """Return how the answer ended, in common words; None where it does not say so."""
        if self.is_filtered:
            return "filtered"
        return self.family.find_stop(self.parsed.stop_reason) if self.family else None


class Shape(NamedTuple):
    """Families whose answers have one form, the fields that mark these answers, and the decoder of their lines."""

    families: tuple[Family, ...]
    only: Family | None
    required_fields: frozenset[str]
    decode: Callable[[bytes], Any]


def make_shapes(families: Sequence[Family]) -> tuple[Shape, ...]:
    """Group the families by their answers; an answer with the required fields of two shapes belongs to the first."""
    shapes: list[Shape] = []
    for answer, alike in groupby(sorted(families, key=lambda one: first_of(one, families)), lambda one: one.answer):
        members = tuple(alike)
        required_fields = frozenset(list_required_fields(answer))
        foreign = frozenset().union(*(shape.required_fields for shape in shapes)) - required_fields
        only = members[0] if len(members) == 1 else None
        shapes.append(Shape(members, only, required_fields, make_decoder(members[0], foreign).decode))
    return tuple(shapes)


def first_of(family: Family, families: Sequence[Family]) -> int:
    """Return the index of the first family that has the same answers."""
    return next(place for place, other in enumerate(families) if other.answer is family.answer)


def list_required_fields(answer: type[Any]) -> list[str]:
    """List the fields that an answer must have."""
    return [field.encode_name for field in msgspec.structs.fields(answer) if field.required]


def make_decoder(family: Family, foreign: Iterable[str]) -> msgspec.json.Decoder[Any]:
    """Make the decoder of lines whose answer has one shape, and none of the fields `foreign`."""
    absent = [(sign, msgspec.UnsetType, msgspec.UNSET) for sign in sorted(foreign)]
    own = [("guardrail", Any, None), *absent]
    answer = msgspec.defstruct("Answer", own, bases=(family.answer,), rename={"guardrail": GUARDRAIL})
    fields = [
        ("recordId", str | Count | None, None),
        ("modelInput", family.request | None, None),
        ("modelOutput", answer | None, None),
        ("error", Any, None),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Line", fields, gc=False))


SHAPES = make_shapes(FAMILIES)


def read_lines(
    lines: Iterable[bytes],
    file: str,
    model_id: str | None = None,
    *,
    echoes: EchoShortener | None = None,
    reasoning_tags: tuple[str, ...] = REASONING_TAGS,
) -> Iterator[Row]:
    """Read the lines of one file.

    Parameters
    ----------
    lines
        Split at the line feed alone: Bedrock writes U+0085 and U+2028 as they are. Blank lines count, without a row.
    file
        Its name, for the messages.
    model_id
        The model that was asked. It tells apart families whose answers look alike, and what failed requests asked for.
    echoes
        The forms of requests in earlier files; for speed alone.
    reasoning_tags
        Names of the tags between which a text has reasoning.

    Yields
    ------
    row
        One per line.
    """
    base = find_model(model_id).base if model_id else ""
    # The shape of the last line is tried first, as it mostly fits; the order changes speed, never a row.
    order = sorted(SHAPES, key=lambda shape: not any(family.models.match(base) for family in shape.families))
    shorten = (echoes or EchoShortener()).shorten
    latest: Family | None = None
    for number, line in enumerate(lines, start=1):
        content = (rewrite_line(line) or line) if is_batch_line(line) else line
        row = read_typed(shorten(content), number, order, base, reasoning_tags)
        if (row is None or row.record_id is None) and CUSTOM_ID in content and (rewritten := rewrite_line(content)):
            content, row = rewritten, read_typed(rewritten, number, order, base, reasoning_tags)
        if row is None:
            if line.isspace():
                continue
            plain = blank_texts(content)
            row = read_typed(plain, number, order, base, reasoning_tags) or read_leniently(
                plain, number, file, base, reasoning_tags
            )
        yield row
        if row.family is not latest and row.family is not None:
            latest = row.family
            order.sort(key=lambda shape: latest not in shape.families)


def read_typed(line: bytes, number: int, shapes: Sequence[Shape], base: str, tags: tuple[str, ...]) -> Row | None:
    """Decode a line with the types of its shape; None where no shape fits."""
    for shape in shapes:
        try:
            parsed = shape.decode(line)
        except REFUSALS:
            continue
        record_id, echo, answer, error = parsed.recordId, parsed.modelInput, parsed.modelOutput, parsed.error
        if isinstance(record_id, int):
            record_id = str(record_id)
        if answer is not None:
            is_filtered = answer.guardrail == INTERVENED
            parsed = answer.parse()
            text = parsed.text
            if text and "<" in text:
                text = set_reasoning_apart(parsed, tags).text
            family, fault = shape.only, NO_FAULT
            if family is None:
                family, fault = choose_family(shape, echo, parsed.model, base)
            sampling = NO_SAMPLING if echo is None else echo.sampling()
            if error is not None:
                fault = read_error(error)
            elif parsed.note is not None or not text or text.isspace():
                fault = Fault(error_message=join_notes([fault.error_message, *list_notes(parsed)]))
            return Row(record_id, number, family, parsed, sampling, fault, is_filtered)
        if error is not None:
            return Row(record_id, number, *find_typed_request_family(line, base), read_error(error))
        return None
    return None


def list_notes(parsed: ParsedAnswer) -> list[str]:
    """List what is to be said of an answer: what was left out, and that it says nothing."""
    has_words = parsed.text is not None and not parsed.text.isspace() and parsed.text != ""
    notes = [] if parsed.note is None else [parsed.note]
    return notes if has_words or parsed.tool_calls or parsed.vectors else [*notes, NO_WORDS]


def join_notes(notes: Iterable[str | None]) -> str | None:
    """Join notes into one message; None where there are none."""
    return "; ".join(filter(None, notes)) or None


def choose_family(shape: Shape, echo: Any, named: str | None, base: str) -> tuple[Family, Fault]:
    """Choose among families whose answers have one form; without evidence the first, and a message says so."""
    for family in shape.families:
        if family.matches_request(echo) if family.matches_request else matches(family, base, named):
            return family, NO_FAULT
    first, *others = (family.name for family in shape.families)
    alike = f"read as {first}: {' and '.join(others)} answer in the same shape, and no model is named"
    return shape.families[0], Fault(error_message=alike) if others else NO_FAULT


def matches(family: Family, base: str, named: str | None) -> bool:
    """Return whether the model that was asked, or the model that the answer names, is one of the family's."""
    return bool(family.models.match(base) or (named and family.models.match(named)))


def find_typed_request_family(line: bytes, base: str) -> tuple[Family | None, ParsedAnswer, Sampling]:
    """Find the family of a line without an answer by its request."""
    return find_request_family(((shape, decode_request(line, shape)) for shape in likely_shapes(base)), base)


def decode_request(line: bytes, shape: Shape) -> Any:
    """Decode the request of a line that has no answer; None when it is not of the shape's types."""
    with suppress(*REFUSALS):
        return shape.decode(line).modelInput
    with suppress(*REFUSALS):  # whatever is wrong in its texts
        return shape.decode(blank_texts(line)).modelInput
    return None


@cache
def likely_shapes(base: str) -> tuple[Shape, ...]:
    """List the shapes that a model's answers can have: its own and that of Converse; all when it is not known."""
    own = [shape for shape in SHAPES if any(family.models.match(base) for family in shape.families)]
    return tuple(shape for shape in SHAPES if shape in own or CONVERSE in shape.families) if own else SHAPES


def find_request_family(echoes: Iterable[tuple[Shape, Any]], base: str) -> tuple[Family | None, ParsedAnswer, Sampling]:
    """Find the family of a request: by fields that only one format has, else by the model that was asked."""
    unclaimed = []
    for shape, echo in echoes:
        if echo is not None and echo.has_own_field():
            return choose_family(shape, echo, None, base)[0], NO_ANSWER, echo.sampling()
        if echo is not None:
            unclaimed += [(family, echo) for family in shape.families]
    for family, echo in unclaimed:
        if family.models.match(base):
            return family, NO_ANSWER, echo.sampling()
    return None, NO_ANSWER, NO_SAMPLING


def write_id(record_id: str | int | None) -> str | None:
    """Write a record id that is a number as text."""
    return str(record_id) if isinstance(record_id, int) else record_id


def read_error(error: Any) -> Fault:
    """Read the error in place of an answer; the code is a number or a text of digits."""
    if not isinstance(error, dict):
        return Fault("service", None, to_text(error))
    kind = "expired" if error.get("expired") is True else "service"
    return Fault(kind, to_code(error.get("errorCode")), to_text(error.get("errorMessage")))


def to_code(code: Any) -> int | None:
    """Convert an error code to a number of 32 bits; None where it is not one."""
    if isinstance(code, str) and re.fullmatch(r"[0-9]{1,9}", code):
        return int(code)
    is_code = isinstance(code, int) and not isinstance(code, bool) and abs(code) < 2**31
    return code if is_code else None


def to_text(message: Any) -> str | None:
    """Convert a message to text; values of other types are written as JSON."""
    return message if message is None or isinstance(message, str) else json.dumps(message, ensure_ascii=False)


def read_leniently(line: bytes, number: int, file: str, base: str, tags: tuple[str, ...]) -> Row:
    """Read a line that no shape's types fit, with a message on what was replaced, or why it cannot be read."""
    try:
        return read_body(*parse_leniently(line), number, file, base, tags)
    except (ValueError, RecursionError) as error:
        fault = unreadable(file, number, error)
        return Row(salvage_record_id(line), number, None, NO_ANSWER, NO_SAMPLING, fault)


def read_body(body: Any, notes: list[str], number: int, file: str, base: str, tags: tuple[str, ...]) -> Row:
    """Read request and answer separately, so that an error in one leaves the other readable."""
    if not isinstance(body, dict):
        raise ValueError("not a JSON object")
    if "custom_id" in body and "recordId" not in body:
        # What strict JSON forbids is replaced by now.
        body = json.loads(rewrite_line(json.dumps(body).encode()) or json.dumps(body))
    record_id = write_id(read_record_id(body.get("recordId"), notes))
    fault = None if body.get("error") is None else read_error(body["error"])
    try:
        shape, parsed = find_answer(body.get("modelOutput"), notes)
    except ValueError as reason:
        request = body.get("modelInput")
        of_request = find_request_family(
            ((shape, read_request(request, shape, [])) for shape in likely_shapes(base)), base
        )
        return Row(record_id, number, *of_request, fault or unreadable(file, number, reason))
    parsed = set_reasoning_apart(parsed, tags)
    echo = read_request(body.get("modelInput"), shape, notes)
    family, doubt = choose_family(shape, echo, parsed.model, base)
    sampling = echo.sampling() if echo is not None else NO_SAMPLING
    fault = fault or Fault(error_message=join_notes([*notes, doubt.error_message, *list_notes(parsed)]))
    is_filtered = body["modelOutput"].get(GUARDRAIL) == INTERVENED
    return Row(record_id, number, family, parsed, sampling, fault, is_filtered)


def read_record_id(record_id: Any, notes: list[str]) -> str | int | None:
    """Return the record id if it is a text or a number; else None, with a note."""
    if record_id is None or (isinstance(record_id, str | int) and not isinstance(record_id, bool)):
        return record_id
    notes.append("recordId left out (neither text nor number)")
    return None


def find_answer(output: Any, notes: list[str]) -> tuple[Shape, ParsedAnswer]:
    """Find the shape whose required fields the answer has, and read it."""
    if output is None:
        raise ValueError("neither modelOutput nor error")
    if not isinstance(output, dict):
        raise ValueError("modelOutput is not an object")
    reasons = []
    for shape in SHAPES:
        if shape.required_fields <= output.keys():
            own: list[str] = []
            try:
                parsed = convert_leniently(output, shape.families[0].answer, own).parse()
            except ValueError as reason:
                reasons.append(reason)
                continue
            notes += own
            return shape, parsed
    no_shape = ValueError(f"no family reads this modelOutput (it has {', '.join(output) or 'no fields'})")
    raise (reasons or [no_shape])[0]


def read_request(request: Any, shape: Shape, notes: list[str]) -> Any:
    """Read the settings of a request; None where it is not an object."""
    return convert_leniently(request, shape.families[0].request, notes) if isinstance(request, dict) else None


def convert_leniently(body: dict[str, Any], kind: type[Any], notes: list[str]) -> Any:
    """Convert to a Struct, leaving out each field that is not of its type; a text in place of a block is one."""
    # A copy, since fields are removed from it and the caller tries other types on the same answer.
    body = json.loads(json.dumps(body))
    for _ in range(MOST_DROPPED):
        try:
            return msgspec.convert(body, kind)
        except msgspec.ValidationError as error:
            place = PLACE.search(str(error))
            if place is None or not mend_field(body, place[1], str(error), notes):
                raise ValueError(f"modelOutput: {error}") from error
    raise ValueError(f"more than {MOST_DROPPED} fields are not of their types")


def mend_field(body: Any, path: str, reason: str, notes: list[str]) -> bool:
    """Mend a field that is not of its type, or leave it out, with a note; False where neither changes it."""
    *steps, last = (int(step) if step.isdigit() else step for step in STEP.findall(path))
    for step in steps:
        body = body[step]
    value, body[last] = body[last], mend_value(body[last], path, is_item=isinstance(last, int))
    if body[last] in (None, {}):
        notes.append(f"{path} left out ({reason.split(' - at')[0]})")
    return type(body[last]) is not type(value)


def mend_value(value: Any, path: str, *, is_item: bool) -> Any:
    """Return a value in the form that its field has; without one, nothing: an empty object in a list, else None."""
    if isinstance(value, float) and value.is_integer() and 0 <= value < 2**63:
        return int(value)
    if isinstance(value, str) and IN_CONTENT.search(path):
        block = {"type": "text", "text": value}
        return block if is_item else [block]
    return {} if is_item else None


def parse_leniently(line: bytes) -> tuple[Any, list[str]]:
    """Parse a line after replacing what strict JSON forbids; return the value and notes on what was replaced."""
    text = line.decode("utf-8", "replace")
    body = json.dumps(parse_json(text.removeprefix("\ufeff")), ensure_ascii=False)
    is_changed = text.encode() != line or has_lone_surrogates(body)
    notes = ["lone surrogates or invalid UTF-8 replaced by U+FFFD"] if is_changed else []
    return parse_json(replace_lone_surrogates(body)), notes


def parse_json(text: str) -> Any:
    """Parse JSON; control characters may stand in texts, and NaN and infinity are missing."""
    return json.loads(text, strict=False, parse_constant=lambda _: None)


def unreadable(file: str, number: int, reason: Exception) -> Fault:
    """Return the error of a line that cannot be read: file, line and reason."""
    text = f"{reason.msg} at character {reason.pos + 1}" if isinstance(reason, json.JSONDecodeError) else str(reason)
    return Fault("unreadable", None, f"{file}, line {number}: {text}")


def salvage_record_id(line: bytes) -> str | None:
    """Find the record id in a line that is not valid JSON; None without one."""
    found = RECORD_ID.search(line) or TORN_ID.search(line)
    try:
        return replace_lone_surrogates(json.loads(found[1] or found[2])) if found else None
    except ValueError:
        return None
