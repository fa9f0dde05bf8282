import json

import pytest

from analysis.facts.models import find_model
from analysis.families import find_family
from analysis.families.family import ParsedAnswer, Sampling
from analysis.families.openai import OPENAI

OSS = "openai.gpt-oss-20b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"


def answer(content, **fields):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return json.dumps({"object": "chat.completion", "model": OSS, "choices": [choice | fields]})


def test_a_request_of_gpt_oss_has_max_completion_tokens(make_prompt):
    assert OPENAI.write_request(make_prompt(OSS, stop_sequences=("END",)), "Hello") == {
        "messages": [{"role": "system", "content": "You write notes."}, {"role": "user", "content": "Hello"}],
        "max_completion_tokens": 400,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }


def test_a_request_of_another_model_has_max_tokens(make_prompt, echo):
    request = OPENAI.write_request(make_prompt(QWEN, additional_fields={"reasoning_effort": "low"}), "Hello")
    assert (request["max_tokens"], request["reasoning_effort"]) == (400, "low")
    assert echo(OPENAI, request).sampling() == Sampling(400, 0.5, 0.9)


@pytest.mark.parametrize(("model_id", "has_own_field"), [(OSS, True), (QWEN, False)])
def test_only_requests_of_gpt_oss_have_a_field_of_their_own(make_prompt, echo, model_id, has_own_field):
    assert echo(OPENAI, OPENAI.write_request(make_prompt(model_id), "Hello")).has_own_field() == has_own_field


def test_an_answer_is_read_in_full(read):
    body = (
        '{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"openai.gpt-oss-20b-1:0","choices":'
        '[{"index":0,"finish_reason":"stop","message":{"role":"assistant","refusal":null,"content":'
        '"<reasoning>Short note needed.</reasoning>The caller asked for a refund."}}],'
        '"usage":{"prompt_tokens":160,"completion_tokens":31,"total_tokens":191}}'
    )
    assert read(OPENAI, body) == ParsedAnswer(
        OSS, "The caller asked for a refund.", "stop", 160, 31, reasoning_chars=18
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Refund.", "Refund."),
        ("<reasoning>Hm.</reasoning>Refund.", "Refund."),
        ("<reasoning></reasoning>Refund.", "Refund."),
        ("<reasoning>Hm.</reasoning>", ""),
        ("<reasoning>Hm, that is hard", None),
        ("The tag <reasoning>x</reasoning> is HTML.", "The tag <reasoning>x</reasoning> is HTML."),
        ("<reasoning>Hm.</reasoning>See </reasoning>.", "See </reasoning>."),
        ("", ""),
        (None, None),
    ],
)
def test_text_is_what_follows_the_reasoning(read, content, text):
    assert read(OPENAI, answer(content)).text == text


@pytest.mark.parametrize("choices", ["[]", "null", '[{"message":null}]'])
def test_an_answer_without_a_message_has_no_text(read, choices):
    assert read(OPENAI, f'{{"choices":{choices}}}') == ParsedAnswer()


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("stop", "end"),
        ("length", "length"),
        ("tool_calls", "tool"),
        ("function_call", "tool"),
        ("content_filter", "filtered"),
        ("eos", "other"),
    ],
)
def test_stop_reasons_in_common_words(reason, stop):
    assert OPENAI.find_stop(reason) == stop


@pytest.mark.parametrize(
    "model_id",
    [
        "openai.gpt-oss-safeguard-120b",
        "qwen.qwen3-coder-next",
        "deepseek.v3-v1:0",
        "us.deepseek.v3.2",
        "google.gemma-3-27b-it",
        "mistral.ministral-3-8b-instruct",
        "mistral.magistral-small-2509",
        "mistral.mistral-large-3-675b-instruct",
        "mistral.devstral-2-123b",
        "mistral.voxtral-mini-3b-2507",
        "minimax.minimax-m2.1",
        "moonshot.kimi-k2-thinking",
        "moonshotai.kimi-k2.5",
        "nvidia.nemotron-nano-3-30b",
        "zai.glm-4.7",
    ],
)
def test_open_weight_models_take_the_same_body(model_id):
    assert find_family(find_model(model_id), "InvokeModel") is OPENAI


@pytest.mark.parametrize(("model", "is_inferred"), [(OSS, False), (QWEN, False), ("zai.glm-4.7", True)])
def test_formats_that_are_not_confirmed_are_marked(model, is_inferred):
    assert bool(OPENAI.inferred.match(model)) == is_inferred
