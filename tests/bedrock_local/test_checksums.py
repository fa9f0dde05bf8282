from __future__ import annotations

import io

import pytest

from bedrock_local.checksums import plain_chunks
from bedrock_local.errors import ServiceError

# The example of "Signature calculations: transferring payload in multiple chunks", shortened.
WRAPPED = b"5;chunk-signature=ad80c730\r\nhello\r\n3\r\n\r\n!\r\n"
WRAPPED += b"0;chunk-signature=b6c6ea8a\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"


def test_a_body_comes_out_of_its_envelope_with_what_follows_it():
    trailers = {}
    assert b"".join(plain_chunks(io.BytesIO(WRAPPED), trailers)) == b"hello\r\n!"
    assert trailers == {"x-amz-checksum-crc32": "AAAA"}


def test_a_body_that_ends_early_is_refused():
    with pytest.raises(ServiceError, match="IncompleteBody"):
        list(plain_chunks(io.BytesIO(b"ff\r\nshort"), {}))


@pytest.mark.parametrize("content", [b"", b"no size\r\n", b"x" * 3_000_000], ids=["empty", "no size", "no line"])
def test_an_envelope_that_is_none_is_refused(content):
    with pytest.raises(ServiceError, match="IncompleteBody"):
        list(plain_chunks(io.BytesIO(content), {}))
