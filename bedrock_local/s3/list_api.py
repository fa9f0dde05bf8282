"""Lists of objects, page by page.

Source: Amazon S3 API Reference, ListObjectsV2 and ListObjects.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request, Response
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.timestamps import iso_time
from bedrock_local.s3 import expiry, store
from bedrock_local.s3.store import ObjectMetadata
from bedrock_local.s3.xml import xml_response

PAGE_KEYS = 1000
COUNT = re.compile(r"[0-9]{1,10}")


@dataclass
class Page:
    """Keys and common prefixes of one page, and whether there are more."""

    found: list[tuple[str, ObjectMetadata]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    is_truncated: bool = False

    def __len__(self) -> int:
        return len(self.found) + len(self.prefixes)


def list_objects_v2(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List objects; a token leads to the next page."""
    bucket = request.bucket
    query = request.query
    token = read_token(query.get("continuation-token"))
    page = fill_page(request, emulator, bucket, token or query.get("start-after", ""))
    fields = {
        **common_fields(request, bucket, page, emulator.account),
        "KeyCount": len(page),
        "ContinuationToken": query.get("continuation-token"),
        "NextContinuationToken": make_token(page.last) if page.is_truncated else None,
        "StartAfter": encode_key(request, query["start-after"]) if query.get("start-after") else None,
    }
    return xml_response("ListBucketResult", fields)


def list_objects(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List objects in the older form; a key leads to the next page."""
    bucket = request.bucket
    page = fill_page(request, emulator, bucket, request.query.get("marker", ""))
    fields = {
        **common_fields(request, bucket, page, emulator.account),
        "Marker": encode_key(request, request.query.get("marker", "")),
        # S3 returns a next marker only with a delimiter; otherwise clients use the last key.
        "NextMarker": encode_key(request, page.last) if page.is_truncated and "delimiter" in request.query else None,
    }
    return xml_response("ListBucketResult", fields)


def list_versions(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List objects as versions: each has one version, `null`, as in a bucket that never had versioning."""
    bucket = request.bucket
    page = fill_page(request, emulator, bucket, request.query.get("key-marker", ""))
    fields = common_fields(request, bucket, page, emulator.account)
    versions = [{**content, "VersionId": "null", "IsLatest": True} for content in fields.pop("Contents")]
    markers = {"NextKeyMarker": encode_key(request, page.last), "NextVersionIdMarker": "null"}
    fields |= {"KeyMarker": encode_key(request, request.query.get("key-marker", "")), "Version": versions}
    return xml_response("ListVersionsResult", fields | (markers if page.is_truncated else {}))


def common_fields(request: Request, bucket: str, page: Page, owner: str) -> dict[str, Any]:
    """Return the fields that all forms of a list have."""
    query = request.query
    return {
        "Name": bucket,
        "Prefix": encode_key(request, query.get("prefix", "")),
        "Delimiter": encode_key(request, query["delimiter"]) if query.get("delimiter") else None,
        "MaxKeys": read_count(request, "max-keys", PAGE_KEYS),
        "EncodingType": query.get("encoding-type"),
        "IsTruncated": page.is_truncated,
        "Contents": [describe(request, key, metadata, owner) for key, metadata in page.found],
        "CommonPrefixes": [{"Prefix": encode_key(request, prefix)} for prefix in page.prefixes],
    }


def fill_page(request: Request, emulator: Emulator, bucket: str, after: str) -> Page:
    """Collect keys that sort after `after` until the page is full or there are no more."""
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    limit, page = read_count(request, "max-keys", PAGE_KEYS), Page()
    rules, now = expiry.read_rules(emulator.folder, bucket), emulator.now()
    for key, path in store.walk_keys(store.bucket_folder(emulator.folder, bucket), prefix=prefix, after=after):
        group = find_common_prefix(key, prefix, delimiter)
        if group and (group == page.last or group <= after):
            continue
        # It may have been deleted since its name was read.
        metadata = store.find_metadata(path, store.metadata_path(emulator.folder, bucket, key)) if rules else None
        if metadata and expiry.is_expired(rules, key, metadata, now):
            expiry.delete_expired(emulator.folder, bucket, key, rules=rules, now=now)
            continue
        if len(page) >= limit:
            # A page of no keys has no continuation.
            page.is_truncated = limit > 0
            break
        if group:
            page.prefixes.append(group)
        # It may have been deleted since its name was read.
        elif metadata := store.find_metadata(path, store.metadata_path(emulator.folder, bucket, key)):
            page.found.append((key, metadata))
        page.last = group or key
    return page


def find_common_prefix(key: str, prefix: str, delimiter: str) -> str:
    """Return the common prefix under which a key is listed; empty when the key itself is."""
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: end + len(delimiter)] if end >= 0 else ""


def describe(request: Request, key: str, metadata: ObjectMetadata, owner: str) -> dict[str, Any]:
    """Return the element of an object in a list."""
    is_owned = "list-type" not in request.query or request.query.get("fetch-owner") == "true"
    algorithms = [name.upper() for name in metadata.checksums]
    return {
        "Key": encode_key(request, key),
        "LastModified": iso_time(metadata.modified_ns // 10**9),
        "ETag": f'"{metadata.etag}"',
        "ChecksumAlgorithm": algorithms,
        "ChecksumType": metadata.checksum_type if algorithms else None,
        "Size": metadata.size,
        "StorageClass": "STANDARD",
        # ListObjectsV2 returns the owner only on request.
        "Owner": {"ID": owner} if is_owned else None,
    }


def encode_key(request: Request, text: str) -> str:
    """Encode a key as the query asks: as it is, or for a URL."""
    encoding = request.query.get("encoding-type")
    if encoding not in (None, "", "url"):
        raise ServiceError("InvalidArgument", "Invalid Encoding Method specified in Request")
    return quote(text, safe="/-_.~*") if encoding else text


def read_count(request: Request, name: str, most: int, *, otherwise: int | None = None) -> int:
    """Read a count out of the query, `most` at most; `otherwise`, or `most`, when it is missing."""
    text = request.query.get(name) or str(most if otherwise is None else otherwise)
    if not COUNT.fullmatch(text) or int(text) >= 2**31:
        raise ServiceError("InvalidArgument", f"Provided {name} not an integer or within integer range")
    return min(int(text), most)


def make_token(key: str) -> str:
    """Return the token of the page that begins after a key."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def read_token(token: str | None) -> str:
    """Return the key after which the page of a token begins; empty without a token."""
    try:
        key = base64.b64decode((token or "").encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        key = ""
    if token is not None and not key:
        raise ServiceError("InvalidArgument", "The continuation token provided is incorrect")
    return key
