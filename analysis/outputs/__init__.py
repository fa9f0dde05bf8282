"""Outputs: what batch jobs answered, one row per output line, whoever started the jobs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl

from analysis.errors import StorageError
from analysis.outputs.lines import ROW, read_lines
from analysis.storage import StoredFile, fetch_file, list_files, open_s3

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json.out"
JOB_ID = re.compile(r"[a-z0-9]{12}|on-demand.*")
CHUNK_LINES = 5_000
READ_BYTES = 1 << 16

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


def load_outputs(where: str | Path, *, model_id: str | None = None, profile: str = "") -> pl.DataFrame:
    """Read the outputs of batch jobs.

    Parameters
    ----------
    where
        A folder, an `s3://` prefix, a file or a glob. Every `*.out` file below it is read, manifests apart;
        a file that is named itself is read whatever its name.
    model_id
        The model that the jobs were for: fills the column, since the lines do not say it, and tells apart families
        whose answers look alike. For an application inference profile, give the model behind it.
    profile
        AWS profile, for `s3://`.

    Returns
    -------
    frame
        One row per line, by file and line. `job_id` is the name of the folder, when it looks like a job's.
        `call_id`, `variant`, `sample` and `attempt` are missing, since a line belongs to a run only there.
        `text` is missing when an answer has no text block; tokens are missing when the service gave none.
        A line that failed says so in `error_kind`: `service`, `expired` (it never ran) or `unreadable`.
        Where `error_kind` is missing and `error_message` is not, the answer is there, and the message says what
        in the line was replaced or left out.

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.
    """
    s3 = open_s3(where, profile=profile)
    return collect_chunks(read_files(list_outputs(where, s3=s3), model_id=model_id, s3=s3))


def scan_outputs(where: str | Path, *, model_id: str | None = None, profile: str = "") -> pl.LazyFrame:
    """Read the outputs of batch jobs lazily: the rows of `load_outputs`, a few thousand at a time.

    Files are listed now and read when the frame is collected; columns that a query does not use are never built.
    """
    from polars.io.plugins import register_io_source

    s3 = open_s3(where, profile=profile)
    files = list_outputs(where, s3=s3)

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        chunks = read_files(files, model_id=model_id, s3=s3)
        for chunk in chunks if n_rows is None else take_rows(chunks, n_rows):
            kept = chunk if predicate is None else chunk.filter(predicate)
            yield kept if columns is None else kept.select(columns)

    return register_io_source(read, schema=OUTPUT_SCHEMA)


def list_outputs(where: str | Path, *, s3: Any = None) -> list[StoredFile]:
    """List the output files at a place: `*.out`, manifests apart, or the one file that is named itself."""
    files = list_files(where, s3=s3)
    if files and not any(file.name.endswith(".out") for file in files) and len(files) > 1:
        reason = f"{len(files)} files and no *.out among them, such as {files[0].name}"
        raise StorageError(where, reason, "give the output folder of a job, or the folder above several")
    outputs = [file for file in files if file.name.endswith(".out") and PurePosixPath(file.name).name != MANIFEST]
    is_named_itself = len(files) == 1 and Path(files[0].name).name == Path(str(where)).name
    return outputs or (files if is_named_itself else [])


def write_part(
    file: StoredFile, part: str | Path, *, records: pl.DataFrame | None = None, model_id: str | None = None
) -> None:
    """Read one local output file into one Parquet file, a few thousand lines at a time.

    Parameters
    ----------
    file
        As `list_outputs` gave it; its name becomes the column `file`.
    part
        Path of the Parquet file. Nobody sees it before it is whole.
    records
        `record_id`, `call_id`, `variant`, `sample`, `attempt`. A line whose id is not among them keeps its row, with
        the others missing. Attempts that sent the same record have one id: the last of them counts.
    model_id
        The model that the job was for; without it the record's own, when `records` say it.

    Raises
    ------
    StorageError
        The file cannot be read.
    """
    import pyarrow.parquet as pq

    part = Path(part)
    part.parent.mkdir(parents=True, exist_ok=True)
    unfinished = part.with_name(f".{part.name}.{os.getpid()}.part")
    schema = pl.DataFrame(schema=OUTPUT_SCHEMA).to_arrow().schema
    keys = None if records is None else list_keys(records)
    try:
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for chunk in read_file(Path(file.uri), file, model_id=model_id):
                writer.write_table((chunk if keys is None else join_keys(chunk, keys)).to_arrow())
        unfinished.replace(part)
    finally:
        unfinished.unlink(missing_ok=True)


def list_keys(records: pl.DataFrame) -> pl.DataFrame:
    """Keep what a record says of its outputs, one row per record id."""
    columns = ["record_id", *JOIN_COLUMNS, *(name for name in ("model_id",) if name in records.columns)]
    keys = records.sort("attempt", maintain_order=True).unique("record_id", keep="last")
    return keys.select(pl.col(name).cast(OUTPUT_SCHEMA[name]) for name in columns)


def join_keys(outputs: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Say of each output which call, variant, sample and attempt it answers."""
    joined = outputs.drop(JOIN_COLUMNS).join(keys, on="record_id", how="left", maintain_order="left", suffix="_asked")
    if "model_id_asked" in joined.columns:
        joined = joined.with_columns(pl.coalesce("model_id", "model_id_asked").alias("model_id"))
    return joined.select(*OUTPUT_SCHEMA)


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Convert to pandas; whole numbers stay whole (`Int64`, ...) where values are missing, and texts are `str`."""
    import pandas as pd
    import pyarrow as pa

    text = pd.StringDtype("pyarrow", na_value=float("nan"))
    dtypes = {pa.string(): text, pa.large_string(): text, pa.bool_(): pd.BooleanDtype()}
    for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"):
        dtypes[getattr(pa, kind.lower())()] = getattr(pd, f"{kind}Dtype")()
    return frame.to_arrow().to_pandas(types_mapper=dtypes.get, date_as_object=False)


def read_files(files: Sequence[StoredFile], *, model_id: str | None, s3: Any) -> Iterator[pl.DataFrame]:
    """Read files in chunks; an object is on this machine only while it is read."""
    for file in files:
        with TemporaryDirectory() as folder:
            yield from read_file(fetch_file(file, folder, s3=s3), file, model_id=model_id)


def read_file(path: Path, file: StoredFile, *, model_id: str | None) -> Iterator[pl.DataFrame]:
    """Read one local file in chunks."""
    job_id = find_job_id(file)
    invocation = "on_demand" if (job_id or "").startswith("on-demand") else "batch"
    of_file = {"job_id": job_id, "file": file.name, "model_id": model_id, "invocation": invocation}
    with open_lines(path) as lines:
        rows = read_lines(lines, file.name, model_id)
        while chunk := list(islice(rows, CHUNK_LINES)):
            yield make_frame(chunk, of_file)


def open_lines(path: Path) -> BinaryIO:
    """Open a file to be read line by line."""
    try:
        return path.open("rb", buffering=READ_BYTES)
    except OSError as error:
        raise StorageError(path, f"cannot be read ({error.strerror})") from error


def make_frame(rows: list[tuple[Any, ...]], of_file: dict[str, str | None]) -> pl.DataFrame:
    """Make the frame of a chunk: what the lines say, what the file says, and nulls for what only a run knows."""
    columns = dict(zip(ROW, zip(*rows, strict=True), strict=True))
    series = [pl.Series(name, values, OUTPUT_SCHEMA[name]) for name, values in columns.items()]
    missing = dict.fromkeys(JOIN_COLUMNS) | of_file
    others = [pl.lit(value, OUTPUT_SCHEMA[name]).alias(name) for name, value in missing.items()]
    return pl.DataFrame(series).with_columns(others).select(*OUTPUT_SCHEMA)


def find_job_id(file: StoredFile) -> str | None:
    """Take the job id from the nearest folder that is named like one, no higher than the place that was listed."""
    folders = PurePosixPath(file.name).parent.parts or (Path(file.uri).absolute().parent.name,)
    return next((folder for folder in reversed(folders) if JOB_ID.fullmatch(folder)), None)


def collect_chunks(chunks: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Put chunks together; without any the frame has its columns all the same."""
    return pl.concat([pl.DataFrame(schema=OUTPUT_SCHEMA), *chunks])


def take_rows(chunks: Iterable[pl.DataFrame], count: int) -> Iterator[pl.DataFrame]:
    """Stop after so many rows."""
    for chunk in chunks:
        yield chunk.head(count)
        count -= chunk.height
        if count <= 0:
            return
