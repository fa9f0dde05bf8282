import os
from contextlib import nullcontext
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber

from analysis import load_manifests, load_outputs, read_calls
from analysis.aws.storage import check_bucket, list_files, open_bucket, parse_s3_uri, put_file
from analysis.errors import CallsError, StorageError


def names(where, **options):
    return [file.name for file in list_files(where, **options)]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a.txt", "deep/c.txt", ".hidden/d.txt", ".e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder_is_listed_to_any_depth_without_hidden_files(folder):
    assert names(folder) == ["a.txt", "b.txt", "deep/c.txt"]


def test_a_listed_file_has_its_path_and_size(folder):
    file = list_files(folder / "deep" / "c.txt")[0]
    assert (file.uri, file.name, file.bytes) == (str(folder / "deep" / "c.txt"), "c.txt", 10)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "deep/c.txt"]),
        ("de*", ["deep/c.txt"]),
        ("*", ["a.txt", "b.txt", "deep/c.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
    ],
)
def test_a_glob_names_files_from_its_fixed_part(folder, pattern, expected):
    assert names(folder / pattern) == expected


def test_a_folder_with_brackets_in_its_name_is_a_folder(tmp_path):
    (tmp_path / "calls [2026]").mkdir()
    (tmp_path / "calls [2026]" / "a.txt").touch()
    assert names(tmp_path / "calls [2026]") == ["a.txt"]


def test_an_empty_folder_has_no_files(tmp_path):
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("name", ["callz", "*.csv"])
def test_nothing_at_a_local_place_is_an_error(tmp_path, name):
    with pytest.raises(StorageError, match="no such file or folder; check the spelling"):
        list_files(tmp_path / name)


@pytest.mark.parametrize("where", ["s3://calls/run", "s3://calls/run/"])
def test_a_prefix_is_a_folder(s3, put, where):
    put(s3, "run/a.txt", "run/deep/b.txt", "run-2/c.txt", "run.txt")
    assert names(where, s3=s3) == ["a.txt", "deep/b.txt"]


def test_an_object_is_itself_even_when_a_folder_has_its_name(s3, put):
    put(s3, "in/run", "in/run/a.txt")
    (file,) = list_files("s3://calls/in/run", s3=s3)
    assert (file.uri, file.name, file.bytes) == ("s3://calls/in/run", "run", 6)


@pytest.mark.parametrize("where", ["s3://calls", "s3://calls/"])
def test_a_bucket_is_a_folder(s3, put, where):
    put(s3, "b.txt", "a/c.txt")
    assert names(where, s3=s3) == ["a/c.txt", "b.txt"]


def test_more_objects_than_one_page_holds_are_listed(s3, put):
    put(s3, "run/a", "run/b", "run/c")
    s3.meta.events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": 2})
    assert names("s3://calls/run", s3=s3) == ["a", "b", "c"]


def test_a_folder_mark_is_not_a_file(s3, put):
    put(s3, "run/")
    assert list_files("s3://calls/run", s3=s3) == []


def test_nothing_below_a_prefix_is_an_error(s3):
    with pytest.raises(StorageError, match="calls/ran: no such object, and nothing below it; check the spelling"):
        list_files("s3://calls/ran", s3=s3)


@pytest.mark.parametrize("where", ["s3://cals", "s3://cals/run", "s3://cals/run/"])
def test_a_bucket_that_is_not_there_is_named(s3, where):
    with pytest.raises(StorageError, match=f"{where}: no such bucket; .*account of the profile"):
        list_files(where, s3=s3)


def test_a_file_is_put_to_a_key(s3, tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n")
    put_file(tmp_path / "a.jsonl", "s3://calls/run/0.jsonl", s3=s3)
    assert s3.get_object(Bucket="calls", Key="run/0.jsonl")["Body"].read() == b"{}\n"


def test_a_file_is_put_to_a_local_path_and_nothing_else_is_left(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n")
    put_file(tmp_path / "a.jsonl", tmp_path / "run" / "0.jsonl")
    assert [(path.name, path.read_text()) for path in (tmp_path / "run").iterdir()] == [("0.jsonl", "{}\n")]


@pytest.mark.parametrize("uri", ["s3://calls", "s3://calls/run/"])
def test_putting_to_a_folder_offers_the_whole_key(s3, tmp_path, uri):
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(StorageError, match=f"names a folder; add the file's name: {uri.rstrip('/')}/a.jsonl"):
        put_file(tmp_path / "a.jsonl", uri, s3=s3)


def test_putting_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="jsonl: no such file"):
        put_file(tmp_path / "a.jsonl", tmp_path / "b.jsonl")


def test_putting_below_a_file_is_an_error(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        put_file(tmp_path / "a", tmp_path / "a" / "b")


def test_putting_to_a_bucket_that_is_not_there_is_an_error(s3, tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(StorageError, match="s3://cals/a: no such bucket"):
        put_file(tmp_path / "a", "s3://cals/a", s3=s3)


def test_s3_without_a_client_says_how_to_give_one():
    with pytest.raises(StorageError, match=r"s3://calls/a: an S3 address needs a client; give s3="):
        list_files("s3://calls/a")


class Refusing:
    """A client that refuses everything, as S3 does to a profile without rights."""

    def __init__(self, error):
        self.error = error

    def head_object(self, **_):
        raise self.error

    def get_paginator(self, _):
        raise self.error


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ListObjectsV2")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (refusal("AccessDenied"), "access denied; the profile needs s3:ListBucket"),
        (refusal("403"), "access denied; the profile needs s3:ListBucket"),
        (refusal("ExpiredToken"), "the credentials have expired; sign in"),
        (NoCredentialsError(), "no AWS credentials; sign in"),
        (refusal("SlowDown"), "the service is busy, or fails for the moment; wait a while, then run it again"),
    ],
)
def test_a_refusal_says_what_to_do(error, text):
    with pytest.raises(StorageError, match=text):
        list_files("s3://calls/run", s3=Refusing(error))


def test_s3_out_of_reach_is_said(monkeypatch):
    config = Config(retries={"max_attempts": 0}, connect_timeout=1)
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    s3 = boto3.Session(**keys).client("s3", endpoint_url="http://127.0.0.1:9", config=config)
    with pytest.raises(StorageError, match="S3 cannot be reached; check the network"):
        list_files("s3://calls/run", s3=s3)


def test_an_address_is_split_at_its_first_slash():
    assert parse_s3_uri("s3://calls/run/a.txt") == ("calls", "run/a.txt")
    assert parse_s3_uri("s3://calls") == ("calls", "")


@pytest.mark.parametrize("uri", ["s3://", "s3:///run", "calls/run", "gs://calls/run"])
def test_what_is_no_s3_address_is_refused(uri):
    with pytest.raises(StorageError, match="not an S3 address; write s3://bucket/key"):
        parse_s3_uri(uri)


def test_paths_may_be_given_as_text(folder):
    assert list_files(str(folder)) == list_files(Path(folder))


KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


def open_calls(session, **options):
    s3 = open_bucket(session, **options)
    s3.create_bucket(Bucket="calls")
    return s3


def deny_identity(session):
    """Let STS refuse to say who asks."""

    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetCallerIdentity")

    session.events.register("before-call.sts", refuse)


def list_owners(session, s3):
    """Return the owners that a listing and a put expect."""
    owners = []
    s3.meta.events.register(
        "before-call.s3", lambda params, **_: owners.append(params["headers"].get("x-amz-expected-bucket-owner"))
    )
    s3.list_objects_v2(Bucket="calls")
    s3.put_object(Bucket="calls", Key="a")
    return owners


def test_requests_to_a_bucket_of_a_run_expect_the_callers_account(emulator):
    assert list_owners(emulator, open_calls(emulator, owner="")) == ["123456789012"] * 2


def test_without_a_right_to_ask_who_calls_no_owner_is_expected(emulator):
    deny_identity(emulator)
    assert list_owners(emulator, open_calls(emulator, owner="")) == [None] * 2


def test_the_account_is_asked_for_once_and_not_where_the_owner_is_given(emulator):
    asked = []
    emulator.events.register("before-call.sts", lambda model, **_: asked.append(model.name))
    list_owners(emulator, open_calls(emulator, owner="123456789012"))
    assert asked == []
    list_owners(emulator, open_calls(emulator, owner=""))
    assert asked == ["GetCallerIdentity"]


def test_a_bucket_of_another_account_is_refused_with_what_helps(emulator):
    s3 = open_bucket(emulator, owner="210987654321")
    with pytest.raises(StorageError, match=r"access denied; .*for a bucket of another account, give bucket_owner"):
        list_files("s3://batchbook/run/", s3=s3)


EUROPE = {"LocationConstraint": "eu-west-1"}


@pytest.mark.parametrize("kind", ["s3", "emulated_s3"])
def test_a_bucket_has_to_be_in_the_region_of_its_jobs(request, kind):
    client = request.getfixturevalue(kind)
    client.create_bucket(Bucket="europe", CreateBucketConfiguration=EUROPE)
    check_bucket("calls", s3=client, region="us-east-1")
    check_bucket("europe", s3=client, region="eu-west-1")
    text = "s3://europe: the bucket is in region eu-west-1, and the jobs would be in us-east-1; give region='eu-west-1'"
    with pytest.raises(StorageError, match=text):
        check_bucket("europe", s3=client, region="us-east-1")
    with pytest.raises(StorageError, match="s3://nowhere: no such bucket; check the spelling"):
        check_bucket("nowhere", s3=client, region="us-east-1")


@pytest.mark.parametrize(("headers", "is_refused"), [({"x-amz-bucket-region": "eu-west-1"}, True), ({}, False)])
def test_a_bucket_that_may_not_be_looked_at_may_tell_its_region(emulated_s3, headers, is_refused):
    with Stubber(emulated_s3) as stub:
        stub.add_client_error("head_bucket", "403", http_status_code=403, response_meta={"HTTPHeaders": headers})
        with pytest.raises(StorageError, match="in region eu-west-1") if is_refused else nullcontext():
            check_bucket("theirs", s3=emulated_s3, region="us-east-1")


@pytest.mark.parametrize("size", [10, 9 * 2**20])
def test_uploads_are_under_the_key_of_the_bucket(emulator, tmp_path, size):
    s3 = open_calls(emulator, owner="", kms_key_id=KEY)
    (tmp_path / "a").write_bytes(bytes(size))
    put_file(tmp_path / "a", "s3://calls/a", s3=s3)
    head = s3.head_object(Bucket="calls", Key="a")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KEY)


def test_without_a_key_the_bucket_decides(emulator, tmp_path):
    s3 = open_calls(emulator, owner="")
    (tmp_path / "a").touch()
    put_file(tmp_path / "a", "s3://calls/a", s3=s3)
    assert s3.head_object(Bucket="calls", Key="a")["ServerSideEncryption"] == "AES256"


@pytest.mark.parametrize("read", [read_calls, load_outputs, load_manifests])
def test_a_reader_expects_an_owner_only_where_one_is_given(emulator, read):
    emulator.client("s3").put_object(Bucket="batchbook", Key="run/a.txt", Body=b"hello")
    read("s3://batchbook/run/a.txt", profile="emulator")
    with pytest.raises((StorageError, CallsError), match=r"access denied; .*give bucket_owner"):
        read("s3://batchbook/run/a.txt", profile="emulator", bucket_owner="210987654321")


def test_a_pipe_or_a_link_that_leads_nowhere_is_refused_in_words(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    for name in ("pipe", "link"):
        with pytest.raises(StorageError, match="a pipe, a device or a link that leads nowhere; give a file"):
            list_files(tmp_path / name)
