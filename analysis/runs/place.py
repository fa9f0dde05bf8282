"""The place of a stored run: a folder in S3 with what is large of the run, named as in the folder of any other run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from analysis.aws.conditions import describe_object, encode_digest, hash_object, put, put_same
from analysis.aws.downloads import fetch_file, fetch_files
from analysis.aws.session import EMULATOR, open_session
from analysis.aws.storage import StoredFile, find_object, list_prefix, open_bucket, parse_s3_uri
from analysis.errors import RunError
from analysis.files import make_draft, make_folder, replace_when_whole
from analysis.runs.tables import is_whole

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RUN_FILE = "run.json"
PLACE_FILE = "place.json"
# What CreateModelInvocationJob takes in an address of S3; it refuses `//`, and so `day=2026-08-01/` and times.
# Source: Amazon Bedrock API Reference, pattern of s3Uri, tried with botocore.
ALLOWED = re.compile(r"[A-Za-z0-9!\-_*'().]+(?:/[A-Za-z0-9!\-_*'().]+)*/?")
LOST = "put it back from a copy, or prepare the same calls and prompts under another name"


@dataclass(eq=False)
class Place:
    """Where in S3 the rest of a run's folder lies, and how this machine gets there.

    Attributes
    ----------
    folder
        The local folder of the run.
    uri
        `s3://` address of the run, with `/` at its end: what is `input/job01/00000.jsonl` in the folder of another run
        is below it under the same name.
    profile, region, bucket_owner
        As in `prepare`.
    etag
        Of the copy of the ledger that was last read or written here; empty where it is not known, or there is none.
    copied_bytes
        Of the ledger, which that copy has.
    holds
        How many blocks of this process hold the run, one within the other.
    """

    folder: Path
    uri: str
    profile: str = EMULATOR
    region: str = ""
    bucket_owner: str = ""
    etag: str = ""
    copied_bytes: int = 0
    holds: int = 0

    @cached_property
    def s3(self) -> S3Client:
        """A client for the bucket."""
        return open_bucket(open_session(self.profile, region=self.region), owner=self.bucket_owner)

    @property
    def bucket(self) -> str:
        """The bucket."""
        return parse_s3_uri(self.uri)[0]

    @property
    def prefix(self) -> str:
        """The folder of runs in the bucket: what stands before the name of the run."""
        return parse_s3_uri(self.uri)[1].rstrip("/").rpartition("/")[0]

    def find_uri(self, path: Path) -> str:
        """Return the address of a file of the run, or that of a folder without `/` at its end."""
        return self.uri + path.relative_to(self.folder).as_posix()

    def keep(self, files: Sequence[Path]) -> None:
        """Download those of some Parquet files of one folder that are not here yet or not whole, and keep them.

        Raises
        ------
        RunError
            One is not in S3 either.
        """
        missing = {file.name: file for file in files if not is_whole(file)}
        if not missing:
            return
        into = next(iter(missing.values())).parent
        stored = {each.name: each for each in list_prefix(f"{self.find_uri(into)}/", s3=self.s3)}
        for name, file in missing.items():
            if name not in stored:
                raise RunError(self.find_uri(file), "is missing", LOST)
        fetch_files([stored[name] for name in missing], into, s3=self.s3)

    @contextmanager
    def borrow(self, file: StoredFile) -> Iterator[StoredFile]:
        """Download an object for as long as it is read, and describe its local copy."""
        make_folder(self.folder)
        with make_draft(self.folder, "borrowed") as folder:
            copy = fetch_file(replace(file, name="copy"), folder, s3=self.s3)
            yield replace(file, uri=str(copy))

    def find(self, path: Path) -> StoredFile:
        """Find the object of a file of the run.

        Raises
        ------
        RunError
            There is none.
        """
        uri = self.find_uri(path)
        found = find_object(*parse_s3_uri(uri), self.s3)
        if found is None:
            raise RunError(uri, "is missing", LOST)
        return found

    def find_sha256(self, path: Path) -> str:
        """Find the SHA-256 of a file of the run in S3, as hex digits; empty where it is missing."""
        uri = self.find_uri(path)
        there = describe_object(uri, s3=self.s3)
        return (there.sha256 or hash_object(uri, s3=self.s3)) if there else ""

    def put(self, file: Path, uri: str, sha256: str) -> None:
        """Upload a file, over what is there."""
        with file.open("rb") as body:
            put(uri, body, s3=self.s3, ChecksumSHA256=encode_digest(sha256))

    def put_new(self, file: Path, uri: str, sha256: str) -> None:
        """Upload a file where there is none yet, or the very same one.

        Raises
        ------
        RunError
            Another one is there.
        """
        if not put_same(file, uri, sha256, s3=self.s3):
            reason = "another run is being prepared under this name, or preparing one was broken off"
            cure = f"choose another name; if nobody prepares one, delete {self.uri} (aws s3 rm --recursive {self.uri})"
            raise RunError(uri, reason, cure)


def make_place(folder: Path, into: str, *, profile: str, region: str, bucket_owner: str) -> Place:
    """Make the place of a run in a folder of runs in S3; it gets the name of the local folder.

    Raises
    ------
    RunError
        Bedrock would refuse jobs that read there.
    """
    place = Place(folder, f"{into.rstrip('/')}/{folder.name}/", profile, region, bucket_owner)
    check_uri(place.uri)
    return place


def check_uri(uri: str) -> None:
    """Raise for an address that Bedrock does not take as that of a job's input."""
    _, key = parse_s3_uri(uri)
    if not ALLOWED.fullmatch(key):
        refused = "".join(sorted({*re.sub(r"[A-Za-z0-9!\-_*'()./]", "", key)})) or "//"
        shown = re.sub(r"[^A-Za-z0-9!\-_*'()./]+", "-", re.sub("/+", "/", key))
        reason = f"Bedrock takes no {refused!r} in the address of a job's input"
        cure = (
            f"write letters, digits and - ! _ * ' ( ) . between single slashes, as s3://{parse_s3_uri(uri)[0]}/{shown}"
        )
        raise RunError(uri, reason, cure)


def read_place(folder: Path) -> Place | None:
    """Read where the rest of a run's folder lies; None where all of it is in the folder."""
    file = folder / PLACE_FILE
    if not file.exists():
        return None
    fields: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    return Place(folder, **fields)


def write_place(place: Place, folder: Path) -> None:
    """Write into a folder where the rest of a run lies."""
    fields = {name: getattr(place, name) for name in ("uri", "profile", "region", "bucket_owner")}
    with replace_when_whole(folder / PLACE_FILE) as unfinished:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n")
