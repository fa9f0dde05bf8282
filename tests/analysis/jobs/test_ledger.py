import subprocess
import sys

import filelock
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.jobs.ledger import JobState, Ledger

ARN = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/a1b2c3d4e5f6"
APPEND = """
import sys, time
from pathlib import Path
from analysis.jobs.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.file.with_name(sys.argv[2]).touch()
while not ledger.file.with_name(sys.argv[3]).exists():
    time.sleep(0.001)
for number in range(8):
    with ledger.lock():
        before = len(ledger.read())
        time.sleep(0.001)
        ledger.append("seen", before=before)
"""


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.jsonl")


def test_a_ledger_that_is_not_there_has_no_events(ledger):
    assert (ledger.read(), ledger.replay(), ledger.latest()) == ([], [], {})


def test_what_is_appended_can_be_read(ledger):
    ledger.append("versions", profile="emulator", note="ünï\u2028code\n")
    ledger.append("intended", job_key="job01", job_try=1)
    events = ledger.read()
    assert [event["event"] for event in events] == ["versions", "intended"]
    assert events[0]["note"] == "ünï\u2028code\n"
    assert events[0]["at"].endswith("+00:00")


def test_a_line_that_was_written_is_never_changed(ledger):
    ledger.append("versions", profile="a")
    before = ledger.file.read_bytes()
    ledger.append("versions", profile="b")
    assert ledger.file.read_bytes().startswith(before)


def test_replay_adds_up_what_each_event_says(ledger):
    facts = {"job_key": "job01", "job_try": 1}
    ledger.append("versions", profile="emulator")
    ledger.append("intended", **facts, status="intended", job_name="trial-job01-1", token="t", output_uri="s3://b/o/")
    ledger.append("created", **facts, status="Submitted", job_arn=ARN)
    ledger.append("seen", **facts, status="InProgress", counts={"total": 100, "processed": 40})
    ledger.append("ended", **facts, status="Completed", counts={"total": 100, "processed": 100})
    assert ledger.replay() == [
        JobState(
            "job01",
            status="Completed",
            job_name="trial-job01-1",
            token="t",
            output_uri="s3://b/o/",
            job_arn=ARN,
            counts={"total": 100, "processed": 100},
        )
    ]


def test_each_try_has_its_own_state_and_the_last_is_the_latest(ledger):
    ledger.append("refused", job_key="job01", job_try=1, status="refused", message="no")
    ledger.append("intended", job_key="job02", job_try=1, status="intended")
    ledger.append("planned", job_key="job01", job_try=2, status="planned")
    states = [(state.job_key, state.job_try, state.status) for state in ledger.replay()]
    assert states == [("job01", 1, "refused"), ("job02", 1, "intended"), ("job01", 2, "planned")]
    assert ledger.latest() == {"job01": JobState("job01", 2), "job02": JobState("job02", status="intended")}


def test_a_field_that_a_later_version_wrote_does_no_harm(ledger):
    ledger.append("seen", job_key="job01", job_try=1, status="InProgress", colour="red")
    assert ledger.replay() == [JobState("job01", status="InProgress")]


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_a_line_that_a_crash_cut_off_never_happened(ledger, cut):
    ledger.append("intended", job_key="job01", job_try=1, status="intended")
    ledger.append("created", job_key="job01", job_try=1, status="Submitted", message="è")
    ledger.file.write_bytes(ledger.file.read_bytes()[: -cut - 1])
    ledger.append("seen", job_key="job02", job_try=1, status="InProgress")
    states = [(state.job_key, state.status) for state in ledger.replay()]
    assert states == [("job01", "intended"), ("job02", "InProgress")]


def test_a_line_that_lost_only_its_end_did_happen(ledger):
    ledger.append("intended", job_key="job01", job_try=1, status="intended")
    ledger.file.write_bytes(ledger.file.read_bytes()[:-1])
    ledger.append("seen", job_key="job01", job_try=1, status="InProgress")
    assert [event["event"] for event in ledger.read()] == ["intended", "seen"]


def test_every_line_is_json(ledger):
    for number in range(3):
        ledger.append("seen", job_key="job01", job_try=1, message="two\nlines", counts={"total": number})
    lines = ledger.file.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [msgspec.json.decode(line)["counts"]["total"] for line in lines] == [0, 1, 2]


def test_a_second_kernel_waits_for_the_lock(ledger):
    with ledger.lock(), pytest.raises(filelock.Timeout):
        ledger.lock().acquire(timeout=0.05)


def test_two_processes_take_turns(ledger):
    command = [sys.executable, "-c", APPEND, str(ledger.file)]
    processes = [subprocess.Popen([*command, own, other]) for own, other in ("ab", "ba")]
    assert [process.wait() for process in processes] == [0, 0]
    assert [event["before"] for event in ledger.read()] == list(range(16))


@pytest.mark.parametrize(
    ("status", "is_finished", "is_unproductive"),
    [
        ("planned", False, False),
        ("intended", False, False),
        ("Submitted", False, False),
        ("Validating", False, False),
        ("Scheduled", False, False),
        ("InProgress", False, False),
        ("Stopping", False, False),
        ("Completed", True, False),
        ("PartiallyCompleted", True, False),
        ("Stopped", True, False),
        ("Failed", True, True),
        ("Expired", True, True),
        ("refused", True, True),
    ],
)
def test_a_status_says_whether_it_will_change_and_left_outputs(status, is_finished, is_unproductive):
    state = JobState("job01", status=status)
    assert (state.is_finished, state.is_unproductive) == (is_finished, is_unproductive)


def test_the_id_of_a_job_is_the_end_of_its_arn():
    assert (JobState("job01", job_arn=ARN).job_id, JobState("job01").job_id) == ("a1b2c3d4e5f6", "")


def test_a_replay_reads_on_from_the_one_before(ledger, monkeypatch):
    ledger.append("intended", job_key="job01", job_try=1, status="intended")
    assert [state.status for state in ledger.replay()] == ["intended"]
    positions, read_lines = [], Ledger.read_lines
    monkeypatch.setattr(Ledger, "read_lines", lambda *given: positions.append(given[1]) or read_lines(*given))
    read = ledger.file.stat().st_size
    Ledger(ledger.file).append("seen", job_key="job01", job_try=1, status="InProgress")
    Ledger(ledger.file).append("intended", job_key="job02", job_try=1, status="intended")
    assert [state.status for state in ledger.replay()] == ["InProgress", "intended"]
    assert positions == [read]


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(ledger):
    ledger.append("intended", job_key="job01", job_try=1, status="intended")
    whole = b'{"event":"created","job_key":"job01","job_try":1,"status":"Submitted"}\n'
    for end in (20, len(whole) - 1, len(whole)):
        ledger.file.write_bytes(ledger.file.read_bytes().splitlines(keepends=True)[0] + whole[:end])
        assert [state.status for state in ledger.replay()] == ["intended" if end == 20 else "Submitted"]
    assert ledger.position == ledger.file.stat().st_size


def test_a_ledger_that_was_cut_is_read_from_its_start(ledger):
    for key in ("job01", "job02"):
        ledger.append("intended", job_key=key, job_try=1, status="intended")
    assert len(ledger.replay()) == 2
    ledger.file.write_bytes(ledger.file.read_bytes().splitlines(keepends=True)[0])
    assert [state.job_key for state in ledger.replay()] == ["job01"]
    ledger.file.unlink()
    assert ledger.replay() == []


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.sampled_from(["seen", "ended"])), max_size=12),
    st.data(),
)
@settings(deadline=None)
def test_replays_in_parts_give_what_one_gives(tmp_path_factory, events, data):
    file = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    ledger = Ledger(file)
    for job, job_try, status in events:
        ledger.append(status, job_key=f"job{job}", job_try=job_try, status=status)
        if data.draw(st.booleans()):
            ledger.replay()
    assert ledger.replay() == Ledger(file).replay()


ODD_LINES = [
    {"job_key": "job01", "job_try": 1, "status": "Failed"},
    {"event": "ended", "job_key": 1, "job_try": 1, "status": "Failed"},
    {"event": "ended", "job_key": "job01", "job_try": "1", "status": "Failed"},
    {"event": "ended", "job_key": "job01", "job_try": 1, "status": None},
    {"event": "ended", "job_key": "job01", "job_try": 1, "status": "Failed", "counts": 3},
    {"event": "ended", "job_key": "job01", "job_try": 1, "status": "Failed", "left": "all"},
    {"event": "sending", "profile": 1},
    ["ended"],
    None,
]


@pytest.mark.parametrize("line", ODD_LINES)
def test_a_line_of_another_shape_is_skipped_as_one_that_was_cut_off(ledger, line):
    ledger.append("intended", job_key="job01", job_try=1, status="intended")
    with ledger.file.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")
    assert ([state.status for state in ledger.replay()], ledger.sending) == (["intended"], {})


def test_an_event_of_a_job_without_its_try_is_skipped(ledger):
    ledger.append("ended", job_key="job01", status="Failed")
    assert ledger.replay() == []
