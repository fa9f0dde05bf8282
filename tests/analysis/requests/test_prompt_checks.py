import pytest

from analysis.errors import ModelError, PromptError
from analysis.facts.models import list_models
from analysis.prompts import Prompt
from analysis.requests.prompt_checks import check_settings

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"  # temperature or top_p, 64,000 tokens out
OLD = "anthropic.claude-3-haiku-20240307-v1:0"  # 4,096 tokens out
OPUS = "global.anthropic.claude-opus-5"  # no sampling, adaptive thinking
NOVA = "us.amazon.nova-micro-v1:0"  # 10,000 tokens out
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
SMALL = "mistral.mistral-small-2402-v1:0"
LARGE = "mistral.mistral-large-2407-v1:0"
OPUS_45 = "us.anthropic.claude-opus-4-5-20251101-v1:0"  # effort by a beta
FABLE = "us.anthropic.claude-fable-5"  # always thinks
ADAPTIVE = {"additional_fields": {"thinking": {"type": "adaptive"}}}
OFF = {"additional_fields": {"thinking": {"type": "disabled"}}}
OSS = "openai.gpt-oss-20b-1:0"
R1 = "us.deepseek.r1-v1:0"
COHERE = "cohere.command-r-v1:0"
TITAN = "amazon.titan-text-lite-v1"
JAMBA = "ai21.jamba-1-5-mini-v1:0"


def check(model_id, **fields):
    check_settings(Prompt(name="short", model_id=model_id, template="{{ transcript }}", **fields))


def effort(word, **fields):
    return {"additional_fields": {"output_config": {"effort": word}} | fields}


def think(budget_tokens, **fields):
    return {"additional_fields": {"thinking": {"type": "enabled", "budget_tokens": budget_tokens}}} | fields


@pytest.mark.parametrize(
    ("model_id", "settings", "reason"),
    [
        (HAIKU, {"temperature": 1, "top_p": 1}, "refuses temperature and top_p together; keep one of them"),
        (HAIKU, {"temperature": 1.5}, r"temperature is 1\.5; anthropic.* takes 0 to 1; choose another temperature"),
        (HAIKU, {"temperature": -0.1}, r"temperature is -0\.1; .* takes 0 to 1"),
        (HAIKU, {"top_p": 1.01}, r"top_p is 1\.01; .* takes 0 to 1"),
        (HAIKU, {"top_k": 501}, "top_k is 501; .* takes 0 to 500"),
        (HAIKU, {"max_tokens": 64_001}, "max_tokens is 64,001; .* refuses more than 64,000; set max_tokens to 64000"),
        (OLD, {"max_tokens": 4097}, "refuses more than 4,096"),
        (OPUS, {"temperature": 0}, "refuses temperature; leave out temperature"),
        (OPUS, {"temperature": 1, "top_p": 0.9}, "refuses top_p; leave out top_p"),
        (OPUS, {"top_k": 1}, "refuses top_k;"),
        (OPUS, {"temperature": 0.5, "top_k": 5}, "refuses temperature and top_k;"),
        (NOVA, {"temperature": 1.1}, r"temperature is 1\.1; amazon\.nova-micro-v1:0 takes 0 to 1"),
        (NOVA, {"top_k": 129}, "takes 0 to 128"),
        (NOVA, {"max_tokens": 10_001}, "refuses more than 10,000"),
        (LLAMA, {"top_k": 5}, "has no top_k; leave top_k out"),
        (LLAMA, {"max_tokens": 4097}, "refuses more than 4,096"),
        ("us.meta.llama3-1-8b-instruct-v1:0", {"max_tokens": 2049}, "refuses more than 2,048"),
        ("us.meta.llama4-scout-17b-instruct-v1:0", {"max_tokens": 8193}, "refuses more than 8,192"),
        (JAMBA, {"max_tokens": 4097}, "refuses more than 4,096"),
        (TITAN, {"max_tokens": 4097}, "refuses more than 4,096"),
        (SMALL, {"max_tokens": 8193}, "refuses more than 8,192"),
        (SMALL, {"top_k": 0}, "takes 1 to 200"),
        (OSS, {"top_k": 5}, "has no top_k"),
        (OSS, {"max_tokens": 128_001}, "refuses more than 128,000"),
        (R1, {"max_tokens": 32_769}, "refuses more than 32,768"),
        (TITAN, {"top_k": 5}, "has no top_k"),
        (HAIKU, {"additional_fields": {"modelId": HAIKU}}, "additional_fields has 'modelId', .* leave 'modelId' out"),
        (HAIKU, {"additional_fields": {"stream": True}}, "additional_fields has 'stream'"),
        (OPUS, think(2048, max_tokens=4096), r"takes no budget for thinking; write thinking: \{type: adaptive\}"),
        (HAIKU, think(1023, max_tokens=4096), "budget_tokens of thinking is 1023, and the least is 1,024"),
        (HAIKU, think(None, max_tokens=4096), "budget_tokens of thinking is None"),
        (HAIKU, think(2048, max_tokens=2048), "is 2,048 of 2,048 max_tokens: no answer has room; raise max_tokens"),
        (HAIKU, think(1024, max_tokens=2048, temperature=0), "temperature is 0, and a model that thinks takes none"),
        (HAIKU, effort("low"), "takes no effort; leave effort out"),
        (HAIKU, ADAPTIVE, r"takes no adaptive thinking; write thinking: \{type: enabled"),
        (OLD, think(1024, max_tokens=2048), "cannot think; leave thinking out"),
        (FABLE, OFF, "thinking of anthropic.claude-fable-5 cannot be disabled; leave thinking out"),
        (FABLE, think(1024, max_tokens=2048), "takes no budget for thinking"),
        (OPUS_45, effort("low"), r"by its beta alone; add anthropic_beta: \[effort-2025-11-24\]"),
        (OPUS, effort("max", **OFF["additional_fields"]), "takes effort max only where it thinks; write high"),
        ("us.anthropic.claude-opus-6", {"temperature": 0}, "refuses temperature; leave out temperature"),
        ("us.anthropic.claude-haiku-4-5", {"temperature": 1, "top_p": 1}, "refuses temperature and top_p together"),
        ("us.meta.llama5-70b-instruct-v1:0", {"top_k": 5}, "has no top_k"),
    ],
)
@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
def test_what_the_model_would_refuse_is_refused_with_the_cure(invocation_type, model_id, settings, reason):
    with pytest.raises(PromptError, match=f"^short: .*{reason}"):
        check(model_id, invocation_type=invocation_type, **settings)


@pytest.mark.parametrize(
    ("model_id", "settings", "reason"),
    [
        (LLAMA, {"stop_sequences": ("END",)}, "by InvokeModel has no stop sequences; leave them out"),
        (SMALL, {"stop_sequences": tuple("abcdefghijk")}, "takes 10 stop sequences at most"),
        (LARGE, {"stop_sequences": ("END",)}, "has no stop sequences"),
        (OSS, {"temperature": 2.1}, "takes 0 to 2"),
        (COHERE, {"top_p": 1}, r"takes 0\.01 to 0\.99"),
    ],
)
def test_what_the_invoke_model_format_lacks_is_refused(model_id, settings, reason):
    with pytest.raises(PromptError, match=f"^short: .*{reason}"):
        check(model_id, **settings)


@pytest.mark.parametrize(
    ("model_id", "settings", "reason"),
    [
        (OSS, {"temperature": 1.5}, "takes 0 to 1"),
        (LLAMA, {"top_k": 5}, "has no top_k"),
        (NOVA, {"top_k": 129}, "takes 0 to 128"),
        (HAIKU, {"temperature": 0.5, "top_p": 0.5}, "together"),
        (HAIKU, {"max_tokens": 64_001}, "refuses more than 64,000"),
        (HAIKU, think(512), "the least is 1,024"),
        (
            OSS,
            {"stop_sequences": ("END",)},
            "by Converse has no stop sequences; leave them out, or set invocation_type",
        ),
        (TITAN, {"system": "Be brief."}, "by Converse has no system text; write it under '# User'"),
    ],
)
def test_converse_does_not_help_against_what_the_model_refuses(model_id, settings, reason):
    with pytest.raises(PromptError, match=reason):
        check(model_id, invocation_type="Converse", **settings)


@pytest.mark.parametrize(
    ("model_id", "settings"),
    [
        (OPUS, {}),
        (OPUS, {"temperature": 1}),
        (OPUS, {"additional_fields": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}}),
        (OPUS, effort("max")),
        (OPUS, effort("high", **OFF["additional_fields"])),
        (OPUS_45, effort("high", anthropic_beta=["effort-2025-11-24"])),
        ("us.anthropic.claude-sonnet-4-6", ADAPTIVE),
        ("us.anthropic.claude-sonnet-4-6", think(1024, max_tokens=2048)),
        ("us.anthropic.claude-opus-6", {"max_tokens": 500_000}),
        (HAIKU, {"temperature": 0, "top_k": 5}),
        (HAIKU, {"top_p": 0.9}),
        (HAIKU, {"stop_sequences": ("END",), "max_tokens": 64_000}),
        (HAIKU, think(1024, max_tokens=1025, temperature=1)),
        (OLD, {"temperature": 0, "top_p": 0.9, "top_k": 5}),
        (NOVA, {"temperature": 0, "top_k": 128, "stop_sequences": ("END",)}),
        (LLAMA, {"max_tokens": 4096, "invocation_type": "Converse", "stop_sequences": ("END",)}),
        (OSS, {"temperature": 2, "stop_sequences": ("END",)}),
        ("acme.talker-v1:0", {"invocation_type": "Converse", "top_k": 9999, "max_tokens": 10**9}),
    ],
)
def test_what_the_model_takes_is_not_refused(model_id, settings):
    check(model_id, **settings)


NOVA_2 = "us.amazon.nova-2-lite-v1:0"
QWEN = "qwen.qwen3-32b-v1:0"


@pytest.mark.parametrize(
    ("model_id", "fields", "reason"),
    [
        (HAIKU, {"max_tokens": 64_000}, "has 'max_tokens', which the body has already; set max_tokens in the header"),
        (HAIKU, {"max_tokens": None}, "has 'max_tokens', which the body has already"),
        (HAIKU, {"messages": []}, "has 'messages', which the body has already; write the text under '# User'"),
        (HAIKU, {"system": "Hi"}, "has 'system', which the body has already; write the text under '# System'"),
        (HAIKU, {"temperature": 0.5}, "has 'temperature', which .* already; set temperature in the header"),
        (HAIKU, {"anthropic_version": "x"}, "has 'anthropic_version', .* leave 'anthropic_version' out"),
        (NOVA, {"inferenceConfig": {"maxTokens": 9000}}, r"has 'inferenceConfig\.maxTokens', .* set max_tokens in the"),
        (NOVA, {"inferenceConfig": {"max_new_tokens": 9000}}, r"'inferenceConfig\.max_new_tokens', a second limit"),
        (
            NOVA,
            {"inferenceConfig": []},
            "has 'inferenceConfig', which the body has already; leave 'inferenceConfig' out",
        ),
        (TITAN, {"textGenerationConfig": {"maxTokenCount": 9}}, r"has 'textGenerationConfig\.maxTokenCount'"),
        (TITAN, {"inputText": "mine"}, "has 'inputText', .* write the text under '# User'"),
        (LLAMA, {"max_gen_len": 2048}, "has 'max_gen_len', .* set max_tokens in the header"),
        (LLAMA, {"prompt": "mine"}, "has 'prompt', .* write the text under '# User'"),
        (OSS, {"max_completion_tokens": 9}, "has 'max_completion_tokens', which the body has already"),
        (OSS, {"max_tokens": 64_000}, "has 'max_tokens', a second limit beside max_tokens, by which the plan reckons"),
        (QWEN, {"max_completion_tokens": 64_000}, "has 'max_completion_tokens', a second limit"),
        (QWEN, {"reasoning": {"max_tokens": 64_000}}, r"has 'reasoning\.max_tokens', a second limit"),
        (QWEN, {"n": 16}, "has 'n', which asks for several answers at once, .* set samples in the header"),
        (JAMBA, {"n": 16}, "has 'n', which asks for several answers"),
        ("cohere.command-text-v14", {"num_generations": 5}, "'num_generations', which asks for several answers"),
        (COHERE, {"message": "mine"}, "has 'message', .* write the text under '# User'"),
        (COHERE, {"preamble": "mine"}, "has 'preamble', .* write the text under '# System'"),
        (OSS, {"service_tier": "priority"}, "has 'service_tier', which changes the price .*; leave it out"),
        (HAIKU, {"speed": "fast"}, "has 'speed', which changes the price"),
        (
            HAIKU,
            {"anthropic_beta": ["context-1m-2025-08-07"]},
            "have the beta context-1m, with a price .* leave it",
        ),
        (
            NOVA_2,
            {"inferenceConfig": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}},
            "takes no max_tokens where maxReasoningEffort is high; write low or medium",
        ),
    ],
)
@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
def test_additional_fields_do_not_go_around_the_plan(invocation_type, model_id, fields, reason):
    own = {"system": "" if "titan" in model_id or "command-text" in model_id else "Be brief.", "temperature": 0.9}
    if invocation_type == "Converse" and set(fields) & {"anthropic_version", "textGenerationConfig", "inferenceConfig"}:
        reason = "additional_fields has|takes no max_tokens"
    with pytest.raises(PromptError, match=reason):
        check(model_id, additional_fields=fields, invocation_type=invocation_type, **own)


@pytest.mark.parametrize("model_id", [HAIKU, NOVA, LLAMA, SMALL, OSS, R1, COHERE, TITAN, JAMBA, "acme.talker-v1:0"])
@pytest.mark.parametrize("name", ["messages", "prompt", "inputText", "message"])
def test_a_record_of_converse_has_one_text(model_id, name):
    with pytest.raises(PromptError, match=f"has '{name}', which the body has already"):
        check(model_id, additional_fields={name: "mine"}, invocation_type="Converse")


@pytest.mark.parametrize(
    ("model_id", "fields"),
    [
        (
            HAIKU,
            {"tools": [{"name": "a", "input_schema": {"properties": {"max_tokens": {"type": "integer"}, "n": 5}}}]},
        ),
        (OPUS, {"output_config": {"effort": "max"}}),
        (QWEN, {"n": 1, "reasoning_effort": "high", "response_format": {"type": "json_object"}}),
        (NOVA, {"inferenceConfig": {"topK": 5}}),
        (NOVA_2, {"inferenceConfig": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}}),
    ],
)
def test_fields_that_change_no_limit_are_sent(model_id, fields):
    check(model_id, additional_fields=fields)


def test_additional_fields_are_the_way_around_a_rule():
    check(HAIKU, temperature=0.5, additional_fields={"top_p": 0.5})


@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
@pytest.mark.parametrize("model_id", [each for each in list_models() if "embed" not in each and "vision" not in each])
def test_a_bare_prompt_is_refused_by_no_model(model_id, invocation_type):
    check(model_id, invocation_type=invocation_type)


def test_a_model_that_nobody_writes_to_is_refused_before_its_settings():
    with pytest.raises(ModelError, match="set invocation_type to Converse"):
        check("acme.talker-v1:0", temperature=9)
