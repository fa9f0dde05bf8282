"""Input files: which records go to which job and file, so that every file fits the quotas."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from analysis.errors import QuotaError
from analysis.facts.quotas import Quotas
from analysis.jobs.keys import make_job_key
from analysis.prompts import Prompt

COPY_RECORDS = 100

VARIANT_SCHEMA = {
    "variant": pl.String,
    "records": pl.Int64,
    "input_tokens_estimate": pl.Int64,
    "longest_input_tokens": pl.Int64,
}
FILE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "job_key": pl.String,
    "file": pl.String,
    "model_id": pl.String,
    "invocation_type": pl.String,
    "records": pl.Int64,
    "input_bytes": pl.Int64,
    "sha256": pl.String,
    "variants": pl.List(pl.Struct(VARIANT_SCHEMA)),
}

Block = tuple[pl.Series, bytes]  # sizes of lines, and the lines


class InputFile(NamedTuple):
    """One input file: the numbers of its job and of the file in it, and its records, from `start` to before `end`."""

    job: int
    file: int
    start: int
    end: int
    attempt: int = 1

    @property
    def job_key(self) -> str:
        """The job's name, which is that of its folder."""
        return make_job_key(self.job, self.attempt)

    @property
    def name(self) -> str:
        """The file's name in that folder."""
        return f"{self.file:05}.jsonl"


def group_prompts(prompts: Iterable[Prompt]) -> dict[tuple[str, str, str], list[Prompt]]:
    """Group prompts that share jobs: those of one model, invocation type and Region."""
    groups: dict[tuple[str, str, str], list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault((prompt.model_id, prompt.invocation_type, prompt.region), []).append(prompt)
    return groups


def split_records(sizes: pl.Series, quotas: Quotas, *, first_job: int, attempt: int = 1) -> list[InputFile]:
    """Split records of these sizes evenly into jobs, and the records of each job evenly into files."""
    inputs = []
    jobs = split_evenly(sizes, quotas.records_per_job, quotas.job_bytes)
    for job, (start, end) in enumerate(pairwise(jobs), first_job):
        files = split_evenly(sizes[start:end], quotas.records_per_file, quotas.file_bytes)
        inputs += [
            InputFile(job, file, start + first, start + last, attempt)
            for file, (first, last) in enumerate(pairwise(files))
        ]
    return inputs


def split_evenly(sizes: Sequence[int] | pl.Series, most: int, most_bytes: int) -> list[int]:
    """Find the boundaries of the fewest pieces of equal count that all fit: [0, ..., len(sizes)]."""
    ends = pl.concat([pl.Series([0]), pl.Series(sizes, dtype=pl.Int64).cum_sum()])
    count = len(sizes)
    pieces = max(1, -(-count // most), -(-ends[-1] // most_bytes))
    # Pieces of equal count differ in bytes, so the fewest that the sums allow may not be enough.
    while True:
        boundaries = [count * piece // pieces for piece in range(pieces + 1)]
        if all(ends[end] - ends[start] <= most_bytes for start, end in pairwise(boundaries)):
            return boundaries
        pieces += 1


def check_sizes(records: pl.DataFrame, quotas: Quotas) -> None:
    """Raise a QuotaError for a record that is larger than a file may be."""
    most = min(quotas.file_bytes, quotas.job_bytes)
    large = records.filter(pl.col("input_bytes") > most)
    if len(large):
        call_id, variant, size = large.select("call_id", "variant", "input_bytes").row(0)
        raise explain_large(call_id, variant, size, most, len(large))


def explain_large(call_id: str, variant: str, size: int, most: int, records: int) -> QuotaError:
    """Return an error that names the first of some records which are larger than a file may be."""
    reason = f"{size:,} bytes with prompt {variant!r}, and an input file may have {most:,}"
    return QuotaError(f"call {call_id!r}", reason, f"shorten or leave out {records} such records")


def add_file_columns(records: pl.DataFrame, inputs: Sequence[InputFile]) -> pl.DataFrame:
    """Add the job, file and line that each record is written to."""
    job_keys = [pl.repeat(each.job_key, each.end - each.start, eager=True) for each in inputs]
    names = [pl.repeat(each.name, each.end - each.start, eager=True) for each in inputs]
    lines = [pl.int_range(1, each.end - each.start + 1, eager=True) for each in inputs]
    return records.with_columns(
        job_key=pl.concat(job_keys, rechunk=True),
        file=pl.concat(names, rechunk=True),
        line=pl.concat(lines, rechunk=True),
    )


def describe_files(parts: Iterable[pl.DataFrame], digests: Iterable[str | None]) -> pl.DataFrame:
    """Build one row per input file from the records and the SHA-256 of each."""
    rows = [describe_file(sent, sha256) for sent, sha256 in zip(parts, digests, strict=True)]
    return pl.DataFrame(rows, FILE_SCHEMA, orient="row")


def describe_file(sent: pl.DataFrame, sha256: str | None) -> dict[str, Any]:
    """Build the row of one input file from its records: what they share, and the sums over them and by variant."""
    tokens = pl.col("input_tokens_estimate")
    variants = sent.group_by("variant", maintain_order=True).agg(
        records=pl.len(), input_tokens_estimate=tokens.sum(), longest_input_tokens=tokens.max()
    )
    return {
        **sent.select("job_key", "file", "model_id", "invocation_type").row(0, named=True),
        "records": len(sent),
        "input_bytes": sent["input_bytes"].sum(),
        "sha256": sha256,
        "variants": variants.to_dicts(),
    }


def write_files(blocks: Iterable[Block], inputs: Sequence[InputFile], into: Path) -> list[str]:
    """Write blocks of lines to the input files, in order, and return the SHA-256 of each as hex digits."""
    digests = []
    for each, parts in groupby(split_blocks(blocks, inputs), key=itemgetter(0)):
        path = into / each.job_key / each.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            digests.append(write_in_background(file, (lines for _, lines in parts)))
    return digests


def split_blocks(blocks: Iterable[Block], inputs: Sequence[InputFile]) -> Iterator[tuple[InputFile, memoryview]]:
    """Yield each input file with the next lines that belong to it; a block that spans files is split."""
    remaining = iter(inputs)
    current, first = next(remaining), 0
    for sizes, lines in blocks:
        here, view = sizes, memoryview(lines)
        while first + len(here) > current.end:
            size = int(here[: current.end - first].sum())
            yield current, view[:size]
            here, view = here[current.end - first :], view[size:]
            current, first = next(remaining), current.end
        yield current, view
        first += len(here)


def write_in_background(file: BinaryIO, parts: Iterable[memoryview]) -> str:
    """Write each part in a thread while the next one is made, and return the SHA-256 of all as hex digits."""
    digest = hashlib.sha256()

    def write(part: memoryview) -> None:
        file.write(part)
        digest.update(part)

    with ThreadPoolExecutor(1) as writer:
        # At most one write waits, so memory holds two parts; writing releases the interpreter's lock.
        written = writer.submit(write, memoryview(b""))
        for part in parts:
            written.result()
            written = writer.submit(write, part)
        written.result()
    return digest.hexdigest()


def read_blocks(sizes: pl.Series, inputs: Sequence[InputFile], folder: Path) -> Iterator[Block]:
    """Read back what `write_files` wrote."""
    for each in inputs:
        with (folder / each.job_key / each.name).open("rb") as file:
            for start in range(each.start, each.end, COPY_RECORDS):
                here = sizes[start : min(start + COPY_RECORDS, each.end)]
                yield here, file.read(int(here.sum()))
