"""Files in folders and in S3 behind the same few functions; nothing else in the package reads `s3://`."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis.aws.session import CONNECTIONS, NETWORK_ERRORS, make_client, open_session
from analysis.errors import StorageError
from analysis.files import name_unfinished, replace_when_whole

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef, ObjectTypeDef

CONNECTION_ERRORS = (ConnectionError, TimeoutError)
AT_ONCE = CONNECTIONS
RANGE_BYTES = 16 * 2**20
BLOCK_BYTES = 2**20
FILES_TOGETHER = 1_000
MOST_READS = 10
AGAIN = "check the network, then run it again: files that were downloaded are kept"
SIGN_IN = "sign in to AWS again (`aws sso login`, `aws configure`), or work on the emulator"
ALLOW = "the profile needs s3:ListBucket on the bucket, s3:GetObject and s3:PutObject on its objects, and its KMS key"
NOTHING = "check the spelling, upper and lower case included"
# S3 answers a HEAD with a status and no code.
CURES = {
    "NoSuchBucket": ("no such bucket", "check the spelling and the account of the profile"),
    "InvalidBucketName": ("not a bucket's name", "write s3://bucket/key"),
    "NoSuchKey": ("no such object", NOTHING),
    "404": ("no such object", NOTHING),
    "AccessDenied": ("access denied", ALLOW),
    "403": ("access denied", ALLOW),
    "PreconditionFailed": ("the object changed since it was listed", "list and fetch it again"),
    "IncompleteReadError": ("the connection breaks off repeatedly", AGAIN),
    "ResponseStreamingError": ("the connection breaks off repeatedly", AGAIN),
    "ReadTimeoutError": ("S3 stops responding repeatedly", AGAIN),
    "FlexibleChecksumError": ("the downloaded bytes do not match their checksum", AGAIN),
    "ExpiredToken": ("the credentials have expired", SIGN_IN),
    "InvalidAccessKeyId": ("AWS does not know the access key", SIGN_IN),
    "SignatureDoesNotMatch": ("the secret key does not belong to the access key", SIGN_IN),
    "NoCredentialsError": ("no AWS credentials", SIGN_IN),
    "TokenRetrievalError": ("the credentials have expired", SIGN_IN),
    "SSOTokenLoadError": ("not signed in", SIGN_IN),
    "UnauthorizedSSOTokenError": ("the credentials have expired", SIGN_IN),
    "EndpointConnectionError": ("S3 cannot be reached", "check the network, the region and AWS_ENDPOINT_URL"),
}


@dataclass(frozen=True)
class StoredFile:
    """One file in a folder or one object in S3.

    Attributes
    ----------
    uri
        A local path or an `s3://` address.
    name
        Relative to the place that was listed, with `/` between its parts.
    bytes
        Its size.
    modified_s
        When it was last written, in seconds since 1970 (UTC).
    etag
        S3's identifier of the content, which changes with it; empty for a local file.
    """

    uri: str
    name: str
    bytes: int
    modified_s: float
    etag: str = ""


def list_files(where: str | Path, *, s3: S3Client | None = None) -> list[StoredFile]:
    """List the files or objects at a place, sorted by name.

    Parameters
    ----------
    where
        A file, a folder (all that is below it), a glob (`**` for any depth; folders that match are listed too),
        an object, or a prefix, which is a folder: `s3://bucket/run` does not take in `s3://bucket/run-2/...`.
    s3
        A boto3 client; needed for `s3://` alone.

    Returns
    -------
    files
        Without hidden files and folder marks; a folder may be empty.

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.
    """
    files = list_objects(str(where), need_client(str(where), s3)) if is_s3_uri(where) else list_paths(where)
    return sorted(files, key=lambda file: file.name)


def list_prefix(uri: str, *, s3: S3Client) -> list[StoredFile]:
    """List the objects below a prefix that ends in `/`, in the order of their keys; there may be none."""
    bucket, key = parse_s3_uri(uri)
    entries = list_entries(uri, s3)
    # The console marks an empty folder by an object whose key ends in "/".
    return [stored_object(bucket, entry, key) for entry in entries if not entry["Key"].endswith("/")]


def list_entries(uri: str, s3: S3Client) -> list[ObjectTypeDef]:
    """List the entries of all keys that begin with a prefix, as S3 describes them."""
    bucket, key = parse_s3_uri(uri)
    with s3_errors(uri):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        return [entry for page in pages for entry in page.get("Contents", [])]


def fetch_file(file: StoredFile, into: str | Path, *, s3: S3Client | None = None) -> Path:
    """Return the path of a local copy of one listed file; see `fetch_files`."""
    return fetch_files([file], into, s3=s3)[0]


def fetch_files(files: Sequence[StoredFile], into: str | Path, *, s3: S3Client | None = None) -> list[Path]:
    """Download listed objects and return a local path for every listed file.

    A local file stays where it is. An object is downloaded to its name below the folder `into`, many at once, large
    ones in ranges; one that is there already, with the same size and time, is kept. A file appears under its name
    when it is complete.

    Raises
    ------
    StorageError
        An object is gone or cannot be read.
    """
    paths = [target_path(file, Path(into)) for file in files]
    missing = [(file, path) for file, path in zip(files, paths, strict=True) if not is_same(file, path)]
    if missing:
        download(missing, need_client(missing[0][0].uri, s3))
    return paths


def put_file(path: str | Path, uri: str | Path, *, s3: S3Client | None = None) -> None:
    """Copy a local file to an object or a local path, replacing what is there; it appears when it is complete.

    Raises
    ------
    StorageError
        There is no such file, or the place cannot be written.
    """
    if not Path(path).is_file():
        raise StorageError(path, "no such file")
    if is_s3_uri(uri):
        upload(path, str(uri), need_client(str(uri), s3))
    else:
        copy(Path(path), Path(uri))


def ends_line(file: Path) -> bool:
    """Return whether a file ends in a line feed; if not, a crash cut off its last line."""
    with file.open("rb") as tail:
        tail.seek(-1, os.SEEK_END)
        return tail.read(1) == b"\n"


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key; the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not is_s3_uri(uri) or not bucket:
        raise StorageError(uri, "not an S3 address", "write s3://bucket/key")
    return bucket, key


def is_s3_uri(where: str | Path) -> bool:
    """Return whether a place is an `s3://` address, not a local path."""
    return str(where).startswith("s3://")


def open_s3(where: str | Path, *, profile: str = "", region: str = "") -> S3Client | None:
    """Make the S3 client that a place needs; None for a local one."""
    return make_client(open_session(profile, region=region), "s3") if is_s3_uri(where) else None


def list_paths(where: str | Path) -> Iterator[StoredFile]:
    """List the files of a local file, folder or glob."""
    place = Path(where).expanduser()
    if place.is_file():
        return iter([stored_path(place, place.parent)])
    if place.is_dir():
        return walk(place, place)
    matches = [Path(match) for match in glob.glob(str(place), recursive=True)]  # noqa: PTH207 (absolute patterns too)
    if not matches:
        raise StorageError(where, "no such file or folder", NOTHING)
    base = fixed_part(place)
    files = {file.name: file for match in matches for file in walk(match, base)}
    return iter(files.values())


def walk(place: Path, base: Path) -> Iterator[StoredFile]:
    """List the files at or below a place without hidden ones; links are followed."""
    below = glob.iglob(f"{glob.escape(str(place))}/**", recursive=True) if place.is_dir() else [str(place)]  # noqa: PTH207
    return (stored_path(Path(path), base) for path in below if Path(path).is_file())


def fixed_part(pattern: Path) -> Path:
    """Return the part of a glob before its first wildcard."""
    wild = next(n for n, part in enumerate(pattern.parts) if set(part) & set("*?["))
    return Path(*pattern.parts[:wild])


def stored_path(path: Path, base: Path) -> StoredFile:
    """Describe a local file."""
    stat = path.stat()
    return StoredFile(str(path), path.relative_to(base).as_posix(), stat.st_size, stat.st_mtime)


def list_objects(uri: str, s3: S3Client) -> list[StoredFile]:
    """List one object, or all below a prefix."""
    bucket, key = parse_s3_uri(uri)
    with s3_errors(uri):
        if key and not key.endswith("/"):
            if found := find_object(bucket, key, s3):
                return [found]
            key += "/"
    prefix = f"s3://{bucket}/{key}" if key else uri
    if not list_entries(prefix, s3):
        raise StorageError(uri, "no such object, and nothing below it", NOTHING)
    return list_prefix(prefix, s3=s3)


def find_object(bucket: str, key: str, s3: S3Client) -> StoredFile | None:
    """Look up the object with exactly this key; None where there is none, or where the caller may not ask."""
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "403", "NoSuchKey"}:
            raise
        return None
    entry: ObjectTypeDef = {
        "Key": key,
        "Size": head["ContentLength"],
        "LastModified": head["LastModified"],
        "ETag": head["ETag"],
    }
    return stored_object(bucket, entry, key.removesuffix(PurePosixPath(key).name))


def stored_object(bucket: str, entry: ObjectTypeDef, prefix: str) -> StoredFile:
    """Describe an object by its entry in a listing."""
    name = entry["Key"].removeprefix(prefix)
    modified_s = entry["LastModified"].timestamp()
    return StoredFile(f"s3://{bucket}/{entry['Key']}", name, entry["Size"], modified_s, entry["ETag"])


def target_path(file: StoredFile, into: Path) -> Path:
    """Return the local path that a file has, or will have once it is downloaded."""
    if not is_s3_uri(file.uri):
        return Path(file.uri)
    # A key may contain "..", which would write outside of the folder.
    if {"", ".", ".."} & set(file.name.split("/")):
        raise StorageError(file.uri, "the key has an empty part, '.' or '..', which no file can have", "rename it")
    return into / file.name


def is_same(file: StoredFile, path: Path) -> bool:
    """Return whether a local copy of the same size and time exists."""
    if not is_s3_uri(file.uri):
        return True
    stat = path.stat() if path.is_file() else None
    # S3 gives times in whole seconds.
    return stat is not None and stat.st_size == file.bytes and int(stat.st_mtime) == int(file.modified_s)


def download(files: Sequence[tuple[StoredFile, Path]], s3: S3Client) -> None:
    """Download objects in ranges, many at once; each is renamed to its path when it is complete."""
    with s3_errors(files[0][0].uri), ThreadPoolExecutor(AT_ONCE) as pool:
        # Every queued range takes memory, so a million files are queued some at a time.
        for first in range(0, len(files), FILES_TOGETHER):
            download_together(files[first : first + FILES_TOGETHER], s3, pool)


def download_together(files: Sequence[tuple[StoredFile, Path]], s3: S3Client, pool: ThreadPoolExecutor) -> None:
    """Download some files; when one fails, those that are not complete are deleted."""
    parts = [name_unfinished(path) for _, path in files]
    try:
        started = [start_part(file, part, s3, pool) for (file, _), part in zip(files, parts, strict=True)]
        for (file, path), part, ranges in zip(files, parts, started, strict=True):
            for each in ranges:
                each.result()
            os.utime(part, (file.modified_s, file.modified_s))
            # Not flushed, since S3 has the object: a file that a crash cut short has another size and is fetched again.
            part.replace(path)
    except BaseException:
        pool.shutdown(cancel_futures=True)
        for part in parts:
            with suppress(OSError):
                part.unlink()
        raise


def start_part(file: StoredFile, part: Path, s3: S3Client, pool: ThreadPoolExecutor) -> list[Future[None]]:
    """Create the temporary file of an object and queue the download of all its ranges."""
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"")  # each range opens it by "r+b", which creates nothing
    starts = range(0, file.bytes or 1, RANGE_BYTES)
    return [pool.submit(fetch_range, file, part, start, s3) for start in starts]


def fetch_range(file: StoredFile, part: Path, start: int, s3: S3Client) -> None:
    """Download one range of an object to its place in a file, and retry when the connection breaks off."""
    from botocore.exceptions import FlexibleChecksumError

    bucket, key = parse_s3_uri(file.uri)
    end = min(start + RANGE_BYTES, file.bytes)
    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "IfMatch": file.etag}
    # botocore checks the checksum of a whole object; a range has none.
    if end - start < file.bytes:
        request["Range"] = f"bytes={start}-{end - 1}"
    with s3_errors(file.uri):
        for tries_left in reversed(range(MOST_READS)):
            body = s3.get_object(**request)["Body"]
            try:
                write_range(body, part, start, end)
                break
            except (*NETWORK_ERRORS, *CONNECTION_ERRORS, FlexibleChecksumError):
                if not tries_left:
                    raise


def write_range(body: StreamingBody, part: Path, start: int, end: int) -> None:
    """Write a response's body to its place in a file, a block at a time."""
    from botocore.exceptions import IncompleteReadError

    with part.open("r+b", buffering=0) as copy:
        copy.seek(start)
        for block in body.iter_chunks(BLOCK_BYTES):
            copy.write(block)
        if copy.tell() != end:
            raise IncompleteReadError(actual_bytes=copy.tell() - start, expected_bytes=end - start)


def upload(path: str | Path, uri: str, s3: S3Client) -> None:
    """Upload a file, in parts when it is large."""
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    bucket, key = parse_s3_uri(uri)
    if not key or key.endswith("/"):
        raise StorageError(uri, "names a folder", f"add the file's name: {uri.rstrip('/')}/{Path(path).name}")
    with s3_errors(uri), create_transfer_manager(s3, TransferConfig()) as manager:
        manager.upload(str(path), bucket, key).result()


def copy(path: Path, target: Path) -> None:
    """Copy a file to a temporary name beside its target, then rename it."""
    try:
        with replace_when_whole(target) as unfinished:
            shutil.copyfile(path, unfinished)
    except OSError as error:
        raise StorageError(target, f"cannot be written ({error.strerror})") from error


def need_client(uri: str, s3: S3Client | None) -> S3Client:
    """Return the client, or raise where an `s3://` address came without one."""
    if s3 is None:
        raise StorageError(uri, "an S3 address needs a client", "give s3=, from boto3.Session(...).client('s3')")
    return s3


@contextmanager
def s3_errors(uri: str) -> Iterator[None]:
    """Convert errors of S3, the network and the local disk to a StorageError with a cure."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, *CONNECTION_ERRORS) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        reason, cure = CURES.get(code, (str(error), ""))
        raise StorageError(uri, reason, cure) from error
    except OSError as error:
        reason = f"the local copy cannot be read or written ({error.strerror})"
        raise StorageError(uri, reason, "check free space and permissions of its folder") from error
