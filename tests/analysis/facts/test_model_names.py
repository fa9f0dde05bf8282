import pytest

from analysis.facts import read_facts
from analysis.facts.model_names import find_named, find_nearest, simplify
from analysis.facts.models import list_models

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.mark.parametrize("name", ["Claude Haiku 4.5", "Anthropic Claude Haiku 4.5 V1", "claude-haiku-4-5", HAIKU])
def test_vendor_version_and_punctuation_are_ignored(name):
    assert find_named(name) == HAIKU


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("OpenAI GPT OSS 120b", "openai.gpt-oss-120b-1:0"),
        ("Amazon Nova Premier", "amazon.nova-premier-v1:0"),
        ("Llama 3.1 405B", "meta.llama3-1-405b-instruct-v1:0"),
        ("Gemma 3 4B", "google.gemma-3-4b-it"),
        ("Z.AI GLM 4.7", "zai.glm-4.7"),
        ("MiniMax M2.1", "minimax.minimax-m2.1"),
        ("Mistral Large 2 (24.07)", "mistral.mistral-large-2407-v1:0"),
        ("Qwen3 235B", "qwen.qwen3-235b-a22b-2507-v1:0"),
        ("qwen.qwen3-32b", "qwen.qwen3-32b-v1:0"),
    ],
)
def test_names_of_the_price_list_and_of_the_quotas_are_known(name, model):
    assert find_named(name) == model


def test_a_second_version_is_another_model():
    assert find_named("Claude 3.5 Sonnet") == "anthropic.claude-3-5-sonnet-20240620-v1:0"
    assert find_named("Claude 3.5 Sonnet v2") == "anthropic.claude-3-5-sonnet-20241022-v2:0"


@pytest.mark.parametrize("name", ["GLM 9", "Claude Opus 9.5", "Qwen3", ""])
def test_a_name_that_is_only_like_another_is_not_known(name):
    assert find_named(name) == ""


def test_no_two_models_have_the_same_simplified_name():
    assert len({simplify(model) for model in list_models()}) == len(list_models())


def test_each_name_has_a_known_model_a_source_and_a_day_and_is_needed():
    names = read_facts("model_names")
    assert names.null_count().row(0) == (0, 0, 0, 0)
    assert set(names["model"]) <= set(list_models())
    assert not {simplify(name) for name in names["name"]} & {simplify(model) for model in list_models()}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("anthropic.claude-haiku-4-5", HAIKU),
        ("anthropic.claude-haiku-4.5", HAIKU),
        ("anthropic.claude-4-5-haiku-20251001-v1:0", HAIKU),
        ("anthropic.claude-haiku-4-5-20251001-v9:9", HAIKU),
        ("claude-haiku-4-5", HAIKU),
        ("Haiku 4.5", HAIKU),
        ("anthropic.claude-hiaku-4-5", HAIKU),
        ("anthropic.claude-haiku-3", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("anthropic.claude-haiku", "anthropic.claude-haiku-5-5"),
        ("anthropic.claude-opus-6", "anthropic.claude-opus-5-5"),
        ("anthropic.claude-sonnet-4-7", "anthropic.claude-sonnet-4-6"),
        ("amazon.nova-3-lite-v1:0", "amazon.nova-2-lite-v1:0"),
        ("meta.llama3-1-70b", "meta.llama3-1-70b-instruct-v1:0"),
        ("openai.gpt-oss-20b", "openai.gpt-oss-20b-1:0"),
        ("acme.talker-v1:0", ""),
        ("application-inference-profile/a1b2c3", ""),
        ("", ""),
    ],
)
def test_the_nearest_model_is_the_one_of_that_name_and_then_of_that_version(wrong, meant):
    assert find_nearest(wrong) == meant


def test_the_nearest_model_is_one_of_those_asked_for():
    assert find_nearest("anthropic.claude-haiku-4-5", ["anthropic.claude-3-haiku-20240307-v1:0"]) != HAIKU
    assert find_nearest("anthropic.claude-haiku-4-5", []) == ""
