"""Calls in text files, one each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.sources import ColumnNames, Source, decode, read_bytes


def read_texts(sources: list[Source], _: ColumnNames) -> pl.DataFrame:
    """Read text files, one call each."""
    return calls_of_texts((source.label, source.name, read_bytes(source)) for source in sources)


def calls_of_texts(texts: Iterable[tuple[str, str, bytes]]) -> pl.DataFrame:
    """Make a call of every text: its id is the name without folder and ending."""
    labels: dict[str, str] = {}
    transcripts = []
    for label, name, content in texts:
        call_id = PurePosixPath(name).stem
        if call_id in labels:
            raise CallsError(label, f"gives the id {call_id!r}, as {labels[call_id]} does", "rename one of them")
        labels[call_id] = label
        transcripts.append(decode(label, content))
    return pl.DataFrame(
        {"call_id": list(labels), "transcript": transcripts}, schema={"call_id": pl.String, "transcript": pl.String}
    )
