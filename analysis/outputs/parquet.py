"""Parts: the outputs of a run as Parquet, joined to the records that were sent; small files share a part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from analysis.aws.storage import StoredFile
from analysis.files import replace_when_whole
from analysis.outputs.frames import JOIN_COLUMNS, OUTPUT_SCHEMA, gather_frames, read_frames

STAMP = "batchbook"  # key of the stamp in the metadata of a part
# Columns that differ from row to row. A dictionary of their values would be no shorter; the other columns are one
# already, which compression does not make smaller, and each compressed column takes time in every part.
VARIED = ("record_id", "call_id", "line", "text")
COMPRESSION = {name: "zstd" if name in (*VARIED, "error_message") else "none" for name in OUTPUT_SCHEMA}
DICTIONARIES = [name for name in OUTPUT_SCHEMA if name not in VARIED]


def read_joined(
    file: StoredFile, *, records: RecordIndex | None = None, model_id: str | None = None
) -> Iterator[pl.DataFrame]:
    """Read one local output file, ten thousand lines at a time, and join each line to its record.

    Parameters
    ----------
    file
        From `list_outputs`; its name becomes the column `file`.
    records
        From `index_records`, once for all files of a job. A line whose id is not among them keeps its row, with call,
        variant, sample and attempt missing.
    model_id
        The model that the job was for; without it the record's own, when `records` say it.

    Yields
    ------
    frame
        One row per line.

    Raises
    ------
    StorageError
        The file cannot be read.
    """
    frames = gather_frames(read_frames([(file, file.uri)], model_id=model_id))
    return frames if records is None else map(records.add_to, frames)


def write_part(frames: Iterable[pl.DataFrame], part: str | Path, *, stamp: str = "") -> None:
    """Write frames of outputs, one after the other, into one Parquet file, which appears when it is complete.

    Parameters
    ----------
    frames
        From `read_joined`, of one file or of several.
    part
        Path of the Parquet file.
    stamp
        Text that `read_stamp` finds in the part, by which a caller knows whether it is up to date.
    """
    import pyarrow.parquet as pq

    # Not flushed: a part that lost its end has no stamp, and is made again from its output files.
    with (
        replace_when_whole(Path(part), flush=False) as unfinished,
        pq.ParquetWriter(
            unfinished, make_arrow_schema(), compression=COMPRESSION, use_dictionary=DICTIONARIES
        ) as writer,
    ):
        writer.add_key_value_metadata({STAMP: stamp})
        # A small file has few rows, and each table that is written takes as long as some hundred of them.
        write_while_reading((frame.to_arrow() for frame in gather_frames(frames)), writer)


def write_while_reading(tables: Iterable[Any], writer: Any) -> None:
    """Write each table while the next one is read; compression runs on another core."""
    remaining = iter(tables)
    first, second = next(remaining, None), next(remaining, None)
    if second is None:  # a part of one table: a thread costs more than it saves
        if first is not None:
            writer.write_table(first)
        return
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(writer.write_table, first)
        for table in chain([second], remaining):
            written.result()
            written = pool.submit(writer.write_table, table)
        written.result()


def scan_parts(parts: list[Path]) -> pl.LazyFrame:
    """Scan parts lazily; a column that an earlier version did not write is missing in all of its rows."""
    return pl.scan_parquet(parts, schema=OUTPUT_SCHEMA, missing_columns="insert", glob=False)


def read_stamp(part: Path) -> str:
    """Read the stamp of a part; empty where there is no part, or none that can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata: dict[bytes, bytes] | None = pq.read_metadata(part).metadata
    except (OSError, pa.ArrowException):
        return ""
    return (metadata or {}).get(STAMP.encode(), b"").decode()


@cache
def make_arrow_schema() -> Any:
    """Make the schema of a part, once per process."""
    return pl.DataFrame(schema=OUTPUT_SCHEMA).to_arrow().schema


@dataclass(frozen=True)
class RecordIndex:
    """Columns of records for their outputs, and the row of each record id."""

    # Built once: a join would hash all ids again for every frame.

    frame: pl.DataFrame
    rows: dict[str, int]

    def add_to(self, outputs: pl.DataFrame) -> pl.DataFrame:
        """Add the call, variant, sample and attempt that each output answers, and the model that was asked."""
        rows = pl.Series([self.rows.get(record_id) for record_id in outputs["record_id"]], dtype=pl.UInt32)
        asked = self.frame[rows].to_dict()
        if outputs["model_id"].null_count():
            asked["model_id"] = outputs["model_id"].zip_with(outputs["model_id"].is_not_null(), asked["model_id"])
        else:
            del asked["model_id"]
        # Put together anew: a query of polars takes longer than the rows of a small file.
        return pl.DataFrame([asked.get(column.name, column) for column in outputs.get_columns()])


def index_records(records: pl.DataFrame) -> RecordIndex:
    """Index the records of a job by their ids; where several attempts sent the same record, the last counts.

    Parameters
    ----------
    records
        `record_id`, `call_id`, `variant`, `sample`, `attempt`, and `model_id`, which may be left out.
    """
    latest = records
    if records["record_id"].n_unique() < len(records):
        latest = records.sort("attempt", maintain_order=True).unique("record_id", keep="last", maintain_order=True)
    dtypes = {name: OUTPUT_SCHEMA[name] for name in (*JOIN_COLUMNS, "model_id")}
    columns = {name: latest.get_column(name, default=None) for name in dtypes}
    missing = {name: pl.Series([None] * len(latest), dtype=dtypes[name]) for name in dtypes if columns[name] is None}
    frame = pl.DataFrame(columns | missing, dtypes)
    return RecordIndex(frame, {record_id: row for row, record_id in enumerate(latest["record_id"])})
