from __future__ import annotations

import pytest

from bedrock_local.families import answer_converse, answer_converse_record, find_embedder, read_converse_question
from bedrock_local.inference import Question, Reply
from bedrock_local.models import MODELS, find_model
from bedrock_local.protocol.errors import ServiceError

HAIKU = find_model("us.anthropic.claude-haiku-4-5-20251001-v1:0")
OPUS = find_model("global.anthropic.claude-opus-5")
LLAMA = find_model("us.meta.llama4-scout-17b-instruct-v1:0")
GPT = find_model("openai.gpt-oss-20b-1:0")
TITAN = find_model("amazon.titan-text-express-v1")
R1 = find_model("us.deepseek.r1-v1:0")
NOVA_2 = find_model("us.amazon.nova-2-lite-v1:0")
SONNET_46 = find_model("us.anthropic.claude-sonnet-4-6")
JSON_SCHEMA = {"schema": '{"type": "object", "additionalProperties": false}'}
SCHEMA = {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": JSON_SCHEMA}}}}
BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
NATIVE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (HAIKU, {"modelId": "x", **BODY}, "extraneous key [modelId] is not permitted"),
        (HAIKU, NATIVE, "extraneous key [anthropic_version] is not permitted"),
        (HAIKU, {}, "The conversation must have at least one message"),
        (HAIKU, {"messages": [{"role": "user", "content": "hello"}]}, "'messages.1.member.content' failed"),
        (HAIKU, {"messages": [{"role": "tool", "content": [{"text": "a"}]}]}, "must satisfy enum value set: [user, "),
        (LLAMA, {"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "must start with a user message"),
        (HAIKU, {"messages": BODY["messages"] * 2}, "must alternate between user and assistant roles"),
        (
            HAIKU,
            {"messages": [{"role": "user", "content": []}]},
            "The content field in the Message object at messages.0",
        ),
        (HAIKU, {"messages": [{"role": "user", "content": [{"text": " "}]}]}, "messages.0.content.0 is blank"),
        (HAIKU, BODY | {"inferenceConfig": {"maxTokens": 0}}, "greater than or equal to 1"),
        (HAIKU, BODY | {"inferenceConfig": {"maxTokens": 64_001}}, "exceeds the model limit of 64000"),
        (HAIKU, BODY | {"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1"),
        (HAIKU, BODY | {"inferenceConfig": {"temperature": 0, "topP": 0.5}}, "cannot both be specified"),
        (OPUS, BODY | {"inferenceConfig": {"temperature": 0}}, "`temperature` is deprecated"),
        (OPUS, BODY | {"additionalModelRequestFields": {"top_k": 5}}, "`top_k` is deprecated"),
        (LLAMA, BODY | {"inferenceConfig": {"maxTokens": 8_193}}, "exceeds the model limit of 8192"),
        (
            LLAMA,
            BODY | {"additionalModelRequestFields": {"top_k": 5}},
            "#: extraneous key [top_k] is not permitted, plea",
        ),
        (HAIKU, BODY | {"additionalModelRequestFields": {"topK": 5}}, "errors: topK: Extra inputs are not permitted"),
        (
            GPT,
            BODY | {"additionalModelRequestFields": {"top_k": 5}},
            "unknown variant `top_k`, expected one of `audio`",
        ),
        (HAIKU, BODY | {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}, "errors: adaptive thinki"),
        (HAIKU, BODY | {"outputConfig": {"effort": "low"}}, "errors: This model does not support the effort parameter"),
        (
            OPUS,
            BODY
            | {
                "outputConfig": {"effort": "max"},
                "additionalModelRequestFields": {"thinking": {"type": "disabled"}},
            },
            "errors: output_config.effort: 'max' is not supported when thinking is disabled.",
        ),
        (NOVA_2, BODY | SCHEMA, "doesn't support the outputConfig.textFormat field"),
        (GPT, BODY | {"inferenceConfig": {"stopSequences": ["END"]}}, "doesn't support the stopSequences field"),
        (TITAN, BODY | {"system": [{"text": "Be short."}]}, "doesn't support system messages"),
        (R1, BODY | {"inferenceConfig": {"stopSequences": ["x" * 11]}}, "longer than the model limit of 10 characters"),
    ],
)
def test_a_body_that_converse_refuses_is_refused(model, body, message):
    with pytest.raises(ServiceError) as caught:
        read_converse_question(model, body)
    assert message in caught.value.message
    assert caught.value.status == 400


def test_an_effort_and_a_schema_are_taken_where_the_model_takes_them():
    assert read_converse_question(OPUS, BODY | {"outputConfig": {"effort": "max"}}).text == "hello"
    assert read_converse_question(SONNET_46, BODY | SCHEMA).schema == {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    "more",
    [
        {"additionalModelRequestFields": {"top_k": 5}},
        {"additionalModelRequestFields": ["x"]},
        {"requestMetadata": {"team": "calls"}},
        {"system": [{"text": "Be short."}], "inferenceConfig": {"stopSequences": ["END"]}},
    ],
)
def test_a_body_that_converse_accepts_passes(more):
    assert read_converse_question(HAIKU, BODY | more).text == "hello"


def test_the_question_has_all_texts_of_the_user():
    said = [("user", "one"), ("assistant", "no"), ("user", "two")]
    body = {
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in said],
        "system": [{"text": "Be"}, {"text": "short."}],
        "inferenceConfig": {"maxTokens": 7, "stopSequences": ["END"]},
    }
    assert read_converse_question(HAIKU, body) == Question(HAIKU.base, "Be\n\nshort.", "one\n\ntwo", 7, ("END",))


def test_the_default_limit_is_the_models():
    assert read_converse_question(HAIKU, BODY).max_tokens == 64_000


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (find_model("amazon.nova-lite-v1:0"), {"inferenceConfig": {"topK": 5}}),
        (GPT, {"reasoning_effort": "low"}),
        (find_model("us.anthropic.claude-sonnet-4-6"), {"thinking": {"type": "adaptive"}}),
    ],
)
def test_the_models_own_fields_are_accepted_as_additional_ones(model, more):
    assert read_converse_question(model, BODY | {"additionalModelRequestFields": more}).text == "hello"


def test_claude_and_qwen_accept_a_conversation_that_the_assistant_begins():
    body = {"messages": [{"role": "assistant", "content": [{"text": "Hello"}]}, *BODY["messages"]]}
    for base in ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "qwen.qwen3-32b-v1:0"):
        assert read_converse_question(find_model(base), body).text == "hello"


@pytest.mark.parametrize(
    "more",
    [
        {"toolConfig": {"tools": []}},
        {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}},
        {"requestMetadata": {"team": "calls"}},
        {"serviceTier": {"type": "flex"}},
        {"system": [{"text": "Be short."}, {"cachePoint": {"type": "default"}}]},
        {"messages": [{"role": "user", "content": [{"text": "a"}, {"cachePoint": {"type": "default"}}]}]},
    ],
)
def test_a_record_must_not_have_fields_for_requests_on_demand(more):
    with pytest.raises(ServiceError, match="is not supported for batch inference with Converse"):
        answer_converse_record(HAIKU, BODY | more, None, strict=True)


def say(_):
    return Reply("a", "end", 3, 1)


def test_members_on_demand_are_in_alphabetical_order():
    answer = answer_converse(HAIKU, BODY | {"serviceTier": {"type": "flex"}}, say, elapsed_ms=lambda: 7)
    assert list(answer) == ["metrics", "output", "stopReason", "usage", "serviceTier"]
    counters = ["cacheReadInputTokens", "cacheWriteInputTokens"]
    assert list(answer["usage"]) == [*counters, "inputTokens", "outputTokens", "totalTokens"]


def test_nulls_are_added_to_reasoning_in_a_batch_too():
    _, answer = answer_converse_record(GPT, BODY, say)
    reasoning, text = answer["output"]["message"]["content"]
    assert {name for name, value in reasoning.items() if value is not None} == {"reasoningContent"}
    assert list(reasoning["reasoningContent"]) == ["reasoningText", "redactedContent"]
    assert (reasoning["reasoningContent"]["reasoningText"]["signature"], text["text"]) == (None, "a")


def test_cache_counters_in_a_batch_have_both_names():
    counters = (
        "cacheReadInputTokens",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
    )
    for model, count in ((HAIKU, 0), (GPT, None)):
        usage = answer_converse_record(model, BODY, say)[1]["usage"]
        assert [usage[name] for name in counters] == [count] * 4
        assert usage["cacheDetails"] is usage["serverToolUsage"] is None


def test_a_refusal_of_claude_is_content_filtered():
    _, answer = answer_converse_record(HAIKU, BODY, lambda _: Reply("No.", "filtered", 3, 1))
    assert answer["stopReason"] == "content_filtered"


@pytest.mark.parametrize(
    "more",
    [
        {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}},
        {"requestMetadata": {"team": "calls"}},
        {"serviceTier": {"type": "flex"}},
    ],
)
def test_a_record_is_not_refused_for_what_nobody_has_seen_refused(more):
    assert answer_converse_record(HAIKU, BODY | more, say)[1]["stopReason"] == "end_turn"


@pytest.mark.parametrize("more", [{"toolConfig": {"tools": []}}, {"system": [{"cachePoint": {"type": "default"}}]}])
def test_a_record_is_refused_for_what_the_documentation_names(more):
    with pytest.raises(ServiceError, match="not supported for batch inference with Converse"):
        answer_converse_record(HAIKU, BODY | more, say)


def answer_asking(model, *paths, **reply):
    body = BODY | {"additionalModelResponseFieldPaths": list(paths)}
    said = Reply("Hi.", **{"stop": "end", "input_tokens": 1, "output_tokens": 1} | reply)
    return answer_converse(model, body, lambda _: said, elapsed_ms=lambda: 0).get("additionalModelResponseFields")


def test_fields_of_the_models_own_answer_are_returned_where_a_pointer_names_them():
    ended = {"stop": "stop_sequence", "stop_sequence": "###"}
    assert answer_asking(HAIKU, "/stop_sequence", **ended) == {"stop_sequence": "###"}
    assert answer_asking(HAIKU, "/stop_sequence") == {"stop_sequence": None}
    assert answer_asking(HAIKU, "/usage/output_tokens", "/no~1thing", "/type/none", output_tokens=7) == {
        "usage": {"output_tokens": 7}
    }
    assert answer_asking(HAIKU, "/usage", "/usage/input_tokens")["usage"]["output_tokens"] == 1
    assert answer_asking(HAIKU, "/none") is None
    assert answer_asking(HAIKU) is None


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_of_any_format_has_no_field_that_it_does_not_have(model):
    if find_embedder(model) is None:
        assert answer_asking(model, "/none") is None


@pytest.mark.parametrize("pointer", ["stop_sequence", "/a~2", "/~", "#/stop_sequence"])
def test_what_is_no_pointer_is_refused(pointer):
    with pytest.raises(ServiceError, match="is not a JSON Pointer such as /stop_sequence"):
        answer_asking(HAIKU, pointer)
