from __future__ import annotations

import base64
import hashlib
import io
import threading
import zlib

import pytest

from bedrock_local.dispatch import handle
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request
from bedrock_local.s3.checksums import plain_chunks, write_chunks

# The example of "Signature calculations: transferring payload in multiple chunks", shortened.
WRAPPED = b"5;chunk-signature=ad80c730\r\nhello\r\n3\r\n\r\n!\r\n"
WRAPPED += b"0;chunk-signature=b6c6ea8a\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"
# NhCmhg== is the CRC-32 of "hello", 0x3610A686, as zlib documents the algorithm.
SIGNED_TRAILER = b"5;chunk-signature=ad80c730\r\nhello\r\n0;chunk-signature=b6c6ea8a\r\n"
SIGNED_TRAILER += b"x-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:d81f82fc\r\n\r\n"


def test_an_aws_chunked_body_is_decoded_with_its_trailers():
    trailers = {}
    assert b"".join(plain_chunks(io.BytesIO(WRAPPED), trailers)) == b"hello\r\n!"
    assert trailers == {"x-amz-checksum-crc32": "AAAA"}


@pytest.mark.parametrize("number", [0, 1, 2, 40])
def test_pieces_are_hashed_in_their_order(tmp_path, number):
    pieces = [bytes([place]) * 1000 for place in range(number)]
    received = write_chunks(iter(pieces), tmp_path / "a", {"crc32", "sha256"})
    whole = b"".join(pieces)
    assert (tmp_path / "a").read_bytes() == whole
    assert received.md5 == hashlib.md5(whole, usedforsecurity=False).digest()
    assert received.checksums == {
        "crc32": base64.b64encode(zlib.crc32(whole).to_bytes(4)).decode(),
        "sha256": base64.b64encode(hashlib.sha256(whole).digest()).decode(),
    }


def test_a_body_that_breaks_leaves_no_thread(tmp_path):
    def broken():
        yield from (b"a", b"b", b"c")
        raise OSError("the client has gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="has gone"):
        write_chunks(broken(), tmp_path / "a", {"crc32"})
    assert threading.active_count() == before


def test_a_body_that_ends_early_is_refused():
    with pytest.raises(ServiceError, match="IncompleteBody"):
        list(plain_chunks(io.BytesIO(b"ff\r\nshort"), {}))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            b"5;chunk-signature=ad80c730\r\nhello\r\n0;chunk-signature=b6c6\r\n\r\n",
        ),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGNED_TRAILER),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"),
    ],
)
def test_every_form_of_aws_chunked_is_decoded(s3, folder, kind, body):
    headers = {"x-amz-content-sha256": kind, "x-amz-decoded-content-length": "5", "content-length": str(len(body))}
    headers |= {"content-encoding": "aws-chunked"}
    headers |= {"x-amz-trailer": "x-amz-checksum-crc32"} if "TRAILER" in kind else {}
    handle(Request("s3", "PUT", "localhost", "/calls/a", {}, headers, io.BytesIO(body)), Emulator(folder))
    found = s3.get_object(Bucket="calls", Key="a", ChecksumMode="ENABLED")
    assert (found["Body"].read(), "ContentEncoding" in found) == (b"hello", False)
    assert found.get("ChecksumCRC32") == ("NhCmhg==" if "TRAILER" in kind else None)


@pytest.fixture
def put(s3, folder):
    """Put `hello`, or other bytes, as an object, without a client that sees to its headers; give the error's code."""

    def send(body=b"hello", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = handle(Request("s3", "PUT", "localhost", "/calls/a", {}, named, io.BytesIO(body)), Emulator(folder))
        assert (s3.list_objects_v2(Bucket="calls")["KeyCount"] == 0) == (response.status != 200)
        return b"".join(response.body).partition(b"<Code>")[2].partition(b"<")[0].decode()

    return send


@pytest.mark.parametrize("algorithm", ["crc32", "sha1", "sha256", "sha512"])
def test_a_body_with_another_checksum_is_refused(put, algorithm):
    assert put(**{f"x_amz_checksum_{algorithm}": "AAAAAA=="}) == "BadDigest"


def test_a_body_with_another_checksum_behind_it_is_refused(put):
    wrapped = {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x_amz_trailer": "x-amz-checksum-crc32"}
    assert put(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", **wrapped) == "BadDigest"


@pytest.mark.parametrize(("length", "code"), [("4", "IncompleteBody"), ("6", "IncompleteBody"), ("5", "")])
def test_a_body_has_the_announced_length(put, length, code):
    wrapped = {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x_amz_decoded_content_length": length}
    assert put(content_length=length) == code
    assert put(b"5\r\nhello\r\n0\r\n\r\n", **wrapped) == code


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"1_0", b" 5"])
def test_a_size_is_hexadecimal_digits_and_nothing_else(size):
    with pytest.raises(ServiceError, match="IncompleteBody"):
        list(plain_chunks(io.BytesIO(size + b"\r\nhello\r\n0\r\n\r\n"), {}))


@pytest.mark.parametrize("content", [b"", b"no size\r\n", b"x" * 3_000_000], ids=["empty", "no size", "no line"])
def test_invalid_aws_chunked_is_refused(content):
    with pytest.raises(ServiceError, match="IncompleteBody"):
        list(plain_chunks(io.BytesIO(content), {}))
