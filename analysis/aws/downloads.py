"""Downloads: objects of S3 as local files, many at once, each compared with its ETag before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, FlexibleChecksumError, IncompleteReadError

from analysis.aws.copies import Copy, Etag, compute_etag, note_copy, read_copies, write_copies
from analysis.aws.cures import AGAIN, CONNECTION_ERRORS, s3_errors
from analysis.aws.session import CONNECTIONS, NETWORK_ERRORS
from analysis.aws.storage import StoredFile, is_s3_uri, need_client, parse_s3_uri
from analysis.errors import StorageError
from analysis.files import name_unfinished

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef

AT_ONCE = CONNECTIONS
RANGE_BYTES = 16 * 2**20
BLOCK_BYTES = 2**20
FILES_TOGETHER = 1_000
MOST_READS = 10
NAME_BYTES = 220  # of the 255 that most file systems take: a name is longer while its file is written

Ranges = list[Future[str]]


def fetch_file(file: StoredFile, into: str | Path, *, s3: S3Client | None = None) -> Path:
    """Return the path of a local copy of one listed file; see `fetch_files`."""
    return fetch_files([file], into, s3=s3)[0]


def fetch_files(files: Sequence[StoredFile], into: str | Path, *, s3: S3Client | None = None) -> list[Path]:
    """Download listed objects and return a local path for every listed file.

    A local file stays where it is. An object is downloaded to its name below the folder `into`, many at once, large
    ones in ranges. A file appears under its name when it is complete.

    A copy that is there already is kept if its content is that of the object: size and ETag are compared, or, for an
    object whose ETag cannot be computed (under a KMS key, in a directory bucket, in parts of different sizes), size,
    and content as it was downloaded. Content is read again only where the times of the file have moved since it was
    last compared, which a hidden file in `into` notes. What is damaged is downloaded again.

    Raises
    ------
    StorageError
        An object is gone or cannot be read.
    """
    paths = [target_path(file, Path(into)) for file in files]
    objects = [(file, path) for file, path in zip(files, paths, strict=True) if is_s3_uri(file.uri)]
    if objects:
        update_copies(objects, Path(into), s3)
    return paths


def target_path(file: StoredFile, into: Path) -> Path:
    """Return the local path that a file has, or will have once it is downloaded."""
    if not is_s3_uri(file.uri):
        return Path(file.uri)
    if not can_be_file(file.name):
        reason = f"the key has a part that no file's name can be: empty, '.', '..', or longer than {NAME_BYTES} bytes"
        raise StorageError(file.uri, reason, "rename it")
    return into / file.name


def can_be_file(name: str) -> bool:
    """Whether a key can be the name of a file below a folder: with ".." it would be outside of it."""
    parts = name.split("/")
    return not {"", ".", ".."} & {*parts} and all(len(os.fsencode(part)) <= NAME_BYTES for part in parts)


def update_copies(objects: Sequence[tuple[StoredFile, Path]], into: Path, s3: S3Client | None) -> None:
    """Download the objects of which there is no whole copy, and note what all copies are."""
    noted = read_copies(into)
    copies, missing = dict(noted), []
    for file, path in objects:
        copy = check_copy(file, path, noted.get(file.name), s3)
        if copy is None:
            missing.append((file, path))
        else:
            copies[file.name] = copy
    try:
        if missing:
            download(missing, need_client(missing[0][0].uri, s3), copies)
    finally:
        # Also of a download that was interrupted: files that are complete are kept.
        if copies != noted:
            write_copies(into, copies)


def check_copy(file: StoredFile, path: Path, noted: Copy | None, s3: S3Client | None) -> Copy | None:
    """Return what is to be noted of a copy whose content is that of the object; None for any other."""
    stat = path.stat() if path.is_file() else None
    if stat is None or stat.st_size != file.bytes:
        return None
    if noted is None or noted.etag != file.etag:
        # A copy that nothing is known of, such as one of an earlier version: only the ETag can tell.
        with s3_errors(file.uri):
            part_bytes = find_part_bytes(file, s3)
            computed = compute_etag(path, part_bytes)
        return note_copy(path, file.etag, computed, part_bytes) if f'"{computed}"' == file.etag else None
    if noted.is_unchanged(stat):
        return noted
    with s3_errors(file.uri):
        is_whole = compute_etag(path, noted.part_bytes) == noted.computed
    return note_copy(path, file.etag, noted.computed, noted.part_bytes) if is_whole else None


def download(files: Sequence[tuple[StoredFile, Path]], s3: S3Client, copies: dict[str, Copy]) -> None:
    """Download objects in ranges, many at once; each is renamed to its path, and noted, when it is complete."""
    with s3_errors(files[0][0].uri), ThreadPoolExecutor(AT_ONCE) as pool:
        # Every queued range takes memory, so a million files are queued some at a time.
        for first in range(0, len(files), FILES_TOGETHER):
            download_together(files[first : first + FILES_TOGETHER], s3, pool, copies)


def download_together(
    files: Sequence[tuple[StoredFile, Path]], s3: S3Client, pool: ThreadPoolExecutor, copies: dict[str, Copy]
) -> None:
    """Download some files; when one fails, those that are not complete are deleted."""
    parts = [name_unfinished(path) for _, path in files]
    try:
        started = [start_part(file, part, s3, pool) for (file, _), part in zip(files, parts, strict=True)]
        for (file, path), part, ranges in zip(files, parts, started, strict=True):
            computed, part_bytes = complete_part(file, part, ranges, s3, pool)
            # Not flushed, since S3 has the object: a file that a crash cut short is found, and fetched again.
            part.replace(path)
            copies[file.name] = note_copy(path, file.etag, computed, part_bytes)
    except BaseException:
        pool.shutdown(cancel_futures=True)
        for part in parts:
            with suppress(OSError):
                part.unlink()
        raise


def start_part(file: StoredFile, part: Path, s3: S3Client, pool: ThreadPoolExecutor) -> Ranges:
    """Create the temporary file of an object and queue the download of all its ranges."""
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"")  # each range opens it by "r+b", which creates nothing
    starts = range(0, file.bytes or 1, RANGE_BYTES)
    return [pool.submit(fetch_range, file, part, start, s3) for start in starts]


def complete_part(
    file: StoredFile, part: Path, ranges: Ranges, s3: S3Client, pool: ThreadPoolExecutor
) -> tuple[str, int | None]:
    """Wait for the ranges of a file and compare it with the ETag; where they differ, download it once more.

    Returns
    -------
    computed, part_bytes
        The ETag of its content by S3's rule, and the size of the parts by which it was reckoned.

    Raises
    ------
    StorageError
        The second download is neither what the ETag says nor the same as the first.
    """
    part_bytes = find_part_bytes(file, s3)
    encryption, computed = read_ranges(part, ranges, part_bytes)
    if f'"{computed}"' == file.etag or not is_computable(file, encryption):
        return computed, part_bytes
    _, again = read_ranges(part, start_part(file, part, s3, pool), part_bytes)
    # The same content twice: the storage has ETags of another kind.
    if again != computed and f'"{again}"' != file.etag:
        raise StorageError(file.uri, "the downloaded bytes are not those that its ETag says, twice", AGAIN)
    return again, part_bytes


def read_ranges(part: Path, ranges: Ranges, part_bytes: int | None) -> tuple[str, str]:
    """Wait for the ranges of a file, and compute its ETag meanwhile; return how S3 encrypts it, and the ETag."""
    etag, encryption = Etag(part_bytes), ""
    # Without a buffer, which would read ahead into a range that is not there yet.
    with part.open("rb", buffering=0) as content:
        for number, each in enumerate(ranges, 1):
            encryption = each.result()
            while block := content.read(min(BLOCK_BYTES, number * RANGE_BYTES - content.tell())):
                etag.update(block)
    return encryption, etag.text


def is_computable(file: StoredFile, encryption: str) -> bool:
    """Whether the ETag of an object follows from its content, by the encryption that S3 names in its response."""
    # With keys of KMS or of the customer it does not, and parts may be of different sizes.
    return bool(file.etag) and "-" not in file.etag and encryption in {"", "AES256"}


def find_part_bytes(file: StoredFile, s3: S3Client | None) -> int | None:
    """Return the size of the parts that an object was uploaded in; None for an object in one piece."""
    _, dash, count = file.etag.strip('"').partition("-")
    if not dash or not count.isdecimal():
        return None
    if count == "1":
        return max(file.bytes, 1)
    bucket, key = parse_s3_uri(file.uri)
    client = need_client(file.uri, s3)
    try:
        # All parts have the size of the first, but for the last one: so do boto3, the AWS CLI and the console.
        return client.head_object(Bucket=bucket, Key=key, PartNumber=1, IfMatch=file.etag)["ContentLength"] or None
    except ClientError:
        return None  # a storage that does not tell parts


def fetch_range(file: StoredFile, part: Path, start: int, s3: S3Client) -> str:
    """Download one range of an object to its place in a file, and retry when the connection breaks off.

    Returns
    -------
    encryption
        How S3 keeps the object: `AES256`, `aws:kms`, ...; empty where it does not say.
    """
    bucket, key = parse_s3_uri(file.uri)
    end = min(start + RANGE_BYTES, file.bytes)
    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "IfMatch": file.etag}
    # botocore checks the checksum of a whole object; a range has none.
    if end - start < file.bytes:
        request["Range"] = f"bytes={start}-{end - 1}"
    with s3_errors(file.uri):
        for tries_left in reversed(range(MOST_READS)):
            response = s3.get_object(**request)
            try:
                write_range(response["Body"], part, start, end)
                break
            except (*NETWORK_ERRORS, *CONNECTION_ERRORS, FlexibleChecksumError):
                if not tries_left:
                    raise
    return read_encryption(response)


def read_encryption(response: Mapping[str, object]) -> str:
    """Read how S3 keeps an object from a response about it."""
    return "customer" if response.get("SSECustomerAlgorithm") else str(response.get("ServerSideEncryption", ""))


def write_range(body: StreamingBody, part: Path, start: int, end: int) -> None:
    """Write a response's body to its place in a file, a block at a time."""
    with part.open("r+b") as copy:
        copy.seek(start)
        for block in body.iter_chunks(BLOCK_BYTES):
            copy.write(block)
        if copy.tell() != end:
            raise IncompleteReadError(actual_bytes=copy.tell() - start, expected_bytes=end - start)
