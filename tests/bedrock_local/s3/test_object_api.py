from __future__ import annotations

import io
import tracemalloc
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from bedrock_local.s3 import checksums

TRANSPORTS = ["inside", "http"]

ALL_ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
MD5_OF_HELLO = '"5d41402abc4b2a76b9719d911017c592"'


class Zeros(io.RawIOBase):
    """So many bytes, none of which is kept anywhere."""

    def __init__(self, size):
        self.size, self.at = size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def read(self, amount=-1):
        left = self.size - self.at
        amount = left if amount is None or amount < 0 else min(amount, left)
        self.at += amount
        return bytes(amount)


def test_headers_and_metadata_of_an_object_are_returned(s3):
    said = {
        "ContentType": "application/jsonl",
        "ContentEncoding": "gzip",
        "CacheControl": "no-store",
        "ContentDisposition": "inline",
        "ContentLanguage": "ar",
        "Metadata": {"call-id": "7"},
    }
    s3.put_object(Bucket="calls", Key="a", Body=b"hello", **said)
    found = s3.head_object(Bucket="calls", Key="a")
    assert {name: found[name] for name in said} == said
    assert (found["ETag"], found["ContentLength"]) == (MD5_OF_HELLO, 5)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_checksum_comes_back_and_is_checked_by_the_client(s3, algorithm):
    sent = s3.put_object(Bucket="calls", Key="a", Body=io.BytesIO(b"hello"), ChecksumAlgorithm=algorithm)
    found = s3.get_object(Bucket="calls", Key="a", ChecksumMode="ENABLED")
    assert found["Body"].read() == b"hello"
    assert found[f"Checksum{algorithm}"] == sent[f"Checksum{algorithm}"]


def test_a_part_of_an_object_has_no_checksum(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    part = s3.get_object(Bucket="calls", Key="a", Range="bytes=1-2", ChecksumMode="ENABLED")
    assert (part["Body"].read(), part.get("ChecksumCRC32")) == (b"el", None)


def test_the_crc_of_an_object_is_the_published_one(s3):
    # 0xCBF43926, the check value of CRC-32 for "123456789" in every catalogue of CRCs.
    assert s3.put_object(Bucket="calls", Key="a", Body=b"123456789")["ChecksumCRC32"] == "y/Q5Jg=="


@pytest.mark.parametrize("wrong", [{"ChecksumSHA256": "AAAA"}, {"ContentMD5": "XUFAKrxLKna5cZ2REBfFkw=="}])
def test_a_body_that_is_not_what_was_promised_is_refused(s3, error_of, wrong):
    assert error_of(s3.put_object, Bucket="calls", Key="a", Body=b"hello", **wrong)[:2] == ("BadDigest", 400)
    assert s3.list_objects_v2(Bucket="calls")["KeyCount"] == 0


def test_a_body_larger_than_a_request_may_have_is_refused(s3, error_of, monkeypatch):
    monkeypatch.setattr(checksums, "MOST_BYTES", 10)
    s3.put_object(Bucket="calls", Key="a", Body=b"0123456789")
    assert error_of(s3.put_object, Bucket="calls", Key="b", Body=b"0123456789X")[:2] == ("EntityTooLarge", 400)


# The check values of "123456789" in the catalogues of CRCs.
@pytest.mark.crt
@pytest.mark.parametrize(("name", "value"), [("ChecksumCRC32C", "4waSgw=="), ("ChecksumCRC64NVME", "rosUhgp5mIg=")])
def test_a_crc_of_the_common_runtime_is_checked_where_that_is_installed(give_up, s3, error_of, name, value):
    if find_spec("awscrt") is None:
        give_up("boto3 is without its common runtime: make test-crt installs it")
    wish = {"Bucket": "calls", "Key": "a", name: value}
    assert s3.put_object(**wish, Body=b"123456789")[name] == value
    assert error_of(s3.put_object, **wish, Body=b"hello")[:2] == ("BadDigest", 400)


def test_a_client_without_checksums_is_served_too(session, s3):
    plain = session.client("s3", config=Config(request_checksum_calculation="when_required"))
    plain.put_object(Bucket="calls", Key="a", Body=b"hello")
    assert plain.get_object(Bucket="calls", Key="a")["ETag"] == MD5_OF_HELLO


def test_a_body_can_be_read_in_every_way(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"one\ntwo\nthree")
    get = lambda: s3.get_object(Bucket="calls", Key="a")["Body"]  # noqa: E731
    assert list(get().iter_lines()) == [b"one", b"two", b"three"]
    assert list(get().iter_chunks(5)) == [b"one\nt", b"wo\nth", b"ree"]
    body = get()
    assert [body.read(4), body.read(), body.read()] == [b"one\n", b"two\nthree", b""]
    with get() as body:
        assert body.read(3) == b"one"
    assert io.BufferedReader(get()).readline() == b"one\n"


@pytest.mark.parametrize("size", [0, 1, 5 * 2**20, 12 * 2**20 + 1])
def test_files_of_any_size_go_up_and_down(s3, tmp_path, size):
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "up").write_bytes(content)
    config = TransferConfig(multipart_threshold=6 * 2**20, multipart_chunksize=5 * 2**20, max_concurrency=4)
    s3.upload_file(str(tmp_path / "up"), "calls", "a", Config=config, ExtraArgs={"Metadata": {"call": "7"}})
    s3.download_file("calls", "a", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == content
    assert s3.head_object(Bucket="calls", Key="a")["Metadata"] == {"call": "7"}


def test_streams_go_up_down_and_across(s3):
    config = TransferConfig(multipart_threshold=6 * 2**20, multipart_chunksize=5 * 2**20)
    content = b"0123456789abcdef" * (2**20 - 1)
    s3.upload_fileobj(io.BytesIO(content), "calls", "a", Config=config)
    s3.copy({"Bucket": "calls", "Key": "a"}, "calls", "b", Config=config)
    target = io.BytesIO()
    s3.download_fileobj("calls", "b", target, Config=config)
    assert target.getvalue() == content


def test_a_large_object_never_is_in_memory(s3):
    s3.put_object(Bucket="calls", Key="warm", Body=b"x")
    tracemalloc.start()
    s3.put_object(Bucket="calls", Key="a", Body=Zeros(64 * 2**20))
    size = sum(len(chunk) for chunk in s3.get_object(Bucket="calls", Key="a")["Body"].iter_chunks(1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 64 * 2**20
    assert peak < 16 * 2**20


def test_conditions_on_the_time_are_kept(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"x")
    now = datetime.now(UTC)
    later, earlier = now + timedelta(hours=1), now - timedelta(hours=1)
    assert error_of(s3.get_object, Bucket="calls", Key="a", IfModifiedSince=later)[1] == 304
    assert error_of(s3.get_object, Bucket="calls", Key="a", IfUnmodifiedSince=earlier)[1] == 412
    s3.get_object(Bucket="calls", Key="a", IfModifiedSince=earlier, IfUnmodifiedSince=later)["Body"].close()


def test_conditions_on_the_etag_go_before_those_on_the_time(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    later, earlier = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))
    for wish in (
        {"IfNoneMatch": "x", "IfModifiedSince": later},
        {"IfMatch": MD5_OF_HELLO, "IfUnmodifiedSince": earlier},
    ):
        assert s3.get_object(Bucket="calls", Key="a", **wish)["Body"].read() == b"hello"


def test_a_copy_has_the_checksums_of_its_source(s3):
    sent = s3.put_object(Bucket="calls", Key="a", Body=b"hello", ChecksumAlgorithm="SHA256")
    copied = s3.copy_object(Bucket="calls", Key="b", CopySource="calls/a")["CopyObjectResult"]
    assert copied["ChecksumSHA256"] == sent["ChecksumSHA256"]


def test_no_more_than_a_thousand_objects_are_deleted_at_once(s3, error_of):
    wish = [{"Key": str(number)} for number in range(1001)]
    assert error_of(s3.delete_objects, Bucket="calls", Delete={"Objects": wish})[0] == "MalformedXML"
    assert len(s3.delete_objects(Bucket="calls", Delete={"Objects": wish[1:]})["Deleted"]) == 1000


def test_an_object_is_replaced_only_as_it_was_seen(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    s3.put_object(Bucket="calls", Key="a", Body=b"two", IfMatch=MD5_OF_HELLO)
    assert error_of(s3.put_object, Bucket="calls", Key="a", Body=b"3", IfMatch=MD5_OF_HELLO)[1] == 412
    assert error_of(s3.put_object, Bucket="calls", Key="b", Body=b"3", IfMatch=MD5_OF_HELLO)[1] == 404
    assert s3.get_object(Bucket="calls", Key="a")["Body"].read() == b"two"


def test_a_copy_reads_only_what_its_condition_allows(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    source = {"Bucket": "calls", "Key": "b", "CopySource": "calls/a"}
    assert error_of(s3.copy_object, **source, CopySourceIfMatch="x")[0] == "PreconditionFailed"
    assert error_of(s3.copy_object, **source, CopySourceIfNoneMatch=MD5_OF_HELLO)[0] == "PreconditionFailed"
    assert s3.copy_object(**source, CopySourceIfMatch=MD5_OF_HELLO)["CopyObjectResult"]["ETag"] == MD5_OF_HELLO


def test_the_time_of_an_object_is_the_same_in_every_response(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"x")
    (listed,) = s3.list_objects_v2(Bucket="calls")["Contents"]
    assert listed["LastModified"] == s3.head_object(Bucket="calls", Key="a")["LastModified"]


def test_the_attributes_of_an_object_come_as_asked(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"123456789")
    found = s3.get_object_attributes(Bucket="calls", Key="a", ObjectAttributes=["ETag", "ObjectSize", "Checksum"])
    assert (found["ETag"], found["ObjectSize"]) == ("25f9e794323b453885f5181f1b624d0b", 9)
    # 0xCBF43926, the published check value of CRC-32.
    assert found["Checksum"] == {"ChecksumCRC32": "y/Q5Jg==", "ChecksumType": "FULL_OBJECT"}
    assert "StorageClass" not in found


def test_an_object_in_parts_says_how_many(s3):
    where = {"Bucket": "calls", "Key": "big"}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]}
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    assert s3.get_object_attributes(**where, ObjectAttributes=ALL_ATTRIBUTES)["ObjectParts"]["TotalPartsCount"] == 1


def test_an_object_in_one_piece_has_no_parts(s3):
    s3.put_object(Bucket="calls", Key="a")
    found = s3.get_object_attributes(Bucket="calls", Key="a", ObjectAttributes=ALL_ATTRIBUTES)
    assert ("ObjectParts" in found, found["StorageClass"]) == (False, "STANDARD")


@pytest.mark.parametrize("asked", [["Size"], ["ETag", "Owner"]])
def test_an_unknown_attribute_is_refused(s3, error_of, asked):
    s3.put_object(Bucket="calls", Key="a")
    wish = {"Bucket": "calls", "Key": "a", "ObjectAttributes": asked}
    assert error_of(s3.get_object_attributes, **wish)[0] == "InvalidArgument"


def test_an_object_has_no_tags(s3, error_of):
    s3.put_object(Bucket="calls", Key="a")
    assert s3.get_object_tagging(Bucket="calls", Key="a")["TagSet"] == []
    assert error_of(s3.get_object_tagging, Bucket="calls", Key="b")[0] == "NoSuchKey"


def test_a_header_of_other_letters_comes_back_as_the_bytes_that_were_sent(s3):
    name = 'attachment; filename="Anruf für Łódź.txt"'
    s3.put_object(Bucket="calls", Key="a", ContentDisposition=name)
    asked = s3.get_object(Bucket="calls", Key="a", ResponseContentDisposition=name)["ContentDisposition"]
    told = s3.head_object(Bucket="calls", Key="a")["ContentDisposition"]
    # botocore sends UTF-8, and reads headers as latin-1.
    assert asked.encode("latin-1").decode() == told.encode("latin-1").decode() == name


def test_an_object_is_not_replaced_by_what_is_to_be_appended(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    append = {"Bucket": "calls", "Key": "a", "Body": b"!", "WriteOffsetBytes": 5}
    assert error_of(s3.put_object, **append)[:2] == ("NotImplemented", 501)
    assert s3.get_object(Bucket="calls", Key="a")["Body"].read() == b"hello"
