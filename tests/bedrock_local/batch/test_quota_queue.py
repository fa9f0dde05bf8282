from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace

from bedrock_local import open_session
from bedrock_local.batch.jobs import list_queue, list_unfinished, lock_job, marker_path, read_job, save_job
from bedrock_local.batch.quota_queue import list_due, lock_slots
from bedrock_local.settings import read_settings

NOVA = "amazon.nova-lite-v1:0"
HOUR = 3600
WAITING = {"Submitted": 10, "Validating": 10, "Scheduled": 10, "InProgress": 70, "Stopping": 0}


@pytest.fixture
def few(jobs_at, record):
    """Jobs of 100 seconds, of which two may be under way."""

    def make(**settings):
        made = jobs_at(**{"max_unfinished_jobs": 2, "seconds": WAITING} | settings)
        made.put([record(number) for number in range(10)])
        return made

    return make


def create_all(jobs, count):
    return [jobs.create(jobName=f"job-{number}") for number in range(count)]


def statuses(jobs, arns):
    return [jobs.get(arn)["status"] for arn in arns]


def test_a_job_beyond_the_quota_is_refused_and_the_quota_is_named(few, error_of, request_of):
    jobs = few()
    create_all(jobs, 2)
    code, status, message = error_of(jobs.bedrock.create_model_invocation_job, **request_of(jobName="third"))
    assert (code, status) == ("ServiceQuotaExceededException", 400)
    name = "Sum of in-progress and submitted batch inference jobs using a base model"
    assert f"{name} for anthropic.claude-haiku-4-5-20251001-v1:0 in us-east-1: 2." in message


def test_profiles_and_ids_of_a_model_share_its_quota(few, error_of, request_of):
    jobs = few()
    create_all(jobs, 2)
    request = request_of(jobName="third", modelId="global.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert error_of(jobs.bedrock.create_model_invocation_job, **request)[0] == "ServiceQuotaExceededException"


def test_each_model_and_each_region_has_its_own_quota(few, folder, clock, request_of):
    jobs = few()
    create_all(jobs, 2)
    elsewhere = open_session(folder, region_name="eu-west-1", now=clock).client("bedrock")
    assert jobs.create(jobName="third", modelId=NOVA)
    assert elsewhere.create_model_invocation_job(**request_of(jobName="third"))["jobArn"]


def test_a_job_that_has_ended_frees_its_slot(few, clock):
    jobs = few()
    first, _ = create_all(jobs, 2)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=first)
    assert jobs.get(first)["status"] == "Stopped"
    assert jobs.create(jobName="third")


def test_jobs_whose_time_is_over_free_their_slots_without_a_request(few, clock):
    jobs = few()
    create_all(jobs, 2)
    clock.move(100)
    assert jobs.create(jobName="third")


def test_the_same_token_does_not_count_as_a_further_job(few):
    jobs = few()
    arns = {jobs.create(jobName="one", clientRequestToken="run-7") for _ in range(3)}
    assert len(arns) == 1
    assert jobs.create(jobName="two")


def test_a_queued_job_is_submitted_until_it_gets_its_slot(few, clock):
    jobs = few(over_quota="queue")
    arns = create_all(jobs, 3)
    clock.move(35)
    assert statuses(jobs, arns) == ["InProgress", "InProgress", "Submitted"]
    clock.move(65)
    assert statuses(jobs, arns) == ["Completed", "Completed", "Submitted"]


def test_the_clock_of_a_queued_job_begins_with_its_slot(few, clock):
    jobs = few(over_quota="queue")
    arns = create_all(jobs, 3)
    clock.move(100)
    statuses(jobs, arns)
    seen = []
    for _ in range(4):
        seen.append(jobs.get(arns[2])["status"])
        clock.move(10)
    assert seen == ["Submitted", "Validating", "Scheduled", "InProgress"]


def test_queued_jobs_come_in_their_order(few, clock):
    jobs = few(over_quota="queue", max_unfinished_jobs=1)
    arns = []
    for number in range(3):
        arns.append(jobs.create(jobName=f"job-{number}"))
        clock.move(1)
    clock.move(100)
    jobs.get(arns[2])
    clock.move(15)
    assert statuses(jobs, arns) == ["Completed", "Validating", "Submitted"]


def test_no_job_overtakes_one_whose_lock_another_process_holds(few, folder, clock):
    jobs = few(over_quota="queue", max_unfinished_jobs=1)
    first, second, third = create_all(jobs, 3)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=first)
    with lock_job(folder, read_job(str(folder), second[-12:])):
        jobs.get(third)
    clock.move(15)
    assert statuses(jobs, [first, third]) == ["Stopped", "Submitted"]


def test_a_new_job_does_not_overtake_one_that_waits(few, clock):
    jobs = few(over_quota="queue", max_unfinished_jobs=1)
    first, _ = create_all(jobs, 2)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=first)
    jobs.get(first)
    third = jobs.create(jobName="third")
    clock.move(15)
    assert jobs.get(third)["status"] == "Submitted"


def test_no_job_gets_a_slot_while_one_is_created(few, folder):
    jobs = few(over_quota="queue", max_unfinished_jobs=1)
    first, second = create_all(jobs, 2)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=first)
    thread = threading.Thread(target=jobs.get, args=[second])
    with lock_slots(folder):
        thread.start()
        thread.join(0.3)
        assert list_queue(folder, "queued") == [second[-12:]]
    thread.join()
    assert list_queue(folder, "running") == [second[-12:]]


def test_a_request_about_the_last_of_a_queue_advances_all_of_it(few, clock):
    jobs = few(over_quota="queue", max_unfinished_jobs=1)
    arns = create_all(jobs, 4)
    for _ in range(100):
        if jobs.get(arns[-1])["status"] == "Completed":
            break
        clock.move(10)
    assert statuses(jobs, arns) == ["Completed"] * 4


@pytest.mark.parametrize("speed", [1, 60])
def test_a_queued_job_expires_at_its_timeout(few, clock, speed):
    jobs = few(over_quota="queue", max_unfinished_jobs=0, speed=speed)
    arn = jobs.create()
    clock.move(24 * HOUR / speed - 1)
    assert jobs.get(arn)["status"] == "Submitted"
    clock.move(1)
    assert jobs.get(arn)["status"] == "Expired"


def test_the_timeout_of_a_queued_job_counts_from_its_submission(few, clock):
    jobs = few(over_quota="queue", max_unfinished_jobs=1, seconds=WAITING | {"Scheduled": 0, "InProgress": 48 * HOUR})
    first, second = create_all(jobs, 2)
    clock.move(12 * HOUR)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=first)
    assert jobs.get(second)["status"] == "Submitted"
    clock.move(12 * HOUR)
    job = jobs.get(second)
    # 12 of the 48 hours that the ten records would take, less the 20 seconds before they begin.
    assert (job["status"], job["processedRecordCount"]) == ("PartiallyCompleted", 2)
    assert job["endTime"] == job["jobExpirationTime"]


def test_a_queued_job_can_be_stopped(few):
    jobs = few(over_quota="queue")
    *_, last = create_all(jobs, 3)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=last)
    assert jobs.get(last)["status"] == "Stopped"


def test_of_a_queue_only_jobs_that_can_advance_are_due(few, folder, clock):
    jobs = few(over_quota="queue", seconds=WAITING | {"Submitted": 60 * HOUR})
    hours = [24, 24, 24, 48, 48, 48]
    arns = [jobs.create(jobName=f"job-{number}", timeoutDurationInHours=hours[number]) for number in range(6)]
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arns[4])
    settings = read_settings(folder)
    due = [[job.arn for job in list_due(folder, settings, clock() + seconds)] for seconds in (0, 24 * HOUR)]
    assert due == [[*arns[:2], arns[4]], [*arns[:3], arns[4]]]


def test_the_first_of_a_queue_is_due_when_a_slot_is_free(few, folder, clock):
    jobs = few(over_quota="queue", max_unfinished_jobs=1)
    arns = create_all(jobs, 3)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arns[0])
    jobs.get(arns[0])
    assert [job.arn for job in list_due(folder, read_settings(folder), clock())] == [arns[1]]


def test_a_job_that_just_gets_its_slot_is_on_the_list(few, folder):
    few().create()
    (job,) = list_unfinished(folder)
    waiting = [replace(job, job_id=f"{number:012}", number=number, is_queued=True) for number in range(1, 500)]
    for each in waiting:
        save_job(folder, each)
    moves = [(marker_path(folder, "queued", each), marker_path(folder, "running", each)) for each in waiting]
    mover = threading.Thread(target=lambda: [queued.replace(running) for queued, running in moves])
    mover.start()
    while mover.is_alive():
        assert len(list_unfinished(folder)) == 500
    mover.join()
