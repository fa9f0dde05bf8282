"""A request in, a response out: the one door behind both doors."""

from __future__ import annotations

from bedrock_local import control, runtime, s3
from bedrock_local.emulator import Emulator
from bedrock_local.errors import ServiceError, json_error, xml_error
from bedrock_local.wire import Request, Response


def handle(request: Request, emulator: Emulator) -> Response:
    """Answer a request on the emulator's folder; a refusal is a response too."""
    try:
        if request.service == "s3":
            return s3.handle(request, emulator)
        return (control.handle if request.service == "bedrock" else runtime.handle)(request, emulator)
    except ServiceError as error:
        return xml_error(error, method=request.method) if request.service == "s3" else json_error(error)
