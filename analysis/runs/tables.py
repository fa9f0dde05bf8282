"""Tables of a run's folder: one Parquet file, or a folder with a part for each input file, as a cluster writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from analysis.errors import RunError
from analysis.jobs.keys import name_table_part

PARQUET_END = b"PAR1"


def list_table(folder: Path, name: str, *, variants: Collection[str] = ()) -> list[Path]:
    """List the files of a table in the order of its rows: `records.parquet`, or the parts in `records/`.

    There is a part for each row of `files.parquet`, or for those with records of some variants.
    """
    whole = folder / f"{name}.parquet"
    if whole.exists() or not (folder / name).is_dir():
        return [whole]
    # Not by what is there, so that a part which was lost is an error.
    rows = read_table([folder / "files.parquet"], ("job_key", "file", "variants"))
    return [
        folder / name / name_table_part(job_key, file)
        for job_key, file, sent in rows.iter_rows()
        if not variants or any(each["variant"] in variants for each in sent)
    ]


def read_table(files: Sequence[Path], columns: Sequence[str] = ()) -> pl.DataFrame:
    """Read a table of the run, with all columns or some.

    Raises
    ------
    RunError
        A file of it is missing or damaged.
    """
    return pl.concat(read_file(file, columns) for file in files)


def read_file(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Read a Parquet file of the run."""
    try:
        return pl.read_parquet(path, columns=list(columns) or None, glob=False)
    except (FileNotFoundError, pl.exceptions.PolarsError) as error:
        cure = "put the run's folder back from a copy, or prepare the same calls and prompts under another name"
        raise RunError(path, "is missing or damaged", cure) from error


def is_whole(path: Path) -> bool:
    """Return whether a Parquet file is there and has its end, which is written last."""
    if not path.exists() or path.stat().st_size < len(PARQUET_END):
        return False
    with path.open("rb") as file:
        file.seek(-len(PARQUET_END), 2)
        return file.read() == PARQUET_END
