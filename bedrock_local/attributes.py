"""What clients ask of an object beside its bytes: its attributes by name, and its tags, of which it has none.

Sources: Amazon S3 API Reference, GetObjectAttributes and GetObjectTagging.
"""

from __future__ import annotations

from typing import Any

from bedrock_local import objects
from bedrock_local.emulator import Emulator
from bedrock_local.objects import Facts
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request, Response
from bedrock_local.protocol.timestamps import http_time
from bedrock_local.transfers import check_read, checksum_elements
from bedrock_local.xml import xml_response


def get_attributes(request: Request, emulator: Emulator, bucket: str, key: str) -> Response:
    """Give those attributes of an object that a header names."""
    _, facts = objects.find_object(emulator.folder, bucket, key)
    check_read(request, facts)
    asked = {name.strip() for name in request.headers.get("x-amz-object-attributes", "").split(",")}
    known = attributes_of(facts)
    if not asked or not asked <= known.keys():
        raise ServiceError("InvalidArgument", "Invalid attribute name specified.")
    response = xml_response("GetObjectAttributesResponse", {name: known[name] for name in known if name in asked})
    return Response(200, {**response.headers, "last-modified": http_time(facts.modified_ns / 1e9)}, response.body)


def attributes_of(facts: Facts) -> dict[str, Any]:
    """Give all attributes, in the order of the documentation; None for those that an object does not have."""
    return {
        "ETag": facts.etag,
        "Checksum": checksum_elements(facts) or None,
        "ObjectParts": {"PartsCount": len(facts.part_sizes)} if facts.part_sizes else None,
        "StorageClass": "STANDARD",
        "ObjectSize": facts.size,
    }


def get_tagging(_: Request, emulator: Emulator, bucket: str, key: str) -> Response:
    """Say that an object has no tags, which the AWS CLI asks before it copies in parts."""
    objects.find_object(emulator.folder, bucket, key)
    return xml_response("Tagging", {"TagSet": ""})
