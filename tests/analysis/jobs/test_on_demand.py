import io
import threading

import msgspec
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from analysis.errors import JobError
from analysis.jobs.on_demand import invoke_file, make_invoke


def write_source(folder, *texts):
    """Write an input file whose record ids are r1, r2, ..."""
    file = folder / "00000.jsonl"
    lines = [{"recordId": f"r{number}", "modelInput": {"text": text}} for number, text in enumerate(texts, 1)]
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return file


def read_lines(target):
    return [msgspec.json.decode(line) for line in target.read_bytes().split(b"\n")[:-1]]


def read_texts(target):
    """Read the answers by record id."""
    return {line["recordId"]: line["modelOutput"]["text"] for line in read_lines(target) if "modelOutput" in line}


def shout(model_input):
    return msgspec.json.encode({"text": msgspec.json.decode(model_input)["text"].upper()})


def refuse(code, status=400):
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": "No."}, "ResponseMetadata": metadata}, "InvokeModel")


def raises(error):
    def invoke(model_input):
        raise error

    return invoke


@pytest.fixture
def target(tmp_path):
    return tmp_path / "output" / "on-demand" / "job01-00000.jsonl.out"


def test_an_answer_is_a_line_as_a_batch_job_writes_it(tmp_path, target):
    invoke_file(write_source(tmp_path, "hello"), target, invoke=shout)
    assert target.read_bytes() == b'{"modelInput":{"text":"hello"},"modelOutput":{"text":"HELLO"},"recordId":"r1"}\n'


def test_every_record_gets_its_own_answer_whatever_the_order(tmp_path, target):
    gate = threading.Event()

    def first_comes_last(model_input):
        if b'"a"' in model_input:
            gate.wait()
        if b'"d"' in model_input:
            gate.set()
        return shout(model_input)

    invoke_file(write_source(tmp_path, *"abcd"), target, invoke=first_comes_last, at_once=2)
    assert [line["recordId"] for line in read_lines(target)].index("r1") >= 2
    assert read_texts(target) == {"r1": "A", "r2": "B", "r3": "C", "r4": "D"}


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_no_more_requests_are_under_way_than_asked_for(tmp_path, target, at_once):
    lock, running, most = threading.Lock(), set(), []

    def count(model_input):
        with lock:
            running.add(model_input)
            most.append(len(running))
        answer = shout(model_input)
        with lock:
            running.discard(model_input)
        return answer

    texts = [str(number) for number in range(20)]
    invoke_file(write_source(tmp_path, *texts), target, invoke=count, at_once=at_once)
    assert max(most) <= at_once
    assert len(read_texts(target)) == 20


def test_what_has_an_answer_is_not_asked_again(tmp_path, target):
    source = write_source(tmp_path, "a", "b")
    invoke_file(source, target, invoke=shout)
    before = target.read_bytes()
    invoke_file(source, target, invoke=raises(AssertionError("asked again")))
    assert target.read_bytes() == before


def test_a_line_that_a_crash_cut_off_is_asked_again(tmp_path, target):
    source = write_source(tmp_path, "a", "b")
    invoke_file(source, target, invoke=shout, at_once=1)
    target.write_bytes(target.read_bytes()[:-9])
    invoke_file(source, target, invoke=shout)
    first, cut, again, end = target.read_bytes().split(b"\n")
    assert [msgspec.json.decode(line)["recordId"] for line in (first, again)] == ["r1", "r2"]
    assert again.startswith(cut)
    assert end == b""


def test_an_answer_that_lost_only_its_line_end_is_kept(tmp_path, target):
    source = write_source(tmp_path, "a", "b")
    invoke_file(write_source(tmp_path, "a"), target, invoke=shout)
    target.write_bytes(target.read_bytes()[:-1])
    invoke_file(write_source(tmp_path, "a", "b"), target, invoke=shout)
    assert source.exists()
    assert [line["recordId"] for line in read_lines(target)] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refuse("ValidationException", 400), 400),
        (refuse("ThrottlingException", 429), 429),
        (refuse("ModelErrorException", 424), 424),
        (EndpointConnectionError(endpoint_url="https://bedrock"), 503),
        (ReadTimeoutError(endpoint_url="https://bedrock"), 503),
    ],
)
def test_a_failure_is_a_line_and_is_asked_again(tmp_path, target, error, code):
    source = write_source(tmp_path, "a")
    invoke_file(source, target, invoke=raises(error))
    (line,) = read_lines(target)
    assert (line["recordId"], line["modelInput"], line["error"]["errorCode"]) == ("r1", {"text": "a"}, code)
    invoke_file(source, target, invoke=shout)
    assert read_texts(target) == {"r1": "A"}


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (refuse("AccessDeniedException", 403), "allow the caller bedrock:InvokeModel"),
        (refuse("ResourceNotFoundException", 404), "check model id and region"),
        (refuse("ExpiredTokenException", 403), "sign in again"),
        (NoCredentialsError(), "sign in, or correct the request"),
        (ParamValidationError(report="Unknown parameter"), "Unknown parameter"),
    ],
)
def test_a_refusal_that_every_record_would_meet_stops(tmp_path, target, error, cure):
    asked = []

    def invoke(model_input):
        asked.append(model_input)
        raise error

    with pytest.raises(JobError, match=cure):
        invoke_file(write_source(tmp_path, *"abcdefgh"), target, invoke=invoke, at_once=2)
    assert len(asked) <= 2
    assert target.read_bytes() == b""


def test_answers_under_way_are_kept_when_another_request_stops_it(tmp_path, target):
    refused = threading.Event()

    def invoke(model_input):
        if b'"b"' in model_input:
            refused.set()
            raise refuse("ExpiredTokenException", 403)
        refused.wait()
        return shout(model_input)

    with pytest.raises(JobError, match="sign in again"):
        invoke_file(write_source(tmp_path, *"ab"), target, invoke=invoke, at_once=2)
    assert read_texts(target) == {"r1": "A"}


def test_an_answer_over_several_lines_is_one_line(tmp_path, target):
    invoke_file(write_source(tmp_path, "a"), target, invoke=lambda _: b'{\n  "text": "A\\nB"\n}\n')
    assert read_texts(target) == {"r1": "A\nB"}


def test_odd_texts_come_back_as_they_are(tmp_path, target):
    odd = ["\u2028 \u0085 \x00", 'quotes " \\ ', "مرحبا 🙂", "lines\r\n"]
    invoke_file(write_source(tmp_path, *odd), target, invoke=bytes, at_once=1)
    assert list(read_texts(target).values()) == odd


def test_a_file_without_records_gives_an_empty_output(tmp_path, target):
    invoke_file(write_source(tmp_path), target, invoke=shout)
    assert target.read_bytes() == b""


class Client:
    """The two calls of a bedrock-runtime client, answering with what they were asked."""

    def invoke_model(self, **request):
        return {"body": io.BytesIO(msgspec.json.encode({"asked": {**request, "body": request["body"].decode()}}))}

    def converse(self, **request):
        return {"asked": request, "ResponseMetadata": {"HTTPStatusCode": 200}}


@pytest.mark.parametrize(
    ("invocation_type", "asked"),
    [
        ("InvokeModel", {"modelId": "acme.a", "body": '{"text":"a"}', "contentType": "application/json"}),
        ("Converse", {"modelId": "acme.a", "text": "a"}),
    ],
)
def test_each_invocation_type_has_its_call(invocation_type, asked):
    invoke = make_invoke(Client(), "acme.a", invocation_type)
    assert msgspec.json.decode(invoke(b'{"text":"a"}')) == {"asked": asked}
