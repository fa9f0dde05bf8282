"""Checks of the account: credentials, and the Region of the jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from analysis.aws.session import CREDENTIAL_ERRORS, EMULATOR, is_passing
from analysis.runs.doctor.findings import REFUSALS, Finding, explain, make_quick_client

BEARER = "AWS_BEARER_TOKEN_BEDROCK"


def check_credentials(session: Any) -> tuple[list[Finding], str]:
    """Ask STS who the caller is; return the findings and the account, which is empty where it is not told."""
    try:
        identity = make_quick_client(session, "sts").get_caller_identity()
    except REFUSALS as error:
        reason, cure = explain(error)
        if isinstance(error, CREDENTIAL_ERRORS) or (isinstance(error, ClientError) and not is_passing(error)):
            return [Finding("credentials", "error", reason, cure)], ""
        # Some networks reach S3 and Bedrock, and not STS.
        return [Finding("credentials", "unknown", f"STS cannot be asked: {reason}", cure)], ""
    account = str(identity["Account"])
    if str(identity.get("UserId", "")).startswith(f"{EMULATOR}:"):
        return [Finding("credentials", "ok", f"the emulator, account {account}: nothing is charged")], account
    return [Finding("credentials", "ok", f"account {account}, as {identity['Arn']}"), *check_api_key()], account


def check_api_key() -> Iterator[Finding]:
    """Find an API key of Bedrock in the environment, which boto3 uses instead of the profile.

    Source: "API keys", Amazon Bedrock User Guide; that its user lacks iam:PassRole was seen in use.
    """
    if os.environ.get(BEARER):
        detail = f"{BEARER} is set: Bedrock then sees the user of that API key, who usually may not pass a role"
        yield Finding("credentials", "warning", detail, f"unset {BEARER} for batch jobs")


def check_region(session: Any) -> Finding:
    """Check that a Region is known; that AWS has it was checked as the session was opened."""
    region = str(session.region_name or "")
    if not region:
        cure = "give one, such as us-east-1, or the profile one by `aws configure`"
        return Finding("region", "error", "none is given, and the profile has none", cure)
    return Finding("region", "ok", region)
