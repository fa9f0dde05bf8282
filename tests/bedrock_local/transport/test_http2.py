"""Connections that begin with HTTP/2: the same answers, many at once, and nothing that a client could break."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import closing, suppress
from http.client import HTTPConnection

import hypothesis.strategies as st
import pytest
from botocore.eventstream import EventStreamBuffer
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from hyperframe.frame import GoAwayFrame
from hypothesis import HealthCheck, given, settings

from bedrock_local import serve
from bedrock_local.inference import Reply
from bedrock_local.settings import Settings, change_settings
from bedrock_local.transport.server import Handler

CONVERSE = "/model/amazon.nova-lite-v1%3A0/converse"
HELLO = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}).encode()
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Client:
    """The other side of a connection, by the library that the server uses too."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.h2, self.ended, self.left = H2Connection(), set(), {}
        self.headers, self.bodies = {}, defaultdict(bytes)
        self.h2.initiate_connection()
        self.push()

    def close(self):
        self.socket.close()

    def push(self, *frames):
        # What a server said before it hung up can still be read.
        with suppress(ConnectionError):
            self.socket.sendall(self.h2.data_to_send() + b"".join(frame.serialize() for frame in frames))

    def begin(self, method, path, *, is_whole=False, **headers):
        number = self.h2.get_next_available_stream_id()
        names = {":method": method, ":path": path, ":scheme": "http", ":authority": "localhost", **headers}
        self.h2.send_headers(number, [(name.replace("_", "-"), value) for name, value in names.items()], is_whole)
        self.push()
        return number

    def send(self, method, path, body=b"", **headers):
        number = self.begin(method, path, **headers)
        while body:
            while not (room := min(self.h2.local_flow_control_window(number), 16_384)):
                self.pull()
            self.h2.send_data(number, body[:room])
            body = body[room:]
            self.push()
        self.h2.end_stream(number)
        self.push()
        return number

    def pull(self, *, makes_room=True):
        content = self.socket.recv(65_536)
        for event in self.h2.receive_data(content):
            if isinstance(event, ResponseReceived):
                self.headers[event.stream_id] = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, DataReceived):
                self.bodies[event.stream_id] += event.data
                if makes_room:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, StreamReset | ConnectionTerminated):
                self.left[getattr(event, "stream_id", 0)] = event.error_code
        self.push()
        return content

    def read(self, number):
        while not {number, 0} & (self.ended | self.left.keys()):
            assert self.pull()
        headers = self.headers.get(number, {})
        return int(headers.pop(":status", 0)), headers, self.bodies[number]

    def ask(self, *request, **headers):
        return self.read(self.send(*request, **headers))

    def read_end(self):
        """Read until the server hangs up."""
        with suppress(ConnectionError):
            while self.pull():
                pass


@pytest.fixture
def client(server):
    with closing(Client(server.port)) as client:
        yield client


@pytest.fixture
def calls(client):
    client.ask("PUT", "/calls")


def ask_http1(server, method, path, body):
    with closing(HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()


def ask_http2(server, method, path, body):
    with closing(Client(server.port)) as client:
        return client.ask(method, path, body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b""),
        ("GET", "/model-invocation-jobs", b""),
        ("POST", CONVERSE, b"{"),
        ("POST", "/model/nobody/converse", HELLO),
        ("POST", "/model/a/invoke-with-bidirectional-stream", HELLO),
        ("HEAD", "/none", b""),
        ("GET", "/none/a", b""),
        ("DELETE", "/none/a", b""),
    ],
)
def test_a_response_is_that_of_http_1(client, server, method, path, body):
    answers = client.ask(method, path, body), ask_http1(server, method, path, body)
    for _, headers, _ in answers:
        for name in ("date", "x-amzn-requestid", "x-amz-request-id"):
            assert headers.pop(name)
    assert answers[0] == answers[1]


def test_a_connection_answers_many_requests_at_once(folder):
    barrier = threading.Barrier(20)

    def answer(_):
        return Reply(f"{barrier.wait()}", "end", 1, 1)

    answer.workers = 20
    with (
        serve(folder, responder=answer) as server,
        closing(Client(server.port)) as client,
    ):
        numbers = [client.send("POST", CONVERSE, HELLO) for _ in range(20)]
        assert [client.read(number)[0] for number in numbers] == [200] * 20


def test_a_connection_that_waits_for_its_answer_is_not_idle(folder, monkeypatch):
    monkeypatch.setattr(Handler, "timeout", 0.05)
    heard, slow = [], threading.Event()

    def answer(question):
        heard.append(question)
        return Reply(f"{slow.wait(0.3)}", "end", 1, 1)

    def ask(ask_once):
        heard.clear()
        while True:
            try:
                return ask_once(server, "POST", CONVERSE, HELLO)[0]
            except (AssertionError, ConnectionError):
                # On a busy machine the request may come when its connection has been idle for too long.
                if heard:
                    raise

    with serve(folder, responder=answer) as server:
        assert [ask(ask_http1), ask(ask_http2)] == [200, 200]


def test_large_bodies_go_both_ways_as_there_is_room(client, calls):
    body = bytes(range(256)) * 20_000
    assert client.ask("PUT", "/calls/a", body)[0] == 200
    assert client.ask("GET", "/calls/a")[2] == body
    assert client.ask("GET", "/calls/a", range="bytes=1-3")[::2] == (206, b"\1\2\3")


def test_an_answer_waits_for_a_client_that_makes_no_room(client, calls):
    client.ask("PUT", "/calls/a", bytes(100_000))
    number = client.begin("GET", "/calls/a", is_whole=True)
    while len(client.bodies[number]) < 65_535:
        client.pull(makes_room=False)
    assert client.ask("HEAD", "/calls/a")[0] == 200
    for where in (number, None):
        client.h2.increment_flow_control_window(50_000, where)
    client.push()
    assert len(client.read(number)[2]) == 100_000


def test_an_object_without_content_has_an_answer(client, calls):
    client.ask("PUT", "/calls/a")
    assert client.ask("GET", "/calls/a")[::2] == (200, b"")


def test_a_client_that_sent_goaway_still_gets_its_response(client):
    number = client.send("POST", CONVERSE, HELLO)
    client.push(GoAwayFrame(0))
    assert client.read(number)[0] == 200


def test_a_body_that_is_not_read_loses_neither_the_response_nor_the_connection(client):
    assert client.ask("PUT", "/none/a", bytes(5_000_000))[0] == 404
    assert client.ask("GET", "/")[0] == 200


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_half_a_body_leaves_nothing(folder, is_taken_back):
    with serve(folder) as server, closing(Client(server.port)) as client:
        client.ask("PUT", "/calls")
        client.h2.send_data(number := client.begin("PUT", "/calls/a"), b"hello")
        client.push()
        while not any(folder.glob("state/tmp/*")):
            pass
        if is_taken_back:
            client.h2.reset_stream(number)
            client.ask("GET", "/")
    assert [*folder.glob("state/tmp/*"), *folder.glob("s3/calls/*")] == []


def test_a_body_that_comes_drop_by_drop_is_not_waited_for(folder):
    with serve(folder, settings=Settings(body_seconds=0.5)) as server, closing(Client(server.port)) as client:
        number = client.begin("POST", "/model-invocation-job")
        while number not in client.ended:
            client.h2.send_data(number, b"x")
            client.push()
            if select.select([client.socket], [], [], 0.01)[0]:
                assert client.pull()
        status, _, body = client.read(number)
        assert (status, json.loads(body)["message"]) == (400, "The request body terminated unexpectedly")


def test_a_response_that_is_cut_short_is_noticed(client, calls, server):
    client.ask("PUT", "/calls/a", b"hello")
    change_settings(server.emulator.folder, faults={"broken-read": 1})
    number = client.begin("GET", "/calls/a", is_whole=True)
    client.read(number)
    assert client.left == {number: ErrorCodes.INTERNAL_ERROR}


def test_a_body_of_unknown_length_ends_where_it_ends(client, pieces):
    status, headers, body = client.ask("GET", "/calls?versioning")
    assert (status, "content-length" in headers, body) == (200, False, b"one, two, three")
    assert (client.left, pieces.is_closed.wait(60)) == ({}, True)


def test_a_name_that_a_web_page_brings_is_refused(client):
    number = client.h2.get_next_available_stream_id()
    names = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": "evil.com"}
    client.h2.send_headers(number, list(names.items()), end_stream=True)
    client.push()
    assert client.read(number)[0] == 403
    assert client.ask("GET", "/", origin="https://evil.com")[0] == 403


# What a broken or hostile client may try


def test_requests_beyond_the_threads_are_refused_and_may_come_again(folder, monkeypatch):
    monkeypatch.setattr("bedrock_local.transport.server.MOST_THREADS", 2)
    held = threading.Event()
    with (
        serve(folder, responder=lambda _: Reply(f"{held.wait()}", "end", 1, 1)) as server,
        closing(Client(server.port)) as client,
    ):
        first, second, third = [client.send("POST", CONVERSE, HELLO) for _ in range(3)]
        client.read(third)
        assert client.left == {third: ErrorCodes.REFUSED_STREAM}
        held.set()
        assert [client.read(first)[0], client.read(second)[0]] == [200, 200]


def test_cancelled_requests_hold_no_threads(folder, monkeypatch):
    monkeypatch.setattr("bedrock_local.transport.server.MOST_THREADS", 2)
    with serve(folder) as server, closing(Client(server.port)) as client:
        for _ in range(200):
            client.h2.reset_stream(client.begin("PUT", "/calls/a"))
            client.push()
        while client.ask("GET", "/")[0] != 200:
            pass


def make_frame(kind, content=b"", *, flags=0, stream=0):
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


@pytest.mark.parametrize(
    "frames",
    [
        [make_frame(0, b"x", stream=1)],  # of a stream that nobody opened
        [make_frame(1, b"\xff" * 50, flags=4, stream=1)],  # headers that are none
        [make_frame(8, bytes(4))],  # room for nothing
        [make_frame(9, b"", stream=1)],  # goes on with nothing
        [b"\xff\xff\xff\0\0\0\0\0\0"],  # too large
        [make_frame(6, b"x")],  # half a ping
        [make_frame(1, b"", stream=1), *[make_frame(9, b"x" * 1000, stream=1)] * 1000],  # headers without an end
        [make_frame(4, (4).to_bytes(2, "big") + b"\xff" * 4)],  # a window without an end
    ],
    ids=lambda frames: f"{frames[0][3]}-{len(frames)}",
)
def test_only_a_client_that_violates_the_protocol_is_disconnected(client, server, frames):
    with suppress(ConnectionError):  # the server may hang up before it has got all of it
        client.socket.sendall(b"".join(frames))
    client.read_end()
    assert ask_http1(server, "GET", "/", b"")[0] == 200


@pytest.mark.parametrize("rest", [b"", b"\r\n", b"\r\nSM\r\n\r\r", b"Host: localhost\r\n\r\n"])
def test_half_a_preface_is_no_http_2(server, rest):
    with socket.create_connection(("127.0.0.1", server.port)) as talk:
        talk.sendall(PREFACE[:16] + rest)
        talk.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 505" in b"".join(iter(lambda: talk.recv(65_536), b""))


KINDS, FLAGS = st.integers(0, 12), st.sampled_from([0, 1, 4, 5, 8, 32, 255])
HEADS = st.sampled_from([b"\x82\x86\x84\x41\x09localhost", b"\x83\x86\x84\x41\x09localhost", b"\x82"])
FRAMES = st.builds(
    lambda kind, content, flags, stream: make_frame(kind, content, flags=flags, stream=stream),
    KINDS, st.binary(max_size=40) | HEADS, FLAGS, st.sampled_from([0, 1, 3, 2, 5, 2**31 - 1]),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(frames=st.lists(FRAMES, max_size=12))
def test_no_sequence_of_frames_breaks_the_server(server, capfd, frames):
    with socket.create_connection(("127.0.0.1", server.port)) as talk:
        talk.sendall(PREFACE + make_frame(4) + b"".join(frames))
        talk.shutdown(socket.SHUT_WR)
        while talk.recv(65_536):
            pass
    assert capfd.readouterr().err == ""


def test_the_library_is_loaded_when_it_is_needed():
    said = "import sys, bedrock_local; print('h2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_stream_of_events_is_the_same_over_http2(server, client):
    path = CONVERSE.replace("/converse", "/converse-stream")
    status, headers, body = client.ask("POST", path, HELLO)
    assert (status, headers["content-type"]) == (200, "application/vnd.amazon.eventstream")
    assert "content-length" not in headers
    names = [list_events(content) for content in (body, ask_http1(server, "POST", path, HELLO)[2])]
    assert names[0] == names[1]
    assert names[0][0] == "messageStart"
    assert names[0][-1] == "metadata"


def list_events(content):
    frames = EventStreamBuffer()
    frames.add_data(content)
    return [frame.headers[":event-type"] for frame in frames]


def test_a_stream_that_is_cut_off_is_reset(server, client):
    change_settings(server.emulator.folder, faults={"stream-cut": 1})
    number = client.send("POST", CONVERSE.replace("/converse", "/converse-stream"), HELLO)
    client.read(number)
    assert client.left == {number: ErrorCodes.INTERNAL_ERROR}
