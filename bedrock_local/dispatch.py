"""A request in, a response out: the one door behind both doors."""

from __future__ import annotations

from dataclasses import replace

from bedrock_local import runtime, sts
from bedrock_local.batch import api as batch_api
from bedrock_local.emulator import Emulator
from bedrock_local.faults import find_request_fault
from bedrock_local.protocol.errors import ServiceError, form_error, json_error, xml_error
from bedrock_local.protocol.messages import FileSlice, Request, Response
from bedrock_local.protocol.routing import MODELLED, find_operation
from bedrock_local.protocol.shapes import check_address
from bedrock_local.s3 import api as s3_api

# Class and words of each fault, from bedrock and from S3. Amazon S3 API Reference, "List of error codes".
REFUSALS = {
    "throttled": (
        ("ThrottlingException", "Too many requests, please wait before trying again."),
        ("SlowDown", "Please reduce your request rate."),
    ),
    "internal-error": (
        ("InternalServerException", "The system encountered an unexpected error during processing. Try again."),
        ("InternalError", "We encountered an internal error. Please try again."),
    ),
    "unavailable": (
        ("ServiceUnavailableException", "The service is temporarily unavailable. Try again."),
        ("ServiceUnavailable", "Service is unable to handle request."),
    ),
}
HANDLERS = {
    "bedrock": batch_api.handle,
    "bedrock-runtime": runtime.handle,
    "s3": s3_api.handle,
    "sts": sts.handle,
}


def handle(request: Request, emulator: Emulator) -> Response:
    """Answer a request on the emulator's folder; a refusal is a response too."""
    try:
        settings, operation = emulator.settings, find_operation(request)
        fault = find_request_fault(operation, faults=settings.faults, seed=settings.seed, folder=emulator.folder)
        if fault in REFUSALS:
            raise refusal(fault, request)
        if operation and request.service in MODELLED:
            check_address(request, operation)
        response = carry_out(operation, request, emulator)
        return spoil(response, fault, request) if fault else response
    except ServiceError as error:
        return write_error(error, request)


def write_error(error: ServiceError, request: Request) -> Response:
    """Write an error in the form that the client reads: that of S3, of services that are asked by a form, or JSON."""
    if request.service == "s3":
        return xml_error(error, method=request.method)
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return form_error(error) if is_form and not request.service.startswith("bedrock") else json_error(error)


def carry_out(operation: str, request: Request, emulator: Emulator) -> Response:
    """Do what a request asks for."""
    if request.service not in HANDLERS:
        reason = f"The emulator has {', '.join(HANDLERS)}, but no {request.service}"
        raise ServiceError("UnknownOperationException", reason)
    return HANDLERS[request.service](operation, request, emulator)


def spoil(response: Response, fault: str, request: Request) -> Response:
    """Lose an answer, or let its body break off."""
    body = response.body
    if fault == "broken-read":
        return replace(response, body=body.break_off() if isinstance(body, FileSlice) else body)
    if isinstance(body, FileSlice):
        body.close()
    raise refusal("internal-error", request)


def refusal(fault: str, request: Request) -> ServiceError:
    """Give the error of a fault, as the service that was asked words it."""
    of_bedrock, of_s3 = REFUSALS[fault]
    return ServiceError(*(of_s3 if request.service == "s3" else of_bedrock))
