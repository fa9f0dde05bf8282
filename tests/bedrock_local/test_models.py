from __future__ import annotations

import pytest

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
        "amazon.titan-embed-text-v2:0",
    ],
)
def test_other_names_have_no_model(model_id):
    assert find_model(model_id) is None


@pytest.mark.parametrize(
    ("base", "ceiling"),
    [
        ("amazon.nova-micro-v1:0", 10_000),
        ("amazon.nova-2-lite-v1:0", 65_535),
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
