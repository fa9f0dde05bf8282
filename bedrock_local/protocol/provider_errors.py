"""Errors of the Messages API and of Chat Completions, in the forms that the SDKs of Anthropic and OpenAI read.

Sources: Anthropic API Reference, "Errors"; OpenAI API Reference, "Error codes". Which error of Bedrock becomes which is
inferred from the statuses.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import BytesBody, Response

KINDS = {403: "permission_error", 404: "not_found_error", 429: "rate_limit_error", 503: "overloaded_error"}


def describe_anthropic_error(error: ServiceError) -> dict[str, Any]:
    """Return an error as the Messages API has it."""
    described = {"type": find_kind(error, "api_error"), "message": error.message}
    return {"type": "error", "request_id": f"req_{uuid.uuid4().hex[:24]}", "error": described}


def describe_openai_error(error: ServiceError) -> dict[str, Any]:
    """Return an error as Chat Completions has it."""
    described = {"message": error.message, "type": find_kind(error, "server_error"), "param": None, "code": None}
    return {"error": described}


def find_kind(error: ServiceError, otherwise: str) -> str:
    """Return the type of an error by its status; `otherwise` for failures of the service."""
    kind = "invalid_request_error" if error.status == 400 else otherwise
    return KINDS.get(error.status, kind)


def provider_error(error: ServiceError, service: str) -> Response:
    """Write an error as a response of one of the two APIs."""
    content = describe_anthropic_error(error) if service == "anthropic" else describe_openai_error(error)
    # Not msgspec, which refuses lone surrogates that a message may quote.
    return Response(error.status, {"content-type": "application/json"}, BytesBody(json.dumps(content).encode()))
