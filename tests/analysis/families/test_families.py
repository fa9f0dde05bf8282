import json
import re
from pathlib import Path

import msgspec
import pytest

from analysis.errors import ModelError
from analysis.facts.models import find_model, list_models
from analysis.families import FAMILIES, find_family
from analysis.families.converse import CONVERSE
from analysis.outputs.frames import list_columns
from analysis.outputs.lines import read_lines

FAMILY_FILES = Path(__file__).parents[3] / "analysis" / "families"
BODIES = Path(__file__).parents[4] / "shared" / "data" / "bedrock_batch" / "observed_model_bodies.jsonl"
TELLER = "arn:aws:bedrock:us-east-1:123456789012:{}/a1b2c3d4e5f6"


@pytest.mark.parametrize("model_id", ["us.anthropic.claude-haiku-4-5", "zai.glm-4.7", TELLER.format("imported-model")])
def test_converse_is_one_format_for_all_models(model_id):
    assert find_family(find_model(model_id), "Converse") is CONVERSE


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic"),
        ("anthropic.claude-v2:1", "anthropic"),
        ("us.amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.titan-text-express-v1", "titan"),
        ("us.meta.llama3-1-8b-instruct-v1:0", "llama"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral"),
        ("mistral.mistral-small-2402-v1:0", "mistral"),
        ("mistral.mistral-large-2407-v1:0", "mistral_chat"),
        ("cohere.command-light-text-v14", "cohere"),
        ("cohere.command-r-plus-v1:0", "cohere_r"),
        ("ai21.jamba-1-5-large-v1:0", "jamba"),
        ("us.deepseek.r1-v1:0", "deepseek_r1"),
        ("us.writer.palmyra-x5-v1:0", "writer"),
        ("deepseek.v3.2", "openai"),
        ("openai.gpt-oss-120b-1:0", "openai"),
    ],
)
def test_a_model_has_its_own_format(model_id, name):
    assert find_family(find_model(model_id), "InvokeModel").name == name


# Of embeddings the answers alone are read, and Palmyra Vision has a page of its own.
WRITTEN = [model for model in list_models() if "embed" not in model and "vision" not in model]


@pytest.mark.parametrize("model", WRITTEN)
def test_every_known_model_is_of_one_family_that_writes(model):
    writers = [family.name for family in FAMILIES if family.models.match(model)]
    assert [find_family(find_model(model), "InvokeModel").name] == writers


def test_a_model_whose_format_is_not_known_is_named_with_the_cure():
    with pytest.raises(
        ModelError,
        match=r"acme\.talker-v1:0: the InvokeModel format of acme models is not known here; set invocation_type",
    ):
        find_family(find_model("acme.talker-v1:0"), "InvokeModel")


def test_the_error_for_an_invalid_id_shows_a_valid_one():
    with pytest.raises(ModelError, match=r"not a model id of Amazon Bedrock; write one such as global\.anthropic"):
        find_family(find_model("parrot"), "InvokeModel")


def test_the_error_for_a_name_without_a_provider_shows_the_model_of_that_name_and_version():
    with pytest.raises(ModelError, match=r"did you mean anthropic\.claude-haiku-4-5-20251001-v1:0\?"):
        find_family(find_model("claude-haiku-4-5"), "InvokeModel")


@pytest.mark.parametrize("kind", ["application-inference-profile", "provisioned-model", "imported-model"])
def test_an_id_that_hides_its_model_has_no_format_of_its_own(kind):
    with pytest.raises(ModelError, match=f"of kind {kind} does not tell .* or give the id of the model"):
        find_family(find_model(TELLER.format(kind)), "InvokeModel")


def test_names_of_families_are_those_of_their_files():
    files = {file.stem for file in FAMILY_FILES.glob("*.py")} - {"__init__", "family", "reasoning"}
    assert sorted(family.name for family in FAMILIES) == sorted(files)


def test_every_family_has_its_tests():
    files = {file.stem.removeprefix("test_") for file in Path(__file__).parent.glob("test_*.py")} - {
        "families",
        "emulated",
        "reasoning",
    }
    assert files == {family.name for family in FAMILIES}


def test_families_whose_answers_look_alike_read_requests_alike():
    for family in FAMILIES:
        assert {other.request for other in FAMILIES if other.answer is family.answer} == {family.request}


ANSWERS = {
    "anthropic": {"content": []},
    "converse": {"output": {"message": {"content": []}}},
    "openai": {"choices": [{"message": {"content": "Hi."}}]},
    "llama": {"generation": "Hi."},
    "mistral": {"outputs": []},
    "titan": {"results": []},
    "cohere_r": {"text": "Hi.", "finish_reason": "COMPLETE"},
    "cohere": {"generations": []},
    "deepseek_r1": {"choices": [{"text": "Hi."}]},
    "anthropic_text": {"completion": "Hi."},
    "jurassic": {"completions": []},
    "titan_embed": {"embedding": [], "inputTextTokenCount": 5},
    "cohere_embed": {"embeddings": []},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_by_families_of_its_shape_only(name):
    (family,) = (family for family in FAMILIES if family.name == name)
    msgspec.convert(ANSWERS[name], family.answer)
    for other in FAMILIES:
        if other.answer is not family.answer:
            with pytest.raises(msgspec.ValidationError, match=r"missing required field|UnsetType"):
                msgspec.convert(ANSWERS[name], other.answer)


def observed_bodies():
    lines = BODIES.read_text().split("\n") if BODIES.exists() else []
    return [json.loads(line) for line in lines if line]


def read_body(body):
    """Read a recorded body as part of a batch job's line."""
    line = json.dumps({"modelInput": body["modelInput"], "modelOutput": body["modelOutput"]}).encode()
    (row,) = read_lines([line], "observed", body["model_id"])
    return {name: value for name, (value,) in list_columns([row]).items()}


# Where each family of the recorded bodies has text, input tokens, output tokens and end; worked out from the JSON.
EXPECTED = {
    "anthropic": lambda out: (
        "".join(part["text"] for part in out["content"] if part["type"] == "text") or None,
        out["usage"]["input_tokens"],
        out["usage"]["output_tokens"],
        out["stop_reason"],
    ),
    "anthropic_text": lambda out: (out["completion"], None, None, out["stop_reason"]),
    "nova": lambda out: EXPECTED["converse"](out),
    "titan": lambda out: (
        out["results"][0]["outputText"],
        out["inputTextTokenCount"],
        out["results"][0]["tokenCount"],
        out["results"][0]["completionReason"],
    ),
    "llama": lambda out: (
        out["generation"],
        out["prompt_token_count"],
        out["generation_token_count"],
        out["stop_reason"],
    ),
    "mistral": lambda out: (out["outputs"][0]["text"], None, None, out["outputs"][0]["stop_reason"]),
    "cohere": lambda out: (out["generations"][0]["text"], None, None, out["generations"][0]["finish_reason"]),
    "cohere_r": lambda out: (out["text"], None, None, out["finish_reason"]),
    "jurassic": lambda out: (
        out["completions"][0]["data"]["text"],
        None,
        None,
        out["completions"][0]["finishReason"]["reason"],
    ),
    "imported": lambda out: (
        out["choices"][0]["text"].split("</think>")[-1],
        out["usage"]["prompt_tokens"],
        out["usage"]["completion_tokens"],
        out["choices"][0]["finish_reason"],
    ),
    "converse": lambda out: (
        without_thinking([text for part in out["output"]["message"]["content"] for text in list_texts(part)]),
        out["usage"]["inputTokens"],
        out["usage"].get("outputTokens"),
        out["stopReason"],
    ),
}
# The families of the recorded InvokeModel bodies, by the beginning of the model id.
FAMILY_OF = {
    "ai21.j2": "jurassic",
    "amazon.nova": "nova",
    "us.amazon.nova": "nova",
    "amazon.titan": "titan",
    "anthropic.": "anthropic",
    "us.anthropic.": "anthropic",
    "arn:aws:sagemaker": "imported",
    "cohere.command-light": "cohere",
    "cohere.command-r": "cohere_r",
    "meta.llama": "llama",
    "mistral.mistral-7b": "mistral",
}
STOP_WORDS = {
    "end": {"end_turn", "FINISH", "stop", "endoftext"},
    "length": {"max_tokens", "length", "LENGTH", "MAX_TOKENS"},
    "stop_sequence": {"stop_sequence", "STOP_SEQUENCE"},
    "tool": {"tool_use"},
    "filtered": {"guardrail_intervened"},
}


def list_texts(part):
    """List the texts of a Converse block: its own, and those that it cites."""
    return (
        [part["text"]]
        if "text" in part
        else [text["text"] for text in part.get("citationsContent", {}).get("content", [])]
    )


def without_thinking(texts):
    """Join texts without the thinking that Nova writes in front of them; None where there are none."""
    return re.sub(r"\A<thinking>.*?</thinking>", "", "".join(texts), flags=re.DOTALL) if texts else None


def name_family(body):
    """Return the family of a recorded body, judged by its fields."""
    if body["invocation_type"] == "Converse":
        return "converse"
    if "completion" in body["modelOutput"]:
        return "anthropic_text"
    (name,) = (name for start, name in FAMILY_OF.items() if body["model_id"].startswith(start))
    return name


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
@pytest.mark.parametrize(
    "body", [body for body in observed_bodies() if body["http_status"] == 200], ids=lambda body: body["file"][-50:]
)
def test_recorded_answers_give_text_tokens_and_end(body):
    row = read_body(body)
    name = name_family(body)
    text, input_tokens, output_tokens, stop_reason = EXPECTED[name](body["modelOutput"])
    assert (row["family"], row["text"], row["stop_reason"]) == (name, text, stop_reason)
    assert (row["input_tokens"], row["output_tokens"]) == (input_tokens, output_tokens)
    is_filtered = body["modelOutput"].get("amazon-bedrock-guardrailAction") == "INTERVENED"
    assert row["stop"] == "filtered" if is_filtered else stop_reason in STOP_WORDS[row["stop"]]
    assert row["error_kind"] is None


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
def test_recorded_refusals_are_not_read_as_answers():
    refused = [body for body in observed_bodies() if body["http_status"] == 400]
    assert len(observed_bodies()) == 63
    assert [read_body(body)["error_kind"] for body in refused] == ["unreadable"] * len(refused)


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
def test_recorded_requests_give_their_max_tokens():
    names = ("max_tokens", "max_tokens_to_sample", "max_gen_len", "maxTokens", "maxTokenCount", "max_new_tokens")
    for body in observed_bodies():
        request = body["modelInput"] or {}
        places = [request, *(request.get(key, {}) for key in ("inferenceConfig", "textGenerationConfig"))]
        asked = [place[name] for place in places for name in names if name in place]
        if body["http_status"] == 200:
            assert read_body(body)["max_tokens"] == (asked[0] if asked else None)
