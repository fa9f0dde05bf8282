"""Frames: the rows of output files as columns, a few thousand rows at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import polars as pl

from analysis.errors import StorageError
from analysis.families import Reading, Settings
from analysis.outputs.lines import Fault, Row, read_lines
from analysis.storage import StoredFile

JOB_ID = re.compile(r"[a-z0-9]{12}|on-demand.*")
READ_BYTES = 1 << 18

OUTPUT_SCHEMA = {
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
}
JOIN_COLUMNS = ("call_id", "variant", "sample", "attempt")
ALL = tuple(OUTPUT_SCHEMA)
# Where the columns that a line fills are found in its row.
PARTS = {"reading": Reading, "settings": Settings, "fault": Fault}
OF_ROW: dict[str, Callable[[Row], Any]] = {
    "record_id": attrgetter("record_id"),
    "line": attrgetter("line"),
    "family": lambda row: None if row.family is None else row.family.name,
    "stop": lambda row: None if row.family is None else row.family.find_stop(row.reading.stop_reason),
}


def read_frames(
    files: Iterable[tuple[StoredFile, str | Path]],
    *,
    model_id: str | None,
    columns: Sequence[str] = ALL,
    height: int,
) -> Iterator[pl.DataFrame]:
    """Read files, each with its local path, into frames of one height; the last has what is left."""
    rows: list[Row] = []
    files_read: list[tuple[StoredFile, int]] = []
    for file, path in files:
        with open_lines(path) as lines:
            found = read_lines(lines, file.name, model_id)
            while more := list(islice(found, height - len(rows))):
                rows += more
                files_read.append((file, len(more)))
                if len(rows) == height:
                    yield make_frame(rows, files_read, model_id=model_id, columns=columns)
                    rows, files_read = [], []
    if rows:
        yield make_frame(rows, files_read, model_id=model_id, columns=columns)


def open_lines(path: str | Path) -> BinaryIO:
    """Open a file to be read line by line."""
    try:
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
    """Make the frame of some rows, of which each file has so many: those columns that are wanted."""
    of_lines = list_columns(rows, columns)
    series = [pl.Series(name, values, OUTPUT_SCHEMA[name]) for name, values in of_lines.items()]
    unknown = [pl.lit(None, OUTPUT_SCHEMA[name]).alias(name) for name in JOIN_COLUMNS]
    return pl.DataFrame(series + repeat_files(files, model_id)).with_columns(unknown).select(columns)


def list_columns(rows: Sequence[Row], columns: Sequence[str] = ALL) -> dict[str, list[Any]]:
    """List what the rows say, column by column."""
    values = {name: list(map(take, rows)) for name, take in OF_ROW.items() if name in columns}
    for part, kind in PARTS.items():
        parts = list(map(attrgetter(part), rows))
        names = [name for name in kind.__struct_fields__ if name in columns]
        values |= {name: list(map(attrgetter(name), parts)) for name in names}
    return values


def repeat_files(files: Sequence[tuple[StoredFile, int]], model_id: str | None) -> list[pl.Series]:
    """Say of each row what is known of its file."""
    about = [describe_file(file) | {"model_id": model_id} for file, _ in files]
    schema = {name: OUTPUT_SCHEMA[name] for name in ("file", "job_id", "invocation", "model_id")}
    rows = pl.Series([count for _, count in files], dtype=pl.UInt32)
    return pl.DataFrame(about, schema).select(pl.all().repeat_by(rows).explode()).get_columns()


def describe_file(file: StoredFile) -> dict[str, str | None]:
    """Say which job a file is of; answers on demand are in folders named so."""
    job_id = find_job_id(file)
    is_on_demand = job_id is not None and job_id.startswith("on-demand")
    return {"file": file.name, "job_id": job_id, "invocation": "on_demand" if is_on_demand else "batch"}


def find_job_id(file: StoredFile) -> str | None:
    """Take the job id from the nearest folder that is named like one, no higher than the place that was listed."""
    folders = PurePosixPath(file.name).parent.parts or (Path(file.uri).absolute().parent.name,)
    return next((folder for folder in reversed(folders) if JOB_ID.fullmatch(folder)), None)
