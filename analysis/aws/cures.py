"""Cures: what errors of S3, of botocore and of the AWS configuration mean, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis.errors import StorageError

CONNECTION_ERRORS = (ConnectionError, TimeoutError)
AGAIN = "check the network, then run it again: files that were downloaded are kept"
SIGN_IN = "sign in to AWS again (`aws sso login`, `aws configure`), or work on the emulator"
ALLOW = (
    "the profile needs s3:ListBucket on the bucket, s3:GetObject and s3:PutObject on its objects, and its KMS key; "
    "for a bucket of another account, give bucket_owner"
)
NOTHING = "check the spelling, upper and lower case included"
REGION = "give the region of the bucket: `aws s3api get-bucket-location --bucket NAME` tells it, and jobs need the same"
BUSY = ("the service is busy, or fails for the moment", "wait a while, then run it again: nothing is sent twice")
PROXY = "check HTTPS_PROXY and NO_PROXY, and whether the proxy wants you to sign in"
CONFIGURATION = "correct ~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE: `aws configure list` reads them too"
REQUEST_IDS = frozenset({"x-amz-request-id", "x-amzn-requestid", "x-amz-id-2"})
# By the code of the service, which for a HEAD of S3 is its status, or the class of botocore's error.
CURES = {
    "NoSuchBucket": ("no such bucket", "check the spelling and the account of the profile"),
    "InvalidBucketName": ("not a bucket's name", "write s3://bucket/key"),
    "NoSuchKey": ("no such object", NOTHING),
    "404": ("no such object", NOTHING),
    "AccessDenied": ("access denied", ALLOW),
    "403": ("access denied", ALLOW),
    "InvalidBucketOwnerAWSAccountID": ("bucket_owner is not the number of an account", "give its 12 digits"),
    "PreconditionFailed": ("the object changed since it was listed", "list and fetch it again"),
    "RequestTimeTooSkewed": (
        "this machine's clock differs from that of S3 by more than 15 minutes",
        "set it (`timedatectl set-ntp true`, or your system's settings for the time), then run it again",
    ),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError", "503", "500"), BUSY),
    "PermanentRedirect": ("the bucket is in another region", REGION),
    "301": ("the bucket is in another region", REGION),
    "IllegalLocationConstraintException": ("the bucket is in another region", REGION),
    "IncompleteReadError": ("the connection breaks off repeatedly", AGAIN),
    "ResponseStreamingError": ("the connection breaks off repeatedly", AGAIN),
    "ReadTimeoutError": ("S3 stops responding repeatedly", AGAIN),
    "FlexibleChecksumError": ("the downloaded bytes do not match their checksum", AGAIN),
    "ExpiredToken": ("the credentials have expired", SIGN_IN),
    "InvalidAccessKeyId": ("AWS does not know the access key", SIGN_IN),
    "SignatureDoesNotMatch": ("the secret key does not belong to the access key", SIGN_IN),
    "NoRegionError": ("no region is known", "name one, such as us-east-1, or give the profile one by `aws configure`"),
    "NoCredentialsError": ("no AWS credentials", SIGN_IN),
    "TokenRetrievalError": ("the credentials have expired", SIGN_IN),
    "SSOTokenLoadError": ("not signed in", SIGN_IN),
    "UnauthorizedSSOTokenError": ("the credentials have expired", SIGN_IN),
    "InvalidRegionError": ("AWS has no region of this name", "write it as AWS does, such as us-east-1"),
    "EndpointConnectionError": ("S3 cannot be reached", "check the network, the region and AWS_ENDPOINT_URL"),
}
# Where botocore's own words say what is wrong, by the class of its error.
CURES_ALONE = {
    "CredentialRetrievalError": "run the command of credential_process, or `aws sso login`, in a terminal to see why",
    "ConfigParseError": CONFIGURATION,
    "ConfigNotFound": CONFIGURATION,
    "InvalidConfigError": CONFIGURATION,
    "InvalidS3AddressingStyleError": CONFIGURATION,
    "PartialCredentialsError": CONFIGURATION,
    "InfiniteLoopConfigError": CONFIGURATION,
    "ProfileNotFound": "see `aws configure list-profiles`",
    "SSOError": SIGN_IN,
    "UnknownRegionError": "write the region as AWS does, such as us-east-1",
    "ProxyConnectionError": PROXY,
    "InvalidProxiesConfigError": PROXY,
    "SSLError": "a proxy may have its own certificate: AWS_CA_BUNDLE names the file of those to trust",
    "ConnectTimeoutError": "check the network, the region and HTTPS_PROXY",
}


def find_cure(error: Exception) -> tuple[str, str]:
    """Return what an error of botocore or S3 means and what helps; its own words and no cure where that is unknown."""
    if isinstance(error, ClientError):
        return explain_refusal(error.response)
    if isinstance(error, find_parser_error()):
        return "the response is not one of AWS", PROXY
    names = [each.__name__ for each in type(error).__mro__]
    if found := next((CURES[name] for name in names if name in CURES), None):
        return found
    return str(error), next((CURES_ALONE[name] for name in names if name in CURES_ALONE), "")


def find_parser_error() -> type[Exception]:
    """Return the class of botocore's error for a body that it cannot parse, whose module takes long to import."""
    from botocore.parsers import ResponseParserError

    return ResponseParserError


def check_response(event_name: str, response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse what no service of AWS sent, such as the login page of a proxy; botocore calls this for each response.

    Parsed as a list of objects, such a page is an empty one.

    Raises
    ------
    StorageError
        Names the operation, and what to look at.
    """
    headers, status = response_dict["headers"], response_dict["status_code"]
    service, operation = event_name.split(".")[-2:]
    is_page = str(headers.get("content-type", "")).startswith("text/html")
    # Storage that speaks S3 may not number its responses; load balancers of AWS do not where they are busy.
    if status < 500 and not REQUEST_IDS & {name.lower() for name in headers} and (is_page or service != "s3"):
        what = "a page of HTML" if is_page else "no response of AWS"
        reason = f"got {what} (status {status}), as from a proxy that wants you to sign in"
        raise StorageError(f"{operation} of {service}", reason, PROXY)


def explain_refusal(response: Mapping[str, Any]) -> tuple[str, str]:
    """Return what the error in a response of S3 means and what helps."""
    given = response.get("Error", {})
    code, message = given.get("Code", ""), given.get("Message", "no message")
    # Where a request is signed for another region, S3 names the right one in one of these places.
    named = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    region = given.get("Region") or (named if code in {"PermanentRedirect", "301"} else "")
    if region:
        return f"the bucket is in region {region}", f"give region={region!r}: jobs and bucket need the same"
    if code.startswith("KMS."):
        return f"its KMS key cannot be used ({code}: {message})", "check kms_key_id, and the caller's rights on the key"
    reason, cure = CURES.get(code, (f"{code}: {message}" if code else message, ""))
    # S3 may say who lacks which right, on the bucket or on its key.
    return (f"{reason}: {message}" if "not authorized" in message and message not in reason else reason), cure


@contextmanager
def s3_errors(uri: str) -> Iterator[None]:
    """Convert errors of S3, the network and the local disk to a StorageError with a cure."""
    try:
        yield
    except (BotoCoreError, ClientError, *CONNECTION_ERRORS) as error:
        raise StorageError(uri, *find_cure(error)) from error
    except OSError as error:
        reason = f"the local copy cannot be read or written ({error.strerror})"
        raise StorageError(uri, reason, "check free space and permissions of its folder") from error
    except Exception as error:
        if not isinstance(error, find_parser_error()):
            raise
        raise StorageError(uri, *find_cure(error)) from error
