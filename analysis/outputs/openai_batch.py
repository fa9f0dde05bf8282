"""Lines of OpenAI's batches, rewritten as lines of Bedrock's own, so that one reader defines what is right.

Sources: Amazon Bedrock User Guide, "Submit a batch of prompts with the OpenAI Batch API", which refers to OpenAI's API
reference, "The request output object". No file of the service has been seen.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

CUSTOM_ID = b'"custom_id"'
HEAD_BYTES = 200  # an id of the request precedes it
EXPIRED = "batch_expired"
# In a line that is torn: only behind the request's id, as anywhere else it could be part of an answer's text.
TORN_ID = re.compile(rb'\A\s*\{\s*(?:"id"\s*:\s*"[^"\\]*"\s*,\s*)?"custom_id"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)


class BatchResponse(Struct):
    """What came back for a request: an answer, or where the status is none of success, an error."""

    status_code: Any = None
    body: Raw = Raw(b"null")


class BatchLine(Struct):
    """A line; the id is the only field that marks it."""

    custom_id: Raw
    response: BatchResponse | None = None
    error: Any = None


DECODER = msgspec.json.Decoder(BatchLine)


def is_batch_line(line: bytes) -> bool:
    """Return whether a line begins like one of OpenAI's batches, which nothing but its decoding makes certain."""
    return line.find(CUSTOM_ID, 0, HEAD_BYTES) >= 0


def rewrite_line(line: bytes) -> bytes | None:
    """Return the line that Bedrock would write with the same answer or error; None for a line of another kind."""
    try:
        found = DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    parts, error = [b'{"recordId":', found.custom_id], found.error
    if found.response is not None:
        status = found.response.status_code
        if error is None and isinstance(status, int) and status >= 400:
            error = {"code": status, "message": find_message(found.response.body)}
        else:
            parts += [b',"modelOutput":', found.response.body]
    if error is not None:
        parts += [b',"error":', msgspec.json.encode(convert_error(error))]
    return b"".join(bytes(part) for part in [*parts, b"}"])


def convert_error(error: Any) -> Any:
    """Convert an error to Bedrock's fields; a code that is no number becomes part of the message."""
    if not isinstance(error, dict):
        return error
    code, message = error.get("code"), error.get("message")
    is_number = isinstance(code, int) or (isinstance(code, str) and code.isdecimal())
    if code is not None and not is_number:
        message = f"{code}: {message}" if message else code
    return {"errorCode": code if is_number else None, "errorMessage": message, "expired": code == EXPIRED}


def find_message(body: Raw) -> Any:
    """Find the message of an error that stands in the body of a response; without one, the body is the message."""
    content = msgspec.json.decode(body)
    error = content.get("error") if isinstance(content, dict) else None
    return error.get("message", error) if isinstance(error, dict) else content if error is None else error
