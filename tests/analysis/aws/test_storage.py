import os
from dataclasses import replace
from pathlib import Path

import boto3
import moto
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError

import bedrock_local
from analysis.aws.storage import RANGE_BYTES, StoredFile, fetch_file, fetch_files, list_files, parse_s3_uri, put_file
from analysis.errors import StorageError


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with moto.mock_aws():
        client = boto3.Session(region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="calls")
        yield client


def put(s3, *keys):
    for key in keys:
        s3.put_object(Bucket="calls", Key=key, Body=key.encode())


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


def test_a_local_file_is_fetched_as_itself(folder, tmp_path):
    assert fetch_file(list_files(folder / "a.txt")[0], tmp_path / "unused") == folder / "a.txt"
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("where", ["s3://calls/run", "s3://calls/run/"])
def test_a_prefix_is_a_folder(s3, where):
    put(s3, "run/a.txt", "run/deep/b.txt", "run-2/c.txt", "run.txt")
    assert names(where, s3=s3) == ["a.txt", "deep/b.txt"]


def test_an_object_is_itself_even_when_a_folder_has_its_name(s3):
    put(s3, "in/run", "in/run/a.txt")
    (file,) = list_files("s3://calls/in/run", s3=s3)
    assert (file.uri, file.name, file.bytes) == ("s3://calls/in/run", "run", 6)


@pytest.mark.parametrize("where", ["s3://calls", "s3://calls/"])
def test_a_bucket_is_a_folder(s3, where):
    put(s3, "b.txt", "a/c.txt")
    assert names(where, s3=s3) == ["a/c.txt", "b.txt"]


def test_more_objects_than_one_page_holds_are_listed(s3):
    put(s3, "run/a", "run/b", "run/c")
    s3.meta.events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": 2})
    assert names("s3://calls/run", s3=s3) == ["a", "b", "c"]


def test_a_folder_mark_is_not_a_file(s3):
    put(s3, "run/")
    assert list_files("s3://calls/run", s3=s3) == []


def test_nothing_below_a_prefix_is_an_error(s3):
    with pytest.raises(StorageError, match="calls/ran: no such object, and nothing below it; check the spelling"):
        list_files("s3://calls/ran", s3=s3)


@pytest.mark.parametrize("where", ["s3://cals", "s3://cals/run", "s3://cals/run/"])
def test_a_bucket_that_is_not_there_is_named(s3, where):
    with pytest.raises(StorageError, match=f"{where}: no such bucket; .*account of the profile"):
        list_files(where, s3=s3)


def test_objects_are_fetched_to_their_names(s3, tmp_path):
    put(s3, "run/a.txt", "run/deep/b.txt")
    paths = fetch_files(list_files("s3://calls/run", s3=s3), tmp_path, s3=s3)
    assert paths == [tmp_path / "a.txt", tmp_path / "deep" / "b.txt"]
    assert [path.read_text() for path in paths] == ["run/a.txt", "run/deep/b.txt"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.txt", "b.txt"]


def test_a_file_in_many_parts_is_whole(s3, tmp_path):
    body = os.urandom(2 * RANGE_BYTES + 1)
    (tmp_path / "large").write_bytes(body)
    put_file(tmp_path / "large", "s3://calls/large", s3=s3)
    fetched = fetch_file(list_files("s3://calls/large", s3=s3)[0], tmp_path / "copy", s3=s3)
    assert fetched.read_bytes() == body


def test_a_fetched_file_is_kept_without_asking_s3(s3, tmp_path):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    fetch_file(file, tmp_path, s3=s3)
    s3.delete_object(Bucket="calls", Key="a.txt")
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"


def test_a_changed_object_is_fetched_again(s3, tmp_path):
    put(s3, "a.txt")
    fetch_file(list_files("s3://calls/a.txt", s3=s3)[0], tmp_path, s3=s3)
    s3.put_object(Bucket="calls", Key="a.txt", Body=b"longer than before")
    assert fetch_file(list_files("s3://calls/a.txt", s3=s3)[0], tmp_path, s3=s3).read_bytes() == b"longer than before"


def test_an_object_of_the_same_size_but_another_time_is_fetched_again(s3, tmp_path):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    (tmp_path / "a.txt").write_text("x.txt")
    os.utime(tmp_path / "a.txt", (file.modified_s - 1, file.modified_s - 1))
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"


def test_an_object_is_fetched_with_one_request(s3, tmp_path):
    put(s3, "run/a.txt", "run/b.txt")
    s3.put_object(Bucket="calls", Key="run/empty", Body=b"")
    files = list_files("s3://calls/run", s3=s3)
    requests = []
    s3.meta.events.register("before-call.s3", lambda model, **_: requests.append(model.name))
    fetch_files(files, tmp_path, s3=s3)
    assert requests == ["GetObject"] * 3
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_large_object_that_changes_meanwhile_is_not_mixed_from_two(s3, tmp_path):
    s3.put_object(Bucket="calls", Key="large", Body=b"a" * 2 * RANGE_BYTES)
    file = list_files("s3://calls/large", s3=s3)[0]
    s3.put_object(Bucket="calls", Key="large", Body=b"b" * 2 * RANGE_BYTES)
    with pytest.raises(StorageError, match="the object changed since it was listed; list and fetch it again"):
        fetch_file(file, tmp_path, s3=s3)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken_s3(tmp_path):
    """Make a client of an emulator with 20 objects that breaks off this share of what is read."""

    def make(rate):
        settings = bedrock_local.Settings(faults={"broken-read": rate})
        client = bedrock_local.open_session(tmp_path / "account", settings=settings).client("s3")
        client.create_bucket(Bucket="calls")
        put(client, *(f"run/{number:02}" for number in range(20)))
        return client

    return make


def test_a_read_that_breaks_off_is_done_again(broken_s3, tmp_path):
    s3 = broken_s3(0.5)
    s3.put_object(Bucket="calls", Key="run/large", Body=bytes(RANGE_BYTES) + b"end")
    paths = fetch_files(list_files("s3://calls/run", s3=s3), tmp_path / "copy", s3=s3)
    assert [path.read_text() for path in paths[:-1]] == [f"run/{number:02}" for number in range(20)]
    assert paths[-1].read_bytes() == bytes(RANGE_BYTES) + b"end"


def test_reads_that_always_break_off_are_an_error_and_leave_no_file(broken_s3, tmp_path):
    s3 = broken_s3(1.0)
    with pytest.raises(StorageError, match=r"run/00: the connection breaks off repeatedly; .*run it again"):
        fetch_files(list_files("s3://calls/run", s3=s3), tmp_path / "copy", s3=s3)
    assert list((tmp_path / "copy").iterdir()) == []


def test_an_answer_that_is_too_short_is_no_file(s3, tmp_path):
    put(s3, "a.txt")
    file = replace(list_files("s3://calls/a.txt", s3=s3)[0], bytes=6)
    with pytest.raises(StorageError, match=r"a.txt: the connection breaks off repeatedly"):
        fetch_file(file, tmp_path, s3=s3)
    assert list(tmp_path.iterdir()) == []


def test_more_objects_than_wait_together_are_fetched(s3, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.aws.storage.FILES_TOGETHER", 2)
    put(s3, "run/a", "run/b", "run/c", "run/d", "run/e")
    paths = fetch_files(list_files("s3://calls/run", s3=s3), tmp_path, s3=s3)
    assert [path.read_text() for path in paths] == ["run/a", "run/b", "run/c", "run/d", "run/e"]


def test_an_object_and_a_folder_of_one_name_cannot_both_be_kept(s3, tmp_path):
    put(s3, "in/run", "in/run/a.txt")
    with pytest.raises(StorageError, match="the local copy cannot be read or written"):
        fetch_files(list_files("s3://calls/in/", s3=s3), tmp_path, s3=s3)


def test_fetching_without_a_client_says_how_to_give_one(tmp_path):
    with pytest.raises(StorageError, match=r"s3://calls/a: an S3 address needs a client; give s3="):
        fetch_file(StoredFile("s3://calls/a", "a", 1, 0), tmp_path)


def test_a_deleted_object_is_named_and_leaves_no_file(s3, tmp_path):
    with pytest.raises(StorageError, match="s3://calls/gone: no such object; check the spelling"):
        fetch_file(StoredFile("s3://calls/gone", "gone", 4, 0, '"etag"'), tmp_path, s3=s3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a.txt", "a/../../b.txt", "/etc/a.txt"])
def test_a_key_cannot_leave_the_folder(s3, tmp_path, name):
    with pytest.raises(StorageError, match="which no file can have"):
        fetch_file(StoredFile(f"s3://calls/run/{name}", name, 4, 0), tmp_path, s3=s3)


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
        (refusal("SlowDown"), "SlowDown"),
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
