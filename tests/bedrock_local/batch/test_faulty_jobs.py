"""Jobs with faults: their outputs, and how they end."""

from __future__ import annotations

import json

import pytest

from bedrock_local.faults import ERROR_CODES


@pytest.fixture
def run_with(jobs_at, record):
    """Run a job of 20 records in a folder with faults."""

    def run(records=20, **faults):
        seed = faults.pop("seed", 0)
        named = {name.replace("_", "-"): rate for name, rate in faults.items()}
        jobs = jobs_at(faults=named, seed=seed)
        return jobs, jobs.run([record(number) for number in range(records)])

    return run


def counts(job):
    return [job[f"{name}RecordCount"] for name in ("total", "processed", "success", "error")]


@pytest.mark.parametrize("code", ERROR_CODES)
def test_an_error_takes_the_place_of_each_answer(run_with, code):
    jobs, job = run_with(**{f"record-{code}": 1})
    assert (job["status"], counts(job)) == ("Completed", [20, 20, 0, 20])
    assert {line["error"]["errorCode"] for line in jobs.outputs(job)} == {code}


def test_some_records_fail_and_the_same_ones_with_the_same_seed(run_with):
    jobs, job = run_with(records=200, record_429=0.5, seed=7)
    failed = {line["recordId"] for line in jobs.outputs(job) if "error" in line}
    again = jobs.finish(jobs.create(jobName="summaries-2"))
    assert {line["recordId"] for line in jobs.outputs(again) if "error" in line} == failed
    assert 70 <= len(failed) <= 130  # 100 of 200, 4.2 standard deviations
    assert counts(job) == [200, 200, 200 - len(failed), len(failed)]


@pytest.mark.parametrize(("fault", "stop"), [("record-truncated", "max_tokens"), ("record-filtered", "refusal")])
def test_an_answer_is_cut_or_refused(run_with, fault, stop):
    jobs, job = run_with(**{fault: 1})
    assert {line["modelOutput"]["stop_reason"] for line in jobs.outputs(job)} == {stop}


def test_lost_records_are_counted_and_missing(run_with):
    jobs, job = run_with(record_lost=1)
    assert (counts(job), jobs.outputs(job)) == ([20, 20, 20, 0], [])


def test_repeated_records_are_in_the_output_twice(run_with):
    jobs, job = run_with(record_repeated=1)
    ids = sorted(line["recordId"] for line in jobs.outputs(job))
    assert ids == sorted(2 * [f"r{number}" for number in range(20)])
    assert counts(job) == [20, 20, 20, 0]


@pytest.mark.parametrize("fault", ["line-unreadable", "line-cut"])
def test_damaged_lines_are_not_json_and_stay_lines(run_with, fault):
    jobs, job = run_with(**{fault: 1})
    lines = jobs.read(job).split(b"\n")
    assert (len(lines), lines[-1]) == (21, b"")
    for line in lines[:-1]:
        with pytest.raises(json.JSONDecodeError):
            json.loads(line.decode(errors="replace"))


@pytest.mark.parametrize(
    ("fault", "end", "message"),
    [("job-failed", "Failed", "internal error"), ("job-partial", "PartiallyCompleted", "timed out before all")],
)
def test_a_job_ends_half_way(run_with, fault, end, message):
    jobs, job = run_with(**{fault: 1})
    assert (job["status"], counts(job)) == (end, [20, 10, 10, 0])
    assert message in job["message"]
    assert len(jobs.outputs(job)) == 10


def test_a_fault_stops_a_job_half_way(run_with):
    jobs, job = run_with(job_stopped=1)
    assert (job["status"], counts(job), len(jobs.outputs(job))) == ("Stopped", [20, 10, 10, 0], 10)


def test_a_job_expires_before_it_begins(run_with):
    jobs, job = run_with(job_expired=1)
    assert (job["status"], jobs.names(job)) == ("Expired", [])
    assert job["message"] == "The job timed out before it began"


def test_a_job_that_expires_by_a_fault_was_scheduled(jobs_at, record, clock):
    waits = {"Submitted": 1, "Validating": 1, "Scheduled": 1, "InProgress": 1}
    jobs, seen = jobs_at(faults={"job-expired": 1}, seconds=waits), []
    jobs.put([record(1)])
    arn = jobs.create()
    for _ in range(4):
        seen.append(jobs.get(arn)["status"])
        clock.move(1)
    assert seen == ["Submitted", "Validating", "Scheduled", "Expired"]


def test_a_job_that_has_begun_does_not_expire_by_a_fault_that_comes_later(jobs_at, record, clock):
    waits = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 10}
    jobs = jobs_at(seconds=waits)
    jobs.put([record(number) for number in range(10)])
    arn = jobs.create()
    clock.move(1)
    assert jobs.get(arn)["status"] == "InProgress"
    later = jobs_at(seconds=waits, faults={"job-expired": 1})
    clock.move(9)
    assert later.finish(arn)["status"] == "Completed"


def test_the_records_that_a_partial_job_left_can_be_marked(jobs_at, record):
    jobs = jobs_at(faults={"job-partial": 1}, unprocessed_records="expired")
    job = jobs.run([record(number) for number in range(20)])
    expired = [line for line in jobs.outputs(job) if line.get("error", {}).get("expired")]
    assert (len(expired), counts(job)) == (10, [20, 10, 10, 0])


def test_a_slow_job_waits_ten_times_as_long(jobs_at, record, clock):
    waits = {"Submitted": 1, "Validating": 1, "Scheduled": 1, "InProgress": 0, "Stopping": 0}
    jobs = jobs_at(faults={"job-slow": 1}, seconds=waits)
    jobs.put([record(1)])
    arn = jobs.create()
    jobs.get(arn)
    clock.move(29.9)
    assert jobs.get(arn)["status"] == "Scheduled"
    clock.move(0.2)
    assert jobs.finish(arn)["status"] == "Completed"


def test_a_manifest_is_missing(run_with):
    jobs, job = run_with(manifest_missing=1)
    assert jobs.names(job) == ["calls.jsonl.out"]


def test_a_manifest_disagrees_with_the_lines(run_with):
    jobs, job = run_with(manifest_wrong=1)
    manifest = json.loads(jobs.read(job, "manifest.json.out"))
    assert (manifest["totalRecordCount"], counts(job)[0], len(jobs.outputs(job))) == (18, 20, 20)


def test_a_manifest_has_undocumented_keys(run_with):
    jobs, job = run_with(manifest_unknown_keys=1)
    manifest = json.loads(jobs.read(job, "manifest.json.out"))
    assert manifest["totalRecordCount"] == 20
    assert None in manifest.values()
