from __future__ import annotations

import pytest

from bedrock_local.inference import Question

EXPRESS = "amazon.titan-text-express-v1"
LITE = "amazon.titan-text-lite-v1"
PREMIER = "amazon.titan-text-premier-v1:0"
BODY = {"inputText": "AGENT: Good morning", "textGenerationConfig": {"maxTokenCount": 300, "stopSequences": ["User:"]}}


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        (EXPRESS, {"maxTokenCount": 0}, "#/textGenerationConfig/maxTokenCount: 0 is not greater or equal to 1"),
        (EXPRESS, {"maxTokenCount": 8_193}, "exceeds the model limit of 8192"),
        (LITE, {"maxTokenCount": 4_097}, "exceeds the model limit of 4096"),
        (PREMIER, {"maxTokenCount": 3_073}, "exceeds the model limit of 3072"),
        (EXPRESS, {"topP": 0}, "#/textGenerationConfig/topP: 0 is not greater than 0"),
        (EXPRESS, {"temperature": -0.1}, "#/textGenerationConfig/temperature: -0.1 is not greater or equal to 0"),
        (
            EXPRESS,
            {"stopSequences": "User:"},
            "#/textGenerationConfig/stopSequences: expected type: JSONArray, found: S",
        ),
        (EXPRESS, {"topK": 5}, "#/textGenerationConfig: extraneous key [topK] is not permitted"),
    ],
)
def test_parameters_that_the_model_refuses_are_refused(refusal, model, config, message):
    assert message in refusal(model, BODY | {"textGenerationConfig": config})


def test_the_text_is_required(refusal):
    assert "required key [inputText] not found" in refusal(EXPRESS, {"messages": []})
    assert "#/inputText: expected minLength: 1, actual: 0" in refusal(EXPRESS, {"inputText": ""})


def test_the_question_is_the_text(question):
    assert question(EXPRESS, BODY) == Question(EXPRESS, "", "AGENT: Good morning", 300, ("User:",))
    assert question(EXPRESS, {"inputText": "a"}).max_tokens == 512


def test_an_answer_has_the_format_of_the_model(answer):
    result = {"tokenCount": 4, "outputText": "Refunded.", "completionReason": "FINISH"}
    assert answer(EXPRESS, BODY) == {"inputTextTokenCount": 30, "results": [result]}
