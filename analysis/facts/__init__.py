"""Facts: the tables of models, prices and quotas, in which every row has its source and the day it was read."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import polars as pl

from analysis.errors import StorageError
from analysis.files import replace_when_whole


def read_facts(table: str) -> pl.DataFrame:
    """Read one table of facts from the package, such as `models`, `generations`, `prices` or `quotas`.

    Returns
    -------
    frame
        One row per fact; empty cells are missing values, `read_on` is the day on which the source was read.
    """
    file = resources.files(__name__).joinpath(f"{table}.csv")
    # A version is no number: 4.10 comes after 4.9.
    texts = {"since": pl.String}
    return pl.read_csv(file.read_bytes(), try_parse_dates=True, infer_schema_length=None, schema_overrides=texts)


def read_own_facts(table: str, folder: Path | None = None) -> pl.DataFrame:
    """Read the rows of `prices` or `quotas` that `batchbook facts update` wrote; they precede the package's.

    Parameters
    ----------
    folder
        The folder of these tables; that of `find_facts_folder` when left out.

    Returns
    -------
    frame
        The columns of the package's table; no rows where there is no file.

    Raises
    ------
    StorageError
        The file cannot be read, or has other columns.
    """
    schema = read_facts(table).schema
    path = (folder or find_facts_folder()) / f"{table}.csv"
    if not path.exists():
        return pl.DataFrame(schema=schema)
    try:
        return pl.read_csv(path, schema_overrides=schema).select(*schema)
    except (OSError, pl.exceptions.PolarsError) as error:
        cure = "move it away; `batchbook facts update` writes a new one"
        raise StorageError(path, f"cannot be read ({str(error).splitlines()[0]})", cure) from error


def write_own_facts(table: str, rows: pl.DataFrame, folder: Path | None = None) -> Path:
    """Write the rows of your own table, to a temporary file that is then renamed.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    path = (folder or find_facts_folder()) / f"{table}.csv"
    try:
        with replace_when_whole(path) as unfinished:
            rows.write_csv(unfinished)
    except OSError as error:
        cure = "set BATCHBOOK_FACTS to another folder"
        raise StorageError(path, f"cannot be written ({error.strerror})", cure) from error
    return path


def find_facts_folder() -> Path:
    """Return the folder of your own facts: `$BATCHBOOK_FACTS`, or `.batchbook` in the home folder."""
    return Path(os.environ.get("BATCHBOOK_FACTS") or Path.home() / ".batchbook")
