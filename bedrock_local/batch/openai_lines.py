"""Lines of OpenAI's batches: requests in, results out.

Source: OpenAI API Reference, "The request input object" and "The request output object", to which the Amazon Bedrock
User Guide refers. No file of the service has been seen.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

URL = "/v1/chat/completions"
EXPIRED = "batch_expired"
# In a text its quotes would be escaped.
NO_RESPONSE = b',"response":null,'


class BatchRequest(msgspec.Struct):
    """The part of a line that validation checks; the body has to be an object, whatever is in it."""

    custom_id: str
    method: Literal["POST"]
    url: Literal["/v1/chat/completions"]
    body: msgspec.Raw


def read_request(line: bytes) -> tuple[str, bytes]:
    """Return the id of a line and its body as it was sent; a ValueError says what is wrong with it."""
    line.decode()
    try:
        found = msgspec.json.decode(line, type=BatchRequest)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON object: {error}") from None
    body = bytes(found.body)
    if not body.startswith(b"{"):
        raise ValueError("body is not a JSON object")
    return found.custom_id, body


def write_result(custom_id: str, body: bytes) -> bytes:
    """Write the line of a request that was answered."""
    digest = make_digest(custom_id)
    parts = [start_line(custom_id), b',"response":{"status_code":200,"request_id":"', digest.encode()]
    return b"".join([*parts, b'","body":', body, b'},"error":null}\n'])


def write_failure(custom_id: str, failure: dict[str, Any]) -> bytes:
    """Write the line of a request that failed, or that was not processed."""
    code = EXPIRED if failure.get("expired") else str(failure["errorCode"])
    error = msgspec.json.encode({"code": code, "message": failure["errorMessage"]})
    return b"".join([start_line(custom_id), NO_RESPONSE, b'"error":', error, b"}\n"])


def is_failure(line: bytes) -> bool:
    """Return whether a line belongs into the file of errors."""
    return NO_RESPONSE in line


def start_line(custom_id: str) -> bytes:
    """Write the ids of a line; that of the request is the same each time."""
    return b'{"id":"batch_req_%b","custom_id":%b' % (make_digest(custom_id).encode(), msgspec.json.encode(custom_id))


def make_digest(custom_id: str) -> str:
    """Make an id out of another."""
    return hashlib.sha256(custom_id.encode()).hexdigest()[:24]
