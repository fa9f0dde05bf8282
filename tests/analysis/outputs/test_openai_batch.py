"""Lines of OpenAI's batches: read as those of Bedrock's own jobs."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.outputs import load_outputs
from analysis.outputs.frames import list_columns
from analysis.outputs.lines import read_lines
from analysis.outputs.openai_batch import rewrite_line

MODEL = "openai.gpt-oss-20b-1:0"
BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25},
}


def make_line(error=None, status=200, body=BODY, custom_id="r1"):
    response = None if body is None else {"status_code": status, "request_id": "q1", "body": body}
    return json.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": error})


def read_one(line):
    line = line.encode() if isinstance(line, str) else line
    columns = list_columns(list(read_lines(io.BytesIO(line), "a.jsonl.out")))
    (row,) = zip(*columns.values(), strict=True)
    return dict(zip(columns, row, strict=True))


def test_an_answer_is_a_row_with_text_stop_and_tokens():
    row = read_one(make_line())
    assert {name: row[name] for name in ("record_id", "family", "model", "text", "stop_reason", "stop")} == {
        "record_id": "r1",
        "family": "openai",
        "model": MODEL,
        "text": "Hi.",
        "stop_reason": "stop",
        "stop": "end",
    }
    assert (row["input_tokens"], row["output_tokens"], row["error_kind"], row["error_message"]) == (21, 4, None, None)
    assert row["max_tokens"] is None  # the request is not repeated


def test_it_equals_the_row_of_bedrocks_own_line():
    own = json.dumps({"recordId": "r1", "modelOutput": BODY})
    assert read_one(make_line()) == read_one(own)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (make_line({"code": "429", "message": "slow down"}, body=None), ("service", 429, "slow down")),
        (make_line({"code": 500, "message": None}, body=None), ("service", 500, None)),
        (
            make_line({"code": "batch_expired", "message": "too late"}, body=None),
            ("expired", None, "batch_expired: too late"),
        ),
        (make_line({"code": "odd"}, body=None), ("service", None, "odd")),
        (make_line("broken", body=None), ("service", None, "broken")),
        (make_line(status=400, body={"error": {"message": "too long", "type": "x"}}), ("service", 400, "too long")),
        (make_line(status=503, body={"message": "down"}), ("service", 503, '{"message": "down"}')),
        (make_line(status=500, body="down"), ("service", 500, "down")),
    ],
)
def test_an_error_is_a_row_of_its_kind(line, error):
    row = read_one(line)
    assert (row["record_id"], row["text"], row["input_tokens"]) == ("r1", None, None)
    assert (row["error_kind"], row["error_code"], row["error_message"]) == error


def test_an_answer_beside_an_error_is_kept():
    row = read_one(make_line({"code": "500", "message": "late"}))
    assert (row["text"], row["error_kind"], row["error_code"]) == ("Hi.", "service", 500)


@pytest.mark.parametrize(
    ("line", "record_id", "reason"),
    [
        (make_line()[:150], "r1", "a.jsonl.out, line 1: "),
        (make_line(body=None), "r1", "a.jsonl.out, line 1: neither modelOutput nor error"),
        (make_line(body=[1]), "r1", "a.jsonl.out, line 1: modelOutput is not an object"),
        ('{"custom_id":"r1","response":"x","error":null}', None, "neither modelOutput nor error"),
    ],
)
def test_a_line_that_cannot_be_read_says_which_and_why(line, record_id, reason):
    row = read_one(line)
    assert (row["record_id"], row["error_kind"]) == (record_id, "unreadable")
    assert reason in row["error_message"]


def test_the_order_of_the_fields_changes_nothing():
    for line in (make_line(), make_line({"code": "429", "message": "slow down"}, body=None)):
        backwards = json.dumps(dict(reversed(json.loads(line).items())))
        assert read_one(backwards) == read_one(line)


@pytest.mark.parametrize(
    "line",
    [
        make_line().replace("Hi.", "H\\ud800i."),
        make_line().encode().replace(b"Hi.", b"H\xffi."),
        make_line().replace('"created": 1', '"created": NaN').replace("Hi.", "H\ufffdi."),
    ],
)
def test_a_paid_answer_is_kept_whatever_is_wrong_in_it(line):
    row = read_one(line)
    assert (row["record_id"], row["text"], row["error_kind"], row["input_tokens"]) == ("r1", "H\ufffdi.", None, 21)


def test_an_id_that_is_a_number_is_text():
    assert read_one(make_line(custom_id=7))["record_id"] == "7"


def test_a_custom_id_within_a_request_of_bedrock_is_none():
    own = {"modelInput": {"metadata": {"custom_id": "x"}}, "modelOutput": BODY, "recordId": "r1"}
    assert read_one(json.dumps(own))["record_id"] == "r1"
    del own["recordId"]
    assert read_one(json.dumps(own))["record_id"] is None


@given(text=st.text(st.characters(codec="utf-8"), max_size=30), custom_id=st.text(st.characters(codec="utf-8")))
def test_no_text_changes_what_a_line_is(text, custom_id):
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
    line = json.dumps({"custom_id": custom_id, "response": {"body": BODY | {"choices": [choice]}}})
    own = json.loads(rewrite_line(line.encode()))
    assert (own["recordId"], own["modelOutput"]["choices"]) == (custom_id, [choice])


def test_outputs_and_errors_of_a_batch_are_loaded_together(tmp_path):
    folder = tmp_path / "in" / "batch_abc123"
    folder.mkdir(parents=True)
    (tmp_path / "in" / "calls.jsonl").write_text('{"custom_id": "r1", "body": {}}\n')
    (folder / "calls.jsonl.out").write_text(make_line() + "\n")
    error = make_line({"code": "429", "message": "slow down"}, body=None, custom_id="r2")
    (folder / "calls.jsonl.err").write_text(error + "\n")
    outputs = load_outputs(tmp_path / "in", model_id=MODEL)
    assert dict(outputs.select("record_id", "error_code").iter_rows()) == {"r1": None, "r2": 429}
    assert set(outputs["job_id"]) == {"batch_abc123"}
    assert set(outputs["family"]) == {"openai", None}
