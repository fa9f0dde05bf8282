from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bedrock_local import open_session
from bedrock_local.batch.jobs import read_job
from bedrock_local.batch.quota_queue import lock_slots

TRANSPORTS = ["inside", "http"]

S3 = "s3InputDataConfig"
NOVA = "amazon.nova-lite-v1:0"


@pytest.fixture
def create(bedrock, request_of):
    return lambda **more: bedrock.create_model_invocation_job(**request_of(**more))["jobArn"]


def test_a_job_is_named_by_an_arn_with_twelve_letters_or_digits(create):
    arn = create()
    assert arn.startswith("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/")
    assert len(arn.rsplit("/")[-1]) == 12


def test_a_new_job_is_described_with_its_request(create, bedrock, request_of, clock):
    arn = create(tags=[{"key": "team", "value": "calls"}])
    job = bedrock.get_model_invocation_job(jobIdentifier=arn)
    asked = request_of()
    assert {name: job[name] for name in ("jobName", "roleArn")} == {
        name: asked[name] for name in ("jobName", "roleArn")
    }
    for config, member in (("inputDataConfig", "s3InputDataConfig"), ("outputDataConfig", "s3OutputDataConfig")):
        assert job[config] == {member: {"s3BucketOwner": "123456789012", **asked[config][member]}}
    assert "clientRequestToken" not in job
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
def test_each_member_is_checked_against_its_rule(bedrock, request_of, error_of, wrong, member):
    code, status, message = error_of(bedrock.create_model_invocation_job, **request_of(**wrong))
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("1 validation error detected: Value ")
    assert f"{member}' failed to satisfy constraint: Member must " in message


def test_a_refused_job_is_not_saved(bedrock, request_of, error_of):
    error_of(bedrock.create_model_invocation_job, **request_of(jobName="a b"))
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []


def test_the_same_token_gives_the_same_job(create, bedrock):
    token = {"clientRequestToken": "run-7"}
    assert create(**token) == create(**token) == create(**token)
    assert len(bedrock.list_model_invocation_jobs()["invocationJobSummaries"]) == 1


@pytest.mark.parametrize("more", [{"jobName": "other"}, {"timeoutDurationInHours": 48}, {"modelId": NOVA}])
def test_the_same_token_with_other_parameters_gives_the_first_job(create, more):
    assert create(clientRequestToken="run-7") == create(clientRequestToken="run-7", **more)


@pytest.mark.parametrize("more", [{"jobName": "other"}, {"timeoutDurationInHours": 48}, {"modelId": NOVA}])
@pytest.mark.parametrize("settings", [{"reused_token": "refuse"}, {"strict": True}])
def test_the_same_token_with_other_parameters_is_refused_by_the_settings(jobs_at, request_of, error_of, more, settings):
    jobs = jobs_at(**settings)
    jobs.create(clientRequestToken="run-7")
    error = error_of(jobs.bedrock.create_model_invocation_job, **request_of(clientRequestToken="run-7", **more))
    assert error == ("ConflictException", 400, "The provided client request token is in use with other parameters.")


def test_the_same_token_with_another_name_gives_a_new_job_by_the_settings(jobs_at):
    jobs = jobs_at(reused_token="new", strict=True)
    assert jobs.create(clientRequestToken="run-7") != jobs.create(clientRequestToken="run-7", jobName="other")


def test_a_name_is_taken_even_when_its_job_has_ended(jobs, bedrock, request_of, error_of, record):
    jobs.run([record(1)])
    error = error_of(bedrock.create_model_invocation_job, **request_of())
    assert error == ("ConflictException", 400, "The provided job name is currently in use.")


def test_the_class_of_a_name_in_use_is_a_setting(jobs_at, error_of, request_of):
    jobs = jobs_at(name_error="ValidationException")
    jobs.create()
    assert error_of(jobs.bedrock.create_model_invocation_job, **request_of())[0] == "ValidationException"


@pytest.mark.parametrize("account", ["210987654321", ""])
@pytest.mark.parametrize("settings", [{"roles": "own"}, {"strict": True}])
def test_a_role_of_another_account_is_refused_before_the_model_by_the_settings(
    jobs_at, request_of, error_of, account, settings
):
    role = f"arn:aws:iam::{account}:role/batch"
    create = jobs_at(**settings).bedrock.create_model_invocation_job
    error = error_of(create, **request_of(roleArn=role, modelId="no.model"))
    assert error[:2] == ("AccessDeniedException", 403)
    assert error[2].endswith(f"is not authorized to perform: iam:PassRole on resource: {role}")


def test_a_role_of_another_account_is_taken(create, bedrock):
    role = "arn:aws:iam::210987654321:role/batch"
    assert bedrock.get_model_invocation_job(jobIdentifier=create(roleArn=role))["roleArn"] == role


def test_a_model_is_refused_before_name_and_token_are_checked(create, bedrock, request_of, error_of):
    create(clientRequestToken="run-7")
    error = error_of(bedrock.create_model_invocation_job, **request_of(clientRequestToken="run-7", modelId="no.model"))
    assert error[2] == "Batch inference is not supported for the requested model."


@pytest.fixture
def elsewhere(folder, clock):
    """The same folder, seen from another region."""
    return open_session(folder, region_name="eu-west-1", now=clock).client("bedrock")


@pytest.mark.parametrize("form", [str, lambda arn: arn[-12:]])
@pytest.mark.parametrize("operation", ["get_model_invocation_job", "stop_model_invocation_job"])
def test_a_job_does_not_exist_in_another_region(create, elsewhere, error_of, operation, form):
    error = error_of(getattr(elsewhere, operation), jobIdentifier=form(create()))
    assert error[:2] == ("ResourceNotFoundException", 404)


def test_another_region_has_its_own_names_tokens_and_list(create, elsewhere, request_of):
    token = {"clientRequestToken": "run-7"}
    arn = create(**token)
    other = elsewhere.create_model_invocation_job(**request_of(**token))["jobArn"]
    assert other.split(":")[3] == "eu-west-1"
    assert other != arn
    assert [job["jobArn"] for job in elsewhere.list_model_invocation_jobs()["invocationJobSummaries"]] == [other]


def test_a_job_is_found_by_its_arn_and_by_its_id(create, bedrock):
    arn = create()
    by_id = bedrock.get_model_invocation_job(jobIdentifier=arn.rsplit("/")[-1])
    assert by_id["jobArn"] == bedrock.get_model_invocation_job(jobIdentifier=arn)["jobArn"] == arn


@pytest.mark.parametrize(
    "change", [("123456789012", "210987654321"), ("arn:aws:", "arn:aws-cn:"), ("us-east", "us-west")]
)
def test_an_arn_of_another_account_partition_or_region_is_not_found(create, bedrock, error_of, change):
    other = create().replace(*change)
    for operation in (bedrock.get_model_invocation_job, bedrock.stop_model_invocation_job):
        assert error_of(operation, jobIdentifier=other)[:2] == ("ResourceNotFoundException", 404)
    assert error_of(bedrock.list_tags_for_resource, resourceARN=other)[:2] == ("ResourceNotFoundException", 404)


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
def test_a_job_that_does_not_exist_is_not_found(bedrock, error_of, operation, identifier, code):
    assert error_of(getattr(bedrock, operation), jobIdentifier=identifier)[0] == code


def test_a_job_that_has_ended_cannot_be_stopped(jobs, bedrock, error_of, record):
    job = jobs.run([record(1)])
    code, status, message = error_of(bedrock.stop_model_invocation_job, jobIdentifier=job["jobArn"])
    assert (code, status) == ("ValidationException", 400)
    assert "State was: Completed" in message


def test_a_job_is_modified_once_more_after_its_end(jobs, bedrock, record):
    job = jobs.run([record(1)])
    assert job["lastModifiedTime"] - job["endTime"] == timedelta(seconds=1)


@pytest.mark.parametrize(("settings", "code"), [({}, ""), ({"strict": True}, "ResourceNotFoundException")])
def test_tags_of_a_stopped_job_are_found_unless_strict(jobs_at, error_of, settings, code):
    jobs = jobs_at(**settings, seconds={"Submitted": 10**6})
    arn = jobs.create(tags=[{"key": "a", "value": "b"}])
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    if code:
        assert error_of(jobs.bedrock.list_tags_for_resource, resourceARN=arn)[0] == code
    else:
        assert jobs.bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "a", "value": "b"}]


def test_the_class_of_a_stop_that_comes_too_late_is_a_setting(jobs_at, error_of, record):
    jobs = jobs_at(stop_error="ConflictException")
    job = jobs.run([record(1)])
    assert error_of(jobs.bedrock.stop_model_invocation_job, jobIdentifier=job["jobArn"])[0] == "ConflictException"


def test_input_can_be_checked_when_a_job_is_created(jobs_at, record, request_of, error_of):
    jobs = jobs_at(input_check="create", min_records=2)
    jobs.put([record(1)])
    code, _, message = error_of(jobs.bedrock.create_model_invocation_job, **request_of())
    assert (code, message[-8:]) == ("ValidationException", "job is 2")
    jobs.put([record(1), record(2)])
    assert jobs.finish(jobs.create())["status"] == "Completed"


def test_a_line_that_is_not_a_record_is_named_when_a_job_is_created(jobs_at, record, request_of, error_of):
    jobs = jobs_at(input_check="create")
    jobs.put([record(1)], "in/a.jsonl")
    jobs.put([record(1), b"no record"], "in/b.jsonl")
    message = error_of(jobs.bedrock.create_model_invocation_job, **request_of())[2]
    assert message.startswith("Input file in/b.jsonl, line 2: not a JSON object")


def test_creating_a_job_does_not_wait_while_the_input_of_another_is_read(jobs_at, folder, request_of, error_of):
    jobs = jobs_at(input_check="create")
    jobs.put([b"no record"])
    with lock_slots(folder):
        message = error_of(jobs.bedrock.create_model_invocation_job, **request_of())[2]
    assert message.startswith("Input file in/calls.jsonl, line 1: not a JSON object")


def test_a_second_stop_changes_nothing(jobs_at, clock):
    jobs = jobs_at(seconds={"Stopping": 60})
    arn = jobs.create()
    for _ in range(2):
        jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
        clock.move(30)
    assert jobs.finish(arn)["status"] == "Stopped"


def test_an_unknown_operation_is_refused(bedrock, error_of):
    *error, message = error_of(bedrock.list_guardrails)
    assert error == ["UnknownOperationException", 404]
    assert "has CreateModelInvocationJob, " in message
    assert message.endswith("but no GET /guardrails")


def test_jobs_of_an_older_folder_are_listed(jobs, folder, record):
    job = jobs.run([record(1)])
    (path,) = (folder / "state" / "jobs").glob("*/job.json")
    kept = json.loads(path.read_bytes())
    older = {name: value for name, value in kept.items() if name not in ("number", "is_queued")}
    path.write_text(json.dumps(older))
    read_job.cache_clear()
    assert jobs.get(job["jobArn"])["status"] == "Completed"
