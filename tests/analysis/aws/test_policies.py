"""Tests of the policies: what the package calls is allowed, what it does not need is not, and the page has them."""

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import boto3
import botocore.handlers
import polars as pl
import pytest

from analysis import Prompt, collect, delete, diagnose, invoke, prepare, repair, stop, submit, try_variants
from analysis.aws.policies import Place, write_caller_policy, write_role_policy, write_trust_policy
from analysis.facts.model_arns import list_model_arns

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/batchbook"
PAGE = Path(__file__).parents[3] / "docs/aws.md"

# The action of each operation that is not called like it. Service Authorization Reference.
ACTIONS = {
    ("bedrock-runtime", "Converse"): "bedrock:InvokeModel",
    ("bedrock-runtime", "InvokeModel"): "bedrock:InvokeModel",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "ListObjectVersions"): "s3:ListBucketVersions",
    ("s3", "ListMultipartUploads"): "s3:ListBucketMultipartUploads",
    ("s3", "CreateMultipartUpload"): "s3:PutObject",
    ("s3", "UploadPart"): "s3:PutObject",
    ("s3", "CompleteMultipartUpload"): "s3:PutObject",
    ("service-quotas", "ListServiceQuotas"): "servicequotas:ListServiceQuotas",
    ("service-quotas", "ListAWSDefaultServiceQuotas"): "servicequotas:ListAWSDefaultServiceQuotas",
}
# Needs no permission; makes the emulator's own bucket.
FREE = {("sts", "GetCallerIdentity"), ("s3", "ListBuckets"), ("s3", "CreateBucket")}


@pytest.fixture
def place():
    return Place(REGION, ACCOUNT, "batchbook", "batchbook", ROLE)


@pytest.fixture
def models():
    return [arn for model in (HAIKU, NOVA) for arn in list_model_arns(model, region=REGION, account=ACCOUNT)]


@pytest.fixture
def asked(monkeypatch):
    """List the service, operation and parameters of every request that any boto3 client of this process makes."""
    requests = []

    def record(event_name, params, model, **_):
        service = event_name.split(".")[1]
        requests.append((service, model.name, dict(params)))

    handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-parameter-build", record)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
    return requests


def list_needs(service, operation, params):
    """List what a request needs: action, resource, and the context that conditions look at."""
    action = ACTIONS.get((service, operation), f"{service}:{operation}")
    if service == "s3":
        bucket = f"arn:aws:s3:::{params['Bucket']}"
        if operation == "DeleteObjects":
            return [("s3:DeleteObject", f"{bucket}/{each['Key']}", {}) for each in params["Delete"]["Objects"]]
        prefix = {"s3:prefix": params["Prefix"]} if "Prefix" in params else {}
        return [(action, f"{bucket}/{params['Key']}" if "Key" in params else bucket, prefix)]
    if operation == "CreateModelInvocationJob":
        resources = [*list_behind(params["modelId"]), f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-invocation-job/abc"]
        needs = [(action, resource, {}) for resource in resources]
        needs += [("iam:PassRole", params["roleArn"], {"iam:PassedToService": "bedrock.amazonaws.com"})]
        return needs + ([("bedrock:TagResource", resources[-1], {})] if params.get("tags") else [])
    if "modelId" in params and operation in {"InvokeModel", "Converse"}:
        return [(action, resource, {}) for resource in list_behind(params["modelId"])]
    if "jobIdentifier" in params:
        return [(action, params["jobIdentifier"], {})]
    # The emulator does not serve these, after they were asked for.
    if service == "iam":
        return [(action, ROLE, {})]
    if operation == "GetInferenceProfile":
        return [(action, list_behind(params["inferenceProfileIdentifier"])[0], {})]
    if operation == "GetFoundationModel":
        return [(action, f"arn:aws:bedrock:{REGION}::foundation-model/{params['modelIdentifier']}", {})]
    return [(action, "*", {})]


def list_behind(model_id):
    """The resources that AWS checks for a model: worked out here, for two Regions behind a geographic profile."""
    prefix, _, model = model_id.partition(".")
    if prefix not in {"us", "global"}:
        return [f"arn:aws:bedrock:{REGION}::foundation-model/{model_id}"]
    profile = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{model_id}"
    places = ["us-east-1", "us-west-2"] if prefix == "us" else ["us-east-1", ""]
    return [profile, *(f"arn:aws:bedrock:{place}::foundation-model/{model}" for place in places)]


def is_allowed(policy, action, resource, context):
    """Whether a statement of a policy allows an action on a resource; small, and of the conditions that are used."""
    return any(
        action in statement["Action"]
        and any(match_arn(pattern, resource) for pattern in statement["Resource"])
        and all(match_condition(*each, context) for each in statement.get("Condition", {}).items())
        for statement in policy["Statement"]
    )


def match_arn(pattern, arn):
    """A wildcard of a pattern stays in its part of the ARN, but for the last."""
    if pattern == "*":
        return True
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(parts) == 6 and all(fnmatchcase(part, each) for part, each in zip(parts, patterns, strict=True))


def match_condition(test, values, context):
    for key, wanted in values.items():
        if key not in context:
            return test.endswith("IfExists")
        given = wanted if isinstance(wanted, list) else [wanted]
        if not any(fnmatchcase(context[key], each) for each in given):
            return False
    return True


def make_calls(number):
    texts = [f"Agent: Hello.\nCustomer: Line {index} is down." for index in range(number)]
    return pl.DataFrame({"call_id": [f"c{index}" for index in range(number)], "transcript": texts})


def make_prompt(name, model_id, **fields):
    return Prompt(name=name, model_id=model_id, template="Summarize.\n\n{{ transcript }}", **fields)


def run_everything(tmp_path):
    """Check, prepare, submit, collect, repair, answer on demand, stop and delete: by InvokeModel and by Converse."""
    kinds = {"one": {"model_id": HAIKU}, "two": {"model_id": NOVA, "invocation_type": "Converse"}}
    several = [make_prompt(name, **fields) for name, fields in kinds.items()]
    short = [make_prompt(name, **fields, max_tokens=5) for name, fields in kinds.items()]  # cut off, so repaired
    diagnose(make_calls(100), several)
    try_variants(make_calls(1), several)
    batch = prepare(make_calls(100), short, into=tmp_path / "runs", name="batch")
    submit(batch, tags={"team": "calls"})
    collect(batch)
    repair(batch)
    few = prepare(make_calls(3), short, into=tmp_path / "few", name="few")
    invoke(few, bucket="batchbook")
    collect(few)
    repair(few)
    last = prepare(make_calls(100), several, into=tmp_path / "last", name="last")
    submit(last, wait=False)
    stop(last)
    delete(batch, ask=lambda _: "yes")


def test_every_request_of_the_package_is_allowed_to_the_caller(emulator, asked, tmp_path, place, models):
    run_everything(tmp_path)
    policy = write_caller_policy(place, models)
    needs = [need for each in asked if each[:2] not in FREE for need in list_needs(*each)]
    assert [need for need in needs if not is_allowed(policy, *need)] == []
    # The run did what it says, so that nothing is allowed for want of a request.
    made = {operation for _, operation, _ in asked}
    assert made >= {
        "CreateModelInvocationJob", "GetModelInvocationJob", "ListModelInvocationJobs", "StopModelInvocationJob",
        "InvokeModel", "Converse", "PutObject", "GetObject", "ListObjectsV2", "HeadBucket", "GetInferenceProfile",
        "DeleteObjects", "ListObjectVersions", "ListMultipartUploads",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("s3:PutObject", "arn:aws:s3:::batchbook/others/x", {}),
        ("s3:GetObject", "arn:aws:s3:::another/batchbook/x", {}),
        ("s3:ListBucket", "arn:aws:s3:::batchbook", {"s3:prefix": "others/"}),
        ("s3:DeleteBucket", "arn:aws:s3:::batchbook", {}),
        ("bedrock:InvokeModel", f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-opus-5", {}),
        ("bedrock:InvokeModel", "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-micro-v1:0", {}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PassedToService": "bedrock.amazonaws.com"}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("bedrock:StopModelInvocationJob", f"arn:aws:bedrock:us-west-2:{ACCOUNT}:model-invocation-job/abc", {}),
    ],
)
def test_the_caller_is_not_allowed_more(place, models, action, resource, context):
    assert not is_allowed(write_caller_policy(place, models), action, resource, context)


def test_the_role_may_use_runs_and_models_and_nothing_else(place, models):
    policy, owner = write_role_policy(place, models), {"aws:ResourceAccount": ACCOUNT}
    for arn in list_behind(HAIKU) + list_behind(NOVA):
        assert is_allowed(policy, "bedrock:InvokeModel", arn, {})
    for action in ("s3:GetObject", "s3:PutObject"):
        assert is_allowed(policy, action, "arn:aws:s3:::batchbook/batchbook/run/input/job01/00000.jsonl", owner)
        assert not is_allowed(policy, action, "arn:aws:s3:::batchbook/batchbook/x", {"aws:ResourceAccount": "2" * 12})
        assert not is_allowed(policy, action, "arn:aws:s3:::batchbook/x", owner)
    assert {action.partition(":")[0] for each in policy["Statement"] for action in each["Action"]} == {"s3", "bedrock"}


def test_every_action_is_one_that_aws_has(place, models):
    """By the service models of botocore: a policy with a misspelt action is taken, and allows nothing."""
    services = {"bedrock": ("bedrock", "bedrock-runtime"), "servicequotas": ("service-quotas",)}
    policies = [write(replace(place, kms_key_id="x"), models) for write in (write_caller_policy, write_role_policy)]
    for action in {name for policy in policies for each in policy["Statement"] for name in each["Action"]}:
        service, _, operation = action.partition(":")
        clients = [boto3.client(name, region_name=REGION) for name in services.get(service, (service,))]
        known = {name for client in clients for name in client.meta.service_model.operation_names}
        # No operations: two are checked beside others, and those above stand for several.
        assert operation in known | {"PassRole", "DeleteObjectVersion"} or action in ACTIONS.values(), action


def test_the_trust_policy_names_the_service_and_whose_jobs(place):
    (statement,) = write_trust_policy(place)["Statement"]
    assert statement["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"].startswith(f"arn:aws:bedrock:{REGION}:{ACCOUNT}:")


KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"


@pytest.mark.parametrize(
    ("given", "resource", "alias"),
    [
        ("", None, None),
        (KEY, KEY, None),
        (KEY_ID, KEY, None),
        ("alias/calls", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*", "alias/calls"),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/calls", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*", "alias/calls"),
    ],
)
def test_caller_and_role_may_use_the_key_and_no_other_one(models, given, resource, alias):
    place = Place(REGION, ACCOUNT, "calls", "", ROLE, kms_key_id=given)
    for policy in (write_caller_policy(place, models), write_role_policy(place, models)):
        keys = [each for each in policy["Statement"] if each["Sid"] == "UseKey"]
        assert [each["Resource"] for each in keys] == ([[resource]] if resource else [])
        tests = [each["Condition"].get("ForAnyValue:StringEquals") for each in keys]
        assert tests == ([{"kms:ResourceAliases": [alias]} if alias else None] if resource else [])


def test_without_a_prefix_the_whole_bucket_is_allowed(models):
    policy = write_caller_policy(Place(REGION, ACCOUNT, "calls", "", ROLE), models)
    assert is_allowed(policy, "s3:PutObject", "arn:aws:s3:::calls/any/key", {})
    assert is_allowed(policy, "s3:ListBucket", "arn:aws:s3:::calls", {"s3:prefix": "any/"})


def test_a_bucket_of_another_account_is_that_accounts(models):
    place = Place(REGION, ACCOUNT, "calls", "x", ROLE, bucket_owner="2" * 12)
    owners = [each["Condition"]["StringEquals"] for each in write_role_policy(place, models)["Statement"][:2]]
    assert owners == [{"aws:ResourceAccount": "2" * 12}] * 2


@pytest.mark.parametrize(
    ("heading", "write"),
    [
        ("What the caller may do", write_caller_policy),
        ("Whom the service role trusts", lambda place, _: write_trust_policy(place)),
        ("What the service role may do", write_role_policy),
    ],
)
def test_the_page_has_the_policies_of_the_code(heading, write):
    section = PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")[2]
    shown = json.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL)[1])
    place = Place(REGION, ACCOUNT, "my-transcripts", "batchbook", ROLE)
    assert shown == write(place, list_model_arns(HAIKU, region=REGION, account=ACCOUNT))
