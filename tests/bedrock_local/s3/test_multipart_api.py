from __future__ import annotations

import base64
import io
import zlib

import pytest
from boto3.s3.transfer import TransferConfig

TRANSPORTS = ["inside", "http"]

PART = b"x" * 5 * 2**20


@pytest.fixture
def upload(s3):
    where = {"Bucket": "calls", "Key": "big"}
    return {**where, "UploadId": s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32")["UploadId"]}


def send(s3, upload, number, body):
    part = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
    return {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}


def test_the_last_upload_of_a_part_counts(s3, upload):
    send(s3, upload, 1, b"old")
    parts = [send(s3, upload, 1, b"new")]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="calls", Key="big")["Body"].read() == b"new"


def test_parts_come_in_order(s3, upload, error_of):
    parts = [send(s3, upload, 2, PART), send(s3, upload, 1, PART)]
    assert error_of(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})[0] == "InvalidPartOrder"


def test_only_the_last_part_may_be_small(s3, upload, error_of):
    parts = [send(s3, upload, 1, b"small"), send(s3, upload, 2, PART)]
    assert error_of(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})[0] == "EntityTooSmall"


def test_an_upload_without_parts_is_refused(s3, upload, error_of):
    assert error_of(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": []})[0] == "MalformedXML"


def test_the_checksum_of_a_whole_object_is_checked_by_the_client(s3):
    where = {"Bucket": "calls", "Key": "big"}
    begun = s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    upload = {**where, "UploadId": begun["UploadId"]}
    parts = [send(s3, upload, 1, b"12345")]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT")
    found = s3.get_object(**where, ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ChecksumCRC32"]) == (b"12345", done["ChecksumCRC32"])


def test_the_checksum_of_parts_is_that_of_their_checksums(s3, upload):
    # CRC-32 of the four bytes CB F4 39 26, the published check value of "123456789".
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [send(s3, upload, 1, b"123456789")]})
    whole = base64.b64encode(zlib.crc32(bytes.fromhex("CBF43926")).to_bytes(4, "big")).decode()
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (f"{whole}-1", "COMPOSITE")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_file_in_parts_keeps_its_checksum(s3, algorithm):
    config = TransferConfig(multipart_threshold=len(PART), multipart_chunksize=len(PART))
    extra = {"ChecksumAlgorithm": algorithm}
    s3.upload_fileobj(io.BytesIO(PART + b"end"), "calls", "big", Config=config, ExtraArgs=extra)
    found = s3.get_object(Bucket="calls", Key="big", ChecksumMode="ENABLED")
    assert (found["ChecksumType"], found[f"Checksum{algorithm}"][-2:]) == ("COMPOSITE", "-2")
    assert found["Body"].read() == PART + b"end"


def test_a_part_has_the_checksum_that_was_announced(s3, error_of, folder):
    where = {"Bucket": "calls", "Key": "big"}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]}
    code, status, text = error_of(s3.upload_part, **upload, PartNumber=1, Body=b"x")
    assert (code, status) == ("InvalidRequest", 400)
    assert text.endswith("expected checksum Type: sha256, actual checksum Type: crc32")
    assert list((folder / "state" / "tmp").iterdir()) == []


def test_the_checksum_of_every_part_is_listed(s3, upload, error_of):
    part = send(s3, upload, 1, b"x")
    del part["ChecksumCRC32"]
    wish = {"MultipartUpload": {"Parts": [part]}}
    assert "missing for part 1" in error_of(s3.complete_multipart_upload, **upload, **wish)[2]


def test_a_checksum_that_is_not_the_parts_is_refused(s3, upload, error_of):
    parts = [send(s3, upload, 1, b"x") | {"ChecksumCRC32": "AAAAAA=="}]
    assert error_of(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})[0] == "InvalidPart"


def test_a_checksum_that_is_not_the_objects_is_refused_and_the_upload_stays(s3, upload, error_of):
    wish = {**upload, "MultipartUpload": {"Parts": [send(s3, upload, 1, b"x")]}}
    assert error_of(s3.complete_multipart_upload, **wish, ChecksumCRC32="AAAAAA==-1")[0] == "BadDigest"
    assert s3.complete_multipart_upload(**wish)["Key"] == "big"


@pytest.mark.parametrize(("algorithm", "kind"), [("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")])
def test_not_every_checksum_can_be_made_of_parts(s3, error_of, algorithm, kind):
    wish = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    code, _, text = error_of(s3.create_multipart_upload, Bucket="calls", Key="big", **wish)
    assert (code, f"The {kind} checksum type cannot be used" in text) == ("InvalidRequest", True)


def test_a_part_can_be_read_by_its_number(s3, upload):
    parts = [send(s3, upload, 1, PART), send(s3, upload, 2, b"end")]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    found = s3.get_object(Bucket="calls", Key="big", PartNumber=2)
    assert (found["Body"].read(), found["PartsCount"]) == (b"end", 2)
    assert found["ContentRange"] == "bytes 5242880-5242882/5242883"
    assert s3.head_object(Bucket="calls", Key="big", PartNumber=1)["ContentLength"] == len(PART)


def test_a_part_that_is_not_there_cannot_be_read(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    assert s3.get_object(Bucket="calls", Key="a", PartNumber=1)["Body"].read() == b"hello"
    assert error_of(s3.get_object, Bucket="calls", Key="a", PartNumber=2)[1] == 416


def test_uploads_are_listed_page_by_page(s3):
    for key in ("b", "a", "b", "c"):
        s3.create_multipart_upload(Bucket="calls", Key=key)
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket="calls", PaginationConfig={"PageSize": 2})
    assert [[upload["Key"] for upload in page["Uploads"]] for page in pages] == [["a", "b"], ["b", "c"]]


def test_uploads_are_listed_by_the_beginning_of_their_keys(s3):
    for key in ("in/a", "in/b", "out/a"):
        s3.create_multipart_upload(Bucket="calls", Key=key)
    found = s3.list_multipart_uploads(Bucket="calls", Prefix="in/")
    assert ([upload["Key"] for upload in found["Uploads"]], found["Prefix"]) == (["in/a", "in/b"], "in/")


def test_an_upload_is_that_of_its_key_alone(s3, upload, error_of):
    send(s3, upload, 1, b"x")
    assert error_of(s3.list_parts, **upload | {"Key": "other"})[:2] == ("NoSuchUpload", 404)
    s3.create_bucket(Bucket="other")
    assert error_of(s3.abort_multipart_upload, **upload | {"Bucket": "other"})[:2] == ("NoSuchUpload", 404)


def test_an_upload_that_must_not_replace_anything_does_not(s3, upload, error_of):
    s3.put_object(Bucket="calls", Key="big", Body=b"old")
    wish = {**upload, "MultipartUpload": {"Parts": [send(s3, upload, 1, b"new")]}}
    assert error_of(s3.complete_multipart_upload, **wish, IfNoneMatch="*")[:2] == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket="calls", Key="big")["Body"].read() == b"old"


def test_deleting_a_bucket_aborts_its_uploads(s3, upload, error_of):
    s3.delete_bucket(Bucket="calls")
    assert error_of(s3.list_parts, **upload)[0] == "NoSuchBucket"
    s3.create_bucket(Bucket="calls")
    assert error_of(s3.list_parts, **upload)[0] == "NoSuchUpload"


def test_an_aborted_upload_is_gone(s3, upload, error_of):
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket="calls")["Uploads"]] == [upload["UploadId"]]
    s3.abort_multipart_upload(**upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="calls")
    assert error_of(s3.upload_part, **upload, PartNumber=1, Body=b"x")[:2] == ("NoSuchUpload", 404)


def test_parts_are_listed_page_by_page(s3, upload):
    for number in (2, 5, 9):
        send(s3, upload, number, b"x")
    pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 2})
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[2, 5], [9]]


@pytest.mark.parametrize("upload_id", ["../../objects/calls", "..", "none"])
def test_no_upload_id_leaves_its_folder(s3, error_of, upload_id):
    where = {"Bucket": "calls", "Key": "big", "UploadId": upload_id}
    assert error_of(s3.list_parts, **where)[0] == "NoSuchUpload"


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_have_limits(s3, upload, error_of, number):
    assert error_of(s3.upload_part, **upload, PartNumber=number, Body=b"x")[0] == "InvalidArgument"
