"""Read the head of a request over HTTP/1.1: its first line, and its headers by their names in lower case.

The standard library reads headers as those of mail, which takes longer than all else that a small request needs of
HTTP, and accepts names that no header can have. Source: RFC 9112, "Request line" and "Field syntax".
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from http import HTTPStatus

from bedrock_local.transport.http_body import LINE_BYTES

MOST_HEADERS = 100
FIRST_LINE = re.compile(rb"(\S+)[ \t]+(\S+)[ \t]+HTTP/([0-9])\.([0-9])[ \t]*\r?\n")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*\r?\n")


class HeadError(Exception):
    """A head that is not one of HTTP/1.1; its text is for the client."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Head:
    """The head of a request; `is_last` says that the client sends no further one over the connection."""

    method: str
    target: str
    headers: dict[str, str]
    is_last: bool


def read_head(first_line: bytes, lines: io.BufferedReader) -> Head:
    """Read the head that begins with a line, up to the empty line at its end; raise a HeadError for any other text."""
    found = FIRST_LINE.fullmatch(first_line)
    if not found:
        raise HeadError(HTTPStatus.BAD_REQUEST, f"Bad request syntax ({show_line(first_line)})")
    method, target, major, minor = (each.decode("latin-1") for each in found.groups())
    if major != "1":
        raise HeadError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"Invalid HTTP version ({major}.{minor})")
    headers = read_fields(lines)
    connection = headers.get("connection", "").lower()
    return Head(method, target, headers, connection == "close" or (minor == "0" and connection != "keep-alive"))


def read_fields(lines: io.BufferedReader) -> dict[str, str]:
    """Read headers up to the empty line; values of a repeated one are joined by commas."""
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS + 1):
        line = lines.readline(LINE_BYTES + 1)
        if line in (b"\r\n", b"\n"):
            return headers
        found = FIELD.fullmatch(line)
        if not found:
            raise HeadError(*explain_line(line))
        name, value = found[1].decode("ascii").lower(), found[2].decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raise HeadError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Too many headers")


def explain_line(line: bytes) -> tuple[HTTPStatus, str]:
    """Return status and text of the error for a line that is no header."""
    if len(line) > LINE_BYTES:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Line too long"
    return HTTPStatus.BAD_REQUEST, f"Bad header ({show_line(line)})"


def show_line(line: bytes) -> str:
    """Quote the beginning of a line that a client sent."""
    return repr(line[:200].rstrip(b"\r\n").decode("latin-1"))
