"""An emulator in a folder, its clients, a clock that a test moves, and jobs in one line."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack

import boto3
import botocore.session
import pytest

from bedrock_local import Settings, open_session, serve
from bedrock_local.inference import Reply
from bedrock_local.protocol.shapes import shared_loader

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


KINDS = {"blob": str, "boolean": bool, "list": list, "map": dict, "string": str, "structure": dict, "timestamp": str}
# What was seen of the service outside its own model: LibreChat#13628, and the policies of global profiles.
SEEN = {"InferenceType": ["INFERENCE_PROFILE"], "FoundationModelArn": ["arn:aws:bedrock:::foundation-model/"]}
ISO_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
# Of no operation, or on purpose: what is not there, and the fault that the service model lists elsewhere.
ANYWHERE = {"UnknownOperationException": 404, "ServiceUnavailableException": 503}


def hold_to_model(operation_model, response_dict, **_):
    """Hold an answer of Bedrock to the shapes of its operation in the service model."""
    model = operation_model
    status, headers, body = response_dict["status_code"], response_dict["headers"], response_dict["body"]
    if model.service_model.metadata["protocol"] != "rest-json":
        return
    if status >= 300:
        listed = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in model.error_shapes}
        code = headers["x-amzn-ErrorType"]
        assert (listed | ANYWHERE).get(code) == status, f"{model.name} does not list {code} with {status}"
        assert set(json.loads(body)) <= {"message", "originalStatusCode", "resourceName", "originalMessage"}
    elif not model.has_streaming_output and "payload" not in model.output_shape.serialization:
        faults = list(find_violations(json.loads(body), model.output_shape, model.name))
        assert not faults, faults


def find_violations(value, shape, path):
    """Name what an answer has that its shape does not allow: independent of the emulator's own check."""
    limits, kind = shape.metadata, shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, KINDS.get(kind, (int, float))):
        yield f"{path}: {value!r} is no {kind}"
        return
    size = value if kind in ("integer", "long", "float", "double") else len(value) if kind != "boolean" else 0
    if not limits.get("min", size) <= size <= limits.get("max", size):
        yield f"{path}: {value!r} is outside {limits}"
    pattern = ISO_TIME if kind == "timestamp" else limits.get("pattern")
    if kind == "string" and value.startswith(tuple(SEEN.get(shape.name, []))):
        return
    if (pattern and not re.fullmatch(pattern, value)) or value not in limits.get("enum", [value]):
        yield f"{path}: {value!r} is not one of {limits}"
    if kind == "structure":
        is_whole = value.keys() >= set(shape.required_members) and (not shape.is_tagged_union or len(value) == 1)
        if not is_whole or value.keys() - shape.members.keys():
            yield f"{path}: has {list(value)}, and not {list(shape.members)} of which {shape.required_members}"
        for name in value.keys() & shape.members.keys():
            yield from find_violations(value[name], shape.members[name], f"{path}.{name}")
    for item in value if kind == "list" else ():
        yield from find_violations(item, shape.member, f"{path}[]")


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
    """Answer with the question: one token a word, and one for the end of the answer."""
    tokens = len(question.text.split())
    return Reply(question.text, "end", tokens, tokens + 1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "emulator"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="session")
def open_held():
    """Open a folder with settings that differ from those without waiting in what is named; hold what it answers."""

    def open_with(folder, now=time.time, /, **settings):
        made = Settings(**({"seconds": NO_WAIT, "min_records": 1} | settings))
        session = open_session(folder, settings=made, responder=repeat, now=now)
        session.events.register("before-parse", hold_to_model)
        return session

    return open_with


class ServedSession(boto3.Session):
    """A session whose clients talk to a server, and are closed with it."""

    def __init__(self, url, region_name="us-east-1"):
        core = botocore.session.Session()
        core.register_component("data_loader", shared_loader())
        super().__init__("a", "b", region_name=region_name, botocore_session=core)
        self.url, self.made = url, []

    def client(self, *names, **options):
        self.made.append(super().client(*names, **options | {"endpoint_url": self.url}))
        return self.made[-1]

    def close(self):
        for client in self.made:
            client.close()


@pytest.fixture
def open_served():
    """Open a folder as `open_held` does, through a server."""
    with ExitStack() as stack:

        def open_with(folder, now, /, **settings):
            made = Settings(**({"seconds": NO_WAIT, "min_records": 1} | settings))
            server = stack.enter_context(serve(folder, settings=made, responder=repeat, now=now))
            session = ServedSession(server.url)
            stack.callback(session.close)
            session.events.register("before-parse", hold_to_model)
            return session

        yield open_with


def pytest_generate_tests(metafunc):
    # Requests and responses are tested over both transports; what a job does is the same for both.
    if "transport" in metafunc.fixturenames and hasattr(metafunc.module, "TRANSPORTS"):
        metafunc.parametrize("transport", metafunc.module.TRANSPORTS)


@pytest.fixture
def transport():
    """The transport of the clients of a test: `inside` the process, or `http`."""
    return "inside"


@pytest.fixture
def open_at(transport, open_held, open_served, folder, clock):
    """Open the folder of the test, at the test's clock."""
    return lambda **settings: (open_held if transport == "inside" else open_served)(folder, clock, **settings)


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
def jobs_of():
    return Jobs


@pytest.fixture
def jobs_at(open_at):
    """Jobs of which a question does all that the clock allows, however busy the machine."""
    return lambda **settings: Jobs(open_at(**{"work_seconds": 600} | settings))


@pytest.fixture
def record():
    return make_record


@pytest.fixture
def request_of():
    return job_request


@pytest.fixture
def server(folder):
    """The folder, served over HTTP, at the real time."""
    with serve(folder, settings=Settings(min_records=1, seconds=NO_WAIT)) as running:
        yield running


@pytest.fixture
def client_of(server):
    """Make a client that talks to the server."""
    with ExitStack() as stack:

        def make(service, region="us-east-1", **options):
            session = ServedSession(server.url, region)
            stack.callback(session.close)
            return session.client(service, **options)

        yield make


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
