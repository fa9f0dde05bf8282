"""The emulator's S3 against moto's: the same calls must give the same answers."""

from __future__ import annotations

import itertools
from urllib.request import Request, urlopen

import boto3
import hypothesis.strategies as st
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from moto.server import ThreadedMotoServer

from bedrock_local import open_session

TRANSPORTS = ["inside", "http"]

# What differs from call to call, and what moto makes up or leaves out.
VOLATILE = {
    "ResponseMetadata", "LastModified", "UploadId", "NextContinuationToken", "ContinuationToken", "CreationDate",
    "Location", "Owner", "Initiator", "Initiated", "ServerSideEncryption", "RequestCharged", "AbortDate", "AbortRuleId",
    "ChecksumType", "ChecksumAlgorithm", "ChecksumCRC32", "BucketArn", "AccessPointAlias", "VersionId",
}  # fmt: skip


BUCKETS = itertools.count()


@pytest.fixture(scope="module")
def moto_server():
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    client = session.client("s3", endpoint_url=url)
    yield url, client
    client.close()
    server.stop()


@pytest.fixture
def moto(moto_server):
    """A client of an empty moto: other tests, and other files of this process, leave buckets in it."""
    url, client = moto_server
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    return client


def outcome(client, operation, arguments):
    try:
        response = getattr(client, operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if "Body" in response:
        response["Body"] = response["Body"].read()
    return strip(response | {"Prefix": arguments.get("Prefix", ""), "Marker": arguments.get("Marker", "")})


def strip(value):
    if isinstance(value, dict):
        return {name: strip(item) for name, item in value.items() if name not in VOLATILE}
    return [strip(item) for item in value] if isinstance(value, list) else value


SCRIPT = [
    ("create_bucket", {"Bucket": "one"}),
    ("head_bucket", {"Bucket": "two-"}),
    ("get_bucket_location", {"Bucket": "one"}),
    ("put_object", {"Bucket": "one", "Key": "a", "Body": b"hello", "Metadata": {"call": "7"}, "ContentType": "text/x"}),
    ("put_object", {"Bucket": "one", "Key": "a/b", "Body": b"below"}),
    ("put_object", {"Bucket": "one", "Key": "a.b/c d.txt", "Body": b"dots"}),
    ("put_object", {"Bucket": "one", "Key": "é/ü+&=?.json", "Body": b"{}"}),
    ("put_object", {"Bucket": "one", "Key": "x//y/", "Body": b""}),
    ("put_object", {"Bucket": "none", "Key": "a", "Body": b""}),
    ("get_object", {"Bucket": "one", "Key": "a"}),
    ("get_object", {"Bucket": "one", "Key": "a/b", "Range": "bytes=1-2"}),
    ("get_object", {"Bucket": "one", "Key": "a/b", "Range": "bytes=-2"}),
    ("get_object", {"Bucket": "one", "Key": "a/b", "Range": "bytes=3-"}),
    ("get_object", {"Bucket": "one", "Key": "a/b", "Range": "bytes=0-99"}),
    ("get_object", {"Bucket": "one", "Key": "a/b", "Range": "bytes=5-9"}),
    ("get_object", {"Bucket": "one", "Key": "nothing"}),
    ("get_object", {"Bucket": "none", "Key": "a"}),
    ("get_object", {"Bucket": "one", "Key": "a", "IfMatch": "x"}),
    ("get_object", {"Bucket": "one", "Key": "a", "IfMatch": '"5d41402abc4b2a76b9719d911017c592"'}),
    ("get_object", {"Bucket": "one", "Key": "a", "IfNoneMatch": '"5d41402abc4b2a76b9719d911017c592"'}),
    ("get_object", {"Bucket": "one", "Key": "a", "ResponseContentType": "text/html"}),
    ("put_object", {"Bucket": "one", "Key": "a", "Body": b"again", "IfNoneMatch": "*"}),
    ("head_object", {"Bucket": "one", "Key": "a"}),
    ("head_object", {"Bucket": "one", "Key": "nothing"}),
    ("list_objects_v2", {"Bucket": "one"}),
    ("list_objects_v2", {"Bucket": "one", "Prefix": "a"}),
    ("list_objects_v2", {"Bucket": "one", "Prefix": "a/", "Delimiter": "/"}),
    ("list_objects_v2", {"Bucket": "one", "Delimiter": "/"}),
    ("list_objects_v2", {"Bucket": "one", "StartAfter": "a.b/"}),
    ("list_objects_v2", {"Bucket": "one", "MaxKeys": 2}),
    ("list_objects_v2", {"Bucket": "one", "Prefix": "nothing"}),
    ("list_objects_v2", {"Bucket": "none"}),
    ("list_objects", {"Bucket": "one"}),
    ("list_objects", {"Bucket": "one", "Marker": "a.b/"}),
    ("copy_object", {"Bucket": "one", "Key": "copy", "CopySource": "one/a"}),
    ("copy_object", {"Bucket": "one", "Key": "a", "CopySource": "one/a"}),
    ("copy_object", {"Bucket": "one", "Key": "copy2", "CopySource": {"Bucket": "one", "Key": "é/ü+&=?.json"}}),
    ("copy_object", {"Bucket": "one", "Key": "b", "CopySource": "one/nothing"}),
    (
        "copy_object",
        {"Bucket": "one", "Key": "c", "CopySource": "one/a", "MetadataDirective": "REPLACE", "Metadata": {"x": "y"}},
    ),
    ("get_object", {"Bucket": "one", "Key": "copy"}),
    ("get_object", {"Bucket": "one", "Key": "c"}),
    ("delete_bucket", {"Bucket": "one"}),
    ("delete_object", {"Bucket": "one", "Key": "copy"}),
    ("delete_object", {"Bucket": "one", "Key": "never"}),
    ("delete_objects", {"Bucket": "one", "Delete": {"Objects": [{"Key": "a"}, {"Key": "x//y/"}]}}),
    ("delete_objects", {"Bucket": "one", "Delete": {"Objects": [{"Key": "a/b"}]}}),
    ("list_objects_v2", {"Bucket": "one"}),
    ("create_multipart_upload", {"Bucket": "one", "Key": "big"}),
    ("abort_multipart_upload", {"Bucket": "one", "Key": "big", "UploadId": "none"}),
    ("list_buckets", {}),
]


def test_a_script_gives_what_moto_gives(folder, moto):
    ours = open_session(folder).client("s3")
    for number, (operation, arguments) in enumerate(SCRIPT):
        step = f"step {number}, {operation} {arguments}"
        assert (step, outcome(ours, operation, arguments)) == (step, outcome(moto, operation, arguments))


KEYS = st.text(st.sampled_from("ab./-_é%+ ~"), min_size=1, max_size=6)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    keys=st.sets(KEYS, min_size=1, max_size=8),
    prefix=st.sampled_from(["", "a", "a/", "b."]),
    delimiter=st.sampled_from(["", "/", "."]),
    after=st.sampled_from(["", "a", "a/b", "é"]),
)
def test_lists_give_what_moto_gives(tmp_path_factory, moto, keys, prefix, delimiter, after):
    ours = open_session(tmp_path_factory.mktemp("emulator")).client("s3")
    bucket = f"keys-{next(BUCKETS)}"
    for client in (ours, moto):
        client.create_bucket(Bucket=bucket)
        for key in keys:
            client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    wish = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "StartAfter": after}
    assert outcome(ours, "list_objects_v2", wish) == outcome(moto, "list_objects_v2", wish)


def test_an_upload_in_parts_gives_what_moto_gives(s3, moto):
    moto.create_bucket(Bucket="calls")
    assert upload_parts(s3) == upload_parts(moto)


def upload_parts(client):
    where = {"Bucket": "calls", "Key": "big"}
    upload = {**where, "UploadId": client.create_multipart_upload(**where, Metadata={"a": "b"})["UploadId"]}
    bodies = {1: b"x" * 5 * 2**20, 2: b"end"}
    sent = {n: client.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in bodies.items()}
    parts = [{"PartNumber": n, "ETag": etag} for n, etag in sent.items()]
    wrong = [{"PartNumber": 1, "ETag": "x"}]
    steps = [
        ("list_parts", upload),
        ("complete_multipart_upload", {**upload, "MultipartUpload": {"Parts": wrong}}),
        ("complete_multipart_upload", {**upload, "MultipartUpload": {"Parts": parts}}),
        ("get_object", where),
        ("list_parts", upload),
    ]
    return [outcome(client, operation, arguments) for operation, arguments in steps]


def test_keys_and_prefixes_fill_a_page_together(s3):
    for key in ("a", "b/1", "b/2", "c"):
        s3.put_object(Bucket="calls", Key=key)
    first = s3.list_objects(Bucket="calls", Delimiter="/", MaxKeys=2)
    assert [c["Key"] for c in first["Contents"]] == ["a"]
    assert first["CommonPrefixes"] == [{"Prefix": "b/"}]
    assert (first["IsTruncated"], first["NextMarker"]) == (True, "b/")
    second = s3.list_objects(Bucket="calls", Delimiter="/", Marker=first["NextMarker"])
    assert [c["Key"] for c in second["Contents"]] == ["c"]
    assert "CommonPrefixes" not in second


def test_the_next_page_is_named_only_where_prefixes_may_end_a_page(s3):
    for key in ("a", "b"):
        s3.put_object(Bucket="calls", Key=key)
    page = s3.list_objects(Bucket="calls", MaxKeys=1)
    assert (page["IsTruncated"], "NextMarker" in page) == (True, False)


def test_a_page_has_a_thousand_keys_at_most(s3):
    assert s3.list_objects_v2(Bucket="calls", MaxKeys=5000)["MaxKeys"] == 1000


def test_a_list_names_the_checksums_that_an_object_has(s3):
    s3.put_object(Bucket="calls", Key="a", ChecksumAlgorithm="SHA256")
    (found,) = s3.list_objects_v2(Bucket="calls")["Contents"]
    assert (found["ChecksumAlgorithm"], found["ChecksumType"]) == (["SHA256"], "FULL_OBJECT")


def test_pages_hold_every_key_once(s3):
    keys = sorted(f"in/{number:02d}.jsonl" for number in range(23))
    for key in keys:
        s3.put_object(Bucket="calls", Key=key)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="calls", PaginationConfig={"PageSize": 5})
    assert [content["Key"] for page in pages for content in page["Contents"]] == keys


def test_a_quiet_delete_says_nothing(s3):
    assert "Deleted" not in s3.delete_objects(Bucket="calls", Delete={"Objects": [{"Key": "a"}], "Quiet": True})


def test_the_region_of_a_bucket_comes_back(s3):
    s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket="far")["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket="far")["BucketRegion"] == "eu-west-1"


@pytest.mark.parametrize("operation", ["get_bucket_website", "get_bucket_replication", "get_bucket_logging"])
def test_what_the_emulator_does_not_do_is_refused(s3, error_of, operation):
    assert error_of(getattr(s3, operation), Bucket="calls")[:2] == ("NotImplemented", 501)


def test_a_bucket_with_dots_is_addressed_by_path(s3):
    s3.create_bucket(Bucket="calls.of.may")
    s3.put_object(Bucket="calls.of.may", Key="s3.amazonaws.com/a", Body=b"x")
    assert s3.get_object(Bucket="calls.of.may", Key="s3.amazonaws.com/a")["Body"].read() == b"x"


@pytest.mark.parametrize("bucket", ["UPPER", "a..b", "10.0.0.1", "-ab", "..."])
def test_a_bucket_has_a_proper_name(s3, error_of, bucket):
    assert error_of(s3.create_bucket, Bucket=bucket)[0] == "InvalidBucketName"


def test_a_bucket_is_made_once(folder, error_of):
    far = open_session(folder, region_name="eu-west-1").client("s3")
    wish = {"Bucket": "calls", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    far.create_bucket(**wish)
    assert error_of(far.create_bucket, **wish)[:2] == ("BucketAlreadyOwnedByYou", 409)


def test_the_oldest_region_answers_as_if_it_had_made_a_bucket_again(s3):
    s3.put_object(Bucket="calls", Key="a")
    s3.create_bucket(Bucket="calls")
    assert s3.list_objects_v2(Bucket="calls")["KeyCount"] == 1


@pytest.mark.parametrize(
    ("region", "named", "code"),
    [
        ("eu-west-1", None, "IllegalLocationConstraintException"),
        ("eu-west-1", "us-west-2", "IllegalLocationConstraintException"),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
    ],
)
def test_a_bucket_is_made_in_the_region_of_the_client(folder, error_of, region, named, code):
    client = open_session(folder, region_name=region).client("s3")
    wish = {"CreateBucketConfiguration": {"LocationConstraint": named}} if named else {}
    assert error_of(client.create_bucket, Bucket="calls", **wish)[:2] == (code, 400)


def test_a_bucket_has_no_versions_but_the_one(s3):
    s3.put_object(Bucket="calls", Key="a")
    assert "Status" not in s3.get_bucket_versioning(Bucket="calls")
    (version,) = s3.list_object_versions(Bucket="calls")["Versions"]
    assert (version["Key"], version["VersionId"], version["IsLatest"]) == ("a", "null", True)


def test_all_versions_can_be_deleted_page_by_page(session, s3):
    for number in range(5):
        s3.put_object(Bucket="calls", Key=f"{number}")
    session.resource("s3", endpoint_url=s3.meta.endpoint_url).Bucket("calls").object_versions.page_size(2).delete()
    assert s3.list_objects_v2(Bucket="calls")["KeyCount"] == 0


def test_another_version_is_not_there(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"x")
    assert error_of(s3.get_object, Bucket="calls", Key="a", VersionId="7")[:2] == ("InvalidArgument", 400)
    assert s3.get_object(Bucket="calls", Key="a", VersionId="null")["Body"].read() == b"x"
    deleted = s3.delete_objects(Bucket="calls", Delete={"Objects": [{"Key": "a", "VersionId": "7"}]})
    assert deleted["Errors"][0]["Code"] == "NoSuchVersion"


def test_buckets_come_in_pages_with_their_regions(s3):
    for name in ("aaa", "bbb", "calls-2"):
        s3.create_bucket(Bucket=name)
    pages = s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 3})
    assert [[bucket["Name"] for bucket in page["Buckets"]] for page in pages] == [["aaa", "bbb", "calls"], ["calls-2"]]
    (found, _) = s3.list_buckets(Prefix="calls")["Buckets"]
    assert found["BucketRegion"] == "us-east-1"


def test_a_list_has_owners_on_request(s3):
    s3.put_object(Bucket="calls", Key="a")
    lists = [s3.list_objects(Bucket="calls")]
    lists += [s3.list_objects_v2(Bucket="calls", FetchOwner=asked) for asked in (True, False)]
    assert ["Owner" in each["Contents"][0] for each in lists] == [True, True, False]


def test_an_object_is_deleted_only_as_it_was_seen(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    assert error_of(s3.delete_object, Bucket="calls", Key="a", IfMatch='"x"')[:2] == ("PreconditionFailed", 412)
    s3.delete_object(Bucket="calls", Key="a", IfMatch='"5d41402abc4b2a76b9719d911017c592"')
    assert s3.delete_object(Bucket="calls", Key="a", IfMatch='"x"')["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_a_write_that_expects_no_such_etag_is_not_implemented(s3, error_of):
    assert error_of(s3.put_object, Bucket="calls", Key="a", IfNoneMatch='"x"')[:2] == ("NotImplemented", 501)


@pytest.mark.parametrize("source", ["calls/a b+c/%C3%A9", "/calls/a%20b%2Bc/%C3%A9", "calls%2Fa%20b%2Bc%2F%C3%A9"])
def test_the_source_of_a_copy_is_known_however_it_is_encoded(s3, source):
    s3.put_object(Bucket="calls", Key="a b+c/é", Body=b"x")
    sign = lambda request, **_: request.headers.replace_header("x-amz-copy-source", source)  # noqa: E731
    s3.meta.events.register("before-sign.s3.CopyObject", sign)
    s3.copy_object(Bucket="calls", Key="copy", CopySource="calls/any")
    assert s3.get_object(Bucket="calls", Key="copy")["Body"].read() == b"x"
