"""Tests of what a step reads of a run: its ledger once, its records at most once."""

from contextlib import suppress
from functools import partial

import polars as pl
import pytest

from analysis import Prompt, collect, load_jobs, prepare, submit
from analysis.errors import JobError
from analysis.jobs.ledger import Ledger
from analysis.runs import invoke, read_state, reconcile_run, stop

from .conftest import make_calls, make_prompt


@pytest.fixture
def decoded(monkeypatch):
    """The events that any ledger decodes, in their order."""
    read_lines, events = Ledger.read_lines, []

    def read_and_list(ledger, position):
        for end, event in read_lines(ledger, position):
            events.append(event)
            yield end, event

    monkeypatch.setattr(Ledger, "read_lines", read_and_list)
    return events


@pytest.fixture
def records_read(count_calls):
    """How often the table of records was read."""
    calls = count_calls(pl, "read_parquet")
    return lambda: sum(str(given[0]).endswith("records.parquet") for given, _ in calls)


def count_lines(run):
    return len(run.ledger.file.read_bytes().splitlines())


@pytest.mark.parametrize("wait", [True, False])
def test_submit_reads_each_line_of_the_ledger_once_and_no_records(run, emulator, decoded, records_read, wait):
    for _ in range(2):
        decoded.clear()
        submit(run, wait=wait)
        assert 0 < len(decoded) <= count_lines(run)
    assert records_read() == 0


def test_a_submit_that_tries_again_reads_each_line_of_the_ledger_once(set_up_emulator, tmp_path, decoded, records_read):
    set_up_emulator(faults={"job-failed": 1}, min_records=1)
    quotas = {"records_per_job": 10, "min_records": 1}
    run = prepare(make_calls(40), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    for _ in range(3):
        decoded.clear()
        with suppress(JobError):
            submit(run)
        assert 0 < len(decoded) <= count_lines(run)
    assert load_jobs(run)["job_try"].max() == 3
    assert records_read() == 0


@pytest.mark.parametrize("again", [False, True])
def test_collect_reads_the_ledger_and_the_records_once(run, emulator, decoded, records_read, again):
    submit(run)
    for _ in range(1 + again):
        before = records_read()
        decoded.clear()
        collect(run)
    assert len(decoded) == count_lines(run)
    assert records_read() - before == 1


@pytest.mark.parametrize("look", [load_jobs, read_state, reconcile_run, partial(stop, profile="emulator")])
def test_a_look_reads_the_ledger_once(run, emulator, decoded, look):
    submit(run)
    collect(run)
    decoded.clear()
    look(run)
    assert len(decoded) <= count_lines(run)


def test_answering_on_demand_reads_each_line_of_the_ledger_once(emulator, tmp_path, decoded, records_read):
    run = prepare(make_calls(3), make_prompt(), into=tmp_path / "runs", name="demo")
    for _ in range(2):
        decoded.clear()
        invoke(run)
        assert len(decoded) <= count_lines(run)
    assert records_read() == 0


def test_a_state_stays_as_it_was_read(run, emulator):
    before = read_state(run)
    submit(run)
    assert before.tries == ()
    assert [job.key for job, _ in before.pairs] == ["job01"]
    assert [each.status for each in before.read_on().tries] == ["Completed"]


def test_a_state_has_the_latest_try_of_each_job_in_the_order_of_the_plan(tmp_path, emulator):
    prompts = [
        Prompt(name=name, model_id=model_id, template="{{ transcript }}")
        for name, model_id in (("a", "us.amazon.nova-micro-v1:0"), ("b", "us.amazon.nova-lite-v1:0"))
    ]
    run = prepare(make_calls(100), prompts, into=tmp_path / "runs", name="demo")
    for key, job_try in (("job02", 1), ("job02", 3), ("job02", 2), ("job01", 1)):
        run.ledger.append("created", job_key=key, job_try=job_try, status="Submitted", job_arn=f"arn/{key}{job_try}")
    state = read_state(run)
    assert [(job.key, latest.job_try) for job, latest in state.pairs] == [("job01", 1), ("job02", 3)]
    assert [each.job_try for each in state.created["job02"]] == [1, 3, 2]
    assert state.job_keys == {"job021": "job02", "job023": "job02", "job022": "job02", "job011": "job01"}
