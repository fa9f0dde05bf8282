"""JSON objects in the bodies of requests and responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import BytesBody, Response


def read_object(content: bytes, reason: str) -> dict[str, Any]:
    """Read a JSON object; anything else is refused as a ValidationException with the given reason."""
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ServiceError("ValidationException", reason) from None


def json_response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Write a JSON document as a response of status 200."""
    return Response(200, {"content-type": "application/json", **(headers or {})}, BytesBody(msgspec.json.encode(body)))
