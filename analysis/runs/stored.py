"""Stored runs: what is large of a run is put into S3, and any machine makes the small folder by which it works on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl

from analysis.aws.conditions import read_object
from analysis.aws.session import EMULATOR
from analysis.aws.storage import check_bucket, parse_s3_uri
from analysis.errors import RunError
from analysis.files import make_draft, make_folder, make_private, sweep_drafts
from analysis.jobs.batch import hash_file
from analysis.jobs.keys import name_table_part
from analysis.prompts import Prompt
from analysis.requests.input_files import group_prompts
from analysis.runs.place import RUN_FILE, Place, check_uri, read_place, write_place

AT_ONCE = 8  # files that are uploaded at the same time
GROUP_BYTES = 4 << 20  # text in a row group of a table of calls
FILES = "files.parquet"
LEDGER = "ledger.jsonl"
TABLES = ("calls", "records")


def store_run(folder: Path, place: Place, calls: pl.DataFrame, prompts: Sequence[Prompt]) -> None:
    """Upload a run that has been written to a folder, and leave there what this machine needs of it; calls follow ids.

    Its tables go up in parts, one for each input file. `run.json` comes last, so that nobody sees half a run.

    Raises
    ------
    RunError
        Another run is at the place, or on its way there.
    StorageError
        There is no such bucket, or it is in another Region.
    """
    check_bucket(place.bucket, s3=place.s3, region=place.s3.meta.region_name)
    divide_tables(folder, calls, prompts)
    upload(folder, place.uri, RUN_FILE, place.put_new)
    shutil.rmtree(folder / "input")
    for name in TABLES:
        shutil.rmtree(folder / name)
        make_folder(folder / name)
    write_place(place, folder)


def divide_tables(folder: Path, calls: pl.DataFrame, prompts: Sequence[Prompt]) -> None:
    """Divide the calls and the records of a run into a part for each input file: the calls beside the first prompt's.

    A call is where its first record is; both tables follow `call_id`, as the lines do.
    """
    first = {prompt.name for prompt in next(iter(group_prompts(prompts).values()))}
    records = pl.read_parquet(folder / "records.parquet", glob=False)
    for name in TABLES:
        make_folder(folder / name)
    start, last = 0, ""
    for (key, file), sent in records.partition_by("job_key", "file", as_dict=True, maintain_order=True).items():
        part = name_table_part(str(key), str(file))
        sent.write_parquet(folder / "records" / part)
        if sent.item(0, "variant") in first:
            begun = sent["call_id"].n_unique() - (sent.item(0, "call_id") == last)
            write_calls(folder / "calls" / part, calls.slice(start, begun))
            start, last = start + begun, sent.item(-1, "call_id")
    for name in TABLES:
        (folder / f"{name}.parquet").unlink()


def write_calls(path: Path, calls: pl.DataFrame) -> None:
    """Write calls in row groups of about 4 MiB of text: a writer keeps a whole group in memory."""
    text_bytes = calls.select(pl.sum_horizontal(pl.col(pl.String).str.len_bytes().cast(pl.Int64)).sum()).item() or 0
    calls.write_parquet(path, row_group_size=max(1, len(calls) * GROUP_BYTES // max(text_bytes, GROUP_BYTES)))


def store_attempt(folder: Path, number: int, place: Place) -> None:
    """Upload a repair that has been written to a folder, and leave its tables there; the caller holds the run.

    `files.parquet` comes last: without it, what is there was broken off, and is written over.
    """
    upload(folder, f"{place.uri}attempts/{number}/", FILES, place.put)
    shutil.rmtree(folder / "input")


def upload(folder: Path, uri: str, last: str, put: Callable[[Path, str, str], None]) -> None:
    """Upload all files of a folder to a folder in S3, one of them when all others are there."""
    digests = {
        folder / "input" / key / file: sha256
        for key, file, sha256 in pl.read_parquet(folder / FILES).select("job_key", "file", "sha256").iter_rows()
    }
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / last]

    def put_file(file: Path) -> None:
        put(file, uri + file.relative_to(folder).as_posix(), digests.get(file) or hash_file(file))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(put_file, file) for file in files]:
            done.result()
    put_file(folder / last)


def open_stored(uri: str, runs: Path, *, profile: str = "", region: str = "", bucket_owner: str = "") -> Path:
    """Return the local folder of a run in S3; where it is missing it is made in a folder of runs.

    Raises
    ------
    RunError
        There is no such run, or the folder of its name here is that of another one.
    """
    uri = f"{uri.rstrip('/')}/"
    check_uri(uri)
    folder = runs / uri.rstrip("/").rpartition("/")[2]
    if profile or not folder.exists():
        place = Place(folder, uri, profile or EMULATOR, region, bucket_owner)
    else:
        place = replace(read_place(folder) or Place(folder, ""), uri=uri)
    if not find_stored(place):
        cure = f"there are {', '.join(others)}" if (others := list_beside(place)) else "prepare it first"
        raise RunError(uri, "not a run", cure)
    return folder


def find_stored(place: Place) -> bool:
    """Make the local folder of a run that is in S3, if it is missing; return whether there is such a run.

    Raises
    ------
    RunError
        The local folder is that of another run.
    """
    if place.folder.exists():
        check_place(place)
        return True
    request = read_object(f"{place.uri}{RUN_FILE}", s3=place.s3).body
    if not request:
        return False
    check_name(request, place)
    make_folder(place.folder.parent)
    sweep_drafts(place.folder.parent)
    with make_draft(place.folder.parent, place.folder.name) as unfinished:
        draft = unfinished / place.folder.name
        for name in ("", *TABLES):
            make_folder(draft / name)
        (draft / RUN_FILE).write_bytes(request)
        for name in (FILES, LEDGER):
            (draft / name).write_bytes(read_object(f"{place.uri}{name}", s3=place.s3).body)
        write_place(place, draft)
        make_private(draft, place.folder.parent)
        if not move_into_place(draft, place.folder):
            check_place(place)
    return True


def move_into_place(draft: Path, folder: Path) -> bool:
    """Rename a finished folder; return False when another process has made the folder meanwhile."""
    try:
        draft.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        return False
    return True


def check_place(place: Place) -> None:
    """Raise where the folder of a run's name on this machine is not that of the run at a place in S3."""
    here = read_place(place.folder)
    if here is None or here.uri != place.uri:
        of = here.uri if here else "a run on this machine alone"
        raise RunError(place.folder, f"is that of {of}, not of {place.uri}", "choose another name, or another folder")
    if EMULATOR in {place.profile, here.profile} and place.profile != here.profile:
        cure = "leave the profile out, or work in another folder"
        raise RunError(place.folder, f"was made with the profile {here.profile!r}, not {place.profile!r}", cure)


def check_name(request: bytes, place: Place) -> None:
    """Raise where a run was copied to another name in S3: its jobs would be those of the first one."""
    name = msgspec.json.decode(request, type=dict[str, msgspec.Raw])["name"]
    if msgspec.json.decode(bytes(name), type=str) != place.folder.name:
        raise RunError(place.uri, f"was prepared as {bytes(name).decode()}", "open it where it was prepared")


def list_beside(place: Place) -> list[str]:
    """List the names of the runs beside a place in S3."""
    above = place.uri.rstrip("/").rpartition("/")[0] + "/"
    found = list_folders(above, place)
    return [name for name in found if read_object(f"{above}{name}/{RUN_FILE}", s3=place.s3).body]


def list_folders(uri: str, place: Place) -> Iterator[str]:
    """List the names of the folders in a folder of S3."""
    bucket, key = parse_s3_uri(uri)
    pages = place.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key, Delimiter="/")
    for page in pages:
        yield from (each["Prefix"].removeprefix(key).rstrip("/") for each in page.get("CommonPrefixes", []))
