from __future__ import annotations

import io

import pytest

from bedrock_local import dispatch, emulator
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.messages import Request
from bedrock_local.protocol.routing import OPERATIONS, PROVIDER_ROUTES


def send(folder, service, method, path, headers=(), body=b""):
    request = Request(service, method, "localhost", path, {}, dict(headers), io.BytesIO(body))
    return dispatch.handle(request, Emulator(folder))


def test_every_handler_can_be_reached_by_a_route():
    of_providers = {name for routes in PROVIDER_ROUTES.values() for _, _, name in routes}
    assert dispatch.HANDLERS.keys() <= of_providers.union(*OPERATIONS.values())


@pytest.mark.parametrize("path", ["/model-invocation-jobs", "/model-invocation-job/abcdefghijkl"])
def test_a_request_reads_the_settings_once(folder, monkeypatch, path):
    read, read_settings = [], emulator.read_settings
    monkeypatch.setattr(emulator, "read_settings", lambda folder: read.append(folder) or read_settings(folder))
    send(folder, "bedrock", "GET", path)
    assert len(read) == 1


@pytest.mark.parametrize("body", [b"Action=AssumeRole", b"Action=..%2F..%2Fx", b"", bytes(20_000)])
def test_another_action_of_a_form_is_refused(folder, body):
    response = send(folder, "sts", "POST", "/", {"content-type": "application/x-www-form-urlencoded"}, body)
    assert response.status == 404
    assert b"The emulator has GetCallerIdentity, but no POST /" in b"".join(response.body)
