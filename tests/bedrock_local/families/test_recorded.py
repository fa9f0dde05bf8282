"""The families against requests and answers that other people recorded. Skipped where the data is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bedrock_local.families import answer_converse, answer_native
from bedrock_local.inference import Reply
from bedrock_local.models import Model, find_model
from bedrock_local.protocol.errors import ServiceError

BODIES = Path(__file__).parents[4] / "shared" / "data" / "bedrock_batch" / "observed_model_bodies.jsonl"
pytestmark = pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")

# Places that differ, by their path, and why.
GUARDRAIL = {"trace", "amazon-bedrock-trace", "amazon-bedrock-guardrailAction"}  # guardrails are not done
TWINS = {"usage.cacheReadInputTokenCount", "usage.cacheWriteInputTokenCount"}  # not in the service model, or newer
COUNTERS = {"usage.cacheReadInputTokens", "usage.cacheWriteInputTokens"}  # which are there differs by model and year
NEWER = {"usage.serverToolUsage"}  # not in the service model
CUT_BY_GUARDRAIL = {"usage.outputTokens", "usage.totalTokens"}  # an answer stopped by a guardrail lacks them
# A real model calls tools, cites, and sometimes thinks nothing; the emulator's does none of that.
BLOCKS = ("content[]", "output.message.content[]", "stop_reason", "stopReason")
KNOWN = GUARDRAIL | TWINS | COUNTERS | NEWER | CUT_BY_GUARDRAIL
# Forms from before Messages, another family that is gone, and models that somebody brought.
NOT_ANSWERED = {"ai21.j2-mid-v1", "anthropic.claude-v2:1", "endpoint-quick-start-idr7y"}


def read_observed():
    seen = [json.loads(line) for line in BODIES.read_bytes().split(b"\n") if line] if BODIES.exists() else []
    return [one for one in seen if one["http_status"] == 200]


def base_of(seen):
    return seen["model_id"].rsplit("/")[-1]


def find_paths(value, path=""):
    if isinstance(value, dict):
        return {place for name, part in value.items() for place in find_paths(part, f"{path}.{name}" if path else name)}
    if isinstance(value, list):
        return {place for part in value for place in find_paths(part, f"{path}[]")}
    return {path}


def answer(seen):
    model = find_model(base_of(seen)) or Model(base_of(seen))
    if seen["invocation_type"] == "Converse":
        return answer_converse(model, seen["modelInput"], say, elapsed_ms=lambda: 7)
    return answer_native(model, seen["modelInput"], say)[1]


def say(_):
    return Reply("This is a test.", "end", 30, 4)


@pytest.mark.parametrize("seen", read_observed(), ids=lambda seen: f"{base_of(seen)} {seen['invocation_type']}")
def test_a_recorded_request_is_answered_with_the_keys_of_the_recorded_answer(seen):
    if base_of(seen) in NOT_ANSWERED:
        with pytest.raises(ServiceError):
            answer(seen)
        return
    different = find_paths(answer(seen)) ^ find_paths(seen["modelOutput"])
    assert {place for place in different if place.split(".")[0] not in KNOWN and not place.startswith(BLOCKS)} <= KNOWN


@pytest.mark.parametrize(
    "base",
    ["amazon.titan-text-lite-v1", "cohere.command-r-v1:0", "meta.llama3-70b-instruct-v1:0", "amazon.nova-micro-v1:0"],
)
def test_the_keys_are_in_the_recorded_order(base):
    *_, seen = (one for one in read_observed() if base_of(one) == base and one["invocation_type"] == "InvokeModel")
    assert list(answer(seen)) == list(seen["modelOutput"])
