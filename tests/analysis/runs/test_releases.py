"""Runs of each release, as `make_release.py` made them then: later versions open them, and read the same answers."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import (
    collect,
    list_notices,
    list_runs,
    load_answers,
    load_attempts,
    load_jobs,
    open_run,
    prepare,
    repair,
    scan_answers,
    submit,
    sum_run_costs,
    write_answers,
)
from analysis.outputs import OUTPUT_SCHEMA
from analysis.runs import is_collected, is_finished, read_state

from .make_release import CALLS, KEYS, LONG, SHORT

RELEASES = sorted(path for path in (Path(__file__).parent / "releases").iterdir() if path.is_dir())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request, tmp_path):
    """A copy of the run of a release, in a folder of its own."""
    copy = Path(shutil.copytree(request.param, tmp_path / "release"))
    # Which of its files is the newest says whether it was collected, and git does not keep that.
    (copy / "demo" / "manifests.parquet").touch()
    return copy


@pytest.fixture
def run(release, set_up_emulator, tmp_path):
    """The run, beside an emulator that is taken for that of then and has nothing of it."""
    set_up_emulator(min_records=1)
    run = open_run(release / "demo")
    account = run.read_target()["account"].removeprefix("emulator:")
    (tmp_path / "emulator" / "state" / "folder-id").write_text(account, encoding="ascii")
    return run


def read_expected(release, name):
    lines = (release / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_answers_and_attempts_are_those_of_then(run, release):
    assert load_answers(run).select(*KEYS, "text", "stop").to_dicts() == read_expected(release, "answers")
    attempts = load_attempts(run).select(*KEYS, "cause", "won", "stop", "error_kind").to_dicts()
    assert attempts == read_expected(release, "attempts")


def test_collecting_again_reads_the_same_from_the_files_that_are_there(run, release):
    before = load_answers(run)
    part = next((run.folder / "outputs").glob("*.parquet"))
    later = OUTPUT_SCHEMA.keys() - pl.read_parquet_schema(part).keys()  # columns that the release did not write
    shutil.rmtree(run.folder / "outputs")
    counts = collect(run)
    assert counts.select("prepared", "answered", "failed", "missing").sum().row(0) == (18, 18, 0, 0)
    answers = load_answers(run)
    assert answers.columns == before.columns
    assert_frame_equal(answers.drop(later), before.drop(later))
    assert answers["reasoning_chars"].null_count() == 0


def test_nothing_is_left_to_do(run, capsys):
    assert (is_finished(run), is_collected(run)) == (True, True)
    submit(run)
    repair(run)
    assert "nothing to repair, each of the 18 records has a good answer" in capsys.readouterr().out
    assert load_jobs(run)["status"].unique().to_list() == ["Completed"]


def test_the_same_request_is_the_same_run(run, release):
    assert prepare(CALLS, [SHORT, LONG], into=release, name="demo", quotas={"min_records": 4}).folder == run.folder


def test_the_same_request_makes_the_same_files_and_job_names(run, tmp_path):
    fresh = prepare(CALLS, [SHORT, LONG], into=tmp_path / "fresh", name="demo", quotas={"min_records": 4})
    assert_frame_equal(fresh.read_first_files(), run.read_first_files())  # with the SHA-256 of each
    sent = load_jobs(run).filter(~pl.col("job_key").str.starts_with("a"), job_try=1)["job_name"].to_list()
    assert [job.name(1) for job in read_state(fresh).planned] == sent


def test_its_answers_are_taken_over(run, release):
    again = prepare(CALLS, [SHORT, LONG], into=release, name="again", quotas={"min_records": 4})
    found = again.find_answered(run.read_target()["account"])
    assert set(found["run"]) == {"demo"}
    assert len(found) >= 12  # those that were not cut off at the first attempt


def test_it_is_listed_priced_and_exported(run, release, tmp_path):
    assert list_runs(release)["run"].to_list() == ["demo", "demo"]
    assert sum_run_costs(run).total["cost_usd"].item() > 0
    assert list_notices(run)
    write_answers(scan_answers(run), tmp_path / "x.csv")
    assert pl.read_csv(tmp_path / "x.csv").height == 18
