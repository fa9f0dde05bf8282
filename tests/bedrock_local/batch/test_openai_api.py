"""OpenAI's Batch API over HTTP, its files in S3, and what `load_outputs` reads of them."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection

import pytest

from analysis import load_outputs
from bedrock_local.settings import change_settings

MODEL, PATH, URL = "openai.gpt-oss-20b-1:0", "/openai/v1/batches", "/v1/chat/completions"
HEADERS = {
    "authorization": "Bearer bedrock-api-key-abc",
    "x-amzn-bedrock-roleArn": "arn:aws:iam::123456789012:role/batch",
    "x-amzn-bedrock-modelid": MODEL,
}
BODY = {"input_file_id": "s3://calls/in/calls.jsonl", "endpoint": URL, "completion_window": "24h"}


def make_line(number, **more):
    body = {"messages": [{"role": "user", "content": f"call {number}"}]} | more
    return {"custom_id": f"r{number}", "method": "POST", "url": URL, "body": body}


@pytest.fixture
def s3(client_of):
    client = client_of("s3")
    client.create_bucket(Bucket="calls")
    return client


@pytest.fixture
def put(s3):
    """Put an input of some lines."""

    def put(lines):
        body = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
        s3.put_object(Bucket="calls", Key="in/calls.jsonl", Body=body)

    return put


@pytest.fixture
def ask(server):
    """Send a request; give status and JSON of the answer."""

    def send(method, path, body=None, **headers):
        with closing(HTTPConnection("127.0.0.1", server.port)) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, HEADERS | {"content-type": "application/json"} | headers)
            with connection.getresponse() as response:
                return response.status, json.loads(response.read())

    return send


@pytest.fixture
def finish(ask):
    """Create a batch and ask for it until it has ended."""

    def finish(**more):
        status, batch = ask("POST", PATH, BODY | more)
        assert status == 200, batch
        for _ in range(2_000):
            _, batch = ask("GET", f"{PATH}/{batch['id']}")
            if batch["status"] not in ("validating", "in_progress", "cancelling"):
                return batch
        raise AssertionError(batch)

    return finish


def read_lines(s3, uri):
    body = s3.get_object(Bucket="calls", Key=uri.removeprefix("s3://calls/"))["Body"].read()
    return {line["custom_id"]: line for line in map(json.loads, body.splitlines())}


def test_a_batch_writes_answers_and_errors_beside_its_input(put, finish, s3, tmp_path):
    put([make_line(1), make_line(2, temperature=9), make_line(3)])
    batch = finish(metadata={"for": "a test"})
    folder = f"s3://calls/in/{batch['id']}/calls.jsonl"
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert (batch["output_file_id"], batch["error_file_id"]) == (f"{folder}.out", f"{folder}.err")
    assert (batch["metadata"], batch["input_file_id"]) == ({"for": "a test"}, BODY["input_file_id"])
    answers, errors = read_lines(s3, f"{folder}.out"), read_lines(s3, f"{folder}.err")
    assert (answers.keys(), errors.keys()) == ({"r1", "r3"}, {"r2"})
    assert answers["r1"]["error"] is None
    assert answers["r1"]["response"]["status_code"] == 200
    assert answers["r1"]["response"]["body"]["object"] == "chat.completion"
    assert errors["r2"]["response"] is None
    assert errors["r2"]["error"]["code"] == "400"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="calls")["Contents"]]
    assert len(keys) == 3  # no manifest

    for key in keys[1:] if keys[0] == "in/calls.jsonl" else keys[:2]:
        path = tmp_path / "read" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file("calls", key, str(path))
    outputs = load_outputs(tmp_path / "read", model_id=MODEL).sort("record_id")
    assert outputs["record_id"].to_list() == ["r1", "r2", "r3"]
    assert outputs["error_code"].to_list() == [None, 400, None]
    assert outputs["stop"].to_list() == ["end", None, "end"]
    assert outputs["output_tokens"].null_count() == 1
    assert set(outputs["job_id"]) == {batch["id"]}


def test_without_errors_there_is_no_file_of_them(put, finish, s3):
    put([make_line(1)])
    batch = finish()
    assert batch["error_file_id"] is None
    assert len(s3.list_objects_v2(Bucket="calls")["Contents"]) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"recordId": "a", "modelInput": {}}, "custom_id"),
        (make_line(1) | {"method": "GET"}, "method"),
        (make_line(1) | {"url": "/v1/embeddings"}, "url"),
        (make_line(1) | {"body": "x"}, "body is not a JSON object"),
        ("{\n", "line 2: not a JSON object"),
    ],
)
def test_a_line_of_another_form_fails_the_batch(put, finish, line, reason):
    put([make_line(0), line])
    batch = finish()
    assert (batch["status"], batch["output_file_id"]) == ("failed", None)
    assert "line 2" in batch["errors"]["data"][0]["message"]
    assert reason in batch["errors"]["data"][0]["message"]


@pytest.mark.parametrize(
    ("change", "headers", "reason"),
    [
        ({}, {"x-amzn-bedrock-modelid": ""}, "x-amzn-bedrock-modelid: header is required"),
        ({}, {"x-amzn-bedrock-roleArn": ""}, "x-amzn-bedrock-rolearn: header is required"),
        ({}, {"x-amzn-bedrock-roleArn": "batch"}, "roleArn"),
        ({}, {"x-amzn-bedrock-modelid": "us.anthropic.claude-haiku-4-5-20251001-v1:0"}, "is not supported by this API"),
        ({"input_file_id": "file-abc"}, {}, "input_file_id: expected the S3 URI"),
        ({"endpoint": "/v1/embeddings"}, {}, "endpoint: expected /v1/chat/completions"),
        ({"completion_window": "1 day"}, {}, "completion_window: expected hours"),
        ({"completion_window": "1h"}, {}, "timeoutDurationInHours"),
        ({"metadata": [1]}, {}, "metadata: expected an object"),
        ({}, {"x-amzn-bedrock-tags": "team"}, "x-amzn-bedrock-tags: expected an object"),
    ],
)
def test_a_batch_is_refused_as_openai_refuses(ask, change, headers, reason):
    status, answer = ask("POST", PATH, BODY | change, **headers)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert reason in answer["error"]["message"]


def test_a_batch_that_is_not_there_is_not_found(ask):
    for path in (f"{PATH}/batch_abc", f"{PATH}/..%2Fx", f"{PATH}?after=batch_abc"):
        status, answer = ask("GET", path)
        assert (status, answer["error"]["type"]) == (404, "not_found_error")


def test_batches_are_listed_by_pages_newest_first(put, ask):
    put([make_line(1)])
    made = [ask("POST", PATH, BODY)[1]["id"] for _ in range(3)]
    _, first = ask("GET", f"{PATH}?limit=2")
    assert ([batch["id"] for batch in first["data"]], first["has_more"]) == (made[:0:-1], True)
    _, rest = ask("GET", f"{PATH}?limit=2&after={first['last_id']}")
    assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == (made[:1], False)
    assert ask("GET", f"{PATH}?limit=0")[0] == 400


def test_jobs_and_batches_do_not_see_each_other(put, ask, client_of, request_of):
    put([make_line(1)])
    _, batch = ask("POST", PATH, BODY)
    bedrock = client_of("bedrock")
    job = bedrock.create_model_invocation_job(**request_of())["jobArn"]
    assert [each["jobArn"] for each in bedrock.list_model_invocation_jobs()["invocationJobSummaries"]] == [job]
    assert [each["id"] for each in ask("GET", PATH)[1]["data"]] == [batch["id"]]
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_model_invocation_job(jobIdentifier=batch["id"].removeprefix("batch_"))
    assert ask("GET", f"{PATH}/batch_{job.split('/')[1]}")[0] == 404


def test_a_batch_is_cancelled_once(put, ask, finish, server):
    change_settings(server.emulator.folder, seconds={"InProgress": 3600})
    put([make_line(number) for number in range(5)])
    _, batch = ask("POST", PATH, BODY)
    status, batch = ask("POST", f"{PATH}/{batch['id']}/cancel")
    assert (status, batch["status"]) == (200, "cancelling")
    for _ in range(2_000):
        _, batch = ask("GET", f"{PATH}/{batch['id']}")
        if batch["status"] == "cancelled":
            break
    status, answer = ask("POST", f"{PATH}/{batch['id']}/cancel")
    assert (status, answer["error"]["message"]) == (400, "Cannot cancel a batch with status 'cancelled'.")


def test_requests_that_ran_out_of_time_are_errors(put, finish, server, s3):
    change_settings(server.emulator.folder, faults={"job-partial": 1}, unprocessed_records="expired")
    put([make_line(number) for number in range(4)])
    batch = finish()
    assert (batch["status"], batch["request_counts"]) == ("expired", {"total": 4, "completed": 2, "failed": 2})
    errors = read_lines(s3, batch["error_file_id"]).values()
    assert [line["error"]["code"] for line in errors] == ["batch_expired"] * 2
