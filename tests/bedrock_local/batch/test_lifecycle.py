from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bedrock_local import Settings, open_session
from bedrock_local.batch.jobs import StateError, read_job
from bedrock_local.batch.lifecycle import list_left
from bedrock_local.inference import Reply

HOUR = 3600


@pytest.fixture
def slow(jobs_at, record):
    """Jobs whose statuses last 60, 60, 180 and 100 seconds, with 100 records put."""
    waiting = {"Submitted": 60, "Validating": 60, "Scheduled": 180, "InProgress": 100, "Stopping": 30}
    made = jobs_at(seconds=waiting)
    made.put([record(number) for number in range(100)])
    return made


def test_a_job_goes_through_its_statuses_by_the_clock(slow, clock):
    arn, seen = slow.create(), []
    for _ in range(41):
        seen.append(slow.get(arn)["status"])
        clock.move(10)
    assert Counter(seen) == {"Submitted": 6, "Validating": 6, "Scheduled": 18, "InProgress": 10, "Completed": 1}
    assert seen == sorted(seen, key=["Submitted", "Validating", "Scheduled", "InProgress", "Completed"].index)


def test_counters_are_zero_until_validated_and_then_grow_evenly(slow, clock):
    arn = slow.create()
    counts = []
    for seconds in (0, 70, 60, 195, 50, 100):
        clock.move(seconds)
        job = slow.get(arn)
        counts.append((job["totalRecordCount"], job["processedRecordCount"]))
    # At 0, 70, 130, 325, 375 and 475 s: Scheduled begins at 120 s, InProgress at 300 s, and takes 1 s a record.
    assert counts == [(0, 0), (0, 0), (100, 0), (100, 25), (100, 75), (100, 100)]


def test_a_factor_makes_the_clock_faster(jobs_at, clock, record):
    jobs = jobs_at(clock="realistic", seconds={}, speed=60)
    jobs.put([record(1)])
    arn = jobs.create()
    clock.move(7)
    assert jobs.get(arn)["status"] == "InProgress"
    clock.move(1)
    assert jobs.get(arn)["status"] == "Completed"


def test_the_instant_clock_takes_a_fraction_of_a_second(folder, record, clock):
    session = open_session(folder, settings=Settings(min_records=1, work_seconds=600), now=clock)
    session.client("s3").create_bucket(Bucket="calls")
    session.client("s3").put_object(Bucket="calls", Key="in/a.jsonl", Body=json.dumps(record(1)).encode())
    bedrock = session.client("bedrock")
    config = {"s3Uri": "s3://calls/in/"}
    arn = bedrock.create_model_invocation_job(
        jobName="a",
        roleArn="arn:aws:iam::123456789012:role/batch",
        modelId="anthropic.claude-3-haiku-20240307-v1:0",
        inputDataConfig={"s3InputDataConfig": config},
        outputDataConfig={"s3OutputDataConfig": config},
    )["jobArn"]
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "Submitted"
    clock.move(0.2)
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "Completed"


def test_a_finished_job_leaves_outputs_and_a_manifest(jobs, record):
    job = jobs.run([record(number) for number in range(150)])
    assert (job["status"], jobs.names(job)) == ("Completed", ["calls.jsonl.out", "manifest.json.out"])
    assert {output["recordId"] for output in jobs.outputs(job)} == {f"r{number}" for number in range(150)}
    # Two words a question, and as many in the answer, which has a token more.
    assert json.loads(jobs.read(job, "manifest.json.out")) == {
        "totalRecordCount": 150,
        "processedRecordCount": 150,
        "successRecordCount": 150,
        "errorRecordCount": 0,
        "inputTokenCount": 300,
        "outputTokenCount": 450,
    }


def test_lines_come_in_another_order_and_always_the_same(jobs, record):
    lines = [record(number) for number in range(100)]
    first, second = (
        [output["recordId"] for output in jobs.outputs(jobs.run(lines, jobName=name))] for name in ("one", "two")
    )
    assert first == second
    assert first != [line["recordId"] for line in lines]


def test_a_job_whose_records_all_failed_is_completed(jobs):
    job = jobs.run([{"recordId": f"r{number}", "modelInput": {"max_tokens": 5}} for number in range(3)])
    assert job["status"] == "Completed"
    assert (job["successRecordCount"], job["errorRecordCount"]) == (0, 3)
    assert {output["error"]["errorMessage"] for output in jobs.outputs(job)} == {"anthropic_version: Field required"}


def test_each_file_has_its_output_in_its_own_folder(jobs, record):
    jobs.put([record(1)], "in/a.jsonl")
    jobs.put([record(2), record(3)], "in/deep/er/b.jsonl")
    for name in ("notes.txt", "a.jsonl.out", "a.jsonl.gz", "ajsonl"):
        jobs.put([b"no record"], f"in/{name}")
    job = jobs.finish(jobs.create())
    assert jobs.names(job) == ["a.jsonl.out", "deep/er/b.jsonl.out", "manifest.json.out"]
    assert {output["recordId"] for output in jobs.outputs(job, "deep/er/b.jsonl.out")} == {"r2", "r3"}


@pytest.mark.parametrize(
    ("uri", "name"),
    [("s3://calls/in/a.jsonl", "a"), ("s3://calls/in", "a"), ("s3://calls/in/", "a"), ("s3://calls", "in/a")],
)
def test_the_input_is_a_file_or_everything_below_a_folder(jobs, record, uri, name):
    jobs.put([record(1)], "in/a.jsonl")
    job = jobs.finish(jobs.create(inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}}))
    assert (job["totalRecordCount"], jobs.names(job)) == (1, [f"{name}.jsonl.out", "manifest.json.out"])


def test_an_object_that_marks_a_folder_is_not_input(jobs, record):
    jobs.put([], "in/")
    assert jobs.run([record(1)])["totalRecordCount"] == 1


def test_a_folder_is_not_one_whose_name_begins_alike(jobs, record):
    jobs.put([record(1)], "in/a.jsonl")
    jobs.put([record(2)], "in-2/a.jsonl")
    assert (
        jobs.finish(jobs.create(inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://calls/in"}}))["totalRecordCount"]
        == 1
    )


def test_the_output_prefix_may_be_the_bucket(jobs, record):
    jobs.put([record(1)])
    job = jobs.finish(jobs.create(outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://calls"}}))
    key = f"{job['jobArn'][-12:]}/manifest.json.out"
    assert jobs.s3.head_object(Bucket="calls", Key=key)["ContentLength"] > 0


def test_input_that_is_deleted_while_a_job_runs_is_still_answered(slow, clock):
    arn = slow.create()
    clock.move(330)
    slow.get(arn)
    slow.s3.delete_object(Bucket="calls", Key="in/calls.jsonl")
    clock.move(100)
    assert slow.finish(arn)["successRecordCount"] == 100


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: [b"x" for _ in lines], "has changed since it was validated: not a JSON object"),
        (lambda lines: lines[:512], "fewer records than the 600 that were validated"),
    ],
)
def test_input_that_is_edited_in_place_fails_the_job(slow, clock, folder, record, change, reason):
    slow.put([record(number) for number in range(600)])
    arn, path = slow.create(), folder / "s3" / "calls" / "in" / "calls.jsonl"
    clock.move(301)
    assert slow.get(arn)["processedRecordCount"] == 6
    path.write_bytes(b"\n".join(change(path.read_bytes().split(b"\n"))))
    clock.move(100)
    job = slow.finish(arn)
    assert (job["status"], reason in job["message"]) == ("Failed", True)
    assert len(slow.outputs(job)) == job["successRecordCount"] >= 6


def test_a_stopped_job_keeps_what_was_finished(slow, clock):
    arn = slow.create()
    clock.move(325)
    slow.get(arn)
    slow.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert slow.get(arn)["status"] == "Stopping"
    clock.move(30)
    job = slow.get(arn)
    assert (job["status"], job["processedRecordCount"]) == ("Stopped", 25)
    assert len(slow.outputs(job)) == 25
    assert json.loads(slow.read(job, "manifest.json.out"))["totalRecordCount"] == 100


def test_a_job_stopped_before_any_work_leaves_nothing(slow, clock):
    arn = slow.create()
    slow.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(30)
    job = slow.get(arn)
    assert (job["status"], slow.names(job)) == ("Stopped", [])


@pytest.fixture
def answered(jobs_at, record):
    """Jobs of which one has all its records answered and ends with the next request about it; and its ARN."""
    jobs = jobs_at(work_seconds=0)
    jobs.put([record(1)])
    arn = jobs.create()
    while not jobs.get(arn)["processedRecordCount"]:
        pass
    return jobs, arn


def test_a_job_that_is_stopped_at_its_very_end_is_stopped(answered, open_held, folder, clock):
    jobs, arn = answered
    stops = iter([jobs.bedrock.stop_model_invocation_job])

    def now():
        # Whoever is about to end the job has seen no stop when he first looks at the clock.
        next(stops, lambda **_: None)(jobIdentifier=arn)
        return clock()

    late = open_held(folder, now, work_seconds=0).client("bedrock")
    assert late.get_model_invocation_job(jobIdentifier=arn)["status"] == "Stopping"
    assert jobs.finish(arn)["status"] == "Stopped"


def test_an_accepted_stop_stops_a_job_that_was_about_to_end(answered, open_held, folder, clock):
    jobs, arn = answered
    ender = threading.Thread(target=jobs.get, args=[arn])

    def now():
        # Whoever stops the job has seen that it has not ended; its end has to wait for him.
        ender.start()
        ender.join(0.3)
        return clock()

    open_held(folder, now, work_seconds=0).client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    ender.join()
    assert jobs.finish(arn)["status"] == "Stopped"


def test_a_job_that_waits_too_long_expires(jobs_at, clock, record):
    jobs = jobs_at(seconds={"Submitted": 0, "Validating": 0, "Scheduled": 30 * HOUR})
    jobs.put([record(1)])
    arn = jobs.create()
    clock.move(24 * HOUR - 1)
    assert jobs.get(arn)["status"] == "Scheduled"
    clock.move(1)
    job = jobs.get(arn)
    assert (job["status"], jobs.names(job)) == ("Expired", [])
    assert job["endTime"] == job["jobExpirationTime"]


def test_a_job_that_no_request_is_about_expires(jobs_at, clock):
    jobs = jobs_at(seconds={"Submitted": 25 * HOUR})
    arn = jobs.create()
    clock.move(24 * HOUR)
    assert jobs.get(arn)["status"] == "Expired"


@pytest.mark.parametrize(
    ("seconds", "end"), [({"Scheduled": 30 * HOUR}, "Expired"), ({"InProgress": 48 * HOUR}, "PartiallyCompleted")]
)
def test_a_timeout_runs_with_the_factor_of_the_clock(jobs_at, clock, record, seconds, end):
    jobs = jobs_at(seconds={"Submitted": 0, "Validating": 0, "Scheduled": 0} | seconds, speed=60)
    jobs.put([record(number) for number in range(10)])
    arn = jobs.create()
    for _ in range(2):
        assert "endTime" not in jobs.get(arn)
        clock.move(12 * 60)
    job = jobs.get(arn)
    assert (job["status"], job["endTime"]) == (end, job["jobExpirationTime"])


def test_a_stop_takes_as_long_as_the_factor_of_the_clock_makes_it(jobs_at, clock):
    jobs = jobs_at(seconds={"Stopping": 60}, speed=60)
    arn = jobs.create()
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(1)
    assert jobs.get(arn)["status"] == "Stopped"


def test_a_job_that_takes_too_long_is_completed_in_part(jobs_at, clock, record):
    jobs = jobs_at(seconds={"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 96 * HOUR})
    jobs.put([record(number) for number in range(100)])
    arn = jobs.create(timeoutDurationInHours=48)
    clock.move(60 * HOUR)
    job = jobs.finish(arn)
    # The timeout came at half of the time it would have taken.
    assert (job["status"], job["processedRecordCount"], len(jobs.outputs(job))) == ("PartiallyCompleted", 50, 50)


def test_a_job_that_has_begun_does_not_expire_when_settings_change(jobs_at, clock, record):
    jobs = jobs_at(seconds={"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 100})
    jobs.put([record(number) for number in range(10)])
    arn = jobs.create()
    clock.move(50)
    assert jobs.get(arn)["status"] == "InProgress"
    later = jobs_at(seconds={"Scheduled": 30 * HOUR})
    clock.move(24 * HOUR)
    assert later.get(arn)["status"] == "PartiallyCompleted"


def test_records_that_are_marked_as_not_processed_stay_so(jobs_at, clock, record):
    waiting = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 48 * HOUR}
    jobs = jobs_at(seconds=waiting, work_seconds=0, unprocessed_records="expired")
    jobs.put([record(number) for number in range(10)])
    arn = jobs.create()
    while jobs.get(arn)["status"] != "InProgress":
        pass
    clock.move(24 * HOUR)
    # Five records are answered, one to a question, and at least one is marked.
    for _ in range(6):
        jobs.get(arn)
    job = jobs_at(unprocessed_records="expired").get(arn)
    assert (job["status"], job["processedRecordCount"]) == ("PartiallyCompleted", 5)
    assert len(jobs.outputs(job)) == 10


@pytest.mark.parametrize(("least", "speed"), [(10, 2), (50, 1000)])
def test_a_job_lasts_as_long_as_its_records_or_its_status_take(jobs_at, clock, record, least, speed):
    seconds = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": least}
    jobs = jobs_at(seconds=seconds, records_per_second=speed)
    jobs.put([record(number) for number in range(100)])
    arn, counts = jobs.create(), []
    for _ in range(5):
        clock.move(10)
        counts.append(jobs.get(arn)["processedRecordCount"])
    # 100 records at 2 a second take 50 s, more than 10; at 1,000 a second the 50 s of the status are more.
    assert counts == [20, 40, 60, 80, 100]
    assert jobs.get(arn)["status"] == "Completed"


def test_a_status_stays_when_the_clock_is_set_back(slow, clock):
    arn = slow.create()
    clock.move(130)
    assert slow.get(arn)["status"] == "Scheduled"
    clock.move(-100)
    assert slow.get(arn)["status"] == "Scheduled"


def test_a_stopped_job_whose_input_was_edited_ends(jobs_at, clock, record, folder):
    seconds = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 100, "Stopping": 0}
    jobs = jobs_at(seconds=seconds, unprocessed_records="expired")
    jobs.put([record(number) for number in range(10)])
    arn = jobs.create()
    clock.move(50)
    jobs.get(arn)
    (folder / "s3" / "calls" / "in" / "calls.jsonl").write_bytes(b"")
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert jobs.get(arn)["status"] == "Stopped"


def test_a_stopped_job_marks_the_records_that_can_still_be_read(jobs_at, clock, record, folder):
    seconds = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 100, "Stopping": 0}
    jobs = jobs_at(seconds=seconds, unprocessed_records="expired")
    jobs.put([record(number) for number in range(10)])
    arn = jobs.create()
    clock.move(1)
    jobs.get(arn)
    path = folder / "s3" / "calls" / "in" / "calls.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"recordId": "r3"', b'{"recordId": !r3"'))
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    job = jobs.get(arn)
    progress = json.loads((folder / "state" / "jobs" / arn[-12:] / "progress.json").read_bytes())
    assert (job["status"], len(jobs.outputs(job))) == ("Stopped", progress["unprocessed"])


def test_a_laptop_that_was_closed_for_a_week_costs_no_records(slow, clock):
    arn = slow.create()
    clock.move(7 * 24 * HOUR)
    assert slow.finish(arn)["successRecordCount"] == 100


def test_an_output_bucket_that_vanished_fails_the_job(slow, clock):
    slow.s3.create_bucket(Bucket="answers")
    arn = slow.create(outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://answers/out/"}})
    clock.move(330)
    slow.get(arn)
    for found in slow.s3.list_objects_v2(Bucket="answers")["Contents"]:
        slow.s3.delete_object(Bucket="answers", Key=found["Key"])
    slow.s3.delete_bucket(Bucket="answers")
    clock.move(100)
    job = slow.finish(arn)
    assert (job["status"], job["message"][:37]) == ("Failed", "Could not write to s3://answers/out/:")


def test_a_stopped_job_whose_output_bucket_vanished_is_stopped_and_says_so(slow, clock):
    slow.s3.create_bucket(Bucket="answers")
    arn = slow.create(outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://answers/out/"}})
    clock.move(301)
    slow.get(arn)
    for found in slow.s3.list_objects_v2(Bucket="answers")["Contents"]:
        slow.s3.delete_object(Bucket="answers", Key=found["Key"])
    slow.s3.delete_bucket(Bucket="answers")
    slow.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(30)
    job = slow.finish(arn)
    assert (job["status"], job["message"][:37]) == ("Stopped", "Could not write to s3://answers/out/:")


def test_a_request_works_for_a_moment_only(jobs_at, record, folder, clock, monkeypatch):
    jobs, seconds = jobs_at(work_seconds=0.25), [time.monotonic()]

    def ponder(question):
        seconds[0] += 0.1
        return Reply("said", "end", 1, 1)

    ponder.is_quick = True
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    bedrock = open_session(folder, responder=ponder, now=clock).client("bedrock")
    jobs.put([record(number) for number in range(100)])
    # After three answers 0.3 s have passed.
    assert bedrock.get_model_invocation_job(jobIdentifier=jobs.create())["processedRecordCount"] == 3


def test_a_responder_that_fails_is_a_failed_record(folder, jobs, record, clock):
    def fail(question):
        raise ValueError("no idea")

    jobs.put([record(1)])
    arn = jobs.create()
    open_session(folder, responder=fail, now=clock).client("bedrock").get_model_invocation_job(jobIdentifier=arn)
    (output,) = jobs.outputs(jobs.get(arn))
    assert output["error"]["errorCode"] == 424
    assert output["error"]["errorMessage"].startswith("The responder failed: ValueError in fail (test_lifecycle.py, ")


def test_two_processes_share_the_work_and_answer_each_record_once(folder, jobs, record):
    jobs.put([record(number) for number in range(300)])
    arn = jobs.create()
    processes = [start_asking(folder, arn) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    job = jobs.get(arn)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 300)
    assert sorted(output["recordId"] for output in jobs.outputs(job)) == sorted(f"r{n}" for n in range(300))


@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_a_job_continues_after_its_process_was_killed(folder, jobs, record, delay):
    jobs.put([record(number, system="word " * 300) for number in range(400)])
    arn = jobs.create()
    process = start_asking(folder, arn)
    output = folder / "state" / "jobs" / arn[-12:] / "output" / "0.jsonl.out"
    while not output.exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    job = jobs.finish(arn)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 400)
    assert sorted(output["recordId"] for output in jobs.outputs(job)) == sorted(f"r{n}" for n in range(400))


ASK = """
import sys, time
from bedrock_local import open_session
from bedrock_local.inference import Reply

def answer(question):
    time.sleep(0.001)
    return Reply("slowly", "end", 1, 1)

bedrock = open_session(sys.argv[1], responder=answer).client("bedrock")
while "endTime" not in bedrock.get_model_invocation_job(jobIdentifier=sys.argv[2]):
    pass
"""


def start_asking(folder, arn):
    return subprocess.Popen([sys.executable, "-c", ASK, str(folder), arn])


@pytest.mark.parametrize("name", ["job.json", "progress.json"])
def test_a_job_whose_state_cannot_be_read_does_not_stop_others(jobs_at, folder, name):
    jobs = jobs_at(max_unfinished_jobs=2, seconds={"Submitted": 60, "Stopping": 0}, over_quota="queue")
    broken, sound, queued = [jobs.create(jobName=f"job-{number}") for number in range(3)]
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=sound)
    read_job.cache_clear()
    (folder / "state" / "jobs" / broken[-12:] / name).write_bytes(b"")
    assert jobs.get(queued)["status"] == "Submitted"
    listed = jobs.bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    assert {job["jobArn"]: job["status"] for job in listed} == {sound: "Stopped", queued: "Submitted"}
    with pytest.raises(StateError, match=f"{name} cannot be read"):
        jobs.get(broken)


@pytest.mark.parametrize(("is_stopped", "lines"), [(False, 100), (True, 25)])
def test_what_an_interrupted_process_wrote_too_much_is_truncated(slow, clock, folder, is_stopped, lines):
    arn = slow.create()
    clock.move(325)
    slow.get(arn)
    with (folder / "state" / "jobs" / arn[-12:] / "output" / "0.jsonl.out").open("ab") as output:
        output.write(b'{"half a li')
    # What is gone from the bucket comes back at the end, out of that file.
    slow.s3.delete_object(Bucket="calls", Key=f"out/{arn[-12:]}/calls.jsonl.out")
    if is_stopped:
        slow.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(100)
    content = slow.read(slow.finish(arn))
    assert (content.count(b"\n"), content[-2:]) == (lines, b"}\n")


def test_a_job_that_has_ended_keeps_no_second_copy_of_what_it_read_and_wrote(jobs, folder, record):
    arn = jobs.run([record(1)])["jobArn"]
    assert [path for path in (folder / "state" / "jobs" / arn[-12:]).iterdir() if path.is_dir()] == []
    assert list((folder / "state" / "tmp").iterdir()) == []


def test_files_of_an_ended_job_may_be_deleted_by_several_processes_at_once(tmp_path):
    folders = [tmp_path / f"{number}" for number in range(200)]
    for folder in folders:
        folder.mkdir()
        (folder / "left").touch()

    def delete(folder):
        for path in list_left(folder):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(delete, [folder for folder in folders for _ in range(8)])) == [None] * 1_600
