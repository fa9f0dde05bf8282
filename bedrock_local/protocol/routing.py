"""Which operation a request asks for, by the names that the service models give.

Sources: the request URIs in the service models of botocore; Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request

# A bucket by its name before the host; `calls.localhost:8000` is what SDKs make of an endpoint on this machine.
HOST = re.compile(
    r"(?:(?P<bucket>.{3,}?)\.)?(?:s3(?:-fips)?(?:\.dualstack)?(?:[.-][a-z0-9-]+)?\.amazonaws\.com|(?:s3\.)?localhost)"
    r"(?::\d+)?"
)

# Routes of Bedrock. An id may be an ARN, and that with its slash and colons as they are, percent-encoded, or so twice.
MODELLED = {
    "bedrock": [
        ("POST", re.compile(r"/model-invocation-job"), "CreateModelInvocationJob"),
        ("GET", re.compile(r"/model-invocation-jobs"), "ListModelInvocationJobs"),
        ("POST", re.compile(r"/model-invocation-job/(.+)/stop"), "StopModelInvocationJob"),
        ("GET", re.compile(r"/model-invocation-job/(.+)"), "GetModelInvocationJob"),
        ("POST", re.compile(r"/listTagsForResource"), "ListTagsForResource"),
        ("POST", re.compile(r"/tagResource"), "TagResource"),
        ("POST", re.compile(r"/untagResource"), "UntagResource"),
    ],
    "bedrock-runtime": [
        ("POST", re.compile(r"/model/(.+)/invoke"), "InvokeModel"),
        ("POST", re.compile(r"/model/(.+)/invoke-with-response-stream"), "InvokeModelWithResponseStream"),
        ("POST", re.compile(r"/model/(.+)/invoke-with-bidirectional-stream"), "InvokeModelWithBidirectionalStream"),
        ("POST", re.compile(r"/model/(.+)/converse"), "Converse"),
        ("POST", re.compile(r"/model/(.+)/converse-stream"), "ConverseStream"),
        ("POST", re.compile(r"/model/(.+)/count-tokens"), "CountTokens"),
    ],
}
FIRST_WORDS = {path.pattern.split("/")[1]: service for service, routes in MODELLED.items() for _, path, _ in routes}

# What a word in the query, or a header, makes of a method. First match wins: words stand before the plain method.
S3_BUCKET = [
    ("GET", "location", "GetBucketLocation"),
    ("GET", "versioning", "GetBucketVersioning"),
    ("GET", "versions", "ListObjectVersions"),
    ("GET", "uploads", "ListMultipartUploads"),
    ("POST", "delete", "DeleteObjects"),
    ("GET", "list-type", "ListObjectsV2"),
    ("GET", "", "ListObjects"),
    ("HEAD", "", "HeadBucket"),
    ("PUT", "", "CreateBucket"),
    ("DELETE", "", "DeleteBucket"),
]
S3_OBJECT = [
    ("GET", "attributes", "GetObjectAttributes"),
    ("GET", "tagging", "GetObjectTagging"),
    ("GET", "uploadId", "ListParts"),
    ("PUT", "uploadId x-amz-copy-source", "UploadPartCopy"),
    ("PUT", "uploadId", "UploadPart"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("POST", "uploads", "CreateMultipartUpload"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
    ("PUT", "x-amz-copy-source", "CopyObject"),
    ("GET", "", "GetObject"),
    ("HEAD", "", "HeadObject"),
    ("PUT", "", "PutObject"),
    ("DELETE", "", "DeleteObject"),
]
# Words that ask for something the emulator does not have, and that would pass for the plain method otherwise.
UNKNOWN_WORDS = {
    "acl", "accelerate", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
    "legal-hold", "lifecycle", "logging", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
    "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "versioning", "versions",
    "website",
}  # fmt: skip
NAMES = [name for routes in MODELLED.values() for _, _, name in routes]
NAMES += ["ListBuckets", *(name for _, _, name in (*S3_BUCKET, *S3_OBJECT))]


def find_operation(request: Request) -> str:
    """Name the operation that a request asks for; empty for one that the emulator does not have."""
    if request.service == "s3":
        return find_s3_operation(request)
    return match_route(request)[0]


def find_id(request: Request) -> str:
    """Give the id of the job or model that stands in a path of Bedrock."""
    return match_route(request)[1]


def match_route(request: Request) -> tuple[str, str]:
    """Give the operation of Bedrock that a method and a path stand for, and the id in the path; both may be empty."""
    for method, path, name in MODELLED.get(request.service, []):
        if method == request.method and (found := path.fullmatch(request.path)):
            return name, unquote(unquote("".join(found.groups())))
    return "", ""


def find_modelled(path: str) -> str:
    """Name the service of Bedrock whose paths begin as this one does; empty for none."""
    return FIRST_WORDS.get(path.split("/")[1], "")


def no_operation(operation: str, request: Request, operations: Iterable[str]) -> ServiceError:
    """Say which operations there are, and which there is not."""
    asked = operation or f"{request.method} {request.path}"
    return ServiceError("UnknownOperationException", f"The emulator has {', '.join(operations)}, but no {asked}")


def find_s3_operation(request: Request) -> str:
    """Name the operation that method, path, query and headers of a request to S3 ask for."""
    bucket, key = find_target(request)
    if not bucket:
        return "ListBuckets" if request.method == "GET" else ""
    for method, words, name in S3_OBJECT if key else S3_BUCKET:
        if method == request.method and all(is_asked(word, request) for word in words.split()):
            return name if words or not UNKNOWN_WORDS & request.query.keys() else ""
    return ""


def is_asked(word: str, request: Request) -> bool:
    """Tell whether a word stands in the query, or a header of that name was sent."""
    return word in (request.headers if word.startswith("x-amz-") else request.query)


def find_target(request: Request) -> tuple[str, str]:
    """Give bucket and key of a request to S3; both may be empty."""
    host = HOST.fullmatch(request.host)
    try:
        path = unquote(request.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI.") from None
    if host and host["bucket"]:
        return host["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key
