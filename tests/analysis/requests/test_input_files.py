from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.requests.input_files import InputFile, read_blocks, split_evenly, write_files


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    most=st.integers(1, 30),
    most_bytes=st.integers(50, 300),
)
@settings(max_examples=200)
def test_cuts_are_even_and_the_fewest_that_fit(sizes, most, most_bytes):
    def cut(pieces):
        return [len(sizes) * piece // pieces for piece in range(pieces + 1)]

    def fits(inputs):
        return all(end - start <= most and sum(sizes[start:end]) <= most_bytes for start, end in pairwise(inputs))

    inputs = split_evenly(sizes, most, most_bytes)
    counts = [end - start for start, end in pairwise(inputs)]
    assert (inputs[0], inputs[-1]) == (0, len(sizes))
    assert fits(inputs)
    assert max(counts) - min(counts) <= 1
    assert not any(fits(cut(fewer)) for fewer in range(1, len(counts)))


def test_what_fits_one_piece_is_not_cut():
    assert split_evenly([10, 20, 30], 3, 60) == [0, 3]


def test_a_quota_of_bytes_cuts_as_one_of_records_does():
    assert split_evenly([10, 20, 30], 3, 59) == [0, 1, 3]
    assert split_evenly([10, 20, 30], 2, 60) == [0, 1, 3]


def make_blocks(lines, size):
    """Give so many lines at a time."""
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        yield pl.Series([len(line) for line in part], dtype=pl.Int64), b"".join(part)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40), ends=st.sets(st.integers(1, 39)), size=st.integers(1, 9)
)
def test_lines_go_to_their_files_however_they_come_and_are_read_back(sizes, ends, size):
    lines = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    ends = sorted({end for end in ends if end < len(lines)} | {len(lines)})
    inputs = [InputFile(1, file, start, end) for file, (start, end) in enumerate(pairwise([0, *ends]))]
    with TemporaryDirectory() as folder:
        write_files(make_blocks(lines, size), inputs, Path(folder))
        written = [(Path(folder) / cut.job_key / cut.name).read_bytes() for cut in inputs]
        read = list(read_blocks(pl.Series(sizes), inputs, Path(folder)))
    assert written == [b"".join(lines[cut.start : cut.end]) for cut in inputs]
    assert b"".join(part for _, part in read) == b"".join(lines)
