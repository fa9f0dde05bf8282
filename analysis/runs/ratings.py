"""Ratings of a run: what people said of its answers."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from analysis.judging.ratings import read_ratings
from analysis.runs.folder import Run, RunSource, open_run

FOLDER = "ratings"


def load_ratings(run: RunSource) -> pl.DataFrame:
    """Load what people said of the answers of a run.

    Parameters
    ----------
    run
        A run, its folder or its name.

    Returns
    -------
    frame
        One row per rating, in the order in which they were given: `call_id`, `variant`, `sample`, `rater`, `kind`
        (`score` for an answer by itself, `pair` for two side by side), `score` (missing for a pair), `other_variant`,
        `preferred` (the better variant, or `tie`; both missing for a score), `comment` (may be empty), `picked`
        (`random`, or `disagreement`: chosen, so that it estimates nothing), `rated_at` (UTC). Of a pair `variant` stood
        first. Of an answer that a rater rated again it is the last rating. No rows where nobody has rated.

    Raises
    ------
    StorageError
        A file of ratings is damaged.
    """
    return read_ratings(find_ratings(open_run(run)))


def find_ratings(run: Run) -> Path:
    """Return the folder of a run in which ratings are, made with the first one."""
    return run.folder / FOLDER
