"""Engines: what the tasks of a cluster call to write input files and to read outputs, with Arrow in and out.

Nothing here knows a run folder or an engine: a task of Spark, Daft or Ray passes the batches that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.aws.conditions import put_same
from analysis.aws.downloads import fetch_file
from analysis.aws.storage import StoredFile, is_s3_uri, list_files, need_client
from analysis.errors import StorageError
from analysis.facts.quotas import Quotas
from analysis.files import replace_when_whole
from analysis.jobs.batch import hash_file
from analysis.jobs.keys import name_table_part
from analysis.metrics.costs import add_costs
from analysis.outputs import index_records, read_joined, scan_parts
from analysis.outputs.frames import ROWS_GATHERED
from analysis.prompts import Prompt
from analysis.requests.body_templates import (
    BodyTemplate,
    CallBatch,
    ColumnCounts,
    ColumnValues,
    ValueSource,
    count_columns,
    digest_prompts,
    make_body_template,
)
from analysis.requests.input_files import (
    FILE_SCHEMA,
    InputFile,
    add_file_columns,
    describe_file,
    explain_large,
    group_prompts,
    split_records,
    write_in_background,
)
from analysis.requests.records import (
    RECORD_SCHEMA,
    check_ids,
    count_line_bytes,
    list_keys,
    make_records,
    split_calls,
)
from analysis.transcripts.digests import sum_digests

if TYPE_CHECKING:
    import pyarrow as pa
    from types_boto3_s3 import S3Client

EARLIER = "_earlier_"  # columns of calls: how many calls before have the same values, by source
TRANSCRIPT = ColumnValues(("transcript",))
GATHERED_BYTES = 1 << 20
RECORD_COLUMNS = ("record_id", "call_id", "variant", "sample", "attempt", "model_id")  # that outputs are joined to


@dataclass(frozen=True)
class Requests:
    """What the requests of a run are made of beside the calls of a batch; the same in every task.

    Attributes
    ----------
    prompts
        The variants, in order.
    columns
        The counts of `scan_columns` over all calls.
    """

    prompts: tuple[Prompt, ...]
    columns: Mapping[str, ColumnCounts] = field(default_factory=dict)

    @cached_property
    def templates(self) -> dict[str, BodyTemplate]:
        """The bodies of each prompt, by its name."""
        return {prompt.name: make_body_template(prompt, self.columns) for prompt in self.prompts}

    @cached_property
    def sources(self) -> tuple[ValueSource, ...]:
        """Where the values of calls come from; the transcript's is among them, by which equal calls are counted."""
        return tuple(dict.fromkeys([*(template.source for template in self.templates.values()), TRANSCRIPT]))

    @cached_property
    def groups(self) -> list[list[Prompt]]:
        """The prompts that share jobs, in the order of their jobs."""
        return list(group_prompts(self.prompts).values())

    @cached_property
    def keys(self) -> dict[str, bytes]:
        """The digest of each prompt, which the ids of its records are made of."""
        names = [prompt.name for prompt in self.prompts]
        return dict(zip(names, digest_prompts(self.prompts), strict=True))

    def list_templates(self, group: int) -> list[BodyTemplate]:
        """List the templates of the prompts of a group."""
        return [self.templates[prompt.name] for prompt in self.groups[group]]

    def count_lines(self, group: int) -> int:
        """Count the records that a call has in the jobs of a group."""
        return sum(prompt.samples for prompt in self.groups[group])


@dataclass(frozen=True)
class FileCut:
    """Which records one input file has.

    Attributes
    ----------
    file
        Job, number and first and last record of the file in its group.
    group
        The place of its prompts in `Requests.groups`.
    first, last
        The first call of which it has records, and that after the last, by their places in the order of `call_id`.
    skipped
        How many records of the first call are in the file before.
    """

    file: InputFile
    group: int
    first: int
    last: int
    skipped: int


def scan_columns(calls: pa.RecordBatch) -> dict[str, ColumnCounts]:
    """Count in each column of some calls what decides how templates insert it; counts of batches add up by `+`."""
    return count_columns(read_batch(calls))


def add_counts(parts: Iterable[Mapping[str, ColumnCounts]]) -> dict[str, ColumnCounts]:
    """Add up the counts of batches."""
    total: dict[str, ColumnCounts] = {}
    for part in parts:
        total |= {name: total.get(name, ColumnCounts()) + counts for name, counts in part.items()}
    return total


def digest_calls(calls: pa.RecordBatch, requests: Requests) -> pa.RecordBatch:
    """Digest and measure what some calls put into their requests.

    Returns
    -------
    batch
        One row per call: `call_id`; and for each of `requests.sources`, by its place n, `digest_<n>` (SHA-256 of the
        values) and `bytes_<n>` (their size in a line).
    """
    return write_batch(digest_frame(read_batch(calls), requests))


def digest_frame(calls: pl.DataFrame, requests: Requests) -> pl.DataFrame:
    """Digest and measure what some calls put into their requests, as `digest_calls` does."""
    batch = CallBatch(calls)
    columns = {"call_id": calls["call_id"]}
    for number, source in enumerate(requests.sources):
        values = source.read(batch)
        columns[f"digest_{number}"] = pl.Series(values.digests, dtype=pl.Binary)
        columns[f"bytes_{number}"] = pl.Series(values.value_bytes, dtype=pl.UInt32)
    return pl.DataFrame(columns)


def sum_row_digests(calls: pl.DataFrame) -> int:
    """Add up the digests of the rows of some calls: sums of parts add up, modulo 2^256, in any order of the rows."""
    digests = TRANSCRIPT.read(CallBatch(calls)).digests
    return sum_digests(calls, pl.Series(digests, dtype=pl.Binary))


def count_earlier(digests: pl.DataFrame, requests: Requests) -> pl.DataFrame:
    """Count for each call how many before it have the same values: `_earlier_<n>` for each source.

    `digests` has the columns of `digest_calls`, in the order of `call_id` by bytes.
    """
    numbers = range(len(requests.sources))
    return digests.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).over(f"digest_{number}").alias(f"{EARLIER}{number}")
        for number in numbers
    )


def measure_lines(value_bytes: Sequence[Any], requests: Requests, group: int) -> pl.Series:
    """Measure the records of a group in the order of their lines, from the sizes of the values by source."""
    import numpy as np

    columns = []
    for template in requests.list_templates(group):
        sizes = np.asarray(value_bytes[requests.sources.index(template.source)], dtype=np.int64)
        columns += [sizes + count_line_bytes(template)] * template.prompt.samples
    return pl.Series("input_bytes", np.stack(columns, axis=1).reshape(-1), pl.Int64)


def cut_files(
    value_bytes: Sequence[Any], requests: Requests, quotas: Mapping[str, Quotas], call_ids: Sequence[str]
) -> list[FileCut]:
    """Cut the records of all groups into input files that fit the quotas.

    Parameters
    ----------
    value_bytes
        For each source the `bytes_<n>` of all calls, in the order of `call_id` by bytes.
    requests
        What the records are made of.
    quotas
        By model id.
    call_ids
        By the place of a call; only looked at to name one that is too large.

    Raises
    ------
    QuotaError
        A record is larger than an input file may be.
    """
    cuts: list[FileCut] = []
    for group, prompts in enumerate(requests.groups):
        sizes, limits = measure_lines(value_bytes, requests, group), quotas[prompts[0].model_id]
        check_lines(sizes, limits, requests, group, call_ids)
        first_job = cuts[-1].file.job + 1 if cuts else 1
        lines = requests.count_lines(group)
        cuts += [
            FileCut(file, group, file.start // lines, -(-file.end // lines), file.start % lines)
            for file in split_records(sizes, limits, first_job=first_job)
        ]
    return cuts


def check_lines(sizes: pl.Series, quotas: Quotas, requests: Requests, group: int, call_ids: Sequence[str]) -> None:
    """Raise a QuotaError for a record that is larger than a file may be."""
    most = min(quotas.file_bytes, quotas.job_bytes)
    if int(sizes.max() or 0) > most:  # type: ignore[arg-type]
        large = (sizes > most).arg_true()
        names = [prompt.name for prompt in requests.groups[group] for _ in range(prompt.samples)]
        call, line = divmod(int(large[0]), len(names))
        raise explain_large(call_ids[call], names[line], int(sizes[int(large[0])]), most, len(large))


def write_input_file(
    calls: Iterable[pa.RecordBatch], requests: Requests, cut: FileCut, *, into: str | Path, s3: S3Client | None = None
) -> pa.RecordBatch:
    """Write one input file, and the rows of its records beside it.

    Bytes depend on calls and requests alone, and both files appear when they are complete, so a task that is tried
    again writes the same once more.

    Parameters
    ----------
    calls
        The calls from `cut.first` to before `cut.last`, in the order of `call_id` by bytes: their columns, and
        `_earlier_<n>` where a call before has the same values.
    requests
        What the records are made of.
    cut
        From `cut_files`.
    into
        The place of the run, a folder or an `s3://` address: it gets `input/<job key>/<file>` and
        `records/<job key>-<file>.parquet`.
    s3
        A client, for `s3://`.

    Returns
    -------
    batch
        The one row of the file in `files.parquet`, with its SHA-256.

    Raises
    ------
    QuotaError
        Two records of the file have one id by chance.
    """
    frames: list[pl.DataFrame] = []
    file = cut.file
    with (
        write_to(into, f"input/{file.job_key}/{file.name}", s3) as path,
        path.open("wb") as opened,
    ):
        digest = write_in_background(opened, make_file_lines(calls, requests, cut, frames))
    records = pl.concat(frames)
    whole = InputFile(file.job, file.file, 0, len(records), file.attempt)
    check_ids(records, [whole])
    records = add_file_columns(records, [whole]).select(list(RECORD_SCHEMA))
    with write_to(into, f"records/{name_table_part(file.job_key, file.name)}", s3) as path:
        records.write_parquet(path)
    return write_batch(pl.DataFrame([describe_file(records, digest)], FILE_SCHEMA, orient="row"))


def make_file_lines(
    calls: Iterable[pa.RecordBatch], requests: Requests, cut: FileCut, frames: list[pl.DataFrame]
) -> Iterator[memoryview]:
    """Make the lines of one input file, and append the frames of its records to `frames`."""
    prompts, templates = requests.groups[cut.group], requests.list_templates(cut.group)
    keys = [requests.keys[prompt.name] for prompt in prompts]
    skipped, missing = cut.skipped, cut.file.end - cut.file.start
    for batch in calls:
        for some in split_calls(read_batch(batch), requests.count_lines(cut.group)):
            texts = {template.source: template.source.read(some) for template in templates}
            before = {source: read_earlier(some.calls, requests.sources.index(source)) for source in texts}
            frame, lines = make_records(templates, keys, texts, before)
            frame = list_keys(some.calls, prompts).hstack(frame)
            start = int(frame["input_bytes"][:skipped].sum())
            kept = frame[skipped : skipped + missing]
            frames.append(kept)
            yield memoryview(lines)[start : start + int(kept["input_bytes"].sum())]
            skipped, missing = 0, missing - len(kept)


def read_earlier(calls: pl.DataFrame, source: int) -> list[int]:
    """Read how many calls before each have the same values; 0 where no column says it."""
    name = f"{EARLIER}{source}"
    return calls[name].to_list() if name in calls.columns else [0] * len(calls)


@dataclass(frozen=True)
class OutputFile:
    """One output file, and what is joined to its lines.

    Attributes
    ----------
    file
        The output file, in a folder or in S3; or a Parquet part of outputs that were taken over from another run.
    job_key
        Its planned job; empty for a part.
    model_id
        The model that the job asked.
    records
        The Parquet files with the records of its input: one where the whole input file was sent, since
        `00000.jsonl.out` has the answers to `00000.jsonl`; those of the job otherwise.
    """

    file: StoredFile
    job_key: str = ""
    model_id: str = ""
    records: tuple[str, ...] = ()


def read_output_file(
    output: OutputFile, prices: pl.DataFrame | None = None, *, s3: S3Client | None = None
) -> Iterator[pa.RecordBatch]:
    """Read one output file, joined to its records, and price it.

    Parameters
    ----------
    output
        The file.
    prices
        As in `add_costs`; without them there are no costs.
    s3
        A client, where something is in S3.

    Yields
    ------
    batch
        One row per line, of ten thousand lines at most: the columns of `run.read_outputs()` and, with prices, those
        that `add_costs` adds.
    """
    with TemporaryDirectory() as folder:
        path = fetch_file(output.file, folder, s3=s3)
        if not output.job_key:
            frames: Iterator[pl.DataFrame] = scan_parts([path]).collect().iter_slices(ROWS_GATHERED)
            records = None
        else:
            records = read_records(output, folder, s3)
            local = replace(output.file, uri=str(path))
            frames = read_joined(local, records=index_records(records), model_id=output.model_id)
        for frame in frames:
            yield write_batch(frame if prices is None else add_costs(frame, prices, records=records))


def read_records(output: OutputFile, folder: str, s3: S3Client | None) -> pl.DataFrame:
    """Read the records of a job that an output file can have answers to."""
    names = [*dict.fromkeys([*RECORD_COLUMNS, "input_tokens_estimate"])]
    files = [file for uri in output.records for file in list_files(uri, s3=s3)]
    tables = [pl.scan_parquet(fetch_file(file, folder, s3=s3), glob=False) for file in files]
    return pl.concat([table.filter(job_key=output.job_key).select(names) for table in tables]).collect()


@contextmanager
def write_to(into: str | Path, name: str, s3: S3Client | None) -> Iterator[Path]:
    """Yield a path to write to; what was written appears below `into`, a folder or in S3, when the block ends."""
    if not is_s3_uri(into):
        with replace_when_whole(Path(into) / name, flush=False) as path:
            yield path
        return
    uri = f"{str(into).rstrip('/')}/{name}"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "whole"
        yield path
        if not put_same(path, uri, hash_file(path), s3=need_client(uri, s3)):
            reason = "another run is being prepared under this name, or preparing one was broken off"
            raise StorageError(uri, reason, "choose another name, or delete what is there if nobody prepares it")


def gather_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    """Concatenate the batches that an engine gives to about 1 MiB each, since each one costs time of its own."""
    gathered: list[pl.DataFrame] = []
    size = 0
    for batch in batches:
        gathered.append(read_batch(batch))
        size += batch.nbytes
        if size >= GATHERED_BYTES:
            yield pl.concat(gathered)
            gathered, size = [], 0
    if gathered:
        yield pl.concat(gathered)


def read_batch(batch: pa.RecordBatch) -> pl.DataFrame:
    """Read a batch of Arrow as a frame."""
    return pl.DataFrame(pl.from_arrow(batch))


def write_batch(frame: pl.DataFrame, *, strings: bool = False) -> pa.RecordBatch:
    """Write a frame as one batch of Arrow; with `strings` its texts are of the type that all engines know."""
    import pyarrow as pa

    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    if strings:
        kinds = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
        fields = [column.with_type(kinds.get(column.type, column.type)) for column in table.schema]
        table = table.cast(pa.schema(fields))
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
