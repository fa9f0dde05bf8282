import json
import subprocess
import sys
from contextlib import suppress

import polars as pl
import pytest

from analysis import collect, load_answers, load_jobs, open_run, prepare, submit
from analysis.aws.session import open_session
from analysis.errors import JobError
from analysis.jobs.ledger import Ledger
from analysis.runs import confirm_cost, is_finished, retries
from analysis.runs.state import read_state

from .conftest import make_calls, make_prompt

COUNTS = ("prepared", "answered", "failed", "missing", "repeated")
ANSWER = {"content": [{"type": "text", "text": "Late."}], "usage": {"input_tokens": 9, "output_tokens": 2}}
SUBMIT = "import sys; from analysis import open_run, submit; submit(open_run(sys.argv[1]))"


def test_a_failed_job_says_what_it_left_and_what_is_sent_next(set_up_emulator, tmp_path):
    set_up_emulator(faults={"job-failed": 1})
    run = prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(
        JobError, match=r"its output answers 100 of 200 records, which are not sent again; .* only the 100 records"
    ):
        submit(run)
    assert not is_finished(run)


def test_the_next_try_is_copied_from_input_that_is_as_it_was_prepared(half_done, capsys):
    (file,) = half_done.folder.glob("input/job01/*.jsonl")
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:150]))
    submit(half_done)
    assert load_jobs(half_done)["records"].to_list() == [200, 100]
    assert "the input of job01 is not as it was prepared, and is written anew" in capsys.readouterr().out


def test_the_next_try_sends_only_the_records_without_an_answer(half_done):
    submit(half_done)
    assert load_jobs(half_done).select("job_try", "status", "records").rows() == [
        (1, "Failed", 200),
        (2, "Completed", 100),
    ]
    assert collect(half_done).select(COUNTS).row(0) == (200, 200, 0, 0, 0)
    assert len(half_done.read_outputs()) == 200
    assert is_finished(half_done)


def test_each_answer_of_two_tries_is_at_its_call(half_done):
    submit(half_done)
    collect(half_done)
    texts = load_answers(half_done).select("call_id", "text").iter_rows()
    assert all(f"Line {call_id[1:]} " in text for call_id, text in texts)


def test_records_that_failed_in_a_failed_job_are_sent_again(set_up_emulator, tmp_path):
    set_up_emulator(faults={"job-failed": 1, "record-429": 0.1, "line-unreadable": 0.1})
    run = prepare(make_calls(300), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(JobError):
        submit(run)
    answered = collect(run)["answered"][0]
    assert 100 < answered < 140
    set_up_emulator()
    submit(run)
    assert load_jobs(run)["records"].to_list() == [300, 300 - answered]
    assert collect(run).select("answered", "failed", "missing").row(0) == (300, 0, 0)


def test_an_expired_job_that_never_began_is_sent_again_whole(set_up_emulator, run):
    set_up_emulator(faults={"job-expired": 1})
    with pytest.raises(JobError, match=r"Expired: .* only the 100 records without an answer"):
        submit(run)
    set_up_emulator()
    submit(run)
    assert load_jobs(run)["records"].to_list() == [100, 100]
    assert not (run.folder / "input" / "job01-2").exists()


def test_fewer_records_than_a_batch_takes_stay_without_an_answer(set_up_emulator, tmp_path, capsys):
    set_up_emulator(faults={"job-failed": 1})
    run = prepare(make_calls(120), make_prompt(), into=tmp_path / "runs", name="demo")
    submit(run)
    assert "60 of its 120 records have no answer and are not sent again: a batch job needs at least 100" in (
        capsys.readouterr().out
    )
    assert is_finished(run)
    assert collect(run).select(COUNTS).row(0) == (120, 60, 0, 60, 0)


def test_there_is_no_fourth_try(set_up_emulator, tmp_path, capsys, list_account):
    set_up_emulator(faults={"job-failed": 1}, min_records=1)
    run = prepare(make_calls(8), make_prompt(), into=tmp_path / "runs", name="demo", quotas={"min_records": 1})
    for left in (4, 2):
        with pytest.raises(JobError, match=f"only the {left} records"):
            submit(run)
    submit(run)
    submit(run)
    assert capsys.readouterr().out.count("1 of its 8 records have no answer and are not sent again: this was") == 2
    assert len(list_account()) == 3


def test_a_job_that_failed_after_its_last_answer_is_done(half_done, tmp_path, capsys):
    submit(half_done)
    ledger = half_done.ledger.file.read_text(encoding="utf-8")
    half_done.ledger.file.write_text(ledger.replace('"Completed"', '"Failed"'), encoding="utf-8")
    submit(half_done)
    assert "All of its records had been answered." in capsys.readouterr().out
    assert is_finished(half_done)


def test_no_record_is_paid_for_twice_when_the_ledger_is_cut_anywhere(half_done, list_account):
    submit(half_done)
    lines = half_done.ledger.file.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        half_done.ledger.file.write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        with suppress(JobError):  # one whose end is lost ends once more, and says so
            submit(half_done)
        submit(half_done)
        assert collect(half_done).select(COUNTS).row(0) == (200, 200, 0, 0, 0), lines[kept]
    assert [name[:12] for name in list_account()] == ["demo-job01-1", "demo-job01-2"]


def test_the_ledger_is_replayed_as_often_for_many_failed_jobs_as_for_one(set_up_emulator, tmp_path, count_calls):
    set_up_emulator(faults={"job-failed": 1}, min_records=1)
    replays = []
    for jobs in (1, 4):
        quotas = {"records_per_job": 40 // jobs, "min_records": 1}
        run = prepare(make_calls(40), make_prompt(), into=tmp_path / f"runs{jobs}", name="demo", quotas=quotas)
        with pytest.raises(JobError):
            submit(run)
        calls = count_calls(Ledger, "replay")
        retries.plan_retries(read_state(run), open_session("emulator").client("s3"))
        replays.append(len(calls))
    assert load_jobs(run)["job_try"].to_list() == [1, 2] * 4
    assert replays[0] == replays[1]


def test_leftover_input_of_a_try_that_was_not_made_is_overwritten(half_done):
    folder = half_done.folder / "input" / "job01-2"
    folder.mkdir()
    (folder / "00007.jsonl").write_text("half a li", encoding="utf-8")
    submit(half_done)
    assert load_jobs(half_done)["status"].to_list() == ["Failed", "Completed"]


def test_the_run_prepared_elsewhere_adopts_all_tries(half_done, tmp_path, list_account):
    submit(half_done)
    twin = prepare(make_calls(200), make_prompt(), into=tmp_path / "elsewhere", name="demo")
    submit(twin)
    assert collect(twin).select(COUNTS).row(0) == (200, 200, 0, 0, 0)
    assert len(list_account()) == 2


def test_the_run_prepared_elsewhere_sends_the_same_retry_once(half_done, tmp_path, list_account):
    twin = prepare(make_calls(200), make_prompt(), into=tmp_path / "elsewhere", name="demo")
    with pytest.raises(JobError, match="only the 100 records"):
        submit(twin)
    for each in (twin, half_done):
        submit(each)
        assert collect(each).select(COUNTS).row(0) == (200, 200, 0, 0, 0)
    assert len(list_account()) == 2


def test_two_processes_send_one_retry(half_done, list_account):
    command = [sys.executable, "-c", SUBMIT, str(half_done.folder)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list_account()) == 2
    assert collect(open_run(half_done.folder)).select(COUNTS).row(0) == (200, 200, 0, 0, 0)


def test_output_that_comes_late_is_not_paid_for_again(half_done, tmp_path, list_account):
    """A job can end before its files are in S3: what counts is what is there when the retry is planned."""
    lines = half_done.ledger.file.read_text(encoding="utf-8").replace('"left":100', '"left":200')
    half_done.ledger.file.write_text(lines, encoding="utf-8")
    submit(half_done)
    assert load_jobs(half_done)["records"].to_list() == [200, 100]


def test_output_that_comes_while_a_retry_is_written_is_not_paid_for_again(half_done, list_account, monkeypatch):
    count_unanswered = retries.count_unanswered

    def count_early(state, s3):
        counted = count_unanswered(state, s3)
        (folder,) = (state.run.folder / "output").iterdir()
        lines = [json.loads(line) for file in state.planned[0].files for line in file.read_bytes().splitlines()]
        answers = [json.dumps({"recordId": line["recordId"], "modelOutput": ANSWER}) + "\n" for line in lines]
        (folder / "late.jsonl.out").write_text("".join(answers))
        return counted

    monkeypatch.setattr(retries, "count_unanswered", count_early)
    submit(half_done)
    assert len(list_account()) == 1


@pytest.mark.parametrize("seed", range(3))
def test_no_record_is_paid_for_twice_whatever_fails(set_up_emulator, tmp_path, seed):
    set_up_emulator(faults={"job-failed": 0.8, "answer-lost": 0.05, "line-unreadable": 0.05}, seed=seed)
    quotas = {"records_per_job": 300}
    run = prepare(make_calls(900), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    for part in (0.3, 0.7, 0.9, 1, 1):
        with suppress(JobError):
            submit(run)
        ledger = run.ledger.file.read_bytes()
        run.ledger.file.write_bytes(ledger[: int(len(ledger) * part)])
    assert collect(run)["answered"].sum() > 450
    assert load_jobs(run)["job_try"].max() > 1
    answers = run.read_outputs().filter(pl.col("error_kind").is_null())
    assert answers["record_id"].is_unique().all()


def test_the_question_is_about_the_records_without_an_answer(half_done):
    half_done.ledger.append("sending", invocation="batch", profile="production", region="us-east-1")
    asked = []
    confirm_cost(half_done, profile="production", ask=lambda question: asked.append(question) or "y")
    assert asked[0].endswith("Send those of these records that have no answer to AWS? [y/N] ")
