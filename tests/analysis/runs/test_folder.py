import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import Prompt, list_runs, open_run, prepare
from analysis.errors import RunError

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
}


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
    rows = [
        ("duel", "short", HAIKU, 1024, 2, 2, 1, 0, False),
        ("duel", "nova", NOVA, 7, 2, 4, 1, 0, False),
        ("trial", "short", HAIKU, 1024, 2, 2, 1, 0, False),
    ]
    assert_frame_equal(list_runs(runs), pl.DataFrame(rows, LOG, orient="row"))


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
