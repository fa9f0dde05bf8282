from __future__ import annotations

import json

import pytest

from bedrock_local.batch.records import Record, answer_record, expire_record, read_record
from bedrock_local.inference import Reply
from bedrock_local.models import MODELS

HAIKU = MODELS["anthropic.claude-haiku-4-5-20251001-v1:0"]
START = '{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5,'


def body_of(text):
    return (START + ' "messages": [{"role": "user", "content": "' + text + '"}]}').encode()


def answer(line, number=1, invocation_type="InvokeModel"):
    return answer_record(
        read_record(line),
        HAIKU,
        invocation_type=invocation_type,
        responder=lambda question: Reply(question.text, "end", 1, 2),
        number=number,
    )


ODD = [
    "\u2028 \u2029 \x85",
    r"\u0000 \u001f \ud83d\ude00 \u0041",
    "</script><script>alert(1)</script>",
    "مكالمة هاتفية",
    "😀 e\u0301",
    r"\"quoted\" \\ \/ back\\slash",
    # 175,000 tokens: the model takes no more than 200,000.
    "x" * 700_000,
    "  spaces  ",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_the_model_input_comes_back_byte_for_byte(text):
    body = body_of(text)
    line = answer(b'{ "modelInput" :  ' + body + b' , "recordId" : "a" }\r\n').line
    assert line.startswith(b'{"modelInput":' + body + b',"modelOutput":{')
    assert line.endswith(b',"recordId":"a"}\n')
    assert line.count(b"\n") == 1
    assert json.loads(line)["modelOutput"]["content"][0]["text"] == json.loads(b'"' + text.encode() + b'"')


def test_a_lone_surrogate_is_echoed_as_it_came():
    body = body_of(r"\ud800 \\ud800 \ud83d\ude00 \uDC00")
    line = answer(b'{"modelInput":' + body + b',"recordId":"a"}').line
    assert line.startswith(b'{"modelInput":' + body + b',"modelOutput":')
    assert json.loads(line)["modelOutput"]["content"][0]["text"] == "\ufffd \\ud800 😀 \ufffd"


def test_text_is_written_as_it_is_and_not_escaped():
    line = answer(b'{"modelInput":' + body_of("é\u2028") + b',"recordId":"\\u00e9"}').line
    assert '"text":"é\u2028"' in line.decode()
    assert line.decode().endswith('"recordId":"é"}\n')


def test_an_error_replaces_the_answer():
    line = answer(b'{"recordId": "a", "modelInput": {"max_tokens": 5}}').line
    error = '{"errorCode":400,"errorMessage":"anthropic_version: Field required"}'
    assert line.decode() == '{"modelInput":{"max_tokens": 5},"error":' + error + ',"recordId":"a"}\n'


def test_a_record_without_an_id_gets_one_and_always_the_same():
    line = b'{"modelInput": ' + body_of("hello") + b"}"
    first, again, other = (json.loads(answer(line, number).line)["recordId"] for number in (1, 1, 2))
    assert first == again != other
    assert len(first) == 11
    assert first.isalnum()


def test_an_id_without_letters_is_an_id():
    line = b'{"recordId": "", "modelInput": ' + body_of("hello") + b"}"
    lines = [answer(line).line, expire_record(read_record(line), "too late", number=1)]
    assert [json.loads(line)["recordId"] for line in lines] == ["", ""]


def test_an_unprocessed_record_has_the_id_that_its_answer_would_have():
    line = b'{"modelInput": ' + body_of("hello") + b"}"
    ids = [
        json.loads(each)["recordId"] for each in (answer(line, 7).line, expire_record(read_record(line), "", number=7))
    ]
    assert ids[0] == ids[1]


def test_only_a_record_that_was_answered_has_tokens():
    good, bad = answer(b'{"modelInput": ' + body_of("hello") + b"}"), answer(b'{"modelInput": {}}')
    assert (good.is_success, good.input_tokens, good.output_tokens) == (True, 1, 2)
    assert (bad.is_success, bad.input_tokens, bad.output_tokens) == (False, 0, 0)


def test_a_converse_answer_has_every_member_and_nulls():
    line = b'{"recordId": "a", "modelInput": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}}'
    output = json.loads(answer(line, invocation_type="Converse").line)["modelOutput"]
    (block,) = output["output"]["message"]["content"]
    assert {name for name, value in block.items() if value is not None} == {"text"}
    assert len(block) == 12
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    assert {name: output["usage"][name] for name in usage} == usage
    assert "metrics" not in output


def test_a_converse_record_with_tools_is_refused():
    body = b'{"messages": [{"role": "user", "content": [{"text": "a"}]}], "toolConfig": {"tools": []}}'
    output = json.loads(answer(b'{"modelInput": ' + body + b"}", invocation_type="Converse").line)
    assert output["error"]["errorCode"] == 400
    assert "Tool use is not supported" in output["error"]["errorMessage"]


def test_a_native_body_of_another_family_is_an_error_of_the_record():
    nova = MODELS["amazon.nova-lite-v1:0"]
    record = read_record(b'{"modelInput": ' + body_of("hello") + b"}")
    outcome = answer_record(record, nova, invocation_type="InvokeModel", responder=None, number=1)
    message = json.loads(outcome.line)["error"]["errorMessage"]
    assert message.startswith("Malformed input request: #: extraneous key [anthropic_version] is not permitted#: extra")


@pytest.mark.parametrize(
    "body", [b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"a": 1e999}', b'{"a": ' + b"9" * 5000 + b"}"]
)
@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
def test_a_body_that_no_model_can_read_is_an_error_of_the_record(body, invocation_type):
    outcome = answer_record(Record(body, "a"), HAIKU, invocation_type=invocation_type, responder=None, number=1)
    error = json.loads(outcome.line.partition(b'"error":')[2].partition(b',"recordId"')[0])
    assert (error["errorCode"], "nested too deeply, or with a number out of range" in error["errorMessage"]) == (
        400,
        True,
    )
