import bz2
import gzip
import io
import lzma
import random
import zipfile
import zlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import CallsError
from analysis.transcripts import read_calls, unpacking
from analysis.transcripts.unpacking import Unpacking, gunzip

CSV = b"call_id,transcript\na,Hello.\n"


@pytest.fixture
def small(monkeypatch):
    """Limits of a thousand bytes, or twice the file's own, and three thousand for all."""
    for name, value in {"MOST_BYTES": 3000, "MOST_TIMES": 2, "FREE_BYTES": 1000}.items():
        monkeypatch.setattr(unpacking, name, value)


def unpack(content):
    return gunzip(content, Unpacking().open("c.gz", len(content)))


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 20))
def test_members_and_padding_are_unpacked_as_gzip_does(members, zeros):
    content = b"".join(map(gzip.compress, members)) + b"\0" * (zeros if members else 0)
    assert unpack(content) == gzip.decompress(content) == b"".join(members)


def test_a_large_file_is_unpacked_slice_by_slice(monkeypatch):
    monkeypatch.setattr(unpacking, "SLICE_BYTES", 100)
    text = bytes(random.Random(0).choices(b"abcdefgh", k=100_000))
    assert unpack(gzip.compress(text) + gzip.compress(text)) == text * 2


@pytest.mark.parametrize("damage", [lambda good: good[:-1], lambda good: good[:5], lambda good: good + b"x"])
def test_a_file_that_is_not_whole_is_an_error(damage):
    with pytest.raises((EOFError, zlib.error)):
        unpack(damage(gzip.compress(CSV * 100)))


def write_zip(path, members, how=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_file_that_unpacks_to_very_much_is_refused(tmp_path, small):
    path = tmp_path / "c.csv.gz"
    path.write_bytes(gzip.compress(CSV + b"\n" * 1000))
    with pytest.raises(
        CallsError, match=r"c\.csv\.gz: unpacks to more than 2 times its \d+ bytes, .*unpack it yourself"
    ):
        read_calls(path)


@pytest.mark.parametrize("name", ["a.json.gz", "a.csv.gz", "a.txt", "a.txt.gz"])
def test_one_limit_holds_for_all_that_is_compressed(tmp_path, small, name):
    path, content = tmp_path / name, b" " * 5000
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
    else:
        path = write_zip(tmp_path / "a.zip", {name: content})
    if name == "a.txt.gz":
        path = write_zip(tmp_path / "a.zip", {"a.json.gz": path.read_bytes()})
    with pytest.raises(CallsError, match="unpacks to more than 2 times its"):
        read_calls(path)


def test_a_zip_is_refused_before_a_file_of_it_is_read(tmp_path, small):
    path = write_zip(tmp_path / "c.zip", {f"{number}.txt": "x" * 300 for number in range(10)})
    with pytest.raises(CallsError, match=r"c\.zip: (unpacks to more than 2 times|more than 3,000 bytes)"):
        read_calls(path)


def test_the_sum_of_all_files_is_bounded(tmp_path, small):
    for number in range(4):
        (tmp_path / f"{number}.csv.gz").write_bytes(gzip.compress(CSV + b"\n" * 900))
    with pytest.raises(CallsError, match=r"3\.csv\.gz: more than 3,000 bytes are unpacked with this file; read fewer"):
        read_calls(tmp_path)


def test_a_parquet_file_of_very_many_equal_rows_is_refused_unread(tmp_path):
    rows = pl.select(call_id=pl.repeat(0, 3_000_000), transcript=pl.repeat("Hi.", 3_000_000))
    rows.write_parquet(tmp_path / "c.parquet", row_group_size=3_000_000)
    with pytest.raises(CallsError, match=r"c\.parquet: unpacks to more than 100 times its"):
        read_calls(tmp_path / "c.parquet")


def test_a_parquet_file_of_calls_is_far_from_the_limit(tmp_path):
    rows = pl.select(call_id=pl.int_range(300_000), transcript=pl.lit("Hi."))
    rows.write_parquet(tmp_path / "c.parquet")
    assert len(read_calls(tmp_path / "c.parquet")) == 300_000


def test_files_that_are_not_compressed_have_no_limit(tmp_path, small):
    (tmp_path / "c.csv").write_bytes(CSV + b"\n" * 9000)
    assert len(read_calls(tmp_path / "c.csv")) == 1


def test_text_is_far_from_the_limit(tmp_path):
    lines = b"".join(b"%d,Agent: Good morning. Customer: Hello?\n" % number for number in range(100_000))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"call_id,transcript\n" + lines))
    assert len(read_calls(tmp_path / "c.csv.gz")) == 100_000


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_zip_is_refused_in_words(tmp_path, how, seed):
    words = "Agent: Good morning, how can I help you today? " * 20
    content = bytearray(write_zip(tmp_path / "c.zip", {"a.txt": words, "b.txt": words}, how).read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    (tmp_path / "c.zip").write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
    try:
        calls = read_calls(tmp_path / "c.zip")
    except CallsError:
        return
    assert set(calls["transcript"]) == {words}


@pytest.mark.parametrize("packed", [bz2.compress(CSV), lzma.compress(CSV), zlib.compress(CSV), CSV])
def test_what_is_called_gz_and_is_none_is_refused(tmp_path, packed):
    (tmp_path / "c.csv.gz").write_bytes(packed)
    with pytest.raises(CallsError, match=r"c\.csv\.gz: cannot be read"):
        read_calls(tmp_path / "c.csv.gz")


def test_a_zip_with_a_name_in_no_known_script_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("é.txt", "Hi.")
    (tmp_path / "c.zip").write_bytes(content.getvalue().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(CallsError, match="cannot be read as a zip"):
        read_calls(tmp_path / "c.zip")
