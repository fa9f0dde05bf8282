"""Amazon S3 on the wire: which request is which operation, and the operations of buckets.

Source: Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from bedrock_local import listings, objects, transfers, uploads
from bedrock_local.emulator import ACCOUNT, Emulator
from bedrock_local.errors import ServiceError
from bedrock_local.objects import Bucket
from bedrock_local.times import iso_time
from bedrock_local.wire import Request, Response
from bedrock_local.xml import read_body, xml_response

HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:-fips)?(?:\.dualstack)?(?:[.-][a-z0-9-]+)?\.amazonaws\.com")
Operation = Callable[[Request, Emulator, str, str], Response]


def handle(request: Request, emulator: Emulator) -> Response:
    """Answer a request to S3, by virtual host or by path."""
    bucket, key = find_target(request)
    if not bucket:
        return list_buckets(request, emulator)
    return find_operation(request, OBJECT_OPERATIONS if key else BUCKET_OPERATIONS)(request, emulator, bucket, key)


def find_target(request: Request) -> tuple[str, str]:
    """Give bucket and key of a request; both may be empty."""
    host = HOST.fullmatch(request.host)
    try:
        path = unquote(request.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI.") from None
    if host and host["bucket"]:
        return host["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key


def find_operation(request: Request, operations: list[tuple[str, str, Operation]]) -> Operation:
    """Give the operation that the method and a word in query or headers ask for."""
    for method, word, operation in operations:
        if request.method == method and (not word or word in request.query or word in request.headers):
            return operation
    raise ServiceError("NotImplemented", "A header or query you provided implies functionality that is not implemented")


def list_buckets(request: Request, emulator: Emulator) -> Response:
    """List all buckets, the one thing that can be asked without naming one."""
    if request.method != "GET":
        raise ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.")
    buckets = [{"Name": b.name, "CreationDate": iso_time(b.created)} for b in objects.list_buckets(emulator.folder)]
    return xml_response("ListAllMyBucketsResult", {"Owner": {"ID": ACCOUNT}, "Buckets": {"Bucket": buckets}})


def create_bucket(request: Request, emulator: Emulator, bucket: str, _: str) -> Response:
    """Make a bucket in the region that the document names."""
    wish = read_body(request)
    region = None if wish is None else wish.findtext("LocationConstraint")
    objects.create_bucket(emulator.folder, Bucket(bucket, emulator.now(), region or "us-east-1"))
    return Response(200, {"location": f"/{bucket}"})


def head_bucket(_: Request, emulator: Emulator, bucket: str, __: str) -> Response:
    """Say that a bucket is there, and where."""
    found = objects.read_bucket(emulator.folder, bucket)
    return Response(200, {"x-amz-bucket-region": found.region, "x-amz-access-point-alias": "false"})


def get_bucket_location(_: Request, emulator: Emulator, bucket: str, __: str) -> Response:
    """Name the region; S3 leaves it out for us-east-1."""
    region = objects.read_bucket(emulator.folder, bucket).region
    return xml_response("LocationConstraint", "" if region == "us-east-1" else region)


def delete_bucket(_: Request, emulator: Emulator, bucket: str, __: str) -> Response:
    """Take away an empty bucket."""
    objects.delete_bucket(emulator.folder, bucket)
    return Response(204)


def refuse(request: Request, _: Emulator, __: str, ___: str) -> Response:
    """Refuse what would otherwise pass for the operation below it in the table."""
    raise ServiceError("NotImplemented", f"The emulator has no such operation of S3: {request.method} {request.query}")


# First match wins, so that a word in the query stands before the plain method.
UNKNOWN_WORDS = (
    "acl", "accelerate", "analytics", "attributes", "cors", "encryption", "inventory", "legal-hold", "lifecycle",
    "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus",
    "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging", "torrent",
    "versioning", "versions", "website",
)  # fmt: skip
UNKNOWN: list[tuple[str, str, Operation]] = [
    (method, word, refuse) for word in UNKNOWN_WORDS for method in ("GET", "PUT", "POST", "DELETE")
]
BUCKET_OPERATIONS: list[tuple[str, str, Operation]] = [
    *UNKNOWN,
    ("GET", "location", get_bucket_location),
    ("GET", "uploads", uploads.list_uploads),
    ("GET", "list-type", listings.list_objects_v2),
    ("GET", "", listings.list_objects),
    ("HEAD", "", head_bucket),
    ("PUT", "", create_bucket),
    ("DELETE", "", delete_bucket),
    ("POST", "delete", transfers.delete_objects),
]
OBJECT_OPERATIONS: list[tuple[str, str, Operation]] = [
    *UNKNOWN,
    ("GET", "partNumber", refuse),
    ("HEAD", "partNumber", refuse),
    ("GET", "uploadId", uploads.list_parts),
    ("PUT", "uploadId", uploads.upload_part),
    ("POST", "uploadId", uploads.complete_upload),
    ("POST", "uploads", uploads.create_upload),
    ("DELETE", "uploadId", uploads.abort_upload),
    ("GET", "", transfers.get_object),
    ("HEAD", "", transfers.head_object),
    ("PUT", "x-amz-copy-source", transfers.copy_object),
    ("PUT", "", transfers.put_object),
    ("DELETE", "", transfers.delete_object),
]
