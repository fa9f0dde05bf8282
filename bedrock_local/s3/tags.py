"""Tags of objects, which are kept with the object's metadata, and the rules of all tags.

Sources: Amazon S3 API Reference, PutObjectTagging; Amazon S3 User Guide, "Categorizing your objects using tags".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request, Response
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.s3 import store
from bedrock_local.s3.document_shapes import read_payload
from bedrock_local.s3.xml import xml_response

OBJECT_TAGS, BUCKET_TAGS = 10, 50
KEY_LETTERS, VALUE_LETTERS = 128, 256
SIGNS = "_.:/=+-@"
HEADER = "x-amz-tagging"


def get_object_tags(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Return the tags of an object; the AWS CLI asks before it copies in parts."""
    _, metadata = store.find_object(emulator.folder, request.bucket, request.key)
    listed = [{"Key": key, "Value": value} for key, value in metadata.tags.items()]
    return xml_response("Tagging", {"TagSet": {"Tag": listed}})


def put_object_tags(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Replace all tags of an object."""
    tags = read_tag_set(read_payload(request), OBJECT_TAGS)
    store.change_tags(emulator.folder, request.bucket, request.key, tags)
    return Response(200)


def delete_object_tags(request: ResolvedRequest, emulator: Emulator) -> Response:
    """Remove all tags of an object."""
    store.change_tags(emulator.folder, request.bucket, request.key, {})
    return Response(204)


def read_tag_set(document: Element, most: int) -> dict[str, str]:
    """Read the tags in a document, and check them."""
    found = document.findall("TagSet/Tag")
    return check_tags([(tag.findtext("Key") or "", tag.findtext("Value") or "") for tag in found], most)


def read_tag_header(request: Request) -> dict[str, str]:
    """Read the tags that an object is to have out of the header, which has the form of a query."""
    return check_tags(parse_qsl(request.headers.get(HEADER, ""), keep_blank_values=True), OBJECT_TAGS)


def choose_tags(request: Request, old: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tags of a copy: those of the source, unless the request brings its own."""
    is_replaced = request.headers.get(f"{HEADER}-directive", "COPY").upper() == "REPLACE"
    return read_tag_header(request) if is_replaced else old


def check_tags(pairs: list[tuple[str, str]], most: int) -> dict[str, str]:
    """Refuse tags that are too many or too long, have no name, have one twice, or one that belongs to AWS."""
    if len(pairs) > most:
        kind = "Object" if most == OBJECT_TAGS else "Bucket"
        raise ServiceError("BadRequest", f"{kind} tags cannot be greater than {most}")
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in pairs:
        if not 1 <= len(key) <= KEY_LETTERS or not is_plain(key):
            raise ServiceError("InvalidTag", "The TagKey you have provided is invalid")
        if len(value) > VALUE_LETTERS or not is_plain(value):
            raise ServiceError("InvalidTag", "The TagValue you have provided is invalid")
        if key.startswith("aws:"):
            raise ServiceError("InvalidTag", "System tags cannot be added/updated by requester")
    return tags


def is_plain(text: str) -> bool:
    """Return whether a text has only letters, numbers, spaces and the signs that tags may have."""
    return all(sign in SIGNS or unicodedata.category(sign)[0] in "LNZ" for sign in text)
