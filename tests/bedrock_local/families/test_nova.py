from __future__ import annotations

import pytest

from bedrock_local.inference import Question

LITE = "amazon.nova-lite-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"
BODY = {
    "schemaVersion": "messages-v1",
    "system": [{"text": "You write short notes on calls."}],
    "messages": [{"role": "user", "content": [{"text": "AGENT: Good morning"}]}],
    "inferenceConfig": {"maxTokens": 300, "temperature": 0.2, "topP": 0.9, "topK": 20, "stopSequences": ["END"]},
}


def says(*texts, role="user"):
    return {"messages": [{"role": role, "content": [{"text": text} for text in texts]}]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"anthropic_version": "x"}, "#: extraneous key [anthropic_version] is not permitted"),
        ({"messages": []}, "#/messages: expected minimum item count: 1, found: 0"),
        (
            {"messages": [{"role": "user", "content": "hello"}]},
            "#/messages/0/content: expected type: JSONArray, found: S",
        ),
        ({"messages": [{"role": "user"}]}, "#/messages/0: required key [content] not found"),
        ({"messages": [{"role": "system", "content": []}]}, "#/messages/0/role: system is not a valid enum value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
            "#/messages/0/content/0: extraneous key [type] is not permitted",
        ),
        (says("a", role="assistant"), "A conversation must start with a user message"),
        (says(" "), "The text field in the ContentBlock object at messages.0.content.0 is blank"),
        ({"inferenceConfig": {"maxTokens": 0}}, "#/inferenceConfig/maxTokens: 0 is not greater or equal to 1"),
        ({"inferenceConfig": {"maxTokens": 10_001}}, "exceeds the model limit of 10000"),
        ({"inferenceConfig": {"max_new_tokens": 10_001}}, "exceeds the model limit of 10000"),
        ({"inferenceConfig": {"temperature": 1.1}}, "#/inferenceConfig/temperature: 1.1 is not less or equal to 1"),
        ({"inferenceConfig": {"topK": 129}}, "#/inferenceConfig/topK: 129 is not less or equal to 128"),
        ({"inferenceConfig": {"topP": None}}, "#/inferenceConfig/topP: expected type: Number, found: Null"),
        ({"system": "Be short."}, "#/system: expected type: JSONArray, found: String"),
        ({"top_p": 0.9}, "#: extraneous key [top_p] is not permitted"),
    ],
)
def test_a_body_that_the_model_refuses_is_refused(refusal, wrong, message):
    assert message in refusal(LITE, BODY | wrong)


def test_the_names_of_older_examples_are_taken(question):
    config = {"max_new_tokens": 300, "temperature": 0.5, "top_p": 0.99, "top_k": 250, "stopSequences": ["END"]}
    asked = question(LITE, BODY | {"inferenceConfig": config})
    assert (asked.max_tokens, asked.stop_sequences) == (300, ("END",))


def test_an_error_lists_all_violations(refusal):
    text = refusal(LITE, {"prompt": "a", "max_tokens": 5})
    assert text == (
        "Malformed input request: #: required key [messages] not found#: extraneous key [prompt] is not permitted"
        "#: extraneous key [max_tokens] is not permitted, please reformat your input and try again."
    )


def test_the_question_has_the_text_of_the_user(question):
    asked = Question(LITE, "You write short notes on calls.", "AGENT: Good morning", 300, ("END",), 0.2, 0.9)
    assert question(LITE, BODY) == asked


def test_an_answer_has_the_format_of_the_model(answer):
    assert answer(LITE, BODY) == {
        "output": {"message": {"content": [{"text": "Refunded."}], "role": "assistant"}},
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": 30,
            "outputTokens": 4,
            "totalTokens": 34,
            "cacheReadInputTokenCount": 0,
            "cacheWriteInputTokenCount": 0,
        },
    }


def test_nova_2_thinks_on_request(answer):
    body = BODY | {"inferenceConfig": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}}
    reasoning, text = answer(NOVA_2, body)["output"]["message"]["content"]
    assert reasoning["reasoningContent"]["reasoningText"]["text"]
    assert text == {"text": "Refunded."}
