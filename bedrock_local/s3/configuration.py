"""Settings of buckets: a document each, checked, kept and given back; only expiry by a lifecycle has an effect.

Sources: Amazon S3 API Reference; the shapes in the service model of botocore; Amazon S3 User Guide, "Default settings
for new S3 buckets FAQ" for what a bucket has before anybody sets anything.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from bedrock_local.emulator import Emulator
from bedrock_local.files import read_file, write_file
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import BytesBody, Response, read_all
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.s3 import store
from bedrock_local.s3.document_shapes import read_payload
from bedrock_local.s3.tags import BUCKET_TAGS, read_tag_set
from bedrock_local.s3.xml import document_response, write_element

POLICY_BYTES = 20 * 1024  # "Policies and permissions in Amazon S3"
BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
OWN_KEYS = (
    "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
)


@dataclass(frozen=True)
class Kind:
    """A kind of settings: the words of its errors and the content of its document before anybody puts one.

    Attributes
    ----------
    root
        Name of the document's first element; empty for JSON.
    missing, reason
        Error where a bucket has no such document; empty where an empty document is given back instead.
    default
        What is inside the document of a new bucket; empty for no document.
    status
        Of the answer to Put.
    """

    root: str
    missing: str = ""
    reason: str = ""
    default: str = ""
    status: int = 200


KINDS = {
    "lifecycle": Kind(
        "LifecycleConfiguration", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"
    ),
    "encryption": Kind(
        "ServerSideEncryptionConfiguration",
        default="<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
        "</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>",
    ),
    "versioning": Kind("VersioningConfiguration"),
    "policy": Kind("", "NoSuchBucketPolicy", "The bucket policy does not exist", status=204),
    "tagging": Kind("Tagging", "NoSuchTagSet", "The TagSet does not exist", status=204),
    "publicAccessBlock": Kind(
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
        default="".join(f"<{name}>true</{name}>" for name in BLOCKED),
    ),
    "notification": Kind("NotificationConfiguration"),
    "ownershipControls": Kind(
        "OwnershipControls",
        "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found",
        default="<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>",
    ),
    "cors": Kind("CORSConfiguration", "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
}


def get_configuration(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Give back the document that was put, or what a new bucket has."""
    word = find_word(request)
    content = read_configuration(emulator.folder, request.bucket, word)
    if not content and KINDS[word].missing:
        raise ServiceError(KINDS[word].missing, KINDS[word].reason, BucketName=request.bucket)
    if word == "policy":
        return Response(200, {"content-type": "application/json"}, BytesBody(content.encode()))
    return document_response(KINDS[word].root, content)


def put_configuration(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Keep the document in the body, in place of an earlier one."""
    word = find_word(request)
    store.bucket_folder(emulator.folder, request.bucket)
    content = read_policy(request) if word == "policy" else read_content(request, word)
    write_file(configuration_path(emulator.folder, request.bucket, word), content.encode())
    return Response(KINDS[word].status)


def delete_configuration(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Forget a document; of those that a new bucket has, encryption alone comes back."""
    word = find_word(request)
    store.bucket_folder(emulator.folder, request.bucket)
    path = configuration_path(emulator.folder, request.bucket, word)
    if KINDS[word].default and KINDS[word].missing:
        write_file(path, b"")
    else:
        path.unlink(missing_ok=True)
    return Response(204)


def get_acl(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Return the list of a bucket or an object whose owner has all permissions: no other can be set."""
    store.bucket_folder(emulator.folder, request.bucket)
    if request.key:
        store.find_object(emulator.folder, request.bucket, request.key)
    owner = f"<ID>{emulator.account}</ID>"
    kind = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    grant = f"<Grant><Grantee {kind}>{owner}</Grantee><Permission>FULL_CONTROL</Permission></Grant>"
    content = f"<Owner>{owner}</Owner><AccessControlList>{grant}</AccessControlList>"
    return document_response("AccessControlPolicy", content)


def find_word(request: ResolvedRequest) -> str:
    """Return the word in the query that names the kind of settings."""
    return next(word for word in KINDS if word in request.query)


def read_configuration(folder: Path, bucket: str, word: str) -> str:
    """Return what is inside a document, or what a new bucket has; empty for none."""
    store.bucket_path(folder, bucket)
    try:
        return read_file(f"{folder}/state/configurations/{bucket}/{word}").decode()
    except FileNotFoundError:
        return KINDS[word].default


def configuration_path(folder: Path, bucket: str, word: str) -> Path:
    """Return the path of the file with the content of a document."""
    return store.configurations_folder(folder, bucket) / word


def read_content(request: ResolvedRequest, word: str) -> str:
    """Read a document, check it, and return what is inside its first element."""
    document = read_payload(request)
    if word == "tagging":
        read_tag_set(document, BUCKET_TAGS)
    if word == "encryption":
        complete_encryption(document)
    if word == "lifecycle":
        complete_rules(document)
    return "".join(map(write_element, document))


def complete_encryption(document: Element) -> None:
    """Say of each rule whether it has a key of the bucket, as S3 does."""
    for rule in document.findall("Rule"):
        if rule.find("BucketKeyEnabled") is None:
            SubElement(rule, "BucketKeyEnabled").text = "false"


def complete_rules(document: Element) -> None:
    """Refuse rules of a lifecycle that do nothing, or that expire at once; name those that have no name, as S3 does."""
    for rule in document.findall("Rule"):
        days = rule.findtext("Expiration/Days")
        if days is not None and int(days) < 1:
            reason = "'Days' for Expiration action must be a positive integer"
            raise ServiceError("InvalidArgument", reason)
        if {child.tag for child in rule} <= {"ID", "Status", "Filter", "Prefix"}:
            raise ServiceError("InvalidRequest", "At least one action needs to be specified in a rule")
        if not rule.findtext("ID"):
            for empty in rule.findall("ID"):
                rule.remove(empty)
            SubElement(rule, "ID").text = secrets.token_urlsafe(36)


def read_policy(request: ResolvedRequest) -> str:
    """Read a policy: any JSON object."""
    content = read_all(request.body, POLICY_BYTES)
    try:
        text = (content or b"").decode()
        is_policy = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_policy = False
    if not is_policy:
        reason = f"Policies must be valid JSON and the first byte must be '{{', and at most {POLICY_BYTES} bytes"
        raise ServiceError("MalformedPolicy", reason)
    return text
