from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_local.transport.http_head import HeadError, read_head

NAMES = st.text("abcXYZ-09_~", min_size=1)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


def read(head):
    lines = io.BufferedReader(io.BytesIO(head))
    return read_head(lines.readline(), lines)


def test_a_head_is_read_as_it_was_sent():
    head = read(b"PUT //calls/a?b=c HTTP/1.1\r\nHost: localhost\r\nX-A:  1 \r\nx-a: caf\xe9\nEmpty:\r\n\r\nrest")
    assert (head.method, head.target, head.is_last) == ("PUT", "//calls/a?b=c", False)
    assert head.headers == {"host": "localhost", "x-a": "1,café", "empty": ""}


@given(st.dictionaries(NAMES.map(str.lower), VALUES, max_size=100))
def test_headers_of_any_names_and_values_come_back(headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    assert read(f"GET / HTTP/1.1\r\n{lines}\r\n".encode()).headers == headers


@pytest.mark.parametrize(
    ("version", "connection", "is_last"),
    [("1.1", "", False), ("1.1", "Close", True), ("1.0", "", True), ("1.0", "keep-alive", False)],
)
def test_a_head_says_whether_the_connection_goes_on(version, connection, is_last):
    assert read(f"GET / HTTP/{version}\r\nConnection: {connection}\r\n\r\n".encode()).is_last is is_last


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"GET /\r\n\r\n", 400, r"Bad request syntax \('GET /'\)"),
        (b"GET / HTTP/x\r\n\r\n", 400, "Bad request syntax"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, r"Invalid HTTP version \(2.0\)"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "Bad header"),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400, "Bad header"),
        (b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 400, "Bad header"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 65_536 + b"\r\n\r\n", 431, "Line too long"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431, "Too many headers"),
        (b"GET / HTTP/1.1\r\nA: b\r\n", 400, "Bad header"),
    ],
)
def test_what_is_no_head_is_refused(head, status, reason):
    with pytest.raises(HeadError, match=reason) as refused:
        read(head)
    assert refused.value.status == status
