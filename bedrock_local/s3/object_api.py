"""Requests about objects: put, get, head, copy, delete, and their attributes.

Sources: Amazon S3 API Reference, PutObject, GetObject, CopyObject, DeleteObjects,
GetObjectAttributes; RFC 9110 for ranges and conditions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from msgspec.structs import replace

from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import FileSlice, Request, Response
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.timestamps import http_time, iso_time
from bedrock_local.s3 import store
from bedrock_local.s3.checksums import Received, receive, write_chunks
from bedrock_local.s3.encryption import encryption_headers, make_etag, read_encryption
from bedrock_local.s3.store import ObjectMetadata
from bedrock_local.s3.tags import choose_tags, read_tag_header
from bedrock_local.s3.xml import malformed, read_document, xml_response

KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")
META = "x-amz-meta-"
META_BYTES = 2048  # "Working with object metadata"
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
PART_NUMBER = re.compile(r"[0-9]{1,5}")
MAX_PARTS = 10_000  # "Amazon S3 multipart upload limits"


def put_object(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Write the body to a temporary file, then rename it to its key."""
    # Before the body is read: a client that expects 100 Continue then never sends it.
    if "x-amz-write-offset-bytes" in request.headers:  # appends, in directory buckets; here it would replace all
        raise ServiceError("NotImplemented", "A header you provided implies functionality that is not implemented")
    store.bucket_folder(emulator.folder, request.bucket)
    headers, own, tags = read_kept_headers(request), read_user_metadata(request), read_tag_header(request)
    with store.temporary_object(emulator.folder) as path:
        metadata = describe_received(receive(request, path), headers, own, read_encryption(request))
        metadata = replace(metadata, tags=tags)
        keep_object(request, emulator, path, metadata)
    told = encryption_headers(metadata.encryption)
    return Response(200, {"etag": f'"{metadata.etag}"', **checksum_headers(metadata), **told})


def get_object(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer GET with the object's bytes, read from disk as the client takes them."""
    bucket, key = request.bucket, request.key
    stream, metadata = store.open_object(emulator.folder, bucket, key)
    try:
        head = describe_object(request, metadata)
    except ServiceError:
        stream.close()
        raise
    return Response(head.status, head.headers, stream.narrow(*(find_slice(request, metadata) or (0, metadata.size))))


def head_object(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer HEAD with the headers of GET."""
    bucket, key = request.bucket, request.key
    _, metadata = store.find_object(emulator.folder, bucket, key)
    return describe_object(request, metadata)


def describe_object(request: Request, metadata: ObjectMetadata) -> Response:
    """Check the conditions and the range of a read, and return status and headers of its response."""
    check_read(request, metadata)
    asked = find_slice(request, metadata)
    start, stop = asked or (0, metadata.size)
    headers = object_headers(request, metadata) | {"content-length": str(stop - start)}
    if metadata.tags:
        headers["x-amz-tagging-count"] = str(len(metadata.tags))
    if asked:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{metadata.size}"
        if "partNumber" in request.query and metadata.part_sizes:
            headers["x-amz-mp-parts-count"] = str(len(metadata.part_sizes))
    # A range has no checksum of its own, and clients would compare its bytes with that of the whole object.
    elif request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        headers |= checksum_headers(metadata)
    return Response(206 if asked else 200, headers)


def copy_object(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Copy an object with its metadata, unless the request brings its own."""
    bucket, key = request.bucket, request.key
    is_replaced = request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
    headers, own = read_kept_headers(request), read_user_metadata(request)
    stream, old = open_source(request, emulator)
    with stream, store.temporary_object(emulator.folder) as path:
        store.bucket_folder(emulator.folder, bucket)
        if not is_replaced and read_copy_source(request) == (bucket, key):
            reason = "This copy request is illegal because it is trying to copy an object to itself without changing it"
            raise ServiceError("InvalidRequest", reason)
        received = write_chunks(iter(stream), path, set(old.checksums))
        of_copy = (headers, own) if is_replaced else (old.headers, old.user_metadata)
        metadata = describe_received(received, *of_copy, read_encryption(request))
        metadata = replace(metadata, tags=choose_tags(request, old.tags))
        keep_object(request, emulator, path, metadata)
    response = xml_response("CopyObjectResult", {**copy_elements(metadata), **checksum_elements(metadata)})
    return Response(200, {**response.headers, **encryption_headers(metadata.encryption)}, response.body)


def describe_received(
    received: Received, headers: Mapping[str, str], user_metadata: Mapping[str, str], encryption: Mapping[str, str]
) -> ObjectMetadata:
    """Return the metadata of an object that was uploaded in one piece."""
    return ObjectMetadata(
        size=received.size,
        modified_ns=received.modified_ns,
        etag=make_etag(received.etag, encryption),
        headers=headers,
        user_metadata=user_metadata,
        checksums=received.checksums,
        encryption=encryption,
    )


def delete_object(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Delete an object, whether it exists or not."""
    bucket, key = request.bucket, request.key
    store.delete_object(emulator.folder, bucket, key, check=lambda old: check_etag(request, old))
    return Response(204)


def delete_objects(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Delete the 1 to 1,000 keys that a document lists."""
    bucket = request.bucket
    store.bucket_folder(emulator.folder, bucket)
    document = read_document(request)
    listed = [] if document is None else document.findall("Object")
    if document is None or not 1 <= len(listed) <= 1000 or not all(each.findtext("Key") for each in listed):
        raise malformed()
    ends = [delete_one(each, emulator, bucket) for each in listed]
    is_quiet = (document.findtext("Quiet") or "").strip().lower() == "true"
    deleted = [] if is_quiet else [end for end in ends if "Code" not in end]
    return xml_response("DeleteResult", {"Deleted": deleted, "Error": [end for end in ends if "Code" in end]})


def delete_one(element: Element, emulator: Emulator, bucket: str) -> dict[str, str]:
    """Delete one key of many; return its element in the response."""
    key, version = element.findtext("Key") or "", element.findtext("VersionId") or "null"
    if version != "null":
        reason = "The specified version does not exist."
        return {"Key": key, "VersionId": version, "Code": "NoSuchVersion", "Message": reason}
    store.delete_object(emulator.folder, bucket, key)
    return {"Key": key}


def keep_object(request: ResolvedRequest, emulator: Emulator, path: Path, metadata: ObjectMetadata) -> None:
    """Rename a received file to the key of the request, if the request's conditions hold."""
    bucket, key = request.bucket, request.key
    store.store_object(
        emulator.folder, bucket, key, temporary=path, metadata=metadata, check=lambda old: check_write(request, old)
    )


def read_copy_source(request: Request) -> tuple[str, str]:
    """Return bucket and key of the object that a copy reads."""
    source = unquote(request.headers["x-amz-copy-source"].partition("?")[0]).removeprefix("/")
    bucket, _, key = source.partition("/")
    return bucket, key


def open_source(request: Request, emulator: Emulator) -> tuple[FileSlice, ObjectMetadata]:
    """Open the object that a copy reads, and check the conditions on it."""
    stream, metadata = store.open_object(emulator.folder, *read_copy_source(request))
    wanted = request.headers.get("x-amz-copy-source-if-match")
    unwanted = request.headers.get("x-amz-copy-source-if-none-match", "")
    if (wanted and not is_match(wanted, metadata)) or is_match(unwanted, metadata):
        stream.close()
        raise failed_condition("x-amz-copy-source-If-Match")
    return stream, metadata


def find_slice(request: Request, metadata: ObjectMetadata) -> tuple[int, int] | None:
    """Return start and stop of the range or part that a read asks for; None for the whole object."""
    text = request.headers.get("range", "")
    if "partNumber" not in request.query:
        return find_range(text, metadata.size)
    if text:
        raise ServiceError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    number, sizes = read_number(request), metadata.part_sizes or (metadata.size,)
    if number > len(sizes):
        raise ServiceError("InvalidPartNumber", "The requested partnumber is not satisfiable")
    start = sum(sizes[: number - 1])
    return start, start + sizes[number - 1]


def read_number(request: Request) -> int:
    """Read the number of a part out of the query."""
    text = request.query.get("partNumber", "")
    if not PART_NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_PARTS:
        raise ServiceError("InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    return int(text)


def find_range(text: str, size: int) -> tuple[int, int] | None:
    """Read a range as start and stop; None when there is no range, or one in a form that has to be ignored."""
    found = RANGE.fullmatch(text)
    if not found or not (found[1] or found[2]):
        return None
    start = int(found[1]) if found[1] else max(0, size - int(found[2]))
    stop = min(size, int(found[2]) + 1) if found[1] and found[2] else size
    if start >= size:
        reason = "The requested range is not satisfiable"
        raise ServiceError("InvalidRange", reason, ActualObjectSize=str(size), RangeRequested=text)
    return (start, stop) if start < stop else None


def check_read(request: Request, metadata: ObjectMetadata) -> None:
    """Check the conditions of a read; those on the ETag take precedence over those on the time."""
    # Dates in headers are in whole seconds.
    modified = metadata.modified_ns // 10**9
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    since, until = request.headers.get("if-modified-since"), request.headers.get("if-unmodified-since")
    if match and not is_match(match, metadata):
        raise failed_condition("If-Match")
    if not match and modified > read_date(until, math.inf):
        raise failed_condition("If-Unmodified-Since")
    if none_match and is_match(none_match, metadata):
        raise ServiceError("NotModified", "Not Modified")
    if not none_match and modified <= read_date(since, -math.inf):
        raise ServiceError("NotModified", "Not Modified")


def read_date(text: str | None, otherwise: float) -> float:
    """Read the date of a condition as seconds since 1970; an invalid one is ignored, as RFC 9110 says."""
    if not text:
        return otherwise
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def check_write(request: Request, old: ObjectMetadata | None) -> None:
    """Check the conditions of a write on the object that it would replace."""
    if request.headers.get("if-match") and old is None:
        raise ServiceError("NoSuchKey", "The specified key does not exist.")
    if old:
        check_etag(request, old)
    unwanted = request.headers.get("if-none-match")
    # S3 supports no ETag here.
    if unwanted and unwanted.strip() != "*":
        raise ServiceError("NotImplemented", "A header you provided implies functionality that is not implemented")
    if unwanted and old:
        raise failed_condition("If-None-Match")


def check_etag(request: Request, old: ObjectMetadata) -> None:
    """Check that the ETag is the one that a write or a delete expects."""
    wanted = request.headers.get("if-match")
    if wanted and not is_match(wanted, old):
        raise failed_condition("If-Match")


def is_match(etags: str, metadata: ObjectMetadata) -> bool:
    """Return whether a list of ETags has the one of the object, or `*`."""
    return any(etag.strip().strip('"') in ("*", metadata.etag) for etag in etags.split(",") if etag.strip())


def failed_condition(name: str) -> ServiceError:
    """Return the error of S3 for a condition that does not hold."""
    reason = "At least one of the pre-conditions you specified did not hold"
    return ServiceError("PreconditionFailed", reason, Condition=name)


def read_kept_headers(request: Request) -> dict[str, str]:
    """Read the headers that are stored with an object."""
    kept = {name: check_text(request.headers[name]) for name in KEPT if name in request.headers}
    # aws-chunked is an encoding of the transfer, and not of the object.
    encodings = [e.strip() for e in kept.pop("content-encoding", "").split(",") if e.strip() not in ("", "aws-chunked")]
    return kept | ({"content-encoding": ",".join(encodings)} if encodings else {})


def read_user_metadata(request: Request) -> dict[str, str]:
    """Read the user's own metadata out of the headers."""
    sent = {name: value for name, value in request.headers.items() if name.startswith(META)}
    own = {check_text(name.removeprefix(META)): check_text(value) for name, value in sent.items()}
    size = sum(len(name) + len(value) for name, value in own.items())
    if size > META_BYTES:
        reason = "Your metadata headers exceed the maximum allowed metadata size"
        raise ServiceError("MetadataTooLarge", reason, Size=str(size), MaxSizeAllowed=str(META_BYTES))
    return own


def check_text(text: str) -> str:
    """Return the text of a header, whose characters are the bytes that were sent; refuse control characters."""
    if CONTROL.search(text):
        raise ServiceError("InvalidArgument", "A header value has a line break or another control character")
    return text


def header_text(text: str) -> str:
    """Encode a text of a query for a header, which is sent as latin-1: these characters become the bytes of UTF-8."""
    return check_text(text).encode().decode("latin-1")


def object_headers(request: Request, metadata: ObjectMetadata) -> dict[str, str]:
    """Return the headers of an object, some of which the query can replace."""
    headers = {
        "accept-ranges": "bytes",
        "content-type": "binary/octet-stream",
        "etag": f'"{metadata.etag}"',
        "last-modified": http_time(metadata.modified_ns / 1e9),
        **encryption_headers(metadata.encryption),
    }
    headers |= metadata.headers
    headers |= {META + name: value for name, value in metadata.user_metadata.items()}
    asked = {name: request.query[f"response-{name}"] for name in KEPT if f"response-{name}" in request.query}
    return headers | {name: header_text(value) for name, value in asked.items()}


def checksum_headers(metadata: ObjectMetadata) -> dict[str, str]:
    """Return the checksums of an object as headers."""
    if not metadata.checksums:
        return {}
    sums = {f"x-amz-checksum-{name}": value for name, value in metadata.checksums.items()}
    return sums | {"x-amz-checksum-type": metadata.checksum_type}


def checksum_elements(metadata: ObjectMetadata) -> dict[str, str]:
    """Return the checksums of an object as elements of a document."""
    sums = {f"Checksum{name.upper()}": value for name, value in metadata.checksums.items()}
    return sums | ({"ChecksumType": metadata.checksum_type} if sums else {})


def copy_elements(metadata: ObjectMetadata) -> dict[str, str]:
    """Return the elements of the response to a copy."""
    return {"LastModified": iso_time(metadata.modified_ns // 10**9), "ETag": f'"{metadata.etag}"'}


def get_attributes(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Return those attributes of an object that a header names."""
    bucket, key = request.bucket, request.key
    _, metadata = store.find_object(emulator.folder, bucket, key)
    check_read(request, metadata)
    asked = {name.strip() for name in request.headers.get("x-amz-object-attributes", "").split(",")}
    known = list_attributes(metadata)
    if not asked or not asked <= known.keys():
        raise ServiceError("InvalidArgument", "Invalid attribute name specified.")
    response = xml_response("GetObjectAttributesResponse", {name: known[name] for name in known if name in asked})
    return Response(200, {**response.headers, "last-modified": http_time(metadata.modified_ns / 1e9)}, response.body)


def list_attributes(metadata: ObjectMetadata) -> dict[str, Any]:
    """Return all attributes, in the order of the documentation; None for those that an object does not have."""
    return {
        "ETag": metadata.etag,
        "Checksum": checksum_elements(metadata) or None,
        "ObjectParts": {"PartsCount": len(metadata.part_sizes)} if metadata.part_sizes else None,
        "StorageClass": "STANDARD",
        "ObjectSize": metadata.size,
    }
