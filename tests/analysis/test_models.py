import pytest

from analysis.facts import read_facts
from analysis.models import Model, find_model

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:us-east-1"


@pytest.mark.parametrize(
    ("model_id", "base", "profile"),
    [
        (HAIKU, HAIKU, ""),
        (f"us.{HAIKU}", HAIKU, "us"),
        (f"us-gov.{HAIKU}", HAIKU, "us-gov"),
        (f"eu.{HAIKU}", HAIKU, "eu"),
        (f"apac.{HAIKU}", HAIKU, "apac"),
        (f"jp.{HAIKU}", HAIKU, "jp"),
        (f"au.{HAIKU}", HAIKU, "au"),
        (f"ca.{HAIKU}", HAIKU, "ca"),
        (f"global.{HAIKU}", HAIKU, "global"),
        (f"{ARN}::foundation-model/{HAIKU}", HAIKU, ""),
        (f"{ARN}:123456789012:inference-profile/global.{HAIKU}", HAIKU, "global"),
        (f"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.{HAIKU}", HAIKU, "us-gov"),
    ],
)
def test_an_id_is_taken_apart(model_id, base, profile):
    assert find_model(model_id) == Model(model_id, base, profile, "anthropic", 200_000, 64_000, "one")


@pytest.mark.parametrize("base", read_facts("models")["model"])
def test_every_known_model_keeps_its_id_behind_a_prefix(base):
    assert (find_model(base).base, find_model(f"us.{base}").base) == (base, base)
    assert find_model(base).profile == ""


def test_an_application_profile_hides_its_model():
    arn = f"{ARN}:123456789012:application-inference-profile/a1b2c3d4e5f6"
    assert find_model(arn) == Model(arn, "a1b2c3d4e5f6", "", "a1b2c3d4e5f6", None, None, None)


def test_limits_that_nobody_published_are_missing():
    model = find_model("us.meta.llama4-scout-17b-instruct-v1:0")
    assert (model.context_tokens, model.max_output_tokens) == (None, 8192)


def test_a_model_that_nobody_knows_has_no_limits():
    assert find_model("us.acme.talker-v1:0") == Model("us.acme.talker-v1:0", "acme.talker-v1:0", "us", "acme")
