from __future__ import annotations

import pytest

from bedrock_local.families import answer_native, read_native_question
from bedrock_local.families.anthropic import read_question, write_answer
from bedrock_local.families.claude_rules import is_thinking
from bedrock_local.inference import Question, Reply
from bedrock_local.models import find_model
from bedrock_local.protocol.errors import ServiceError

HAIKU = find_model("us.anthropic.claude-haiku-4-5-20251001-v1:0")
OLD = find_model("anthropic.claude-3-haiku-20240307-v1:0")
SONNET_46 = find_model("us.anthropic.claude-sonnet-4-6")
FABLE = find_model("us.anthropic.claude-fable-5")
OPUS = find_model("global.anthropic.claude-opus-5")
FABLE_51 = find_model("us.anthropic.claude-fable-5-1")
OPUS_45 = find_model("us.anthropic.claude-opus-4-5-20251101-v1:0")
TOMORROW = find_model("us.anthropic.claude-opus-6")
TOOL = {"name": "note", "input_schema": {"type": "object"}}
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}


IN_SCHEMA = "output_config.format.schema: For "


def structured(schema):
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def says(content, role="user"):
    return {"messages": [{"role": role, "content": content}]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modelId": "x"}, "modelId: Extra inputs are not permitted"),
        ({"stream": False}, "stream: Extra inputs are not permitted"),
        ({"anthropic_version": "2023-06-01"}, "anthropic_version: Input should be 'bedrock-2023-05-31'"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": "100"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 64_001}, "The maximum tokens you requested exceeds the model limit of 64000"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"temperature": "0"}, "temperature: Input should be a valid number"),
        ({"top_k": 501}, "top_k: range: 0..500"),
        ({"top_p": -0.1}, "top_p: range: 0..1"),
        ({"top_k": 0.5}, "top_k: Input should be a valid integer"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hello"}, "messages: Input should be a valid list"),
        ({"messages": ["hello"]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (says("x", "system"), "messages.0.role: Input should be 'user' or 'assistant'"),
        (says(7), "messages.0.content: Input should be a valid string or list"),
        (says([{"type": "text"}]), "messages.0.content.0.text.text: Field required"),
        (says([{"text": "hello"}]), "messages.0.content.0.type: Field required"),
        (says([{"type": "sound"}]), "messages.0.content.0: Input tag 'sound' found using 'type' does not match"),
        (says([]), "messages.0: user messages must have non-empty content"),
        (says(""), "messages: text content blocks must be non-empty"),
        (says([{"type": "text", "text": ""}]), "messages: text content blocks must be non-empty"),
        ({"system": 7}, "system: Input should be"),
        ({"stop_sequences": "END"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": ["x"] * 8192}, "stop_sequences: List should have at most 8191 items"),
        ({"inferenceConfig": {}}, "inferenceConfig: Extra inputs are not permitted"),
        ({"model": "x"}, "model: Extra inputs are not permitted"),
        ({"output_config": {"effort": "much"}}, "output_config.effort: Input should be 'low', 'medium', 'high', 'xh"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.json_schema.schema: Field req"),
        ({"temperature": 0, "top_p": 0.5}, "`temperature` and `top_p` cannot both be specified for this model"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(wrong, message):
    with pytest.raises(ServiceError) as caught:
        read_native_question(HAIKU, BODY | wrong)
    assert caught.value.message.startswith(message)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["anthropic_version", "max_tokens", "messages"])
def test_a_field_that_is_missing_is_named(name):
    with pytest.raises(ServiceError, match=f"{name}: Field required"):
        read_native_question(HAIKU, {key: value for key, value in BODY.items() if key != name})


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"top_p": 0.5}, {"top_k": 5}])
def test_the_newest_models_accept_no_sampling(wrong):
    with pytest.raises(ServiceError, match="is deprecated for this model"):
        read_native_question(OPUS, BODY | wrong)


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (OPUS, {"temperature": 1.0}),
        (HAIKU, {"anthropic_version": "2026-10-21"}),
        (OLD, {"temperature": 0, "top_p": 0.5, "top_k": 5}),
        (HAIKU, {"temperature": None, "top_p": 0.5}),
        (OPUS, {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}),
        (OPUS, {"output_config": {"effort": "max"}}),
        (OPUS_45, {"output_config": {"effort": "low"}}),
        (OPUS_45, {"output_config": {"effort": "low"}, "anthropic_beta": ["effort-2025-11-24"]}),
        (SONNET_46, {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}),
        (TOMORROW, {"thinking": {"type": "adaptive"}}),
        (FABLE, {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "note"}}),
        (OPUS, {"thinking": {"type": "adaptive", "display": "summarized"}}),
        (SONNET_46, {"thinking": {"type": "adaptive"}}),
        (SONNET_46, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1025, "temperature": 1}),
        (HAIKU, structured({"type": "object", "properties": {}, "additionalProperties": False})),
        (SONNET_46, structured({"type": "array", "minItems": 1, "items": {"type": "string", "format": "date"}})),
        (HAIKU, says("hello", "assistant")),
        (HAIKU, {"tools": [], "system": [{"type": "text", "text": "Be short."}]}),
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 64_000}),
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000, "top_p": 0.95}),
    ],
)
def test_a_body_that_the_model_accepts_passes(model, more):
    assert read_native_question(model, BODY | more).model_id == model.base


def test_the_question_has_all_texts_of_the_user():
    blocks = [{"type": "text", "text": "two"}, {"type": "image", "source": {}}, {"type": "text", "text": "three"}]
    messages = [*says("one")["messages"], *says("no", "assistant")["messages"], *says(blocks)["messages"]]
    body = BODY | {"system": "Be short.", "messages": messages, "stop_sequences": ["END"]}
    assert read_question(HAIKU, body) == Question(HAIKU.base, "Be short.", "one\n\ntwo\n\nthree", 100, ("END",))


@pytest.mark.parametrize(
    ("reply", "reason", "sequence"),
    [
        (Reply("a", "end", 3, 1), "end_turn", None),
        (Reply("a", "length", 3, 1), "max_tokens", None),
        (Reply("a", "stop_sequence", 3, 1, "END"), "stop_sequence", "END"),
        (Reply("a", "filtered", 3, 1), "refusal", None),
    ],
)
def test_an_answer_has_the_format_of_the_model(reply, reason, sequence):
    answer = write_answer(HAIKU, BODY, reply)
    assert answer.pop("id").startswith("msg_bdrk_")
    assert answer == {
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "a"}],
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 1,
        },
    }


def test_the_same_question_has_the_same_answer_id():
    first, again = (write_answer(HAIKU, dict(BODY), Reply("a", "end", 1, 1))["id"] for _ in range(2))
    assert first == again != write_answer(HAIKU, BODY | {"max_tokens": 7}, Reply("a", "end", 1, 1))["id"]


BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}


@pytest.mark.parametrize(
    ("model", "wrong", "message"),
    [
        (HAIKU, BUDGET | {"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.enabled.budget_tokens: I"),
        (HAIKU, BUDGET | {"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
        (HAIKU, BUDGET | {"max_tokens": 1024}, "`max_tokens` must be greater than `thinking.budget_tokens`"),
        (HAIKU, BUDGET | {"temperature": 0.5}, "`temperature` may only be set to 1 when thinking is enabled"),
        (HAIKU, BUDGET | {"top_p": 0.94}, "`top_p` must be greater than or equal to 0.95 or unset"),
        (HAIKU, BUDGET | {"top_k": 5}, "`top_k` must be unset when thinking is enabled"),
        (HAIKU, {"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported on this model"),
        (HAIKU, {"thinking": {"type": "fast"}}, "thinking: Input tag 'fast' found using 'type' does not match"),
        (OLD, BUDGET, "thinking: Extra inputs are not permitted"),
        (OPUS, BUDGET, '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'),
        (FABLE, {"thinking": {"type": "disabled"}}, '"thinking.type.disabled" is not supported for this model'),
        (OLD, {"output_config": {"effort": "low"}}, "output_config: Extra inputs are not permitted"),
        (HAIKU, {"output_config": {"effort": "low"}}, "This model does not support the effort parameter"),
        (
            OPUS,
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}},
            "output_config.effort: 'xhigh' is not supported when thinking is disabled.",
        ),
        (TOMORROW, {"temperature": 0}, "`temperature` is deprecated for this model."),
        (TOMORROW, {"thinking": {"type": "disabled"}}, '"thinking.type.disabled" is not supported for this model'),
        (
            FABLE_51,
            {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "note"}},
            'tool_choice: type "tool" and "any" are not supported for this model',
        ),
        (
            HAIKU,
            BUDGET | {"tool_choice": {"type": "any"}},
            "Thinking may not be enabled when tool_choice forces tool u",
        ),
        (OPUS, structured({"type": "string"}), "output_config.format: Extra inputs are not permitted"),
        (
            HAIKU,
            structured({"type": "object"}),
            IN_SCHEMA + "'object' type, 'additionalProperties' must be explicitly se",
        ),
        (HAIKU, structured({"$defs": {"a": {"type": "object"}}}), IN_SCHEMA + "'object' type, 'additionalProperties'"),
        (
            HAIKU,
            structured({"anyOf": [{"type": "string", "maxLength": 3}]}),
            IN_SCHEMA + "'string' type, property 'maxL",
        ),
        (
            HAIKU,
            structured({"type": "array", "maxItems": 3}),
            IN_SCHEMA + "'array' type, property 'maxItems' is not sup",
        ),
        (
            HAIKU,
            structured({"type": "array", "minItems": 6}),
            IN_SCHEMA + "'array' type, 'minItems' values other than 0",
        ),
        (
            HAIKU,
            structured({"type": "number", "minimum": 0, "maximum": 9}),
            IN_SCHEMA + "'number' type, properties maximum, minimum are not supported",
        ),
        (SONNET_46, says("It was", "assistant"), "This model does not support assistant message prefill"),
    ],
)
def test_thinking_and_effort_have_their_own_rules(model, wrong, message):
    with pytest.raises(ServiceError) as caught:
        read_native_question(model, BODY | wrong)
    assert caught.value.message.startswith(message)


def answer_blocks(model, more):
    return answer_native(model, BODY | more, lambda _: Reply("a", "end", 3, 1))[1]["content"]


def test_requested_reasoning_is_the_first_block():
    reasoning, text = answer_blocks(HAIKU, BUDGET)
    assert (reasoning["type"], text) == ("thinking", {"type": "text", "text": "a"})
    assert reasoning["thinking"]
    assert reasoning["signature"]


@pytest.mark.parametrize(("display", "is_shown"), [({}, False), ({"display": "summarized"}, True)])
def test_the_newest_models_show_their_reasoning_only_on_request(display, is_shown):
    reasoning, _ = answer_blocks(OPUS, {"thinking": {"type": "adaptive", **display}})
    assert bool(reasoning["thinking"]) is is_shown


@pytest.mark.parametrize(
    ("model", "more", "types"),
    [
        (OPUS, {}, ["thinking", "text"]),
        (OPUS, {"thinking": {"type": "disabled"}}, ["text"]),
        (SONNET_46, {}, ["text"]),
        (OLD, {}, ["text"]),
    ],
)
def test_only_the_newest_models_think_by_default(model, more, types):
    assert [block["type"] for block in answer_blocks(model, more)] == types


def test_reasoning_counts_as_output_and_leaves_fewer_tokens():
    asked = []
    reply, _ = answer_native(OPUS, BODY, lambda question: asked.append(question) or Reply("a", "end", 3, 1))
    # 50 and 52 letters with a space between: 103 bytes, four to a token.
    assert (reply.output_tokens, asked[0].max_tokens) == (26 + 1, 100 - 26)


def test_a_small_limit_is_used_up_by_reasoning():
    reply, answer = answer_native(OPUS, BODY | {"max_tokens": 26}, None)
    assert (reply.output_tokens, answer["stop_reason"]) == (26, "max_tokens")
    assert [block["type"] for block in answer["content"]] == ["thinking"]


@pytest.mark.parametrize(
    ("name", "thinks"),
    [
        ("opus-4-7", False),
        ("opus-4-8", False),
        ("opus-5", True),
        ("sonnet-5", True),
        ("haiku-5-5", True),
        ("fable-5-1", True),
        ("haiku-6", True),
    ],
)
def test_claude_from_5_on_thinks_unless_it_is_told_not_to(name, thinks):
    assert is_thinking(find_model(f"us.anthropic.claude-{name}"), None) is thinks
