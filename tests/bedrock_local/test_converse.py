from __future__ import annotations

import pytest

from bedrock_local.answers import Question
from bedrock_local.converse import check_body, read_question
from bedrock_local.errors import ServiceError
from bedrock_local.models import find_model

HAIKU = find_model("us.anthropic.claude-haiku-4-5-20251001-v1:0")
OPUS = find_model("global.anthropic.claude-opus-5")
LLAMA = find_model("us.meta.llama4-scout-17b-instruct-v1:0")
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
        (HAIKU, {"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "must start with a user message"),
        (HAIKU, {"messages": [{"role": "user", "content": [{"text": " "}]}]}, "messages.0.content.0 is blank"),
        (HAIKU, BODY | {"inferenceConfig": {"maxTokens": 0}}, "greater than or equal to 1"),
        (HAIKU, BODY | {"inferenceConfig": {"maxTokens": 64_001}}, "exceeds the model limit of 64000"),
        (HAIKU, BODY | {"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1"),
        (HAIKU, BODY | {"inferenceConfig": {"temperature": 0, "topP": 0.5}}, "cannot both be specified"),
        (OPUS, BODY | {"inferenceConfig": {"temperature": 0}}, "`temperature` is deprecated"),
        (OPUS, BODY | {"additionalModelRequestFields": {"top_k": 5}}, "`top_k` is deprecated"),
        (LLAMA, BODY | {"inferenceConfig": {"maxTokens": 8_193}}, "exceeds the model limit of 8192"),
    ],
)
def test_a_body_that_converse_refuses_is_refused(model, body, message):
    with pytest.raises(ServiceError) as caught:
        check_body(model, body)
    assert message in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "more",
    [
        {"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}, "anything": [None]}},
        {"additionalModelRequestFields": ["x"]},
        {"requestMetadata": {"team": "calls"}},
        {"system": [{"text": "Be short."}], "inferenceConfig": {"stopSequences": ["END"]}},
    ],
)
def test_a_body_that_converse_takes_passes(more):
    assert check_body(HAIKU, BODY | more) is None


def test_the_question_is_all_that_the_user_said():
    said = [("user", "one"), ("assistant", "no"), ("user", "two")]
    body = {
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in said],
        "system": [{"text": "Be"}, {"text": "short."}],
        "inferenceConfig": {"maxTokens": 7, "stopSequences": ["END"]},
    }
    assert read_question(HAIKU, body) == Question(HAIKU.base, "Be\n\nshort.", "one\n\ntwo", 7, ("END",))


def test_without_a_limit_the_models_own_counts():
    assert read_question(HAIKU, BODY).max_tokens == 64_000
