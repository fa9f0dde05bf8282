import json
from pathlib import Path

import msgspec
import pytest

from analysis.errors import ModelError
from analysis.families import FAMILIES, find_family
from analysis.families.anthropic import ANTHROPIC
from analysis.families.converse import CONVERSE
from analysis.models import Model

BODIES = Path(__file__).parents[4] / "shared" / "data" / "bedrock_batch" / "observed_model_bodies.jsonl"
CLAUDE = Model("us.anthropic.claude-haiku-4-5", "anthropic.claude-haiku-4-5", "us", "anthropic")
GLM = Model("zai.glm-4.7", "zai.glm-4.7", "", "zai")


def test_claude_has_its_own_format():
    assert find_family(CLAUDE, "InvokeModel") is ANTHROPIC


@pytest.mark.parametrize("model", [CLAUDE, GLM])
def test_converse_is_one_format_for_all_models(model):
    assert find_family(model, "Converse") is CONVERSE


def test_a_model_whose_format_is_not_known_is_named_with_the_cure():
    with pytest.raises(ModelError, match=r"zai\.glm-4\.7: no family .* set invocation_type to Converse"):
        find_family(GLM, "InvokeModel")


def test_names_of_families_are_their_own():
    assert [family.name for family in FAMILIES] == ["anthropic", "converse"]


@pytest.mark.parametrize(
    ("body", "family"),
    [({"content": []}, ANTHROPIC), ({"output": {"message": {"content": []}}}, CONVERSE)],
)
def test_an_answer_is_read_by_its_own_family_only(body, family):
    for other in FAMILIES:
        if other is family:
            msgspec.convert(body, other.answer)
        else:
            with pytest.raises(msgspec.ValidationError, match="missing required field"):
                msgspec.convert(body, other.answer)


def observed_bodies():
    lines = BODIES.read_text().split("\n") if BODIES.exists() else []
    bodies = [json.loads(line) for line in lines if line]
    return [body for body in bodies if body["http_status"] == 200]


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
def test_recorded_converse_answers_give_their_tokens_and_text():
    bodies = [body["modelOutput"] for body in observed_bodies() if body["invocation_type"] == "Converse"]
    assert bodies
    for body in bodies:
        reading = msgspec.convert(body, CONVERSE.answer).reading()
        assert reading.input_tokens == body["usage"]["inputTokens"]
        assert reading.stop_reason == body["stopReason"]
        assert (reading.text is None) == (not any("text" in part for part in body["output"]["message"]["content"]))


@pytest.mark.skipif(not BODIES.exists(), reason="the recorded bodies are not here")
def test_recorded_messages_give_their_tokens_and_text():
    bodies = [body for body in observed_bodies() if body["modelOutput"].get("type") == "message"]
    assert bodies
    for body in bodies:
        reading = msgspec.convert(body["modelOutput"], ANTHROPIC.answer).reading()
        echo = msgspec.convert(body["modelInput"], ANTHROPIC.request)
        assert reading.output_tokens == body["modelOutput"]["usage"]["output_tokens"]
        assert echo.settings().max_tokens == body["modelInput"]["max_tokens"]
        texts = [part["text"] for part in body["modelOutput"]["content"] if part["type"] == "text"]
        assert reading.text == ("".join(texts) if texts else None)
