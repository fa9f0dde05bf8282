import hashlib

import pytest

from analysis.aws.copies import compute_etag


def md5(content):
    return hashlib.md5(content, usedforsecurity=False)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "a").write_bytes(b"hello world")
    return tmp_path / "a"


def test_the_etag_of_an_object_in_one_piece_is_its_md5(file):
    assert compute_etag(file) == "5eb63bbbe01eeed093cb22bb8f5acdc3"


@pytest.mark.parametrize(
    ("size", "parts"),
    [(11, [b"hello world"]), (6, [b"hello ", b"world"]), (5, [b"hello", b" worl", b"d"]), (99, [b"hello world"])],
)
def test_the_etag_of_parts_is_the_md5_of_their_md5s_and_their_number(file, size, parts):
    digests = b"".join(md5(part).digest() for part in parts)
    assert compute_etag(file, size) == f"{md5(digests).hexdigest()}-{len(parts)}"


def test_an_empty_object_in_parts_has_one(tmp_path):
    (tmp_path / "empty").touch()
    assert compute_etag(tmp_path / "empty", 5) == f"{md5(md5(b'').digest()).hexdigest()}-1"
