"""Calls from whatever files they come in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.aws.storage import fetch_files, list_files, open_s3
from analysis.errors import CallsError, StorageError
from analysis.transcripts.data_automation import CUSTOM
from analysis.transcripts.documents import read_documents
from analysis.transcripts.sources import KINDS, ColumnNames, Source, kind_of, pick_sources, show
from analysis.transcripts.tables import read_csv, read_jsonl, read_parquet, read_tables
from analysis.transcripts.texts import read_texts
from analysis.transcripts.zips import read_zips

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A further kind of source is a function that makes calls of its files, and its ending in KINDS.
READERS: dict[str, Callable[[list[Source], ColumnNames], pl.DataFrame]] = {
    "Parquet": partial(read_tables, read_parquet),
    "CSV": partial(read_tables, read_csv),
    "JSONL": partial(read_tables, read_jsonl),
    "JSON": read_documents,
    "text": read_texts,
    "zip": read_zips,
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
) -> pl.DataFrame:
    """Read transcripts, one row per call.

    Parameters
    ----------
    where
        A file, a folder, a glob or an `s3://` address of files of one kind: Parquet, CSV (`.csv`, `.csv.gz`),
        JSON lines (`.jsonl`, `.ndjson`), text (`.txt`, one call each, the name is the call's id), JSON as AWS writes
        it (`.json`, `.json.gz`: Amazon Transcribe, Call Analytics, Contact Lens, Bedrock Data Automation), or zips of
        text or JSON. A table has a row per call, or a row per turn when it has no column of transcripts.
    call_id, transcript
        The columns of a table of calls.
    turn, speaker, text
        The columns of a table of turns. A transcript has a line `Speaker: text` for each of them. Without a column
        `turn` they stay in the file's order; `speaker=None` when nobody is named. Turns without words are left out.
    empty
        What to do with calls that have no words: `refuse` the file or `drop` them.
    profile, region
        AWS profile and region that read `s3://`; boto3's default when empty.

    Returns
    -------
    calls
        `call_id` and `transcript` (String, kept to the byte), then the source's own columns; of a table of turns
        those that do not change within any call. Of JSON these are what the service found, then `turns`, a list of
        turns with their speaker, times and sentiment. In the order of the source, text and JSON files by name.

    Raises
    ------
    CallsError
        The files cannot be read, or what they hold is not calls: ids that are missing or repeated, transcripts
        that are empty, columns that are not there, text that is not UTF-8, JSON of another shape or of a job that
        has not COMPLETED.
    """
    columns = ColumnNames(call_id, transcript, turn or None, speaker or None, text)
    s3 = open_s3(where, profile=profile, region=region)
    with tempfile.TemporaryDirectory() as folder:
        sources = find_sources(where, folder, s3)
        calls = READERS[find_kind(where, sources)](sources, columns)
    calls = drop_empty_calls(calls) if empty == "drop" else calls
    check_calls(where, calls)
    return calls


def drop_empty_calls(calls: IntoDataFrameT) -> IntoDataFrameT:
    """Keep the calls whose transcript has words."""
    frame = nw.from_native(calls, eager_only=True)
    has_words = nw.col("transcript").str.contains(r"\S").fill_null(value=False)
    return nw.maybe_reset_index(frame.filter(has_words)).to_native()


def find_sources(where: str | Path, folder: str, s3: S3Client | None) -> list[Source]:
    """List the files to read; marks that Spark and macOS leave (`_SUCCESS`, `__MACOSX`) are none."""
    try:
        listed = list_files(where, s3=s3)
        picked = pick_sources(file.name for file in listed)
        files = [file for file in listed if len(listed) == 1 or file.name in picked]
        paths = fetch_files(files, folder, s3=s3)
    except StorageError as error:
        raise CallsError(error.where, error.reason, error.cure) from error
    return [Source(file.uri, file.name, path) for file, path in zip(files, paths, strict=True)]


def find_kind(where: str | Path, sources: list[Source]) -> str:
    """Say what kind of files these are; all must be of one."""
    if not sources:
        raise CallsError(where, "no calls: the folder is empty", f"{', '.join(KINDS)} files are read")
    kinds = {kind_of(source.name): source.name for source in sources}
    if len(kinds) > 1:
        reason = f"several kinds of files, {' and '.join(sorted(kinds.values()))}"
        raise CallsError(
            where, reason, "keep one kind in a folder of its own, or give a local glob such as calls/*.txt"
        )
    if "unknown" in kinds:
        raise CallsError(sources[0].label, "not a kind of file that is read here", f"{', '.join(KINDS)} files are")
    return next(iter(kinds))


def check_calls(where: str | Path, calls: pl.DataFrame) -> None:
    """Refuse calls without words, and ids that name two calls."""
    if calls.is_empty():
        raise CallsError(where, "no calls", "every call needs an id and a transcript")
    blank = calls.filter(~pl.col("transcript").fill_null("").str.contains(r"\S"))
    if len(blank):
        raise CallsError(where, f"{len(blank)} empty transcripts ({show(name_blanks(blank))})", explain_blanks(blank))
    repeated = calls.filter(pl.col("call_id").is_duplicated())["call_id"].unique(maintain_order=True)
    if len(repeated):
        cure = "give each call its own; where a row is a turn, name its column of words by text="
        raise CallsError(where, f"{len(repeated)} ids name more than one call ({show(repeated)})", cure)


def name_blanks(blank: pl.DataFrame) -> list[str]:
    """Name calls without words, and their files where the ids come from within."""
    if "source_file" not in blank.columns:
        return blank["call_id"].to_list()
    return [f"{call_id} in {file}" for call_id, file in blank.select("call_id", "source_file").iter_rows()]


def explain_blanks(blank: pl.DataFrame) -> str:
    """Say what helps: a blueprint of Data Automation finds things in a call and leaves its words out."""
    drop = "leave them out by empty='drop'"
    if blank.schema.get("source_format") == pl.String and (blank["source_format"] == CUSTOM).any():
        return f"the words are in the standard output of Data Automation: read both in one folder, or {drop}"
    return drop
