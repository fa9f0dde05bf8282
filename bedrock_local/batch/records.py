"""Records: a line of an input file in, a line of an output file out.

Source: "Format and upload your batch inference data" and "View the results of a batch inference job".
"""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass
from typing import Any

import msgspec

from bedrock_local.families import answer_converse_record, answer_native
from bedrock_local.inference import Reply, Responder
from bedrock_local.models import Model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.surrogates import replace_escaped_surrogates

TOO_DEEP = "modelInput is nested too deeply"
TOO_MUCH = "nested too deeply, or with a number out of range"
MALFORMED = f"Malformed input request: {TOO_MUCH}, please reformat your input and try again."
LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Record(msgspec.Struct, frozen=True):
    """One input line; its model input stays the bytes that were sent."""

    model_input: bytes
    record_id: str | None = None


class OuterForm(msgspec.Struct):
    """What validation looks at: the model input may hold anything, as long as it is an object."""

    model_input: msgspec.Raw = msgspec.field(name="modelInput")
    record_id: str | None = msgspec.field(name="recordId", default=None)


@dataclass(frozen=True)
class Outcome:
    """One output line and what it adds to the counters."""

    line: bytes
    is_success: bool
    input_tokens: int = 0
    output_tokens: int = 0


def read_record(line: bytes) -> Record:
    """Read the outer form of a line; a ValueError says what is wrong with it."""
    # msgspec looks at the bytes of a text only when it makes a string of it.
    line.decode()
    try:
        form = msgspec.json.decode(line, type=OuterForm)
        model_input = bytes(form.model_input)
    except msgspec.DecodeError:
        # JSON may hold half a surrogate pair, which msgspec refuses. The replacement is of the same length.
        plain = replace_escaped_surrogates(line)
        form = decode_form(plain)
        start = plain.find(bytes(form.model_input))
        model_input = line[start : start + len(bytes(form.model_input))]
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not model_input.startswith(b"{"):
        raise ValueError("modelInput is not a JSON object")
    return Record(model_input, form.record_id)


def answer_record(record: Record, model: Model, *, invocation_type: str, responder: Responder, number: int) -> Outcome:
    """Answer a record, or say what is wrong with it in place of the answer."""
    record_id = make_record_id(record, number) if record.record_id is None else record.record_id
    try:
        body = read_body(record)
        reply, written = answer_body(body, model, invocation_type, responder)
    except ServiceError as error:
        failure = msgspec.json.encode({"errorCode": error.status, "errorMessage": error.message})
        return Outcome(write_line(record, b"error", failure, record_id), is_success=False)
    line = write_line(record, b"modelOutput", msgspec.json.encode(written), record_id)
    return Outcome(line, is_success=True, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)


def expire_record(record: Record, reason: str, *, number: int) -> bytes:
    """Give the error line of a record that a job did not come to; `expired` is what readers of the service look for."""
    record_id = make_record_id(record, number) if record.record_id is None else record.record_id
    failure = msgspec.json.encode({"errorCode": 408, "errorMessage": reason, "expired": True})
    return write_line(record, b"error", failure, record_id)


def answer_body(body: Any, model: Model, invocation_type: str, responder: Responder) -> tuple[Reply, dict[str, Any]]:
    """Give the reply to a model input, plain and in the form of its family."""
    try:
        return (answer_converse_record if invocation_type == "Converse" else answer_native)(model, body, responder)
    except RecursionError:
        raise ServiceError("ValidationException", MALFORMED) from None


def read_body(record: Record) -> Any:
    """Read the model input."""
    try:
        return read_json(record.model_input)
    except (msgspec.DecodeError, RecursionError):
        raise ServiceError("ValidationException", MALFORMED) from None


def read_json(content: bytes) -> Any:
    """Read JSON, which may hold half of a surrogate pair."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return msgspec.json.decode(replace_escaped_surrogates(content))


def write_line(record: Record, name: bytes, value: bytes, record_id: str) -> bytes:
    """Write the output line around the bytes of the model input, untouched."""
    parts = [b'{"modelInput":', record.model_input]
    # An answer stands before the id, an error too, as in the service's own files.
    parts += [b',"', name, b'":', value, b',"recordId":', msgspec.json.encode(record_id), b"}\n"]
    return b"".join(parts)


def make_record_id(record: Record, number: int) -> str:
    """Make the id of a record that brought none: 11 letters and digits, the same each time."""
    digest = int.from_bytes(hashlib.sha256(b"%d " % number + record.model_input).digest(), "big")
    return "".join(LETTERS[digest // 62**place % 62] for place in range(11))


def decode_form(line: bytes) -> OuterForm:
    """Read the outer form, or say what is wrong with it."""
    try:
        return msgspec.json.decode(line, type=OuterForm)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except msgspec.DecodeError as error:
        raise ValueError(f"not a JSON object: {error}") from error
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
