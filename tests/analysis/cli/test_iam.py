"""Tests of the command that prints policies: what it needs to be told, and what it asks AWS."""

import json

import pytest

from analysis.errors import JobError, ModelError, StorageError

from .conftest import call

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
OFFLINE = ("iam", "--bucket", "calls", "--region", "eu-west-1", "--account", "111122223333")
PROMPT = "---\nname: {0}\nmodel_id: {1}\nmax_tokens: 400\n---\n# User\n\n{{{{ transcript }}}}\n"
REGIONS_OF_NOVA = ("east-1", "east-2", "west-2")  # as the page of the cross-Region profiles lists them


def list_models(policy):
    """The models that a policy of the role names."""
    return next(each["Resource"] for each in policy["Statement"] if each["Sid"] == "InvokeModels")


def test_three_documents_are_printed_with_their_titles(folder):
    said = call(*OFFLINE, "--model", HAIKU).stdout
    titles = ["What the caller may do:", "Trust policy of the service role:", "What the service role may do:"]
    assert [line for line in said.splitlines() if line.endswith(":") and line[0].isalpha()] == titles
    parts = said.split("\n\n")
    assert [json.loads(part)["Version"] for part in parts if part.startswith("{")] == ["2012-10-17"] * 3


@pytest.mark.parametrize("only", ["caller", "trust", "role"])
def test_one_document_alone_is_json(folder, only):
    assert json.loads(call(*OFFLINE, "--model", HAIKU, "--only", only).stdout)["Statement"]


def test_the_models_are_those_of_the_prompt_files_each_once(folder):
    for name, model in (("a", HAIKU), ("b", "eu.amazon.nova-lite-v1:0"), ("c", HAIKU)):
        (folder / f"{name}.md").write_text(PROMPT.format(name, model), encoding="utf-8")
    policy = json.loads(call(*OFFLINE, "--prompts", "a.md", "b.md", "c.md", "--only", "role").stdout)
    assert list_models(policy) == [
        f"arn:aws:bedrock:eu-west-1:111122223333:inference-profile/{HAIKU}",
        "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-*::foundation-model/amazon.nova-lite-v1:0",
    ]


def test_the_role_is_the_one_that_may_be_passed(folder):
    role = "arn:aws:iam::111122223333:role/team/batch"
    policy = json.loads(call(*OFFLINE, "--model", HAIKU, "--role-arn", role, "--only", "caller").stdout)
    assert [each["Resource"] for each in policy["Statement"] if each["Sid"] == "PassRole"] == [[role]]


def test_what_is_left_out_is_asked_of_the_profile(folder, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(folder / "account"))
    nova = "us.amazon.nova-lite-v1:0"
    result = call("iam", "--bucket", "calls", "--profile", "emulator", "--model", nova, "--only", "role")
    behind = [f"arn:aws:bedrock:us-{place}::foundation-model/amazon.nova-lite-v1:0" for place in REGIONS_OF_NOVA]
    own = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{nova}"
    assert list_models(json.loads(result.stdout)) == [own, *behind]
    assert result.stderr == ""


def test_a_profile_that_bedrock_does_not_tell_of_is_allowed_in_its_geography(folder, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(folder / "account"))
    opus = "us.anthropic.claude-opus-9-v1:0"
    result = call("iam", "--bucket", "calls", "--profile", "emulator", "--model", opus, "--only", "role")
    assert f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{opus}" in list_models(json.loads(result.stdout))
    assert result.stderr == f"Amazon Bedrock did not tell the regions of {opus}: its geography is allowed.\n"


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        (("--bucket", "s3://calls/x"), JobError, "'s3://calls/x' is not the name of a bucket; give bucket='calls'"),
        (("--account", "12"), StorageError, "'12' is not the number of an account"),
        (("--bucket-owner", "me"), StorageError, "'me' is not the number of an account"),
    ],
)
def test_what_would_make_a_policy_of_nothing_is_refused(folder, options, error, reason):
    result = call(*OFFLINE, "--model", HAIKU, *options)
    assert isinstance(result.exception, error)
    assert reason in str(result.exception)


def write_two_regions(folder):
    for name, region in (("a", "eu-west-1"), ("b", "us-west-2")):
        text = PROMPT.format(name, "eu.amazon.nova-lite-v1:0" if name == "a" else HAIKU)
        (folder / f"{name}.md").write_text(
            text.replace("max_tokens", f"region: {region}\nmax_tokens"), encoding="utf-8"
        )


def test_prompts_of_two_regions_are_allowed_each_where_it_is_asked(folder):
    write_two_regions(folder)
    command = ("iam", "--account", "111122223333", "--bucket", "calls-{region}", "--prompts", "a.md", "b.md")
    said = [json.loads(call(*command, "--only", only).stdout) for only in ("caller", "role")]
    assert list_models(said[1]) == [
        "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-*::foundation-model/amazon.nova-lite-v1:0",
        f"arn:aws:bedrock:us-west-2:111122223333:inference-profile/{HAIKU}",
        "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
    ]
    jobs = next(each["Resource"] for each in said[0]["Statement"] if each["Sid"] == "FollowJobs")
    assert jobs == [
        f"arn:aws:bedrock:{region}:111122223333:model-invocation-job/*" for region in ("eu-west-1", "us-west-2")
    ]
    buckets = next(each["Resource"] for each in said[1]["Statement"] if each["Sid"] == "ListBucket")
    assert buckets == ["arn:aws:s3:::calls-eu-west-1", "arn:aws:s3:::calls-us-west-2"]


def test_a_role_trusts_jobs_in_each_region_and_uses_a_key_there(folder):
    write_two_regions(folder)
    command = ("iam", "--account", "111122223333", "--bucket", "calls-{region}", "--prompts", "a.md", "b.md")
    command += ("--kms-key-id", "alias/calls", "--region", "eu-west-1")
    trust, role = (json.loads(call(*command, "--only", only).stdout)["Statement"] for only in ("trust", "role"))
    sources = [each["Condition"]["ArnEquals"]["aws:SourceArn"].split(":")[3] for each in trust]
    assert sources == ["eu-west-1", "us-west-2"]
    keys = {each["Sid"]: each["Condition"]["StringEquals"] for each in role if each["Sid"].startswith("UseKey")}
    assert keys == {
        "UseKey": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
        "UseKey2": {"kms:ViaService": "s3.us-west-2.amazonaws.com"},
    }


def test_one_bucket_for_two_regions_is_no_policy(folder):
    write_two_regions(folder)
    result = call(*OFFLINE, "--prompts", "a.md", "b.md")
    assert isinstance(result.exception, JobError)
    assert "'calls' is one bucket" in str(result.exception)


def test_without_a_model_there_is_no_policy(folder):
    result = call(*OFFLINE)
    assert isinstance(result.exception, ModelError)
    assert str(result.exception) == "models: no model is named; give --prompts, or --model for each of them"
