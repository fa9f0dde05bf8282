"""Objects: plain files below `s3/<bucket>`, and in `state/objects` the metadata that a file system does not keep.

A file with a dot in its name that somebody puts into a bucket's folder by hand is an object too.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import msgspec
from filelock import FileLock

from bedrock_local.files import make_folders, read_file, temporary_path, write_json
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import FileSlice
from bedrock_local.s3.key_paths import is_name, key_name, key_path, name_text

# "Bucket naming rules"; the rule also keeps a bucket's folder inside the emulator's.
BUCKET = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
KEY_BYTES = 1024


class ObjectMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Metadata of an object: what S3 returns beside its bytes.

    Attributes
    ----------
    size, modified_ns
        Of the file that the metadata describe; where the file has others, the metadata are ignored.
    etag
        Without its quotes.
    headers
        `content-type` and the like, as sent and given back.
    user_metadata
        The user's own, names without `x-amz-meta-`.
    checksums
        Base64 by algorithm in lower case.
    checksum_type
        `FULL_OBJECT` or `COMPOSITE`.
    part_sizes
        Bytes of each part of an object that was uploaded in parts.
    encryption
        The headers that name its KMS key; empty for S3's own keys.
    tags
        Values by key.
    inode
        Of a file to which a job appends: bytes beyond `size` do not belong to the object yet.
    """

    size: int
    modified_ns: int
    etag: str
    headers: Mapping[str, str] = {}
    user_metadata: Mapping[str, str] = msgspec.field(name="metadata", default={})
    checksums: Mapping[str, str] = {}
    checksum_type: str = "FULL_OBJECT"
    part_sizes: tuple[int, ...] = ()
    encryption: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    inode: int | None = None


DECODER = msgspec.json.Decoder(list[ObjectMetadata])


class Bucket(msgspec.Struct, frozen=True):
    """A bucket: when it was made, in seconds since 1970, and its region."""

    name: str
    created: float
    region: str


def bucket_folder(folder: Path, bucket: str) -> Path:
    """Return the folder of a bucket; raise NoSuchBucket when there is none."""
    return Path(bucket_path(folder, bucket))


def bucket_path(folder: Path, bucket: str) -> str:
    """Return the folder of a bucket as a text: what each request asks for is not made of `Path`, which is slow."""
    path = f"{folder}/s3/{bucket}"
    try:
        if BUCKET.fullmatch(bucket) and S_ISDIR(os.lstat(path).st_mode):
            return path
    except OSError:
        pass
    raise ServiceError("NoSuchBucket", "The specified bucket does not exist", BucketName=bucket)


def create_bucket(folder: Path, bucket: Bucket) -> None:
    """Create an empty bucket."""
    if not BUCKET.fullmatch(bucket.name):
        raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", BucketName=bucket.name)
    path = folder / "s3" / bucket.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock_bucket(folder, bucket.name):
        if os.path.lexists(path):
            reason = "Your previous request to create the named bucket succeeded and you already own it."
            raise ServiceError("BucketAlreadyOwnedByYou", reason, BucketName=bucket.name)
        # Of a bucket of this name whose folder was deleted by hand.
        shutil.rmtree(configurations_folder(folder, bucket.name), ignore_errors=True)
        # Before its folder, so that no process which is killed leaves a bucket whose region is not known.
        write_json(folder / "state" / "buckets" / f"{bucket.name}.json", bucket)
        path.mkdir()


def delete_bucket(folder: Path, bucket: str) -> None:
    """Delete an empty bucket and its metadata."""
    path = bucket_folder(folder, bucket)
    with lock_bucket(folder, bucket):
        if next(walk_keys(path), None) is not None:
            raise ServiceError("BucketNotEmpty", "The bucket you tried to delete is not empty", BucketName=bucket)
        shutil.rmtree(path)
        shutil.rmtree(folder / "state" / "objects" / bucket, ignore_errors=True)
        shutil.rmtree(configurations_folder(folder, bucket), ignore_errors=True)
        (folder / "state" / "buckets" / f"{bucket}.json").unlink(missing_ok=True)


def read_bucket(folder: Path, bucket: str) -> Bucket:
    """Read name, creation time and region of a bucket; one that was made by hand is of us-east-1."""
    path = bucket_folder(folder, bucket)
    try:
        return msgspec.json.decode((folder / "state" / "buckets" / f"{bucket}.json").read_bytes(), type=Bucket)
    except FileNotFoundError:
        return Bucket(bucket, path.stat().st_mtime, "us-east-1")


def list_buckets(folder: Path) -> list[Bucket]:
    """List the buckets by name."""
    paths = [path for path in (folder / "s3").iterdir() if path.is_dir() and not path.is_symlink()]
    return [read_bucket(folder, name) for name in sorted(path.name for path in paths) if BUCKET.fullmatch(name)]


def find_object(folder: Path, bucket: str, key: str) -> tuple[str, ObjectMetadata]:
    """Return the file of an object and its metadata; raise NoSuchKey when there is none."""
    path, stat = find_file(folder, bucket, key)
    try:
        return path, read_metadata(path, metadata_file_of(folder, bucket, key), stat)
    except OSError:
        raise missing_key(key) from None


def find_path(folder: Path, bucket: str, key: str) -> Path:
    """Return the file of an object without its metadata: to compute an ETag takes seconds for a large file."""
    return Path(find_file(folder, bucket, key)[0])


def find_file(folder: Path, bucket: str, key: str) -> tuple[str, os.stat_result]:
    """Return the file of an object, and what the system says of it; raise NoSuchKey when there is none."""
    root = bucket_path(folder, bucket)
    path = f"{root}/{key_name(key)}"
    try:
        stat = os.lstat(path)
        if S_ISREG(stat.st_mode) and not has_link(os.path.dirname(path), root):  # noqa: PTH120
            return path, stat
    except OSError:
        pass
    raise missing_key(key)


def missing_key(key: str) -> ServiceError:
    """Return the error of S3 for a key that does not exist."""
    return ServiceError("NoSuchKey", "The specified key does not exist.", Key=key)


def open_object(folder: Path, bucket: str, key: str) -> tuple[FileSlice, ObjectMetadata]:
    """Open an object for reading, together with the metadata of the very file that is open."""
    while True:
        path, metadata = find_object(folder, bucket, key)
        try:
            stream = FileSlice(path, 0, metadata.size)
        except FileNotFoundError:
            continue
        # Between the two reads another object may have taken the key: then both are read again.
        if is_metadata_of(metadata, stream.stat):
            return stream, metadata
        stream.close()


def temporary_object(folder: Path) -> AbstractContextManager[Path]:
    """Return a context whose path is for an object that is being written, outside of all buckets."""
    temporary = folder / "state" / "tmp"
    make_folders(temporary)
    return temporary_path(temporary)


def store_object(
    folder: Path,
    bucket: str,
    key: str,
    *,
    temporary: Path,
    metadata: ObjectMetadata,
    check: Callable[[ObjectMetadata | None], None] = lambda _: None,
) -> None:
    """Rename a finished file to its key, metadata first: a process that dies between leaves the old object whole.

    `check` gets the metadata of the object that would be replaced, and raises to refuse.
    """
    check_key(key)
    root, metadata_root = bucket_folder(folder, bucket), folder / "state" / "objects" / bucket
    path, metadata_file = key_path(root, key), metadata_path(folder, bucket, key)
    with lock_bucket(folder, bucket):
        # Again, under the lock: the bucket may have been deleted meanwhile.
        bucket_folder(folder, bucket)
        if has_link(path.parent, root) or has_link(metadata_file.parent, metadata_root):
            raise linked()
        try:
            old = find_metadata(path, metadata_file)
            check(old)
            # Nothing of an object is flushed: it would double the time of thousands of small ones. A power loss may
            # leave an object empty or without its metadata, which are then worked out anew.
            # Both, until the rename: readers take those that describe the file that they find.
            write_json(metadata_file, [metadata, old] if old else [metadata], flush=False)
            make_folders(path.parent)
            temporary.replace(path)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise ServiceError("AccessDenied", "A file or folder that is not an object already has this path") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise ServiceError("KeyTooLongError", "Your key is too long for the file system") from None


def delete_object(
    folder: Path, bucket: str, key: str, *, check: Callable[[ObjectMetadata], None] = lambda _: None
) -> None:
    """Delete an object, if it exists; `check` gets its metadata first, and raises to refuse."""
    root, metadata_root = bucket_folder(folder, bucket), folder / "state" / "objects" / bucket
    path, metadata_file = key_path(root, key), metadata_path(folder, bucket, key)
    with lock_bucket(folder, bucket):
        try:
            old = None if has_link(path, root) else find_metadata(path, metadata_file)
        except OSError:
            return  # A file or folder that is not an object has this path.
        if old:
            check(old)
            remove_file(path, root)
        if not has_link(metadata_file, metadata_root):
            remove_file(metadata_file, metadata_root)


def change_tags(folder: Path, bucket: str, key: str, tags: Mapping[str, str]) -> None:
    """Replace the tags of an object; nothing else of it changes."""
    metadata_file, metadata_root = metadata_path(folder, bucket, key), folder / "state" / "objects" / bucket
    with lock_bucket(folder, bucket):
        _, metadata = find_object(folder, bucket, key)
        if has_link(metadata_file.parent, metadata_root):
            raise linked()
        write_json(metadata_file, [msgspec.structs.replace(metadata, tags=tags)], flush=False)


def linked() -> ServiceError:
    """Return the error for a path with a symbolic link in it."""
    reason = "The emulator's folder has a symbolic link at this path, and links are not followed"
    return ServiceError("AccessDenied", reason)


def check_key(key: str) -> None:
    """Refuse a key that is too long, in the words of "Creating object key names"."""
    size = len(key.encode())
    if size > KEY_BYTES:
        raise ServiceError("KeyTooLongError", "Your key is too long", Size=str(size), MaxSizeAllowed=str(KEY_BYTES))


def walk_keys(folder: Path, *, prefix: str = "", after: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the keys of a bucket, with their files, in the order of their UTF-8 bytes.

    Parameters
    ----------
    folder
        The bucket's folder.
    prefix
        Yield only keys that begin with it.
    after
        Yield only keys that sort after it.
    """
    # Keys can be a thousand folders deep, which is too deep for a function that calls itself.
    # Sorted by code points, which is the order of UTF-8 bytes too.
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
    """Yield the part of a key that each name in a folder stands for, the name, and whether it is a folder."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if not entry.is_symlink()]
    except FileNotFoundError:
        return
    for name, is_folder in found:
        kind = "folder" if is_folder else "file"
        # Names that no key has, such as those a file manager leaves behind, are not objects.
        if is_name(name, kind):
            yield name_text(name, kind), name, is_folder


def read_metadata(path: str | Path, metadata_file: str | Path, stat: os.stat_result | None = None) -> ObjectMetadata:
    """Read the metadata of a file; compute them for a file that was put there by hand."""
    stat = stat or os.lstat(path)
    if not S_ISREG(stat.st_mode):
        raise FileNotFoundError(path)
    try:
        known = DECODER.decode(read_file(metadata_file))
    except (FileNotFoundError, msgspec.DecodeError):
        known = []
    for metadata in known:
        if is_metadata_of(metadata, stat):
            return metadata
    with Path(path).open("rb") as content:
        etag = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return ObjectMetadata(size=stat.st_size, modified_ns=stat.st_mtime_ns, etag=etag)


def is_metadata_of(metadata: ObjectMetadata, stat: os.stat_result) -> bool:
    """Return whether metadata describe a file; a file that grows may be longer than they say."""
    if metadata.inode is not None:
        return metadata.inode == stat.st_ino and metadata.size <= stat.st_size
    return (metadata.size, metadata.modified_ns) == (stat.st_size, stat.st_mtime_ns)


def find_metadata(path: Path, metadata_file: Path) -> ObjectMetadata | None:
    """Read the metadata of a file; return None when there is no such file."""
    try:
        return read_metadata(path, metadata_file)
    except FileNotFoundError:
        return None


def metadata_path(folder: Path, bucket: str, key: str) -> Path:
    """Return the path of the file with the metadata of an object."""
    return Path(metadata_file_of(folder, bucket, key))


def metadata_file_of(folder: Path, bucket: str, key: str) -> str:
    """Return the path of the file with the metadata of an object, as a text."""
    return f"{folder}/state/objects/{bucket}/{key_name(key)}.json"


def configurations_folder(folder: Path, bucket: str) -> Path:
    """Return the folder with the settings of a bucket."""
    return folder / f"state/configurations/{bucket}"


def lock_bucket(folder: Path, bucket: str) -> FileLock:
    """Return the lock under which a bucket is changed."""
    path = folder / "state" / "locks" / f"{bucket}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def has_link(path: str | Path, top: str | Path) -> bool:
    """Return whether a path has a symbolic link in it below `top`; the emulator itself makes none."""
    text, end = str(path), len(str(top))
    # As text, since keys can be a thousand folders deep.
    while end < len(text):
        end = text.find(os.sep, end + 1)
        end = len(text) if end < 0 else end
        if os.path.islink(text[:end]):  # noqa: PTH114
            return True
    return False


def remove_file(path: Path, top: Path) -> None:
    """Delete a file and the folders that it leaves empty, up to `top`."""
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
