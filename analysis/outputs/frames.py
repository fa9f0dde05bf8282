"""Frames: the rows of output files as columns, a thousand rows at a time."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice, repeat
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import polars as pl
from msgspec import structs

from analysis.aws.storage import StoredFile
from analysis.errors import StorageError
from analysis.families.family import ToolCall, Vectors
from analysis.families.reasoning import REASONING_TAGS
from analysis.outputs.lines import NO_FAULT, Row, read_lines
from analysis.outputs.request_echo import EchoShortener

ROWS_PER_FRAME = 1_000  # with more, the first rows leave the processor's cache before their frame is built
ROWS_GATHERED = 10_000
JOB_ID = re.compile(r"[a-z0-9]{12}|batch_[A-Za-z0-9_-]+|on-demand.*")
READ_BYTES = 1 << 18

OUTPUT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "record_id": pl.String,
    "call_id": pl.String,
    "variant": pl.String,
    "sample": pl.Int16,
    "attempt": pl.Int16,
    "job_id": pl.String,
    "file": pl.String,
    "line": pl.Int64,
    "model_id": pl.String,
    "model": pl.String,
    "family": pl.String,
    "invocation": pl.String,
    "text": pl.String,
    "stop_reason": pl.String,
    "stop": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cache_read_tokens": pl.Int64,
    "cache_write_tokens": pl.Int64,
    "max_tokens": pl.Int64,
    "top_k": pl.Int64,
    "temperature": pl.Float64,
    "top_p": pl.Float64,
    "error_kind": pl.String,
    "error_code": pl.Int32,
    "error_message": pl.String,
    "taken_from": pl.String,
    "tool_calls": pl.List(pl.Struct({"name": pl.String, "input": pl.String})),
    "skipped_blocks": pl.Int64,
    "reasoning_chars": pl.Int64,
    "vectors": pl.Int64,
    "vector_length": pl.Int64,
    "vector_type": pl.String,
}
FAULT_COLUMNS = ("error_kind", "error_code", "error_message")
VECTOR_COLUMNS = ("vectors", "vector_length", "vector_type")
RARE = {*FAULT_COLUMNS, *VECTOR_COLUMNS, "tool_calls"}
JOIN_COLUMNS = ("call_id", "variant", "sample", "attempt")
ALL = tuple(OUTPUT_SCHEMA)
# The columns that come from the lines; comprehensions read attributes in half the time of `attrgetter`.
COLUMN_READERS: dict[str, Callable[[Sequence[Row]], Sequence[Any]]] = {
    "record_id": lambda rows: [row.record_id for row in rows],
    "line": lambda rows: [row.line for row in rows],
    "model": lambda rows: [row.parsed.model for row in rows],
    "family": lambda rows: [row.family and row.family.name for row in rows],
    "text": lambda rows: [row.parsed.text for row in rows],
    "stop_reason": lambda rows: [row.parsed.stop_reason for row in rows],
    "stop": lambda rows: [row.find_stop() for row in rows],
    "input_tokens": lambda rows: [row.parsed.input_tokens for row in rows],
    "output_tokens": lambda rows: [row.parsed.output_tokens for row in rows],
    "cache_read_tokens": lambda rows: [row.parsed.cache_read_tokens for row in rows],
    "cache_write_tokens": lambda rows: [row.parsed.cache_write_tokens for row in rows],
    "max_tokens": lambda rows: [row.sampling.max_tokens for row in rows],
    "top_k": lambda rows: [row.sampling.top_k for row in rows],
    "temperature": lambda rows: [row.sampling.temperature for row in rows],
    "top_p": lambda rows: [row.sampling.top_p for row in rows],
    "error_kind": lambda rows: [row.fault.error_kind for row in rows],
    "error_code": lambda rows: [row.fault.error_code for row in rows],
    "error_message": lambda rows: [row.fault.error_message for row in rows],
    "tool_calls": lambda rows: write_tool_calls([row.parsed.tool_calls for row in rows]),
    "skipped_blocks": lambda rows: [row.parsed.skipped_blocks for row in rows],
    "reasoning_chars": lambda rows: [row.parsed.reasoning_chars for row in rows],
    "vectors": lambda rows: [vectors and vectors.count for vectors in list_vectors(rows)],
    "vector_length": lambda rows: [vectors and vectors.length for vectors in list_vectors(rows)],
    "vector_type": lambda rows: [vectors and vectors.type for vectors in list_vectors(rows)],
}


def read_frames(
    files: Iterable[tuple[StoredFile, str | Path]],
    *,
    model_id: str | None,
    columns: Sequence[str] = ALL,
    reasoning_tags: tuple[str, ...] = REASONING_TAGS,
) -> Iterator[pl.DataFrame]:
    """Read files, each with its local path, into frames of equal height; the last one has the remaining rows."""
    rows: list[Row] = []
    files_read: list[tuple[StoredFile, int]] = []
    echoes = EchoShortener()
    for file, path in files:
        with explain_damage(path), open_lines(path) as lines:
            found = read_lines(lines, file.name, model_id, echoes=echoes, reasoning_tags=reasoning_tags)
            while more := list(islice(found, ROWS_PER_FRAME - len(rows))):
                rows += more
                files_read.append((file, len(more)))
                if len(rows) == ROWS_PER_FRAME:
                    yield make_frame(rows, files_read, model_id=model_id, columns=columns)
                    rows, files_read = [], []
    if rows:
        yield make_frame(rows, files_read, model_id=model_id, columns=columns)


def gather_frames(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Concatenate frames to ten thousand rows or a little more, where each one costs something to pass on."""
    gathered: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        gathered.append(frame)
        rows += frame.height
        if rows >= ROWS_GATHERED:
            yield pl.concat(gathered)
            gathered, rows = [], 0
    if gathered:
        yield pl.concat(gathered)


@contextmanager
def explain_damage(path: str | Path) -> Iterator[None]:
    """Name a packed file that is damaged or cut off."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise StorageError(path, f"cannot be unpacked ({error})", "copy it again from where it was packed") from error


def open_lines(path: str | Path) -> BinaryIO | gzip.GzipFile:
    """Open a file to be read line by line; one that ends in `.gz` is unpacked."""
    try:
        if str(path).endswith(".gz"):
            return gzip.open(path, "rb")
        return Path(path).open("rb", buffering=READ_BYTES)
    except OSError as error:
        raise StorageError(path, f"cannot be read ({error.strerror})") from error


def make_frame(
    rows: Sequence[Row],
    files: Sequence[tuple[StoredFile, int]],
    *,
    model_id: str | None = None,
    columns: Sequence[str] = ALL,
) -> pl.DataFrame:
    """Make a frame of some columns from rows; `files` lists the files of the rows, each with its number of rows."""
    values = list_columns(rows, columns) | repeat_files(files, columns)
    if model_id is not None:
        values["model_id"] = [model_id] * len(rows)
    return pl.DataFrame([make_column(name, values.get(name), len(rows)) for name in columns])


def make_column(name: str, values: Sequence[Any] | None, height: int) -> pl.Series:
    """Make one column; None for values that are all missing."""
    # To copy one missing value takes polars a twentieth of the time that a list of None takes.
    if values is None or (name in RARE and values.count(None) == height):
        return make_missing(name).new_from_index(0, height)
    return pl.Series(name, values, OUTPUT_SCHEMA[name])


@cache
def make_missing(name: str) -> pl.Series:
    """Make a column of one missing value."""
    return pl.Series(name, [None], OUTPUT_SCHEMA[name])


def list_vectors(rows: Sequence[Row]) -> list[Vectors | None]:
    """List the embeddings of rows."""
    return [row.parsed.vectors for row in rows]


def write_tool_calls(calls: Sequence[list[ToolCall] | None]) -> Sequence[list[Any] | None]:
    """Write the tool calls of rows as polars takes them; most jobs have none."""
    return [one and [structs.asdict(call) for call in one] for one in calls] if any(calls) else calls


def list_columns(rows: Sequence[Row], columns: Sequence[str] = ALL) -> dict[str, Sequence[Any]]:
    """List the values of the rows, column by column."""
    missing, absent = [None] * len(rows), find_absent(rows)
    readers = {name: take for name, take in COLUMN_READERS.items() if name in columns}
    return {name: missing if name in absent else take(rows) for name, take in readers.items()}


def find_absent(rows: Sequence[Row]) -> set[str]:
    """Find the columns that no row has anything for: looking once is faster than reading three columns."""
    has_vectors = [row.parsed.vectors for row in rows].count(None) < len(rows)
    has_faults = [row.fault for row in rows].count(NO_FAULT) < len(rows)
    return {*(() if has_vectors else VECTOR_COLUMNS), *(() if has_faults else FAULT_COLUMNS)}


def repeat_files(files: Sequence[tuple[StoredFile, int]], columns: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Repeat the file, job id and invocation of each file for its rows."""
    about = [(describe_file(file), count) for file, count in files]
    wanted = [name for name in ("file", "job_id", "invocation") if name in columns]
    return {name: list(chain.from_iterable(repeat(known[name], count) for known, count in about)) for name in wanted}


def describe_file(file: StoredFile) -> dict[str, str | None]:
    """Return name, job id and invocation of a file; answers on demand are in folders named `on-demand`."""
    job_id = find_job_id(file)
    is_on_demand = job_id is not None and job_id.startswith("on-demand")
    return {"file": file.name, "job_id": job_id, "invocation": "on_demand" if is_on_demand else "batch"}


def find_job_id(file: StoredFile) -> str | None:
    """Find the job id: the name of the nearest folder that looks like one, no higher than the place that was listed."""
    folders = PurePosixPath(file.name).parent.parts or (Path(file.uri).absolute().parent.name,)
    return next((folder for folder in reversed(folders) if JOB_ID.fullmatch(folder)), None)
