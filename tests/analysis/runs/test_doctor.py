"""Tests of the checks before a run: on the emulator, through its HTTP door, and against what AWS answers."""

import ast
import io
import json
import re
from datetime import date
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import botocore.handlers
import pandas as pd
import polars as pl
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody

from analysis import diagnose, try_variants
from analysis.aws.policies import Place, write_caller_policy, write_role_policy, write_trust_policy
from analysis.facts.model_arns import list_model_arns
from analysis.facts.models import find_model
from analysis.runs.doctor.models import check_batch, check_models
from analysis.runs.doctor.role import check_trust
from analysis.runs.doctor.trial import CHECK
from bedrock_local import Settings, serve

from .conftest import HAIKU, NOVA, make_calls, make_prompt

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/batchbook"
ON_AWS = {"profile": "production", "bucket": "calls", "role_arn": ROLE, "today": date(2026, 11, 30)}
PLACE = Place("us-east-1", ACCOUNT, "calls", "batchbook", ROLE)
KEY = "00000000-1111-2222-3333-444444444444"


class Account:
    """An account of AWS: what each operation answers, in place of the network; others are denied."""

    def __init__(self):
        self.asked = []
        self.answers = {
            "GetCallerIdentity": {"Account": ACCOUNT, "UserId": "AIDA", "Arn": f"arn:aws:iam::{ACCOUNT}:user/ada"},
            "HeadBucket": {},
            "ListObjectsV2": {},
            "GetObject": "NoSuchKey",
            "PutObject": "NoSuchKey",
        }

    def note(self, params, model, **_):
        self.asked.append((model.name, params))

    def answer(self, model, **_):
        """Return status and content as botocore parses them: a dict, or the code of a refusal."""
        given = self.answers.get(model.name, "AccessDenied")
        given = given(self.asked[-1][1]) if callable(given) else given
        headers = {"x-amz-bucket-region": "us-east-1"} if model.name == "HeadBucket" else {}
        status = 200 if isinstance(given, dict) else 403
        content = given if isinstance(given, dict) else {"Error": {"Code": given, "Message": "as AWS says"}}
        meta = {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
        return SimpleNamespace(status_code=status), content | meta


@pytest.fixture
def account(monkeypatch):
    """The account of the profile `production`."""
    made = Account()
    handlers = [("before-parameter-build", made.note), ("before-call", made.answer)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [*botocore.handlers.BUILTIN_HANDLERS, *handlers])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return made


def list_findings(frame, check):
    return frame.filter(pl.col("check") == check).drop("check").rows()


def find_status(frame, check):
    ((status, *_),) = list_findings(frame, check)
    return status


def find_cure(frame, check):
    ((_, _, cure),) = list_findings(frame, check)
    return cure


def list_keys(session):
    return session.client("s3").list_objects_v2(Bucket="batchbook").get("Contents", [])


# On the emulator


def test_on_the_emulator_all_that_it_serves_is_well(emulator):
    found = diagnose(make_calls(100), make_prompt())
    statuses = dict(found.select("check", "status").iter_rows())
    unserved = {"role", "role permissions", "model access", "quotas"}
    assert {check for check, status in statuses.items() if status != "ok"} == unserved
    assert {statuses[check] for check in unserved} == {"unknown"}
    assert found.filter(pl.col("status") == "unknown")["detail"].str.contains("the emulator does not serve").all()


def test_the_columns_are_the_same_without_calls_and_prompts(emulator):
    schema = dict.fromkeys(("check", "status", "detail", "cure"), pl.String)
    assert diagnose().schema == diagnose(make_calls(3), make_prompt()).schema == schema


def test_nothing_is_left_in_the_bucket(emulator):
    diagnose(make_calls(100), make_prompt(), bucket="batchbook")
    assert list_keys(emulator) == []


def test_pandas_calls_and_prompt_files_are_taken(emulator, tmp_path):
    (tmp_path / "p.md").write_text(
        f"---\nname: p\nmodel_id: {NOVA}\nmax_tokens: 99\n---\n# User\n\n{{{{ transcript }}}}"
    )
    found = diagnose(pd.DataFrame(make_calls(100).to_dict(as_series=False)), tmp_path / "p.md")
    assert [row[0] for row in list_findings(found, "calls")] == ["ok"]


@pytest.fixture
def door(tmp_path, monkeypatch):
    """The HTTP door of an emulator with a bucket `calls`, for boto3 clients without a profile."""
    with serve(tmp_path / "served", settings=Settings()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield server


def test_boto3_clients_meet_the_same_through_the_http_door(door):
    import boto3

    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="calls")
    found = diagnose(make_calls(100), make_prompt(), profile="", region="us-east-1", bucket="calls", role_arn=ROLE)
    assert set(found["status"]) == {"ok", "unknown"}
    assert list_findings(found, "bucket write") == [("ok", "s3://calls/batchbook/ is allowed", None)]
    assert [row[0] for row in list_findings(found, "quotas")] == ["unknown"]


def test_a_bucket_in_another_region_is_an_error_before_anything_is_tried_there(door):
    import boto3

    place = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="calls", CreateBucketConfiguration=place)
    found = diagnose(profile="", region="us-east-1", bucket="calls")
    assert find_status(found, "bucket region") == "error"
    assert find_cure(found, "bucket region") == "give --region eu-west-1, or a bucket in us-east-1"
    assert list_findings(found, "bucket write") == []


# Account


def test_an_unknown_profile_is_a_finding(emulator):
    found = diagnose(make_calls(100), make_prompt(), profile="nobody")
    assert find_status(found, "credentials") == "error"
    assert find_cure(found, "credentials") == "see `aws configure list-profiles`"
    assert find_status(found, "calls") == "ok"


def test_without_credentials_nothing_else_is_asked(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    found = diagnose(**ON_AWS)
    assert list_findings(found, "credentials")[0][:2] == ("error", "no AWS credentials")
    assert found["check"].to_list() == ["credentials", "region"]


def test_expired_credentials_are_an_error_with_a_cure(account):
    account.answers["GetCallerIdentity"] = "ExpiredToken"
    found = diagnose(**ON_AWS)
    assert list_findings(found, "credentials")[0][:2] == ("error", "the credentials have expired")
    assert "aws sso login" in find_cure(found, "credentials")


def test_without_a_region_nothing_else_is_asked(account, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile production]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    found = diagnose(**ON_AWS)
    assert find_status(found, "region") == "error"
    assert found["check"].to_list() == ["credentials", "region"]


def test_an_api_key_of_bedrock_is_a_warning(account, monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "secret")
    found = diagnose(**ON_AWS)
    assert [row[0] for row in list_findings(found, "credentials")] == ["ok", "warning"]
    assert not found["detail"].str.contains("secret").any()


# Bucket


def test_a_bucket_that_is_not_there_is_an_error(emulator):
    found = diagnose(bucket="nowhere")
    assert list_findings(found, "bucket")[0][:2] == ("error", "no such bucket")
    assert list_findings(found, "bucket write") == []


@pytest.mark.parametrize("bucket", ["s3://calls/x", "Calls", "x" * 64])
def test_what_is_no_name_of_a_bucket_is_an_error(emulator, bucket):
    assert find_status(diagnose(bucket=bucket), "bucket") == "error"


def test_a_bucket_of_another_account_is_an_error(emulator):
    found = diagnose(bucket_owner="2" * 12)
    assert list_findings(found, "bucket owner")[0][:2] == ("error", f"the bucket does not belong to account {'2' * 12}")
    assert list_findings(found, "bucket write") == []


def test_who_may_not_list_still_learns_what_can_be_seen(account):
    account.answers |= {"HeadBucket": "403", "ListObjectsV2": "AccessDenied", "GetObject": "AccessDenied"}
    found = diagnose(**ON_AWS)
    wanted = {"bucket": "warning", "bucket region": "ok", "bucket owner": "unknown", "bucket list": "error"}
    wanted |= {"bucket read": "unknown", "bucket write": "ok"}
    assert {check: find_status(found, check) for check in wanted} == wanted


@pytest.mark.parametrize(
    ("operation", "check"),
    [("ListObjectsV2", "bucket list"), ("GetObject", "bucket read"), ("PutObject", "bucket write")],
)
def test_each_right_that_is_missing_is_an_error_of_its_own(account, operation, check):
    account.answers[operation] = "AccessDenied"
    found = diagnose(**ON_AWS)
    checks = found.filter(pl.col("check").str.starts_with("bucket"), pl.col("status") != "ok")["check"].to_list()
    assert checks == [check]
    assert "s3:PutObject" in find_cure(found, check)


def test_a_write_is_one_that_s3_refuses_for_want_of_the_object(account):
    diagnose(**ON_AWS, bucket_owner="2" * 12, kms_key_id=KEY)
    ((_, params),) = [each for each in account.asked if each[0] == "PutObject"]
    assert params["IfMatch"].strip('"')
    assert (params["ExpectedBucketOwner"], params["SSEKMSKeyId"]) == ("2" * 12, KEY)


# Role


def make_role(*statements):
    document = {"Version": "2012-10-17", "Statement": [*statements]}
    # As IAM sends it, and boto3 decodes it.
    return {"Role": {"Arn": ROLE, "RoleName": "batchbook", "AssumeRolePolicyDocument": quote(json.dumps(document))}}


TRUSTED = {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}


def trust(condition):
    return [TRUSTED | {"Condition": condition}]


@pytest.mark.parametrize(
    ("statements", "status"),
    [
        ([TRUSTED], "ok"),
        (write_trust_policy(PLACE)["Statement"], "ok"),
        ([TRUSTED | {"Principal": {"Service": ["ec2.amazonaws.com", "bedrock.amazonaws.com"]}}], "ok"),
        (trust({"ArnLike": {"AWS:SourceArn": f"arn:aws:bedrock:*:{ACCOUNT}:*"}}), "ok"),
        ([TRUSTED | {"Principal": {"Service": "lambda.amazonaws.com"}}], "error"),
        ([TRUSTED | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}], "error"),
        ([TRUSTED | {"Effect": "Deny"}], "error"),
        (trust({"StringEquals": {"aws:SourceAccount": "2" * 12}}), "error"),
        (
            trust({"ArnEquals": {"aws:SourceArn": f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:model-invocation-job/*"}}),
            "error",
        ),
        (trust({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), "unknown"),
        (trust({"DateLessThan": {"aws:SourceAccount": ACCOUNT}}), "unknown"),
        ([], "error"),
    ],
)
def test_the_trust_policy_is_read(statements, status):
    found = check_trust({"Version": "2012-10-17", "Statement": statements}, PLACE)
    assert (found.check, found.status) == ("role trust", status)
    assert bool(found.cure) == (status != "ok")


def test_the_role_is_read_from_iam(account):
    account.answers["GetRole"] = make_role(*write_trust_policy(PLACE)["Statement"])
    found = diagnose(**ON_AWS)
    assert list_findings(found, "role") == [("ok", ROLE, None)]
    assert list_findings(found, "role trust") == [("ok", "bedrock.amazonaws.com may assume the role", None)]


def test_who_may_not_call_iam_is_told_what_to_look_at(account):
    found = diagnose(**ON_AWS)
    for check in ("role", "role permissions"):
        assert find_status(found, check) == "unknown"
        assert "batchbook iam" in find_cure(found, check)


@pytest.mark.parametrize(
    ("role_arn", "answer", "reason"),
    [
        (ROLE, "NoSuchEntity", "has no role batchbook"),
        ("arn:aws:iam::222222222222:role/x", {}, "the role is of account 222222222222"),
        ("batchbook", {}, "not the ARN of a role"),
    ],
)
def test_a_role_that_cannot_be_passed_is_an_error(account, role_arn, answer, reason):
    account.answers["GetRole"] = answer
    found = diagnose(**ON_AWS | {"role_arn": role_arn})
    ((status, detail, cure),) = list_findings(found, "role")
    assert status == "error"
    assert reason in detail
    assert cure


def allow_all(params, decision="allowed", **more):
    """What IAM simulates: each action on each resource."""
    pairs = [(action, arn) for action in params["ActionNames"] for arn in params["ResourceArns"]]
    results = [
        {"EvalActionName": name, "EvalResourceName": arn, "EvalDecision": decision} | more for name, arn in pairs
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def test_the_role_is_simulated_on_bucket_runs_models_and_key(account):
    account.answers |= {"GetRole": make_role(TRUSTED), "SimulatePrincipalPolicy": allow_all}
    found = diagnose(prompts=make_prompt(), **ON_AWS, kms_key_id=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}")
    assert [row[0] for row in list_findings(found, "role permissions")] == ["ok"] * 4
    asked = {
        name
        for operation, each in account.asked
        if operation == "SimulatePrincipalPolicy"
        for name in each["ActionNames"]
    }
    wanted = {action for each in write_role_policy(PLACE, ["x"])["Statement"] for action in each["Action"]}
    assert asked == wanted | {"kms:Decrypt", "kms:GenerateDataKey"}


def test_what_the_role_may_not_do_is_named(account):
    def decide(params):
        return allow_all(params, "implicitDeny" if "s3:PutObject" in params["ActionNames"] else "allowed")

    account.answers |= {"GetRole": make_role(TRUSTED), "SimulatePrincipalPolicy": decide}
    statuses = list_findings(diagnose(**ON_AWS), "role permissions")
    assert [row[0] for row in statuses] == ["ok", "error"]
    assert "s3:PutObject on arn:aws:s3:::calls/batchbook/" in statuses[1][1]


def test_a_permission_that_depends_on_what_a_simulation_does_not_know_is_unknown(account):
    account.answers |= {
        "GetRole": make_role(TRUSTED),
        "SimulatePrincipalPolicy": lambda params: allow_all(
            params, "implicitDeny", MissingContextValues=["aws:SourceVpc"]
        ),
    }
    assert {row[0] for row in list_findings(diagnose(**ON_AWS), "role permissions")} == {"unknown"}


def test_what_is_asked_is_in_the_printed_policy(account):
    account.answers |= {
        "GetRole": make_role(TRUSTED),
        "SimulatePrincipalPolicy": allow_all,
        "ListServiceQuotas": {"Quotas": []},
        "ListAWSDefaultServiceQuotas": {"Quotas": []},
    }
    diagnose(make_calls(100), make_prompt(), **ON_AWS)
    arns = list_model_arns(HAIKU, region="us-east-1", account=ACCOUNT)
    allowed = {
        action.partition(":")[2] for each in write_caller_policy(PLACE, arns)["Statement"] for action in each["Action"]
    }
    # HeadBucket and ListObjectsV2 are s3:ListBucket; GetCallerIdentity needs no permission.
    asked = {operation for operation, _ in account.asked} - {"GetCallerIdentity", "HeadBucket", "ListObjectsV2"}
    assert asked <= allowed
    assert "ListBucket" in allowed


def test_where_sts_cannot_be_reached_the_role_tells_the_account(account):
    def break_off(_):
        raise EndpointConnectionError(endpoint_url="https://sts.us-east-1.amazonaws.com")

    account.answers |= {"GetCallerIdentity": break_off, "GetRole": make_role(*write_trust_policy(PLACE)["Statement"])}
    found = diagnose(**ON_AWS)
    wanted = {"credentials": "unknown", "bucket owner": "unknown", "bucket write": "ok", "role trust": "ok"}
    assert {check: find_status(found, check) for check in wanted} == wanted


# Models


@pytest.mark.parametrize(
    ("model_id", "region", "status", "words"),
    [
        (HAIKU, "us-east-1", "ok", "by this inference profile"),
        ("openai.gpt-oss-20b-1:0", "us-east-1", "ok", "takes batch jobs in us-east-1"),
        ("openai.gpt-oss-20b-1:0", "ca-central-1", "error", "takes no batch jobs in ca-central-1"),
        (HAIKU.removeprefix("global."), "us-east-1", "error", "by an inference profile alone"),
        ("amazon.nova-micro-v1:0", "us-east-1", "ok", "takes batch jobs in us-east-1"),
        (NOVA, "eu-west-1", "warning", "is not in the geography of us."),
        ("us.openai.gpt-oss-20b-1:0", "us-east-1", "warning", "no inference profile of it is known"),
        ("ca.anthropic.claude-haiku-4-5-20251001-v1:0", "ca-central-1", "warning", "not known here"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "us-east-1", "error", "left Amazon Bedrock on 2026-10-14"),
        ("us.anthropic.claude-sonnet-5", "us-east-1", "error", "takes no batch jobs"),
        ("us.anthropic.claude-haiku-9", "us-east-1", "unknown", "not a model that is known here"),
    ],
)  # fmt: skip
def test_batch_jobs_of_a_model_follow_the_facts(model_id, region, status, words):
    found = check_batch(find_model(model_id), region, date(2026, 11, 30))
    assert found.status == status
    assert words in found.detail
    assert bool(found.cure) == (status != "ok")


def test_a_model_that_leaves_later_is_well_today():
    model = find_model("us.anthropic.claude-sonnet-4-20250514-v1:0")
    assert check_batch(model, "us-east-1", date(2026, 10, 13)).status == "ok"


def test_the_prefix_of_the_region_is_offered():
    model = HAIKU.removeprefix("global.")
    cure = f"write the id of an inference profile as model_id, such as eu.{model} or global.{model}"
    assert check_batch(find_model(model), "eu-west-1", date(2026, 11, 30)).cure == cure


def test_the_facts_are_asked_for_each_model_once(account):
    found = diagnose(prompts=[make_prompt("a"), make_prompt("b", NOVA), make_prompt("c")], **ON_AWS)
    assert [row[0] for row in list_findings(found, "batch")] == ["ok", "ok"]


def describe_access(**changed):
    states = {
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }
    return {"modelId": "x", "agreementAvailability": {"status": "AVAILABLE"}} | states | changed


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (describe_access(), "ok", "granted"),
        (describe_access(agreementAvailability={"status": "NOT_AVAILABLE"}), "error", "agreement not available"),
        (describe_access(authorizationStatus="NOT_AUTHORIZED"), "error", "authorization not authorized"),
        ("AccessDeniedException", "unknown", "cannot be seen"),
    ],
)
def test_access_to_a_model_is_asked_of_bedrock(account, answer, status, words):
    account.answers["GetFoundationModelAvailability"] = answer
    ((given, detail, _),) = list_findings(diagnose(prompts=make_prompt(), **ON_AWS), "model access")
    assert given == status
    assert words in detail


def test_an_inference_profile_says_where_it_sends_requests(account):
    models = [{"modelArn": f"arn:aws:bedrock:{place}::foundation-model/x"} for place in ("us-west-2", "us-east-1")]
    account.answers["GetInferenceProfile"] = {"models": models, "status": "ACTIVE"}
    found = list_findings(diagnose(prompts=make_prompt(model_id=NOVA), **ON_AWS), "inference profile")
    assert found == [("ok", f"{NOVA}: active, sends requests to us-east-1, us-west-2", None)]


def test_an_inference_profile_that_bedrock_does_not_have_is_an_error(account):
    account.answers["GetInferenceProfile"] = "ResourceNotFoundException"
    assert find_status(diagnose(prompts=make_prompt(), **ON_AWS), "inference profile") == "error"


def test_a_legacy_model_is_a_warning_with_its_end(account):
    lifecycle = {"status": "LEGACY", "endOfLifeTime": date(2027, 1, 8)}
    account.answers["GetFoundationModel"] = {"modelDetails": {"modelLifecycle": lifecycle}}
    ((status, detail, _),) = list_findings(diagnose(prompts=make_prompt(), **ON_AWS), "model lifecycle")
    assert (status, detail.endswith("legacy, and leaves Bedrock on 2027-01-08")) == ("warning", True)


def test_an_application_profile_is_asked_for_and_never_raises(account):
    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/ab12cd34ef56"
    found = diagnose(prompts=make_prompt(model_id=arn, invocation_type="Converse"), **ON_AWS)
    assert find_status(found, "batch") == find_status(found, "inference profile") == "unknown"


def test_a_prompt_that_its_model_refuses_is_an_error(emulator):
    found = diagnose(prompts=make_prompt(temperature=0.5, top_p=0.5))
    assert find_status(found, "prompt") == "error"


# Quotas


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Minimum number of records per batch inference job for Claude Haiku 4.5", 100, "ok"),
        ("Minimum number of records per batch inference job for Claude Haiku 4.5", 1000, "error"),
        ("Records per batch inference job for Claude Haiku 4.5", 50_000, "error"),
        ("Records per batch inference job for Claude Haiku 4.5", 200_000, "warning"),
        ("Batch inference input file size (in GB) for Claude Haiku 4.5", 0.2, "error"),
        ("Records per batch inference job for Nova Lite", 100_000, "unknown"),
    ],
)
def test_quotas_of_the_account_are_compared_with_those_assumed(account, make_quota, name, value, status):
    account.answers |= {
        "ListServiceQuotas": {"Quotas": [make_quota(name, value)]},
        "ListAWSDefaultServiceQuotas": {"Quotas": []},
    }
    assert find_status(diagnose(prompts=make_prompt(), **ON_AWS), "quotas") == status


def test_unfinished_jobs_are_counted_by_model(account):
    profile = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/{HAIKU}"

    def list_jobs(params):
        jobs = 100 if params["statusEquals"] == "InProgress" else 0
        return {"invocationJobSummaries": [{"modelId": profile}] * jobs}

    account.answers["ListModelInvocationJobs"] = list_jobs
    found = diagnose(prompts=[make_prompt("a"), make_prompt("b", model_id=NOVA)], **ON_AWS)
    assert [row[:2] for row in list_findings(found, "unfinished jobs")] == [
        ("warning", f"{HAIKU.removeprefix('global.')}: 100 jobs of at most 100"),
        ("ok", "amazon.nova-micro-v1:0: 0 jobs of at most 100"),
    ]


# Calls


def test_few_calls_are_a_warning(emulator):
    found = diagnose(make_calls(8), make_prompt())
    ((status, detail, _),) = list_findings(found, "limit: minimum")
    assert status == "warning"
    assert "8 records; a batch job needs at least 100" in detail
    assert "on-demand prices" in list_findings(found, "cost")[0][1]


def test_a_call_beyond_the_context_is_a_warning(emulator):
    long = pl.DataFrame({"call_id": ["long"], "transcript": ["word " * 200_000]})
    found = diagnose(pl.concat([make_calls(100), long]), make_prompt())
    ((status, detail, _),) = list_findings(found, "limit: context")
    assert (status, detail.endswith("1 call may be longer: long")) == ("warning", True)


def test_a_schema_of_which_sources_disagree_is_a_warning(emulator):
    properties = {"reason": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": ["reason"], "additionalProperties": False}
    found = diagnose(make_calls(100), make_prompt(schema=schema))
    ((status, detail, _),) = list_findings(found, "limit: schema")
    assert (status, "the request has the schema" in detail) == ("warning", True)


def test_a_model_that_has_left_is_an_error_of_the_calls_too(emulator):
    found = diagnose(make_calls(100), make_prompt(model_id="anthropic.claude-3-haiku-20240307-v1:0"))
    ((status, detail, _),) = list_findings(found, "limit: ended")
    assert (status, "left Amazon Bedrock on 2026-09-10" in detail) == ("error", True)


def test_a_model_that_soon_leaves_is_a_warning():
    opus = "us.anthropic.claude-opus-4-1-20250805-v1:0"
    # The third finding would ask Bedrock.
    _, found = islice(check_models(None, [opus], "us-east-1", today=date(2026, 12, 1)), 2)
    assert (found.check, found.status) == ("model lifecycle", "warning")
    assert "leaves Amazon Bedrock on 2027-01-08, in 38 days" in found.detail


def test_calls_without_prompts_are_not_checked_and_a_finding_says_so(emulator):
    assert list_findings(diagnose(make_calls(3)), "calls") == [
        ("unknown", "not checked without prompts", "give --prompts")
    ]


def test_calls_without_an_id_are_a_finding(emulator):
    found = diagnose(make_calls(3).with_columns(call_id=pl.lit("same")), make_prompt())
    assert find_status(found, "calls") == "error"


def test_calls_are_not_left_in_a_temporary_folder(emulator, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(tmp_path.iterdir())
    diagnose(make_calls(100), make_prompt())
    assert sorted(tmp_path.iterdir()) == before


# One record of each variant


def answer(stop="end_turn", text="A refund."):
    body = f'{{"type":"message","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"{stop}",'
    body += '"usage":{"input_tokens":1000,"output_tokens":200}}'
    return lambda _: {"body": StreamingBody(io.BytesIO(body.encode()), len(body))}


def refuse(question):
    raise AssertionError(question)


def test_on_the_emulator_each_variant_is_asked_without_a_question(emulator):
    found = try_variants(make_calls(3), [make_prompt("a"), make_prompt("b", NOVA)], ask=refuse)
    assert [row[0] for row in list_findings(found, "answer")] == ["ok", "ok"]


def test_on_aws_the_price_is_shown_before(account):
    account.answers["InvokeModel"] = answer()
    questions = []
    # Haiku by global: 1 USD and 5 USD per million tokens on demand. The estimate takes a token for 4 bytes, and at its
    # upper end a quarter more and 400 tokens out: 400 * 5 / 1e6 = 0.002 USD, and less than 0.001 for some words.

    def agree(question):
        questions.append(question)
        return "y"

    seconds = iter([10.0, 11.5])
    prompt = make_prompt(max_tokens=400)
    found = try_variants(make_calls(3), prompt, profile="production", ask=agree, now=lambda: next(seconds))
    assert questions == ["Ask 1 record now, one per variant, on demand, for at most 0.0020 USD? [y/N] "]
    # 1,000 * 1 USD + 200 * 5 USD per million.
    detail = "short: answered in 1.5 s, 1,000 tokens in, 200 out, 0.0020 USD, stop: end"
    assert list_findings(found, "answer") == [("ok", detail, None)]


@pytest.mark.parametrize("typed", ["", "n", "yess"])
def test_without_a_yes_nothing_is_asked(account, typed):
    found = try_variants(make_calls(3), make_prompt(), profile="production", ask=lambda _: typed)
    assert find_status(found, "answer") == "unknown"
    assert "InvokeModel" not in {operation for operation, _ in account.asked}


def test_where_nobody_can_type_nothing_is_asked(account):
    def no_input(_):
        raise EOFError

    found = try_variants(make_calls(3), make_prompt(), profile="production", ask=no_input)
    assert "cannot be confirmed here" in list_findings(found, "answer")[0][1]


@pytest.mark.parametrize(("budget_usd", "status"), [(0.01, "ok"), (0.0001, "unknown"), (0, "unknown")])
def test_a_budget_answers_the_question(account, budget_usd, status):
    account.answers["InvokeModel"] = answer()
    found = try_variants(
        make_calls(3), make_prompt(max_tokens=400), profile="production", budget_usd=budget_usd, ask=refuse
    )
    assert find_status(found, "answer") == status


def test_an_unknown_price_is_no_price_within_a_budget(account):
    model = "mistral.mistral-small-2402-v1:0"
    found = try_variants(make_calls(3), make_prompt(model_id=model), profile="production", budget_usd=9.0, ask=refuse)
    assert "no price is known" in list_findings(found, "answer")[0][1]


@pytest.mark.parametrize(
    ("reply", "status", "cure"),
    [
        ("AccessDeniedException", "error", "allow the caller bedrock:InvokeModel"),
        ("ValidationException", "error", "correct what the message names"),
        (answer(stop="max_tokens"), "warning", "raise max_tokens"),
        (answer(text=""), "warning", "look at it by preview"),
        (lambda _: {"body": StreamingBody(io.BytesIO(b"{"), 1)}, "error", "invocation_type: Converse"),
    ],
)
def test_what_came_of_a_record_has_its_cure(account, reply, status, cure):
    account.answers["InvokeModel"] = reply
    found = try_variants(make_calls(3), make_prompt(), profile="production", ask=lambda _: "y")
    assert find_status(found, "answer") == status
    assert cure in find_cure(found, "answer")


def test_the_texts_of_calls_and_answers_are_not_shown(account):
    account.answers["InvokeModel"] = answer(text="SECRET")
    found = try_variants(make_calls(3), make_prompt(), profile="production", ask=lambda _: "y")
    assert not found["detail"].str.contains("SECRET|Line 0").any()


# Documentation


def list_named_checks():
    """List the names of the checks that the modules give their findings."""
    calls = [
        node
        for file in sorted((ROOT / "analysis/runs/doctor").glob("*.py"))
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Finding", "look", "try_access"}
    ]
    constants = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    return constants | {CHECK, "limit: ..."}


def test_the_page_explains_each_check():
    section = (ROOT / "docs/doctor.md").read_text(encoding="utf-8").partition("## What is checked")[2]
    rows = re.findall(r"^\| (`.+?) \|", section.partition("\n## ")[0], re.MULTILINE)
    explained = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    assert sorted(explained) == sorted(list_named_checks())
