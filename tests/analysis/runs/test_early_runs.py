"""A run that was prepared before the first release: its folder has no `format`.

`early/` is one of four calls in two jobs, as a process left it that was killed after the request for the first job.
"""

import shutil
from pathlib import Path

import pytest

from analysis import collect, list_runs, load_answers, load_jobs, open_run, prepare, submit
from analysis.aws.session import EMULATOR_ROLE
from analysis.aws.storage import put_file
from analysis.errors import RunError

from .conftest import HAIKU, make_calls, make_prompt

EARLY = Path(__file__).parent / "early"


@pytest.fixture
def session(set_up_emulator):
    return set_up_emulator(min_records=1)


@pytest.fixture
def early(tmp_path, session):
    return open_run(shutil.copytree(EARLY, tmp_path / "runs" / "early"))


@pytest.fixture
def created(early, session):
    """The run, and in the account the job that its ledger intends."""
    (state,) = early.ledger.replay()
    put_file(early.folder / "input/job01/00000.jsonl", f"{state.input_uri}00000.jsonl", s3=session.client("s3"))
    session.client("bedrock").create_model_invocation_job(
        jobName=state.job_name,
        clientRequestToken=state.token,
        roleArn=EMULATOR_ROLE,
        modelId=HAIKU,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": state.input_uri}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": state.output_uri}},
    )
    return early


def count_jobs(session):
    return len(session.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"])


@pytest.mark.parametrize("wait", [True, False])
def test_submit_goes_on_with_the_jobs_of_the_ledger_and_creates_none(created, session, wait, capsys):
    submit(created, wait=wait)
    jobs = submit(created)
    assert jobs.select("job_key", "status").rows() == [("job01", "Completed"), ("job02", "planned")]
    assert count_jobs(session) == 1
    assert "early was prepared before the first release: no job is created for 1 of its 2." in capsys.readouterr().out


def test_a_job_that_never_arrived_is_not_created(early, session):
    assert submit(early)["status"].to_list() == ["intended", "planned"]
    assert count_jobs(session) == 0


def test_no_budget_is_asked_for_since_nothing_more_is_paid(created):
    assert submit(created, budget_usd=0)["status"][0] == "Completed"


def test_what_came_back_is_collected_loaded_and_listed(created):
    submit(created)
    assert collect(created).select("job_key", "answered", "missing").rows() == [("job01", 2, 0), ("job02", 0, 2)]
    answers = load_answers(created)
    assert answers.select("call_id", "error_kind").rows() == [
        ("c2", None),
        ("c10", None),
        ("c1", "missing"),
        ("c3", "missing"),
    ]
    assert list_runs(created.folder.parent).select("run", "records", "jobs", "finished_jobs").rows() == [
        ("early", 4, 2, 1)
    ]
    assert "Run early: 4 calls (1 with the transcript of an earlier one)" in str(created)


def test_without_a_job_in_the_ledger_nothing_is_submitted(early, session):
    early.ledger.file.unlink()
    with pytest.raises(RunError, match="no job of it was created; prepare the calls again under another name"):
        submit(early)
    assert load_jobs(early)["status"].to_list() == ["planned", "planned"]
    assert count_jobs(session) == 0


def test_its_folder_is_not_prepared_again(early):
    with pytest.raises(RunError, match="was prepared before the first release; give the request another run name"):
        prepare(make_calls(4), make_prompt(), into=early.folder.parent, name="early")
