import io
import json
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.families import FAMILIES
from analysis.outputs import OUTPUT_SCHEMA, make_frame
from analysis.outputs.lines import ROW, read_lines
from analysis.prompts import Prompt

ECHO = '"modelInput":{"anthropic_version":"bedrock-2023-05-31","max_tokens":400,"messages":[]}'
USAGE = '"usage":{"input_tokens":210,"output_tokens":9}'
CONTENT = '"content":[{"type":"text","text":"Hi."}]'
ANSWER = f'"modelOutput":{{"model":"claude",{CONTENT},"stop_reason":"end_turn",{USAGE}}}'
CONVERSE_ECHO = '"modelInput":{"messages":[],"inferenceConfig":{"maxTokens":300,"temperature":0}}'
CONVERSE_ANSWER = (
    '"modelOutput":{"output":{"message":{"content":[{"text":"Hi.","image":null}]}},"stopReason":"max_tokens",'
    '"usage":{"inputTokens":419,"outputTokens":8,"cacheReadInputTokens":null}}'
)
GOOD = f'{{"recordId":"r1",{ECHO},{ANSWER}}}'
GOOD_CONVERSE = f'{{"recordId":"r1",{CONVERSE_ECHO},{CONVERSE_ANSWER}}}'
DEEP = "[" * 100_000 + "]" * 100_000


def read_all(content: str | bytes) -> list[dict]:
    content = content.encode() if isinstance(content, str) else content
    return [dict(zip(ROW, row, strict=True)) for row in read_lines(io.BytesIO(content), "a.jsonl.out")]


def read_one(line: str | bytes) -> dict:
    (row,) = read_all(line)
    return row


def with_answer(content: str, rest: str = "") -> str:
    return f'{{"recordId":"r1",{ECHO},"modelOutput":{{"content":{content}{rest}}}}}'


def with_error(error: str, echo: str = ECHO) -> str:
    return f'{{"recordId":"r1",{echo},"error":{error}}}'


def test_a_line_of_messages_is_read_in_full():
    assert read_one(GOOD) == {
        "record_id": "r1",
        "line": 1,
        "family": "anthropic",
        "model": "claude",
        "text": "Hi.",
        "stop_reason": "end_turn",
        "input_tokens": 210,
        "output_tokens": 9,
        "cache_read_tokens": None,
        "cache_write_tokens": None,
        "stop": "end",
        "max_tokens": 400,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        "error_kind": None,
        "error_code": None,
        "error_message": None,
    }


def test_a_line_of_converse_is_read_in_full():
    assert read_one(GOOD_CONVERSE) == read_one(GOOD) | {
        "family": "converse",
        "model": None,
        "stop_reason": "max_tokens",
        "stop": "length",
        "input_tokens": 419,
        "output_tokens": 8,
        "max_tokens": 300,
        "temperature": 0.0,
    }


# Each line, and what of its row is not as in the plain answer: these are paid, and none may be lost.
ANSWERED = {
    "keys in the order that Bedrock uses": (f'{{{ECHO},{ANSWER},"recordId":"r1"}}', {}),
    "unknown keys": (GOOD.replace('{"recordId"', '{"new":{"a":[1]},"recordId"'), {}),
    "carriage return at the end": (GOOD + "\r", {}),
    "spaces around": (f"  {GOOD} \t", {}),
    "byte order mark": ("\ufeff" + GOOD, {}),
    "error is null": (GOOD.replace('"modelOutput"', '"error":null,"modelOutput"'), {}),
    "duplicate keys, the last counts": (GOOD.replace('{"recordId"', '{"recordId":"r0","recordId"'), {}),
    "record id is a number": (GOOD.replace('"r1"', "17"), {"record_id": "17"}),
    "record id is missing": (GOOD.replace('"recordId":"r1",', ""), {"record_id": None}),
    "record id is null": (GOOD.replace('"r1"', "null"), {"record_id": None}),
    "record id is an object": (
        GOOD.replace('"r1"', "{}"),
        {"record_id": None, "error_message": "recordId left out (neither text nor number)"},
    ),
    "several text blocks": (
        GOOD.replace("[{", '[{"type":"text","text":"Well. "},{"type":"thinking","thinking":"Hm."},{'),
        {"text": "Well. Hi."},
    ),
    "no text block": (
        GOOD.replace('[{"type":"text","text":"Hi."}]', '[{"type":"thinking","thinking":"Hm."}]'),
        {"text": None},
    ),
    "tool call only": (
        GOOD.replace('{"type":"text","text":"Hi."}', '{"type":"tool_use","name":"look","input":{}}').replace(
            "end_turn", "tool_use"
        ),
        {"text": None, "stop_reason": "tool_use", "stop": "tool"},
    ),
    "empty text": (GOOD.replace("Hi.", ""), {"text": ""}),
    "empty content": (GOOD.replace('[{"type":"text","text":"Hi."}]', "[]"), {"text": None}),
    "usage is null": (
        GOOD.replace(USAGE, '"usage":null'),
        {"input_tokens": None, "output_tokens": None},
    ),
    "no usage": (GOOD.replace("," + USAGE, ""), {"input_tokens": None, "output_tokens": None}),
    "usage of 0": (GOOD.replace(":210", ":0").replace(":9}", ":0}"), {"input_tokens": 0, "output_tokens": 0}),
    "whole number with a point": (GOOD.replace(":210", ":210.0"), {}),
    "usage is a list": (
        GOOD.replace(USAGE, '"usage":[]'),
        {
            "input_tokens": None,
            "output_tokens": None,
            "error_message": "usage left out (Expected `object | null`, got `array`)",
        },
    ),
    "tokens are text": (
        GOOD.replace(":210", ':"210"'),
        {
            "input_tokens": None,
            "error_message": "usage.input_tokens left out (Expected `int | null`, got `str`)",
        },
    ),
    "tokens are no whole number": (
        GOOD.replace(":210", ":5.7"),
        {
            "input_tokens": None,
            "error_message": "usage.input_tokens left out (Expected `int | null`, got `float`)",
        },
    ),
    "tokens beyond 64 bits": (
        GOOD.replace(":210", ":1" + "0" * 30),
        {
            "input_tokens": None,
            "error_message": "usage.input_tokens left out (Expected `int` <= 9223372036854775807)",
        },
    ),
    "huge number in the echo": (GOOD.replace('"messages":[]', '"messages":[1' + "0" * 30 + "]"), {}),
    "max_tokens is text": (
        GOOD.replace(":400", ':"400"'),
        {"max_tokens": None, "error_message": "max_tokens left out (Expected `int | null`, got `str`)"},
    ),
    "model input is null": (GOOD.replace(ECHO, '"modelInput":null'), {"max_tokens": None}),
    "model input is text": (GOOD.replace(ECHO, '"modelInput":"..."'), {"max_tokens": None}),
    "NaN in the echo": (GOOD.replace('"messages":[]', '"messages":[],"temperature":NaN'), {}),
    "infinity in the echo": (GOOD.replace('"messages":[]', '"messages":[],"top_p":-Infinity'), {}),
    "number beyond floats": (GOOD.replace('"messages":[]', '"messages":[],"temperature":1e999'), {}),
    "tab as it is in a text": (GOOD.replace("Hi.", "H\ti."), {"text": "H\ti."}),
    "NUL escape": (GOOD.replace("Hi.", "H\\u0000i."), {"text": "H\0i."}),
    "U+2028, U+2029 and U+0085": (GOOD.replace("Hi.", "H\u2028\u2029\x85i."), {"text": "H\u2028\u2029\x85i."}),
    "escaped pair of surrogates": (GOOD.replace("Hi.", "\\ud83d\\ude00"), {"text": "\U0001f600"}),
    "lone surrogate in the answer": (
        GOOD.replace("Hi.", "H\\ud83di."),
        {"text": "H\ufffdi.", "error_message": "lone surrogates or invalid UTF-8 replaced by U+FFFD"},
    ),
    "lone surrogate in the echo": (
        GOOD.replace('"messages":[]', '"messages":["\\udc00"]'),
        {"error_message": "lone surrogates or invalid UTF-8 replaced by U+FFFD"},
    ),
    "escaped backslash before a surrogate's letters": (GOOD.replace("Hi.", "\\\\ud83d"), {"text": "\\ud83d"}),
    "bytes that are no UTF-8": (
        GOOD.encode().replace(b"Hi.", b"H\xffi."),
        {"text": "H\ufffdi.", "error_message": "lone surrogates or invalid UTF-8 replaced by U+FFFD"},
    ),
    "U+FFFD that the model wrote": (GOOD.replace("Hi.", "H\ufffdi."), {"text": "H\ufffdi."}),
    "unknown stop reason": (GOOD.replace("end_turn", "bored"), {"stop_reason": "bored", "stop": "other"}),
    "stop reason is null": (GOOD.replace('"end_turn"', "null"), {"stop_reason": None, "stop": None}),
}


@pytest.mark.parametrize(("line", "changes"), ANSWERED.values(), ids=ANSWERED)
def test_an_odd_answer_is_kept(line, changes):
    assert read_one(line) == read_one(GOOD) | changes


ERRORS = {
    "number": ('{"errorCode":400,"errorMessage":"bad request"}', ("service", 400, "bad request")),
    "digits": ('{"errorCode":"429","errorMessage":"slow down"}', ("service", 429, "slow down")),
    "code in words": ('{"errorCode":"ValidationException","errorMessage":"bad"}', ("service", None, "bad")),
    "code beyond 32 bits": ('{"errorCode":4294967296}', ("service", None, None)),
    "code is true": ('{"errorCode":true}', ("service", None, None)),
    "empty": ("{}", ("service", None, None)),
    "text": ('"broken"', ("service", None, "broken")),
    "message is an object": ('{"errorMessage":{"a":"ü"}}', ("service", None, '{"a": "ü"}')),
    "expired": ('{"errorCode":408,"errorMessage":"late","expired":true}', ("expired", 408, "late")),
    "not expired": ('{"errorCode":500,"expired":false,"retryable":true}', ("service", 500, None)),
    "lone surrogate": ('{"errorCode":400,"errorMessage":"\\ud800"}', ("service", 400, "\ufffd")),
}


@pytest.mark.parametrize(("error", "expected"), ERRORS.values(), ids=ERRORS)
def test_an_error_stands_in_place_of_the_answer(error, expected):
    row = read_one(with_error(error))
    assert (row["error_kind"], row["error_code"], row["error_message"]) == expected
    assert (row["record_id"], row["family"], row["max_tokens"]) == ("r1", "anthropic", 400)
    assert (row["text"], row["input_tokens"], row["stop"]) == (None, None, None)


def test_an_error_beside_an_answer_keeps_both():
    row = read_one(GOOD[:-1] + ',"error":{"errorCode":500}}')
    assert (row["error_kind"], row["error_code"], row["text"], row["input_tokens"]) == ("service", 500, "Hi.", 210)


def test_a_request_that_no_family_claims_gives_an_error_without_family():
    row = read_one(with_error('{"errorCode":400}', '"modelInput":{"prompt":"Hello"}'))
    assert (row["family"], row["max_tokens"], row["error_code"]) == (None, None, 400)


UNREADABLE = {
    "garbage": ("<html>", None, "Expecting value at character 1"),
    "cut off": (GOOD[:-40], "r1", "at character"),
    "null": ("null", None, "not a JSON object"),
    "list": ("[]", None, "not a JSON object"),
    "number": ("5", None, "not a JSON object"),
    "two objects": (GOOD + GOOD, "r1", "Extra data"),
    "empty object": ("{}", None, "neither modelOutput nor error"),
    "answer is null": (f'{{"recordId":"r1",{ECHO},"modelOutput":null}}', "r1", "neither modelOutput nor error"),
    "answer is text": (f'{{"recordId":"r1",{ECHO},"modelOutput":"Hi."}}', "r1", "modelOutput is not an object"),
    "other format": (
        '{"recordId":"r1","modelInput":{"prompt":"x"},"modelOutput":{"completion":"Hi.","stop":"x"}}',
        "r1",
        "no family reads this modelOutput (it has completion, stop)",
    ),
    "content is text": (with_answer('"Hi."'), "r1", "modelOutput: Expected `array | null`, got `str`"),
    "text is a number": (with_answer('[{"type":"text","text":5}]'), "r1", "got `int` - at `$.content[0].text`"),
    "nested too deep": (f'{{"recordId":"r1","modelInput":{DEEP},{ANSWER}}}', "r1", "recursion"),
    "manifest": ('{"totalRecordCount":2}', None, "neither modelOutput nor error"),
}


@pytest.mark.parametrize(("line", "record_id", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_line_that_cannot_be_read_says_where_and_why(line, record_id, reason):
    row = read_one(line)
    assert (row["error_kind"], row["record_id"], row["text"]) == ("unreadable", record_id, None)
    assert row["error_message"].startswith("a.jsonl.out, line 1: ")
    assert reason in row["error_message"]


@pytest.mark.parametrize(
    ("line", "record_id"),
    [
        ('{"recordId":"r1","modelInput":{"messages":["AGE', "r1"),
        ('NT: hello"]},"recordId":"r2"}', "r2"),
        ('{"recordId":"\\u0072\\ud800"', "r\ufffd"),
        ('{"modelInput":{"recordId":"no"},"modelOutp', None),
        ('{"modelInput":{"text":"say \\"recordId\\":\\"no\\"', None),
    ],
)
def test_the_record_id_of_a_cut_line_is_salvaged_from_its_ends(line, record_id):
    assert read_one(line)["record_id"] == record_id


def test_blank_lines_count_but_give_no_row():
    assert [row["line"] for row in read_all(f"\n{GOOD}\n \r\n\n{GOOD}\n")] == [2, 5]


def test_no_line_changes_another():
    lines = [GOOD, "garbage", GOOD_CONVERSE, with_error('{"errorCode":400}'), GOOD]
    lines += [with_error('{"errorCode":400}', CONVERSE_ECHO), with_error('"x"', '"modelInput":{}'), GOOD_CONVERSE]
    alone = [read_one(line) for line in lines]
    for order in (1, -1):
        together = read_all("\n".join(lines[::order]))[::order]
        assert [row | {"line": 1, "error_message": None} for row in together] == [
            row | {"error_message": None} for row in alone
        ]


PROMPTS = st.builds(
    Prompt,
    name=st.just("short"),
    model_id=st.just("anthropic.claude-haiku-4-5"),
    template=st.just("x"),
    system=st.text(max_size=20),
    max_tokens=st.integers(1, 200_000),
    temperature=st.none() | st.floats(0, 1),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 500),
    stop_sequences=st.lists(st.text(string.ascii_letters, min_size=1), max_size=2).map(tuple),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
COUNT = st.none() | st.integers(0, 2**63 - 1)


def answer_of(family: str, text: str, tokens: int | None) -> dict:
    if family == "anthropic":
        return {"content": [{"type": "text", "text": text}], "usage": {"input_tokens": tokens}}
    return {"output": {"message": {"content": [{"text": text}]}}, "usage": {"inputTokens": tokens}}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@given(prompt=PROMPTS, call=TEXT, text=TEXT, tokens=COUNT)
def test_what_was_written_is_read_back(family, prompt, call, text, tokens):
    line = {
        "recordId": "r1",
        "modelInput": family.write_request(prompt, call),
        "modelOutput": answer_of(family.name, text, tokens),
    }
    expected = {"record_id": "r1", "family": family.name, "text": text, "input_tokens": tokens, "error_kind": None}
    expected |= {name: getattr(prompt, name) for name in ("max_tokens", "temperature", "top_p", "top_k")}
    for encoded in (msgspec.json.encode(line), json.dumps(line).encode()):
        assert read_one(encoded).items() >= expected.items()


@given(st.binary())
def test_bytes_of_any_kind_give_rows_and_no_exception(content):
    kinds = {row["error_kind"] for row in read_all(content)}
    assert kinds <= {"unreadable"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["content", "usage", "text"]), inner),
    max_leaves=8,
)
PART = st.dictionaries(
    st.sampled_from(["content", "output", "usage", "stopReason", "max_tokens", "inferenceConfig", "anthropic_version"]),
    JSON,
)


@given(st.fixed_dictionaries({}, optional={"recordId": JSON, "modelInput": PART, "modelOutput": PART, "error": JSON}))
def test_lines_of_any_shape_give_one_row_that_fits_the_columns(line):
    rows = list(read_lines([json.dumps(line).encode()], "a.jsonl.out"))
    frame = make_frame(rows, dict.fromkeys(["job_id", "file", "model_id", "invocation"]))
    assert frame.height == 1
    assert frame.schema == OUTPUT_SCHEMA
