from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from bedrock_local import open_session
from bedrock_local.s3.store import ObjectMetadata, store_object

TRANSPORTS = ["inside", "http"]

FILES = Path("/proc/self/fd")
TRICKS = [
    "a",
    "a/b",
    "a//b",
    "/",
    "//",
    "a/",
    ".",
    "..",
    "../../../settings.json",
    "a/../../x",
    "é/ü.txt",
    "مكالمة",
    "%2E%2E/x",
    "a%",
    "a%/b",
    "con|in:the?dark*",
    "line\u2028.txt",
    "x" * 1024,
    "%" * 1024,
    "é" * 512,
    "/" * 400,  # deeper, and shutil.rmtree of Python 3.11 could not remove the folder of the tests
    "v1.0/" * 200,
    "a.tmp",
    ".hidden",
]


def test_any_key_holds_its_bytes_beside_all_others(s3):
    for key in TRICKS:
        s3.put_object(Bucket="calls", Key=key, Body=key.encode())
    assert [s3.get_object(Bucket="calls", Key=key)["Body"].read().decode() for key in TRICKS] == TRICKS
    listed = [content["Key"] for content in s3.list_objects_v2(Bucket="calls")["Contents"]]
    assert listed == sorted(TRICKS, key=str.encode)


def test_nothing_is_written_outside_the_bucket(s3, folder):
    for key in TRICKS:
        s3.put_object(Bucket="calls", Key=key)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["emulator"]
    assert sorted(path.name for path in folder.iterdir()) == ["s3", "settings.json", "state"]
    assert sorted(path.name for path in (folder / "s3").iterdir()) == ["calls"]


def test_deleting_every_key_leaves_an_empty_folder(s3, folder):
    for key in TRICKS:
        s3.put_object(Bucket="calls", Key=key)
    s3.delete_objects(Bucket="calls", Delete={"Objects": [{"Key": key} for key in TRICKS]})
    assert [*(folder / "s3" / "calls").iterdir(), *(folder / "state" / "objects" / "calls").iterdir()] == []
    s3.delete_bucket(Bucket="calls")
    assert [path for name in ("s3", "state/objects", "state/buckets") for path in (folder / name).iterdir()] == []


def test_a_key_over_1024_bytes_is_refused(s3, error_of):
    assert error_of(s3.put_object, Bucket="calls", Key="x" * 1025)[:2] == ("KeyTooLongError", 400)


@pytest.mark.parametrize("bucket", ["..", "calls/../../state", "state", "."])
def test_no_bucket_name_leaves_the_folder(folder, s3, bucket):
    from bedrock_local.protocol.errors import ServiceError
    from bedrock_local.s3.store import find_object

    with pytest.raises(ServiceError, match="NoSuchBucket"):
        find_object(folder, bucket, "jobs")


def test_an_object_is_a_plain_file(s3, folder):
    s3.put_object(Bucket="calls", Key="in/calls.jsonl", Body=b"{}\n")
    assert (folder / "s3/calls/in/calls.jsonl").read_bytes() == b"{}\n"


def test_a_file_put_there_by_hand_is_an_object(s3, folder):
    (folder / "s3/calls/notes.txt").write_bytes(b"hello")
    (folder / "s3/calls/.DS_Store%").mkdir()
    assert [content["Key"] for content in s3.list_objects_v2(Bucket="calls")["Contents"]] == ["notes.txt"]
    found = s3.get_object(Bucket="calls", Key="notes.txt")
    assert (found["Body"].read(), found["ETag"]) == (b"hello", '"5d41402abc4b2a76b9719d911017c592"')


@pytest.mark.parametrize("old", [b"old", b"HELLO"])
def test_a_file_changed_by_hand_gets_another_etag(s3, folder, old):
    s3.put_object(Bucket="calls", Key="a.txt", Body=old, Metadata={"call": "7"})
    (folder / "s3/calls/a.txt").write_bytes(b"hello")
    found = s3.get_object(Bucket="calls", Key="a.txt")
    assert (found["ETag"], found["Body"].read()) == ('"5d41402abc4b2a76b9719d911017c592"', b"hello")


def test_the_folder_is_its_owners_alone(s3, folder):
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_session_sees_the_same_objects(s3, folder):
    s3.put_object(Bucket="calls", Key="a", Body=b"x", Metadata={"call": "7"})
    assert open_session(folder).client("s3").get_object(Bucket="calls", Key="a")["Metadata"] == {"call": "7"}


def test_of_many_writers_one_makes_the_object(s3):
    wins, start = [], threading.Barrier(4)

    def write():
        for key in map(str, range(40)):
            start.wait()
            with contextlib.suppress(s3.exceptions.ClientError):
                s3.put_object(Bucket="calls", Key=key, Body=b"mine", IfNoneMatch="*")
                wins.append(key)

    threads = [threading.Thread(target=write) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(wins) == sorted(map(str, range(40)))


def test_a_writer_that_dies_before_the_rename_leaves_the_old_object_whole(s3, folder):
    sent = s3.put_object(Bucket="calls", Key="a", Body=b"old", Metadata={"call": "7"})
    new = ObjectMetadata(size=3, modified_ns=1, etag="new")
    with pytest.raises(FileNotFoundError):
        store_object(folder, "calls", "a", temporary=folder / "never-written", metadata=new)
    found = s3.head_object(Bucket="calls", Key="a")
    assert (found["Metadata"], found["ETag"]) == ({"call": "7"}, sent["ETag"])


def test_a_reader_beside_a_writer_gets_one_whole_object(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"0" * 100_000)
    done = threading.Event()

    def write():
        for number in range(1, 60):
            s3.put_object(Bucket="calls", Key="a", Body=b"%d" % (number % 10) * 100_000)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert len(set(s3.get_object(Bucket="calls", Key="a")["Body"].read())) == 1
    thread.join()


def test_no_file_stays_open(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello" * 1000)
    whole, part = (s3.get_object(Bucket="calls", Key="a")["Body"] for _ in range(2))
    whole.read()
    with part:
        part.read(3)
    if not FILES.is_dir():
        pytest.skip("this system does not say which files are open")
    # The server closes a file a moment after its last byte.
    while any(str(path.resolve()).endswith("/s3/calls/a%") for path in FILES.iterdir()):
        pass
    assert whole.read() == b""


@pytest.mark.parametrize("step", ["bedrock_local.s3.store.write_json", "pathlib.Path.mkdir"])
def test_a_bucket_that_a_killed_process_began_is_made_in_its_region_by_the_next(tmp_path, monkeypatch, step):
    s3 = open_session(tmp_path, region_name="eu-west-1").client("s3")
    place = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    s3.create_bucket(Bucket="first", **place)  # makes the folders that all buckets share
    real = Path.mkdir

    def die(path, *given, **options):
        if "Path" not in step or path.name == "calls":
            raise KeyboardInterrupt
        return real(path, *given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(step, die)
        with pytest.raises(KeyboardInterrupt):
            s3.create_bucket(Bucket="calls", **place)
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["first"]
    s3.create_bucket(Bucket="calls", **place)
    assert s3.get_bucket_location(Bucket="calls")["LocationConstraint"] == "eu-west-1"


KEYS = st.text(st.sampled_from("ab./%é"), min_size=1, max_size=5)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["put", "delete"]), KEYS), max_size=15))
def test_a_bucket_behaves_like_a_dictionary(tmp_path_factory, steps):
    s3, kept = open_session(tmp_path_factory.mktemp("emulator")).client("s3"), {}
    s3.create_bucket(Bucket="calls")
    for number, (step, key) in enumerate(steps):
        if step == "put":
            s3.put_object(Bucket="calls", Key=key, Body=b"%d" % number)
            kept[key] = b"%d" % number
        else:
            s3.delete_object(Bucket="calls", Key=key)
            kept.pop(key, None)
    listed = [content["Key"] for content in s3.list_objects_v2(Bucket="calls").get("Contents", [])]
    assert listed == sorted(kept)
    assert {key: s3.get_object(Bucket="calls", Key=key)["Body"].read() for key in listed} == kept
