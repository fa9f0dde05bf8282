from __future__ import annotations

import pytest

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


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
    assert s3.get_object_attributes(**where, ObjectAttributes=ALL)["ObjectParts"]["TotalPartsCount"] == 1


def test_an_object_in_one_piece_has_no_parts(s3):
    s3.put_object(Bucket="calls", Key="a")
    found = s3.get_object_attributes(Bucket="calls", Key="a", ObjectAttributes=ALL)
    assert ("ObjectParts" in found, found["StorageClass"]) == (False, "STANDARD")


@pytest.mark.parametrize("asked", [["Size"], ["ETag", "Owner"]])
def test_an_attribute_that_there_is_not_is_refused(s3, error_of, asked):
    s3.put_object(Bucket="calls", Key="a")
    wish = {"Bucket": "calls", "Key": "a", "ObjectAttributes": asked}
    assert error_of(s3.get_object_attributes, **wish)[0] == "InvalidArgument"


def test_an_object_has_no_tags(s3, error_of):
    s3.put_object(Bucket="calls", Key="a")
    assert s3.get_object_tagging(Bucket="calls", Key="a")["TagSet"] == []
    assert error_of(s3.get_object_tagging, Bucket="calls", Key="b")[0] == "NoSuchKey"
