from pathlib import Path

import pytest

from analysis import collect, load_answers, prepare, read_calls, read_prompts, submit

ROOT = Path(__file__).parents[1]
CALLS = ROOT.parent / "shared/data/aws_call_samples_turns.parquet"


@pytest.mark.skipif(not CALLS.exists(), reason="the real calls are not part of the repository")
def test_every_real_call_is_prepared_answered_and_back_at_its_call(tmp_path, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    calls = read_calls(CALLS)
    prompts = read_prompts([ROOT / f"notebooks/prompts/{name}.md" for name in ("paragraph", "headings")])
    run = prepare(calls, prompts, into=tmp_path, name="real")
    submit(run)
    assert collect(run).select("prepared", "answered", "failed", "missing", "agrees").row(0) == (1792, 1792, 0, 0, True)
    assert run.read_records()["record_id"].n_unique() == 1792
    answers = load_answers(run)
    assert answers["call_id"].to_list() == [call_id for call_id in calls["call_id"] for _ in prompts]
    assert answers["transcript"].to_list() == [text for text in calls["transcript"] for _ in prompts]
    assert answers["text"].null_count() == 0
