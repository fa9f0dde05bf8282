"""The door inside the process: botocore hands its requests to the emulator instead of the network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import BotoCoreError

from bedrock_local.dispatch import handle
from bedrock_local.emulator import Emulator, make_folder
from bedrock_local.inference import Responder
from bedrock_local.protocol.messages import BytesBody, FileSlice, full_headers, read_request
from bedrock_local.protocol.routing import OPERATIONS
from bedrock_local.protocol.shapes import shared_loader
from bedrock_local.settings import Settings

# What a person's own AWS set-up says has no place here: nothing is looked up, and nothing is sent elsewhere.
DEAF = {
    "config_file": os.devnull,
    "credentials_file": os.devnull,
    "defaults_mode": "legacy",
    "ignore_configured_endpoint_urls": True,
}


class NoSuchServiceError(BotoCoreError):  # type: ignore[misc]
    """A client of a service that the emulator does not have."""

    fmt = f"the emulator has {', '.join(OPERATIONS)}, but no {{service}}"


def open_session(
    folder: str | Path,
    *,
    region_name: str = "us-east-1",
    settings: Settings | None = None,
    responder: Responder | None = None,
    now: Callable[[], float] = time.time,
) -> boto3.Session:
    """Open a boto3 session whose clients talk to the emulator in a folder, and to nothing else.

    Parameters
    ----------
    folder
        Made when it is not there. Every process that opens it sees the same buckets and jobs.
    region_name
        Region of the clients and of the ARNs.
    settings
        Replace the folder's; by default they are those of its `settings.json`.
    responder
        Answers the records and requests that this process works on; the one that the settings name when missing.
    now
        The clock, in seconds since 1970.
    """
    emulator = Emulator(make_folder(Path(folder), settings), region_name, responder, now)
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    for name, value in DEAF.items():
        core.set_config_variable(name, value)
    core.register_component("data_loader", shared_loader())
    session = boto3.Session("emulator", "emulator", region_name=region_name, botocore_session=core)
    session.events.register("before-send", partial(answer_request, emulator=emulator))
    return session


def answer_request(request: AWSPreparedRequest, event_name: str, *, emulator: Emulator, **_: Any) -> AWSResponse:
    """Answer a prepared request of a client; botocore sends nothing when a handler gives a response."""
    service = event_name.split(".")[1]
    if service not in OPERATIONS:
        raise NoSuchServiceError(service=service)
    response = handle(read_request(service, request.method, request.url, request.headers, request.body), emulator)
    body = response.body if isinstance(response.body, FileSlice) else BytesBody(response.body)
    return AWSResponse(request.url, response.status, full_headers(response), body)
