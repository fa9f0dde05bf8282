import math

import pytest
from botocore.exceptions import ClientError

from analysis import collect, load_jobs, prepare, submit
from analysis.errors import JobError, WaitError
from analysis.runs.waiting import Limit

from .conftest import make_calls, make_prompt

HOUR = 3600


@pytest.fixture
def clock():
    """A clock that moves while somebody sleeps; returns the arguments of `submit`, and the pauses."""
    pauses = []
    return {"sleep": pauses.append, "now": lambda: sum(pauses), "pause_s": 600.0}, pauses


@pytest.fixture
def throttle(monkeypatch):
    """Let clients not repeat a request, and Bedrock refuse one operation for good; returns how often it was asked."""

    def refuse(operation):
        asked = []

        def answer(self, name, given, _call=None):
            if name != operation:
                return real(self, name, given)
            asked.append(name)
            about = {"HTTPStatusCode": 429}
            text = {"Code": "ThrottlingException", "Message": "Too many requests."}
            raise ClientError({"Error": text, "ResponseMetadata": about}, name)

        from botocore.client import BaseClient

        real = BaseClient._make_api_call
        monkeypatch.setattr(BaseClient, "_make_api_call", answer)
        return asked

    return refuse


@pytest.fixture
def two_jobs(tmp_path):
    quotas = {"records_per_job": 100}
    return prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)


def test_jobs_that_do_not_end_are_waited_for_as_long_as_was_said(run, set_up_emulator, clock):
    set_up_emulator(seconds={"Submitted": 10**6})
    options, pauses = clock
    with pytest.raises(WaitError, match=r"demo: after 2 h, 1 of 1 jobs have not ended \(1 Submitted\); submit again"):
        submit(run, wait_hours=2, **options)
    assert sum(pauses) == 2 * HOUR


def test_the_last_pause_ends_with_the_time(run, set_up_emulator, clock):
    set_up_emulator(seconds={"Submitted": 10**6})
    options, pauses = clock
    with pytest.raises(WaitError):
        submit(run, wait_hours=0.25, **options)
    assert pauses == [600, 300]


def test_waiting_goes_on_when_submit_is_called_again(run, set_up_emulator, clock):
    set_up_emulator(seconds={"Submitted": 10**6})
    with pytest.raises(WaitError):
        submit(run, wait_hours=1, **clock[0])
    set_up_emulator()
    assert submit(run)["status"].to_list() == ["Completed"]
    assert collect(run)["answered"].to_list() == [100]


def test_no_hours_are_one_step(run, set_up_emulator, clock):
    set_up_emulator(seconds={"Submitted": 10**6})
    options, pauses = clock
    assert submit(run, wait_hours=0, **options)["status"].to_list() == ["Submitted"]
    assert pauses == []


@pytest.mark.parametrize("hours", [-1, math.nan])
def test_hours_that_are_none_are_refused_before_anything_is_sent(run, hours):
    with pytest.raises(JobError, match=r"demo: wait_hours is .*; give the hours to wait at most; 0 takes one step"):
        submit(run, wait_hours=hours)
    assert run.ledger.read() == []


def test_a_quota_that_stays_full_is_waited_for_as_long_as_was_said(set_up_emulator, tmp_path, clock):
    set_up_emulator(seconds={"Submitted": 10**6})
    quotas = {"unfinished_jobs": 1}
    first = prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="first", quotas=quotas)
    second = prepare(make_calls(100), make_prompt("other"), into=tmp_path / "runs", name="second", quotas=quotas)
    submit(first, wait=False)
    with pytest.raises(WaitError, match=r"after 1 h, 1 of 1 jobs have not ended \(1 planned\)"):
        submit(second, wait_hours=1, **clock[0])


def test_a_line_a_minute_says_how_to_give_waiting_an_end(clock):
    options, pauses = clock
    said = []
    limit = Limit("demo", now=options["now"], say=said.append)
    for pause in (59, 1, 30, 30):
        pauses.append(pause)
        limit.remind("1 of 1 jobs have not ended (1 planned)")
    waits = "waits without end, unless wait_hours is given: 1 of 1 jobs have not ended (1 planned)"
    assert said == [f"demo has waited {minutes} min, and {waits}" for minutes in (1, 2)]


def test_the_line_says_when_waiting_ends(clock):
    said = []
    limit = Limit("demo", 24, now=clock[0]["now"], say=said.append)
    clock[1].append(90)
    limit.remind("why")
    assert said == ["demo has waited 2 min, and waits for 24 h: why"]


def test_a_service_that_is_busy_for_good_is_waited_for_as_long_as_was_said(run, emulator, throttle, clock, capsys):
    throttle("ListModelInvocationJobs")
    options, pauses = clock
    with pytest.raises(WaitError, match=r"after 1 h, the service is too busy for the first step .*Too many requests"):
        submit(run, wait_hours=1, **options)
    assert sum(pauses) == HOUR
    assert "demo has waited 10 min, and waits for 1 h: the service is too busy" in capsys.readouterr().out


def test_jobs_that_cannot_be_created_are_waited_for_as_long_as_was_said(two_jobs, emulator, throttle, clock):
    throttle("CreateModelInvocationJob")
    with pytest.raises(WaitError, match=r"after 1 h, 2 of 2 jobs have not ended"):
        submit(two_jobs, wait_hours=1, **clock[0])


def test_one_step_says_that_a_job_could_not_be_created_and_asks_once(two_jobs, emulator, throttle):
    asked = throttle("CreateModelInvocationJob")
    text = r"demo: Bedrock has not confirmed 1 of 2 jobs \(ThrottlingException: Too many requests\.\); submit again"
    with pytest.raises(WaitError, match=text):
        submit(two_jobs, wait=False)
    assert asked == ["CreateModelInvocationJob"]
    assert load_jobs(two_jobs)["status"].to_list() == ["intended", "planned"]
