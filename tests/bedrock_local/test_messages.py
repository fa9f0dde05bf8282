from __future__ import annotations

import pytest

from bedrock_local.answers import Question, Reply
from bedrock_local.errors import ServiceError
from bedrock_local.messages import check_body, read_question, write_answer
from bedrock_local.models import find_model

HAIKU = find_model("us.anthropic.claude-haiku-4-5-20251001-v1:0")
OLD = find_model("anthropic.claude-3-haiku-20240307-v1:0")
OPUS = find_model("global.anthropic.claude-opus-5")
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}


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
        ({"top_k": 0.5}, "top_k: Input should be a valid integer"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hello"}, "messages: Input should be a valid list"),
        ({"messages": ["hello"]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (says("x", "system"), "messages.0.role: Input should be 'user' or 'assistant'"),
        (says([{"type": "text"}]), "messages.0.content: Input should be a valid string"),
        (says(""), "messages: text content blocks must be non-empty"),
        (says([{"type": "text", "text": ""}]), "messages: text content blocks must be non-empty"),
        ({"system": 7}, "system: Input should be"),
        ({"stop_sequences": "END"}, "stop_sequences: Input should be a valid list"),
        ({"temperature": 0, "top_p": 0.5}, "`temperature` and `top_p` cannot both be specified for this model"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(wrong, message):
    with pytest.raises(ServiceError) as caught:
        check_body(HAIKU, BODY | wrong)
    assert caught.value.message.startswith(message)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["anthropic_version", "max_tokens", "messages"])
def test_a_field_that_is_missing_is_named(name):
    with pytest.raises(ServiceError, match=f"{name}: Field required"):
        check_body(HAIKU, {key: value for key, value in BODY.items() if key != name})


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"top_p": 0.5}, {"top_k": 5}])
def test_the_newest_models_take_no_sampling(wrong):
    with pytest.raises(ServiceError, match="is deprecated for this model"):
        check_body(OPUS, BODY | wrong)


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (OPUS, {"temperature": 1.0}),
        (OLD, {"temperature": 0, "top_p": 0.5, "top_k": 5}),
        (HAIKU, {"temperature": None, "top_p": 0.5}),
        (HAIKU, {"tools": [], "system": [{"type": "text", "text": "Be short."}]}),
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 64_000}),
    ],
)
def test_a_body_that_the_model_takes_passes(model, more):
    assert check_body(model, BODY | more) is None


def test_the_question_is_all_that_the_user_said():
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
    ],
)
def test_an_answer_looks_like_the_models(reply, reason, sequence):
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
            "output_tokens": 1,
        },
    }


def test_the_same_question_has_the_same_answer_id():
    first, again = (write_answer(HAIKU, dict(BODY), Reply("a", "end", 1, 1))["id"] for _ in range(2))
    assert first == again != write_answer(HAIKU, BODY | {"max_tokens": 7}, Reply("a", "end", 1, 1))["id"]
