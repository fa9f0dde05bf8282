"""Versions and uploads, with moto as S3: the emulator keeps no versions."""

import boto3
import pytest
from moto import mock_aws

from analysis.aws.versions import delete_versions, list_versions
from analysis.errors import StorageError

BUCKET = "calls"
HERE = f"s3://{BUCKET}/runs/demo/"


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "example")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3, key, body=b"x"):
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def keep_versions(s3):
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def list_all(s3):
    """List what is left: the key and the version of each, marks too."""
    listed = s3.list_object_versions(Bucket=BUCKET)
    return [one["Key"] for name in ("Versions", "DeleteMarkers") for one in listed.get(name, [])]


def deny(s3, *operations):
    """Refuse some operations, as a policy does."""

    def refuse(**_):
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "x")

    for operation in operations:
        s3.meta.events.register(f"before-call.s3.{operation}", refuse)


def test_objects_below_a_prefix_are_deleted_and_those_beside_it_stay(s3):
    for key in ("runs/demo/a", "runs/demo/b/c", "runs/demo-2/a"):
        put(s3, key, b"12345")
    listing = list_versions(HERE, s3=s3)
    assert [(each.key, each.bytes, each.version_id) for each in listing.found] == [
        ("runs/demo/a", 5, ""), ("runs/demo/b/c", 5, "")
    ]  # fmt: skip
    delete_versions(listing.found, s3=s3)
    assert list_all(s3) == ["runs/demo-2/a"]
    assert listing.hidden == []


def test_all_versions_are_deleted_those_from_before_and_marks_too(s3):
    put(s3, "runs/demo/a", b"1")
    keep_versions(s3)
    put(s3, "runs/demo/a", b"22")
    s3.delete_object(Bucket=BUCKET, Key="runs/demo/a")
    found = list_versions(HERE, s3=s3).found
    assert sorted(each.bytes for each in found) == [0, 1, 2]
    delete_versions(found, s3=s3)
    assert list_all(s3) == []


def test_an_object_from_before_versions_were_kept_is_not_only_marked_as_deleted(s3):
    put(s3, "runs/demo/a")
    keep_versions(s3)
    delete_versions(list_versions(HERE, s3=s3).found, s3=s3)
    assert list_all(s3) == []


def test_an_upload_that_was_not_completed_is_aborted(s3):
    s3.create_multipart_upload(Bucket=BUCKET, Key="runs/demo/large")
    s3.create_multipart_upload(Bucket=BUCKET, Key="runs/demo-2/large")
    found = list_versions(HERE, s3=s3).found
    assert [each.uri for each in found] == [f"{HERE}large"]
    delete_versions(found, s3=s3)
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["runs/demo-2/large"]
    delete_versions(found, s3=s3)  # by another process meanwhile


def test_more_than_a_thousand_objects_are_deleted(s3):
    for number in range(1001):
        put(s3, f"runs/demo/{number}")
    delete_versions(list_versions(HERE, s3=s3).found, s3=s3)
    assert list_all(s3) == []


def test_rights_that_are_missing_for_listing_are_named(s3):
    put(s3, "runs/demo/a")
    deny(s3, "ListObjectVersions", "ListMultipartUploads", "GetBucketVersioning")
    listing = list_versions(HERE, s3=s3)
    assert [each.key for each in listing.found] == ["runs/demo/a"]
    assert listing.hidden == ["s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]


def test_a_bucket_that_is_gone_has_nothing(s3):
    assert list_versions("s3://no-such-bucket/demo/", s3=s3).found == []


def test_who_may_not_list_objects_is_told(s3):
    deny(s3, "ListObjectVersions", "ListObjectsV2")
    with pytest.raises(StorageError, match="access denied; the profile needs s3:ListBucket"):
        list_versions(HERE, s3=s3)


@pytest.mark.parametrize("operation", ["DeleteObjects", "AbortMultipartUpload"])
def test_a_refusal_says_how_many_were_not_deleted_and_what_to_allow(s3, operation):
    put(s3, "runs/demo/a")
    s3.create_multipart_upload(Bucket=BUCKET, Key="runs/demo/large")
    deny(s3, operation)
    with pytest.raises(StorageError, match=r"1 objects? (was|were) not deleted, such as s3://calls/.*s3:DeleteObject"):
        delete_versions(list_versions(HERE, s3=s3).found, s3=s3)


def test_an_object_that_s3_keeps_is_named_and_the_others_are_gone(s3):
    for key in ("runs/demo/a", "runs/demo/b"):
        put(s3, key)

    def keep_one(params, **_):
        params["Delete"]["Objects"] = [each for each in params["Delete"]["Objects"] if each["Key"] != "runs/demo/a"]

    def report(parsed, **_):
        parsed["Errors"] = [{"Key": "runs/demo/a", "Code": "AccessDenied", "Message": "object lock"}]

    s3.meta.events.register("provide-client-params.s3.DeleteObjects", keep_one)
    s3.meta.events.register("after-call.s3.DeleteObjects", report)
    with pytest.raises(
        StorageError, match=r"1 object was not deleted, such as s3://calls/runs/demo/a \(AccessDenied: object lock\)"
    ):
        delete_versions(list_versions(HERE, s3=s3).found, s3=s3)
    assert list_all(s3) == ["runs/demo/a"]
