"""Find the operation that a request asks for, by its name in the service models.

Sources: the request URIs in the service models of botocore; Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, unquote

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request, read_all

# A bucket may stand before the host; SDKs send to `calls.localhost:8000` where the endpoint is on this machine.
HOST = re.compile(
    r"(?:(?P<bucket>.{3,}?)\.)?(?:s3(?:-fips)?(?:\.dualstack)?(?:[.-][a-z0-9-]+)?\.amazonaws\.com|(?:s3\.)?localhost)"
    r"(?::\d+)?"
)

# Routes of Bedrock. An id may be an ARN, and that with its slash and colons as they are, percent-encoded, or so twice.
BEDROCK_ROUTES = {
    "bedrock": [
        ("POST", re.compile(r"/model-invocation-job"), "CreateModelInvocationJob"),
        ("GET", re.compile(r"/model-invocation-jobs"), "ListModelInvocationJobs"),
        ("POST", re.compile(r"/model-invocation-job/(.+)/stop"), "StopModelInvocationJob"),
        ("GET", re.compile(r"/model-invocation-job/(.+)"), "GetModelInvocationJob"),
        ("GET", re.compile(r"/foundation-models"), "ListFoundationModels"),
        ("GET", re.compile(r"/foundation-models/(.+)"), "GetFoundationModel"),
        ("GET", re.compile(r"/inference-profiles"), "ListInferenceProfiles"),
        ("POST", re.compile(r"/inference-profiles"), "CreateInferenceProfile"),
        ("GET", re.compile(r"/inference-profiles/(.+)"), "GetInferenceProfile"),
        ("DELETE", re.compile(r"/inference-profiles/(.+)"), "DeleteInferenceProfile"),
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
# APIs of the providers of models on the endpoint of bedrock-runtime; each has errors of its own, like a service.
PROVIDER_ROUTES = {
    "anthropic": [("POST", re.compile(r"/anthropic/v1/messages"), "CreateMessage")],
    "openai": [
        ("POST", re.compile(r"/openai/v1/chat/completions"), "CreateChatCompletion"),
        ("POST", re.compile(r"/openai/v1/batches"), "CreateBatch"),
        ("GET", re.compile(r"/openai/v1/batches"), "ListBatches"),
        ("GET", re.compile(r"/openai/v1/batches/([^/]+)"), "RetrieveBatch"),
        ("POST", re.compile(r"/openai/v1/batches/([^/]+)/cancel"), "CancelBatch"),
    ],
}
PROVIDER = re.compile(r"/(anthropic|openai)/v1(/|$)")
FIRST_WORDS = {
    path.pattern.split("/")[1]: service for service, routes in BEDROCK_ROUTES.items() for _, path, _ in routes
}

# Settings of buckets that are kept as a document each, by their words in the query: names of Get, Put and Delete.
S3_CONFIGURATIONS = {
    "cors": ("GetBucketCors", "PutBucketCors", "DeleteBucketCors"),
    "encryption": ("GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"),
    "lifecycle": (
        "GetBucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
    ),
    "notification": ("GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration"),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "publicAccessBlock": ("GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning"),
}
# Method, words that the query or the headers must have, operation. The first match wins: the plain method is last.
S3_BUCKET = [
    ("GET", "location", "GetBucketLocation"),
    ("GET", "acl", "GetBucketAcl"),
    *(
        (method, word, name)
        for word, names in S3_CONFIGURATIONS.items()
        for method, name in zip(("GET", "PUT", "DELETE"), names, strict=False)
    ),
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
    ("GET", "acl", "GetObjectAcl"),
    ("GET", "tagging", "GetObjectTagging"),
    ("PUT", "tagging", "PutObjectTagging"),
    ("DELETE", "tagging", "DeleteObjectTagging"),
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
# Words of operations that the emulator does not have; without this list they would pass for the plain method.
UNKNOWN_WORDS = {
    "acl", "accelerate", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
    "legal-hold", "lifecycle", "logging", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
    "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "versioning", "versions",
    "website",
}  # fmt: skip
# Services whose requests are forms, which name the operation in their field `Action`.
FORM_ACTIONS = {"sts": ["GetCallerIdentity"]}
FORM_BYTES = 10_000

OPERATIONS = {
    **{service: [name for _, _, name in routes] for service, routes in BEDROCK_ROUTES.items()},
    "s3": ["ListBuckets", *(name for _, _, name in (*S3_BUCKET, *S3_OBJECT))],
    **FORM_ACTIONS,
}


@dataclass(frozen=True)
class ResolvedRequest(Request):
    """A request together with what it asks for.

    Attributes
    ----------
    operation
        Its name in the service model; empty for an operation that is not in `OPERATIONS`.
    identifier
        Decoded id or ARN of the job or model in a path of Bedrock; empty when the path has none.
    bucket, key
        Target of a request to S3; both may be empty.
    """

    operation: str = ""
    identifier: str = ""
    bucket: str = ""
    key: str = ""


def resolve(request: Request) -> ResolvedRequest:
    """Find the operation that a request asks for and what it is to work on, once for all that follows."""
    operation = identifier = bucket = key = ""
    if request.service == "s3":
        bucket, key = find_target(request)
        operation = find_s3_operation(request, bucket, key)
    elif request.service in FORM_ACTIONS:
        operation = find_action(request)
    else:
        operation, identifier = match_route(request)
    return ResolvedRequest(**vars(request), operation=operation, identifier=identifier, bucket=bucket, key=key)


def match_route(request: Request) -> tuple[str, str]:
    """Return the operation of Bedrock for a method and a path, and the id in the path; both may be empty."""
    for method, path, name in (BEDROCK_ROUTES | PROVIDER_ROUTES).get(request.service, []):
        if method == request.method and (found := path.fullmatch(request.path)):
            return name, unquote(unquote("".join(found.groups())))
    return "", ""


def find_bedrock_service(path: str) -> str:
    """Return the service of Bedrock, or the API of a provider, whose paths begin like this one; empty for none."""
    if found := PROVIDER.match(path):
        return found[1]
    return FIRST_WORDS.get(path.split("/")[1], "")


def find_action(request: Request) -> str:
    """Return the operation that a form names in its body; empty for one that the emulator does not have."""
    form = parse_qs((read_all(request.body, FORM_BYTES) or b"").decode("latin-1"))
    # The name is looked up, never taken over: it becomes the name of a file that counts requests.
    return next((name for name in FORM_ACTIONS[request.service] if form.get("Action") == [name]), "")


def find_s3_operation(request: Request, bucket: str, key: str) -> str:
    """Return the operation that method, target, query and headers of a request to S3 ask for; empty for none."""
    if not bucket:
        return "ListBuckets" if request.method == "GET" else ""
    for words, name in (OBJECT_WORDS if key else BUCKET_WORDS).get(request.method, ()):
        if not words or all(has_word(word, request) for word in words):
            return name if words or not UNKNOWN_WORDS & request.query.keys() else ""
    return ""


def group_by_method(table: Iterable[tuple[str, str, str]]) -> dict[str, list[tuple[list[str], str]]]:
    """Group the rows of a table of operations by their methods, in their order, with the words of each as a list."""
    grouped: dict[str, list[tuple[list[str], str]]] = {}
    for method, words, name in table:
        grouped.setdefault(method, []).append((words.split(), name))
    return grouped


BUCKET_WORDS, OBJECT_WORDS = group_by_method(S3_BUCKET), group_by_method(S3_OBJECT)


def has_word(word: str, request: Request) -> bool:
    """Return whether a word stands in the query, or a header of that name was sent."""
    return word in (request.headers if word.startswith("x-amz-") else request.query)


def find_target(request: Request) -> tuple[str, str]:
    """Return bucket and key of a request to S3; both may be empty."""
    host_bucket = find_host_bucket(request.host)
    try:
        path = unquote(request.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI.") from None
    if host_bucket:
        return host_bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key


@lru_cache(maxsize=100)
def find_host_bucket(host: str) -> str:
    """Return the bucket that stands before a host; empty for none."""
    found = HOST.fullmatch(host)
    return (found["bucket"] or "") if found else ""
