"""Read text files, one call each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import polars as pl

from analysis.errors import CallsError
from analysis.transcripts.calls import Call, Turn, frame_calls
from analysis.transcripts.documents import fill_call_ids, read_cues
from analysis.transcripts.sources import ColumnNames, Source, read_text
from analysis.transcripts.subtitles import is_subtitles


def read_texts(sources: list[Source], _: ColumnNames) -> pl.DataFrame:
    """Read text files as one row per call."""
    return parse_texts((source.label, source.name, read_text(source)) for source in sources)


def parse_texts(texts: Iterable[tuple[str, str, str]]) -> pl.DataFrame:
    """Build one row per text; the id of a call is its file name without folder and ending.

    Where a text is subtitles, all have the columns of documents.
    """
    read = list(texts)
    if any(is_subtitles(text) for *_, text in read):
        return fill_call_ids(frame_calls((name, read_text_call(label, text)) for label, name, text in read))
    labels: dict[str, str] = {}
    transcripts = []
    for label, name, text in read:
        call_id = PurePosixPath(name).stem
        if call_id in labels:
            raise CallsError(label, f"has the id {call_id!r}, like {labels[call_id]}", "rename one of them")
        labels[call_id] = label
        transcripts.append(text)
    return pl.DataFrame(
        {"call_id": list(labels), "transcript": transcripts}, schema={"call_id": pl.String, "transcript": pl.String}
    )


def read_text_call(label: str, text: str) -> Call:
    """Read the one call of a text, which may be subtitles."""
    return read_cues(label, text) if is_subtitles(text) else Call("", "text", [Turn(None, text)])
