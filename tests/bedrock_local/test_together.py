"""Two processes on one folder at once: 100 jobs created, stopped and asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from bedrock_local import Settings, open_session
from bedrock_local.batch.jobs import list_unfinished

# Each process makes 45 jobs of its own, and both make the same ten.
OWN, SHARED, RECORDS = 45, 10, 3

# What each of the processes does; CLIENTS makes `s3` and `bedrock` out of the arguments.
WORK = """
import sys
{clients}
mine, count, few = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
arns = []
for number in range(count):
    request = {{
        "jobName": f"{{mine}}-{{number}}",
        "clientRequestToken": f"{{mine}}-{{number}}",
        "roleArn": "arn:aws:iam::123456789012:role/batch",
        "modelId": "amazon.nova-lite-v1:0",
        "modelInvocationType": "Converse",
        "inputDataConfig": {{"s3InputDataConfig": {{"s3Uri": "s3://calls/in/"}}}},
        "outputDataConfig": {{"s3OutputDataConfig": {{"s3Uri": "s3://calls/out/"}}}},
    }}
    arns.append(bedrock.create_model_invocation_job(**request)["jobArn"])
    if number % 5 == 4:
        try:
            bedrock.stop_model_invocation_job(jobIdentifier=arns[-1])
        except bedrock.exceptions.ValidationException:
            pass
    # Both processes work on all jobs, and create some of the same name and token at the same time.
    bedrock.list_model_invocation_jobs()
    shared = request | {{"jobName": f"shared-{{number % few}}", "clientRequestToken": f"shared-{{number % few}}"}}
    arns.append(bedrock.create_model_invocation_job(**shared)["jobArn"])
for arn in arns:
    while "endTime" not in (job := bedrock.get_model_invocation_job(jobIdentifier=arn)):
        pass
print("\\n".join(arns))
"""
HOOK = """
from bedrock_local import open_session
session = open_session(sys.argv[1])
s3, bedrock = session.client("s3"), session.client("bedrock")
"""


@pytest.fixture
def clients():
    """Give the lines by which a process makes its clients."""
    return HOOK


@pytest.fixture
def arguments(folder):
    """Give what a process needs to find the emulator."""
    return str(folder)


@pytest.fixture
def account(folder):
    seconds = {"Submitted": 0.01, "Validating": 0, "Scheduled": 0.01, "InProgress": 0.05, "Stopping": 0.01}
    made = Settings(min_records=1, max_unfinished_jobs=4, over_quota="queue", seconds=seconds)
    session = open_session(folder, settings=made)
    s3 = session.client("s3")
    s3.create_bucket(Bucket="calls")
    body = {"messages": [{"role": "user", "content": [{"text": "Summarize: I want a refund."}]}]}
    lines = "".join(json.dumps({"recordId": f"r{number}", "modelInput": body}) + "\n" for number in range(RECORDS))
    s3.put_object(Bucket="calls", Key="in/calls.jsonl", Body=lines)
    return session


@pytest.fixture
def told(account, clients, arguments):
    """Let both processes come to their end, and give the jobs that each knows."""
    command = [sys.executable, "-c", WORK.format(clients=clients), arguments]
    processes = [
        subprocess.Popen([*command, name, str(OWN), str(SHARED)], stdout=subprocess.PIPE, text=True)
        for name in ("left", "right")
    ]
    answers = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return answers


def test_two_processes_lose_nothing_and_wait_for_nobody(account, told, folder):
    pages = account.client("bedrock").get_paginator("list_model_invocation_jobs").paginate()
    jobs = {job["jobArn"]: job for page in pages for job in page["invocationJobSummaries"]}
    assert len(jobs) == len({job["jobName"] for job in jobs.values()}) == 2 * OWN + SHARED
    assert jobs.keys() == {arn for arns in told for arn in arns}
    ends = Counter((job["jobName"].partition("-")[0], job["status"]) for job in jobs.values())
    assert ends["shared", "Completed"] == SHARED
    # Every fifth job was asked to stop; one that was too late has ended in its own way.
    assert {status for _, status in ends} <= {"Completed", "Stopped"}
    assert ends["left", "Completed"] >= OWN * 4 // 5
    for job in jobs.values():
        assert set(read_ids(account.client("s3"), job).values()) <= {1}
    assert list((folder / "state" / "tmp").iterdir()) == []
    assert list_unfinished(folder) == []


def read_ids(s3, job):
    """Count the record ids in the output of a job; one that never ran has none."""
    try:
        key = f"out/{job['jobArn'][-12:]}/calls.jsonl.out"
        lines = s3.get_object(Bucket="calls", Key=key)["Body"].read().split(b"\n")[:-1]
    except s3.exceptions.NoSuchKey:
        lines = []
    assert len(lines) == job["successRecordCount"]
    return Counter(json.loads(line)["recordId"] for line in lines)
