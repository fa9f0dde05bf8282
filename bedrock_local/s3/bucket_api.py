"""Requests about buckets: list, create, head, delete, and their region.

Source: Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from itertools import islice

from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Response
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.timestamps import iso_time
from bedrock_local.s3 import list_api, multipart_api, object_api, store
from bedrock_local.s3.encryption import check_encryption
from bedrock_local.s3.expiry import expire_object
from bedrock_local.s3.store import Bucket
from bedrock_local.s3.xml import read_document, xml_response

ACCOUNT_ID = re.compile(r"[0-9]{12}")


def check_target(request: ResolvedRequest, emulator: Emulator) -> None:
    """Refuse a version id, as no object here has one, a key that is too long, and the bucket of another account."""
    if request.query.get("versionId", "null") != "null":
        raise ServiceError("InvalidArgument", "Invalid version id specified")
    store.check_key(request.key)
    check_encryption(request)
    check_owner(request.headers.get("x-amz-expected-bucket-owner"), emulator, request.bucket)
    expire_target(emulator, request.bucket, request.key)
    if "x-amz-copy-source" in request.headers:
        source, key = object_api.read_copy_source(request)
        check_owner(request.headers.get("x-amz-source-expected-bucket-owner"), emulator, source)
        expire_target(emulator, source, key)


def expire_target(emulator: Emulator, bucket: str, key: str) -> None:
    """Delete the object that a request is about, if its time has ended."""
    if key:
        expire_object(emulator.folder, bucket, key, emulator.now())


def check_owner(expected: str | None, emulator: Emulator, bucket: str) -> None:
    """Refuse a bucket whose owner is not the expected one: "Verifying bucket ownership with bucket owner condition"."""
    if expected is None:
        return
    if not ACCOUNT_ID.fullmatch(expected):
        reason = "The value of the expected bucket owner parameter must be an AWS account ID"
        raise ServiceError("InvalidBucketOwnerAWSAccountID", reason, BucketOwner=expected)
    store.bucket_folder(emulator.folder, bucket)
    if expected != emulator.account:
        raise ServiceError("AccessDenied", "Access Denied")


def list_buckets(request: ResolvedRequest, emulator: Emulator) -> Response:
    """List all buckets, or a page of those that the query asks for."""
    query, limit = request.query, list_api.read_count(request, "max-buckets", 10_000)
    prefix, after = query.get("prefix", ""), list_api.read_token(query.get("continuation-token"))
    found = (b for b in store.list_buckets(emulator.folder) if b.name.startswith(prefix) and b.name > after)
    page, more = list(islice(found, limit)), next(found, None)
    # S3 returns the region only "if the request contains at least one valid parameter".
    is_paged = bool({"max-buckets", "prefix", "continuation-token", "bucket-region"} & query.keys())
    described = [
        {"Name": b.name, "CreationDate": iso_time(b.created), "BucketRegion": b.region if is_paged else None}
        for b in page
    ]
    fields = {
        "Owner": {"ID": emulator.account},
        "Buckets": {"Bucket": described},
        "Prefix": prefix or None,
        "ContinuationToken": list_api.make_token(page[-1].name) if page and more else None,
    }
    return xml_response("ListAllMyBucketsResult", fields)


def create_bucket(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Create a bucket in the region that the document names; only the endpoint of us-east-1 accepts any region."""
    document = read_document(request)
    named = "" if document is None else document.findtext("LocationConstraint") or ""
    if named == "us-east-1":
        raise ServiceError("InvalidLocationConstraint", "The specified location-constraint is not valid")
    if emulator.region not in ("us-east-1", named):
        reason = f"The {named or 'unspecified'} location constraint is incompatible for the region specific endpoint"
        raise ServiceError("IllegalLocationConstraintException", f"{reason} this request was sent to.")
    region = named or "us-east-1"
    try:
        store.create_bucket(emulator.folder, Bucket(request.bucket, emulator.now(), region))
    except ServiceError as error:
        # "For legacy compatibility", us-east-1 answers as if it had created the bucket.
        if error.code != "BucketAlreadyOwnedByYou" or (emulator.region, region) != ("us-east-1", "us-east-1"):
            raise
    return Response(200, {"location": f"/{request.bucket}"})


def head_bucket(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Answer that a bucket exists, with its region."""
    found = store.read_bucket(emulator.folder, request.bucket)
    return Response(200, {"x-amz-bucket-region": found.region, "x-amz-access-point-alias": "false"})


def get_bucket_location(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Return the region of a bucket; S3 leaves it out for us-east-1."""
    region = store.read_bucket(emulator.folder, request.bucket).region
    return xml_response("LocationConstraint", "" if region == "us-east-1" else region)


def delete_bucket(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Delete an empty bucket, and abort its uploads."""
    store.delete_bucket(emulator.folder, request.bucket)
    multipart_api.abort_uploads(emulator.folder, request.bucket)
    return Response(204)
