"""Read calls from files of any supported kind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.aws.storage import open_s3
from analysis.columns import read_columns
from analysis.display import count
from analysis.errors import CallsError, show_name, show_path
from analysis.transcripts.data_automation import CUSTOM
from analysis.transcripts.documents import read_documents, read_lines
from analysis.transcripts.excel import read_excel
from analysis.transcripts.listing import find_sources
from analysis.transcripts.separated import read_separated
from analysis.transcripts.sources import KINDS, ColumnNames, Source, find_kind_of_file, show_first
from analysis.transcripts.tables import read_parquet, read_tables
from analysis.transcripts.texts import read_texts
from analysis.transcripts.zips import open_members

DEFAULTS = ColumnNames()
SEPARATE = "put each kind into its own folder, or give a local glob such as calls/*.txt"
ROUNDED = r"^\d([.,]\d+)?E\+\d+$"
# To add a kind of file, add a function that reads a list of them, and the endings of their names to KINDS.
READERS: dict[str, Callable[[list[Source], ColumnNames], pl.DataFrame]] = {
    "Parquet": partial(read_tables, read_parquet),
    "CSV": partial(read_tables, read_separated),
    "Excel": partial(read_tables, read_excel),
    "JSONL": read_lines,
    "JSON": read_documents,
    "subtitles": read_documents,
    "text": read_texts,
}


def read_calls(
    where: str | Path,
    *,
    call_id: str = "call_id",
    transcript: str = "transcript",
    turn: str | None = "turn",
    speaker: str | None = "speaker",
    text: str = "text",
    empty: Literal["refuse", "drop"] = "refuse",
    profile: str = "",
    region: str = "",
    bucket_owner: str = "",
) -> pl.DataFrame:
    """Read transcripts, one row per call.

    Parameters
    ----------
    where
        A file, or a folder, zip, glob or `s3://` address of files of one kind: Parquet, tables as text (`.csv`,
        `.tsv`, also `.gz`; separated by commas, semicolons, tabs or bars), workbooks (`.xlsx`), JSON lines (`.jsonl`,
        `.ndjson`, also `.gz`), text (`.txt`, one call each, its id is the file's name), subtitles (`.vtt`, `.srt`),
        JSON as a list of calls (`.json`, `.json.gz`), or JSON as services write it: Amazon Transcribe, Call Analytics,
        Contact Lens, Amazon Connect chats, Bedrock Data Automation, HealthScribe, Post Call Analytics, Genesys Cloud,
        Deepgram, AssemblyAI, Azure AI Speech, Whisper. A table has one row per call, or one row per turn when it has
        no column of transcripts. Text that is not UTF-8 is read where its encoding is sure, and named in a line that is
        printed.
    call_id, transcript
        The names of the columns of a table of calls; usual other names are known. A transcript may be a list of turns.
    turn, speaker, text
        The names of the columns of a table of turns, or of the fields of turns in a list; usual other names are known.
        A transcript has a line `Speaker: text` for each turn, in the order of `turn`: numbers, clock times or ISO
        times, also as text. Give `turn=None` for the order of the file, and `speaker=None` when there are no speakers.
        Turns without words are left out.
    empty
        What to do with calls without words: `refuse` raises an error, `drop` leaves them out.
    profile, region
        AWS profile and region for reading `s3://`; boto3's default when empty.
    bucket_owner
        Account that the bucket has to belong to; empty for any.

    Returns
    -------
    calls
        `call_id` and `transcript` (String, unchanged to the byte), then the source's other columns; of a table of
        turns only those that are constant within every call. Of JSON these are what the service found, then `turns`, a
        list of turns with speaker, times and sentiment. In the order of the source; text and JSON files by name.

    Raises
    ------
    CallsError
        The files cannot be read, or their content is not calls: missing or repeated ids, empty transcripts, missing
        columns, text in an encoding that is not sure, JSON of an unknown format or of a job that has not COMPLETED.
    """
    columns = ColumnNames(call_id, transcript, turn or None, speaker or None, text)
    s3 = open_s3(where, profile=profile, region=region, bucket_owner=bucket_owner)
    try:
        with tempfile.TemporaryDirectory() as folder:
            calls = read_sources(where, find_sources(where, folder, s3), columns)
        calls = drop_empty_calls(calls) if empty == "drop" else calls
        check_calls(where, calls)
    except CallsError as error:
        account = {"profile": profile, "region": region, "bucket_owner": bucket_owner}
        given = {name: value for name, value in vars(columns).items() if value != getattr(DEFAULTS, name)}
        error.asked = {"where": where} | given | {name: value for name, value in account.items() if value}
        raise
    return calls


def read_sources(where: str | Path, sources: list[Source], columns: ColumnNames) -> pl.DataFrame:
    """Read files of one kind, or zips of such, and print which of them are not UTF-8."""
    try:
        with ExitStack() as opened:
            kind = find_kind(where, sources)
            if kind == "zip":
                sources = open_members(sources, opened)
                kind = find_kind(where, sources, "make a zip of each kind, and read them separately")
            calls = READERS[kind](sources, columns)
    except MemoryError as error:
        raise CallsError(where, "does not fit into memory", "read a part of the files at a time") from error
    if told := sources[0].encodings.describe():
        print(told)
    return calls


def drop_empty_calls(calls: IntoDataFrameT) -> IntoDataFrameT:
    """Drop the calls whose transcript has no words."""
    frame = read_columns(calls, ("transcript",), of="calls")
    has_words = nw.col("transcript").str.contains(r"\S").fill_null(value=False)
    return nw.maybe_reset_index(frame.filter(has_words)).to_native()


def find_kind(where: str | Path, sources: list[Source], cure: str = SEPARATE) -> str:
    """Return the kind of the files; all must be of one kind."""
    kinds = {find_kind_of_file(source.name): source for source in sources}
    if kinds.keys() == {"JSON", "subtitles"}:
        return "JSON"
    if len(kinds) > 1:
        names = " and ".join(show_path(source.name) for source in sorted(kinds.values(), key=lambda each: each.name))
        raise CallsError(where, f"several kinds of files: {names}", cure)
    (kind,) = kinds
    if kind == "unknown":
        raise CallsError(sources[0].label, "not a kind of file that can be read", f"those are {', '.join(KINDS)}")
    if kind == "zip" and sources[0].read_member:
        raise CallsError(sources[0].label, "a zip in a zip", "unpack the outer one")
    return kind


def check_calls(where: str | Path, calls: pl.DataFrame) -> None:
    """Raise an error for calls without words, and for ids of more than one call."""
    if calls.is_empty():
        raise CallsError(where, "no calls", "every call needs an id and a transcript")
    blank = calls.filter(~pl.col("transcript").fill_null("").str.contains(r"\S"))
    if len(blank):
        reason = f"{count(len(blank), 'empty transcript')} ({label_blanks(blank)})"
        raise CallsError(where, reason, explain_blanks(blank), arguments={"empty": "drop"})
    repeated = calls.filter(pl.col("call_id").is_duplicated())["call_id"].unique(maintain_order=True)
    if len(repeated):
        cure = "give each call its own id; where a row is a turn, name the column of its words"
        if repeated.str.contains(ROUNDED).any():
            cure = "Excel has rounded long numbers: format the column as text before they are pasted, and save it again"
        raise CallsError(where, f"{len(repeated)} ids belong to more than one call ({show_first(repeated)})", cure)


def label_blanks(blank: pl.DataFrame) -> str:
    """Format the first three ids of calls without words, with their files where the ids do not come from file names."""
    if "source_file" not in blank.columns:
        return show_first(blank["call_id"])
    named = blank.head(3).select("call_id", "source_file").iter_rows()
    labels = [f"{show_name(call_id)} in {show_path(file)}" for call_id, file in named]
    return ", ".join(labels) + (", ..." if len(blank) > len(labels) else "")


def explain_blanks(blank: pl.DataFrame) -> str:
    """Return what to do about calls without words; outputs of a Data Automation blueprint never have any."""
    if blank.schema.get("source_format") == pl.String and (blank["source_format"] == CUSTOM).any():
        return "the words are in the standard output of Data Automation: read both from one folder, or leave them out"
    return "leave them out"
