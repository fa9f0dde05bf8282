"""Tests of the command that prints policies: what it needs to be told, and what it asks AWS."""

import json

import pytest

from analysis.errors import ModelError, StorageError

from .conftest import call

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
OFFLINE = ("iam", "--bucket", "calls", "--region", "eu-west-1", "--account", "111122223333")
PROMPT = "---\nname: {0}\nmodel_id: {1}\nmax_tokens: 400\n---\n# User\n\n{{{{ transcript }}}}\n"


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
    result = call("iam", "--bucket", "calls", "--profile", "emulator", "--model", HAIKU, "--only", "role")
    first = list_models(json.loads(result.stdout))[0]
    assert first == f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{HAIKU}"
    # The emulator has no GetInferenceProfile.
    assert result.stderr == f"Amazon Bedrock did not tell the regions of {HAIKU}: its geography is allowed.\n"


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        (("--bucket", "s3://calls/x"), StorageError, "'s3://calls/x' is not the name of a bucket; give the name alone"),
        (("--account", "12"), StorageError, "'12' is not the number of an account"),
        (("--bucket-owner", "me"), StorageError, "'me' is not the number of an account"),
    ],
)
def test_what_would_make_a_policy_of_nothing_is_refused(folder, options, error, reason):
    result = call(*OFFLINE, "--model", HAIKU, *options)
    assert isinstance(result.exception, error)
    assert reason in str(result.exception)


def test_without_a_model_there_is_no_policy(folder):
    result = call(*OFFLINE)
    assert isinstance(result.exception, ModelError)
    assert str(result.exception) == "models: no model is named; give --prompts, or --model for each of them"
