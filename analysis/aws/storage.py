"""Files in folders and in S3 behind the same few functions; nothing else in the package reads `s3://`."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from analysis.aws.cures import CURES, NOTHING, s3_errors
from analysis.aws.session import find_account_id, make_client, open_session
from analysis.errors import StorageError
from analysis.files import check_path, replace_when_whole

if TYPE_CHECKING:
    import boto3
    from botocore.model import OperationModel
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef, ObjectTypeDef


MOST_DELETED = 1_000  # objects in one request


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


def delete_prefix(uri: str, *, s3: S3Client) -> None:
    """Delete all objects below a prefix."""
    bucket, _ = parse_s3_uri(uri)
    keys = [entry["Key"] for entry in list_entries(uri, s3)]
    with s3_errors(uri):
        for start in range(0, len(keys), MOST_DELETED):
            some: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys[start : start + MOST_DELETED]]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})


def list_entries(uri: str, s3: S3Client) -> list[ObjectTypeDef]:
    """List the entries of all keys that begin with a prefix, as S3 describes them."""
    bucket, key = parse_s3_uri(uri)
    with s3_errors(uri):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        return [entry for page in pages for entry in page.get("Contents", [])]


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


def open_s3(where: str | Path, *, profile: str = "", region: str = "", bucket_owner: str = "") -> S3Client | None:
    """Make the S3 client that a place needs; None for a local one. S3 refuses a bucket of another owner than given.

    Raises
    ------
    StorageError
        `where` is no path.
    """
    check_path(where)
    if not is_s3_uri(where):
        return None
    s3 = make_client(open_session(profile, region=region), "s3")
    add_parameters(s3, {"ExpectedBucketOwner": bucket_owner})
    return s3


def open_bucket(session: boto3.Session, *, owner: str, kms_key_id: str = "") -> S3Client:
    """Make an S3 client for the bucket of a run: S3 refuses its requests where the bucket is of another account.

    Parameters
    ----------
    session
        From `open_session`.
    owner
        The account that the bucket has to belong to; where it is empty that of the caller, or any where STS does not
        tell it.
    kms_key_id
        The key that encrypts what is uploaded; empty for the default of the bucket.
    """
    s3 = make_client(session, "s3")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
    add_parameters(s3, {"ExpectedBucketOwner": owner or find_account_id(session)} | encryption)
    return s3


def check_bucket(bucket: str, *, s3: S3Client, region: str) -> None:
    """Check that a bucket is there and in the region of its jobs: S3 takes an upload from any, Bedrock refuses the job.

    Where the caller may not ask, nothing is raised: what S3 or Bedrock refuses later says why.

    Raises
    ------
    StorageError
        There is no such bucket, or it is in another region.
    """
    from botocore.exceptions import ClientError

    uri = f"s3://{bucket}"
    with s3_errors(uri):
        try:
            headers = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                raise StorageError(uri, *CURES["NoSuchBucket"]) from error
            headers = error.response["ResponseMetadata"]["HTTPHeaders"]  # a refusal tells the region as well
    found = headers.get("x-amz-bucket-region", region)
    if found != region:
        reason = f"the bucket is in region {found}, and the jobs would be in {region}"
        raise StorageError(uri, reason, f"give region={found!r}, or a bucket in {region}; nothing was sent")


def add_parameters(s3: S3Client, added: Mapping[str, str]) -> None:
    """Add parameters that are not empty to all requests of a client that take them, uploads in parts included."""
    known = {name: value for name, value in added.items() if value}

    def add(params: dict[str, Any], model: OperationModel, **_: object) -> dict[str, Any]:
        taken = model.input_shape.members if model.input_shape else {}
        return {name: value for name, value in known.items() if name in taken} | params

    # What is returned replaces the parameters.
    handler: Callable[..., Any] = add
    s3.meta.events.register("provide-client-params.s3", handler)


def list_paths(where: str | Path) -> Iterator[StoredFile]:
    """List the files of a local file, folder or glob.

    Raises
    ------
    StorageError
        Nothing is there, or it is no file: a pipe can be read once, and a reader opens a file several times.
    """
    place = Path(where).expanduser()
    if place.is_file():
        return iter([stored_path(place, place.parent)])
    if place.is_dir():
        return walk(place, place)
    if os.path.lexists(place):
        cure = "give a file, a folder or a glob; what a pipe gives can be written to a file first"
        raise StorageError(where, "a pipe, a device or a link that leads nowhere", cure)
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
