"""AWS: sessions for a profile, and clients that retry and say so. The profile `emulator` is an account in a folder."""

from __future__ import annotations

import difflib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSOError,
    TokenRetrievalError,
)
from botocore.loaders import Loader, create_loader

from analysis.aws.cures import CONFIGURATION, check_response, find_cure
from analysis.errors import StorageError, escape_controls

if TYPE_CHECKING:
    import boto3
    from types_boto3_bedrock import BedrockClient
    from types_boto3_bedrock_runtime import BedrockRuntimeClient
    from types_boto3_pricing import PricingClient
    from types_boto3_s3 import S3Client
    from types_boto3_service_quotas import ServiceQuotasClient

EMULATOR = "emulator"
EMULATOR_BUCKET = "batchbook"  # in each Region by a name of its own, from `name_emulator_bucket`
EMULATOR_REGION = "us-east-1"
EMULATOR_ROLE = "arn:aws:iam::123456789012:role/batchbook"
CONNECTIONS = 32  # of one client to one service
# Temporary errors: trying again later helps. Other errors of botocore (no credentials, a wrong parameter) stay.
NETWORK_ERRORS = (
    HTTPClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ProxyConnectionError,
)
CREDENTIAL_ERRORS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)
# Error codes that mean "try again later" and that some services send with a status below 500.
BUSY = frozenset(
    {
        "ThrottlingException",
        "ServiceUnavailableException",
        "InternalServerException",
        "InternalFailure",
        "RequestTimeout",
    }
)
SILENT_S, REPEAT_S = 5, 60  # seconds of failing until the first notice, and between two notices


def open_session(profile: str = "", *, region: str = "") -> boto3.Session:
    """Open a boto3 session.

    Parameters
    ----------
    profile
        A profile of the AWS configuration; empty for boto3's default; `emulator` for Amazon Bedrock in a folder.
    region
        AWS region; empty for the profile's own.

    Raises
    ------
    StorageError
        No such profile or region, or the AWS configuration cannot be read.
    """
    if profile == EMULATOR:
        return open_emulator(region or EMULATOR_REGION)
    import boto3
    import botocore.session

    with configuration_errors(profile):
        core = botocore.session.Session(profile=profile or None)
        core.register_component("data_loader", share_loader(core.get_config_variable("data_path")))
        session = boto3.Session(region_name=region or None, botocore_session=core)
        check_region(session)
    return session


@cache
def share_loader(data_path: str | None) -> Loader:
    """Make the loader of service models that all sessions share: to parse those of one takes a third of a second."""
    return create_loader(data_path)


def check_region(session: boto3.Session) -> None:
    """Raise for a region that AWS does not have: its name may resolve all the same, and a run would be sent there."""
    region = session.region_name
    # Another service may call its region as it likes.
    if not region or any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
        return
    known = {
        each
        for partition in session.get_available_partitions()
        for service in ("ec2", "s3")
        for each in session.get_available_regions(service, partition)
    }
    if region not in known:
        near = ", ".join(difflib.get_close_matches(region, sorted(known)))
        cure = f"did you mean {near}? " if near else "write it as AWS does, such as us-east-1; "
        raise StorageError(f"region {region!r}", "AWS has no such region", f"{cure}a new one needs a newer boto3")


@contextmanager
def configuration_errors(profile: str) -> Iterator[None]:
    """Convert errors of the AWS configuration to a StorageError with a cure."""
    try:
        yield
    except (BotoCoreError, ValueError) as error:  # ValueError: AWS_ENDPOINT_URL is none
        reason, cure = find_cure(error)
        raise StorageError(f"profile {profile!r}", reason, cure or CONFIGURATION) from error


def open_emulator(region: str) -> boto3.Session:
    """Open the emulator's session in a Region; its bucket there, such as `batchbook`, is there from the start."""
    import bedrock_local

    try:
        session = bedrock_local.open_session(emulator_folder(), region_name=region)
        s3, name = make_client(session, "s3"), name_emulator_bucket(region)
        if name not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            # S3 takes the name of every Region as a place but that of us-east-1.
            place: Any = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            with suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # by another process, in the meantime
                s3.create_bucket(Bucket=name, **({} if region == EMULATOR_REGION else place))
    except ClientError as error:  # faults that its settings ask for
        raise StorageError("the emulator", *find_cure(error)) from error
    except ValueError as error:  # its settings cannot be read, which the text says in full
        raise StorageError("the emulator", str(error)) from error
    return session


def name_emulator_bucket(region: str) -> str:
    """Return the name of the emulator's own bucket in a Region."""
    return EMULATOR_BUCKET if region in {"", EMULATOR_REGION} else f"{EMULATOR_BUCKET}-{region}"


def emulator_folder() -> Path:
    """Return the folder of the emulator: `$BEDROCK_LOCAL`, or `.bedrock_local` in the home folder."""
    return Path(os.environ.get("BEDROCK_LOCAL") or Path.home() / ".bedrock_local")


def read_answering() -> dict[str, Any]:
    """Read from the emulator's settings what answers there now: `responder`, `model` of an endpoint, and `faults`.

    The responder is `extract`, `endpoint`, `recorded` or `worker`. The address of an endpoint and the path of a file
    are left out: a report is read by others.
    """
    from bedrock_local.responders.selection import find_kind
    from bedrock_local.settings import read_settings

    settings = read_settings(emulator_folder())
    kind = find_kind(settings.responder)
    model = settings.responder_model if kind == "endpoint" else ""
    return {"responder": kind, "model": model, "faults": {name: rate for name, rate in settings.faults.items() if rate}}


def find_region(profile: str, region: str) -> str:
    """Return `region`, or where it is empty the profile's or the environment's; empty where none is configured."""
    configured = open_session(profile, region=region).region_name  # raises for a region that AWS does not have
    return region or str(configured or "")


def find_account_id(session: boto3.Session) -> str:
    """Ask STS for the number of the caller's account; empty where that is denied or cannot be asked."""
    return read_identity(session).get("Account", "")


def name_account(session: boto3.Session) -> str:
    """Name the caller's account: its number, or `emulator:` and the id of an emulator's folder; empty where unknown."""
    identity = read_identity(session)
    # The emulator has a number too, which is nobody's: its folders would be one account, and that of AWS.
    user = identity.get("UserId", "")
    return user if user.startswith(f"{EMULATOR}:") else identity.get("Account", "")


def read_identity(session: boto3.Session) -> dict[str, str]:
    """Ask STS who the caller is; empty where that is denied or cannot be asked."""
    from botocore.config import Config

    # Some networks reach S3 and Bedrock and not STS: a run does without, after some seconds.
    config = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=5)
    try:
        identity = session.client("sts", config=config).get_caller_identity()
    # What is wrong with credentials or region is said by the request that needs them.
    except (BotoCoreError, ClientError):
        return {}
    return {name: identity[name] for name in ("Account", "UserId") if name in identity}


@overload
def make_client(session: boto3.Session, service: Literal["bedrock"], *, region: str = "") -> BedrockClient: ...
@overload
def make_client(
    session: boto3.Session, service: Literal["bedrock-runtime"], *, region: str = ""
) -> BedrockRuntimeClient: ...
@overload
def make_client(session: boto3.Session, service: Literal["pricing"], *, region: str = "") -> PricingClient: ...
@overload
def make_client(session: boto3.Session, service: Literal["s3"], *, region: str = "") -> S3Client: ...
@overload
def make_client(
    session: boto3.Session, service: Literal["service-quotas"], *, region: str = ""
) -> ServiceQuotasClient: ...
def make_client(session: boto3.Session, service: Any, *, region: str = "") -> Any:
    """Make a client that retries adaptively and waits up to an hour for a model; in the session's region by default.

    While a service is busy or the network is down, requests are repeated for a while, and a printed line says so.

    Raises
    ------
    StorageError
        No region is known, or the AWS configuration or its credentials cannot be used.
    """
    from botocore.config import Config

    # The Nova guide asks for read timeouts of an hour; elsewhere a minute of silence is a connection that is gone.
    read_timeout_s = 3600 if service == "bedrock-runtime" else 60
    config = Config(
        retries={"mode": "adaptive", "total_max_attempts": 10},
        read_timeout=read_timeout_s,
        max_pool_connections=CONNECTIONS,
    )
    with configuration_errors(session.profile_name):
        client = session.client(service, config=config, region_name=region or session.region_name)
    client.meta.events.register("response-received", RetryNotice())
    if service in ("s3", "bedrock", "bedrock-runtime"):
        client.meta.events.register("before-parse", check_response)
    return client


@dataclass
class Outage:
    """When an operation began to fail, and when that was last reported, in seconds of `RetryNotice.now`."""

    since: float
    reported: float | None = None


@dataclass
class RetryNotice:
    """Prints a line while requests of a client keep failing: botocore repeats them silently, for minutes.

    Attributes
    ----------
    say, now
        Prints a line, and returns the time in seconds.
    troubles
        By operation, of those whose last attempt failed.
    """

    say: Callable[[str], None] = lambda line: print_beside_bars(line)
    now: Callable[[], float] = time.monotonic
    outages: dict[str, Outage] = field(default_factory=dict)

    def __call__(
        self,
        event_name: str,
        parsed_response: Mapping[str, Any] | None = None,
        exception: Exception | None = None,
        **_: object,
    ) -> None:
        """Record the result of one attempt; botocore calls this after each."""
        service, operation = event_name.split(".")[-2:]
        reason, now = describe_outage(parsed_response, exception), self.now()
        if not reason:
            ended = self.outages.pop(operation, None)
            if ended and ended.reported is not None:
                self.say(f"{operation} of {service} works again.")
            return
        outage = self.outages.setdefault(operation, Outage(now))
        waited = now - outage.since
        if waited >= SILENT_S and (outage.reported is None or now - outage.reported >= REPEAT_S):
            outage.reported = now
            self.say(f"{operation} of {service} has failed for {waited:.0f} s and is repeated: {reason}")


def describe_outage(response: Mapping[str, Any] | None, error: Exception | None) -> str:
    """Return the code and message of a temporary error; empty for a success and for a permanent error."""
    if error is not None:
        return str(error) if is_passing(error) else ""
    if response is None or not is_busy(response):
        return ""
    given = response.get("Error", {})
    return f"{given.get('Code', 'busy')}: {given.get('Message', 'no message')}"


def print_beside_bars(line: str) -> None:
    """Print a line without breaking a progress bar; what a terminal would obey, or cannot show, is escaped."""
    from tqdm import tqdm

    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    tqdm.write(escape_controls(line).encode(encoding, "backslashreplace").decode(encoding), file=sys.stdout)


def is_passing(error: BaseException | None) -> bool:
    """Return whether an error is temporary: a busy service, or a network that is down."""
    return is_busy(error.response) if isinstance(error, ClientError) else isinstance(error, NETWORK_ERRORS)


def is_busy(response: Mapping[str, Any]) -> bool:
    """Return whether a response means "try again later"."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return response.get("Error", {}).get("Code") in BUSY or status == 429 or status >= 500


def default_pause_s(profile: str) -> float:
    """Return the seconds between two status requests."""
    # The emulator works on its jobs while it answers a request.
    return 0.1 if profile == EMULATOR else 30.0
