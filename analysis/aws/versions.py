"""Versions: every version of the objects below a prefix and every unfinished upload, listed and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis.aws.cures import explain_refusal, s3_errors
from analysis.aws.storage import parse_s3_uri
from analysis.errors import StorageError, show_path

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DENIED = {"AccessDenied", "403", "MethodNotAllowed", "NotImplemented"}
AT_ONCE = 1000  # keys of one DeleteObjects
ALLOW = (
    "allow the profile s3:DeleteObject, where the bucket keeps versions s3:DeleteObjectVersion, and "
    "s3:AbortMultipartUpload on these objects, then delete the run again: what is gone is not looked for"
)


@dataclass(frozen=True)
class StoredVersion:
    """One version of an object, a mark that it was deleted, or an upload that was not completed.

    Attributes
    ----------
    bucket, key
        Of the object.
    bytes
        Its size; 0 for a mark, and for an upload, of which S3 does not say it.
    version_id
        Empty where the bucket keeps no versions.
    upload_id
        Of an upload; else empty.
    is_latest
        Whether it is what reading the object gives.
    """

    bucket: str
    key: str
    bytes: int = 0
    version_id: str = ""
    upload_id: str = ""
    is_latest: bool = True

    @property
    def uri(self) -> str:
        """The address of its object."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Listing:
    """What is below a prefix, and what the caller may not list there.

    Attributes
    ----------
    found
        Versions, marks and uploads, by key.
    hidden
        Each right that is missing, such as `s3:ListBucketVersions`; what it would list is not in `found`.
    """

    found: list[StoredVersion]
    hidden: list[str]


def list_versions(uri: str, *, s3: S3Client) -> Listing:
    """List all versions of the objects whose keys begin with a prefix, and the uploads that were not completed.

    Raises
    ------
    StorageError
        S3 cannot be reached, or lists no objects for this caller. A bucket that is not there has none.
    """
    bucket, prefix = parse_s3_uri(uri)
    where = {"Bucket": bucket, "Prefix": prefix}
    hidden = []
    with s3_errors(uri):
        try:
            try:
                found = [read_version(bucket, entry) for entry in list_pages(s3, "list_object_versions", where)]
            except ClientError as error:
                hidden.append(name_right(error, "s3:ListBucketVersions"))
                found = [read_version(bucket, entry) for entry in list_pages(s3, "list_objects_v2", where)]
            try:
                uploads = [*list_pages(s3, "list_multipart_uploads", where)]
                found += [StoredVersion(bucket, one["Key"], upload_id=one["UploadId"]) for one in uploads]
            except ClientError as error:
                hidden.append(name_right(error, "s3:ListBucketMultipartUploads"))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
            return Listing([], [])
    if not keeps_versions(bucket, s3):
        found = [replace(each, version_id="") for each in found]
    return Listing(sorted(found, key=lambda each: (each.key, each.version_id)), hidden)


def name_right(error: ClientError, right: str) -> str:
    """Return the right that a refused request needs, or raise any other error."""
    if error.response["Error"]["Code"] not in DENIED:
        raise error
    return right


def list_pages(s3: S3Client, operation: Any, where: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the entries of a listing, page by page."""
    for page in s3.get_paginator(operation).paginate(**where):
        for name in ("Versions", "DeleteMarkers", "Contents", "Uploads"):
            yield from page.get(name, [])


def read_version(bucket: str, entry: dict[str, Any]) -> StoredVersion:
    """Read an entry of a listing of versions, or of objects."""
    is_latest = entry.get("IsLatest", True)
    return StoredVersion(bucket, entry["Key"], entry.get("Size", 0), entry.get("VersionId", ""), "", is_latest)


def keeps_versions(bucket: str, s3: S3Client) -> bool:
    """Return whether a bucket keeps versions, or has kept them, or does not tell.

    Without versions an object is deleted by its key alone: by its version id it takes one right more. With them that
    would only add a mark that it was deleted.
    """
    with s3_errors(f"s3://{bucket}"):
        try:
            return "Status" in s3.get_bucket_versioning(Bucket=bucket)
        except ClientError as error:
            name_right(error, "s3:GetBucketVersioning")
            return True


def delete_versions(versions: Iterable[StoredVersion], *, s3: S3Client) -> None:
    """Delete versions, marks and uploads of one bucket.

    Raises
    ------
    StorageError
        S3 did not delete all of them; the others are gone.
    """
    each, refused = [*versions], []
    for upload in each:
        if upload.upload_id:
            refused += abort_upload(upload, s3)
    objects = [version for version in each if not version.upload_id]
    for start in range(0, len(objects), AT_ONCE):
        refused += delete_group(objects[start : start + AT_ONCE], s3)
    if refused:
        uri, error = refused[0]
        were = f"{len(refused):,} objects were" if len(refused) > 1 else "1 object was"
        reason = f"{were} not deleted, such as {show_path(uri)} ({error})"
        raise StorageError(f"s3://{each[0].bucket}", reason, ALLOW)


def abort_upload(upload: StoredVersion, s3: S3Client) -> list[tuple[str, str]]:
    """Abort an upload; return the refusal, if there is one."""
    with s3_errors(upload.uri):
        try:
            s3.abort_multipart_upload(Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchUpload":
                return []
            if error.response["Error"]["Code"] not in DENIED:
                raise
            return [(upload.uri, explain_refusal(error.response)[0])]
    return []


def delete_group(group: Sequence[StoredVersion], s3: S3Client) -> list[tuple[str, str]]:
    """Delete up to a thousand versions; return the address and error of each that S3 kept."""
    bucket = group[0].bucket
    keys: list[Any] = [
        {"Key": each.key} | ({"VersionId": each.version_id} if each.version_id else {}) for each in group
    ]
    with s3_errors(f"s3://{bucket}"):
        try:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        except ClientError as error:
            if error.response["Error"]["Code"] not in DENIED:
                raise
            return [(each.uri, explain_refusal(error.response)[0]) for each in group]
    return [
        (f"s3://{bucket}/{error.get('Key', '')}", f"{error.get('Code', '')}: {error.get('Message', '')}")
        for error in answer.get("Errors", [])
    ]
