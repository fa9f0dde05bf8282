"""Clients that know nothing of an emulator: plain boto3, the AWS CLI and the SDK for JavaScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bedrock_local import open_session
from bedrock_local.settings import change_settings

CLIENTS = Path(__file__).parent / "clients"
AWS = Path(sys.executable).with_name("aws")
ROLE = "arn:aws:iam::123456789012:role/batch"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
INPUT = {"s3InputDataConfig": {"s3Uri": "s3://calls/in/"}}
OUTPUT = {"s3OutputDataConfig": {"s3Uri": "s3://calls/out/"}}


@pytest.fixture
def run(server, tmp_path):
    """Run a command in which only the server's environment says anything of AWS; give what it prints."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NODE_NO_WARNINGS": "1", **server.environment}

    def call(*command, cwd=tmp_path):
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture
def aws(run):
    """Run the AWS CLI; what it prints as JSON comes back read."""

    def call(*words):
        printed = run(AWS, *[json.dumps(word) if isinstance(word, dict | list) else word for word in words])
        return json.loads(printed) if printed.startswith("{") else printed

    return call


@pytest.fixture
def inside(server):
    """A session inside the process, on the folder that is served."""
    return open_session(server.emulator.folder)


@pytest.fixture
def calls(inside, tmp_path, record):
    """A bucket, and a file of three records for it."""
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(record(number)) + "\n" for number in range(3)))
    inside.client("s3").create_bucket(Bucket="calls")


def test_a_script_with_plain_boto3_runs_as_it_is(run):
    found = json.loads(run(sys.executable, CLIENTS / "batch.py"))
    assert found["status"] == "Completed"
    assert found["ids"] == [f"CALL{number:07d}" for number in range(100)]
    assert found["manifest"]["successRecordCount"] == 100


def test_the_cli_copies_a_file_in_parts(aws, calls, tmp_path):
    (tmp_path / "up").write_bytes(os.urandom(20_000_000))  # from 8 MB on in parts
    aws("s3", "cp", "--quiet", "up", "s3://calls/up")
    aws("s3", "cp", "--quiet", "s3://calls/up", "down")
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


def test_the_cli_syncs_folders_both_ways(aws, calls, tmp_path):
    (tmp_path / "up" / "in").mkdir(parents=True)
    (tmp_path / "calls.jsonl").rename(tmp_path / "up" / "in" / "calls.jsonl")
    assert aws("s3", "sync", "up", "s3://calls").strip().endswith("to s3://calls/in/calls.jsonl")
    aws("s3", "sync", "s3://calls", "down")
    assert (tmp_path / "down/in/calls.jsonl").read_text() == (tmp_path / "up/in/calls.jsonl").read_text()


def test_the_cli_runs_a_job_on_a_file_that_it_copies(aws, calls):
    aws("s3", "cp", "calls.jsonl", "s3://calls/in/calls.jsonl")
    config = ["--input-data-config", INPUT, "--output-data-config", OUTPUT]
    names = ["--job-name", "first", "--role-arn", ROLE, "--model-id", HAIKU]
    arn = aws("bedrock", "create-model-invocation-job", *names, *config)["jobArn"]
    while "endTime" not in (job := aws("bedrock", "get-model-invocation-job", "--job-identifier", arn)):
        pass
    assert (job["jobArn"], job["totalRecordCount"]) == (arn, 3)
    assert "in/calls.jsonl" in aws("s3", "ls", "--recursive", "s3://calls")


def test_the_cli_lists_and_stops_jobs_of_the_other_transport(aws, inside, calls, server, request_of):
    change_settings(server.emulator.folder, seconds={"Submitted": 3600, "Stopping": 3600})
    arn = inside.client("bedrock").create_model_invocation_job(**request_of())["jobArn"]
    aws("bedrock", "stop-model-invocation-job", "--job-identifier", arn.split("/")[-1])
    (job,) = aws("bedrock", "list-model-invocation-jobs")["invocationJobSummaries"]
    assert (job["jobArn"], job["status"]) == (arn, "Stopping")


def test_the_cli_asks_models(aws, tmp_path, record):
    messages = [{"role": "user", "content": [{"text": "I want a refund."}]}]
    (tmp_path / "body.json").write_text(json.dumps(record(1)["modelInput"]))
    converse = aws("bedrock-runtime", "converse", "--model-id", "amazon.nova-lite-v1:0", "--messages", messages)
    aws("bedrock-runtime", "invoke-model", "--model-id", HAIKU, "--body", "fileb://body.json", "answer.json")
    assert converse["stopReason"] == "end_turn"
    assert json.loads((tmp_path / "answer.json").read_text())["stop_reason"] == "end_turn"


def test_the_cli_says_who_calls(aws):
    assert aws("sts", "get-caller-identity")["Account"] == "123456789012"


@pytest.fixture(scope="module")
def javascript(give_up, tmp_path_factory):
    """A folder with the SDK for JavaScript, exact versions of it, from npm."""
    if not (shutil.which("npm") and shutil.which("node")):
        give_up("no Node.js on this machine: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(CLIENTS / "javascript", folder, dirs_exist_ok=True)
    quick = ["--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(["npm", "install", *quick], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        give_up(f"npm cannot install the SDK: {done.stderr[-500:]}")
    return folder


@pytest.mark.browser
def test_javascript_runs_a_job_and_reads_what_it_left(run, javascript):
    found = json.loads(run("node", "batch.mjs", cwd=javascript))
    assert found["status"] == "Completed"
    assert found["ids"] == sorted(f"call-{number}" for number in range(100))
    assert found["manifest"]["successRecordCount"] == 100
    assert found["stream"] == "one two"
    assert (found["converse"], found["invoked"], found["missing"]) == ("end_turn", "end_turn", "NoSuchKey")
    assert found["streamed"] == "Hello."
