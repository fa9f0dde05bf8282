"""What a hostile or broken client may try: nothing leaves the folder, breaks down or grows without end."""

from __future__ import annotations

import contextlib
import io
import os
import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from bedrock_local import emulator, open_session
from bedrock_local.dispatch import handle
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.messages import Request

OUTSIDE = b"not yours"
LONG = "x" * 100_000
SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE l [<!ENTITY l0 "ha">{LAUGHS}]><Delete><Object><Key>&l9;</Key></Object></Delete>',
    "external entity": '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
    "parameter entity": '<!DOCTYPE d [<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;]><Delete/>',
    "unknown entity": "<Delete><Object><Key>&x;</Key></Object></Delete>",
    "huge": f"<Delete><Object><Key>{'x' * 5_000_000}</Key></Object></Delete>",
    "deep": "<a>" * 100_000,
    "deep and closed": "<a>" * 100_000 + "</a>" * 100_000,
    "no such encoding": '<?xml version="1.0" encoding="nothing"?><Delete/>',
    "an encoding of many bytes": '<?xml version="1.0" encoding="shift_jis"?><Delete/>',
    "no text": "\x00\x01",
}


@pytest.fixture
def secret(folder, s3):
    """A file beside the folder, which no request may read, change or take away."""
    path = folder.parent / "secret.txt"
    path.write_bytes(OUTSIDE)
    yield path
    assert path.read_bytes() == OUTSIDE
    assert sorted(each.name for each in folder.parent.iterdir()) == ["emulator", "secret.txt"]


@pytest.fixture
def send(s3, folder):
    """Pass a request to dispatch as it is, without a client that would correct it."""

    def send_request(method, path, *, service="s3", host="localhost:1", query=None, headers=None, body=b""):
        request = Request(service, method, host, path, query or {}, headers or {}, io.BytesIO(body))
        response = handle(request, Emulator(folder))
        return response.status, b"".join(response.body)

    return send_request


# Paths

BAD_BUCKETS = ["..", ".", "...", "%2e%2e", "%2E.", "..%2f..", "%00", "calls%00", "UPPER", "a", LONG, "s3"]
BAD_BUCKETS += ["..%5c..", "calls%0a", "-calls", "calls..x", "%ef%bc%8e%ef%bc%8e", "c%3a"]


@pytest.mark.parametrize("bucket", BAD_BUCKETS, ids=lambda name: name[:12])
def test_an_invalid_bucket_name_leads_nowhere(send, secret, bucket):
    for method in ("GET", "PUT", "DELETE"):
        assert send(method, f"/{bucket}/secret.txt")[0] in (400, 404)


@pytest.mark.parametrize("bucket", ["..", "state", "calls/../../state", "calls\0", LONG], ids=lambda name: name[:12])
def test_a_bucket_before_the_host_leads_nowhere(send, secret, bucket):
    assert send("GET", "/secret.txt", host=f"{bucket}.s3.amazonaws.com")[0] in (400, 404)


ODD_KEYS = [
    "../../secret.txt",
    "../../../secret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "..%2f..%2fsecret.txt",
    "/secret.txt",
]
ODD_KEYS += ["%2fetc%2fpasswd", "..%5c..%5csecret.txt", "a%00.txt", "%00", "./../x", "a/%2e%2e/%2e%2e/%2e%2e/x", ".%2e"]
ODD_KEYS += [
    "%252e%252e%252fx",
    "%c0%ae%c0%ae/x",
    "CON",
    "nul.txt",
    "c:%5cx",
    "a%0d%0ab",
    "x.%7f",
    "~",
    "~root/x",
    "a/..",
]
ODD_KEYS += ["$HOME", "%25%25", ".."]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_names_an_object_of_its_bucket_or_none(send, secret, folder, key):
    assert send("GET", f"/calls/{key}")[0] in (400, 404)
    status, _ = send("PUT", f"/calls/{key}", body=b"mine")
    assert send("GET", f"/calls/{key}") == ((200, b"mine") if status == 200 else send("PUT", f"/calls/{key}"))
    assert send("DELETE", f"/calls/{key}")[0] in (204, 400)
    assert not any((folder / "s3" / "calls").iterdir())


def test_very_long_keys_are_refused(s3, send, error_of):
    assert error_of(s3.get_object, Bucket="calls", Key=LONG)[:2] == ("KeyTooLongError", 400)
    assert send("PUT", f"/calls/{'%01' * 1024}")[0] in (200, 400)  # 3 bytes each in the folder's names


@pytest.mark.parametrize(
    "source", ["../secret.txt", "/../secret.txt", "calls/../../secret.txt", "%2e%2e/secret.txt", ""]
)
def test_a_copy_reads_nothing_outside(send, secret, source):
    assert send("PUT", "/calls/a", headers={"x-amz-copy-source": source})[0] in (400, 404)


def test_names_that_look_alike_are_two_objects(s3, folder):
    twins = [unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD")]
    if (folder / twins[0]).touch() or (folder / twins[1]).exists():
        pytest.skip("this file system takes both for one")
    for number, key in enumerate(twins):
        s3.put_object(Bucket="calls", Key=key, Body=b"%d" % number)
    assert [s3.get_object(Bucket="calls", Key=key)["Body"].read() for key in twins] == [b"0", b"1"]


# Symbolic links that somebody puts into the folder


@pytest.fixture
def links(folder, secret):
    """Links in a bucket to a file and a folder outside, one to nothing, and a bucket that is a link."""
    outside = folder / "elsewhere"
    outside.mkdir()
    (outside / "a.txt").write_bytes(OUTSIDE)
    (folder / "s3/calls/file.txt").symlink_to(secret)
    (folder / "s3/calls/in").symlink_to(outside)
    (folder / "s3/calls/nothing.txt").symlink_to(outside / "none")
    (folder / "s3/linked").symlink_to(outside)
    yield outside
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("a.txt", OUTSIDE)]


@pytest.mark.parametrize("key", ["file.txt", "in/a.txt", "nothing.txt"])
def test_a_link_is_no_object(s3, links, error_of, key):
    assert error_of(s3.get_object, Bucket="calls", Key=key)[0] == "NoSuchKey"
    assert error_of(s3.copy_object, Bucket="calls", Key="b", CopySource=f"calls/{key}")[0] == "NoSuchKey"
    assert s3.list_objects_v2(Bucket="calls")["KeyCount"] == 0


def test_nothing_is_written_through_a_link(s3, links, error_of):
    assert error_of(s3.put_object, Bucket="calls", Key="in/b.txt")[:2] == ("AccessDenied", 403)
    assert error_of(s3.put_object, Bucket="calls", Key="in/a.txt", Body=b"mine")[:2] == ("AccessDenied", 403)


def test_an_object_replaces_a_link(s3, links, folder):
    s3.put_object(Bucket="calls", Key="file.txt", Body=b"mine")
    assert s3.get_object(Bucket="calls", Key="file.txt")["Body"].read() == b"mine"
    assert not (folder / "s3/calls/file.txt").is_symlink()


def test_a_delete_leaves_links_and_what_they_lead_to(s3, links, folder):
    for key in ("file.txt", "in/a.txt"):
        s3.delete_object(Bucket="calls", Key=key)
    assert (folder / "s3/calls/file.txt").is_symlink()


def test_a_bucket_is_deleted_without_what_its_links_lead_to(s3, links, folder):
    s3.delete_bucket(Bucket="calls")
    assert not (folder / "s3/calls").exists()


def test_a_link_is_no_bucket(s3, links, error_of):
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["calls"]
    assert error_of(s3.get_object, Bucket="linked", Key="a.txt")[0] == "NoSuchBucket"


def test_a_pipe_is_no_object(s3, folder, error_of):
    os.mkfifo(folder / "s3/calls/pipe.txt")
    assert error_of(s3.get_object, Bucket="calls", Key="pipe.txt")[0] == "NoSuchKey"
    assert s3.list_objects_v2(Bucket="calls")["KeyCount"] == 0


@pytest.mark.parametrize("name", [b"\xff.txt", b"a:b.txt", b"a%zz.txt", b"a%2.txt", b"%41.txt"])
def test_a_name_that_no_key_has_is_passed_over(s3, folder, name):
    (folder / "s3/calls" / os.fsdecode(name)).touch()
    (folder / "s3/calls/good.txt").touch()
    assert [content["Key"] for content in s3.list_objects_v2(Bucket="calls")["Contents"]] == ["good.txt"]


def test_a_key_whose_path_is_taken_by_another_file_is_refused(s3, folder, error_of):
    (folder / "s3/calls/in").touch()
    assert error_of(s3.put_object, Bucket="calls", Key="in/a.txt")[:2] == ("AccessDenied", 403)
    s3.delete_object(Bucket="calls", Key="in/a.txt")


# Documents


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_a_document_that_would_explode_is_refused(send, body):
    status, content = send("POST", "/calls", query={"delete": ""}, body=body.encode())
    assert (status, b"<Code>MalformedXML</Code>" in content) == (400, True)


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_the_end_of_an_upload_takes_no_such_document_either(s3, send, body):
    upload = s3.create_multipart_upload(Bucket="calls", Key="a")["UploadId"]
    status, content = send("POST", "/calls/a", query={"uploadId": upload}, body=body.encode())
    assert (status, b"<Code>MalformedXML</Code>" in content) == (400, True)


@pytest.mark.parametrize("number", ["", "x", "-1", "1e3", "٣", "9" * 5000, "1.0"])
def test_an_invalid_part_number_is_refused(s3, send, number):
    upload = s3.create_multipart_upload(Bucket="calls", Key="a")["UploadId"]
    part = f"<Part><PartNumber>{number}</PartNumber><ETag>x</ETag></Part>"
    body = f"<CompleteMultipartUpload {SPACE}>{part}</CompleteMultipartUpload>".encode()
    assert send("POST", "/calls/a", query={"uploadId": upload}, body=body)[0] == 400


def test_a_key_with_a_control_character_breaks_no_list(s3, send):
    send("PUT", "/calls/a%01b%0dc")
    assert [content["Key"] for content in s3.list_objects_v2(Bucket="calls")["Contents"]] == ["a\x01b\rc"]
    assert b"<Key>a&#1;b&#13;c</Key>" in send("GET", "/calls")[1]


# Headers


@pytest.mark.parametrize("name", ["x-amz-meta-a", "content-type", "cache-control", "expires"])
def test_a_header_with_a_line_break_is_refused(send, name):
    for value in ("a\r\nset-cookie: b", "a\nb", "a\0b", "\x7f"):
        assert send("PUT", "/calls/a", headers={name: value})[0] == 400


def test_a_name_with_a_line_break_is_refused(send):
    assert send("PUT", "/calls/a", headers={"x-amz-meta-a\r\nb": "c"})[0] == 400


@pytest.mark.parametrize("name", ["response-content-type", "response-content-disposition", "response-expires"])
def test_an_answer_takes_no_line_break_from_the_query(s3, send, name):
    s3.put_object(Bucket="calls", Key="a")
    assert send("GET", "/calls/a", query={name: "a\r\nset-cookie: b"})[0] == 400


def test_metadata_has_a_largest_size(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Metadata={"a": "x" * 2047})
    wish = {"Bucket": "calls", "Key": "a", "Metadata": {"a": "x" * 2048}}
    assert error_of(s3.put_object, **wish)[:2] == ("MetadataTooLarge", 400)


@pytest.mark.parametrize("date", ["x", "Thu, 99 Jan 2026 00:00:00 GMT", "1", "", "Thu, 01 Jan 9999999 00:00:00 GMT"])
@pytest.mark.parametrize("name", ["if-modified-since", "if-unmodified-since"])
def test_an_invalid_date_is_no_condition(s3, send, name, date):
    s3.put_object(Bucket="calls", Key="a", Body=b"x")
    assert send("GET", "/calls/a", headers={name: date}) == (200, b"x")


@pytest.mark.parametrize(
    "text", ["bytes=" + "9" * 5000 + "-", "bytes=٣-٤", "bytes=-", "bytes=1-2,3-4", "bytes 0-1", "x"]
)
def test_an_invalid_range_is_ignored(s3, send, text):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    assert send("GET", "/calls/a", headers={"range": text}) == (200, b"hello")


@pytest.mark.parametrize("length", ["", "x", "-1", "²", "9" * 5000])
def test_an_invalid_length_is_ignored(s3, send, length):
    assert send("PUT", "/calls/a", headers={"x-amz-decoded-content-length": length}, body=b"x")[0] == 200


# Numbers, tokens and ids in the query


@pytest.mark.parametrize("name", ["max-keys", "max-uploads", "max-parts", "part-number-marker", "max-buckets"])
def test_an_invalid_number_is_refused(s3, send, name):
    upload = s3.create_multipart_upload(Bucket="calls", Key="a")["UploadId"]
    places = {"max-keys": "/calls", "max-uploads": "/calls", "max-buckets": "/"}
    query = {"max-uploads": {"uploads": ""}, "max-keys": {}, "max-buckets": {}}.get(name, {"uploadId": upload})
    for text in ("x", "-1", "٣", "1.5", "9" * 5000, " "):
        assert send("GET", places.get(name, "/calls/a"), query=query | {name: text})[0] == 400


@pytest.mark.parametrize("token", ["", "x", "====", "%%%", "/wEC", "ÿ", LONG], ids=lambda token: token[:8])
def test_an_invalid_token_is_refused(send, token):
    assert send("GET", "/calls", query={"list-type": "2", "continuation-token": token})[0] == 400


@pytest.mark.parametrize("token", ["x", "-1", "9" * 5000, "../..", "\0"], ids=lambda token: token[:8])
def test_an_invalid_token_of_jobs_is_refused(send, token):
    query = {"nextToken": token}
    assert send("GET", "/model-invocation-jobs", service="bedrock", query=query)[0] in (400, 404)


JOB_IDS = [
    "..",
    "../../settings.json",
    "%2e%2e",
    "..%2f..%2fsecret",
    "abcdefghijk%00",
    "ABCDEFGHIJKL",
    "a" * 5000,
    "é" * 12,
]
JOB_IDS += [
    "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/../../../x",
    "abcdefghijkl/../x",
    "abcdefghijkl%0a",
]


@pytest.mark.parametrize("job_id", JOB_IDS, ids=lambda name: name[:24])
def test_a_job_id_leads_nowhere(send, secret, job_id):
    assert send("GET", f"/model-invocation-job/{job_id}", service="bedrock")[0] in (400, 404)
    assert send("POST", f"/model-invocation-job/{job_id}/stop", service="bedrock")[0] in (400, 404)


@pytest.mark.parametrize(
    "uri", ["s3://../state/", "s3://calls/../../state/", "s3://calls/%2e%2e/", "file:///etc/", "s3:///x"]
)
def test_a_job_reads_in_buckets_only(jobs, secret, uri):
    wish = {"inputDataConfig": {"s3InputDataConfig": {"s3Uri": uri}}}
    with contextlib.suppress(jobs.bedrock.exceptions.ValidationException):
        assert jobs.finish(jobs.create(**wish))["status"] == "Failed"


def test_a_presigned_url_is_an_ordinary_request(s3, send):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Expires": "3600",
        "X-Amz-Signature": "0" * 64,
        "x-id": "GetObject",
    }
    assert send("GET", "/calls/a", query=query) == (200, b"hello")


# The folder's rights


def mode(path):
    return path.stat().st_mode & 0o777


def test_what_the_emulator_makes_is_its_owners_alone(s3, folder):
    s3.put_object(Bucket="calls", Key="in/a.txt", Body=b"x")
    assert [mode(folder / name) for name in (".", "s3", "state", "settings.json")] == [0o700, 0o700, 0o700, 0o600]


@pytest.fixture
def open_to_others(folder):
    """An emulator's folder that everybody may read."""
    for path in (folder, folder / "s3", folder / "state"):
        path.mkdir()
        path.chmod(0o755)
    (folder / "settings.json").write_text("{}")
    (folder / "settings.json").chmod(0o644)
    return folder


def test_a_folder_that_was_open_to_others_is_closed(open_to_others):
    open_session(open_to_others)
    rights = [mode(open_to_others / name) for name in (".", "s3", "state", "settings.json")]
    assert rights == [0o700, 0o700, 0o700, 0o600]


def test_a_folder_with_other_things_keeps_its_rights_and_what_the_emulator_has_is_closed(open_to_others):
    (open_to_others / "notes.txt").touch()
    open_session(open_to_others)
    rights = [mode(open_to_others / name) for name in (".", "s3", "state", "settings.json")]
    assert rights == [0o755, 0o700, 0o700, 0o600]


def test_what_a_killed_process_left_long_ago_is_deleted(s3, folder, monkeypatch):
    left = [folder / ".1234.tmp", folder / "state/tmp/5678"]
    left[1].parent.mkdir()
    for path in left:
        path.touch()
    open_session(folder)
    assert all(path.exists() for path in left)
    monkeypatch.setattr(emulator, "ABANDONED_SECONDS", -1)
    open_session(folder)
    assert not any(path.exists() for path in left)


def test_no_file_is_left_behind_by_what_was_refused(s3, folder, error_of):
    error_of(s3.put_object, Bucket="calls", Key="a", Body=b"x", ContentMD5="XUFAKrxLKna5cZ2REBfFkw==")
    error_of(s3.put_object, Bucket="calls", Key="a", Body=b"x", Metadata={"a": "x" * 3000})
    error_of(s3.put_object, Bucket="calls", Key="a", Body=b"x", IfMatch='"x"')
    assert list((folder / "state" / "tmp").iterdir()) == []


# Anything at all

WORDS = ["", "uploads", "uploadId", "partNumber", "delete", "list-type", "location", "attributes", "versions", "prefix"]
WORDS += [
    "max-keys",
    "continuation-token",
    "marker",
    "encoding-type",
    "versionId",
    "nextToken",
    "maxResults",
    "sortOrder",
]
NAMES = [
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "x-amz-copy-source",
    "x-amz-content-sha256",
    "x-amz-trailer",
]
NAMES += [
    "content-length",
    "x-amz-checksum-crc32",
    "x-amz-decoded-content-length",
    "x-amz-meta-a",
    "x-amz-copy-source-range",
]
VALUES = st.text(max_size=8) | st.sampled_from(
    ["1", "url", "bytes=0-1", "calls/a", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "*"]
)
PATHS = [
    "/",
    "/calls",
    "/calls/a",
    "/model-invocation-job",
    "/model-invocation-jobs",
    "/model-invocation-job/abcdefghijkl",
]
PATHS += ["/model/amazon.nova-lite-v1:0/converse", "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke"]
BODIES = st.binary(max_size=20) | st.sampled_from(
    [b"{}", b"<a/>", b"[]", b"5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello", b'{"a":1}']
)


@settings(max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    service=st.sampled_from(["s3", "s3", "bedrock", "bedrock-runtime"]),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"]),
    path=st.sampled_from(PATHS) | st.text(max_size=12).map(lambda text: "/" + text),
    query=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=3),
    headers=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    body=BODIES,
)
def test_whatever_is_sent_has_an_answer(send, service, method, path, query, headers, body):
    status, _ = send(method, path, service=service, query=query, headers=headers, body=body)
    assert 200 <= status < 500 or status == 501
