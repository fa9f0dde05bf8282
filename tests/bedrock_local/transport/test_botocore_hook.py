from __future__ import annotations

import socket
import threading

import pytest
from urllib3.exceptions import ProtocolError

from bedrock_local import Settings, open_session
from bedrock_local.protocol.messages import BytesBody, FileSlice, TruncatedBody
from bedrock_local.transport.botocore_hook import NoSuchServiceError, RawBody


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a request left the process")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "nobody"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9/some/path"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
        ("AWS_DEFAULTS_MODE", "auto"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_REGION", "eu-west-1"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("AWS_BEARER_TOKEN_BEDROCK", "x"),
    ],
)
def test_a_users_own_configuration_changes_nothing(folder, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    session = open_session(folder)
    session.client("s3").create_bucket(Bucket="calls")
    session.client("s3").put_object(Bucket="calls", Key="a", Body=b"x")
    assert session.client("s3").get_object(Bucket="calls", Key="a")["Body"].read() == b"x"
    assert session.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"] == []


@pytest.mark.usefixtures("no_network")
def test_a_client_of_an_unknown_service_raises_at_once(folder):
    with pytest.raises(NoSuchServiceError, match="the emulator has bedrock, bedrock-runtime, s3, sts, but no iam"):
        open_session(folder).client("iam").list_roles()


def test_only_clients_of_the_session_talk_to_the_emulator(folder):
    import boto3

    open_session(folder)
    events = boto3.Session("a", "b", region_name="us-east-1").events
    assert "emulator" not in repr(events._emitter._handlers)


def test_the_region_is_that_of_the_arns(folder, request_of):
    bedrock = open_session(folder, region_name="eu-west-1").client("bedrock")
    arn = bedrock.create_model_invocation_job(**request_of())["jobArn"]
    assert arn.startswith("arn:aws:bedrock:eu-west-1:123456789012:")


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_an_arn_names_the_part_of_aws_that_its_region_belongs_to(folder, request_of, region, partition):
    session = open_session(folder, region_name=region)
    bedrock = session.client("bedrock")
    arn = bedrock.create_model_invocation_job(**request_of(modelId="amazon.nova-lite-v1:0"))["jobArn"]
    assert arn.startswith(f"arn:{partition}:bedrock:{region}:123456789012:")
    job = bedrock.get_model_invocation_job(jobIdentifier=arn)
    assert job["modelId"] == f"arn:{partition}:bedrock:{region}::foundation-model/amazon.nova-lite-v1:0"
    assert session.client("sts").get_caller_identity()["Arn"] == f"arn:{partition}:iam::123456789012:root"


def test_resources_work_too(folder):
    bucket = open_session(folder).resource("s3").create_bucket(Bucket="calls")
    bucket.put_object(Key="a", Body=b"x")
    assert [summary.key for summary in bucket.objects.all()] == ["a"]


def test_many_threads_share_a_client(s3):
    def work(number):
        s3.put_object(Bucket="calls", Key=f"{number}", Body=b"%d" % number)
        found.append(s3.get_object(Bucket="calls", Key=f"{number}")["Body"].read() == b"%d" % number)

    found = []
    threads = [threading.Thread(target=work, args=[number]) for number in range(24)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == [True] * 24


def test_settings_stay_with_the_folder(folder):
    open_session(folder, settings=Settings(min_records=7))
    open_session(folder)
    assert '"min_records": 7' in (folder / "settings.json").read_text()


def test_a_body_of_unknown_length_is_read_as_far_as_it_goes(pieces):
    body = RawBody(pieces)
    assert (body.read(7), body.read()) == (b"one, tw", b"o, three")
    assert list(RawBody(pieces).stream(4)) == [b"one,", b" ", b"two,", b" ", b"thre", b"e"]


def test_a_body_fills_a_buffer(pieces):
    buffer = bytearray(20)
    assert (RawBody(pieces).readinto(buffer), bytes(buffer[:15])) == (15, b"one, two, three")


def test_the_first_half_of_a_truncated_body_can_be_read():
    body = RawBody(TruncatedBody(BytesBody(b"abcdef")))
    assert body.read(10) == b"abc"
    with pytest.raises(ProtocolError, match="Connection broken"):
        body.read(10)


@pytest.mark.parametrize("read", [RawBody.read, lambda body: body.read(4), lambda body: list(body.stream())])
def test_a_file_is_closed_with_its_last_byte(tmp_path, read):
    path = tmp_path / "a"
    path.write_bytes(b"hello")
    piece = FileSlice(path, 1, 5)
    read(RawBody(piece))
    assert piece._descriptor == -1


def test_a_body_that_was_closed_has_nothing_more(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"hello")
    body = RawBody(FileSlice(path, 0, 5))
    body.close()
    assert body.read() == b""
