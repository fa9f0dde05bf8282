"""Records: an input line is read and answered, and the answer written as an output line.

Source: "Format and upload your batch inference data" and "View the results of a batch inference job".
"""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass
from typing import Any

import msgspec

from bedrock_local.batch.jobs import Form
from bedrock_local.batch.openai_lines import read_request, write_failure, write_result
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
    """One input line; the model input is kept as the bytes that were sent."""

    model_input: bytes
    record_id: str | None = None
    form: Form = "bedrock"


class OuterRecord(msgspec.Struct):
    """The part of a line that validation checks; the model input has to be an object, whatever is in it."""

    model_input: msgspec.Raw = msgspec.field(name="modelInput")
    record_id: str | None = msgspec.field(name="recordId", default=None)


@dataclass(frozen=True)
class Outcome:
    """One output line and what it adds to the counters."""

    line: bytes
    is_success: bool
    input_tokens: int = 0
    output_tokens: int = 0


def read_record(line: bytes, form: Form = "bedrock") -> Record:
    """Read the outer form of a line; a ValueError says what is wrong with it."""
    if form == "openai":
        custom_id, body = read_request(line)
        return Record(body, custom_id, form)
    # msgspec checks UTF-8 only in texts that it decodes, and the model input stays raw.
    line.decode()
    try:
        outer = msgspec.json.decode(line, type=OuterRecord)
        model_input = bytes(outer.model_input)
    except msgspec.DecodeError:
        # JSON may hold a lone surrogate, which msgspec refuses. The replacement has the same length, so positions hold.
        plain = replace_escaped_surrogates(line)
        outer = decode_outer(plain)
        start = plain.find(bytes(outer.model_input))
        model_input = line[start : start + len(bytes(outer.model_input))]
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not model_input.startswith(b"{"):
        raise ValueError("modelInput is not a JSON object")
    return Record(model_input, outer.record_id)


def answer_record(
    record: Record,
    model: Model,
    *,
    invocation_type: str,
    responder: Responder,
    number: int,
    strict: bool = False,
) -> Outcome:
    """Answer a record; where it or the responder fails, the line has the error in place of the answer."""
    record_id = make_record_id(record, number) if record.record_id is None else record.record_id
    try:
        body = read_body(record)
        reply, written = answer_body(body, model, invocation_type, responder, strict=strict)
    except ServiceError as error:
        failure = msgspec.json.encode({"errorCode": error.status, "errorMessage": error.message})
        return Outcome(write_line(record, b"error", failure, record_id), is_success=False)
    line = write_line(record, b"modelOutput", msgspec.json.encode(written), record_id)
    return Outcome(line, is_success=True, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)


def expire_record(record: Record, reason: str, *, number: int) -> bytes:
    """Return the error line of a record that a job did not process; readers of the service look for `expired`."""
    record_id = make_record_id(record, number) if record.record_id is None else record.record_id
    failure = msgspec.json.encode({"errorCode": 408, "errorMessage": reason, "expired": True})
    return write_line(record, b"error", failure, record_id)


def answer_body(
    body: Any, model: Model, invocation_type: str, responder: Responder, *, strict: bool
) -> tuple[Reply, dict[str, Any]]:
    """Return the reply to a model input, and the answer in the format of its family."""
    try:
        if invocation_type == "Converse":
            return answer_converse_record(model, body, responder, strict=strict)
        return answer_native(model, body, responder)
    except RecursionError:
        raise ServiceError("ValidationException", MALFORMED) from None


def read_body(record: Record) -> Any:
    """Read the model input."""
    try:
        return read_json(record.model_input)
    except (msgspec.DecodeError, RecursionError):
        raise ServiceError("ValidationException", MALFORMED) from None


def read_json(content: bytes) -> Any:
    """Read JSON, which may hold a lone surrogate."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return msgspec.json.decode(replace_escaped_surrogates(content))


def write_line(record: Record, name: bytes, value: bytes, record_id: str) -> bytes:
    """Return the output line, with the bytes of the model input unchanged, or in the form of OpenAI's batches."""
    if record.form == "openai":
        is_answer = name == b"modelOutput"
        return write_result(record_id, value) if is_answer else write_failure(record_id, msgspec.json.decode(value))
    parts = [b'{"modelInput":', record.model_input]
    # Answer or error come before the id, as in the service's own files.
    parts += [b',"', name, b'":', value, b',"recordId":', msgspec.json.encode(record_id), b"}\n"]
    return b"".join(parts)


def make_record_id(record: Record, number: int) -> str:
    """Return an id for a record without one: 11 letters and digits, the same each time."""
    digest = int.from_bytes(hashlib.sha256(b"%d " % number + record.model_input).digest(), "big")
    return "".join(LETTERS[digest // 62**place % 62] for place in range(11))


def decode_outer(line: bytes) -> OuterRecord:
    """Read the outer form; a ValueError says what is wrong with it."""
    try:
        return msgspec.json.decode(line, type=OuterRecord)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except msgspec.DecodeError as error:
        raise ValueError(f"not a JSON object: {error}") from error
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
