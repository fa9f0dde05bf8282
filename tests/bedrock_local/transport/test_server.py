from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ResponseStreamingError

from bedrock_local import Settings, open_session, serve
from bedrock_local.batch import background
from bedrock_local.files import write_file
from bedrock_local.inference import Reply
from bedrock_local.s3 import checksums
from bedrock_local.settings import change_settings
from bedrock_local.transport import deadlines
from bedrock_local.transport import server as server_module
from bedrock_local.transport.deadlines import DeadlineReader, Patience

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"  # of HTTP/2, with no settings
# And on top the head of `POST /model-invocation-job`, whose body is to follow: RFC 7541, literals without an index.
FIELDS = b"\x83\x86\x04\x15/model-invocation-job\x01\x09localhost"
UPLOAD = PREFACE + len(FIELDS).to_bytes(3) + b"\1\4\0\0\0\1" + FIELDS  # headers, whose end they are
CREATE = b"POST /model-invocation-job HTTP/1.1\r\nHost: localhost\r\n"
MOST_S = 300  # a server that has not hung up by then never does
XML_OF_BUCKETS = b"<ListAllMyBucketsResult"


@pytest.fixture
def ask(server):
    """Send one request without a signature; give status, headers and body of the answer."""
    connection = HTTPConnection("127.0.0.1", server.port)

    def send(method, path, body=None, **headers):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    with closing(connection):
        yield send


@pytest.fixture
def calls(ask):
    """A bucket `calls` with an object `a`."""
    ask("PUT", "/calls")
    ask("PUT", "/calls/a", b"hello")


@pytest.fixture
def talk(server):
    """Open a connection on which a test writes and reads bytes."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        yield connection


def read_to_end(connection):
    return b"".join(iter(lambda: connection.recv(65_536), b""))


# Who is asked


def test_the_region_is_that_of_the_signature(client_of, request_of):
    arn = client_of("bedrock", "eu-west-1").create_model_invocation_job(**request_of())["jobArn"]
    assert arn.startswith("arn:aws:bedrock:eu-west-1:123456789012:")


@pytest.mark.parametrize(
    ("path", "beginning"),
    [("/model-invocation-jobs", b'{"invocationJobSummaries"'), ("/", b"<?xml"), ("/calls/a", b"h")],
)
def test_without_a_signature_the_path_names_the_service(ask, calls, path, beginning):
    assert ask("GET", path)[2].startswith(beginning)


def test_a_bearer_token_is_as_good_as_a_signature(ask):
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hello."}]}]})
    status, _, answer = ask("POST", "/model/amazon.nova-lite-v1%3A0/converse", body, Authorization="Bearer x")
    assert (status, json.loads(answer)["stopReason"]) == (200, "end_turn")


def test_a_bucket_may_have_the_name_of_a_path_of_bedrock(client_of):
    s3 = client_of("s3")
    s3.create_bucket(Bucket="model")
    s3.put_object(Bucket="model", Key="a/invoke", Body=b"x")
    assert s3.get_object(Bucket="model", Key="a/invoke")["Body"].read() == b"x"


@pytest.mark.parametrize(
    "encode",
    [
        lambda arn: arn,
        lambda arn: arn.replace(":", "%3A").replace("/", "%2F"),
        lambda arn: arn.replace(":", "%3a").replace("/", "%2f"),
        lambda arn: arn.replace(":", "%253A").replace("/", "%252F"),
        lambda arn: arn.split("/")[1],
    ],
)
def test_an_arn_in_a_path_is_understood_however_it_is_encoded(ask, client_of, request_of, encode):
    arn = client_of("bedrock").create_model_invocation_job(**request_of())["jobArn"]
    assert json.loads(ask("GET", f"/model-invocation-job/{encode(arn)}")[2])["jobArn"] == arn
    assert ask("POST", f"/model-invocation-job/{encode(arn)}/stop")[0] in (200, 400)


@pytest.mark.parametrize("host", ["calls.localhost:4574", "calls.s3.localhost", "CALLS.localhost"])
def test_a_bucket_can_be_named_by_the_host(ask, calls, host):
    assert ask("GET", "/a", Host=host)[2] == b"hello"


def test_a_key_may_begin_with_a_slash(ask, calls):
    ask("PUT", "//b", b"x", Host="calls.localhost")
    assert ask("GET", "/calls//b")[2] == b"x"


def test_a_service_that_is_not_there_is_named(client_of, error_of):
    message = "The emulator has bedrock, bedrock-runtime, s3, sts, but no iam"
    assert error_of(client_of("iam").list_roles) == ("UnknownOperationException", 404, message)


@pytest.mark.parametrize(
    ("service", "operation"),
    [("dynamodb", "list_tables"), ("events", "list_rules"), ("stepfunctions", "list_activities")],
)
def test_a_refused_service_of_json_has_its_code_in_the_body(client_of, error_of, service, operation):
    assert error_of(getattr(client_of(service), operation))[0] == "UnknownOperationException"


def test_an_error_of_bedrock_is_json_whatever_was_sent(ask):
    status, _, body = ask("POST", "/model-invocation-job", b"x", content_type="application/x-www-form-urlencoded")
    assert (status, list(json.loads(body))) == (400, ["message"])


def test_only_one_operation_of_sts_is_there(client_of, error_of):
    assert client_of("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:root"
    assert error_of(client_of("sts").get_session_token)[0] == "UnknownOperationException"


# Who may ask


def test_nothing_but_loopback_is_listened_to(server):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port))
    assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "10.0.0.1:4574", "", "[::2]"])
def test_a_name_that_a_web_page_brings_is_refused(ask, host):
    status, _, body = ask("GET", "/model-invocation-jobs", Host=host)
    assert status == 403
    assert b"127.0.0.1 and localhost only" in body


@pytest.mark.parametrize("origin", ["https://evil.com", "null"])
def test_a_web_page_cannot_send_anything(ask, origin):
    assert ask("POST", "/calls?delete", b"", Origin=origin)[0] == 403
    assert ask("GET", "/", Origin="http://localhost:3000")[0] == 200


@pytest.mark.parametrize(("mode", "status"), [("no-cors", 403), ("cors", 403), ("navigate", 200)])
def test_a_web_page_shows_nothing_from_here_and_may_link_to_it(ask, mode, status):
    assert ask("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode=mode)[0] == status


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "WHATEVER"])
def test_a_method_that_no_operation_has_is_refused_in_the_words_of_the_service(ask, method):
    assert b"<Code>NotImplemented</Code>" in ask(method, "/calls/a")[2]
    assert b"The emulator has CreateModelInvocationJob, " in ask(method, "/model-invocation-jobs")[2]


def test_a_request_that_is_not_http_gets_plain_text(talk):
    talk.sendall(b"nonsense\r\n\r\n")
    head, _, body = read_to_end(talk).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert (b"Python" in head, body) == (False, b"Bad request syntax ('nonsense')\n")


def test_a_header_of_a_response_cannot_add_a_second_one(ask, calls):
    for path in ("/calls/a?response-content-type=x%0d%0aSet-Cookie:%20x", "/calls/a?versionId=%0d%0aSet-Cookie:%20x"):
        assert ask("GET", path)[1]["set-cookie"] is None


# Bodies


def test_a_body_is_asked_for_when_it_is_expected(talk, ask, calls):
    talk.sendall(b"PUT /calls/b HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert talk.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    talk.sendall(b"hello")
    assert talk.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_that_would_be_refused_is_not_asked_for(talk):
    talk.sendall(b"PUT /none/b HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert talk.recv(65_536).startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_a_large_body_that_nobody_reads_does_not_lose_the_answer(ask):
    status, headers, body = ask("PUT", "/none/b", bytes(20_000_000))
    assert (status, headers["connection"], b"NoSuchBucket" in body) == (404, "close", True)


def test_a_connection_goes_on_after_a_small_body_that_nobody_reads(talk):
    refused = b"PUT /none/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    talk.sendall(refused + b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = read_to_end(talk)
    assert answers.count(b"HTTP/1.1 404 Not Found") == 1
    assert XML_OF_BUCKETS in answers


def test_a_body_may_come_in_chunks(ask, calls):
    ask("PUT", "/calls/b", iter([b"one ", b"two"]))
    assert ask("GET", "/calls/b")[2] == b"one two"


def test_a_body_in_chunks_has_the_largest_size_of_others(ask, calls, monkeypatch):
    monkeypatch.setattr(checksums, "MOST_BYTES", 10)
    assert b"<Code>EntityTooLarge</Code>" in ask("PUT", "/calls/b", iter([b"0123456789", b"X"]))[2]


def test_checksums_may_follow_a_body_that_comes_in_chunks(ask, calls):
    # "123456789" has the CRC-32 CBF43926, base64 y/Q5Jg==, in every catalogue of CRCs.
    wrapped = [b"5\r\n12345\r\n", b"4\r\n6789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"]
    headers = {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x_amz_trailer": "x-amz-checksum-crc32"}
    assert ask("PUT", "/calls/b", iter(wrapped), **headers)[1]["x-amz-checksum-crc32"] == "y/Q5Jg=="
    assert ask("GET", "/calls/b")[2] == b"123456789"


def test_a_crc64_comes_back_as_it_was_sent(client_of, calls):
    # 0xAE8B14860A799888, the check value of CRC-64/NVME for "123456789" in the catalogues of CRCs.
    s3, where = client_of("s3"), {"Bucket": "calls", "Key": "b"}
    s3.put_object(**where, Body=b"123456789", ChecksumCRC64NVME="rosUhgp5mIg=")
    assert s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == "rosUhgp5mIg="


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 50\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n",
    ],
)
def test_half_a_body_leaves_nothing(talk, ask, calls, rest):
    talk.sendall(b"PUT /calls/b HTTP/1.1\r\nHost: localhost\r\n" + rest)
    talk.shutdown(socket.SHUT_WR)
    assert b"IncompleteBody" in read_to_end(talk)
    assert ask("GET", "/calls/b")[0] == 404


def test_a_client_that_hangs_up_half_way_is_not_reported(folder, capfd):
    with serve(folder) as server:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as talk:
                talk.sendall(b"PUT /calls/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhello")
    assert capfd.readouterr().err == ""


def test_a_body_that_does_not_go_on_is_refused(server, talk, ask, calls, monkeypatch):
    monkeypatch.setattr(server_module, "STALL_SECONDS", 0.05)
    talk.sendall(b"PUT /calls/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhello")
    assert b"IncompleteBody" in read_to_end(talk)


def test_trailers_have_a_largest_number(talk, calls):
    endless = b"0\r\n" + b"a: b\r\n" * 200
    talk.sendall(b"PUT /calls/b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + endless)
    assert b"IncompleteBody" in read_to_end(talk)


@pytest.mark.parametrize(
    "header", [b"Content-Length: five", b"Content-Length: -5", b"Transfer-Encoding: gzip, chunked"]
)
def test_a_body_without_a_valid_length_is_refused(talk, header):
    talk.sendall(b"PUT /calls/b HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
    assert read_to_end(talk).startswith(b"HTTP/1.1 400 Bad Request\r\n")


# Answers


def test_head_has_the_headers_of_get(ask, calls):
    status, headers, body = ask("HEAD", "/calls/a")
    assert (status, headers["content-length"], body) == (200, "5", b"")
    assert ask("GET", "/calls/a", Range="bytes=1-3")[2] == b"ell"


def test_a_response_that_is_cut_short_is_noticed(client_of, server, calls):
    change_settings(server.emulator.folder, faults={"broken-read": 1})
    body = client_of("s3").get_object(Bucket="calls", Key="a")["Body"]
    with pytest.raises(ResponseStreamingError, match="Connection broken"):
        body.read()


def test_a_body_of_unknown_length_goes_in_chunks_and_the_connection_goes_on(ask, pieces):
    status, headers, body = ask("GET", "/calls?versioning")
    assert (status, headers["transfer-encoding"], headers["content-length"]) == (200, "chunked", None)
    assert (body, pieces.is_closed.wait(60)) == (b"one, two, three", True)
    assert ask("GET", "/")[0] == 200


def test_settings_that_cannot_be_read_are_told_to_the_client_and_on_the_terminal(ask, server, capfd):
    path = server.emulator.folder / "settings.json"
    path.write_text("{")
    status, _, body = ask("GET", "/model-invocation-jobs")
    assert (status, f"{path}: " in body.decode()) == (500, True)
    assert "correct it, or delete the file for the defaults" in capfd.readouterr().err


def test_settings_that_cannot_be_read_are_told_in_one_sentence_once(ask, client_of, server, request_of, capfd):
    client_of("bedrock").create_model_invocation_job(**request_of())  # on which the server works by itself
    write_file(server.emulator.folder / "settings.json", b'{"clock": "fast"}')  # whole: the server may be reading
    for _ in range(3):
        assert ask("GET", "/model-invocation-jobs")[0] == 500
    assert [line.partition(": ")[0] for line in capfd.readouterr().err.splitlines()] == ["bedrock_local"]


def test_answers_that_are_gone_are_told_in_one_sentence_once(ask, server, capfd):
    change_settings(server.emulator.folder, responder="gone.jsonl")
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hello."}]}]})
    for _ in range(3):
        assert b"cannot read recorded answers" in ask("POST", "/model/amazon.nova-lite-v1:0/converse", body)[2]
    assert len(capfd.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_needs_nothing_else(client_of, ask, calls, version):
    s3 = client_of("s3", config=Config(signature_version=version))
    for operation, method, body in (("put_object", "PUT", b"x"), ("get_object", "GET", None)):
        url = urlsplit(s3.generate_presigned_url(operation, {"Bucket": "calls", "Key": "b c"}))
        assert ask(method, f"{url.path}?{url.query}", body)[0] == 200
    assert ask("GET", "/calls/b%20c")[2] == b"x"


def test_a_presigned_url_carries_headers_in_its_query(ask, calls):
    ask("PUT", "/calls/b?x-amz-meta-call=%C3%A4&X-Amz-Credential=a%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", b"x")
    assert ask("HEAD", "/calls/b")[1]["x-amz-meta-call"].encode("latin-1").decode() == "ä"


# Work


def test_a_job_is_worked_on_without_requests(client_of, ask, calls, record, request_of):
    ask("PUT", "/calls/in/a.jsonl", json.dumps(record(1)).encode())
    client_of("bedrock").create_model_invocation_job(**request_of())
    while b"manifest.json.out" not in ask("GET", "/calls?list-type=2")[2]:
        pass


def test_a_new_job_is_worked_on_at_once(open_served, jobs_of, folder, clock, record, monkeypatch):
    # While nothing moves the worker sleeps, here for ever: only a request wakes it.
    for name in ("SHORTEST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(background, name, 3600)
    jobs = jobs_of(open_served(folder, clock))
    jobs.put([record(1)])
    for name in ("first", "second"):
        job = {"jobArn": jobs.create(jobName=name)}
        while len(jobs.names(job)) < 2:
            pass


def test_a_function_of_the_process_answers(folder):
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hello."}]}]})
    with (
        serve(folder, responder=lambda question: Reply("Mine.", "end", 1, 1)) as server,
        closing(HTTPConnection("127.0.0.1", server.port)) as connection,
    ):
        connection.request("POST", "/model/amazon.nova-lite-v1:0/converse", body)
        assert b"Mine." in connection.getresponse().read()


def test_both_transports_work_on_one_job_at_once(server, client_of, record, jobs_of):
    inside = jobs_of(open_session(server.emulator.folder))
    inside.put([record(number) for number in range(500)])
    arn = inside.create()
    outside = client_of("bedrock")
    while "endTime" not in (job := outside.get_model_invocation_job(jobIdentifier=arn)):
        inside.get(arn)
    assert sorted(line["recordId"] for line in inside.outputs(job)) == sorted(f"r{number}" for number in range(500))


def test_the_end_of_the_server_hangs_up_on_its_clients(folder):
    threads = set(threading.enumerate())
    with serve(folder) as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert XML_OF_BUCKETS in idle.recv(65_536)
    with idle:
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    # The thread of a connection ends a moment after the connection.
    while set(threading.enumerate()) - threads:
        pass


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HT", PREFACE],
    ids=["nothing", "one request", "half a request", "http2"],
)
def test_a_connection_with_nothing_to_do_is_ended(folder, monkeypatch, begun):
    monkeypatch.setattr(server_module.Handler, "timeout", 0.05)
    with (
        serve(folder) as server,
        socket.create_connection(("127.0.0.1", server.port)) as talk,
        suppress(ConnectionError),  # the connection may end before a busy machine has sent anything
    ):
        talk.sendall(begun)
        read_to_end(talk)


GET_BUCKETS = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_connections_beyond_the_limit_wait_for_those_that_have_a_request(folder, monkeypatch):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)
    asked, may_answer = threading.Event(), threading.Event()

    def answer(_):
        asked.set()
        may_answer.wait()
        return Reply("Hello.", "end", 1, 1)

    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}).encode()
    head = b"POST /model/amazon.nova-lite-v1%%3A0/converse HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with serve(folder, responder=answer) as server, ExitStack() as stack:
        stack.callback(may_answer.set)
        first = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        first.sendall(head % len(body) + body)
        asked.wait()
        second = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        second.sendall(GET_BUCKETS)
        assert select.select([second], [], [], 0.5)[0] == []
        may_answer.set()
        assert b"Hello." in first.recv(65_536)
        assert XML_OF_BUCKETS in second.recv(65_536)


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTT", PREFACE, GET_BUCKETS], ids=["nothing", "head", "http2", "request"]
)
def test_who_has_no_request_leaves_for_others(folder, monkeypatch, begun):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 5)
    with serve(folder, settings=Settings(head_seconds=1000)) as server, ExitStack() as stack:
        for _ in range(12):
            talk = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            talk.sendall(begun)
            if begun == GET_BUCKETS:
                assert XML_OF_BUCKETS in talk.recv(65_536)
        with socket.create_connection(("127.0.0.1", server.port)) as talk:
            talk.sendall(GET_BUCKETS)
            assert XML_OF_BUCKETS in talk.recv(65_536)


@pytest.mark.parametrize(
    "size", [b"FFFFFFFFFFFFFFFF", b"7FFFFFFFFFFFFFFF", b"140000001", b"-1", b"+5", b"0x5", b"", b"1" * 40]
)
def test_a_chunk_of_no_size_is_refused_at_once(folder, capfd, size):
    """The client goes on waiting; it would get its answer after a minute otherwise."""
    with (
        serve(folder, settings=Settings(body_seconds=1000)) as server,
        socket.create_connection(("127.0.0.1", server.port)) as talk,
    ):
        talk.sendall(CREATE + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabc")
        assert talk.recv(65_536).startswith(b"HTTP/1.1 400 ")
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_an_error(server, tmp_path):
    with pytest.raises(OSError, match="Address already in use"), serve(tmp_path / "other", port=server.port):
        pass


# A process of its own

SERVE = """
import resource, sys
from bedrock_local import Settings, serve
settings = Settings(min_records=1, seconds={"InProgress": 1})
with serve(sys.argv[1], settings=settings) as server:
    print(server.port, flush=True)
    for line in sys.stdin:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


@pytest.fixture
def start(folder):
    """Start a server in a process of its own; give the process and a connection to it."""
    started = []

    def begin():
        command, pipe = [sys.executable, "-c", SERVE, folder], subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        connection = HTTPConnection("127.0.0.1", int(process.stdout.readline()))
        started.append((process, connection))
        return process, connection

    yield begin
    for process, connection in started:
        connection.close()
        process.kill()
        process.communicate()


def say(connection, method, path, body=None):
    connection.request(method, path, body)
    return connection.getresponse().read()


def peak_kib(process):
    print(file=process.stdin, flush=True)
    return int(process.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is in other units")
def test_an_object_larger_than_the_memory_goes_up_and_down(start, tmp_path):
    with (tmp_path / "big").open("wb") as big:
        big.truncate(300_000_000)
    process, connection = start()
    say(connection, "PUT", "/calls")
    before = peak_kib(process)
    with (tmp_path / "big").open("rb") as big:
        say(connection, "PUT", "/calls/big", big)
    connection.request("GET", "/calls/big")
    response = connection.getresponse()
    assert sum(len(chunk) for chunk in iter(lambda: response.read(1 << 20), b"")) == 300_000_000
    assert peak_kib(process) - before < 50_000


def test_after_a_kill_the_next_server_goes_on(start, folder, record, request_of):
    process, connection = start()
    say(connection, "PUT", "/calls")
    say(
        connection, "PUT", "/calls/in/calls.jsonl", b"".join(json.dumps(record(n)).encode() + b"\n" for n in range(900))
    )
    arn = json.loads(say(connection, "POST", "/model-invocation-job", json.dumps(request_of())))["jobArn"]
    path = f"/model-invocation-job/{arn}"
    while not json.loads(say(connection, "GET", path))["processedRecordCount"]:
        pass
    process.kill()
    _, connection = start()
    while "endTime" not in (job := json.loads(say(connection, "GET", path))):
        pass
    lines = say(connection, "GET", f"/calls/out/{arn[-12:]}/calls.jsonl.out").splitlines()
    assert sorted(json.loads(line)["recordId"] for line in lines) == sorted(f"r{n}" for n in range(900))
    assert job["status"] == "Completed"


@pytest.fixture
def drip():
    """Send the first bytes on a connection, then one byte after the other until the server hangs up."""
    still_open = []
    with ExitStack() as stack:

        def open_connection(server, begun, rest):
            talk = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            talk.sendall(begun)

            def send_bytes():
                with suppress(OSError):
                    # By time, not by bytes: pings are answered at once, thousands of them in a second.
                    until = time.monotonic() + MOST_S
                    while time.monotonic() < until:
                        if select.select([talk], [], [], 0.01)[0] and not talk.recv(65_536):
                            return
                        talk.sendall(rest)
                        time.sleep(0.01)
                    still_open.append(talk)

            thread = threading.Thread(target=send_bytes)
            thread.start()
            stack.callback(thread.join)
            return thread

        yield open_connection
    assert still_open == []


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"G", b"E"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nX: ", b"x"),
        (PREFACE + b"\0\x40\0\1\0\0\0\0\1", b"x"),  # of HTTP/2, half a frame of headers
        (PREFACE, b"\0\0\x08\6\0\0\0\0\0" + bytes(8)),  # of HTTP/2, a ping
    ],
    ids=["method", "header", "second request", "http2 head", "http2 pings"],
)
def test_half_open_heads_keep_nobody_out(folder, monkeypatch, drip, begun, rest):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(server_module.Handler, "timeout", 0.5 if begun.startswith(b"PRI") else 60)
    with serve(folder, settings=Settings(head_seconds=0.5)) as server:
        dripping = [drip(server, begun, rest) for _ in range(2)]
        for thread in dripping:
            thread.join()
        monkeypatch.setattr(server_module.Handler, "timeout", 60)
        with socket.create_connection(("127.0.0.1", server.port)) as talk:
            talk.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert XML_OF_BUCKETS in talk.recv(65_536)


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (CREATE + b"Content-Length: 60000\r\n\r\n", b"x"),
        (b"PUT /no-such-bucket/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n", b"x"),
        (CREATE + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (CREATE + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
    ids=["length", "refused", "chunks", "line of a chunk"],
)
def test_bodies_that_come_drop_by_drop_keep_nobody_out(folder, monkeypatch, drip, begun, rest):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(server_module, "DRAIN_SECONDS", 0.001)
    with serve(folder, settings=Settings(body_seconds=0.5)) as server:
        dripping = [drip(server, begun, rest) for _ in range(2)]
        for thread in dripping:
            thread.join()
        with socket.create_connection(("127.0.0.1", server.port)) as talk:
            talk.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert XML_OF_BUCKETS in talk.recv(65_536)


def test_what_has_arrived_is_read_however_late_it_is():
    near, far = socket.socketpair()
    with near, far:
        reader = DeadlineReader(near)
        reader.limit(Patience(-1))
        far.sendall(b"late")
        assert reader.read(4) == b"late"
        with pytest.raises(TimeoutError, match="too slowly"):
            reader.read(1)


def test_each_byte_of_a_body_is_worth_some_time():
    patience = Patience(0, bytes_per_second=0.001)
    patience.begin()
    patience.spend(4)
    assert 3_000 < patience.left <= 4_000


def test_only_who_is_waited_for_and_behind_the_rate_is_slow(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    patience = Patience(60, bytes_per_second=1_000)
    patience.begin()
    patience.spend(1_000_000)  # fast, which is no reserve
    assert patience.find_wait() is None
    patience.begin()
    now = 104.5
    assert patience.find_wait() is None
    now = 106.0
    assert patience.find_wait() == 100
    patience.spend(500)  # 6 seconds for what may take half a one
    assert patience.find_wait() is None
    patience.begin()
    assert patience.find_wait() == 106 - 5.5


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (CREATE + b"Content-Length: 60000\r\n\r\n", b"x"),
        (b"PUT /no-such-bucket/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", b"x"),
        (CREATE + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (UPLOAD, b"\0\0\1\0\0\0\0\0\1x"),  # of HTTP/2, a frame of one byte
    ],
    ids=["length", "refused", "chunks", "http2"],
)
def test_who_sends_a_body_drop_by_drop_leaves_for_others(folder, monkeypatch, drip, begun, rest):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(deadlines, "SLOW_SECONDS", 0.2)
    monkeypatch.setattr(server_module, "IDLE_SECONDS", MOST_S)
    with serve(folder, settings=Settings(body_seconds=MOST_S)) as server:
        dripping = [drip(server, begun, rest) for _ in range(2)]
        for _ in dripping:
            with socket.create_connection(("127.0.0.1", server.port)) as talk:
                talk.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert XML_OF_BUCKETS in talk.recv(65_536)


def test_a_body_at_the_rate_keeps_its_place(folder, monkeypatch):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)
    with serve(folder) as server, socket.create_connection(("127.0.0.1", server.port)) as upload:
        upload.sendall(CREATE + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert upload.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert select.select([other], [], [], 0.5)[0] == []
            upload.sendall(b"{}")
            assert b"validation error" in upload.recv(65_536)
            upload.close()
            assert XML_OF_BUCKETS in other.recv(65_536)


def test_a_head_may_come_in_pieces(server, talk):
    for piece in (b"GET /", b" HTTP/1.1\r\nHo", b"st: localhost\r\n", b"\r\n"):
        talk.sendall(piece)
        assert select.select([talk], [], [], 0.02)[0] == [] or piece == b"\r\n"
    assert XML_OF_BUCKETS in talk.recv(65_536)


def test_settings_that_cannot_be_read_keep_no_connection_from_its_answer(folder, server, talk):
    write_file(folder / "settings.json", b"{")
    talk.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"settings.json" in talk.recv(65_536)
