from __future__ import annotations

import json
import os

import pytest

KEY = "in/calls.jsonl"
DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json\n", "line 2: not a JSON object"),
        (b"[1, 2]\n", "line 2: "),
        (b'{"recordId": "a"}\n', "line 2: Object missing required field `modelInput`"),
        (b'{"modelInput": [1]}\n', "line 2: modelInput is not a JSON object"),
        (b'{"modelInput": null}\n', "line 2: modelInput is not a JSON object"),
        (b'{"modelInput": {}, "recordId": 7}\n', "line 2: "),
        (b'{"modelInput": {"a": NaN}}\n', "line 2: not a JSON object"),
        (b'{"modelInput": {}} {}\n', "line 2: not a JSON object"),
        (b'{"modelInput": {"a": "\xff"}}\n', "line 2: 'utf-8' codec can't decode byte 0xff"),
        (b"\xef\xbb\xbf{}\n", "line 2: not a JSON object"),
        (b'{"modelInput": {"a": ' + DEEP + b"}}\n", "line 2: modelInput is nested too deeply"),
        (b'{"recordId": "\\ud800", "modelInput": {"a": ' + DEEP + b"}}\n", "line 2: modelInput is nested too deeply"),
    ],
)
def test_a_line_without_the_outer_form_fails_the_job(jobs, record, line, reason):
    job = jobs.run([record(1), line, record(2)])
    assert (job["status"], job["totalRecordCount"]) == ("Failed", 0)
    assert job["message"].startswith(f"Input file {KEY}, {reason}")
    assert jobs.names(job) == []


@pytest.mark.parametrize("input_check", ["validation", "create"])
def test_a_line_longer_than_any_model_takes_names_the_limit(jobs_at, record, input_check):
    jobs = jobs_at(input_check=input_check)
    jobs.put([record(1), record(2, system="x" * 25_000_000)])
    message = "Input file in/calls.jsonl, line 2: the limit of a line is 25000000 bytes"
    if input_check == "validation":
        assert jobs.finish(jobs.create())["message"] == message
    else:
        with pytest.raises(jobs.bedrock.exceptions.ValidationException, match=message):
            jobs.create()


def test_the_content_of_the_model_input_is_not_validated(jobs):
    assert jobs.run([{"modelInput": {"anything": [1, None]}, "more": True}])["status"] == "Completed"


def test_blank_lines_are_not_records(jobs, record):
    blanks = [[b"\n", record(number), b"  \r\n"] for number in range(20)]
    job = jobs.run([*(line for lines in blanks for line in lines), json.dumps(record(20)).encode()])
    assert (job["status"], job["totalRecordCount"]) == ("Completed", 21)
    assert {output["recordId"] for output in jobs.outputs(job)} == {f"r{number}" for number in range(21)}


@pytest.mark.parametrize("lines", [[], [b"\n"]])
def test_a_job_needs_a_record(jobs, lines):
    job = jobs.run(lines)
    assert (job["status"], "has 0 records" in job["message"]) == ("Failed", True)


def test_a_job_needs_a_hundred_records_by_default(jobs_at, record):
    jobs = jobs_at(min_records=100)
    job = jobs.run([record(number) for number in range(99)])
    assert job["status"] == "Failed"
    assert job["message"].endswith("has 99 records; the minimum number of records per batch inference job is 100")


def test_the_records_of_all_files_count_together(jobs_at, record):
    jobs = jobs_at(min_records=100)
    for name, start in (("a", 0), ("b", 50)):
        jobs.put([record(start + number) for number in range(50)], f"in/{name}.jsonl")
    assert jobs.finish(jobs.create())["status"] == "Completed"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_file_records": 2}, f"Input file {KEY}, line 3: the limit of a file is 2 records"),
        ({"max_job_records": 2}, "has 3 records; the limit of a job is 2 records"),
        ({"max_file_bytes": 10}, "bytes; the limit of a file is 10 bytes"),
        ({"max_job_bytes": 10}, "bytes together; the limit of a job is 10 bytes"),
    ],
)
def test_too_much_fails_the_job_and_names_the_limit(jobs_at, record, limits, message):
    job = jobs_at(**limits).run([record(1), record(2), record(3)])
    assert (job["status"], job["message"].endswith(message)) == ("Failed", True)


def test_a_job_may_be_as_large_as_its_limits(jobs_at, record):
    jobs_at().put([record(1), b"\n", record(2)])
    size = jobs_at().s3.head_object(Bucket="calls", Key=KEY)["ContentLength"]
    limits = {"min_records": 2, "max_file_records": 2, "max_job_records": 2, "max_file_bytes": size}
    jobs = jobs_at(**limits, max_job_bytes=size)
    assert jobs.finish(jobs.create())["status"] == "Completed"


@pytest.mark.parametrize("uri", ["s3://calls/nothing/", "s3://calls/in/calls.json", "s3://calls/other"])
def test_an_address_without_input_fails_the_job(jobs, record, uri):
    jobs.put([record(1)], "in/calls.json")
    job = jobs.finish(jobs.create(inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}}))
    assert (job["status"], job["message"]) == ("Failed", f"No .jsonl file was found at {uri}")


@pytest.mark.parametrize("which", ["input", "output"])
def test_a_bucket_that_does_not_exist_fails_the_job(jobs, record, which):
    jobs.put([record(1)])
    config = {f"s3{which.title()}DataConfig": {"s3Uri": "s3://elsewhere/x/"}}
    job = jobs.finish(jobs.create(**{f"{which}DataConfig": config}))
    assert job["status"] == "Failed"
    assert "s3://elsewhere/x/" in job["message"]


@pytest.mark.parametrize(("which", "action"), [("input", "GetObject"), ("output", "PutObject")])
def test_a_bucket_of_another_account_cannot_be_reached(jobs, record, which, action):
    jobs.put([record(1)])
    config = {f"s3{which.title()}DataConfig": {"s3Uri": "s3://calls/in/", "s3BucketOwner": "210987654321"}}
    job = jobs.finish(jobs.create(**{f"{which}DataConfig": config}))
    assert job["status"] == "Failed"
    begin = f"Could not validate {action} permissions to access Amazon S3 bucket: calls at key in/."
    assert job["message"] == f"{begin} s3://calls/in/: the bucket does not belong to account 210987654321"


@pytest.mark.parametrize(("which", "action"), [("input", "GetObject"), ("output", "PutObject")])
def test_a_bucket_of_another_region_cannot_be_used(jobs, record, which, action):
    jobs.put([record(1)])
    place = {"LocationConstraint": "eu-west-1"}
    jobs.s3.create_bucket(Bucket="calls-eu", CreateBucketConfiguration=place)
    config = {f"s3{which.title()}DataConfig": {"s3Uri": "s3://calls-eu/in/"}}
    job = jobs.finish(jobs.create(**{f"{which}DataConfig": config}))
    assert job["status"] == "Failed"
    begin = f"Could not validate {action} permissions to access Amazon S3 bucket: calls-eu at key in/."
    assert job["message"] == f"{begin} s3://calls-eu/in/: the bucket is in eu-west-1, and the job in us-east-1"


def test_the_account_itself_may_be_named_as_the_owner(jobs, record):
    jobs.put([record(1)])
    config = {"s3Uri": "s3://calls/in/", "s3BucketOwner": "123456789012"}
    assert jobs.finish(jobs.create(inputDataConfig={"s3InputDataConfig": config}))["status"] == "Completed"


def test_a_file_that_does_not_exist_fails_the_job(jobs, record):
    jobs.put([record(1)])
    job = jobs.finish(jobs.create(inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://calls/in/call.jsonl"}}))
    begin = "Could not validate GetObject permissions to access Amazon S3 bucket: calls at key in/call.jsonl."
    assert job["message"] == f"{begin} s3://calls/in/call.jsonl: the object does not exist"


def test_a_message_is_never_longer_than_its_shape_allows(jobs, folder):
    place = "/".join(["x" * 150] * 6)
    # A pipe is no object: its name is there, and nobody can read it. The message names address and key.
    (folder / "s3/calls" / place).mkdir(parents=True)
    os.mkfifo(folder / "s3/calls" / place / "pipe.jsonl")
    config = {"s3InputDataConfig": {"s3Uri": f"s3://calls/{place}/"}}
    message = jobs.finish(jobs.create(inputDataConfig=config))["message"]
    assert (len(message), message[:35]) == (2048, "Could not validate GetObject permis")


def test_a_message_keeps_its_reason_however_long_the_address_is(jobs):
    uri = "s3://calls/" + "/".join(["x" * 200] * 5)
    message = jobs.finish(jobs.create(inputDataConfig={"s3InputDataConfig": {"s3Uri": f"{uri}.jsonl"}}))["message"]
    assert message.endswith(": the object does not exist")


def test_a_long_validation_continues_where_it_was(jobs_at, record):
    jobs = jobs_at(work_seconds=0)
    jobs.put([record(number) for number in range(30)])
    arn, statuses = jobs.create(), []
    while "endTime" not in (job := jobs.get(arn)):
        statuses.append(job["status"])
    assert statuses.count("Validating") > 20
    assert (job["status"], job["successRecordCount"]) == ("Completed", 30)


def test_input_that_was_put_by_hand_is_not_read_before_its_lines_are(jobs_at, folder):
    most = 10**11
    jobs = jobs_at(max_file_bytes=most, max_job_bytes=most)
    jobs.put([b"no record\n"])
    with (folder / "s3" / "calls" / "in" / "calls.jsonl").open("r+b") as lines:
        # Nothing but a hole, which takes no room, and minutes to read.
        lines.truncate(most)
    job = jobs.finish(jobs.create())
    assert job["message"].startswith("Input file in/calls.jsonl, line 1: not a JSON object")


def test_a_key_that_is_no_folder_may_be_the_beginning_of_keys(jobs_at, record):
    for key in ("in/part-1.jsonl", "in/part-2.jsonl", "in/other.jsonl"):
        jobs_at().put([record(1)], key=key)
    config = {"s3InputDataConfig": {"s3Uri": "s3://calls/in/part-"}}
    jobs = jobs_at()
    job = jobs.finish(jobs.create(inputDataConfig=config))
    assert (job["status"], job["successRecordCount"]) == ("Completed", 2)
    assert sorted(jobs.names(job)) == ["manifest.json.out", "part-1.jsonl.out", "part-2.jsonl.out"]
    jobs = jobs_at(strict=True)
    job = jobs.finish(jobs.create(jobName="strict-1", inputDataConfig=config))
    assert (job["status"], "No .jsonl file was found" in job["message"]) == ("Failed", True)
