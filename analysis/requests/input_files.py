"""Cuts: which records go to which job and file, so that every file fits the quotas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from analysis.errors import QuotaError
from analysis.facts.quotas import Quotas

COPY_RECORDS = 100

Block = tuple[pl.Series, bytes]  # sizes of lines, and the lines


class Cut(NamedTuple):
    """One input file: its job and its place there, and the records that it gets, from the first to before the end."""

    job: int
    file: int
    start: int
    end: int

    @property
    def job_key(self) -> str:
        """The job's name, which is that of its folder."""
        return f"job{self.job:02}"

    @property
    def name(self) -> str:
        """The file's name in that folder."""
        return f"{self.file:05}.jsonl"


def cut_records(sizes: pl.Series, quotas: Quotas, *, first_job: int) -> list[Cut]:
    """Cut records of these sizes evenly into jobs, and each job evenly into files."""
    cuts = []
    jobs = cut_evenly(sizes, quotas.records_per_job, quotas.job_bytes)
    for job, (start, end) in enumerate(pairwise(jobs), first_job):
        files = cut_evenly(sizes[start:end], quotas.records_per_file, quotas.file_bytes)
        cuts += [Cut(job, file, start + first, start + last) for file, (first, last) in enumerate(pairwise(files))]
    return cuts


def cut_evenly(sizes: Sequence[int] | pl.Series, most: int, most_bytes: int) -> list[int]:
    """Find the cuts of the fewest pieces of equal count that all fit: [0, ..., len(sizes)]."""
    ends = pl.concat([pl.Series([0]), pl.Series(sizes, dtype=pl.Int64).cum_sum()])
    count = len(sizes)
    pieces = max(1, -(-count // most), -(-ends[-1] // most_bytes))
    while True:
        cuts = [count * piece // pieces for piece in range(pieces + 1)]
        if all(ends[end] - ends[start] <= most_bytes for start, end in pairwise(cuts)):
            return cuts
        pieces += 1


def check_sizes(records: pl.DataFrame, quotas: Quotas) -> None:
    """Refuse a record that no file could hold."""
    most = min(quotas.file_bytes, quotas.job_bytes)
    large = records.filter(pl.col("input_bytes") > most)
    if len(large):
        call_id, variant, size = large.select("call_id", "variant", "input_bytes").row(0)
        reason = f"{size:,} bytes with prompt {variant!r}, and an input file may have {most:,}"
        raise QuotaError(f"call {call_id!r}", reason, f"shorten or leave out {len(large)} such records")


def add_cuts(records: pl.DataFrame, cuts: Sequence[Cut]) -> pl.DataFrame:
    """Say of each record which line of which file it is."""
    job_keys = [pl.repeat(cut.job_key, cut.end - cut.start, eager=True) for cut in cuts]
    names = [pl.repeat(cut.name, cut.end - cut.start, eager=True) for cut in cuts]
    lines = [pl.int_range(1, cut.end - cut.start + 1, eager=True) for cut in cuts]
    return records.with_columns(job_key=pl.concat(job_keys), file=pl.concat(names), line=pl.concat(lines))


def write_files(blocks: Iterable[Block], cuts: Sequence[Cut], into: Path) -> None:
    """Write blocks of lines to the files of the cuts."""
    for cut, parts in groupby(split_blocks(blocks, cuts), key=itemgetter(0)):
        path = into / cut.job_key / cut.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_behind(file, (lines for _, lines in parts))


def split_blocks(blocks: Iterable[Block], cuts: Sequence[Cut]) -> Iterator[tuple[Cut, memoryview]]:
    """Say which lines of each block go to which file."""
    remaining = iter(cuts)
    cut, first = next(remaining), 0
    for sizes, lines in blocks:
        here, view = sizes, memoryview(lines)
        while first + len(here) > cut.end:
            size = int(here[: cut.end - first].sum())
            yield cut, view[:size]
            here, view = here[cut.end - first :], view[size:]
            cut, first = next(remaining), cut.end
        yield cut, view
        first += len(here)


def write_behind(file: BinaryIO, parts: Iterable[memoryview]) -> None:
    """Write each part while the next is made: as the system copies, Python goes on."""
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(int)
        for part in parts:
            written.result()
            written = writer.submit(file.write, part)
        written.result()


def read_blocks(sizes: pl.Series, cuts: Sequence[Cut], folder: Path) -> Iterator[Block]:
    """Read back what `write_files` wrote."""
    for cut in cuts:
        with (folder / cut.job_key / cut.name).open("rb") as file:
            for start in range(cut.start, cut.end, COPY_RECORDS):
                here = sizes[start : min(start + COPY_RECORDS, cut.end)]
                yield here, file.read(int(here.sum()))
