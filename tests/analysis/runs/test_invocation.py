"""Tests of answers on demand: what was asked for is on file, and one machine answers at a time."""

import json
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from analysis import collect, invoke, prepare
from analysis.errors import BudgetError, JobError, RunError
from analysis.jobs.on_demand import count_unanswered_requests, invoke_file, name_intents
from analysis.reports.notices import list_notices
from analysis.runs import open_run, read_state
from analysis.runs.spending import find_spending

from .conftest import make_calls, make_prompt

DIE = """
import os, sys
from pathlib import Path
from analysis.jobs.on_demand import invoke_file
asked = []
def answer(body):
    asked.append(body)
    if len(asked) == 3:
        os._exit(9)
    return b'{"type":"message","content":[{"type":"text","text":"Hi."}],"stop_reason":"end_turn"}'
invoke_file(Path(sys.argv[1]), Path(sys.argv[2]), invoke=answer, at_once=1)
"""


@pytest.fixture
def small(tmp_path):
    """A run of 8 records, fewer than a batch job takes."""
    return prepare(make_calls(8), make_prompt(), into=tmp_path / "runs", name="demo")


@pytest.fixture
def killed(small):
    """The run after a process was killed while it asked for the third record."""
    (source,) = (small.folder / "input").rglob("*.jsonl")
    target = small.folder / "output" / "on-demand" / f"job01-{source.name}.out"
    small.ledger.append("sending", invocation="on_demand", profile="emulator", region="us-east-1", versions={})
    done = subprocess.run([sys.executable, "-c", DIE, str(source), str(target)], check=False)
    assert done.returncode == 9
    return small


def list_targets(run):
    return sorted((run.folder / "output" / "on-demand").glob("*.out"))


def test_every_request_is_on_file_before_it_is_made(small, tmp_path):
    (source,) = (small.folder / "input").rglob("*.jsonl")
    target = tmp_path / "answers.out"
    seen = []

    def answer(body):
        seen.append(len(name_intents(target).read_text().splitlines()))
        return b"{}"

    invoke_file(source, target, invoke=answer, at_once=1)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]
    assert count_unanswered_requests([target]) == 0


def test_a_record_that_was_asked_for_when_the_process_died_may_have_been_paid_for(killed, emulator, capsys):
    assert count_unanswered_requests(list_targets(killed)) == 1
    invoke(killed)
    assert "demo: 1 request was made before a process ended or the network broke off." in capsys.readouterr().out
    assert collect(killed)["answered"].to_list() == [8]
    assert [each for each in list_notices(killed) if each.startswith("1 request on demand was made")]


def test_an_id_that_lost_its_end_with_the_power_was_not_asked_for(killed, emulator):
    (target,) = list_targets(killed)
    with name_intents(target).open("a") as intents:
        intents.write("Ab3")  # flushed before the record is asked for, so this one was not
    invoke(killed)
    assert {len(line) for line in name_intents(target).read_text().splitlines()} == {11}
    assert count_unanswered_requests([target]) == 1


def test_what_may_have_been_paid_for_counts_against_the_budget(killed):
    spending = find_spending(read_state(killed), "on_demand", "us-east-1")
    whole = find_spending(read_state(prepare_again(killed)), "on_demand", "us-east-1").left_usd
    # Two answers without tokens, one request without an answer: three of eight equal records at the upper end.
    assert spending.spent_usd == pytest.approx(whole * 3 / 8, rel=0.01)
    assert spending.left_usd == pytest.approx(whole * 6 / 8, rel=0.01)
    with pytest.raises(BudgetError, match="for what was sent"):
        invoke(killed, budget_usd=whole)


def prepare_again(run):
    return prepare(run.read_calls(), run.read_prompts(), into=run.folder.parent, name="another")


def test_a_refusal_that_every_request_would_meet_is_not_a_lost_answer(small, tmp_path):
    (source,) = (small.folder / "input").rglob("*.jsonl")
    target = tmp_path / "answers.out"

    def refuse(body):
        raise JobError("on demand", "no access")

    with pytest.raises(JobError):
        invoke_file(source, target, invoke=refuse, at_once=2)
    assert count_unanswered_requests([target]) == 0


def test_another_machine_that_answers_is_waited_for(small, emulator):
    until = datetime.now(UTC) + timedelta(minutes=3)
    small.ledger.append("answering", host="elsewhere", until=until.isoformat())
    with pytest.raises(RunError, match="the machine elsewhere is answering this run; wait for it"):
        invoke(small)
    assert list_targets(small) == []


@pytest.mark.parametrize(("host", "minutes"), [("elsewhere", -1), (platform.node(), 3)])
def test_a_machine_that_has_stopped_is_not_waited_for(small, emulator, host, minutes):
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    small.ledger.append("answering", host=host, until=until.isoformat())
    invoke(small)
    assert collect(small)["answered"].to_list() == [8]


def test_a_machine_says_when_it_has_stopped(small, emulator):
    invoke(small)
    events = [event for event in small.ledger.read() if event["event"] == "answering"]
    assert [event["host"] for event in events] == [platform.node()] * 2
    first, last = (datetime.fromisoformat(event["until"]) for event in events)
    assert last <= datetime.now(UTC) < first


def test_a_copy_of_the_folder_learns_from_the_bucket_that_the_run_is_answered(small, emulator, tmp_path):
    emulator.client("s3").create_bucket(Bucket="claims")
    invoke(small, bucket="claims")
    shutil.copytree(small.folder, tmp_path / "copies" / "demo")
    for event in ("output", "ledger.jsonl"):
        path = tmp_path / "copies" / "demo" / event
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    copy = open_run(tmp_path / "copies" / "demo")
    with pytest.raises(RunError, match=f"is answered on demand from .*{small.folder}"):
        invoke(copy, bucket="claims")
    assert list_targets(copy) == []
    invoke(small, bucket="claims")


def test_of_two_copies_at_once_one_answers(small, emulator, tmp_path):
    emulator.client("s3").create_bucket(Bucket="claims")
    copies = [small]
    for name in ("b", "c"):
        shutil.copytree(small.folder, tmp_path / name / "demo")
        copies.append(open_run(tmp_path / name / "demo"))

    def try_to(run):
        try:
            invoke(run, bucket="claims")
        except RunError:
            return 0
        return len(list_targets(run)[0].read_bytes().splitlines())

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(try_to, copies)) == [0, 0, 8]


def test_a_request_that_the_network_broke_off_may_be_charged(tmp_path):
    target = tmp_path / "answers.out"
    error = {"errorCode": 503, "errorMessage": "Read timeout", "retryable": True, "mayBeCharged": True}
    target.write_text(json.dumps({"recordId": "a", "error": error}) + "\n")
    name_intents(target).write_text("a\n")
    assert count_unanswered_requests([target]) == 1
