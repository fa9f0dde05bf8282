"""Outputs and prompts like those that people asked about in public; what is right was written down without this code.

The transcripts among these cases are read in `transcripts/test_cases.py`, further answers in
`outputs/test_answer_parts.py`.
"""

from pathlib import Path

import pytest

from analysis import add_costs, load_outputs, prepare, read_calls, read_prompts, sum_costs
from analysis.errors import AnalysisError

CASES = Path(__file__).parents[2].parent / "shared" / "data" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the shared data is not here")
HAIKU, NOVA = "global.anthropic.claude-haiku-4-5-20251001-v1:0", "us.amazon.nova-2-lite-v1:0"
# The stop of each answer, its cost in USD, and what a thousand calls cost.
OUTPUTS = {
    ("tool-use-answer/anthropic.jsonl.out", HAIKU): (["tool"], [0.0005], 0.5),
    ("json-fence/anthropic.jsonl.out", HAIKU): (["end"], [0.0005], 0.5),
    ("guardrail-invokemodel/anthropic.jsonl.out", HAIKU): (["filtered"], [0.0005], 0.5),
    ("cost-per-1000-with-unpriced/cached.jsonl.out", HAIKU): (["end"] * 10, [0.00075] * 2 + [None] * 8, 0.75),
    ("cache-write-1h/anthropic.jsonl.out", HAIKU): (["end"] * 3, [None, None, 0.001079], 1.079),
    ("titan-embed-batch/input.jsonl.out", "amazon.titan-embed-text-v2:0"): (
        [None] * 2,
        [1.4e-07, 5e-08],
        9.5e-05,
    ),  # 0.01 USD for a million tokens
    ("service-tier/converse.jsonl.out", NOVA): (["end"], [0.1595], 159.5),
}


@pytest.mark.parametrize(("file", "model_id"), OUTPUTS)
def test_outputs_are_priced_as_they_should_be(file, model_id):
    stops, costs, per_1000 = OUTPUTS[file, model_id]
    costed = add_costs(load_outputs(CASES / file, model_id=model_id))
    assert costed["stop"].to_list() == stops
    assert costed["cost_usd"].to_list() == [cost and pytest.approx(cost) for cost in costs]
    assert sum_costs(costed, by=[])["cost_usd_per_1000_calls"].to_list() == [per_1000 and pytest.approx(per_1000)]


def test_outputs_that_were_renamed_are_read():
    assert len(load_outputs(CASES / "renamed-outputs")) == 4
    assert len(load_outputs(CASES / "renamed-outputs-two")) == 8


REFUSED = {
    "converse-top-level-fields/tool-config.md": "set invocation_type to InvokeModel",
    "sampling-of-newer-claude/opus-4-7.md": "refuses temperature",
    "sampling-of-newer-claude/opus-4-8-thinking.md": "takes no budget for thinking",
    "sampling-of-newer-claude/well-opus-5.md": "refuses temperature",
    "sampling-of-newer-claude/well-pair-haiku-4-5.md": "refuses temperature and top_p together",
    "well-refused/model-id-in-record.md": "no record of a batch job may have",
    "well-refused/temperature-1-5-converse.md": "takes 0 to 1",
}
PREPARED = {
    "converse-top-level-fields/output-config.md": "No known limit is reached",
    "nova-temperature-0/invokemodel.md": "No known limit is reached",
    "nova-temperature-0/converse.md": "No known limit is reached",
    "model-id-suggestion/haiku-4-5.md": "did you mean anthropic.claude-haiku-4-5-20251001-v1:0?",
    "model-id-suggestion/well-opus-4-6.md": "did you mean anthropic.claude-opus-4-6-v1?",
    "application-inference-profile/converse.md": "not all limits of application-inference-profile/abcd1234efgh are",
}


def prepare_case(file, folder):
    return prepare(read_calls(CASES / "calls-120.csv"), read_prompts(CASES / file), into=folder, name="x")


@pytest.mark.parametrize("file", REFUSED)
def test_a_prompt_that_its_model_refuses_is_refused(tmp_path, file):
    with pytest.raises(AnalysisError, match=REFUSED[file]):
        prepare_case(file, tmp_path)


@pytest.mark.parametrize("file", PREPARED)
def test_a_prompt_is_prepared_with_what_has_to_be_known(tmp_path, file):
    assert PREPARED[file] in str(prepare_case(file, tmp_path))


def test_a_schema_by_converse_stands_beside_the_messages(tmp_path):
    run = prepare_case("converse-top-level-fields/output-config.md", tmp_path)
    (file,) = (run.folder / "input").rglob("*.jsonl")
    assert all('"outputConfig":{"textFormat":' in line for line in file.read_text(encoding="utf-8").splitlines())
