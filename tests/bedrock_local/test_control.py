from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

S3 = "s3InputDataConfig"
NOVA = "amazon.nova-lite-v1:0"


@pytest.fixture
def create(bedrock, request_of):
    return lambda **more: bedrock.create_model_invocation_job(**request_of(**more))["jobArn"]


def test_a_job_is_named_by_an_arn_with_twelve_letters_or_digits(create):
    arn = create()
    assert arn.startswith("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/")
    assert len(arn.rsplit("/")[-1]) == 12


def test_a_new_job_says_what_was_asked(create, bedrock, request_of, clock):
    arn = create(tags=[{"key": "team", "value": "calls"}])
    job = bedrock.get_model_invocation_job(jobIdentifier=arn)
    asked = request_of()
    echoed = {name: job[name] for name in ("jobName", "roleArn", "inputDataConfig", "outputDataConfig")}
    assert echoed == {name: asked[name] for name in echoed}
    assert (job["timeoutDurationInHours"], job["modelInvocationType"]) == (24, "InvokeModel")
    assert job["submitTime"] == datetime.fromtimestamp(clock(), UTC)
    assert job["jobExpirationTime"] - job["submitTime"] == timedelta(hours=24)


@pytest.mark.parametrize(
    ("model_id", "arn"),
    [
        (NOVA, f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"),
        (f"us.{NOVA}", f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{NOVA}"),
        ("global.anthropic.claude-opus-5", None),
        ("arn:aws:bedrock:us-east-1::foundation-model/" + NOVA, "arn:aws:bedrock:us-east-1::foundation-model/" + NOVA),
        ("arn:aws:bedrock:us-west-2:123456789012:inference-profile/us." + NOVA, None),
    ],
)
def test_the_model_comes_back_as_an_arn(create, bedrock, model_id, arn):
    answered = bedrock.get_model_invocation_job(jobIdentifier=create(modelId=model_id))["modelId"]
    assert answered.startswith("arn:aws:bedrock:")
    assert answered == (arn or answered)
    assert answered.endswith(model_id.rsplit("/")[-1])


@pytest.mark.parametrize(
    "model_id", ["anthropic.claude-sonnet-5", "us.anthropic.claude-opus-4-7", "ai21.jamba-1-5-v1:0"]
)
def test_a_model_without_batch_is_refused(bedrock, request_of, error_of, model_id):
    error = error_of(bedrock.create_model_invocation_job, **request_of(modelId=model_id))
    assert error == ("ValidationException", 400, "Batch inference is not supported for the requested model.")


def uri(text):
    return {"inputDataConfig": {S3: {"s3Uri": text}}}


@pytest.mark.parametrize(
    ("wrong", "member"),
    [
        ({"jobName": "under_score"}, "jobName"),
        ({"jobName": "x" * 64}, "jobName"),
        ({"jobName": "-begins"}, "jobName"),
        ({"roleArn": "arn:aws:iam::1:role/x"}, "roleArn"),
        ({"roleArn": "role"}, "roleArn"),
        ({"modelId": "has space"}, "modelId"),
        ({"modelId": "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"}, "modelId"),
        (uri("s3://calls/dt=2026-01-01/"), "s3Uri"),
        (uri("s3://calls/a b/"), "s3Uri"),
        (uri("s3://calls/a:b"), "s3Uri"),
        (uri("s3://calls//a"), "s3Uri"),
        (uri("s3://Calls/a"), "s3Uri"),
        (uri("https://calls/a"), "s3Uri"),
        (uri("s3://calls/" + "x" * 1024), "s3Uri"),
        ({"inputDataConfig": {S3: {"s3Uri": "s3://calls/", "s3InputFormat": "CSV"}}}, "s3InputFormat"),
        ({"inputDataConfig": {S3: {"s3Uri": "s3://calls/", "s3BucketOwner": "me"}}}, "s3BucketOwner"),
        (
            {"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://calls/", "s3EncryptionKeyId": "key"}}},
            "s3EncryptionKeyId",
        ),
        ({"clientRequestToken": "under_score"}, "clientRequestToken"),
        ({"clientRequestToken": "ends-"}, "clientRequestToken"),
        ({"timeoutDurationInHours": 169}, "timeoutDurationInHours"),
        ({"vpcConfig": {"subnetIds": ["a b"], "securityGroupIds": ["sg-1"]}}, "subnetIds.1.member"),
        ({"vpcConfig": {"subnetIds": ["s"] * 17, "securityGroupIds": ["sg-1"]}}, "subnetIds"),
        ({"tags": [{"key": "k!", "value": "v"}]}, "tags.1.member.key"),
        ({"modelInvocationType": "Batch"}, "modelInvocationType"),
    ],
)
def test_each_member_keeps_its_rule(bedrock, request_of, error_of, wrong, member):
    code, status, message = error_of(bedrock.create_model_invocation_job, **request_of(**wrong))
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("1 validation error detected: Value ")
    assert f"{member}' failed to satisfy constraint: Member must " in message


def test_a_refused_job_is_not_kept(bedrock, request_of, error_of):
    error_of(bedrock.create_model_invocation_job, **request_of(jobName="a b"))
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []


def test_the_same_token_gives_the_same_job(create):
    token = {"clientRequestToken": "run-7"}
    assert create(**token) == create(**token) == create(**token, jobName="other")


def test_a_name_is_taken_even_when_its_job_has_ended(jobs, bedrock, request_of, error_of, record):
    jobs.run([record(1)])
    error = error_of(bedrock.create_model_invocation_job, **request_of())
    assert error == ("ConflictException", 400, "The provided job name is currently in use.")


def test_a_job_is_found_by_its_arn_and_by_its_id(create, bedrock):
    arn = create()
    by_id = bedrock.get_model_invocation_job(jobIdentifier=arn.rsplit("/")[-1])
    assert by_id["jobArn"] == bedrock.get_model_invocation_job(jobIdentifier=arn)["jobArn"] == arn


@pytest.mark.parametrize("operation", ["get_model_invocation_job", "stop_model_invocation_job"])
@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        ("abcdefghijkl", "ResourceNotFoundException"),
        ("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghijkl", "ResourceNotFoundException"),
        ("../../settings", "ValidationException"),
        ("summaries-1", "ValidationException"),
    ],
)
def test_a_job_that_is_not_there_is_not_found(bedrock, error_of, operation, identifier, code):
    assert error_of(getattr(bedrock, operation), jobIdentifier=identifier)[0] == code


def test_a_job_that_has_ended_cannot_be_stopped(jobs, bedrock, error_of, record):
    job = jobs.run([record(1)])
    code, status, message = error_of(bedrock.stop_model_invocation_job, jobIdentifier=job["jobArn"])
    assert (code, status) == ("ConflictException", 400)
    assert "Completed" in message


def test_stopping_twice_is_stopping_once(jobs_at, clock):
    jobs = jobs_at(seconds={"Stopping": 60})
    arn = jobs.create()
    for _ in range(2):
        jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
        clock.move(30)
    assert jobs.get(arn)["status"] == "Stopped"


@pytest.fixture
def names_of(bedrock):
    def ask(**query):
        return [job["jobName"] for job in bedrock.list_model_invocation_jobs(**query)["invocationJobSummaries"]]

    return ask


@pytest.fixture
def three(create, clock):
    for name in ("first", "second", "third"):
        create(jobName=name)
        clock.move(60)


@pytest.mark.usefixtures("three")
def test_jobs_are_listed_newest_first_unless_asked_otherwise(names_of):
    assert names_of() == names_of(sortBy="CreationTime", sortOrder="Descending") == ["third", "second", "first"]
    assert names_of(sortOrder="Ascending") == ["first", "second", "third"]


@pytest.mark.usefixtures("three")
def test_jobs_are_listed_by_name_time_and_status(names_of, clock):
    now = datetime.fromtimestamp(clock(), UTC)
    assert names_of(nameContains="ir") == ["third", "first"]
    assert names_of(submitTimeAfter=now - timedelta(seconds=121)) == ["third", "second"]
    assert names_of(submitTimeBefore=now - timedelta(seconds=119)) == ["second", "first"]
    assert names_of(statusEquals="Failed") == ["third", "second", "first"]
    assert names_of(statusEquals="Completed") == []


@pytest.mark.usefixtures("three")
def test_pages_of_jobs_hold_each_once(bedrock):
    pages = bedrock.get_paginator("list_model_invocation_jobs").paginate(PaginationConfig={"PageSize": 2})
    assert [[job["jobName"] for job in page["invocationJobSummaries"]] for page in pages] == [
        ["third", "second"],
        ["first"],
    ]


@pytest.mark.parametrize(
    "query", [{"maxResults": 1001}, {"statusEquals": "Done"}, {"nameContains": "a b"}, {"nextToken": "none"}]
)
def test_a_wrong_query_is_refused(bedrock, error_of, query):
    assert error_of(bedrock.list_model_invocation_jobs, **query)[:2] == ("ValidationException", 400)


def test_an_operation_that_is_not_there_is_refused(bedrock, error_of):
    assert error_of(bedrock.list_foundation_models)[:2] == ("UnknownOperationException", 404)
