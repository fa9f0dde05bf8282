import pytest

from analysis.families.converse import CONVERSE
from analysis.families.family import ParsedAnswer, Sampling
from analysis.families.nova import NOVA

LITE = "us.amazon.nova-lite-v1:0"


def test_a_request_has_the_version_and_the_config(make_prompt):
    prompt = make_prompt(LITE, top_k=20, stop_sequences=("END",))
    assert NOVA.write_request(prompt, "Hello") == {
        "schemaVersion": "messages-v1",
        "system": [{"text": "You write notes."}],
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 400, "temperature": 0.5, "topP": 0.9, "topK": 20, "stopSequences": ["END"]},
    }


def test_fields_of_the_config_join_those_that_are_there(make_prompt):
    reasoning = {"inferenceConfig": {"reasoningConfig": {"type": "disabled"}}}
    request = NOVA.write_request(make_prompt(LITE, additional_fields=reasoning), "Hello")
    assert request["inferenceConfig"] == {
        "maxTokens": 400,
        "temperature": 0.5,
        "topP": 0.9,
        "reasoningConfig": {"type": "disabled"},
    }


def test_the_inference_parameters_of_a_request_are_read_back(make_prompt, echo):
    request = echo(NOVA, NOVA.write_request(make_prompt(LITE, top_k=20), "Hello"))
    assert request.sampling() == Sampling(400, 0.5, 0.9, 20)


def test_the_older_name_of_max_tokens_is_read(echo):
    assert echo(NOVA, {"inferenceConfig": {"max_new_tokens": 10}}).sampling() == Sampling(10)


@pytest.mark.parametrize(
    ("body", "is_nova"),
    [
        ({"schemaVersion": "messages-v1"}, True),
        ({"inferenceConfig": {"topK": 5}}, True),
        ({"inferenceConfig": {"max_new_tokens": 5}}, True),
        ({"inferenceConfig": {"maxTokens": 5}}, False),
        ({"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}}, False),
        ({}, False),
    ],
)
def test_the_request_distinguishes_nova_from_converse(echo, body, is_nova):
    request = echo(NOVA, body)
    assert (NOVA.matches_request(request), CONVERSE.matches_request(request)) == (is_nova, not is_nova)


def test_an_answer_without_a_request_counts_as_converse():
    assert (NOVA.matches_request(None), CONVERSE.matches_request(None)) == (False, True)


def test_an_answer_is_read_in_full(read):
    parsed = read(
        NOVA,
        '{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"Hm."}}},'
        '{"text":"The caller asked for a refund."}]}},"stopReason":"end_turn","usage":{"inputTokens":190,'
        '"outputTokens":8,"totalTokens":198,"cacheReadInputTokenCount":3,"cacheWriteInputTokenCount":0}}',
    )
    assert parsed == ParsedAnswer(None, "The caller asked for a refund.", "end_turn", 190, 8, 3, 0, reasoning_chars=3)


def test_an_answer_that_a_guardrail_changed_may_lack_tokens(read):
    parsed = read(
        NOVA,
        '{"output":{"message":{"content":[{"text":"{NAME}"}]}},"usage":{"inputTokens":30},"x-guardrail":"INTERVENED"}',
    )
    assert (parsed.text, parsed.input_tokens, parsed.output_tokens) == ("{NAME}", 30, None)


@pytest.mark.parametrize("model", ["amazon.nova-2-multimodal-embeddings-v1:0", "amazon.nova-canvas-v1:0"])
def test_models_that_write_no_text_are_not_of_the_family(model):
    assert not NOVA.models.match(model)
