"""Multipart uploads: `state/uploads/<id>` has `upload.json`, the parts, and the metadata of each part.

Source: Amazon S3 API Reference, CreateMultipartUpload and its companions.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from bedrock_local.emulator import Emulator
from bedrock_local.files import write_json
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import CHUNK_BYTES, Request, Response
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.timestamps import iso_time
from bedrock_local.s3 import store
from bedrock_local.s3.checksums import Received, receive, write_chunks
from bedrock_local.s3.encryption import encryption_headers, make_etag, read_encryption
from bedrock_local.s3.list_api import encode_key, read_count
from bedrock_local.s3.multipart_checksums import check_listed, check_part, check_plan, find_sums
from bedrock_local.s3.object_api import (
    MAX_PARTS,
    PART_NUMBER,
    checksum_elements,
    checksum_headers,
    copy_elements,
    find_range,
    keep_object,
    open_source,
    read_kept_headers,
    read_number,
    read_user_metadata,
)
from bedrock_local.s3.store import ObjectMetadata
from bedrock_local.s3.tags import read_tag_header
from bedrock_local.s3.xml import malformed, read_document, xml_response

PAGE_PARTS = PAGE_UPLOADS = 1000
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
LAST = "~"  # beyond the ids of all uploads of a key
MIN_PART_BYTES = 5 * 2**20  # "Amazon S3 multipart upload limits"; the last part may be smaller


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that was begun, with the headers and metadata that its object will have.

    Attributes
    ----------
    algorithm
        Of the checksums of its parts, in lower case; empty for none.
    checksum_type
        `COMPOSITE` or `FULL_OBJECT`.
    encryption, tags
        As of the object that it becomes.
    """

    bucket: str
    key: str
    begun: float
    headers: dict[str, str]
    user_metadata: dict[str, str] = msgspec.field(name="metadata")
    algorithm: str
    checksum_type: str
    encryption: dict[str, str] = {}
    tags: dict[str, str] = {}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part that has arrived: the name of its file in the upload's folder, and its metadata."""

    number: int
    file: str
    metadata: ObjectMetadata


def create_upload(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Begin an upload."""
    bucket, key = request.bucket, request.key
    store.bucket_folder(emulator.folder, bucket)
    algorithm = request.headers.get("x-amz-checksum-algorithm", "").lower()
    kind = request.headers.get("x-amz-checksum-type") or ("FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
    check_plan(algorithm, kind)
    upload = Upload(
        bucket=bucket,
        key=key,
        begun=emulator.now(),
        headers=read_kept_headers(request),
        user_metadata=read_user_metadata(request),
        algorithm=algorithm,
        checksum_type=kind,
        encryption=read_encryption(request),
        tags=read_tag_header(request),
    )
    upload_id = secrets.token_hex(16)
    # Uploads and their parts are not flushed: what a power loss takes, a client uploads anew.
    write_json(uploads_folder(emulator.folder) / upload_id / "upload.json", upload, flush=False)
    response = xml_response("InitiateMultipartUploadResult", {"Bucket": bucket, "Key": key, "UploadId": upload_id})
    sums = {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind} if algorithm else {}
    return Response(200, {**response.headers, **sums, **encryption_headers(upload.encryption)}, response.body)


def upload_part(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Store a part, from the body or from an existing object."""
    bucket, key = request.bucket, request.key
    folder, upload = find_upload(request, emulator, bucket, key)
    number = read_number(request)
    is_copy = "x-amz-copy-source" in request.headers
    with store.temporary_object(emulator.folder) as path:
        received = copy_source(request, emulator, path, upload) if is_copy else receive(request, path)
        metadata = keep_part(folder, upload, number, received)
    if is_copy:
        return xml_response("CopyPartResult", {**copy_elements(metadata), **part_checksum_elements(metadata)})
    headers = {k: v for k, v in checksum_headers(metadata).items() if k != "x-amz-checksum-type"}
    return Response(200, {"etag": f'"{metadata.etag}"', **headers, **encryption_headers(upload.encryption)})


def keep_part(folder: Path, upload: Upload, number: int, received: Received) -> ObjectMetadata:
    """Store a part that has arrived; it replaces an earlier one of its number."""
    check_part(upload.algorithm, upload.checksum_type, received.checksums)
    metadata = ObjectMetadata(
        size=received.size, modified_ns=received.modified_ns, etag=received.etag, checksums=received.checksums
    )
    # A name of its own: a part that is sent again must not change a file that is being joined.
    name = f"{number:05d}-{secrets.token_hex(8)}"
    try:
        received.path.replace(folder / name)
    except FileNotFoundError:
        raise no_such_upload() from None
    write_json(folder / f"{number:05d}.json", Part(number=number, file=name, metadata=metadata), flush=False)
    return metadata


def complete_upload(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Join the parts that a document lists to an object."""
    bucket, key = request.bucket, request.key
    folder, upload = find_upload(request, emulator, bucket, key)
    document = read_document(request)
    parts = check_parts(folder, upload, [] if document is None else document.findall("Part"))
    is_whole = upload.checksum_type == "FULL_OBJECT"
    algorithms = {upload.algorithm} if is_whole and upload.algorithm else set()
    with store.temporary_object(emulator.folder) as path:
        received = write_chunks(join_parts(folder, parts), path, algorithms)
        metadata = describe_joined(request, upload, [part.metadata for part in parts], received)
        keep_object(request, emulator, path, metadata)
    shutil.rmtree(folder, ignore_errors=True)
    fields = {"Location": f"https://{bucket}.s3.amazonaws.com/{key}", "Bucket": bucket, "Key": key}
    response = xml_response(
        "CompleteMultipartUploadResult", {**fields, "ETag": f'"{metadata.etag}"', **checksum_elements(metadata)}
    )
    return Response(200, {**response.headers, **encryption_headers(metadata.encryption)}, response.body)


def describe_joined(
    request: Request, upload: Upload, parts: list[ObjectMetadata], received: Received
) -> ObjectMetadata:
    """Return the metadata of an object that was joined from parts."""
    # The ETag of S3 for multipart objects: MD5 of the MD5s of the parts, and their number.
    etag = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    return ObjectMetadata(
        size=received.size,
        modified_ns=received.modified_ns,
        etag=make_etag(f"{etag}-{len(parts)}", upload.encryption),
        headers=upload.headers,
        user_metadata=upload.user_metadata,
        checksums=find_sums(request, upload.algorithm, upload.checksum_type, parts, received.checksums),
        checksum_type=upload.checksum_type,
        part_sizes=tuple(part.size for part in parts),
        encryption=upload.encryption,
        tags=upload.tags,
    )


def abort_upload(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Delete an upload and its parts."""
    bucket, key = request.bucket, request.key
    folder, _ = find_upload(request, emulator, bucket, key)
    shutil.rmtree(folder, ignore_errors=True)
    return Response(204)


def list_parts(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List the parts that have arrived, page by page."""
    bucket, key = request.bucket, request.key
    folder, upload = find_upload(request, emulator, bucket, key)
    after = read_count(request, "part-number-marker", MAX_PARTS, otherwise=0)
    limit = read_count(request, "max-parts", PAGE_PARTS)
    parts = [part for part in read_parts(folder).values() if part.number > after]
    page = parts[:limit]
    fields = {
        "Bucket": bucket,
        "Key": key,
        "UploadId": request.query["uploadId"],
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(page) < len(parts),
        "Part": [describe_part(part) for part in page],
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": upload.algorithm.upper() or None,
        "ChecksumType": upload.checksum_type if upload.algorithm else None,
    }
    return xml_response("ListPartsResult", fields)


def list_uploads(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List the uploads of a bucket that are neither complete nor aborted, page by page."""
    bucket = request.bucket
    store.bucket_folder(emulator.folder, bucket)
    query, limit = request.query, read_count(request, "max-uploads", PAGE_UPLOADS)
    prefix, after = query.get("prefix", ""), (query.get("key-marker", ""), query.get("upload-id-marker") or LAST)
    found = sorted((upload.key, upload_id, upload) for upload_id, upload in read_uploads(emulator.folder, bucket))
    left = [each for each in found if each[0].startswith(prefix) and each[:2] > after]
    page = left[:limit]
    is_truncated = 0 < limit < len(left)
    fields = {
        "Bucket": bucket,
        "KeyMarker": encode_key(request, query.get("key-marker", "")),
        "UploadIdMarker": query.get("upload-id-marker", ""),
        "NextKeyMarker": encode_key(request, page[-1][0]) if is_truncated else None,
        "NextUploadIdMarker": page[-1][1] if is_truncated else None,
        "Prefix": encode_key(request, prefix) if prefix else None,
        "EncodingType": query.get("encoding-type"),
        "MaxUploads": limit,
        "IsTruncated": is_truncated,
        "Upload": [describe_upload(request, upload_id, upload, emulator.account) for _, upload_id, upload in page],
    }
    return xml_response("ListMultipartUploadsResult", fields)


def read_uploads(folder: Path, bucket: str) -> Iterator[tuple[str, Upload]]:
    """Read the uploads of a bucket that have not ended, with their ids."""
    for path in uploads_folder(folder).glob("*/upload.json"):
        try:
            upload = msgspec.json.decode(path.read_bytes(), type=Upload)
        except FileNotFoundError:
            continue
        if upload.bucket == bucket:
            yield path.parent.name, upload


def abort_uploads(folder: Path, bucket: str) -> None:
    """Abort the uploads of a bucket that has been deleted."""
    for upload_id, _ in read_uploads(folder, bucket):
        shutil.rmtree(uploads_folder(folder) / upload_id, ignore_errors=True)


def describe_upload(request: Request, upload_id: str, upload: Upload, owner: str) -> dict[str, Any]:
    """Return the element of an upload in a list of uploads."""
    return {
        "Key": encode_key(request, upload.key),
        "UploadId": upload_id,
        "Initiated": iso_time(upload.begun),
        "Owner": {"ID": owner},
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": upload.algorithm.upper() or None,
        "ChecksumType": upload.checksum_type if upload.algorithm else None,
    }


def uploads_folder(folder: Path) -> Path:
    """Return the folder of all uploads."""
    return folder / "state" / "uploads"


def find_upload(request: Request, emulator: Emulator, bucket: str, key: str) -> tuple[Path, Upload]:
    """Find the upload that a request names; the id is checked, so that no path leads out of the folder."""
    store.bucket_folder(emulator.folder, bucket)
    upload_id = request.query["uploadId"]
    folder = uploads_folder(emulator.folder) / upload_id
    if not UPLOAD_ID.fullmatch(upload_id) or not (folder / "upload.json").is_file():
        raise no_such_upload()
    upload = msgspec.json.decode((folder / "upload.json").read_bytes(), type=Upload)
    if (upload.bucket, upload.key) != (bucket, key):
        raise no_such_upload()
    return folder, upload


def no_such_upload() -> ServiceError:
    """Return the error of S3 for an upload that does not exist, or no longer."""
    reason = "The specified upload does not exist. The upload ID may be invalid, or it may have been aborted."
    return ServiceError("NoSuchUpload", reason)


def copy_source(request: Request, emulator: Emulator, path: Path, upload: Upload) -> Received:
    """Copy a part, or a range of it, from an existing object."""
    stream, metadata = open_source(request, emulator)
    with stream:
        asked = find_range(request.headers.get("x-amz-copy-source-range", ""), metadata.size)
        stream.narrow(*(asked or (0, metadata.size)))
        return write_chunks(iter(stream), path, {upload.algorithm} - {""})


def read_parts(folder: Path) -> dict[int, Part]:
    """Read the parts of an upload, by number and in that order."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != "upload.json")
    parts = [msgspec.json.decode(path.read_bytes(), type=Part) for path in paths]
    return {part.number: part for part in parts}


def check_parts(folder: Path, upload: Upload, listed: list[Element]) -> list[Part]:
    """Check the parts that a document lists against those that have arrived; return them in order."""
    if not listed:
        raise malformed()
    arrived, numbers = read_parts(folder), [read_part_number(element) for element in listed]
    if numbers != sorted(set(numbers)):
        raise ServiceError("InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, element in zip(numbers, listed, strict=True):
        etag = (element.findtext("ETag") or "").strip('"')
        if number not in arrived or arrived[number].metadata.etag != etag:
            reason = "One or more of the specified parts could not be found, or its entity tag did not match."
            raise ServiceError("InvalidPart", reason, PartNumber=str(number))
        check_listed(upload.algorithm, upload.checksum_type, number, element, arrived[number].metadata)
    parts = [arrived[number] for number in numbers]
    if any(part.metadata.size < MIN_PART_BYTES for part in parts[:-1]):
        raise ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return parts


def read_part_number(element: Element) -> int:
    """Read the number of a part out of an element."""
    text = (element.findtext("PartNumber") or "").strip()
    if not PART_NUMBER.fullmatch(text):
        raise malformed()
    return int(text)


def join_parts(folder: Path, parts: list[Part]) -> Iterator[bytes]:
    """Yield the bytes of the parts one after the other."""
    for part in parts:
        with (folder / part.file).open("rb") as content:
            while piece := content.read(CHUNK_BYTES):
                yield piece


def describe_part(part: Part) -> dict[str, Any]:
    """Return the element of a part in a list of parts."""
    return {
        "PartNumber": part.number,
        **copy_elements(part.metadata),
        "Size": part.metadata.size,
        **part_checksum_elements(part.metadata),
    }


def part_checksum_elements(metadata: ObjectMetadata) -> dict[str, str]:
    """Return the checksum elements of a part, which have no type."""
    return {name: value for name, value in checksum_elements(metadata).items() if name != "ChecksumType"}
