"""AWS: sessions for a profile, and clients with patience. The profile `emulator` is an account in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, HTTPClientError, IncompleteReadError

from analysis.errors import StorageError

EMULATOR = "emulator"
EMULATOR_BUCKET = "batchbook"
EMULATOR_ROLE = "arn:aws:iam::123456789012:role/batchbook"
CONNECTIONS = 32  # of one client to one service
# These pass by themselves; what else botocore raises (no credentials, a wrong parameter) does not.
NETWORK_ERRORS = (HTTPClientError, ConnectTimeoutError, EndpointConnectionError, IncompleteReadError)


def open_session(profile: str = "", *, region: str = "") -> Any:
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
        No such profile.
    """
    if profile == EMULATOR:
        return open_emulator()
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        return boto3.Session(profile_name=profile or None, region_name=region or None)
    except ProfileNotFound as error:
        raise StorageError(f"profile {profile!r}", str(error), "see `aws configure list-profiles`") from error


def open_emulator() -> Any:
    """Open the emulator's session; its bucket `batchbook` is there from the start."""
    import bedrock_local

    session = bedrock_local.open_session(emulator_folder())
    s3 = session.client("s3")
    if EMULATOR_BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=EMULATOR_BUCKET)
    return session


def emulator_folder() -> Path:
    """Say where the emulator keeps its objects and jobs: `$BEDROCK_LOCAL`, or `.bedrock_local` in the home folder."""
    return Path(os.environ.get("BEDROCK_LOCAL") or Path.home() / ".bedrock_local")


def find_region(profile: str, region: str) -> str:
    """Say which region is meant when none is named: the profile's, or that of the environment."""
    return region or str(open_session(profile).region_name or "")


def make_client(session: Any, service: str, *, region: str = "") -> Any:
    """Make a client that slows down when told to, and waits for slow models; in the session's region unless named."""
    from botocore.config import Config

    retries = {"mode": "adaptive", "total_max_attempts": 10}
    # The Nova guide asks for read timeouts of an hour; elsewhere a minute of silence is a connection that is gone.
    read_timeout_s = 3600 if service == "bedrock-runtime" else 60
    config = Config(retries=retries, read_timeout=read_timeout_s, max_pool_connections=CONNECTIONS)
    return session.client(service, config=config, region_name=region or session.region_name)


def default_pause_s(profile: str) -> float:
    """Seconds between two looks at a job: the emulator's jobs move only when somebody asks."""
    return 0.1 if profile == EMULATOR else 30.0
