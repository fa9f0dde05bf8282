"""`batchbook emulator`, as a shell runs it where a server is at stake."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import boto3
import pytest
from typer.testing import CliRunner

from analysis.cli import app
from bedrock_local.emulator import make_folder
from bedrock_local.settings import Settings, read_settings, write_settings

NOVA = "amazon.nova-micro-v1:0"
RESPONDER = """
from bedrock_local.inference import Reply
def answer(question):
    return Reply("Mine.", "end", 1, 1)
"""


@pytest.fixture
def command(folder, tmp_path, monkeypatch):
    """Run the command on the test's folder; give what it says."""
    monkeypatch.chdir(tmp_path)
    make_folder(folder)

    def run(*options, code=0):
        result = CliRunner().invoke(app, ["emulator", "--folder", str(folder), *map(str, options)])
        assert result.exit_code == code, result.output
        return result.output

    return run


@pytest.fixture
def start(folder, tmp_path):
    """Start the command as a shell does; give the process, what it says first, and its port."""
    started = []

    def begin(*options, **variables):
        words = [sys.executable, "-c", "from analysis.cli import main; main()", "emulator", "--folder", str(folder)]
        environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **variables}
        process = subprocess.Popen(
            [*words, "--port", "0", *options],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=heed_signals,
        )
        started.append(process)
        said = [process.stdout.readline() for _ in range(9)]
        return process, said, int(re.search(r"AWS_ENDPOINT_URL=http://127.0.0.1:(\d+)", "".join(said))[1])

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def heed_signals():
    """Undo what `nohup` or a shell in the background has set for all processes of the tests."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


SLOW = """
import time
def answer(question):
    print("asked", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_server_whatever_it_is_doing_and_leaves_nothing_half_done(start, folder, tmp_path, name):
    (tmp_path / "slow.py").write_text(SLOW)
    process, _, port = start("--responder", "slow:answer")
    with closing(HTTPConnection("127.0.0.1", port)) as upload, closing(HTTPConnection("127.0.0.1", port)) as question:
        upload.request("PUT", "/calls")
        assert upload.getresponse().read() == b""
        upload.putrequest("PUT", "/calls/a")
        upload.putheader("Content-Length", "1000000")
        upload.endheaders(b"x")
        question.request(
            "POST", f"/model/{NOVA}/converse", '{"messages": [{"role": "user", "content": [{"text": "a"}]}]}'
        )
        while process.stdout.readline() != "asked\n":
            pass
        while not (begun := list((folder / "state/tmp").glob(".*"))):
            pass
        process.send_signal(getattr(signal, name))
        assert process.wait() == 0
    assert "The server has stopped." in process.stdout.read()
    assert [path for path in begun if path.exists()] == []


def test_the_printed_variables_can_be_pasted(start, folder):
    process, said, port = start("--clock", "realistic", AWS_PROFILE="work", HTTPS_PROXY="http://127.0.0.1:9")
    process.send_signal(signal.SIGINT)
    *rest, _, _ = process.stdout.readlines()
    assert [*said, *rest] == [
        f"The emulator in {folder} is at http://127.0.0.1:{port}; Ctrl-C stops it.\n",
        f"Settings ({folder / 'settings.json'}): clock = realistic\n",
        "For AWS clients in any language:\n",
        "\n",
        f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}\n",
        "export AWS_ACCESS_KEY_ID=emulator\n",
        "export AWS_SECRET_ACCESS_KEY=emulator\n",
        "export AWS_DEFAULT_REGION=us-east-1\n",
        "export AWS_REGION=us-east-1\n",
        "export NO_PROXY=127.0.0.1,localhost\n",
        "unset AWS_PROFILE\n",
    ]


def test_ctrl_c_ends_it_with_a_sentence(start):
    process, _, _ = start("--seed", "1")
    process.send_signal(signal.SIGINT)
    *_, last = process.stdout
    assert (process.wait(), last[:24]) == (0, "The server has stopped. ")


def test_a_function_of_ones_own_answers(start, tmp_path, folder):
    (tmp_path / "mine.py").write_text(RESPONDER)
    _, _, port = start("--responder", "mine:answer")
    body = '{"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}'
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("POST", "/model/amazon.nova-lite-v1:0/converse", body)
        assert b"Mine." in connection.getresponse().read()
    assert read_settings(folder).responder == "worker"


CALL = "arn:aws:states:::aws-sdk:bedrock:"
STATES = {
    "Create": {
        "Type": "Task",
        "Resource": f"{CALL}createModelInvocationJob",
        "Parameters": {
            "JobName": "summaries-1",
            "RoleArn": "arn:aws:iam::123456789012:role/batch",
            "ModelId": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "InputDataConfig": {"S3InputDataConfig": {"S3Uri": "s3://calls/in/"}},
            "OutputDataConfig": {"S3OutputDataConfig": {"S3Uri": "s3://calls/out/"}},
        },
        "Next": "Get",
    },
    "Get": {
        "Type": "Task",
        "Resource": f"{CALL}getModelInvocationJob",
        "Parameters": {"JobIdentifier.$": "$.JobArn"},
        "Next": "Look",
    },
    "Look": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.Status", "StringEquals": "Completed", "Next": "Done"}],
        "Default": "Wait",
    },
    "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Get"},
    "Done": {"Type": "Succeed"},
}


def test_a_job_of_a_state_machine_puts_its_events_on_a_queue(start, record):
    _, _, port = start("--min-records", "1")
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    with ExitStack() as stack:
        s3, sqs, events, states = (
            stack.enter_context(closing(session.client(name, endpoint_url=f"http://127.0.0.1:{port}")))
            for name in ("s3", "sqs", "events", "stepfunctions")
        )
        s3.create_bucket(Bucket="calls")
        s3.put_object(Bucket="calls", Key="in/calls.jsonl", Body=json.dumps(record(1)))
        url = sqs.create_queue(QueueName="ends")["QueueUrl"]
        pattern = {"source": ["aws.bedrock"], "detail": {"status": ["Completed"]}}
        events.put_rule(Name="ends", EventPattern=json.dumps(pattern))
        queue = {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:123456789012:ends"}
        events.put_targets(Rule="ends", Targets=[queue])
        role, definition = "arn:aws:iam::123456789012:role/states", {"StartAt": "Create", "States": STATES}
        machine = states.create_state_machine(name="batch", definition=json.dumps(definition), roleArn=role)
        execution = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
        for _ in range(600):
            if (found := states.describe_execution(executionArn=execution))["status"] != "RUNNING":
                break
            time.sleep(0.2)
        assert found["status"] == "SUCCEEDED"
        for _ in range(120):
            if received := sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"):
                break
    job, event = json.loads(found["output"]), json.loads(received[0]["Body"])
    assert (job["Status"], job["SuccessRecordCount"]) == ("Completed", 1)
    assert (event["detail"]["batchJobArn"], event["detail"]["status"]) == (job["JobArn"], "Completed")


def test_work_ends_all_jobs(command, jobs, record, folder):
    jobs.put([record(number) for number in range(120)])
    arn = jobs.create()
    assert command("--work") == "All jobs have ended: 1 Completed.\n"
    assert [line["recordId"] for line in jobs.outputs({"jobArn": arn})]
    assert command("--work") == "No job is unfinished.\n"


def test_work_in_a_folder_without_an_emulator_is_refused(command, tmp_path):
    (tmp_path / "notes").mkdir()
    for name in ("notes", "typo"):
        said = command("--work", "--folder", tmp_path / name, code=1)
        assert f"{tmp_path / name}: this folder has no emulator; check --folder" in said
    assert not any((tmp_path / "notes").iterdir())
    assert not (tmp_path / "typo").exists()


def test_only_the_settings_that_are_given_change(command, folder):
    write_settings(folder, Settings(min_records=7, faults={"throttled": 0.5}))
    command("--work", "--clock", "realistic", "--speed", 60, "--quotas", 2024, "--seed", 3)
    changed = Settings(min_records=7, faults={"throttled": 0.5}, clock="realistic", speed=60, quotas="2024", seed=3)
    assert read_settings(folder) == changed


def test_answers_that_cannot_be_read_do_not_replace_the_responder(command, folder, tmp_path):
    (tmp_path / "empty.jsonl").touch()
    command("--work", "--responder", tmp_path / "empty.jsonl", code=1)
    assert read_settings(folder).responder == "extract"


def test_faults_are_given_by_name_and_rate_and_taken_away(command, folder):
    command("--work", "--fault", "throttled=0.1", "--fault", "record-400=1")
    assert read_settings(folder).faults == {"throttled": 0.1, "record-400": 1.0}
    command("--work", "--fault", "none")
    assert read_settings(folder).faults == {}


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (["--fault", "throttled"], "expected a name and a rate from 0 to 1, as in throttled=0.1"),
        (["--fault", "throttled=2"], "expected a name and a rate from 0 to 1"),
        (["--fault", "slow=0.1"], "unknown fault 'slow'; choose from record-400, "),
        (["--speed", "0"], "speed: Expected `float` >= 0.001"),
        (["--responder", "nobody"], "choose extract, worker, the URL of"),
        (["--responder", "answers.jsonl"], "no such file"),
        (["--responder", "nowhere:answer"], "module 'nowhere' is neither in "),
        (["--responder", "json:answer"], "json has no function 'answer'; it has to take a Question"),
        (["--responder", "worker"], "use --responder module:function or extract"),
    ],
)
def test_an_invalid_option_is_refused_with_the_valid_values(command, options, cure):
    said = command("--work", *options, code=1)
    assert said.startswith("batchbook: ")
    assert cure in said


def test_a_port_that_is_taken_says_what_to_do(command, server):
    said = command("--port", server.port, code=1)
    assert f"cannot listen on port {server.port}" in said
    assert "choose another port" in said


def test_recorded_answers_are_found_from_every_folder(command, folder, tmp_path, record):
    output = {"content": [{"type": "text", "text": "Mine."}], "stop_reason": "end_turn", "usage": {}}
    line = json.dumps(record(1) | {"modelOutput": output})
    (tmp_path / "answers.jsonl").write_text(line + "\n")
    command("--work", "--responder", "answers.jsonl")
    assert read_settings(folder).responder == str(tmp_path / "answers.jsonl")
