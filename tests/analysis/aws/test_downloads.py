import io
import os
import resource
import time
from dataclasses import replace

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.response import StreamingBody

import bedrock_local
from analysis.aws.copies import NOTES, compute_etag
from analysis.aws.downloads import RANGE_BYTES, fetch_file, fetch_files
from analysis.aws.storage import StoredFile, list_files, put_file
from analysis.errors import StorageError


def test_a_local_file_is_fetched_as_itself(tmp_path):
    (tmp_path / "a.txt").touch()
    assert fetch_file(list_files(tmp_path / "a.txt")[0], tmp_path / "unused") == tmp_path / "a.txt"
    assert not (tmp_path / "unused").exists()


def test_objects_are_fetched_to_their_names(s3, put, tmp_path):
    put(s3, "run/a.txt", "run/deep/b.txt")
    paths = fetch_files(list_files("s3://calls/run", s3=s3), tmp_path, s3=s3)
    assert paths == [tmp_path / "a.txt", tmp_path / "deep" / "b.txt"]
    assert [path.read_text() for path in paths] == ["run/a.txt", "run/deep/b.txt"]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"a.txt", "b.txt", NOTES}


def test_a_file_in_many_parts_is_whole(s3, tmp_path):
    body = os.urandom(2 * RANGE_BYTES + 1)
    (tmp_path / "large").write_bytes(body)
    put_file(tmp_path / "large", "s3://calls/large", s3=s3)
    fetched = fetch_file(list_files("s3://calls/large", s3=s3)[0], tmp_path / "copy", s3=s3)
    assert fetched.read_bytes() == body


def test_a_fetched_file_is_kept_without_asking_s3(s3, put, tmp_path):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    fetch_file(file, tmp_path, s3=s3)
    s3.delete_object(Bucket="calls", Key="a.txt")
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"


def test_a_changed_object_is_fetched_again(s3, put, tmp_path):
    put(s3, "a.txt")
    fetch_file(list_files("s3://calls/a.txt", s3=s3)[0], tmp_path, s3=s3)
    s3.put_object(Bucket="calls", Key="a.txt", Body=b"longer than before")
    assert fetch_file(list_files("s3://calls/a.txt", s3=s3)[0], tmp_path, s3=s3).read_bytes() == b"longer than before"


def damage(path):
    """Change the first byte of a file, and leave its size and its time as they were."""
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def upload(s3, path, key, **options):
    """Upload a file as boto3 does, with its options."""
    with path.open("rb") as content:
        s3.upload_fileobj(content, "calls", key, **options)


def count_calls_of(monkeypatch, name, function):
    calls = []
    monkeypatch.setattr(name, lambda *given: calls.append(given[0]) or function(*given))
    return calls


@pytest.fixture
def wait_a_step(monkeypatch):
    """Let the clock of a file system move between what is done to a file and what is noted of it."""
    now_ns = time.time_ns
    monkeypatch.setattr("analysis.aws.copies.time.time_ns", lambda: now_ns() + 10**9)


def count_requests(s3):
    """List the requests to S3 from now on."""
    names = []
    s3.meta.events.register("before-call.s3", lambda model, **_: names.append(model.name))
    return names


def test_a_damaged_copy_is_fetched_again_although_size_and_time_are_as_before(s3, put, tmp_path):
    put(s3, "run/a.txt", "run/b.txt")
    files = list_files("s3://calls/run", s3=s3)
    damage(fetch_files(files, tmp_path, s3=s3)[0])
    assert [path.read_text() for path in fetch_files(files, tmp_path, s3=s3)] == ["run/a.txt", "run/b.txt"]


def test_a_copy_that_was_damaged_after_several_looks_is_fetched_again(s3, put, tmp_path, wait_a_step):
    put(s3, "a.txt")
    files = list_files("s3://calls/a.txt", s3=s3)
    path, *_ = [fetch_file(files[0], tmp_path, s3=s3) for _ in range(3)]
    damage(path)
    assert fetch_file(files[0], tmp_path, s3=s3).read_text() == "a.txt"


def test_a_damaged_copy_that_nothing_is_noted_of_is_fetched_again(s3, put, tmp_path):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    damage(fetch_file(file, tmp_path, s3=s3))
    (tmp_path / NOTES).unlink()
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"


@pytest.mark.parametrize("notes", [None, b"", b'{"a.txt": {"et', b'{"a.txt": 1}', b"\xff"])
def test_a_whole_copy_is_kept_when_its_notes_are_gone_or_damaged(s3, put, tmp_path, notes):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    fetch_file(file, tmp_path, s3=s3)
    (tmp_path / NOTES).unlink() if notes is None else (tmp_path / NOTES).write_bytes(notes)
    requests = count_requests(s3)
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"
    assert requests == []


def test_content_is_read_again_only_where_it_may_have_changed(s3, put, tmp_path, monkeypatch, wait_a_step):
    put(s3, "run/a.txt", "run/b.txt")
    files = list_files("s3://calls/run", s3=s3)
    fetch_files(files, tmp_path, s3=s3)
    os.utime(tmp_path / "b.txt")
    reads = count_calls_of(monkeypatch, "analysis.aws.downloads.compute_etag", compute_etag)
    for _ in range(3):
        fetch_files(files, tmp_path, s3=s3)
    assert reads == [tmp_path / "b.txt"]


def test_a_copy_noted_as_it_was_written_is_read_once_more(s3, put, tmp_path, monkeypatch):
    # The clock of the file system may not have moved, so that a change right after would not show.
    now_ns = time.time_ns()
    monkeypatch.setattr("analysis.aws.copies.time.time_ns", lambda: now_ns)
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    fetch_file(file, tmp_path, s3=s3)
    reads = count_calls_of(monkeypatch, "analysis.aws.downloads.compute_etag", compute_etag)
    fetch_file(file, tmp_path, s3=s3)
    assert reads == [tmp_path / "a.txt"]


@pytest.mark.parametrize("mib", [5, 8, 17])
def test_a_copy_of_an_object_in_parts_of_any_size_is_held_against_its_etag(emulated_s3, tmp_path, mib):
    (tmp_path / "large").write_bytes(os.urandom(18 * 2**20 + 7))
    config = TransferConfig(multipart_threshold=mib * 2**20, multipart_chunksize=mib * 2**20)
    upload(emulated_s3, tmp_path / "large", "large", Config=config)
    file = list_files("s3://calls/large", s3=emulated_s3)[0]
    assert file.etag.endswith({5: '-4"', 8: '-3"', 17: '-2"'}[mib])
    fetch_file(file, tmp_path / "copy", s3=emulated_s3)
    (tmp_path / "copy" / NOTES).unlink()
    requests = count_requests(emulated_s3)
    fetch_file(file, tmp_path / "copy", s3=emulated_s3)
    assert requests == ["HeadObject"]


def test_a_damaged_copy_of_an_object_in_parts_is_fetched_again(emulated_s3, tmp_path):
    content = os.urandom(9 * 2**20)
    (tmp_path / "large").write_bytes(content)
    put_file(tmp_path / "large", "s3://calls/large", s3=emulated_s3)
    file = list_files("s3://calls/large", s3=emulated_s3)[0]
    damage(fetch_file(file, tmp_path / "copy", s3=emulated_s3))
    assert fetch_file(file, tmp_path / "copy", s3=emulated_s3).read_bytes() == content


def test_a_copy_of_an_object_in_parts_of_different_sizes_is_known_by_what_was_downloaded(emulated_s3, tmp_path):
    parts = [os.urandom(size * 2**20) for size in (5, 6, 1)]
    begun = {"Bucket": "calls", "Key": "odd"}
    begun["UploadId"] = emulated_s3.create_multipart_upload(**begun)["UploadId"]
    etags = [emulated_s3.upload_part(**begun, PartNumber=n, Body=part)["ETag"] for n, part in enumerate(parts, 1)]
    listed = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
    emulated_s3.complete_multipart_upload(**begun, MultipartUpload={"Parts": listed})
    file = list_files("s3://calls/odd", s3=emulated_s3)[0]
    path, requests = fetch_file(file, tmp_path, s3=emulated_s3), count_requests(emulated_s3)
    assert fetch_file(file, tmp_path, s3=emulated_s3).read_bytes() == b"".join(parts)
    assert requests == []
    damage(path)
    assert fetch_file(file, tmp_path, s3=emulated_s3).read_bytes() == b"".join(parts)


class OddEtags:
    """Let a client give an object another ETag than the MD5 of its content, as a KMS key does."""

    etag = '"0123456789abcdef0123456789abcdef"'

    def __init__(self, s3, **headers):
        self.headers = headers
        s3.meta.events.register("after-call.s3.GetObject", self.describe)
        s3.meta.events.register("provide-client-params.s3.GetObject", self.ask)

    def ask(self, params, **_):
        return {name: value for name, value in params.items() if name != "IfMatch"}

    def describe(self, parsed, **_):
        parsed.pop("ServerSideEncryption", None)
        parsed |= self.headers


def test_a_copy_of_an_object_under_a_kms_key_is_known_by_what_was_downloaded(s3, put, tmp_path):
    put(s3, "a.txt")
    OddEtags(s3, ServerSideEncryption="aws:kms")
    file = replace(list_files("s3://calls/a.txt", s3=s3)[0], etag=OddEtags.etag)
    requests = count_requests(s3)
    path = fetch_file(file, tmp_path, s3=s3)
    fetch_file(file, tmp_path, s3=s3)
    assert requests == ["GetObject"]
    damage(path)
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"
    assert requests == ["GetObject"] * 2


def test_an_etag_that_is_no_md5_for_an_unknown_reason_costs_one_more_request(s3, put, tmp_path):
    put(s3, "a.txt")
    OddEtags(s3)
    file = replace(list_files("s3://calls/a.txt", s3=s3)[0], etag=OddEtags.etag)
    requests = count_requests(s3)
    fetch_file(file, tmp_path, s3=s3)
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"
    assert requests == ["GetObject"] * 2


def test_bytes_that_are_damaged_on_the_way_are_fetched_again(s3, put, tmp_path):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    first = iter([b"x", b"a"])
    s3.meta.events.register("after-call.s3.GetObject", lambda parsed, **_: change_body(parsed, next(first)))
    assert fetch_file(file, tmp_path, s3=s3).read_text() == "a.txt"


def test_bytes_that_are_damaged_each_time_are_an_error_and_leave_no_file(s3, put, tmp_path):
    put(s3, "a.txt")
    file = list_files("s3://calls/a.txt", s3=s3)[0]
    wrong = iter([b"x", b"y"])
    s3.meta.events.register("after-call.s3.GetObject", lambda parsed, **_: change_body(parsed, next(wrong)))
    with pytest.raises(StorageError, match=r"a\.txt: the downloaded bytes are not those that its ETag says, twice"):
        fetch_file(file, tmp_path, s3=s3)
    assert list(tmp_path.iterdir()) == []


def change_body(parsed, first):
    """Replace the first byte of a body."""
    rest = parsed["Body"].read()[1:]
    parsed["Body"] = StreamingBody(io.BytesIO(first + rest), len(first + rest))


def test_files_that_are_complete_are_noted_when_a_later_one_fails(s3, put, tmp_path):
    put(s3, "run/a.txt")
    files = [*list_files("s3://calls/run", s3=s3), StoredFile("s3://calls/run/gone", "gone", 4, 0, '"etag"')]
    with pytest.raises(StorageError, match="gone: no such object"):
        fetch_files(files, tmp_path, s3=s3)
    assert (tmp_path / NOTES).exists()


def test_a_disk_that_is_full_is_said_and_not_taken_for_a_broken_connection(s3, tmp_path):
    s3.put_object(Bucket="calls", Key="a", Body=bytes(100_000))
    file = list_files("s3://calls/a", s3=s3)[0]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # as on a full disk, half of a block can be written
    try:
        with pytest.raises(StorageError, match=r"local copy cannot be read or written \(File too large\); check free"):
            fetch_file(file, tmp_path, s3=s3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_object_is_fetched_with_one_request(s3, put, tmp_path):
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
def broken_s3(put, tmp_path):
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


def test_an_answer_that_is_too_short_is_no_file(s3, put, tmp_path):
    put(s3, "a.txt")
    file = replace(list_files("s3://calls/a.txt", s3=s3)[0], bytes=6)
    with pytest.raises(StorageError, match=r"a.txt: the connection breaks off repeatedly"):
        fetch_file(file, tmp_path, s3=s3)
    assert list(tmp_path.iterdir()) == []


def test_more_objects_than_wait_together_are_fetched(s3, put, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.aws.downloads.FILES_TOGETHER", 2)
    put(s3, "run/a", "run/b", "run/c", "run/d", "run/e")
    paths = fetch_files(list_files("s3://calls/run", s3=s3), tmp_path, s3=s3)
    assert [path.read_text() for path in paths] == ["run/a", "run/b", "run/c", "run/d", "run/e"]


def test_an_object_and_a_folder_of_one_name_cannot_both_be_kept(s3, put, tmp_path):
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


def test_a_name_of_the_longest_is_fetched(s3, put, tmp_path):
    put(s3, f"run/{'x' * 220}")
    assert fetch_file(list_files("s3://calls/run", s3=s3)[0], tmp_path, s3=s3).read_text() == f"run/{'x' * 220}"


@pytest.mark.parametrize("name", ["../a.txt", "a/../../b.txt", "/etc/a.txt", "x" * 221])
def test_a_key_that_is_no_files_name_is_refused(s3, tmp_path, name):
    with pytest.raises(StorageError, match="the key has a part that no file's name can be"):
        fetch_file(StoredFile(f"s3://calls/run/{name}", name, 4, 0), tmp_path, s3=s3)
