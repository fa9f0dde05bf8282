import os
from datetime import datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import (
    Prompt,
    collect,
    invoke,
    list_notices,
    list_runs,
    load_answers,
    load_jobs,
    measure_answers,
    open_run,
    prepare,
    preview,
    scan_answers,
    stop,
    submit,
    sum_lost_costs,
    sum_run_costs,
)
from analysis.errors import PromptError, QuotaError, RunError

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
CALLS = pl.DataFrame({"call_id": ["c1", "c2"], "transcript": ["Hello.", "Goodbye."]})
LOG = {
    "run": pl.String,
    "variant": pl.String,
    "model_id": pl.String,
    "max_tokens": pl.Int64,
    "calls": pl.Int64,
    "records": pl.Int64,
    "jobs": pl.Int64,
    "finished_jobs": pl.Int64,
    "collected": pl.Boolean,
    "sent_at": pl.Datetime("us", "UTC"),
    "prompt_digest": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cost_usd": pl.Float64,
    "truncated_share": pl.Float64,
    "region": pl.String,
}
NOT_COLLECTED = (None,) * 4


def make_prompt(name="short", model_id=HAIKU, **fields):
    return Prompt(name=name, model_id=model_id, template="{{ transcript }}", **fields)


@pytest.fixture
def runs(tmp_path):
    """A folder with a run of one variant, and a run of two models, one with two samples."""
    nova = make_prompt("nova", NOVA, invocation_type="Converse", samples=2, max_tokens=7)
    prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    prepare(CALLS, [make_prompt(), nova], into=tmp_path, name="duel")
    return tmp_path


def test_an_opened_run_reads_back_what_was_asked(runs):
    run = open_run(runs / "duel")
    assert run.name == "duel"
    assert [prompt.name for prompt in run.read_prompts()] == ["short", "nova"]
    assert run.read_prompts()[0] == make_prompt()
    assert run.read_quotas().keys() == {HAIKU, NOVA}
    assert_frame_equal(run.read_calls(), CALLS)


def test_a_run_that_was_not_sent_has_no_outputs_and_no_ledger(runs):
    run = open_run(str(runs / "trial"))
    assert (len(run.read_outputs()), run.read_sending(), run.ledger.read()) == (0, {}, [])


def test_printing_a_run_shows_its_plan(runs):
    run = open_run(runs / "trial")
    assert repr(run) == repr(run.plan())
    assert run._repr_html_() == run.plan()._repr_html_()


def test_the_error_for_a_folder_without_a_run_lists_the_runs_beside_it(runs):
    with pytest.raises(RunError, match="not a run; there are duel, trial"):
        open_run(runs / "trail")


def test_a_folder_without_any_run_says_what_to_do(tmp_path):
    with pytest.raises(RunError, match="not a run; prepare it first"):
        open_run(tmp_path / "nowhere" / "trial")


def test_runs_are_listed_by_name_one_row_per_variant(runs):
    short, nova = (prompt.digest for prompt in open_run(runs / "duel").read_prompts())
    rows = [
        ("duel", "short", HAIKU, 1024, 2, 2, 1, 0, False, None, short, *NOT_COLLECTED, None),
        ("duel", "nova", NOVA, 7, 2, 4, 1, 0, False, None, nova, *NOT_COLLECTED, None),
        ("trial", "short", HAIKU, 1024, 2, 2, 1, 0, False, None, short, *NOT_COLLECTED, None),
    ]
    assert_frame_equal(list_runs(runs), pl.DataFrame(rows, LOG, orient="row"))


def test_a_collected_run_is_listed_with_its_tokens_its_cost_and_its_truncated_share(
    runs, account, answer_by_hand, make_answer
):
    run = open_run(runs / "trial")
    answer_by_hand(run, lambda number: make_answer(stop="max_tokens" if number else "end_turn", output_tokens=20))
    collect(run)
    row = list_runs(runs).row(2, named=True)
    # 2 answers of 10 tokens in and 20 out, at 0.5 and 2.5 USD per million in a batch, and twice that on demand
    assert (row["input_tokens"], row["output_tokens"], row["truncated_share"]) == (20, 40, 0.5)
    assert row["cost_usd"] == pytest.approx(2 * (20 * 0.5 + 40 * 2.5) / 1e6)
    assert row["sent_at"] == datetime.fromisoformat(run.read_sending()["at"])


def test_a_damaged_run_does_not_keep_the_others_from_being_listed(runs, account, answer_by_hand, make_answer):
    answer_by_hand(open_run(runs / "trial"), lambda _: make_answer())
    collect(runs / "trial")
    (part,) = open_run(runs / "trial").list_parts()
    part.write_bytes(b"")
    assert list_runs(runs)["cost_usd"].to_list() == [None, None, None]


def test_ended_jobs_count_for_the_variants_in_them(runs):
    ledger = open_run(runs / "duel").ledger
    ledger.append("seen", job_key="job01", job_try=1, status="InProgress")
    ledger.append("ended", job_key="job02", job_try=1, status="Failed")
    assert list_runs(runs).select("run", "variant", "jobs", "finished_jobs").rows() == [
        ("duel", "short", 1, 0),
        ("duel", "nova", 1, 1),
        ("trial", "short", 1, 0),
    ]


def test_what_is_not_a_run_is_not_listed(runs):
    (runs / "notes").mkdir()
    (runs / ".trial-x" / "trial").mkdir(parents=True)
    (runs / ".trial-x" / "trial" / "run.json").write_text("{")
    assert list_runs(str(runs))["run"].unique().sort().to_list() == ["duel", "trial"]


def test_a_folder_without_runs_gives_no_rows(tmp_path):
    assert_frame_equal(list_runs(tmp_path / "nowhere"), pl.DataFrame(schema=LOG))


@pytest.mark.parametrize("place", [".", "notebooks", "notebooks/deep", "runs"])
def test_a_name_is_that_of_a_folder_in_the_nearest_runs_upwards(tmp_path, monkeypatch, place):
    run = prepare(CALLS, make_prompt(), into=tmp_path / "runs", name="trial")
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / place)
    assert open_run("trial").folder == run.folder.resolve()
    with pytest.raises(RunError, match="runs/trail: not a run; there are trial"):
        open_run("trail")


def test_a_text_with_a_separator_and_a_path_are_folders(runs, monkeypatch):
    monkeypatch.chdir(runs)
    for folder in ("./trial", runs / "trial", str(runs / "trial"), runs.joinpath("trial").relative_to(runs)):
        assert open_run(folder).name == "trial"
    monkeypatch.chdir(runs / "trial")
    assert open_run(".").name == "trial"


def test_a_run_opens_as_it_is(runs):
    run = open_run(runs / "trial")
    assert open_run(run) is run


def test_every_function_of_a_run_takes_its_folder_or_its_name(runs, account, monkeypatch):
    (runs / "project").mkdir()
    (runs / "trial").rename(runs / "project" / "trial")
    monkeypatch.chdir((runs / "project").rename(runs / "runs").parent)
    for run in ("trial", runs / "runs" / "trial"):
        invoke(run)
        assert collect(run)["answered"].to_list() == [2]
        assert load_jobs(run)["job_key"].to_list() == ["job01"]
        assert len(load_answers(run)) == len(scan_answers(run).collect()) == 2
        assert sum_run_costs(run).total["outputs"].to_list() == [2]
        assert len(sum_lost_costs(run)) == 0
        assert list_notices(run) == []
    assert stop("trial")["status"].to_list() == ["Stopped"]
    with pytest.raises(QuotaError, match=r"trial: job01 .* has 2 records"):
        submit("trial")


def test_prompts_are_given_by_their_files(tmp_path, account):
    file = tmp_path / "short.md"
    file.write_text(f"---\nmodel_id: {HAIKU}\n---\n# User\nSummarize {{{{ transcript }}}}\n")
    other = make_prompt("other")
    for given in (file, str(file), [file, other], tmp_path):
        run = prepare(CALLS, given, into=tmp_path / "runs")
        assert run.read_prompts()[0].name == "short"
    assert preview(file, CALLS.row(0, named=True)).text == "Summarize Hello."
    answers = CALLS.with_columns(text=pl.col("transcript"), variant=pl.lit("short"))
    assert measure_answers(answers, prompts=file)["as_expected"].to_list() == [None, None]
    with pytest.raises(PromptError, match="preview: 2 prompts were passed; pass one of them"):
        preview([file, other], CALLS.row(0, named=True))


def test_without_a_name_the_run_that_was_last_written_is_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="runs: there is no run; prepare one first"):
        open_run()
    runs = [prepare(CALLS, make_prompt(), name=name) for name in ("first", "second")]
    for run in runs:
        os.utime(run.folder / "run.json", (0, 0))
    first, second = runs
    written = [(second, "run.json"), (first, "ledger.jsonl"), (second, "manifests.parquet"), (first, "run.json")]
    for seconds, (run, name) in enumerate(written, 1):
        (run.folder / name).touch()
        os.utime(run.folder / name, (seconds, seconds))
        assert open_run("").folder == open_run().folder == run.folder.resolve()
