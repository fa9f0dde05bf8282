"""XML of S3: written from plain values, read without entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser
from xml.sax.saxutils import escape

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import BytesBody, Request, Response, chunks
from bedrock_local.s3.checksums import is_wrapped, plain_chunks

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# Characters that XML 1.0 does not allow, and CR, which parsers convert to LF: S3 writes references for them anyway.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
LIMIT_BYTES = 4_000_000  # 1,000 keys of 1,024 bytes, escaped


def xml_response(root: str, inside: Mapping[str, Any] | str) -> Response:
    """Write a document as a response; a list becomes one element per value, and None no element."""
    return document_response(root, text(inside) if isinstance(inside, str) else "".join(elements(inside)))


def document_response(root: str, content: str) -> Response:
    """Write a document, whose content is XML already, as a response."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{SPACE}">{content}</{root}>'
    return Response(200, {"content-type": "application/xml"}, BytesBody(body.encode()))


def elements(fields: Mapping[str, Any]) -> Iterable[str]:
    """Write fields as elements."""
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield f"<{name}>{''.join(elements(item)) if isinstance(item, Mapping) else text(item)}</{name}>"


def write_element(element: Element) -> str:
    """Write an element that was read, without attributes and the space between elements."""
    inside = "".join(map(write_element, element)) or text(element.text or "")
    return f"<{element.tag}>{inside}</{element.tag}>"


def text(value: object) -> str:
    """Write a value as the text of an element."""
    if isinstance(value, bool):
        return str(value).lower()
    return CONTROL.sub(lambda found: f"&#{ord(found[0])};", escape(str(value)))


def read_document(request: Request) -> Element | None:
    """Read the document in the body of a request; return None when the body is empty."""
    pieces = plain_chunks(request.body, {}) if is_wrapped(request) else chunks(request.body)
    content = b""
    for piece in pieces:
        content += piece
        if len(content) > LIMIT_BYTES:
            raise malformed()
    return read_xml(content) if content else None


def read_xml(content: bytes) -> Element:
    """Parse a document; refuse one with a document type, which could define entities that grow without bound."""
    parser = XMLParser(target=PlainBuilder())  # noqa: S314 -- the builder refuses what defusedxml would
    try:
        parser.feed(content)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError):  # LookupError: an unknown encoding.
        raise malformed() from None
    for element in root.iter():
        # Clients send elements with the namespace of S3, or without.
        element.tag = element.tag.rsplit("}", 1)[-1]
    return root


def malformed() -> ServiceError:
    """Return the error of S3 for a document that cannot be read."""
    reason = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError("MalformedXML", reason)


class PlainBuilder(TreeBuilder):
    """Build the tree of a document without declarations."""

    def doctype(self, *_: object) -> None:
        """Refuse the declaration in which entities are defined."""
        raise malformed()
