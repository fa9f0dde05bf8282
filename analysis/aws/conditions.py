"""Objects that are written on a condition: only where there is none, or only over the version that was read."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from botocore.exceptions import ClientError

from analysis.aws.cures import s3_errors
from analysis.aws.storage import parse_s3_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# What S3 answers where the condition does not hold, and where another request for the same key is under way.
# Source: Amazon S3 User Guide, "How to prevent object overwrites with conditional writes".
FAILED, CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
GONE = {"NoSuchKey", "404"}
MOST_CONFLICTS = 10
BLOCK_BYTES = 1 << 20


class Content(NamedTuple):
    """What an object has, and the ETag by which S3 knows this version of it; both empty where there is no object."""

    body: bytes = b""
    etag: str = ""


class Described(NamedTuple):
    """Size and SHA-256 (hex digits) of an object; the digest is empty where S3 was not given the one of the whole."""

    bytes: int
    sha256: str


def put_new(path: Path, uri: str, sha256: str, *, s3: S3Client) -> bool:
    """Write a file to an object that is not there yet; S3 compares what arrives with the SHA-256, in hex digits.

    Returns
    -------
    is_written
        False where there is an object already, which stays as it is.
    """
    with path.open("rb") as file:
        return bool(put(uri, file, s3=s3, IfNoneMatch="*", ChecksumSHA256=encode_digest(sha256)))


def put_same(path: Path, uri: str, sha256: str, *, s3: S3Client) -> bool:
    """Write a file to an object where there is none yet, or the very same one, as when a task is tried again.

    Returns
    -------
    is_same
        False where there is another one, which stays as it is.
    """
    if put_new(path, uri, sha256, s3=s3):
        return True
    there = describe_object(uri, s3=s3)
    if there is None or there.bytes != path.stat().st_size:
        return False
    return sha256 == (there.sha256 or hash_object(uri, s3=s3))


def put_over(body: bytes, uri: str, etag: str, *, s3: S3Client) -> str:
    """Write an object over the version with an ETag, or where this is empty only if there is none.

    Returns
    -------
    etag
        That of the new version; empty where the condition does not hold, and nothing was written.
    """
    condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    return put(uri, body, s3=s3, **condition)


def put(uri: str, body: bytes | BinaryIO, *, s3: S3Client, **fields: Any) -> str:
    """Write an object on a condition; return its ETag, or nothing where the condition does not hold."""
    bucket, key = parse_s3_uri(uri)
    with s3_errors(uri):
        for tries_left in reversed(range(MOST_CONFLICTS)):
            if not isinstance(body, bytes):
                body.seek(0)
            try:
                return s3.put_object(Bucket=bucket, Key=key, Body=body, **fields)["ETag"]
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == FAILED or (code in GONE and "IfMatch" in fields):
                    break
                if code != CONFLICT or not tries_left:
                    raise
    return ""


def read_object(uri: str, *, s3: S3Client) -> Content:
    """Read a small object whole."""
    bucket, key = parse_s3_uri(uri)
    with s3_errors(uri):
        try:
            response = s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return Content()
            raise
        return Content(response["Body"].read(), response["ETag"])


def describe_object(uri: str, *, s3: S3Client) -> Described | None:
    """Ask S3 for size and SHA-256 of an object; None where there is none."""
    bucket, key = parse_s3_uri(uri)
    with s3_errors(uri):
        try:
            head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise
    # Of an upload in parts S3 has a digest of the digests of its parts, which ends in their number.
    given = head.get("ChecksumSHA256", "")
    return Described(head["ContentLength"], "" if "-" in given else base64.b64decode(given).hex())


def hash_object(uri: str, *, s3: S3Client) -> str:
    """Read an object, some of it at a time, and return its SHA-256 as hex digits."""
    bucket, key = parse_s3_uri(uri)
    digest = hashlib.sha256()
    with s3_errors(uri):
        for block in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def encode_digest(sha256: str) -> str:
    """Write a SHA-256 of hex digits as S3 takes it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()
