"""AWS STS: GetCallerIdentity, which scripts call first.

Source: AWS Security Token Service API Reference, GetCallerIdentity.
"""

from __future__ import annotations

from bedrock_local.emulator import Emulator
from bedrock_local.protocol.messages import BytesBody, Response
from bedrock_local.protocol.routing import ResolvedRequest

SPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def get_caller_identity(_: ResolvedRequest, emulator: Emulator) -> Response:
    """Return the account's root user, whatever the credentials of the caller are; its user id names the folder."""
    arn = f"arn:{emulator.partition}:iam::{emulator.account}:root"
    # Every folder has the same account number, so only the user tells one from another, and from AWS.
    user = f"emulator:{emulator.folder_id}"
    caller = f"<Arn>{arn}</Arn><UserId>{user}</UserId><Account>{emulator.account}</Account>"
    answer = f"<GetCallerIdentityResult>{caller}</GetCallerIdentityResult>"
    body = f'<GetCallerIdentityResponse xmlns="{SPACE}">{answer}</GetCallerIdentityResponse>'
    return Response(200, {"content-type": "text/xml"}, BytesBody(body.encode()))
