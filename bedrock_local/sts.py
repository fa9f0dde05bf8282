"""Who is calling: the one operation of AWS STS that scripts ask first.

Source: AWS Security Token Service API Reference, GetCallerIdentity.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from bedrock_local.emulator import ACCOUNT, Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.messages import Request, Response, read_all

SPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def handle(_: str, request: Request, emulator: Emulator) -> Response:
    """Say that the account's root user calls, whoever does."""
    wish = parse_qs((read_all(request.body, 10_000) or b"").decode("latin-1"))
    if wish.get("Action") != ["GetCallerIdentity"]:
        raise ServiceError("UnknownOperationException", "The emulator has GetCallerIdentity of sts, and nothing else")
    arn = f"arn:{emulator.partition}:iam::{ACCOUNT}:root"
    caller = f"<Arn>{arn}</Arn><UserId>{ACCOUNT}</UserId><Account>{ACCOUNT}</Account>"
    answer = f"<GetCallerIdentityResult>{caller}</GetCallerIdentityResult>"
    body = f'<GetCallerIdentityResponse xmlns="{SPACE}">{answer}</GetCallerIdentityResponse>'
    return Response(200, {"content-type": "text/xml"}, body.encode())
