"""What is known of models, prices and quotas: tables in which every row has its source and the day it was read."""

from __future__ import annotations

from importlib import resources

import polars as pl


def read_facts(table: str) -> pl.DataFrame:
    """Read one table of facts: `models`, `prices` or `quotas`.

    Returns
    -------
    frame
        One row per fact; empty cells are missing, `read_on` is the day on which the source said so.
    """
    file = resources.files(__name__).joinpath(f"{table}.csv")
    return pl.read_csv(file.read_bytes(), try_parse_dates=True, infer_schema_length=None)
