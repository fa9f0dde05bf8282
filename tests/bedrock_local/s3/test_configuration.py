"""Settings of buckets and tags of objects: moto is the oracle where it follows the Amazon S3 API Reference."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

TRANSPORTS = ["inside", "http"]
DAY_S = 86_400
# A midnight (UTC) long after the files of the tests are written.
LATER = 40_000 * DAY_S
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]})
TAGS = {"TagSet": [{"Key": "team", "Value": "a @ b/é"}, {"Key": "cost", "Value": "7"}]}
RULE = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "in/"}, "Expiration": {"Days": 3}}
CORS = {"CORSRules": [{"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 3000}]}
KMS = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/a"}}
QUEUE = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:q", "Events": ["s3:ObjectCreated:*"], "Id": "q"}
BLOCKED = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
# Name in boto3, name of its parameter, its value, and name of the delete; empty for none.
KINDS = {
    "bucket_lifecycle_configuration": ("LifecycleConfiguration", {"Rules": [RULE]}, "bucket_lifecycle"),
    "bucket_encryption": ("ServerSideEncryptionConfiguration", {"Rules": [KMS]}, "bucket_encryption"),
    "bucket_versioning": ("VersioningConfiguration", {"Status": "Enabled"}, ""),
    "bucket_policy": ("Policy", POLICY, "bucket_policy"),
    "bucket_tagging": ("Tagging", TAGS, "bucket_tagging"),
    "public_access_block": (
        "PublicAccessBlockConfiguration",
        {name: name != "BlockPublicAcls" for name in BLOCKED},
        "public_access_block",
    ),
    "bucket_notification_configuration": ("NotificationConfiguration", {"QueueConfigurations": [QUEUE]}, ""),
    "bucket_ownership_controls": (
        "OwnershipControls",
        {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
        "bucket_ownership_controls",
    ),
    "bucket_cors": ("CORSConfiguration", CORS, "bucket_cors"),
}
# What a new bucket has on AWS since 2023, and not in moto; the first comes back after a delete.
NEW = {
    "bucket_encryption": {
        "Rules": [
            {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False},
        ]
    },
    "public_access_block": dict.fromkeys(BLOCKED, True),
    "bucket_ownership_controls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
}


@pytest.fixture(scope="module")
def moto_server():
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.Session("testing", "testing", region_name="us-east-1").client("s3", endpoint_url=url)
    yield url, client
    client.close()
    server.stop()


@pytest.fixture
def moto(moto_server):
    url, client = moto_server
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    client.create_bucket(Bucket="calls")
    return client


def outcome(client, operation, **arguments):
    """Give answer and status, or code and status of the refusal."""
    try:
        response = getattr(client, operation)(Bucket="calls", **arguments)
    except ClientError as error:
        response = {**error.response, "Error": error.response["Error"]["Code"]}
    status = response.pop("ResponseMetadata")["HTTPStatusCode"]
    return {name: value for name, value in response.items() if name in ("Error", *OURS)} | {"status": status}


OURS = [
    "Rules", "Status", "Policy", "TagSet", "PublicAccessBlockConfiguration", "ServerSideEncryptionConfiguration",
    "QueueConfigurations", "OwnershipControls", "CORSRules", "TagCount",
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_is_put_comes_back_and_is_gone_after_a_delete_as_in_moto(s3, moto, name):
    parameter, value, delete = KINDS[name]
    steps = [(f"put_{name}", {parameter: value}), (f"get_{name}", {})]
    if delete:
        steps += [(f"delete_{delete}", {}), (f"get_{name}", {})]
    ours = [outcome(s3, operation, **arguments) for operation, arguments in steps]
    theirs = [outcome(moto, operation, **arguments) for operation, arguments in steps]
    # Moto answers 200 to a policy, where the reference has 204.
    if name == "bucket_policy":
        assert (ours[0].pop("status"), theirs[0].pop("status")) == (204, 200)
    # Moto has no default after a delete, S3 has.
    number = 3 if name == "bucket_encryption" else len(steps)
    assert ours[:number] == theirs[:number]
    assert all(each.get("status", 204) < 300 for each in ours[:2])


@pytest.mark.parametrize("name", [name for name in KINDS if name not in NEW])
def test_a_new_bucket_has_none_as_in_moto(s3, moto, name):
    assert outcome(s3, f"get_{name}") == outcome(moto, f"get_{name}")


@pytest.mark.parametrize("name", NEW)
def test_a_new_bucket_has_the_defaults_of_2023(s3, name):
    assert getattr(s3, f"get_{name}")(Bucket="calls")[KINDS[name][0]] == NEW[name]


def test_the_default_encryption_comes_back(s3):
    s3.put_bucket_encryption(Bucket="calls", ServerSideEncryptionConfiguration={"Rules": [KMS]})
    s3.delete_bucket_encryption(Bucket="calls")
    got = s3.get_bucket_encryption(Bucket="calls")["ServerSideEncryptionConfiguration"]
    assert got == NEW["bucket_encryption"]


def test_a_bucket_of_the_same_name_has_no_settings_of_the_old_one(s3, error_of):
    s3.put_bucket_tagging(Bucket="calls", Tagging=TAGS)
    s3.delete_bucket(Bucket="calls")
    assert error_of(s3.get_bucket_tagging, Bucket="calls")[0] == "NoSuchBucket"
    s3.create_bucket(Bucket="calls")
    assert error_of(s3.get_bucket_tagging, Bucket="calls")[:2] == ("NoSuchTagSet", 404)


@pytest.mark.parametrize("name", KINDS)
def test_a_bucket_that_is_not_there_has_no_settings(s3, error_of, name):
    parameter, value, delete = KINDS[name]
    calls = [(f"put_{name}", {parameter: value}), (f"get_{name}", {})] + ([(f"delete_{delete}", {})] if delete else [])
    codes = [error_of(getattr(s3, call), Bucket="none-such", **arguments)[:2] for call, arguments in calls]
    assert codes == [("NoSuchBucket", 404)] * len(calls)


def lifecycle(**rule):
    return {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": ""}} | rule]}}


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("put_bucket_lifecycle_configuration", lifecycle(Status="On", Expiration={"Days": 1}), "MalformedXML"),
        ("put_bucket_lifecycle_configuration", lifecycle(Expiration={"Days": 0}), "InvalidArgument"),
        ("put_bucket_lifecycle_configuration", lifecycle(), "InvalidRequest"),
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Maybe"}}, "MalformedXML"),
        ("put_bucket_policy", {"Policy": "no JSON"}, "MalformedPolicy"),
        ("put_bucket_policy", {"Policy": '["a"]'}, "MalformedPolicy"),
        ("put_bucket_tagging", {"Tagging": {"TagSet": TAGS["TagSet"] * 2}}, "InvalidTag"),
        ("put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "aws:x", "Value": ""}]}}, "InvalidTag"),
        ("put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "<b>"}]}}, "InvalidTag"),
        (
            "put_bucket_tagging",
            {"Tagging": {"TagSet": [{"Key": str(number), "Value": ""} for number in range(51)]}},
            "BadRequest",
        ),
    ],
)
def test_a_document_that_s3_refuses_is_refused(s3, error_of, operation, arguments, code):
    assert error_of(getattr(s3, operation), Bucket="calls", **arguments)[:2] == (code, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Tagging/>",
        b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
        b"<CORSConfiguration><Other/></CORSConfiguration>",
        b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
        b"<MaxAgeSeconds>x</MaxAgeSeconds></CORSRule></CORSConfiguration>",
    ],
)
def test_a_document_of_another_shape_is_malformed(s3, error_of, body):
    def replace_body(params, **_):
        params["body"] = body

    s3.meta.events.register("before-call.s3.PutBucketCors", replace_body)
    assert error_of(s3.put_bucket_cors, Bucket="calls", CORSConfiguration=CORS)[:2] == ("MalformedXML", 400)


def test_a_rule_without_a_name_gets_one(s3):
    s3.put_bucket_lifecycle_configuration(Bucket="calls", **lifecycle(Expiration={"Days": 1}))
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="calls")["Rules"]
    assert rule.pop("ID")
    assert rule == {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}


def test_the_owner_has_all_permissions(s3, error_of):
    s3.put_object(Bucket="calls", Key="a")
    for acl in (s3.get_bucket_acl(Bucket="calls"), s3.get_object_acl(Bucket="calls", Key="a")):
        owner = {"ID": "123456789012"}
        assert acl["Owner"] == owner
        assert acl["Grants"] == [{"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
    assert error_of(s3.get_object_acl, Bucket="calls", Key="b")[0] == "NoSuchKey"


def test_tags_of_objects_are_those_of_moto(s3, moto):
    steps = [
        ("put_object", {"Key": "a", "Tagging": "team=a+%40+b&cost=7"}),
        ("get_object_tagging", {"Key": "a"}),
        ("head_object", {"Key": "a"}),
        ("copy_object", {"Key": "b", "CopySource": "calls/a"}),
        ("get_object_tagging", {"Key": "b"}),
        ("copy_object", {"Key": "c", "CopySource": "calls/a", "TaggingDirective": "REPLACE", "Tagging": "x=y"}),
        ("get_object_tagging", {"Key": "c"}),
        ("put_object_tagging", {"Key": "a", "Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}}),
        ("get_object_tagging", {"Key": "a"}),
        ("delete_object_tagging", {"Key": "a"}),
        ("get_object_tagging", {"Key": "a"}),
        ("put_object", {"Key": "b"}),
        ("get_object_tagging", {"Key": "b"}),
        ("get_object_tagging", {"Key": "none"}),
        ("put_object_tagging", {"Key": "none", "Tagging": TAGS}),
    ]
    for operation, arguments in steps:
        ours = outcome(s3, operation, **arguments)
        assert ours == outcome(moto, operation, **arguments), (operation, arguments)


def test_an_object_in_parts_has_the_tags_of_its_beginning(s3):
    upload = s3.create_multipart_upload(Bucket="calls", Key="a", Tagging="x=y")["UploadId"]
    part = s3.upload_part(Bucket="calls", Key="a", UploadId=upload, PartNumber=1, Body=b"hello")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    s3.complete_multipart_upload(Bucket="calls", Key="a", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object_tagging(Bucket="calls", Key="a")["TagSet"] == [{"Key": "x", "Value": "y"}]
    assert s3.get_object(Bucket="calls", Key="a")["TagCount"] == 1


def test_an_object_has_ten_tags_at_most(s3, error_of):
    text = "&".join(f"{number}=x" for number in range(11))
    assert error_of(s3.put_object, Bucket="calls", Key="a", Tagging=text)[:2] == ("BadRequest", 400)


def test_an_object_expires_at_the_midnight_after_its_days(s3, clock, folder, error_of):
    # As in "Expiring objects": made on the 15th at 10:30, three days, gone on the 19th at 0:00.
    for key in ("in/a", "in/b", "out/a"):
        s3.put_object(Bucket="calls", Key=key, Body=b"x")
    made = LATER + 10.5 * 3600
    touch(folder, made)
    s3.put_bucket_lifecycle_configuration(Bucket="calls", LifecycleConfiguration={"Rules": [RULE]})
    clock.seconds = LATER + 4 * DAY_S - 1
    assert keys(s3) == ["in/a", "in/b", "out/a"]
    clock.seconds = LATER + 4 * DAY_S
    assert error_of(s3.get_object, Bucket="calls", Key="in/b")[0] == "NoSuchKey"
    assert keys(s3) == ["out/a"]
    # Really gone: without the rule they do not come back.
    s3.delete_bucket_lifecycle(Bucket="calls")
    assert keys(s3) == ["out/a"]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"Filter": {"Tag": {"Key": "x", "Value": "y"}}}, ["large"]),
        ({"Filter": {"ObjectSizeGreaterThan": 5}}, ["tagged"]),
        ({"Filter": {"And": {"Prefix": "tag", "ObjectSizeLessThan": 5}}}, ["large"]),
        ({"Filter": {"And": {"Prefix": "large", "Tags": [{"Key": "x", "Value": "y"}]}}}, ["large", "tagged"]),
        ({"Filter": {"Prefix": ""}, "Status": "Disabled"}, ["large", "tagged"]),
        ({"Filter": {"Prefix": ""}, "Expiration": {"Date": "2070-01-01T00:00:00Z"}}, []),
        ({"Filter": {"Prefix": ""}, "Expiration": {"Date": "2170-01-01T00:00:00Z"}}, ["large", "tagged"]),
        ({"Prefix": "large"}, ["tagged"]),
    ],
)
def test_a_rule_expires_what_its_filter_says(s3, clock, rule, left):
    s3.put_object(Bucket="calls", Key="tagged", Body=b"x", Tagging="x=y")
    s3.put_object(Bucket="calls", Key="large", Body=b"0123456789")
    rules = [{"Status": "Enabled", "Expiration": {"Days": 1}} | rule]
    s3.put_bucket_lifecycle_configuration(Bucket="calls", LifecycleConfiguration={"Rules": rules})
    clock.seconds = LATER
    assert keys(s3) == left


def touch(folder, seconds):
    """Set the time of all objects, which is that of their files."""
    import os

    for path in (folder / "s3" / "calls").rglob("*"):
        os.utime(path, (seconds, seconds))


def keys(s3):
    return [content["Key"] for content in s3.list_objects_v2(Bucket="calls").get("Contents", [])]
