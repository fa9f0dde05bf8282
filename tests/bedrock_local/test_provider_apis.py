"""The Messages API and Chat Completions over HTTP: the answers are those of InvokeModel to the same body."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection, IncompleteRead

import pytest

from bedrock_local.settings import change_settings

from .test_runtime import BODY, CHAT, MODEL
from .test_streams import OPENAI, join_anthropic

MESSAGES, COMPLETIONS = "/anthropic/v1/messages", "/openai/v1/chat/completions"
OWN = {name: value for name, value in BODY.items() if name != "anthropic_version"}
KEY = {"authorization": "Bearer bedrock-api-key-abc"}
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def post(server):
    """Send JSON; give status, type and body of the answer."""

    def send(path, body, headers=KEY | VERSION, method="POST"):
        with closing(HTTPConnection("127.0.0.1", server.port)) as connection:
            connection.request(method, path, json.dumps(body), {"content-type": "application/json", **headers})
            with connection.getresponse() as response:
                return response.status, response.getheader("content-type"), response.read()

    return send


def invoke(client_of, model_id, body):
    return json.loads(client_of("bedrock-runtime").invoke_model(modelId=model_id, body=json.dumps(body))["body"].read())


def read_events(content):
    """Read server-sent events: name and data of each."""
    found = []
    for block in content.decode().removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event"), fields["data"]))
    return found


@pytest.mark.parametrize("credentials", [KEY, {"x-api-key": "abc"}, {}])
def test_a_message_is_answered_as_by_invoke_model(post, client_of, credentials):
    status, kind, content = post(MESSAGES, {"model": MODEL, **OWN}, credentials | VERSION)
    assert (status, kind) == (200, "application/json")
    assert json.loads(content) == invoke(client_of, MODEL, BODY)


def test_a_completion_is_answered_as_by_invoke_model(post, client_of):
    status, kind, content = post(COMPLETIONS, {"model": OPENAI, **CHAT}, KEY)
    assert (status, kind) == (200, "application/json")
    assert json.loads(content) == invoke(client_of, OPENAI, CHAT)


def test_a_stream_of_events_is_the_message(post, client_of):
    status, kind, content = post(MESSAGES, {"model": MODEL, "stream": True, **OWN})
    assert (status, kind) == (200, "text/event-stream; charset=utf-8")
    events = [(name, json.loads(data)) for name, data in read_events(content)]
    assert all(name == data["type"] for name, data in events)
    assert events[-1] == ("message_stop", {"type": "message_stop"})
    assert join_anthropic([data for _, data in events]) == invoke(client_of, MODEL, BODY)


@pytest.mark.parametrize("has_usage", [True, False])
def test_a_stream_of_chunks_is_the_completion(post, client_of, has_usage):
    wish = {"stream": True, "stream_options": {"include_usage": has_usage}}
    _, kind, content = post(COMPLETIONS, {"model": OPENAI, **CHAT, **wish}, KEY)
    assert kind == "text/event-stream; charset=utf-8"
    *events, end = read_events(content)
    assert end == (None, "[DONE]")
    chunks = [json.loads(data) for _, data in events]
    whole = invoke(client_of, OPENAI, CHAT)
    counted = [chunk["usage"] for chunk in chunks if "usage" in chunk]
    assert counted == ([whole["usage"]] if has_usage else [])
    deltas = [choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]]
    assert "".join(deltas) == whole["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("change", "headers", "status", "kind", "text"),
    [
        ({"model": "anthropic.none"}, VERSION, 404, "not_found_error", "model: anthropic.none"),
        ({"model": None}, VERSION, 400, "invalid_request_error", "model: Field required"),
        ({"model": OPENAI}, VERSION, 400, "invalid_request_error", "not supported by this API"),
        ({"max_tokens": None}, VERSION, 400, "invalid_request_error", "max_tokens: "),
        ({"stream": "yes"}, VERSION, 400, "invalid_request_error", "stream: Input should be a valid boolean"),
        ({}, {}, 400, "invalid_request_error", "anthropic-version: header is required"),
        ({"anthropic_version": "x"}, VERSION, 400, "invalid_request_error", "Extra inputs are not permitted"),
        ({"model": MODEL.removeprefix("us.")}, VERSION, 400, "invalid_request_error", "on-demand throughput"),
    ],
)
def test_a_message_is_refused_as_anthropic_refuses(post, change, headers, status, kind, text):
    answer = post(MESSAGES, {"model": MODEL, **OWN} | change, KEY | headers)
    error = json.loads(answer[2])
    assert (answer[0], error["type"], error["error"]["type"]) == (status, "error", kind)
    assert error["request_id"]
    assert text in error["error"]["message"]


def test_a_completion_is_refused_as_openai_refuses(post):
    status, _, content = post(COMPLETIONS, {"model": OPENAI}, KEY)
    error = json.loads(content)["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert "messages" in error["message"]


@pytest.mark.parametrize("path", ["/anthropic/v1/models", "/openai/v1/files"])
def test_what_these_apis_lack_is_refused_by_its_name(post, path):
    status, _, content = post(path, {}, method="GET")
    assert status == 404
    assert f"but no GET {path}" in json.loads(content)["error"]["message"]


def test_a_request_with_a_key_is_never_one_to_s3(post):
    status, _, content = post("/guardrails", {})
    assert status == 404
    assert "no POST /guardrails" in json.loads(content)["message"]


def test_faults_come_in_the_words_of_the_api(post, server):
    change_settings(server.emulator.folder, faults={"throttled": 1})
    status, _, content = post(MESSAGES, {"model": MODEL, **OWN})
    assert (status, json.loads(content)["error"]["type"]) == (429, "rate_limit_error")


def test_an_error_in_the_middle_is_the_last_event(post, server):
    def responder(_):
        raise AssertionError

    def stream(_):
        yield "a piece "
        raise ValueError

    responder.stream = stream
    object.__setattr__(server.emulator, "responder", responder)
    (name, data) = read_events(post(MESSAGES, {"model": MODEL, "stream": True, **OWN})[2])[-1]
    assert (name, json.loads(data)["error"]["type"]) == ("error", "api_error")
    (_, data) = read_events(post(COMPLETIONS, {"model": OPENAI, "stream": True, **CHAT})[2])[-1]
    assert json.loads(data)["error"]["type"] == "server_error"


KINDS = {
    "stream-throttled": "rate_limit_error",
    "stream-model-error": "api_error",
    "stream-timeout": "api_error",
    "stream-invalid": "invalid_request_error",
    "stream-internal-error": "api_error",
    "stream-unavailable": "overloaded_error",
}


@pytest.mark.parametrize(("fault", "kind"), KINDS.items())
def test_a_fault_is_the_fourth_event_of_a_message(post, server, fault, kind):
    change_settings(server.emulator.folder, faults={f"{fault}:CreateMessage": 1})
    status, _, content = post(MESSAGES, {"model": MODEL, "stream": True, **OWN})
    *events, (name, data) = read_events(content)
    assert (status, len(events), name) == (200, 3, "error")
    assert json.loads(data)["error"]["type"] == kind


def test_a_fault_is_the_fourth_event_of_a_completion(post, server):
    change_settings(server.emulator.folder, faults={"stream-unavailable": 1})
    *events, (_, data) = read_events(post(COMPLETIONS, {"model": OPENAI, "stream": True, **CHAT}, KEY)[2])
    assert len(events) == 3
    assert json.loads(data)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("path", "body"), [(MESSAGES, {"model": MODEL, **OWN}), (COMPLETIONS, {"model": OPENAI, **CHAT})]
)
def test_a_connection_ends_half_way_through_events(post, server, path, body):
    change_settings(server.emulator.folder, faults={"stream-cut": 1})
    with pytest.raises(IncompleteRead) as caught:
        post(path, body | {"stream": True})
    assert len(read_events(caught.value.partial)) == 3
    assert post(path, body)[0] == 200  # whole, it is no stream


def test_a_key_is_as_good_as_a_signature(post):
    # Not by boto3, which sends no key without TLS.
    said = [{"role": "user", "content": [{"text": "my card is lost"}]}]
    assert post(f"/model/{MODEL}/converse", {"messages": said}, KEY)[0] == 200
    status, _, content = post("/model-invocation-jobs", None, KEY, method="GET")
    assert (status, json.loads(content)) == (200, {"invocationJobSummaries": []})
