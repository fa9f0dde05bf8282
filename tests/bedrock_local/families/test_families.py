"""Tests of all families: their stop reasons, their default limits, and that no body whatever breaks them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import load_outputs
from bedrock_local.batch.records import answer_record, read_record
from bedrock_local.families import FAMILIES, find_family
from bedrock_local.inference import Reply
from bedrock_local.models import MODELS, Model
from bedrock_local.protocol.errors import ServiceError

CHAT = {"messages": [{"role": "user", "content": "hello"}]}
PROMPT = {"prompt": "hello"}
# A model of each family, a body that it takes, and its words for end, length, stop_sequence and filtered.
FAMILY_CASES = {
    "anthropic": (
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, **CHAT},
        ("end_turn", "max_tokens", "stop_sequence", "refusal"),
    ),
    "cohere-command": ("cohere.command-text-v14", PROMPT, ("COMPLETE", "MAX_TOKENS", "COMPLETE", "ERROR_TOXIC")),
    "cohere-command-r": (
        "cohere.command-r-v1:0",
        {"message": "hello"},
        ("COMPLETE", "MAX_TOKENS", "STOP_SEQUENCE", "ERROR_TOXIC"),
    ),
    "deepseek": ("deepseek.r1-v1:0", PROMPT, ("stop", "length", "stop", "stop")),
    "jamba": ("ai21.jamba-1-5-mini-v1:0", CHAT, ("stop", "length", "stop", "content_filter")),
    "llama": ("meta.llama3-1-8b-instruct-v1:0", PROMPT, ("stop", "length", "stop", "stop")),
    "mistral-chat": ("mistral.mistral-large-2407-v1:0", CHAT, ("stop", "length", "stop", "stop")),
    "mistral-prompt": ("mistral.mistral-small-2402-v1:0", PROMPT, ("stop", "length", "stop", "stop")),
    "nova": (
        "amazon.nova-lite-v1:0",
        {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
        ("end_turn", "max_tokens", "stop_sequence", "content_filtered"),
    ),
    "openai": ("qwen.qwen3-32b-v1:0", CHAT, ("stop", "length", "stop", "content_filter")),
    "titan": (
        "amazon.titan-text-express-v1",
        {"inputText": "hello"},
        ("FINISH", "LENGTH", "STOP_CRITERIA_MET", "CONTENT_FILTERED"),
    ),
    "writer": ("writer.palmyra-x5-v1:0", CHAT, ("stop", "length", "stop", "content_filter")),
}
# Tokens of an answer whose body sets no limit: Claude's has to, and Qwen3 32B has its ceiling.
LIMITS = {
    "anthropic": 50, "cohere-command": 20, "cohere-command-r": 4_096, "deepseek": 8_192, "jamba": 4_096, "llama": 512,
    "mistral-chat": 8_192, "mistral-prompt": 512, "nova": 5_000, "openai": 32_768, "titan": 512, "writer": 16,
}  # fmt: skip
# Some families have the same body; Nova's is that of Converse.
FOREIGN = [
    (name, other) for name in FAMILY_CASES for other in FAMILY_CASES if FAMILY_CASES[name][1] != FAMILY_CASES[other][1]
]
NOT_LIKE_CONVERSE = [name for name in FAMILY_CASES if name != "nova"]
STOPS = ("end", "length", "stop_sequence", "filtered")
NAMES = ("stop_reason", "stopReason", "finish_reason", "completionReason")


def find_stop(answer):
    """Find the one stop reason in an answer, at any depth."""
    if isinstance(answer, dict):
        inside = [answer[name] for name in NAMES if answer.get(name)]
        return inside + [stop for part in answer.values() for stop in find_stop(part)]
    return [stop for part in answer for stop in find_stop(part)] if isinstance(answer, list) else []


def test_every_module_of_a_family_is_listed():
    assert sorted(FAMILY_CASES) == sorted(family.name for family in FAMILIES)


@pytest.mark.parametrize("name", FAMILY_CASES)
def test_the_default_limit_is_the_familys(question, name):
    base, body, _ = FAMILY_CASES[name]
    assert question(base, body).max_tokens == LIMITS[name]


@pytest.mark.parametrize("name", FAMILY_CASES)
@pytest.mark.parametrize("place", range(4), ids=STOPS)
def test_each_stop_reason_has_the_familys_own_word(answer, name, place):
    base, body, words = FAMILY_CASES[name]
    assert find_stop(answer(base, body, stop=STOPS[place])) == [words[place]]


@pytest.mark.parametrize("base", MODELS)
def test_every_model_is_of_one_family(base):
    assert [family for family in FAMILIES if family.models.match(base)] == [find_family(MODELS[base])]


def test_an_embedding_model_has_no_family():
    with pytest.raises(ServiceError, match=r"doesn't support the model that you provided"):
        find_family(Model("amazon.titan-embed-text-v2:0"))


@pytest.mark.parametrize(("name", "other"), FOREIGN)
def test_a_body_of_another_family_is_refused(refusal, name, other):
    assert refusal(FAMILY_CASES[name][0], FAMILY_CASES[other][1])


@pytest.mark.parametrize("name", NOT_LIKE_CONVERSE)
def test_a_body_of_converse_is_refused_in_a_job_of_native_ones(refusal, name):
    assert refusal(FAMILY_CASES[name][0], FAMILY_CASES["nova"][1] | {"inferenceConfig": {"maxTokens": 5}})


@pytest.mark.parametrize("name", NOT_LIKE_CONVERSE)
def test_a_native_body_is_refused_in_a_job_of_converse(converse_refusal, name):
    assert converse_refusal(FAMILY_CASES[name][0], FAMILY_CASES[name][1])


@pytest.mark.parametrize("name", FAMILY_CASES)
def test_the_same_body_has_the_same_answer(answer, name):
    base, body, _ = FAMILY_CASES[name]
    assert answer(base, body) == answer(base, dict(body))


@pytest.mark.parametrize("name", FAMILY_CASES)
def test_the_analysis_package_reads_the_answers(tmp_path, name):
    base, body, _ = FAMILY_CASES[name]
    line = json.dumps({"recordId": "r1", "modelInput": body}).encode()
    record = read_record(line)
    outcome = answer_record(record, MODELS[base], invocation_type="InvokeModel", responder=refund, number=1)
    (tmp_path / "calls.jsonl.out").write_bytes(outcome.line)
    (row,) = load_outputs(tmp_path, model_id=base).to_dicts()
    assert (row["text"].strip(), row["stop"], row["error_message"]) == ("Refunded.", "end", None)


def refund(_):
    return Reply("Refunded.", "end", 30, 4)


KEYS = sorted({name for family in FAMILIES for name in family.schema.properties} | {"role", "content", "text", "type"})
KEYS += ["inferenceConfig", "budget_tokens", "toolConfig", "cachePoint"]
WORDS = ["user", "assistant", "text", "enabled", "adaptive", "json_schema", "bedrock-2023-05-31", "hello", ""]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
CHANGES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)


@settings(max_examples=300)
@given(
    name=st.sampled_from(sorted(FAMILY_CASES)),
    changes=CHANGES,
    invocation_type=st.sampled_from(["InvokeModel", "Converse"]),
)
def test_any_body_is_answered_or_refused_with_400(name, changes, invocation_type):
    base, body, _ = FAMILY_CASES[name]
    line = answer_any(base, {**body, **changes}, invocation_type)
    assert line.get("error", {}).get("errorCode", 400) == 400
    assert "modelOutput" in line or line["error"]["errorMessage"]


@settings(max_examples=100)
@given(base=st.sampled_from(sorted(MODELS)), changes=CHANGES)
def test_any_change_of_a_conversation_is_answered_or_refused_with_400(base, changes):
    line = answer_any(base, FAMILY_CASES["nova"][1] | changes, "Converse")
    assert line.get("error", {}).get("errorCode", 400) == 400


def answer_any(base, body, invocation_type):
    """Answer a body and return the output line; an exception of any kind fails the test."""
    record = read_record(json.dumps({"recordId": "r1", "modelInput": body}).encode())
    outcome = answer_record(record, MODELS[base], invocation_type=invocation_type, responder=refund, number=1)
    return json.loads(outcome.line)
