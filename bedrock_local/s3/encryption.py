"""Server-side encryption as the headers tell it: checked, kept with an object and given back; nothing is encrypted.

Sources: Amazon S3 API Reference, PutObject, GetObject and "List of error codes"; Amazon S3 User Guide, "Specifying
server-side encryption with AWS KMS"; AWS KMS API Reference, "KeyId".
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.routing import ResolvedRequest

ALGORITHM = "x-amz-server-side-encryption"
KEY = f"{ALGORITHM}-aws-kms-key-id"
BUCKET_KEY = f"{ALGORITHM}-bucket-key-enabled"
CUSTOMER = f"{ALGORITHM}-customer-"
KMS = ("aws:kms", "aws:kms:dsse")
WRITES = ("PutObject", "CopyObject", "CreateMultipartUpload")
KEY_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}"
KEY_NAME = re.compile(rf"(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{{12}}:)?((key/)?({KEY_ID})|alias/[A-Za-z0-9/_-]+)")


def check_encryption(request: ResolvedRequest) -> None:
    """Refuse headers of encryption that S3 refuses, and keys of customers, which the emulator does not have."""
    if any(name.startswith(CUSTOMER) for name in request.headers):
        raise ServiceError("NotImplemented", "A header you provided implies functionality that is not implemented")
    algorithm, key = request.headers.get(ALGORITHM), request.headers.get(KEY)
    if algorithm is not None and request.operation not in WRITES:
        raise ServiceError("InvalidArgument", f"{ALGORITHM} header is not supported for this operation.")
    if algorithm not in (None, "AES256", *KMS):
        reason = "The encryption request you specified is not valid. Supported value: AES256."
        raise ServiceError("InvalidEncryptionAlgorithmError", reason)
    if key is not None and algorithm not in KMS:
        reason = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption"
        raise ServiceError("InvalidArgument", f"{reason} : aws:kms", ArgumentName=ALGORITHM)
    if key and not KEY_NAME.fullmatch(key):
        raise ServiceError("KMS.NotFoundException", f"Invalid keyId '{key}'")


def read_encryption(request: ResolvedRequest) -> dict[str, str]:
    """Read how an object is to be encrypted; empty for S3's own keys, which is what S3 does without a header."""
    if request.headers.get(ALGORITHM) not in KMS:
        return {}
    return {name: request.headers[name] for name in (ALGORITHM, KEY, BUCKET_KEY) if request.headers.get(name)}


def make_etag(md5: str, encryption: Mapping[str, str]) -> str:
    """Return the ETag of an object: under a KMS key it is not the MD5 of the content."""
    parts = "-" + md5.partition("-")[2] if "-" in md5 else ""
    return secrets.token_hex(16) + parts if encryption else md5


def encryption_headers(encryption: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by which S3 says how an object is encrypted."""
    return dict(encryption) or {ALGORITHM: "AES256"}
