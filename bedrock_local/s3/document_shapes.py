"""Check documents of S3 against the shapes that the service publishes, in the service model of botocore."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from xml.etree.ElementTree import Element

from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.shapes import input_shape
from bedrock_local.protocol.timestamps import read_time
from bedrock_local.s3.xml import malformed, read_document

WHOLE = re.compile(r"-?[0-9]{1,18}")


def read_payload(request: ResolvedRequest) -> Element:
    """Read the document in the body of a request, and refuse one that its operation's shape does not allow."""
    shape = input_shape("s3", request.operation)
    payload = shape.members[shape.serialization["payload"]]
    document = read_document(request)
    if document is None or document.tag != payload.serialization["name"]:
        raise malformed()
    check_element(document, payload)
    return document


def check_element(element: Element, shape: Any) -> None:
    """Refuse an element that its shape does not allow; it is as deep as its shape at most."""
    if shape.type_name == "structure":
        check_members(element, shape)
    elif shape.type_name == "list":
        for child in element:
            if child.tag != shape.member.serialization.get("name", "member"):
                raise malformed()
            check_element(child, shape.member)
    elif len(element) or not is_value((element.text or "").strip(), shape):
        raise malformed()


def check_members(element: Element, shape: Any) -> None:
    """Refuse children that are not in the shape or come twice, and a required one that is missing."""
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    required = {shape.members[name].serialization.get("name", name) for name in shape.required_members}
    counts = Counter(child.tag for child in element)
    if not counts.keys() <= members.keys() or not required <= counts.keys():
        raise malformed()
    for child in element:
        member = members[child.tag]
        is_flat = member.type_name == "list" and member.serialization.get("flattened")
        if counts[child.tag] > 1 and not is_flat:
            raise malformed()
        check_element(child, member.member if is_flat else member)


def is_value(text: str, shape: Any) -> bool:
    """Return whether a text is a value of a shape."""
    if shape.type_name in ("integer", "long"):
        return WHOLE.fullmatch(text) is not None
    if shape.type_name == "boolean":
        return text.lower() in ("true", "false")
    if shape.type_name == "timestamp":
        return is_time(text)
    return text in shape.metadata.get("enum", [text])


def is_time(text: str) -> bool:
    """Return whether a text is a point in time."""
    try:
        read_time(text)
    except (ValueError, OverflowError):
        return False
    return True
