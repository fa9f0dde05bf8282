import polars as pl
import pytest

from analysis.facts import read_facts
from analysis.facts.models import Model, find_model, list_models, split_name

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:us-east-1"


FOUNDATION, PROFILE = "foundation-model", "inference-profile"


@pytest.mark.parametrize(
    ("model_id", "base", "profile", "kind"),
    [
        (HAIKU, HAIKU, "", FOUNDATION),
        (f"us.{HAIKU}", HAIKU, "us", PROFILE),
        (f"us-gov.{HAIKU}", HAIKU, "us-gov", PROFILE),
        (f"eu.{HAIKU}", HAIKU, "eu", PROFILE),
        (f"apac.{HAIKU}", HAIKU, "apac", PROFILE),
        (f"jp.{HAIKU}", HAIKU, "jp", PROFILE),
        (f"au.{HAIKU}", HAIKU, "au", PROFILE),
        (f"ca.{HAIKU}", HAIKU, "ca", PROFILE),
        (f"global.{HAIKU}", HAIKU, "global", PROFILE),
        (f"{ARN}::foundation-model/{HAIKU}", HAIKU, "", FOUNDATION),
        (f"{ARN}:123456789012:inference-profile/global.{HAIKU}", HAIKU, "global", PROFILE),
        (
            f"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.{HAIKU}",
            HAIKU,
            "us-gov",
            PROFILE,
        ),
        (f"{ARN}:123456789012:custom-model/{HAIKU}/a1b2c3d4e5f6", HAIKU, "", "custom-model"),
        (f"{ARN}:123456789012:custom-model/{HAIKU}:200k/a1b2c3d4e5f6", HAIKU, "", "custom-model"),
        (f"{HAIKU}:48k", HAIKU, "", FOUNDATION),
    ],
)
def test_an_id_is_parsed(model_id, base, profile, kind):
    known = (200_000, 64_000, "one", "budget", "no", "yes")
    assert find_model(model_id) == Model(model_id, base, profile, "anthropic", *known, kind=kind)


@pytest.mark.parametrize("base", read_facts("models")["model"])
def test_every_known_model_keeps_its_id_behind_a_prefix(base):
    assert (find_model(base).base, find_model(f"us.{base}").base) == (base, base)
    assert find_model(base).profile == ""


@pytest.mark.parametrize(
    "name",
    [
        "application-inference-profile/a1b2c3d4e5f6",
        "provisioned-model/a1b2c3d4e5f6",
        "imported-model/a1b2c3d4e5f6",
        "custom-model-deployment/a1b2c3d4e5f6",
        "default-prompt-router/anthropic.claude:1",
    ],
)
def test_an_id_that_hides_its_model_keeps_its_own_end(name):
    arn = f"{ARN}:123456789012:{name}"
    assert find_model(arn) == Model(arn, name, "", "", kind=name.split("/")[0])


def test_prices_are_looked_up_by_the_base_of_listed_models_only():
    arns = [f"{ARN}::foundation-model/{HAIKU}", f"{ARN}:123456789012:custom-model/{HAIKU}/a1b2c3d4e5f6"]
    assert [find_model(model_id).price_key for model_id in (f"us.{HAIKU}", *arns)] == [HAIKU, HAIKU, ""]


def test_limits_that_are_not_published_are_missing():
    model = find_model("us.meta.llama3-1-8b-instruct-v1:0")
    assert (model.context_tokens, model.max_output_tokens, model.follows) == (None, 2048, "")


def test_an_unknown_model_has_no_limits():
    assert find_model("us.acme.talker-v1:0") == Model(
        "us.acme.talker-v1:0", "acme.talker-v1:0", "us", "acme", kind=PROFILE
    )


BATCH_MODELS = """
amazon.nova-2-lite-v1:0 amazon.nova-lite-v1:0 amazon.nova-micro-v1:0 amazon.nova-pro-v1:0 amazon.nova-premier-v1:0
anthropic.claude-opus-5 anthropic.claude-opus-4-6-v1 anthropic.claude-opus-4-5-20251101-v1:0 anthropic.claude-sonnet-4-6
anthropic.claude-sonnet-4-5-20250929-v1:0 anthropic.claude-haiku-4-5-20251001-v1:0
anthropic.claude-sonnet-4-20250514-v1:0 anthropic.claude-3-7-sonnet-20250219-v1:0
anthropic.claude-3-5-sonnet-20241022-v2:0 anthropic.claude-3-5-sonnet-20240620-v1:0
anthropic.claude-3-5-haiku-20241022-v1:0 anthropic.claude-3-opus-20240229-v1:0
anthropic.claude-3-sonnet-20240229-v1:0 anthropic.claude-3-haiku-20240307-v1:0 deepseek.v3.2 deepseek.v3-v1:0
google.gemma-3-4b-it google.gemma-3-12b-it google.gemma-3-27b-it meta.llama3-1-8b-instruct-v1:0
meta.llama3-1-70b-instruct-v1:0 meta.llama3-1-405b-instruct-v1:0 meta.llama3-2-1b-instruct-v1:0
meta.llama3-2-3b-instruct-v1:0 meta.llama3-2-11b-instruct-v1:0 meta.llama3-2-90b-instruct-v1:0
meta.llama3-3-70b-instruct-v1:0 meta.llama4-scout-17b-instruct-v1:0 meta.llama4-maverick-17b-instruct-v1:0
minimax.minimax-m2 minimax.minimax-m2.1 minimax.minimax-m2.5 nvidia.nemotron-super-3-120b zai.glm-5
writer.palmyra-vision-7b amazon.titan-embed-text-v2:0 amazon.titan-embed-image-v1
amazon.nova-2-multimodal-embeddings-v1:0 mistral.ministral-3-3b-instruct mistral.ministral-3-8b-instruct
mistral.ministral-3-14b-instruct mistral.voxtral-mini-3b-2507 mistral.voxtral-small-24b-2507
mistral.magistral-small-2509 mistral.mistral-large-3-675b-instruct mistral.devstral-2-123b
mistral.mistral-large-2407-v1:0 mistral.mistral-small-2402-v1:0 moonshot.kimi-k2-thinking moonshotai.kimi-k2.5
nvidia.nemotron-nano-9b-v2 nvidia.nemotron-nano-12b-v2 nvidia.nemotron-nano-3-30b openai.gpt-oss-20b-1:0
openai.gpt-oss-120b-1:0 openai.gpt-oss-safeguard-20b openai.gpt-oss-safeguard-120b qwen.qwen3-32b-v1:0
qwen.qwen3-coder-30b-a3b-v1:0 qwen.qwen3-235b-a22b-2507-v1:0 qwen.qwen3-coder-480b-a35b-v1:0 qwen.qwen3-next-80b-a3b
qwen.qwen3-vl-235b-a22b qwen.qwen3-coder-next zai.glm-4.7 zai.glm-4.7-flash
"""


ON_DEMAND_MODELS = """
anthropic.claude-opus-5-5 anthropic.claude-sonnet-5-5 anthropic.claude-haiku-5-5 anthropic.claude-sonnet-5
anthropic.claude-fable-5 anthropic.claude-fable-5-1 anthropic.claude-mythos-5 anthropic.claude-mythos-5-1
anthropic.claude-opus-4-8 anthropic.claude-opus-4-7 anthropic.claude-opus-4-1-20250805-v1:0 moonshotai.kimi-k3
deepseek.r1-v1:0 ai21.jamba-1-5-large-v1:0 ai21.jamba-1-5-mini-v1:0 cohere.command-text-v14
cohere.command-light-text-v14 cohere.command-r-v1:0 cohere.command-r-plus-v1:0 amazon.titan-text-express-v1
amazon.titan-text-lite-v1 amazon.titan-text-premier-v1:0 meta.llama3-8b-instruct-v1:0 meta.llama3-70b-instruct-v1:0
mistral.mistral-7b-instruct-v0:2 mistral.mistral-large-2402-v1:0 mistral.mixtral-8x7b-instruct-v0:1
writer.palmyra-x4-v1:0 writer.palmyra-x5-v1:0
amazon.titan-embed-text-v1 cohere.embed-english-v3 cohere.embed-multilingual-v3 cohere.embed-v4:0
"""


def test_every_model_that_takes_batch_jobs_has_a_row():
    assert sorted((BATCH_MODELS + ON_DEMAND_MODELS).split()) == sorted(list_models())


@pytest.mark.parametrize(
    ("base", "name", "version"),
    [
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude sonnet", (3, 5)),
        ("anthropic.claude-sonnet-4-20250514-v1:0", "claude sonnet", (4, 0)),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "claude haiku", (4, 5)),
        ("anthropic.claude-opus-4-6-v1", "claude opus", (4, 6)),
        ("anthropic.claude-fable-5-1", "claude fable", (5, 1)),
        ("amazon.nova-2-lite-v1:0", "nova lite", (2, 0)),
        ("amazon.nova-lite-v1:0", "nova lite", None),
        ("meta.llama3-1-8b-instruct-v1:0", "llama 8b instruct", (3, 1)),
        ("google.gemma-3-12b-it", "gemma 12b it", (3, 0)),
        ("mistral.mistral-large-2407-v1:0", "mistral large 2407", None),
        ("openai.gpt-oss-120b-1:0", "gpt oss 120b", None),
        ("moonshotai.kimi-k2.5", "kimi k", (2, 5)),
    ],
)
def test_a_version_is_found_wherever_it_stands(base, name, version):
    assert split_name(base) == (tuple(f"{base.split('.')[0]} {name}".split()), version)


RULES = {
    # context, most tokens, sampling, thinking, effort, schema: section "Request and Response" of Anthropic Messages
    "anthropic.claude-3-5-haiku-20241022-v1:0": (200_000, 8_192, "free", "never", "no", None),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": (200_000, 64_000, "free", "budget", "no", None),
    "anthropic.claude-sonnet-4-5-20250929-v1:0": (200_000, 64_000, "one", "budget", "no", "yes"),
    "anthropic.claude-opus-4-5-20251101-v1:0": (200_000, 64_000, "one", "budget", "beta", "yes"),
    "anthropic.claude-sonnet-4-6": (1_000_000, 128_000, "one", "both", "yes", "yes"),
    "anthropic.claude-opus-4-6-v1": (1_000_000, 128_000, "one", "both", "yes", "yes"),
    "anthropic.claude-opus-4-8": (1_000_000, 128_000, "none", "adaptive", "yes", "no"),
    "anthropic.claude-opus-5": (1_000_000, 128_000, "none", "adaptive", "capped", "disputed"),
    "anthropic.claude-opus-5-5": (1_000_000, 128_000, "none", "always", "capped", "disputed"),
    "anthropic.claude-sonnet-5-5": (1_000_000, 128_000, "none", "adaptive", "capped", "no"),
    "anthropic.claude-fable-5": (1_000_000, 128_000, "none", "always", "capped", "disputed"),
    "amazon.nova-lite-v1:0": (300_000, 10_000, "free", None, None, None),
    "amazon.nova-premier-v1:0": (1_000_000, 32_000, "free", None, None, None),
    "amazon.nova-2-lite-v1:0": (1_000_000, 65_535, "free", None, None, None),
    "amazon.nova-2-multimodal-embeddings-v1:0": (8_172, None, None, None, None, None),
    "meta.llama3-3-70b-instruct-v1:0": (None, 4_096, "free", None, None, None),
    "openai.gpt-oss-20b-1:0": (128_000, 128_000, "free", None, None, "yes"),
}


def list_rules(model_id):
    model = find_model(model_id)
    own = (model.context_tokens, model.max_output_tokens)
    return (*own, model.sampling, model.thinking, model.effort, model.schema)


@pytest.mark.parametrize("base", RULES)
def test_a_known_model_has_the_rules_of_its_generation(base):
    assert (list_rules(base), find_model(base).follows) == (RULES[base], "")


@pytest.mark.parametrize(
    ("tomorrow", "like", "follows"),
    [
        ("us.anthropic.claude-opus-6", "anthropic.claude-opus-5-5", "claude from 5.5"),
        ("anthropic.claude-haiku-6-20270101-v1:0", "anthropic.claude-haiku-5-5", "claude from 5"),
        ("anthropic.claude-poem-7", "anthropic.claude-haiku-5-5", "claude from 5"),
        ("anthropic.claude-haiku-4-5", "anthropic.claude-haiku-4-5-20251001-v1:0", "claude from 4.5"),
        ("anthropic.claude-sonnet-4-7", "anthropic.claude-opus-4-7", "claude from 4.7"),
        ("global.amazon.nova-3-lite-v1:0", "amazon.nova-2-lite-v1:0", "nova from 2"),
        ("openai.gpt-oss-2-40b", "openai.gpt-oss-120b-1:0", "gpt from 1"),
    ],
)
def test_an_id_of_tomorrow_has_the_rules_of_the_newest_generation_that_is_known(tomorrow, like, follows):
    assert (list_rules(tomorrow), find_model(tomorrow).follows) == (list_rules(like), follows)


@pytest.mark.parametrize(
    "base", ["anthropic.claude-v2:1", "amazon.nova-canvas-v1:0", "amazon.nova-2-sonic-v1:0", "meta.llama2-70b-chat-v1"]
)
def test_what_no_generation_covers_has_no_rules(base):
    assert (list_rules(base), find_model(base).follows) == ((None,) * 6, "")


def test_versions_are_ordered_as_versions():
    assert read_facts("generations").schema["since"] == pl.String  # 4.10 comes after 4.9


@pytest.mark.parametrize("table", ["models", "generations"])
def test_every_row_says_when_it_was_read_or_why_not(table):
    facts = read_facts(table)
    assert facts["source"].null_count() == 0
    undated = facts.filter(facts["read_on"].is_null())["source"]
    assert all("not read again: " in source for source in undated)
