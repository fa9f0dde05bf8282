import io

import pytest
from boto3.s3.transfer import TransferConfig

TRANSPORTS = ["inside", "http"]
MD5_OF_HELLO = '"5d41402abc4b2a76b9719d911017c592"'
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
HEADER = "x-amz-server-side-encryption"
UNDER_KEY = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY, "BucketKeyEnabled": True}


def add_headers(client, operation, **headers):
    """Send headers that boto3 has no parameter for."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client.meta.events.register(f"before-call.s3.{operation}", lambda params, **_: params["headers"].update(named))


def test_without_a_header_s3_encrypts_with_its_own_keys_and_the_etag_is_the_md5(s3):
    put = s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    got = s3.get_object(Bucket="calls", Key="a")
    assert [(each["ServerSideEncryption"], each["ETag"]) for each in (put, got)] == [("AES256", MD5_OF_HELLO)] * 2


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_an_object_under_a_key_says_so_and_its_etag_is_no_md5(s3, algorithm):
    asked = UNDER_KEY | {"ServerSideEncryption": algorithm}
    put = s3.put_object(Bucket="calls", Key="a", Body=b"hello", **asked)
    head = s3.head_object(Bucket="calls", Key="a")
    assert [{name: each[name] for name in asked} for each in (put, head)] == [asked] * 2
    assert put["ETag"] == head["ETag"] != MD5_OF_HELLO
    assert s3.list_objects_v2(Bucket="calls")["Contents"][0]["ETag"] == head["ETag"]


def test_two_objects_of_one_content_under_a_key_have_two_etags(s3):
    etags = {s3.put_object(Bucket="calls", Key=key, Body=b"hello", **UNDER_KEY)["ETag"] for key in "ab"}
    assert len(etags) == 2


def test_an_object_in_parts_under_a_key_says_so(s3):
    config = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)
    body = io.BytesIO(bytes(6 * 2**20))
    s3.upload_fileobj(body, "calls", "large", ExtraArgs={"ServerSideEncryption": "aws:kms"}, Config=config)
    head = s3.head_object(Bucket="calls", Key="large")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["ETag"].endswith('-2"')


def test_a_copy_is_encrypted_as_its_request_says_and_not_as_its_source(s3):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello", **UNDER_KEY)
    copied = s3.copy_object(Bucket="calls", Key="b", CopySource="calls/a")
    assert (copied["ServerSideEncryption"], copied["CopyObjectResult"]["ETag"]) == ("AES256", MD5_OF_HELLO)


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"ServerSideEncryption": "AES512"}, "InvalidEncryptionAlgorithmError", "not valid"),
        ({"SSEKMSKeyId": KEY}, "InvalidArgument", "requires HTTP header x-amz-server-side-encryption : aws:kms"),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": KEY}, "InvalidArgument", "requires HTTP header"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "mine"}, "KMS.NotFoundException", "Invalid keyId 'mine'"),
    ],
)
def test_headers_that_do_not_fit_are_refused(s3, error_of, asked, code, text):
    given, status, message = error_of(s3.put_object, Bucket="calls", Key="a", Body=b"", **asked)
    assert (given, status) == (code, 400)
    assert text in message


@pytest.mark.parametrize(
    "key",
    [KEY, KEY.partition("/")[2], "alias/calls", "arn:aws:kms:us-east-1:123456789012:alias/calls", f"mrk-{'0' * 32}"],
)
def test_a_key_may_be_named_in_each_form(s3, key):
    put = s3.put_object(Bucket="calls", Key="a", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    assert put["SSEKMSKeyId"] == key


def test_a_read_with_a_header_of_encryption_is_refused(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    add_headers(s3, "GetObject", x_amz_server_side_encryption="aws:kms")
    code, status, message = error_of(s3.get_object, Bucket="calls", Key="a")
    assert (code, status) == ("InvalidArgument", 400)
    assert message == f"{HEADER} header is not supported for this operation."


def test_a_key_of_the_customer_is_refused_and_not_left_out(s3, error_of):
    add_headers(s3, "PutObject", x_amz_server_side_encryption_customer_algorithm="AES256")
    assert error_of(s3.put_object, Bucket="calls", Key="a", Body=b"")[:2] == ("NotImplemented", 501)


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("put_object", {"Key": "b", "Body": b""}),
        ("get_object", {"Key": "a"}),
        ("list_objects_v2", {}),
        ("delete_object", {"Key": "a"}),
        ("create_multipart_upload", {"Key": "b"}),
        ("get_bucket_location", {}),
        ("copy_object", {"Key": "b", "CopySource": "calls/a"}),
    ],
)
def test_a_bucket_of_another_owner_than_expected_is_refused(s3, error_of, operation, more):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    call = getattr(s3, operation)
    call(Bucket="calls", **more, ExpectedBucketOwner="123456789012")
    other = {"ExpectedBucketOwner": "210987654321"}
    assert error_of(call, Bucket="calls", **more, **other) == ("AccessDenied", 403, "Access Denied")


def test_the_head_of_a_bucket_of_another_owner_has_a_status_and_no_code(s3, error_of):
    code, status, _ = error_of(s3.head_bucket, Bucket="calls", ExpectedBucketOwner="210987654321")
    assert (code, status) == ("403", 403)


def test_the_source_of_a_copy_has_an_expected_owner_too(s3, error_of):
    s3.put_object(Bucket="calls", Key="a", Body=b"hello")
    copy = {"Bucket": "calls", "Key": "b", "CopySource": "calls/a"}
    s3.copy_object(**copy, ExpectedSourceBucketOwner="123456789012")
    assert error_of(s3.copy_object, **copy, ExpectedSourceBucketOwner="210987654321")[:2] == ("AccessDenied", 403)


def test_an_owner_that_is_no_account_is_refused(s3, error_of):
    code, status, _ = error_of(s3.list_objects_v2, Bucket="calls", ExpectedBucketOwner="me")
    assert (code, status) == ("InvalidBucketOwnerAWSAccountID", 400)


def test_a_bucket_that_is_not_there_has_no_owner(s3, error_of):
    owner = {"ExpectedBucketOwner": "210987654321"}
    assert error_of(s3.list_objects_v2, Bucket="callz", **owner)[0] == "NoSuchBucket"
