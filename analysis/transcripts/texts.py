"""Read text files, one call each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.sources import ColumnNames, Source, read_text


def read_texts(sources: list[Source], _: ColumnNames) -> pl.DataFrame:
    """Read text files as one row per call."""
    return parse_texts((source.label, source.name, read_text(source)) for source in sources)


def parse_texts(texts: Iterable[tuple[str, str, str]]) -> pl.DataFrame:
    """Build one row per text; the id of a call is its file name without folder and ending."""
    labels: dict[str, str] = {}
    transcripts = []
    for label, name, text in texts:
        call_id = PurePosixPath(name).stem
        if call_id in labels:
            raise CallsError(label, f"has the id {call_id!r}, like {labels[call_id]}", "rename one of them")
        labels[call_id] = label
        transcripts.append(text)
    return pl.DataFrame(
        {"call_id": list(labels), "transcript": transcripts}, schema={"call_id": pl.String, "transcript": pl.String}
    )
