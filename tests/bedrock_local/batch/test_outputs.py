from __future__ import annotations

import hashlib
import json
import os
from itertools import pairwise

import pytest

HOUR = 3600


@pytest.fixture
def running(jobs_at, record):
    """Make jobs of 100 records that take a second of InProgress each, after no wait; settings may differ."""

    def make(**settings):
        seconds = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 100}
        made = jobs_at(**{"seconds": seconds} | settings)
        made.put([record(number) for number in range(100)])
        return made

    return make


def test_outputs_grow_while_a_job_runs_and_published_bytes_stay(running, clock):
    jobs, seen = running(), []
    arn = jobs.create()
    for seconds in (30, 30, 30, 10):
        clock.move(seconds)
        seen.append(jobs.read(jobs.get(arn)))
    assert [content.count(b"\n") for content in seen] == [30, 60, 90, 100]
    assert all(later.startswith(earlier) and earlier.endswith(b"}\n") for earlier, later in pairwise(seen))


def test_the_manifest_of_a_job_that_runs_counts_what_is_done(running, clock):
    jobs = running()
    arn = jobs.create()
    clock.move(40)
    manifest = json.loads(jobs.read(jobs.get(arn), "manifest.json.out"))
    assert (manifest["totalRecordCount"], manifest["processedRecordCount"]) == (100, 40)


def test_nothing_is_published_before_a_job_runs(running, clock):
    jobs = running(seconds={"Submitted": 0, "Validating": 0, "Scheduled": 10})
    arn = jobs.create()
    job = jobs.get(arn)
    assert (job["status"], jobs.names(job)) == ("Scheduled", [])


def test_a_growing_object_has_its_length_and_another_etag_each_time(running, clock):
    jobs = running()
    arn, tags = jobs.create(), []
    for _ in range(2):
        clock.move(30)
        jobs.get(arn)
        head = jobs.s3.head_object(Bucket="calls", Key=f"out/{arn[-12:]}/calls.jsonl.out")
        tags.append(head["ETag"])
        assert head["ContentLength"] == len(jobs.read({"jobArn": arn}))
    assert len(set(tags)) == 2
    # As of an object that was uploaded in parts: to work out the MD5 of a long one again and again takes too long.
    assert all(tag.endswith('-1"') for tag in tags)


def test_a_growing_object_has_one_etag_for_one_content(running, clock, folder):
    jobs = running()
    arn = jobs.create()
    clock.move(30)
    jobs.get(arn)
    key = f"out/{arn[-12:]}/calls.jsonl.out"
    before = jobs.s3.head_object(Bucket="calls", Key=key)
    # As far as a process has come that dies, or is not done yet, between the bytes and what is said of them.
    with (folder / "s3" / "calls" / key).open("ab") as output:
        output.write(b"{half a li")
    after = jobs.s3.get_object(Bucket="calls", Key=key)
    assert (after["ETag"], after["ContentLength"]) == (before["ETag"], before["ContentLength"])
    assert len(after["Body"].read()) == before["ContentLength"]


def test_an_output_has_the_same_etag_when_its_job_has_ended(running, clock):
    jobs = running(seconds={"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 100, "Stopping": 10})
    arn, heads = jobs.create(), []
    clock.move(30)
    for status in ("InProgress", "Stopping", "Stopped"):
        assert jobs.get(arn)["status"] == status
        heads.append(jobs.s3.head_object(Bucket="calls", Key=f"out/{arn[-12:]}/calls.jsonl.out"))
        if status == "InProgress":
            jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
        else:
            clock.move(10)
    assert len({(head["ETag"], head["LastModified"]) for head in heads}) == 1


def test_an_output_of_a_job_that_has_ended_is_a_file_like_others(running, clock, folder):
    jobs = running()
    arn = jobs.create()
    clock.move(50)
    jobs.get(arn)
    clock.move(50)
    before = jobs.read(jobs.finish(arn))
    with (folder / "s3" / "calls" / "out" / arn[-12:] / "calls.jsonl.out").open("ab") as output:
        output.write(b"by hand")
    assert jobs.read({"jobArn": arn}) == before + b"by hand"


def test_manifests_of_the_same_length_have_their_own_etags(running, clock):
    jobs = running()
    arn, tags = jobs.create(), []
    for _ in range(5):
        clock.move(11)
        jobs.get(arn)
        tags.append(jobs.s3.head_object(Bucket="calls", Key=f"out/{arn[-12:]}/manifest.json.out")["ETag"])
    assert len(set(tags)) == 5


def test_a_growing_object_that_was_deleted_comes_back_at_the_end(running, clock):
    jobs = running()
    arn = jobs.create()
    clock.move(30)
    jobs.get(arn)
    jobs.s3.delete_object(Bucket="calls", Key=f"out/{arn[-12:]}/calls.jsonl.out")
    clock.move(30)
    assert jobs.names(jobs.get(arn)) == ["manifest.json.out"]
    clock.move(40)
    assert len(jobs.outputs(jobs.finish(arn))) == 100


def test_an_object_that_a_user_put_over_a_growing_one_is_left_alone(running, clock):
    jobs = running()
    arn = jobs.create()
    clock.move(30)
    jobs.get(arn)
    where = {"Bucket": "calls", "Key": f"out/{arn[-12:]}/calls.jsonl.out"}
    etag = jobs.s3.put_object(**where, Body=b"mine", Metadata={"by": "hand"})["ETag"]
    clock.move(30)
    jobs.get(arn)
    found = jobs.s3.get_object(**where)
    assert (found["Body"].read(), found["Metadata"], found["ETag"]) == (b"mine", {"by": "hand"}, etag)


def test_the_end_of_a_job_replaces_what_a_user_put_there_even_of_the_same_length(running, clock):
    jobs = running()
    first, arn = jobs.create(jobName="first"), jobs.create(jobName="second")
    clock.move(100)
    whole = jobs.read(jobs.finish(first))
    clock.move(-70)
    jobs.get(arn)
    jobs.s3.put_object(Bucket="calls", Key=f"out/{arn[-12:]}/calls.jsonl.out", Body=b"x" * len(whole))
    clock.move(100)
    assert jobs.read(jobs.finish(arn)) == whole


def test_an_object_that_a_dying_process_published_in_part_is_whole_at_the_end(jobs_at, record, folder):
    jobs = jobs_at(work_seconds=0)
    jobs.put([record(1)])
    arn = jobs.create()
    while not jobs.get(arn)["processedRecordCount"]:
        pass
    os.truncate(folder / f"s3/calls/out/{arn[-12:]}/calls.jsonl.out", 10)
    assert len(jobs.outputs(jobs.finish(arn))) == 1


def test_a_copy_of_a_growing_object_does_not_grow(running, clock):
    jobs = running()
    arn = jobs.create()
    clock.move(30)
    source = {"Bucket": "calls", "Key": f"out/{arn[-12:]}/calls.jsonl.out"}
    before = jobs.read(jobs.get(arn))
    jobs.s3.copy_object(Bucket="calls", Key="copy", CopySource=source)
    clock.move(30)
    jobs.get(arn)
    assert jobs.s3.get_object(Bucket="calls", Key="copy")["Body"].read() == before


@pytest.mark.parametrize(("unprocessed", "lines"), [("absent", 30), ("expired", 100)])
def test_a_stopped_job_has_no_lines_for_the_rest_or_marks_them_as_expired(running, clock, unprocessed, lines):
    jobs = running(unprocessed_records=unprocessed)
    arn = jobs.create()
    clock.move(30)
    jobs.get(arn)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(60)
    job = jobs.finish(arn)
    outputs = jobs.outputs(job)
    assert (job["status"], job["processedRecordCount"], len(outputs)) == ("Stopped", 30, lines)
    assert sum("modelOutput" in output for output in outputs) == 30
    assert len({output["recordId"] for output in outputs}) == lines


def test_an_unprocessed_record_has_an_error_that_says_so(running, clock):
    seconds = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 48 * HOUR}
    jobs = running(unprocessed_records="expired", seconds=seconds)
    arn = jobs.create()
    clock.move(24 * HOUR)
    job = jobs.finish(arn)
    expired = [output["error"] for output in jobs.outputs(job) if "error" in output]
    # The timeout of 24 h came at half of the 48 h that it would have taken.
    assert (job["status"], job["processedRecordCount"], len(expired)) == ("PartiallyCompleted", 50, 50)
    reason = "The job timed out before the record was processed"
    assert expired[0] == {"errorCode": 408, "errorMessage": reason, "expired": True}


def test_many_unprocessed_records_are_marked_by_several_requests(jobs_at, record, clock):
    seconds = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 700, "Stopping": 0}
    jobs = jobs_at(unprocessed_records="expired", work_seconds=0, seconds=seconds)
    jobs.put([record(number) for number in range(20)])
    arn, statuses = jobs.create(), []
    while jobs.get(arn)["status"] != "InProgress":
        pass
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    while "endTime" not in (job := jobs.get(arn)):
        statuses.append(job["status"])
    assert (set(statuses), len(statuses)) == ({"Stopping"}, 20)
    assert len(jobs.outputs(job)) == 20


def test_many_outputs_are_published_by_several_requests(jobs_at, record):
    jobs = jobs_at(work_seconds=0)
    for number in range(20):
        jobs.put([record(number)], f"in/{number}.jsonl")
    arn, seen = jobs.create(), []
    while "endTime" not in (job := jobs.get(arn)):
        seen.append((job["status"], job["processedRecordCount"]))
    assert seen.count(("Validating", 0)) >= 20
    assert seen.count(("InProgress", 20)) >= 19
    assert len(jobs.names(job)) == 21


def test_every_input_file_has_an_output_when_a_job_is_completed(jobs, record):
    jobs.put([], "in/empty.jsonl")
    jobs.put([record(1)], "in/full.jsonl")
    job = jobs.finish(jobs.create())
    assert jobs.names(job) == ["empty.jsonl.out", "full.jsonl.out", "manifest.json.out"]


def test_files_are_answered_side_by_side(running, record, clock):
    jobs = running()
    jobs.put([record(number) for number in range(100, 200)], "in/deep/more.jsonl")
    arn = jobs.create()
    clock.move(50)
    job = jobs.get(arn)
    assert len(jobs.outputs(job)) + len(jobs.outputs(job, "deep/more.jsonl.out")) == 100


def test_outputs_are_under_the_key_that_the_job_names(jobs, record):
    key = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    config = {"s3OutputDataConfig": {"s3Uri": "s3://calls/out/", "s3EncryptionKeyId": key}}
    job = jobs.run([record(1)], outputDataConfig=config)
    for name in jobs.names(job):
        got = jobs.s3.get_object(Bucket="calls", Key=f"out/{job['jobArn'][-12:]}/{name}")
        assert (got["ServerSideEncryption"], got["SSEKMSKeyId"]) == ("aws:kms", key)
        content = got["Body"].read()
        assert got["ETag"] != f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
