"""Services that the emulator does not have, answered by moto as `batchbook emulator` has it."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection

import pytest

from bedrock_local.other_services import moto
from bedrock_local.other_services.moto import answer_by_moto

ROLE = "arn:aws:iam::123456789012:role/batch"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def client(client_of, server):
    server.answer_others = answer_by_moto
    return client_of


def test_a_role_is_made_and_found_in_the_same_account(client, request_of):
    iam = client("iam")
    assert iam.create_role(RoleName="batch", AssumeRolePolicyDocument=POLICY)["Role"]["Arn"] == ROLE
    assert iam.get_role(RoleName="batch")["Role"]["Arn"] == ROLE
    iam.delete_role(RoleName="batch")


def test_what_is_not_there_is_an_error_of_its_service(client, error_of):
    assert error_of(client("iam").get_role, RoleName="none")[:2] == ("NoSuchEntity", 404)


def test_a_queue_is_in_the_region_of_the_request(client):
    sqs = client("sqs", "eu-west-1")
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="é <&>")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "é <&>"
    assert "QueueUrls" not in client("sqs", "us-east-1").list_queues()
    sqs.delete_queue(QueueUrl=url)


def test_a_table_keeps_items(client):
    table = client("dynamodb")
    key = {"AttributeName": "id", "AttributeType": "S"}
    schema = [{"AttributeName": "id", "KeyType": "HASH"}]
    table.create_table(TableName="jobs", AttributeDefinitions=[key], KeySchema=schema, BillingMode="PAY_PER_REQUEST")
    table.put_item(TableName="jobs", Item={"id": {"S": "a"}})
    assert table.get_item(TableName="jobs", Key={"id": {"S": "a"}})["Item"] == {"id": {"S": "a"}}
    table.delete_table(TableName="jobs")


def test_bedrock_s3_and_sts_stay_with_the_emulator(client, server):
    client("s3").create_bucket(Bucket="calls")
    assert (server.emulator.folder / "s3" / "calls").is_dir()
    assert client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"] == []
    assert client("sts").get_caller_identity()["UserId"].startswith("emulator:")


def test_without_moto_the_refusal_says_how_to_have_it(client, error_of, monkeypatch):
    monkeypatch.setattr(moto, "has_moto", lambda: False)
    code, status, message = error_of(client("iam").list_roles)
    assert (code, status) == ("UnknownOperationException", 404)
    assert "pip install 'batchbook[emulator-aws]'" in message


def test_a_body_that_is_too_long_is_refused(client, error_of, monkeypatch):
    monkeypatch.setattr(moto, "BODY_BYTES", 10)
    assert error_of(client("iam").list_roles)[0] == "ValidationException"


def test_web_pages_are_not_let_in(client, server):
    connection = HTTPConnection("127.0.0.1", server.port)
    scope = "AWS4-HMAC-SHA256 Credential=a/20261130/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"
    form = {"authorization": scope, "content-type": "application/x-www-form-urlencoded"}
    with closing(connection):
        for origin, status in (("http://localhost:1", 200), ("https://example.com", 403)):
            connection.request("POST", "/", "Action=ListRoles&Version=2010-05-08", {**form, "origin": origin})
            response = connection.getresponse()
            response.read()
            assert response.status == status
            assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]
