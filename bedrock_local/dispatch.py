"""A request in, a response out: find its operation, apply faults, check it, call its handler.

A new operation is a row in `protocol/routing.py` and a row in `HANDLERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bedrock_local import listings, provider_apis, runtime, sts
from bedrock_local.batch import api as batch_api
from bedrock_local.batch import openai_api
from bedrock_local.batch import tags as job_tags
from bedrock_local.emulator import Emulator
from bedrock_local.faults import find_request_fault
from bedrock_local.protocol.errors import ServiceError, form_error, json_error, json_rpc_error, xml_error
from bedrock_local.protocol.event_stream import EventStreamBody
from bedrock_local.protocol.messages import Request, Response, TruncatedBody
from bedrock_local.protocol.provider_errors import provider_error
from bedrock_local.protocol.routing import (
    BEDROCK_ROUTES,
    OPERATIONS,
    PROVIDER_ROUTES,
    S3_CONFIGURATIONS,
    ResolvedRequest,
    resolve,
)
from bedrock_local.protocol.server_sent_events import ServerSentBody
from bedrock_local.protocol.shapes import check_address
from bedrock_local.s3 import bucket_api, configuration, list_api, multipart_api, object_api, tags

# Class and words of each fault, in bedrock and in S3. Amazon S3 API Reference, "List of error codes".
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
# What ends a stream half-way, by its fault: an error among the events, or the connection.
STREAM_ENDS = {
    "stream-throttled": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "stream-model-error": ("ModelErrorException", "The model stream failed."),
    "stream-timeout": ("ModelTimeoutException", "The request took too long to process. Try again."),
    "stream-invalid": ("ValidationException", "The model produced an invalid sequence. Try again."),
    "stream-internal-error": ("InternalServerException", "The system encountered an unexpected error."),
    "stream-unavailable": ("ServiceUnavailableException", "Bedrock is unable to process your request."),
    "stream-cut": None,
}
Handler = Callable[[ResolvedRequest, Emulator], Response]
SETTINGS_HANDLERS: tuple[Handler, ...] = (
    configuration.get_configuration,
    configuration.put_configuration,
    configuration.delete_configuration,
)
HANDLERS: dict[str, Handler] = {
    "CreateModelInvocationJob": batch_api.create_job,
    "GetModelInvocationJob": batch_api.get_job,
    "ListModelInvocationJobs": batch_api.list_jobs,
    "StopModelInvocationJob": batch_api.stop_job,
    "ListFoundationModels": listings.list_models,
    "GetFoundationModel": listings.get_model,
    "ListInferenceProfiles": listings.list_inference_profiles,
    "CreateInferenceProfile": listings.create_inference_profile,
    "GetInferenceProfile": listings.get_inference_profile,
    "DeleteInferenceProfile": listings.delete_inference_profile,
    "ListTagsForResource": job_tags.list_tags,
    "TagResource": job_tags.tag_resource,
    "UntagResource": job_tags.untag_resource,
    "InvokeModel": runtime.invoke_model,
    "Converse": runtime.converse,
    "InvokeModelWithResponseStream": runtime.invoke_model_stream,
    "ConverseStream": runtime.converse_stream,
    "CountTokens": runtime.count_tokens,
    "CreateMessage": provider_apis.create_message,
    "CreateChatCompletion": provider_apis.create_chat_completion,
    "CreateBatch": openai_api.create_batch,
    "RetrieveBatch": openai_api.retrieve_batch,
    "ListBatches": openai_api.list_batches,
    "CancelBatch": openai_api.cancel_batch,
    "GetCallerIdentity": sts.get_caller_identity,
    "ListBuckets": bucket_api.list_buckets,
    "CreateBucket": bucket_api.create_bucket,
    "HeadBucket": bucket_api.head_bucket,
    "DeleteBucket": bucket_api.delete_bucket,
    "GetBucketLocation": bucket_api.get_bucket_location,
    "GetBucketAcl": configuration.get_acl,
    **{
        name: handler
        for names in S3_CONFIGURATIONS.values()
        for name, handler in zip(names, SETTINGS_HANDLERS, strict=False)
    },
    "ListObjects": list_api.list_objects,
    "ListObjectsV2": list_api.list_objects_v2,
    "ListObjectVersions": list_api.list_versions,
    "PutObject": object_api.put_object,
    "GetObject": object_api.get_object,
    "HeadObject": object_api.head_object,
    "CopyObject": object_api.copy_object,
    "DeleteObject": object_api.delete_object,
    "DeleteObjects": object_api.delete_objects,
    "GetObjectAttributes": object_api.get_attributes,
    "GetObjectAcl": configuration.get_acl,
    "GetObjectTagging": tags.get_object_tags,
    "PutObjectTagging": tags.put_object_tags,
    "DeleteObjectTagging": tags.delete_object_tags,
    "CreateMultipartUpload": multipart_api.create_upload,
    "UploadPart": multipart_api.upload_part,
    "UploadPartCopy": multipart_api.upload_part,
    "CompleteMultipartUpload": multipart_api.complete_upload,
    "AbortMultipartUpload": multipart_api.abort_upload,
    "ListParts": multipart_api.list_parts,
    "ListMultipartUploads": multipart_api.list_uploads,
}


def handle(request: Request, emulator: Emulator) -> Response:
    """Answer a request; a ServiceError is converted to a response too."""
    try:
        emulator = emulator.fix_settings()
        resolved = resolve(request)
        # Before any check: a throttled request is refused whatever it says.
        fault = find_fault(resolved, emulator)
        if fault in REFUSALS:
            raise refusal(fault, request)
        handler = find_handler(resolved)
        check_target(resolved, emulator)
        response = handler(resolved, emulator)
        return apply_response_fault(response, fault, request) if fault else response
    except ServiceError as error:
        return write_error(error, request)


def write_error(error: ServiceError, request: Request) -> Response:
    """Write an error in the form that the client parses: XML of S3, XML of services with forms, or JSON."""
    if request.service == "s3":
        return xml_error(error, method=request.method)
    if request.service in PROVIDER_ROUTES:
        return provider_error(error, request.service)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/x-amz-json"):
        return json_rpc_error(error)
    is_form = kind.startswith("application/x-www-form-urlencoded")
    return form_error(error) if is_form and not request.service.startswith("bedrock") else json_error(error)


def find_fault(request: ResolvedRequest, emulator: Emulator) -> str:
    """Return the fault that applies to this request by the settings; empty for none."""
    faults, seed = emulator.settings.faults, emulator.settings.seed
    return find_request_fault(request.operation, faults=faults, seed=seed, folder=emulator.folder)


def find_handler(request: ResolvedRequest) -> Handler:
    """Return the function for the operation of a request; the error for others lists the operations that exist."""
    if request.operation in HANDLERS:
        return HANDLERS[request.operation]
    if request.service == "s3":
        reason = f"The emulator has no such operation of S3: {request.method} {'&'.join(request.query)}"
        raise ServiceError("NotImplemented", reason)
    if request.service in PROVIDER_ROUTES:
        names = ", ".join(name for _, _, name in PROVIDER_ROUTES[request.service])
        reason = f"The emulator has {names}, but no {request.method} {request.path}"
        raise ServiceError("UnknownOperationException", reason)
    if request.service not in OPERATIONS:
        reason = f"The emulator has {', '.join(OPERATIONS)}, but no {request.service}"
        raise ServiceError("UnknownOperationException", reason)
    names = ", ".join(name for name in OPERATIONS[request.service] if name in HANDLERS)
    asked = request.operation or f"{request.method} {request.path}"
    raise ServiceError("UnknownOperationException", f"The emulator has {names}, but no {asked}")


def check_target(request: ResolvedRequest, emulator: Emulator) -> None:
    """Check path, query and headers, before the body is read."""
    if request.service == "s3":
        bucket_api.check_target(request, emulator)
    elif request.service in BEDROCK_ROUTES:
        check_address(request)


def apply_response_fault(response: Response, fault: str, request: Request) -> Response:
    """Cut a response's body short, or replace the response by an error, after the request has been carried out."""
    if fault in STREAM_ENDS:
        # The APIs of providers answer whole or as a stream, by one operation.
        if not isinstance(response.body, EventStreamBody | ServerSentBody):
            return response
        end = STREAM_ENDS[fault]
        error = ServiceError(*end) if end else ConnectionResetError()
        return replace(response, body=response.body.interrupt(error))
    if fault == "broken-read":
        return replace(response, body=TruncatedBody(response.body))
    # The request has been carried out: a client that repeats it meets its effects.
    response.body.close()
    raise refusal("internal-error", request)


def refusal(fault: str, request: Request) -> ServiceError:
    """Return the error for a fault, with class and words of the request's service."""
    of_bedrock, of_s3 = REFUSALS[fault]
    return ServiceError(*(of_s3 if request.service == "s3" else of_bedrock))
