import hashlib
from io import BytesIO

import pytest
from botocore.awsrequest import AWSResponse

from analysis.aws.conditions import describe_object, hash_object, put_new, put_over, put_same, read_object
from analysis.errors import StorageError

URI = "s3://batchbook/runs/a.jsonl"


@pytest.fixture
def s3(emulator):
    return emulator.client("s3")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    return path


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_a_new_object_is_written_once_and_then_stays(s3, file):
    assert put_new(file, URI, digest(b"one\n"), s3=s3)
    file.write_bytes(b"two\n")
    assert not put_new(file, URI, digest(b"two\n"), s3=s3)
    assert read_object(URI, s3=s3).body == b"one\n"
    assert describe_object(URI, s3=s3) == (4, digest(b"one\n"))


def test_the_same_file_may_be_written_again_also_where_s3_has_no_digest_of_it(s3, file):
    assert put_same(file, URI, digest(b"one\n"), s3=s3)
    assert put_same(file, URI, digest(b"one\n"), s3=s3)
    s3.put_object(Bucket="batchbook", Key="runs/a.jsonl", Body=b"one\n")
    assert put_same(file, URI, digest(b"one\n"), s3=s3)
    for other in (b"two\n", b"longer\n"):
        file.write_bytes(other)
        assert not put_same(file, URI, digest(other), s3=s3)
    assert read_object(URI, s3=s3).body == b"one\n"


def test_what_arrives_otherwise_than_its_digest_is_refused(s3, file):
    with pytest.raises(StorageError, match=r"runs/a\.jsonl: BadDigest"):
        put_new(file, URI, digest(b"two\n"), s3=s3)
    assert describe_object(URI, s3=s3) is None


def test_an_object_is_written_over_the_version_that_was_read(s3):
    first = put_over(b"one", URI, "", s3=s3)
    assert put_over(b"two", URI, "", s3=s3) == ""
    second = put_over(b"two", URI, first, s3=s3)
    assert put_over(b"three", URI, first, s3=s3) == ""
    assert read_object(URI, s3=s3) == (b"two", second)


def test_an_object_that_is_gone_is_not_written_over(s3):
    etag = put_over(b"one", URI, "", s3=s3)
    s3.delete_object(Bucket="batchbook", Key="runs/a.jsonl")
    assert put_over(b"two", URI, etag, s3=s3) == ""
    assert read_object(URI, s3=s3) == (b"", "")


def test_a_request_that_meets_another_one_is_made_again(s3, file):
    """S3 answers so while another write of the key is under way; the emulator has none that take so long."""
    body = b"<Error><Code>ConditionalRequestConflict</Code><Message>A conflicting operation</Message></Error>"
    refused = []

    def refuse(request, **_):
        if not refused:
            refused.append(request.body.read() if hasattr(request.body, "read") else request.body)
            return AWSResponse(request.url, 409, {"x-amz-request-id": "1"}, Raw(body))
        return None

    s3.meta.events.register_first("before-send.s3.PutObject", refuse)
    assert put_new(file, URI, digest(b"one\n"), s3=s3)
    assert refused
    assert read_object(URI, s3=s3).body == b"one\n"


class Raw(BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_):
        yield self.read()


def test_a_digest_of_parts_is_not_that_of_the_whole(s3):
    upload = {"Bucket": "batchbook", "Key": "runs/a.jsonl"}
    made = s3.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(**upload, UploadId=made, PartNumber=1, Body=b"one\n", ChecksumAlgorithm="SHA256")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]}
    s3.complete_multipart_upload(**upload, UploadId=made, MultipartUpload=parts)
    assert describe_object(URI, s3=s3) == (4, "")
    assert hash_object(URI, s3=s3) == digest(b"one\n")
