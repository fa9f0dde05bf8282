from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bedrock_local import open_session
from bedrock_local.models import MODELS, find_model, names_profile

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:us-east-1"


@pytest.mark.parametrize(
    ("model_id", "is_profile"),
    [
        (HAIKU, False),
        (f"us.{HAIKU}", True),
        (f"us-gov.{HAIKU}", True),
        (f"global.{HAIKU}", True),
        (f"{ARN}::foundation-model/{HAIKU}", False),
        (f"{ARN}:123456789012:inference-profile/eu.{HAIKU}", True),
    ],
)
def test_a_model_is_found_by_any_of_its_names(model_id, is_profile):
    assert find_model(model_id) == MODELS[HAIKU]
    assert names_profile(model_id) is is_profile


@pytest.mark.parametrize(
    "model_id",
    [
        f"moon.{HAIKU}",
        "us.openai.gpt-5.6-sol",
        f"{ARN}:123456789012:application-inference-profile/a1b2c3d4e5f6",
        f"{ARN}:123456789012:custom-model/amazon.nova-lite-v1:0/a1b2c3d4e5f6",
        "amazon.titan-embed-text-v9:0",
    ],
)
def test_other_names_have_no_model(model_id):
    assert find_model(model_id) is None


@pytest.mark.parametrize(
    ("base", "ceiling"),
    [
        ("amazon.nova-micro-v1:0", 10_000),
        ("amazon.nova-2-lite-v1:0", 65_535),
        ("amazon.nova-premier-v1:0", 32_000),
        ("meta.llama3-3-70b-instruct-v1:0", 4_096),
        ("meta.llama4-maverick-17b-instruct-v1:0", 8_192),
        (HAIKU, 64_000),
        ("anthropic.claude-opus-5", 128_000),
        ("mistral.mistral-large-3-675b-instruct", 262_144),
        ("minimax.minimax-m2.1", 196_608),
        ("openai.gpt-oss-120b-1:0", 128_000),
        ("qwen.qwen3-32b-v1:0", 32_768),
        ("google.gemma-3-27b-it", 131_072),
        ("deepseek.v3.2", 163_840),
        ("zai.glm-4.7-flash", 202_752),
        ("moonshotai.kimi-k2.5", 262_144),
    ],
)
def test_output_limits_are_those_that_the_service_was_seen_to_enforce(base, ceiling):
    assert MODELS[base].max_output_tokens == ceiling


@pytest.mark.parametrize(
    "family", ["amazon.titan", "cohere.", "ai21.", "deepseek.r1", "anthropic.claude-fable", "writer."]
)
def test_families_without_batch_accept_no_jobs(family):
    assert {model.takes_batch for model in MODELS.values() if model.base.startswith(family)} == {False}


@pytest.mark.parametrize(
    "start", ["meta.llama3-2", "meta.llama4", "amazon.nova-2", "anthropic.claude-haiku", "writer."]
)
def test_models_that_no_single_region_has_need_a_profile(start):
    assert {model.needs_profile for model in MODELS.values() if model.base.startswith(start)} == {True}


def test_a_job_of_a_model_without_batch_is_refused(bedrock, request_of, error_of):
    error = error_of(bedrock.create_model_invocation_job, **request_of(modelId="cohere.command-r-v1:0"))
    assert error == ("ValidationException", 400, "Batch inference is not supported for the requested model.")


@pytest.mark.parametrize(
    ("tomorrow", "like"),
    [
        ("anthropic.claude-opus-6", "anthropic.claude-opus-5-5"),
        ("anthropic.claude-haiku-6-20270101-v1:0", "anthropic.claude-haiku-5-5"),
        ("amazon.nova-3-lite-v1:0", "amazon.nova-2-lite-v1:0"),
        ("amazon.nova-3-opera-v1:0", "amazon.nova-2-lite-v1:0"),
        ("qwen.qwen4-32b-v1:0", "qwen.qwen3-32b-v1:0"),
        ("zai.glm-6", "zai.glm-5"),
    ],
)
def test_an_id_of_tomorrow_has_the_rules_of_the_newest_model_of_its_name(tomorrow, like):
    assert find_model(f"us.{tomorrow}") == replace(MODELS[like], base=tomorrow, takes_batch=True)


def test_an_id_of_tomorrow_without_a_model_of_its_name_is_like_the_newest_of_its_line():
    poem, llama = find_model("anthropic.claude-poem-6"), find_model("meta.llama5-70b-instruct-v1:0")
    assert (poem.sampling, poem.needs_profile, poem.takes_batch) == ("none", True, True)
    assert llama.max_output_tokens == 8_192


@pytest.mark.parametrize(
    "wrong",
    [
        "anthropic.claude-haiku-4-5",
        "anthropic.claude-haiku-4-6",
        "anthropic.claude-poem-5-5",
        "anthropic.claude-hiaku-3",
        "amazon.nova-3-canvas-v1:0",
        "mistral.mistral-grand-4-700b",
        "acme.talker-9",
    ],
)
def test_an_unknown_id_of_today_is_no_model(wrong):
    assert find_model(wrong) is None


# "Model lifecycle" and model cards, Amazon Bedrock User Guide, autumn 2026
@pytest.mark.parametrize(
    ("base", "ends"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", date(2026, 9, 10)),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", date(2026, 4, 28)),
        ("meta.llama3-2-1b-instruct-v1:0", date(2026, 7, 7)),
        ("anthropic.claude-3-opus-20240229-v1:0", date(2026, 10, 7)),  # the newest that the guide without its card has
        ("cohere.command-r-v1:0", date(2026, 8, 19)),
        ("anthropic.claude-opus-4-1-20250805-v1:0", date(2027, 1, 8)),
        (HAIKU, None),
    ],
)
def test_a_model_that_left_or_leaves_has_its_day(base, ends):
    assert MODELS[base].ends == ends


@pytest.mark.parametrize("base", ["minimax.minimax-m2.5", "nvidia.nemotron-super-3-120b", "zai.glm-5"])
def test_a_model_with_batch_quotas_takes_batch_jobs(bedrock, request_of, base):
    assert bedrock.create_model_invocation_job(**request_of(modelId=base))["jobArn"]


def test_the_models_that_refuse_a_forced_tool_are_those_that_were_tried():
    refusing = {model.base for model in MODELS.values() if not model.takes_forced_tools}
    assert refusing == {f"anthropic.claude-{name}" for name in ("fable-5-1", "mythos-5-1", "opus-5-5", "sonnet-5-5")}


OLD, SONNET_4 = "anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-sonnet-4-20250514-v1:0"
GONE = (
    "ResourceNotFoundException",
    404,
    "This model version has reached the end of its life. Please refer to the AWS documentation for more details.",
)
MESSAGES = [{"role": "user", "content": [{"text": "hello"}]}]


def converse(session, model_id):
    return session.client("bedrock-runtime").converse(modelId=model_id, messages=MESSAGES)["stopReason"]


def test_models_that_have_ended_are_kept(session, bedrock, request_of):
    assert converse(session, OLD) == "end_turn"
    assert bedrock.create_model_invocation_job(**request_of(modelId=OLD))["jobArn"]


@pytest.mark.parametrize("settings", [{"ended_models": "refuse"}, {"strict": True}])
def test_models_that_have_ended_are_refused_by_the_settings(open_at, request_of, error_of, settings):
    session = open_at(**settings)
    assert error_of(converse, session=session, model_id=OLD) == GONE
    create = session.client("bedrock").create_model_invocation_job
    assert error_of(create, **request_of(modelId=OLD)) == GONE


def test_a_model_ends_by_the_clock_of_the_emulator(open_at, error_of, clock):
    session = open_at(ended_models="refuse")
    clock.seconds = 1_791_935_999  # 2026-10-13T23:59:59Z
    assert converse(session, f"us.{SONNET_4}") == "end_turn"
    clock.move(1)
    assert error_of(converse, session=session, model_id=f"us.{SONNET_4}") == GONE


def test_ended_models_may_be_kept_where_all_else_is_strict(open_at):
    assert converse(open_at(strict=True, ended_models="keep"), OLD) == "end_turn"


def test_an_id_of_tomorrow_runs_and_is_unknown_where_strict(open_at, jobs_at, record, error_of, request_of):
    tomorrow = "us.anthropic.claude-opus-6"
    job = jobs_at().run([record(1)], modelId=tomorrow)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 1)
    session = open_at(strict=True)
    assert error_of(converse, session=session, model_id=tomorrow)[2] == "The provided model identifier is invalid."
    error = error_of(session.client("bedrock").create_model_invocation_job, **request_of(modelId=tomorrow))
    assert error[2] == "Batch inference is not supported for the requested model."


@pytest.mark.parametrize("base", ["anthropic.claude-opus-4-6-v1", "anthropic.claude-sonnet-4-6"])
def test_a_model_may_be_invoked_without_a_profile_in_a_region_of_its_own(session, folder, error_of, base):
    assert converse(open_session(folder, region_name="eu-west-2"), base) == "end_turn"
    assert "with on-demand throughput isn't supported" in error_of(converse, session=session, model_id=base)[2]
