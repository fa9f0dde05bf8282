"""Objects: plain files below `s3/<bucket>`, and beside them, in `state/objects`, what a file cannot say of itself.

A file with a dot in its name that somebody puts into a bucket's folder by hand is an object too.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
from filelock import FileLock

from bedrock_local.errors import ServiceError
from bedrock_local.files import make_folders, write_json
from bedrock_local.names import key_path, name_text
from bedrock_local.wire import FileSlice

# "Bucket naming rules"; the rule also keeps a bucket's folder inside the emulator's.
BUCKET = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
KEY_BYTES = 1024


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an object beside its bytes.

    Attributes
    ----------
    size, modified_ns
        Of the file that these facts are about; facts of another file are not believed.
    etag
        Without its quotes.
    headers
        `content-type` and the like, as sent and given back.
    metadata
        The user's own, without `x-amz-meta-`.
    checksums
        Base64 by algorithm in lower case.
    checksum_type
        `FULL_OBJECT` or `COMPOSITE`.
    part_sizes
        Bytes of each part of an object that was uploaded in parts.
    """

    size: int
    modified_ns: int
    etag: str
    headers: Mapping[str, str] = {}
    metadata: Mapping[str, str] = {}
    checksums: Mapping[str, str] = {}
    checksum_type: str = "FULL_OBJECT"
    part_sizes: tuple[int, ...] = ()


class Bucket(msgspec.Struct, frozen=True):
    """A bucket: when it was made, in seconds since 1970, and its region."""

    name: str
    created: float
    region: str


def bucket_folder(folder: Path, bucket: str) -> Path:
    """Give the folder of a bucket that exists."""
    path = folder / "s3" / bucket
    if not BUCKET.fullmatch(bucket) or not path.is_dir():
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", BucketName=bucket)
    return path


def create_bucket(folder: Path, bucket: Bucket) -> None:
    """Make an empty bucket."""
    if not BUCKET.fullmatch(bucket.name):
        raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", BucketName=bucket.name)
    path = folder / "s3" / bucket.name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir()
    except FileExistsError:
        reason = "Your previous request to create the named bucket succeeded and you already own it."
        raise ServiceError("BucketAlreadyOwnedByYou", reason, BucketName=bucket.name) from None
    write_json(folder / "state" / "buckets" / f"{bucket.name}.json", bucket)


def delete_bucket(folder: Path, bucket: str) -> None:
    """Take away a bucket that holds nothing."""
    path = bucket_folder(folder, bucket)
    with lock_bucket(folder, bucket):
        if next(walk_keys(path), None) is not None:
            raise ServiceError("BucketNotEmpty", "The bucket you tried to delete is not empty", BucketName=bucket)
        shutil.rmtree(path)
        shutil.rmtree(folder / "state" / "objects" / bucket, ignore_errors=True)
        (folder / "state" / "buckets" / f"{bucket}.json").unlink(missing_ok=True)


def read_bucket(folder: Path, bucket: str) -> Bucket:
    """Say what is known of a bucket."""
    path = bucket_folder(folder, bucket)
    try:
        return msgspec.json.decode((folder / "state" / "buckets" / f"{bucket}.json").read_bytes(), type=Bucket)
    except FileNotFoundError:
        return Bucket(bucket, path.stat().st_mtime, "us-east-1")


def list_buckets(folder: Path) -> list[Bucket]:
    """List the buckets by name."""
    names = sorted(path.name for path in (folder / "s3").iterdir() if path.is_dir() and BUCKET.fullmatch(path.name))
    return [read_bucket(folder, name) for name in names]


def find_object(folder: Path, bucket: str, key: str) -> tuple[Path, Facts]:
    """Give the file of an object and what is known of it."""
    path = key_path(bucket_folder(folder, bucket), key)
    try:
        return path, read_facts(path, facts_path(folder, bucket, key))
    except OSError:
        raise ServiceError("NoSuchKey", "The specified key does not exist.", Key=key) from None


def open_object(folder: Path, bucket: str, key: str) -> tuple[FileSlice, Facts]:
    """Open an object for reading, together with the facts of the very file that is open."""
    while True:
        path, facts = find_object(folder, bucket, key)
        try:
            stream = FileSlice(path, 0, facts.size)
        except FileNotFoundError:
            continue
        if stream.modified_ns == facts.modified_ns:
            return stream, facts
        stream.close()


def store_object(
    folder: Path,
    bucket: str,
    key: str,
    *,
    temporary: Path,
    facts: Facts,
    check: Callable[[Facts | None], None] = lambda _: None,
) -> None:
    """Rename a finished file to its key, facts first: a process that dies between leaves the old object whole.

    `check` sees the facts of the object that would be replaced, and may refuse.
    """
    if len(key.encode()) > KEY_BYTES:
        raise ServiceError(
            "KeyTooLongError", "Your key is too long", Size=str(len(key.encode())), MaxSizeAllowed="1024"
        )
    path, facts_file = key_path(bucket_folder(folder, bucket), key), facts_path(folder, bucket, key)
    with lock_bucket(folder, bucket):
        bucket_folder(folder, bucket)
        old = read_facts(path, facts_file) if path.is_file() else None
        check(old)
        write_json(facts_file, [facts, old] if old else [facts])
        make_folders(path.parent)
        temporary.replace(path)


def delete_object(folder: Path, bucket: str, key: str) -> None:
    """Take an object away; one that is not there is no error."""
    root = bucket_folder(folder, bucket)
    with lock_bucket(folder, bucket):
        for path, top in (
            (key_path(root, key), root),
            (facts_path(folder, bucket, key), folder / "state" / "objects" / bucket),
        ):
            remove_file(path, top)


def walk_keys(folder: Path, *, prefix: str = "", after: str = "") -> Iterator[tuple[str, Path]]:
    """Go through the keys of a bucket in the order of their UTF-8 bytes.

    Parameters
    ----------
    folder
        The bucket's folder.
    prefix
        Only keys that begin with it.
    after
        Only keys beyond it.
    """
    # Keys can be a thousand folders deep, which is too deep for a function that calls itself.
    levels = [("", folder, iter(sorted(read_names(folder))))]
    while levels:
        above, place, names = levels[-1]
        text, name, is_folder = next(names, ("", "", False))
        key, path = above + text, place / name
        if not name:
            levels.pop()
        elif not is_folder:
            if key.startswith(prefix) and key > after:
                yield key, path
        elif (key.startswith(prefix) or prefix.startswith(key)) and (key > after or after.startswith(key)):
            levels.append((key, path, iter(sorted(read_names(path)))))


def read_names(folder: Path) -> Iterator[tuple[str, str, bool]]:
    """Give what each name in a folder stands for, the name itself, and whether it is a folder."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
    except FileNotFoundError:
        return
    for name, is_folder in found:
        # Names that no key has, such as those a file manager leaves behind, are not objects.
        if "%" in name or ("." in name) != is_folder:
            yield name_text(name, "folder" if is_folder else "file"), name, is_folder


def read_facts(path: Path, facts_file: Path) -> Facts:
    """Read what is known of a file; of one that was put there by hand, work it out."""
    stat = path.stat()
    try:
        known = msgspec.json.decode(facts_file.read_bytes(), type=list[Facts])
    except (FileNotFoundError, msgspec.DecodeError):
        known = []
    for facts in known:
        if (facts.size, facts.modified_ns) == (stat.st_size, stat.st_mtime_ns):
            return facts
    with path.open("rb") as content:
        etag = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return Facts(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=etag)


def facts_path(folder: Path, bucket: str, key: str) -> Path:
    """Give the file that holds what is known of an object."""
    path = key_path(folder / "state" / "objects" / bucket, key)
    return path.with_name(path.name + ".json")


def lock_bucket(folder: Path, bucket: str) -> FileLock:
    """Give the lock that a change to a bucket holds."""
    path = folder / "state" / "locks" / f"{bucket}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def remove_file(path: Path, top: Path) -> None:
    """Take away a file and the folders that it leaves empty, up to `top`."""
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == top or not parent.is_relative_to(top):
            return
        try:
            parent.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return
