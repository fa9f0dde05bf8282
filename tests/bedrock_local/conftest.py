"""An emulator in a folder, its clients, a clock that a test moves, and jobs in one line."""

from __future__ import annotations

import json

import pytest

from bedrock_local import Settings, open_session
from bedrock_local.answers import Reply

NO_WAIT = {"Submitted": 0, "Validating": 0, "Scheduled": 0, "InProgress": 0, "Stopping": 0}
ENDS = {"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"}


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self):
        self.seconds = 1_790_000_000.0

    def __call__(self):
        return self.seconds

    def move(self, seconds):
        self.seconds += seconds


class Jobs:
    """Write records, create a job from them, ask until it has ended, read what it left."""

    def __init__(self, session):
        self.s3, self.bedrock = session.client("s3"), session.client("bedrock")
        self.s3.create_bucket(Bucket="calls")

    def put(self, lines, key="in/calls.jsonl"):
        body = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
        self.s3.put_object(Bucket="calls", Key=key, Body=body)

    def create(self, **more):
        return self.bedrock.create_model_invocation_job(**job_request(**more))["jobArn"]

    def get(self, arn):
        return self.bedrock.get_model_invocation_job(jobIdentifier=arn)

    def finish(self, arn):
        for _ in range(10_000):
            if (job := self.get(arn))["status"] in ENDS:
                return job
        raise AssertionError(job["status"])

    def run(self, lines, **more):
        self.put(lines)
        return self.finish(self.create(**more))

    def read(self, job, name="calls.jsonl.out"):
        return self.s3.get_object(Bucket="calls", Key=f"out/{job['jobArn'][-12:]}/{name}")["Body"].read()

    def outputs(self, job, name="calls.jsonl.out"):
        return [json.loads(line) for line in self.read(job, name).split(b"\n")[:-1]]

    def names(self, job):
        prefix = f"out/{job['jobArn'][-12:]}/"
        found = self.s3.list_objects_v2(Bucket="calls", Prefix=prefix).get("Contents", [])
        return [content["Key"].removeprefix(prefix) for content in found]


def job_request(**more):
    return {
        "jobName": "summaries-1",
        "roleArn": "arn:aws:iam::123456789012:role/batch",
        "modelId": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://calls/in/"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://calls/out/"}},
    } | more


def make_record(number, **more):
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50}
    body |= {"messages": [{"role": "user", "content": f"call {number}"}]}
    return {"recordId": f"r{number}", "modelInput": body | more}


def repeat(question):
    """Answer with the question: one token a word."""
    tokens = len(question.text.split())
    return Reply(question.text, "end", tokens, tokens)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "emulator"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def open_at(folder, clock):
    """Open the folder with settings that differ from those without waiting in what is named."""

    def open_with(**settings):
        made = Settings(**({"seconds": NO_WAIT, "min_records": 1} | settings))
        return open_session(folder, settings=made, answer=repeat, now=clock)

    return open_with


@pytest.fixture
def session(open_at):
    return open_at()


@pytest.fixture
def s3(session):
    client = session.client("s3")
    client.create_bucket(Bucket="calls")
    return client


@pytest.fixture
def bedrock(session):
    return session.client("bedrock")


@pytest.fixture
def runtime(session):
    return session.client("bedrock-runtime")


@pytest.fixture
def jobs(session):
    return Jobs(session)


@pytest.fixture
def jobs_at(open_at):
    return lambda **settings: Jobs(open_at(**settings))


@pytest.fixture
def record():
    return make_record


@pytest.fixture
def request_of():
    return job_request


@pytest.fixture
def error_of():
    """Give code, HTTP status and message of the error that a call must give."""
    from botocore.exceptions import ClientError

    def call(function, **arguments):
        with pytest.raises(ClientError) as caught:
            function(**arguments)
        response = caught.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]

    return call
