from __future__ import annotations

import pytest

PART = b"x" * 5 * 2**20


@pytest.fixture
def upload(s3):
    where = {"Bucket": "calls", "Key": "big"}
    return {**where, "UploadId": s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32")["UploadId"]}


def send(s3, upload, number, body):
    part = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
    return {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}


def test_the_last_sending_of_a_part_counts(s3, upload):
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
    parts = [send(s3, upload, 1, b"12345"), *[]]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT")
    found = s3.get_object(**where, ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ChecksumCRC32"]) == (b"12345", done["ChecksumCRC32"])


def test_an_aborted_upload_is_gone(s3, upload, error_of):
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket="calls")["Uploads"]] == [upload["UploadId"]]
    s3.abort_multipart_upload(**upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="calls")
    assert error_of(s3.upload_part, **upload, PartNumber=1, Body=b"x")[:2] == ("NoSuchUpload", 404)


def test_parts_are_listed_page_by_page(s3, upload):
    for number in (1, 2, 3):
        send(s3, upload, number, b"x")
    pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 2})
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[1, 2], [3]]


@pytest.mark.parametrize("upload_id", ["../../objects/calls", "..", "none"])
def test_no_upload_id_leaves_its_folder(s3, error_of, upload_id):
    where = {"Bucket": "calls", "Key": "big", "UploadId": upload_id}
    assert error_of(s3.list_parts, **where)[0] == "NoSuchUpload"


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_have_limits(s3, upload, error_of, number):
    assert error_of(s3.upload_part, **upload, PartNumber=number, Body=b"x")[0] == "InvalidArgument"
