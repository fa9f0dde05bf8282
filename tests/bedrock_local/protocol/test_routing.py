from __future__ import annotations

import io

import pytest

from bedrock_local.protocol.messages import Request, read_request
from bedrock_local.protocol.routing import OPERATIONS, find_target, resolve

ID = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Amodel-invocation-job%2Fabcdefghijkl"


def make_request(service, method, target, host="s3.us-east-1.amazonaws.com", headers=()):
    return read_request(service, method, f"http://{host}{target}", dict(headers), b"")


@pytest.mark.parametrize(
    ("service", "method", "target", "name"),
    [
        ("bedrock", "POST", "/model-invocation-job", "CreateModelInvocationJob"),
        ("bedrock", "GET", "/model-invocation-jobs?maxResults=1", "ListModelInvocationJobs"),
        ("bedrock", "GET", f"/model-invocation-job/{ID}", "GetModelInvocationJob"),
        ("bedrock", "POST", f"/model-invocation-job/{ID}/stop", "StopModelInvocationJob"),
        ("bedrock", "GET", "/guardrails", ""),
        ("bedrock-runtime", "POST", "/model/us.amazon.nova-lite-v1%3A0/converse", "Converse"),
        ("bedrock-runtime", "POST", "/model/a/invoke", "InvokeModel"),
        ("s3", "GET", "/", "ListBuckets"),
        ("s3", "GET", "/?x-id=ListBuckets", "ListBuckets"),
        ("s3", "GET", "/calls?list-type=2&prefix=delete", "ListObjectsV2"),
        ("s3", "GET", "/calls/?location", "GetBucketLocation"),
        ("s3", "GET", "/calls/a?x-id=GetObject", "GetObject"),
        ("s3", "GET", "/calls/a?versionId=null", "GetObject"),
        ("s3", "PUT", "/calls/a?partNumber=1&uploadId=x", "UploadPart"),
        ("s3", "POST", "/calls?delete", "DeleteObjects"),
        ("s3", "GET", "/calls?acl", "GetBucketAcl"),
        ("s3", "PUT", "/calls/a?acl", ""),
        ("s3", "PUT", "/calls/a?tagging", "PutObjectTagging"),
        ("s3", "PUT", "/calls?lifecycle", "PutBucketLifecycleConfiguration"),
        ("s3", "DELETE", "/calls?versioning", ""),
        ("s3", "PUT", "/calls?website", ""),
        ("s3", "PATCH", "/calls/a", ""),
    ],
)
def test_a_request_is_known_by_its_operation(service, method, target, name):
    assert resolve(make_request(service, method, target)).operation == name


def test_a_header_makes_a_copy_of_a_put():
    copy = make_request("s3", "PUT", "/calls/a", headers={"x-amz-copy-source": "calls/b"})
    part = make_request("s3", "PUT", "/calls/a?uploadId=x", headers={"x-amz-copy-source": "calls/b"})
    assert (resolve(copy).operation, resolve(part).operation) == ("CopyObject", "UploadPartCopy")


def test_a_header_is_no_word_of_the_query():
    request = make_request("s3", "GET", "/calls/a", headers={"acl": "x", "uploadId": "y", "tagging": "z"})
    assert resolve(request).operation == "GetObject"


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("calls.s3.amazonaws.com", "/a%2Fb"),
        ("calls.s3.eu-west-1.amazonaws.com", "/a/b"),
        ("calls.s3.dualstack.us-east-1.amazonaws.com", "/a/b"),
        ("calls.localhost:9000", "/a/b"),
        ("s3.amazonaws.com", "/calls/a/b"),
        ("s3.localhost:9000", "/calls/a/b"),
        ("localhost:9000", "/calls/a/b"),
        ("127.0.0.1:9000", "/calls/a/b"),
    ],
)
def test_a_bucket_stands_before_the_host_or_in_the_path(host, target):
    assert find_target(make_request("s3", "GET", target, host)) == ("calls", "a/b")


def test_names_are_those_of_the_service_models(session):
    for service, names in OPERATIONS.items():
        assert set(names) <= set(session.client(service).meta.service_model.operation_names)


@pytest.mark.parametrize("path", ["/%ff", "/calls/%c3%28"])
def test_a_path_that_is_not_utf_8_is_refused(path):
    from bedrock_local.protocol.errors import ServiceError

    with pytest.raises(ServiceError, match="InvalidURI"):
        resolve(Request("s3", "GET", "localhost", path, {}, {}, io.BytesIO()))
