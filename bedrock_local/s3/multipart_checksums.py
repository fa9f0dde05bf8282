"""Checksums of multipart uploads: of the parts, and of the whole object.

Sources: "Checking object integrity for multipart uploads"; the words of the refusals from reports of clients that met
them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request
from bedrock_local.s3.checksums import HASHED, KNOWN, make_digest
from bedrock_local.s3.store import ObjectMetadata


def check_plan(algorithm: str, kind: str) -> None:
    """Refuse a checksum type that an algorithm does not have, as S3 does when an upload begins."""
    if kind not in ("COMPOSITE", "FULL_OBJECT"):
        raise ServiceError("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    if algorithm and algorithm not in KNOWN:
        raise ServiceError("InvalidRequest", "Checksum algorithm provided is unsupported.")
    if (kind == "FULL_OBJECT" and algorithm in HASHED) or (kind == "COMPOSITE" and algorithm == "crc64nvme"):
        reason = f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        raise ServiceError("InvalidRequest", reason)


def check_part(algorithm: str, kind: str, sums: Mapping[str, str]) -> None:
    """Refuse a part without a checksum of the algorithm that the upload was begun with."""
    if algorithm and kind == "COMPOSITE" and algorithm not in sums:
        actual = next(iter(sums), "null")
        reason = f"Checksum Type mismatch occurred, expected checksum Type: {algorithm}, actual checksum Type: {actual}"
        raise ServiceError("InvalidRequest", reason)


def check_listed(algorithm: str, kind: str, number: int, listed: Element, metadata: ObjectMetadata) -> None:
    """Check the checksums that a document lists for a part against those that arrived with it."""
    sums = {name: listed.findtext(f"Checksum{name.upper()}") for name in KNOWN}
    if algorithm and kind == "COMPOSITE" and not sums[algorithm]:
        reason = f"The upload was created using a {algorithm} checksum. The complete request must include the checksum"
        raise ServiceError(
            "InvalidRequest", f"{reason} for each part. It was missing for part {number} in the request."
        )
    if any(value and metadata.checksums.get(name) not in (None, value) for name, value in sums.items()):
        reason = "One or more of the specified parts could not be found, or its checksum did not match."
        raise ServiceError("InvalidPart", reason, PartNumber=str(number))


def find_sums(
    request: Request, algorithm: str, kind: str, parts: list[ObjectMetadata], whole: Mapping[str, str]
) -> dict[str, str]:
    """Return the checksums of an object, after a comparison with those that the client sent.

    `whole` are the checksums of all bytes. One that cannot be computed here is stored as it was sent.
    """
    sent = {name: request.headers.get(f"x-amz-checksum-{name}") for name in KNOWN}
    found = dict(whole) if kind == "FULL_OBJECT" else join_sums(algorithm, parts)
    for name, value in sent.items():
        if value and found.get(name, value) != value:
            raise ServiceError("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    taken = {name: value for name, value in sent.items() if value and kind == "FULL_OBJECT"}
    return taken | found


def join_sums(algorithm: str, parts: list[ObjectMetadata]) -> dict[str, str]:
    """Compute the checksum of the checksums; empty when a part has none, or the algorithm is not available."""
    sums, digest = [part.checksums.get(algorithm, "") for part in parts], make_digest(algorithm)
    if not all(sums) or digest is None:
        return {}
    for value in sums:
        digest.update(base64.b64decode(value))
    return {algorithm: f"{base64.b64encode(digest.digest()).decode()}-{len(parts)}"}
