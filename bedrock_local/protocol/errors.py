"""Errors of the services, with the class, status and form on the wire that AWS uses.

Sources: the error lists of the service models in botocore; Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from bedrock_local.protocol.messages import BytesBody, Response

STATUS = {
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "TooManyTagsException": 400,
    "UnknownOperationException": 404,
    "ValidationException": 400,
}

S3_STATUS = {
    "AccessDenied": 403,
    "BadDigest": 400,
    "BadRequest": 400,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IllegalLocationConstraintException": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidBucketOwnerAWSAccountID": 400,
    "InvalidEncryptionAlgorithmError": 400,
    "InvalidLocationConstraint": 400,
    "InvalidPart": 400,
    "InvalidPartNumber": 416,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidTag": 400,
    "InvalidURI": 400,
    "KMS.NotFoundException": 400,
    "KeyTooLongError": 400,
    "MalformedPolicy": 400,
    "MalformedXML": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "NoSuchBucket": 404,
    "NoSuchBucketPolicy": 404,
    "NoSuchCORSConfiguration": 404,
    "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchPublicAccessBlockConfiguration": 404,
    "NoSuchTagSet": 404,
    "NoSuchUpload": 404,
    "NotFound": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "OwnershipControlsNotFoundError": 404,
    "PreconditionFailed": 412,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
}


# Names in S3 of errors that requests to any service can get.
S3_WORDS = {"AccessDeniedException": "AccessDenied", "InternalServerException": "InternalError"}


class ServiceError(Exception):
    """An error that is returned to the client.

    Attributes
    ----------
    code
        The error class, as boto3 shows it in `error.response["Error"]["Code"]`.
    message
        What the client reads.
    details
        Further elements of the error body, such as `Key` of a missing object.
    """

    def __init__(self, code: str, message: str, **details: str) -> None:
        super().__init__(code, message)
        self.code, self.message, self.details = code, message, details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def status(self) -> int:
        """The HTTP status that goes with the class."""
        return STATUS.get(self.code) or S3_STATUS[self.code]


class SettingsError(ValueError):
    """The settings, or a file that they name, cannot be used; the text says how to correct them."""


def json_error(error: ServiceError) -> Response:
    """Write an error as REST-JSON services do: the class in a header, the message in the body."""
    headers = {"content-type": "application/json", "x-amzn-ErrorType": error.code}
    # Not msgspec, which refuses lone surrogates that a message may quote.
    return Response(error.status, headers, BytesBody(json.dumps({"message": error.message}).encode()))


def json_rpc_error(error: ServiceError) -> Response:
    """Write an error as services of JSON 1.0 and 1.1 do: the class and the message in the body."""
    content = {"__type": error.code, "message": error.message}
    return Response(error.status, {"content-type": "application/json"}, BytesBody(json.dumps(content).encode()))


def xml_error(error: ServiceError, *, method: str) -> Response:
    """Write an error as S3 does: an XML body, and none for HEAD or 304."""
    if method == "HEAD" or error.status == 304:
        return Response(error.status)
    fields = {"Code": S3_WORDS.get(error.code, error.code), "Message": error.message, **error.details}
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inside}</Error>'
    return Response(error.status, {"content-type": "application/xml"}, BytesBody(body.encode()))


def form_error(error: ServiceError) -> Response:
    """Write an error as services do whose requests are forms, such as STS."""
    inside = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    body = f"<ErrorResponse><Error>{inside}</Error></ErrorResponse>"
    return Response(error.status, {"content-type": "text/xml"}, BytesBody(body.encode()))


def incomplete_body() -> ServiceError:
    """Return the error for a body that is shorter than announced, or not encoded as announced."""
    return ServiceError("IncompleteBody", "The request body terminated unexpectedly")
