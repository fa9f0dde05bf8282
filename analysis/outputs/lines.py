"""Lines: what one line of an output file says. This reader is the definition of what is right.

A line is read twice at most. First with the types of its family, which skips the echoed transcript and is fast. What
that refuses is read again with patience: lone surrogates and bytes that are no UTF-8 become U+FFFD, NaN becomes
missing, a field that is not of its type is left out. `error_message` says so, and no paid answer is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from analysis.families import FAMILIES, Family, Reading, Settings
from analysis.families.family import Count

Row = tuple[Any, ...]
FAULT = ("error_kind", "error_code", "error_message")
ROW = ("record_id", "line", "family", *Reading._fields, "stop", *Settings._fields, *FAULT)
FAMILY = ROW.index("family")

NO_SETTINGS = Settings()
NO_READING = Reading()
REFUSALS = (msgspec.DecodeError, ValueError, RecursionError)
SURROGATE = re.compile("[\ud800-\udfff]")
PLACE = re.compile(r"`\$\.([\w.]+)`$")
# At the start or the end of the line, where no text of a call can be.
RECORD_ID = re.compile(
    rb'\A\s*\{\s*"recordId"\s*:\s*("(?:[^"\\]|\\.)*")|,\s*"recordId"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}\s*\Z', re.DOTALL
)


class Fault(NamedTuple):
    """The values of `FAULT`."""

    kind: str | None = None
    code: int | None = None
    message: str | None = None


def make_decoder(family: Family) -> msgspec.json.Decoder[Any]:
    """Make the decoder of lines whose answer is of one family."""
    fields = [
        ("recordId", str | Count | None, None),
        ("modelInput", family.request | None, None),
        ("modelOutput", family.answer | None, None),
        ("error", Any, None),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Line", fields))


def find_sign(family: Family) -> str:
    """Name the one field that an answer of the family must have."""
    fields = msgspec.structs.fields(family.answer)  # type: ignore[arg-type]
    return next(field.encode_name for field in fields if field.required)


DECODERS = {family.name: make_decoder(family) for family in FAMILIES}
SIGNS = {family.name: find_sign(family) for family in FAMILIES}


def read_lines(lines: Iterable[bytes], file: str, families: Sequence[Family] = FAMILIES) -> Iterator[Row]:
    """Read the lines of one file.

    Parameters
    ----------
    lines
        Split at the line feed alone: Bedrock writes U+0085 and U+2028 as they are. Blank lines count, without a row.
    file
        Its name, for the messages.
    families
        In the order in which they are tried; the one that the last line had comes first, as it will mostly be right.

    Yields
    ------
    row
        The values of `ROW`.
    """
    order = list(families)
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        row = read_typed(line, number, order) or read_patiently(line, number, file)
        if row[FAMILY] != order[0].name:
            order.sort(key=lambda family: family.name != row[FAMILY])
        yield row


def read_typed(line: bytes, number: int, families: Sequence[Family]) -> Row | None:
    """Read a line with the types of its family; None when it needs patience."""
    for family in families:
        try:
            parsed = DECODERS[family.name].decode(line)
        except REFUSALS:
            continue
        if parsed.modelOutput is not None:
            settings = parsed.modelInput.settings() if parsed.modelInput is not None else NO_SETTINGS
            fault = NO_FAULT if parsed.error is None else read_error(parsed.error)
            return make_row(parsed.recordId, number, family, parsed.modelOutput.reading(), settings, fault)
        if parsed.error is not None:
            return make_row(parsed.recordId, number, *claim_typed(line), read_error(parsed.error))
        return None
    return None


def claim_typed(line: bytes) -> tuple[Family | None, Reading, Settings]:
    """Find the family of a line without an answer by its request; no line that stands before decides."""
    for family in FAMILIES:
        try:
            request = DECODERS[family.name].decode(line).modelInput
        except REFUSALS:
            continue
        if request is not None and request.is_claimed():
            return family, NO_READING, request.settings()
    return None, NO_READING, NO_SETTINGS


def make_row(
    record_id: str | int | None,
    number: int,
    family: Family | None,
    reading: Reading,
    settings: Settings,
    fault: Fault,
) -> Row:
    """Put the parts of a row together, in the order of `ROW`."""
    record_id = str(record_id) if isinstance(record_id, int) else record_id
    name, stop = (family.name, family.find_stop(reading.stop_reason)) if family else (None, None)
    return (record_id, number, name, *reading, stop, *settings, *fault)


def read_error(error: Any) -> Fault:
    """Read what stands in place of an answer; the code is a number or a text of digits."""
    if not isinstance(error, dict):
        return Fault("service", None, to_text(error))
    kind = "expired" if error.get("expired") is True else "service"
    return Fault(kind, to_code(error.get("errorCode")), to_text(error.get("errorMessage")))


def to_code(code: Any) -> int | None:
    """Give an error code as a number that fits 32 bits."""
    if isinstance(code, str) and re.fullmatch(r"[0-9]{1,9}", code):
        return int(code)
    is_code = isinstance(code, int) and not isinstance(code, bool) and abs(code) < 2**31
    return code if is_code else None


def to_text(message: Any) -> str | None:
    """Give a message as text; what is no text is written as JSON."""
    return message if message is None or isinstance(message, str) else json.dumps(message, ensure_ascii=False)


def read_patiently(line: bytes, number: int, file: str) -> Row:
    """Read a line that no family's types take, and say what had to be done, or why it cannot be read."""
    try:
        return read_body(*parse_patiently(line), number, file)
    except (ValueError, RecursionError) as error:
        fault = unreadable(file, number, error)
        return make_row(salvage_record_id(line), number, None, NO_READING, NO_SETTINGS, fault)


def read_body(body: Any, notes: list[str], number: int, file: str) -> Row:
    """Read request and answer each on its own, so that neither spoils the other."""
    if not isinstance(body, dict):
        raise ValueError("not a JSON object")
    record_id = read_record_id(body.get("recordId"), notes)
    fault = None if body.get("error") is None else read_error(body["error"])
    try:
        family, reading = find_answer(body.get("modelOutput"), notes)
    except ValueError as reason:
        claimed, settings = claim_request(body.get("modelInput"), FAMILIES, notes)
        fault = fault or unreadable(file, number, reason)
        return make_row(record_id, number, claimed, NO_READING, settings, fault)
    _, settings = claim_request(body.get("modelInput"), [family], notes)
    fault = fault or Fault(message="; ".join(notes) or None)
    return make_row(record_id, number, family, reading, settings, fault)


def read_record_id(record_id: Any, notes: list[str]) -> str | int | None:
    """Take a text or a number as the record id."""
    if record_id is None or (isinstance(record_id, str | int) and not isinstance(record_id, bool)):
        return record_id
    notes.append("recordId left out (neither text nor number)")
    return None


def find_answer(output: Any, notes: list[str]) -> tuple[Family, Reading]:
    """Find the family whose sign the answer bears, and read it."""
    if output is None:
        raise ValueError("neither modelOutput nor error")
    if not isinstance(output, dict):
        raise ValueError("modelOutput is not an object")
    for family in FAMILIES:
        if SIGNS[family.name] in output:
            return family, mend(output, family.answer, notes, SIGNS[family.name]).reading()
    raise ValueError(f"no family reads this modelOutput (it has {', '.join(output) or 'no fields'})")


def claim_request(request: Any, families: Sequence[Family], notes: list[str]) -> tuple[Family | None, Settings]:
    """Read the settings of a request; with several families to choose from, the one that claims it."""
    for family in families if isinstance(request, dict) else ():
        own: list[str] = []
        echo = mend(request, family.request, own)
        if len(families) == 1 or echo.is_claimed():
            notes += own
            return family, echo.settings()
    return None, NO_SETTINGS


def mend(body: dict[str, Any], kind: type[Any], notes: list[str], sign: str = "") -> Any:
    """Convert to a Struct, leaving out each field that is not of its type, but never the family's sign."""
    body = json.loads(json.dumps(body))
    while True:
        try:
            return msgspec.convert(body, kind)
        except msgspec.ValidationError as error:
            place = PLACE.search(str(error))
            if place is None or place[1].split(".")[0] == sign:
                raise ValueError(f"modelOutput: {error}") from error
            leave_out(body, place[1].split("."), str(error), notes)


def leave_out(body: dict[str, Any], path: list[str], reason: str, notes: list[str]) -> None:
    """Make a field missing; a whole number that is written with a decimal point stays."""
    for step in path[:-1]:
        body = body[step]
    value = body[path[-1]]
    is_whole = isinstance(value, float) and value.is_integer() and 0 <= value < 2**63
    body[path[-1]] = int(value) if is_whole else None
    if not is_whole:
        notes.append(f"{'.'.join(path)} left out ({reason.split(' - at')[0]})")


def parse_patiently(line: bytes) -> tuple[Any, list[str]]:
    """Parse a line as strict JSON would have it, and tell what was replaced."""
    text = line.decode("utf-8", "replace")
    body = json.dumps(parse_json(text.removeprefix("\ufeff")), ensure_ascii=False)
    is_changed = text.encode() != line or SURROGATE.search(body) is not None
    notes = ["lone surrogates or invalid UTF-8 replaced by U+FFFD"] if is_changed else []
    return parse_json(SURROGATE.sub("\ufffd", body)), notes


def parse_json(text: str) -> Any:
    """Parse JSON; control characters may stand in texts, and NaN and infinity are missing."""
    return json.loads(text, strict=False, parse_constant=lambda _: None)


def unreadable(file: str, number: int, reason: Exception) -> Fault:
    """Say which line of which file cannot be read, and why."""
    text = f"{reason.msg} at character {reason.pos + 1}" if isinstance(reason, json.JSONDecodeError) else str(reason)
    return Fault("unreadable", None, f"{file}, line {number}: {text}")


def salvage_record_id(line: bytes) -> str | None:
    """Take the record id out of a line that is not JSON as a whole."""
    found = RECORD_ID.search(line)
    try:
        return SURROGATE.sub("\ufffd", json.loads(found[1] or found[2])) if found else None
    except ValueError:
        return None


NO_FAULT = Fault()
