"""Tasks: what runs in the workers of Spark; each takes and gives batches of Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from analysis import errors
from analysis.aws.downloads import fetch_file
from analysis.aws.storage import is_s3_uri, list_files, open_s3
from analysis.engines import (
    EARLIER,
    TRANSCRIPT,
    FileCut,
    Requests,
    digest_frame,
    gather_batches,
    read_batch,
    write_batch,
    write_input_file,
    write_to,
)
from analysis.errors import AnalysisError
from analysis.jobs.keys import name_table_part
from analysis.requests.body_templates import ColumnCounts, count_columns
from analysis.requests.input_files import FILE_SCHEMA
from analysis.transcripts.digests import MODULUS, sum_digests
from analysis.transcripts.frames import find_empty, read_ids

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SPOOL = ".spool"
HASH = "__batchbook_hash"  # a column that Spark adds: a hash of the id, as it was when the table was first read
GROUP_BYTES = 4 << 20  # text in a row group of the calls
KEY_BYTES = 4  # of a digest that the driver has of each call: equal ones are candidates for equal values
Result = TypeVar("Result")
Task = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class SpooledPart(msgspec.Struct):
    """What a task tells of the calls that it wrote to the spool, in the order of their ids.

    Attributes
    ----------
    name
        Of its files in the spool.
    first
        The id of its first call.
    rows
        How many calls it has.
    hashes
        The XOR of what Spark made of their ids.
    digests
        The sum of the digests of its rows.
    names
        The columns of the calls.
    columns
        Counts of each column, as from `scan_columns`.
    missing, empty, repeated
        Rows without a transcript, those without words and the first of them, and ids that occur twice.
    value_bytes, value_keys
        For each source the sizes of the values, and the first bytes of their digests, as arrays of UInt32.
    """

    name: str
    first: str
    rows: int = 0
    hashes: int = 0
    digests: bytes = b""
    names: list[str] = []
    columns: dict[str, tuple[int, int, int]] = {}
    missing: int = 0
    empty: int = 0
    first_empty: str = ""
    repeated: list[str] = []
    value_bytes: list[bytes] = []
    value_keys: list[bytes] = []

    @property
    def counts(self) -> dict[str, ColumnCounts]:
        """The counts of each column."""
        return {name: ColumnCounts(*counts) for name, counts in self.columns.items()}


class Candidates(msgspec.Struct):
    """Calls of one part of the spool, by their places in it, whose values may be those of others."""

    name: str
    source: int
    places: bytes
    digests: bytes = b""


class Slice(msgspec.Struct):
    """Some calls of one part of the spool, from `start` to before `end`, for one input file.

    `places` and `earlier` say for each source which of them have the values of how many calls before.
    """

    name: str
    start: int
    end: int
    places: list[bytes] = []
    earlier: list[bytes] = []


class FileTask(msgspec.Struct):
    """One input file to be written."""

    cut: FileCut
    slices: list[Slice]
    has_calls: bool


class WrittenFile(msgspec.Struct):
    """The row of an input file in `files.parquet`."""

    row: dict[str, Any]


class Failure(msgspec.Struct):
    """An error that the driver raises: a task that raised it would be tried again in vain."""

    name: str
    arguments: list[Any]


@dataclass(frozen=True)
class TaskPlace:
    """Where a run lies, as each worker sees it.

    Attributes
    ----------
    uri
        A folder or an `s3://` address.
    spool
        The place of the spool.
    profile, region, bucket_owner
        As in `prepare`, of an address in S3.
    """

    uri: str
    spool: str
    profile: str = ""
    region: str = ""
    bucket_owner: str = ""

    def open_s3(self) -> S3Client | None:
        """Make the client of a task; None for a folder."""
        return open_s3(self.uri, profile=self.profile, region=self.region, bucket_owner=self.bucket_owner)


def make_task(work: Callable[[Iterable[pa.RecordBatch]], Iterable[msgspec.Struct]]) -> Task:
    """Make a function for mapInArrow, with one column `result`, from one that yields what it found."""
    return partial(report, work)


def report(
    work: Callable[[Iterable[pa.RecordBatch]], Iterable[msgspec.Struct]], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield each result of a task as a row."""
    remaining = iter(batches)
    try:
        for found in work(remaining):
            yield encode_result(b"+", found)
    except AnalysisError as error:
        for _ in remaining:  # or the worker could not be used again
            pass
        yield encode_result(b"-", Failure(type(error).__name__, list(error.args)))


def encode_result(kind: bytes, found: msgspec.Struct) -> pa.RecordBatch:
    """Encode a result as a batch of one row."""
    return pa.RecordBatch.from_arrays([pa.array([kind + msgspec.msgpack.encode(found)], pa.binary())], ["result"])


def decode_result(result: bytes | bytearray, kind: type[Result]) -> Result:
    """Decode a result, or raise the error that a task reports."""
    content = bytes(result[1:])
    if result[:1] == b"-":
        failure = msgspec.msgpack.decode(content, type=Failure)
        raise getattr(errors, failure.name)(*failure.arguments)
    return msgspec.msgpack.decode(content, type=kind)


def spool_calls(batches: Iterable[pa.RecordBatch], requests: Requests, place: TaskPlace) -> Iterator[SpooledPart]:
    """Write the calls of one partition, which is sorted by id, to the spool, with the digests of their values."""
    frames = gather_batches(batches)
    first = next(frames, None)
    if first is None:
        return
    s3, survey = place.open_s3(), Survey(requests)
    with write_to(place.spool, f"{survey.name}.calls", s3) as path:
        calls = SpoolFile(path)
        with write_to(place.spool, f"{survey.name}.digests", s3) as beside, calls, SpoolFile(beside) as digests:
            frame: pl.DataFrame | None = first
            while frame is not None:
                checked = frame.drop(HASH).with_columns(
                    read_ids(frame["call_id"]), pl.col("transcript").cast(pl.String)
                )
                calls.write(checked)
                digests.write(survey.add(checked, frame[HASH]))
                frame = next(frames, None)
    yield survey.finish()


def digest_spooled(parts: Iterable[SpooledPart], requests: Requests, place: TaskPlace) -> Iterator[SpooledPart]:
    """Digest parts of the spool once more, for other templates than those that were expected."""
    s3 = place.open_s3()
    for part in parts:
        survey = Survey(requests)
        with write_to(place.spool, f"{part.name}.digests", s3) as path, SpoolFile(path) as digests:
            for calls in read_spooled(place, f"{part.name}.calls", s3):
                digests.write(survey.digest(read_batch(calls)))
        part.value_bytes, part.value_keys = survey.value_bytes, survey.value_keys
        yield part


def read_candidates(parts: Iterable[Candidates], place: TaskPlace) -> Iterator[Candidates]:
    """Read the digests of some calls of the spool."""
    s3 = place.open_s3()
    for part in parts:
        batches = read_spooled(place, f"{part.name}.digests", s3)
        column = pl.concat(read_batch(batch).get_column(f"digest_{part.source}") for batch in batches)
        found = column[np.frombuffer(part.places, np.uint32)]
        yield Candidates(part.name, part.source, part.places, b"".join(found.to_list()))


def write_files(files: Iterable[FileTask], requests: Requests, place: TaskPlace) -> Iterator[WrittenFile]:
    """Write input files from the spool, each with its records and, where it belongs to the first group, its calls."""
    s3 = place.open_s3()
    for task in files:
        batches: Iterator[pa.RecordBatch] = read_slices(task.slices, place, s3)
        with ExitStack() as stack:
            if task.has_calls:
                name = name_table_part(task.cut.file.job_key, task.cut.file.name)
                path = stack.enter_context(write_to(place.uri, f"calls/{name}", s3))
                batches = stack.enter_context(CallsWriter(path)).keep(batches, bool(task.cut.skipped))
            row = write_input_file(batches, requests, task.cut, into=place.uri, s3=s3)
        (described,) = read_batch(row).to_dicts()
        yield WrittenFile(described)


def read_slices(slices: Iterable[Slice], place: TaskPlace, s3: S3Client | None) -> Iterator[pa.RecordBatch]:
    """Read calls from the spool, with how many before each have the same values."""
    for part in slices:
        start = 0
        earlier = {
            f"{EARLIER}{number}": spread(places, counts, part.start, part.end)
            for number, (places, counts) in enumerate(zip(part.places, part.earlier, strict=True))
            if places
        }
        for batch in read_spooled(place, f"{part.name}.calls", s3):
            first, last = max(part.start - start, 0), min(part.end - start, batch.num_rows)
            start += batch.num_rows
            if first >= last:
                continue
            kept = batch.slice(first, last - first)
            at = start - batch.num_rows + first - part.start
            for name, counts in earlier.items():
                kept = kept.append_column(name, pa.array(counts[at : at + kept.num_rows]))
            yield kept


def spread(places: bytes, counts: bytes, start: int, end: int) -> Any:
    """Make an array with the counts at their places, which are those in the part, and 0 elsewhere."""
    values = np.zeros(end - start, np.uint32)
    values[np.frombuffer(places, np.uint32) - start] = np.frombuffer(counts, np.uint32)
    return values


def read_spooled(place: TaskPlace, name: str, s3: S3Client | None) -> Iterator[pa.RecordBatch]:
    """Read a file of the spool batch by batch."""
    with TemporaryDirectory() as folder:
        path = Path(place.spool) / name
        if is_s3_uri(place.spool):
            (file,) = list_files(f"{place.spool}/{name}", s3=s3)
            path = fetch_file(file, folder, s3=s3)
        # Not mapped into memory, where all that was read would stay.
        with pa.OSFile(str(path)) as opened, pa.ipc.open_file(opened) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


class Survey:
    """What is found out about the calls of one partition while they are written."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.name = uuid4().hex
        self.part: SpooledPart | None = None
        self.columns: dict[str, ColumnCounts] = {}
        self.digests = 0
        self.last = ""
        sources = range(len(requests.sources))
        self.value_bytes, self.value_keys = [b"" for _ in sources], [b"" for _ in sources]

    def add(self, calls: pl.DataFrame, hashes: pl.Series) -> pl.DataFrame:
        """Take in some calls, and return the digests of their values."""
        part = self.part = self.part or SpooledPart(self.name, calls["call_id"][0], names=calls.columns)
        part.rows += len(calls)
        part.hashes ^= int(np.bitwise_xor.reduce(hashes.to_numpy()))
        for name, counts in count_columns(calls).items():
            self.columns[name] = self.columns.get(name, ColumnCounts()) + counts
        part.missing += calls["transcript"].null_count()
        empty = find_empty(calls)
        part.first_empty = part.first_empty or (empty[0] if len(empty) else "")
        part.empty += len(empty)
        ids = pl.concat([pl.Series([self.last]), calls["call_id"]])
        part.repeated += ids.filter(ids == ids.shift()).unique(maintain_order=True).to_list()
        self.last = calls["call_id"][-1]
        digests = self.digest(calls)
        self.digests += sum_digests(calls, digests[f"digest_{self.requests.sources.index(TRANSCRIPT)}"])
        return digests

    def digest(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Digest the values of some calls, and keep their sizes and the first bytes of the digests."""
        digests = digest_frame(calls, self.requests)
        for number in range(len(self.value_bytes)):
            self.value_bytes[number] += digests[f"bytes_{number}"].to_numpy().astype("<u4").tobytes()
            self.value_keys[number] += b"".join(each[:KEY_BYTES] for each in digests[f"digest_{number}"])
        return digests.select("^digest_.*$")

    def finish(self) -> SpooledPart:
        """Return what is to be told of the part."""
        part = self.part or SpooledPart(self.name, "")
        part.digests = (self.digests % MODULUS).to_bytes(32)
        part.columns = {name: (counts.missing, counts.blank, counts.other) for name, counts in self.columns.items()}
        part.value_bytes, part.value_keys = self.value_bytes, self.value_keys
        return part


class SpoolFile:
    """A file of Arrow batches of one schema, which is that of the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: pa.RecordBatchFileWriter | None = None

    def __enter__(self) -> SpoolFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, frame: pl.DataFrame) -> None:
        """Write a frame as one batch."""
        batch = write_batch(frame)
        self.writer = self.writer or pa.ipc.new_file(str(self.path), batch.schema)
        self.writer.write_batch(batch)


class CallsWriter:
    """A Parquet file of the calls whose records begin in one input file, in row groups of about 4 MiB of text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: pq.ParquetWriter | None = None
        self.waiting: list[pa.RecordBatch] = []

    def __enter__(self) -> CallsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        if self.writer is not None:
            self.writer.close()

    def keep(self, batches: Iterable[pa.RecordBatch], is_begun: bool) -> Iterator[pa.RecordBatch]:  # noqa: FBT001
        """Pass batches on, and keep their calls but for a first one whose records begin in the file before."""
        for batch in batches:
            calls = batch.select([name for name in batch.schema.names if not name.startswith(EARLIER)])
            self.waiting.append(calls.slice(1) if is_begun else calls)
            is_begun = False
            if sum(waiting.nbytes for waiting in self.waiting) >= GROUP_BYTES:
                self.flush()
            yield batch

    def flush(self) -> None:
        """Write what waits as a row group."""
        if not self.waiting:
            return
        table = pa.Table.from_batches(self.waiting)
        self.writer = self.writer or pq.ParquetWriter(
            # Texts differ, so a dictionary of them would be given up half-way.
            self.path,
            table.schema,
            compression="zstd",
            use_dictionary=[field.name for field in table.schema if field.name not in {"call_id", "transcript"}],
        )
        self.writer.write_table(table)
        self.waiting = []


def list_sources(requests: Requests) -> list[str]:
    """List how each prompt's values are made, by which two ways of making them can be told apart."""
    return [type(template.source).__name__ for template in requests.templates.values()]


def read_file_rows(files: Iterable[WrittenFile]) -> pl.DataFrame:
    """Read the rows of `files.parquet` from what tasks report."""
    return pl.DataFrame([file.row for file in files], FILE_SCHEMA, orient="row")
