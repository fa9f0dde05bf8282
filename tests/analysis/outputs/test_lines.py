import io
import json
import re
import string

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis.aws.storage import StoredFile
from analysis.facts.models import find_model
from analysis.families import FAMILIES
from analysis.families.family import Family, only_read
from analysis.outputs import OUTPUT_SCHEMA, load_outputs
from analysis.outputs.frames import list_columns, make_frame
from analysis.outputs.lines import read_lines
from analysis.outputs.request_echo import EchoShortener
from analysis.prompts import Prompt
from analysis.requests.prompt_checks import find_top_k_range

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
LONG_ECHO = ECHO.replace("[]", '[{"role":"user","content":"' + "Agent: hello.\\n" * 50 + '"}]')
TAUGHT = GOOD.replace(ECHO, LONG_ECHO)
GOOD_CONVERSE = f'{{"recordId":"r1",{CONVERSE_ECHO},{CONVERSE_ANSWER}}}'
LLAMA_LINE = '{"recordId":"r1","modelInput":{"max_gen_len":5},"modelOutput":{"generation":"Hi.","stop_reason":"stop"}}'
FILE = StoredFile("a.jsonl.out", "a.jsonl.out", 0, 0)
HAIKU = "anthropic.claude-haiku-4-5"
DEEP = "[" * 100_000 + "]" * 100_000


def read_all(content: str | bytes, model_id: str | None = None) -> list[dict]:
    content = content.encode() if isinstance(content, str) else content
    columns = list_columns(list(read_lines(io.BytesIO(content), "a.jsonl.out", model_id)))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def read_one(line: str | bytes, model_id: str | None = None) -> dict:
    (row,) = read_all(line, model_id)
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
        "tool_calls": None,
        "skipped_blocks": 0,
        "reasoning_chars": 0,
        "vectors": None,
        "vector_length": None,
        "vector_type": None,
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
        {"text": "Well. Hi.", "reasoning_chars": 3},
    ),
    "no text block": (
        GOOD.replace('[{"type":"text","text":"Hi."}]', '[{"type":"thinking","thinking":"Hm."}]'),
        {"text": None, "reasoning_chars": 3, "error_message": "no words in the answer"},
    ),
    "tool call only": (
        GOOD.replace('{"type":"text","text":"Hi."}', '{"type":"tool_use","name":"look","input":{}}').replace(
            "end_turn", "tool_use"
        ),
        {
            "text": None,
            "stop_reason": "tool_use",
            "stop": "tool",
            "tool_calls": [{"name": "look", "input": "{}"}],
        },
    ),
    "empty text": (GOOD.replace("Hi.", ""), {"text": "", "error_message": "no words in the answer"}),
    "text of white space": (
        GOOD.replace("Hi.", " \\n\\n"),
        {"text": " \n\n", "error_message": "no words in the answer"},
    ),
    "empty content": (
        GOOD.replace('[{"type":"text","text":"Hi."}]', "[]"),
        {"text": None, "error_message": "no words in the answer"},
    ),
    "content is null": (
        GOOD.replace('[{"type":"text","text":"Hi."}]', "null"),
        {"text": None, "error_message": "no words in the answer"},
    ),
    "content is text": (GOOD.replace('[{"type":"text","text":"Hi."}]', '"Hi."'), {}),
    "a block is text": (GOOD.replace('{"type":"text","text":"Hi."}', '"Hi."'), {}),
    "a block has no type": (GOOD.replace('{"type":"text","text":"Hi."}', '{"text":"Hi."}'), {}),
    "content is a number": (
        GOOD.replace('[{"type":"text","text":"Hi."}]', "5"),
        {
            "text": None,
            "error_message": "content left out (Expected `array | null`, got `int`); no words in the answer",
        },
    ),
    "text is a number": (
        GOOD.replace('[{"type"', '[{"type":"text","text":5},{"type"'),
        {"error_message": "content[0].text left out (Expected `str | null`, got `int`)"},
    ),
    "a block is a number": (
        GOOD.replace('[{"type"', '[5,{"type"'),
        {"skipped_blocks": 1, "error_message": "content[0] left out (Expected `object`, got `int`)"},
    ),
    "a block of another type": (
        GOOD.replace('[{"type"', '[{"type":"redacted_thinking","data":"x"},{"type"'),
        {"skipped_blocks": 1},
    ),
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
    "lone surrogate in the echo": (GOOD.replace('"messages":[]', '"messages":["\\udc00"]'), {}),
    "escape that does not exist in the echo": (GOOD.replace('"messages":[]', '"messages":["\\q"]'), {}),
    "tab as it is in the echo": (GOOD.replace('"messages":[]', '"messages":["\t"]'), {}),
    "bytes that are no UTF-8 in the echo": (GOOD.encode().replace(b'"messages":[]', b'"messages":["\xff"]'), {}),
    "escaped backslash before a surrogate's letters": (GOOD.replace("Hi.", "\\\\ud83d"), {"text": "\\ud83d"}),
    "bytes that are no UTF-8": (
        GOOD.encode().replace(b"Hi.", b"H\xffi."),
        {"text": "H\ufffdi.", "error_message": "lone surrogates or invalid UTF-8 replaced by U+FFFD"},
    ),
    "U+FFFD that the model wrote": (GOOD.replace("Hi.", "H\ufffdi."), {"text": "H\ufffdi."}),
    "thinking only": (
        GOOD.replace('{"type":"text","text":"Hi."}', '{"type":"thinking","thinking":"Hm.","signature":"x"}'),
        {"text": None, "reasoning_chars": 3, "error_message": "no words in the answer"},
    ),
    "a guardrail's extras": (
        GOOD.replace(
            '"modelOutput":{', '"modelOutput":{"amazon-bedrock-guardrailAction":"NONE","amazon-bedrock-trace":{},'
        ),
        {},
    ),
    "ten megabytes of echo": (GOOD.replace('"messages":[]', '"messages":["' + "x" * 10_000_000 + '"]'), {}),
    "duplicate fields of the answer, the last counts": (GOOD.replace('"content"', '"content":[],"content"'), {}),
    "negative tokens": (
        GOOD.replace(":210", ":-5"),
        {"input_tokens": None, "error_message": "usage.input_tokens left out (Expected `int` >= 0)"},
    ),
    "record id is a list": (
        GOOD.replace('"r1"', '["r1"]'),
        {"record_id": None, "error_message": "recordId left out (neither text nor number)"},
    ),
    "record id is true": (
        GOOD.replace('"r1"', "true"),
        {"record_id": None, "error_message": "recordId left out (neither text nor number)"},
    ),
    "record id is empty": (GOOD.replace('"r1"', '""'), {"record_id": ""}),
    "model is a number": (
        GOOD.replace('"claude"', "5"),
        {"model": None, "error_message": "model left out (Expected `str | null`, got `int`)"},
    ),
    "model input is a list": (GOOD.replace(ECHO, '"modelInput":[1]'), {"max_tokens": None}),
    "signs of two formats": (GOOD.replace('"modelOutput":{', '"modelOutput":{"output":null,"generation":"No.",'), {}),
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
    assert (row["tool_calls"], row["skipped_blocks"], row["reasoning_chars"]) == (None, None, None)


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
        '{"recordId":"r1","modelInput":{"inputText":"x"},"modelOutput":{"images":["x"],"error":null}}',
        "r1",
        "no family reads this modelOutput (it has images, error)",
    ),
    "answer is a list": (f'{{"recordId":"r1",{ECHO},"modelOutput":[]}}', "r1", "modelOutput is not an object"),
    "answer is a number": (f'{{"recordId":"r1",{ECHO},"modelOutput":0}}', "r1", "modelOutput is not an object"),
    "answer is empty": (f'{{"recordId":"r1",{ECHO},"modelOutput":{{}}}}', "r1", "it has no fields"),
    "choices are text": (
        '{"recordId":"r1","modelOutput":{"choices":["Hi."]}}',
        "r1",
        "required field `message` - at `$.choices[0]`",
    ),
    "thousands of tokens that are none": (
        '{"recordId":"r1","modelOutput":{"results":[' + ",".join(['{"tokenCount":0.5}'] * 20_000) + "]}}",
        "r1",
        "more than 50 fields are not of their types",
    ),
    "escape that is cut": (GOOD.replace("Hi.", "H\\u12"), "r1", "Invalid \\uXXXX escape"),
    "escape that does not exist": (GOOD.replace("Hi.", "H\\q"), "r1", "Invalid \\escape"),
    "quote that is missing": (GOOD.replace("Hi.", 'H"i.'), "r1", "at character"),
    "a comma too many": (GOOD[:-1] + ",}", "r1", "at character"),
    "UTF-16": (GOOD.encode("utf-16"), None, "Expecting value"),
    "no bytes but NUL": ("\0" * 100, None, "Expecting value"),
    "answer nested too deep": (with_answer(DEEP), "r1", "recursion"),
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


LINES = {name: line for name, (line, *_) in {**ANSWERED, **UNREADABLE}.items()}
LINES |= {f"error: {name}": with_error(error) for name, (error, _) in ERRORS.items()}


def test_there_are_odd_lines_enough():
    assert len(LINES) >= 90


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_an_odd_line_leaves_its_neighbours_alone(line):
    odd = line.encode() if isinstance(line, str) else line
    lines = [GOOD.encode(), odd.replace(b"\n", b" "), GOOD_CONVERSE.encode(), LLAMA_LINE.encode()]
    rows = {row["line"]: row for row in read_all(b"\n".join(lines))}
    neighbours = [read_one(GOOD), read_one(GOOD_CONVERSE) | {"line": 3}, read_one(LLAMA_LINE) | {"line": 4}]
    assert [rows[1], rows[3], rows[4]] == neighbours
    assert len(rows) == 4


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_an_odd_line_says_the_same_without_the_long_text_of_its_request(line):
    odd = (line.encode() if isinstance(line, str) else line).replace(b"\n", b" ")
    long = odd.replace(ECHO.encode(), LONG_ECHO.encode())
    alone = read_one(long)
    behind = read_all(TAUGHT.encode() + b"\n" + long)[1]
    assert json.dumps(behind).replace("line 2:", "line 1:") == json.dumps(alone | {"line": 2})


@pytest.mark.parametrize("wrong", [b"\\q", b"\\u12", b"\\ud800", b"\t", b"\0", b"\xff", "\x85".encode()])
@pytest.mark.parametrize("before", [b"", TAUGHT.encode(), GOOD_CONVERSE.encode()], ids=["alone", "taught", "other"])
@pytest.mark.parametrize("line", [TAUGHT, TAUGHT.replace(ANSWER, '"error":"No."')], ids=["answer", "error"])
def test_what_is_wrong_in_the_texts_of_a_request_changes_nothing(line, before, wrong):
    for text in (b"hello", b"user", b"bedrock"):
        odd = line.encode().replace(text, wrong, 1)
        assert read_all(before + b"\n" + odd)[-1] == read_one(line) | {"line": 2}


@pytest.mark.parametrize("height", [1, 7, 1000])
def test_frames_of_odd_lines_are_the_same_however_they_are_cut(tmp_path, monkeypatch, height):
    monkeypatch.setattr("analysis.outputs.frames.ROWS_PER_FRAME", height)
    odd = [line.encode() if isinstance(line, str) else line for line in LINES.values()]
    frames = []
    for name, lines in {"a.jsonl.out": odd, "b.jsonl.out": [], "c.jsonl.out": odd[::-1]}.items():
        content = b"\n".join(line.replace(b"\n", b" ") for line in lines if len(line) < 10**6)
        (tmp_path / name).write_bytes(content)
        rows = list(read_lines(io.BytesIO(content), name))
        frames.append(make_frame(rows, [(StoredFile(str(tmp_path / name), name, 0, 0), len(rows))]))
    assert_frame_equal(load_outputs(tmp_path), pl.concat(frames))


# A model of each family, whose answer is made of a text, tokens and a stop reason; mirrors the documented examples.
def answer_chat(text, tokens, reason):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return {"choices": [choice], "usage": {"prompt_tokens": tokens, "completion_tokens": tokens}}


def answer_converse(text, tokens, reason):
    usage = {"inputTokens": tokens, "outputTokens": tokens}
    return {"output": {"message": {"content": [{"text": text}]}}, "stopReason": reason, "usage": usage}


ANSWERS = {
    "anthropic": (
        "anthropic.claude-3-haiku-20240307-v1:0",
        lambda text, tokens, reason: {
            "type": "message",
            "content": [{"type": "text", "text": text}],
            "stop_reason": reason,
            "usage": {"input_tokens": tokens, "output_tokens": tokens},
        },
    ),
    "converse": (HAIKU, answer_converse),
    "nova": ("us.amazon.nova-lite-v1:0", answer_converse),
    "openai": ("openai.gpt-oss-20b-1:0", answer_chat),
    "mistral_chat": (
        "mistral.mistral-large-2407-v1:0",
        lambda text, tokens, reason: {
            "choices": [{"message": {"content": text}, "stop_reason": reason}],
            "usage": {"prompt_tokens": tokens, "completion_tokens": tokens},
        },
    ),
    "jamba": ("ai21.jamba-1-5-mini-v1:0", answer_chat),
    "writer": ("us.writer.palmyra-x5-v1:0", answer_chat),
    "llama": (
        "us.meta.llama3-3-70b-instruct-v1:0",
        lambda text, tokens, reason: {
            "generation": text,
            "prompt_token_count": tokens,
            "generation_token_count": tokens,
            "stop_reason": reason,
        },
    ),
    "mistral": (
        "mistral.mistral-small-2402-v1:0",
        lambda text, tokens, reason: {"outputs": [{"text": text, "stop_reason": reason}]},
    ),
    "titan": (
        "amazon.titan-text-lite-v1",
        lambda text, tokens, reason: {
            "inputTextTokenCount": tokens,
            "results": [{"tokenCount": tokens, "outputText": text, "completionReason": reason}],
        },
    ),
    "cohere_r": (
        "cohere.command-r-v1:0",
        lambda text, tokens, reason: {
            "text": text,
            "finish_reason": reason,
            "meta": {"billed_units": {"input_tokens": tokens, "output_tokens": tokens}},
        },
    ),
    "cohere": (
        "cohere.command-light-text-v14",
        lambda text, tokens, reason: {"generations": [{"text": text, "finish_reason": reason}]},
    ),
    "deepseek_r1": (
        "us.deepseek.r1-v1:0",
        lambda text, tokens, reason: {"choices": [{"text": text, "stop_reason": reason}]},
    ),
}
WITHOUT_TOKENS = {"mistral", "cohere", "deepseek_r1"}


def test_every_family_that_writes_is_written_and_read_back():
    assert set(ANSWERS) == {family.name for family in FAMILIES if family.write_request is not only_read}


PROMPTS = st.builds(
    Prompt,
    name=st.just("short"),
    model_id=st.just(HAIKU),
    template=st.just("x"),
    system=st.text(max_size=20),
    max_tokens=st.integers(1, 200_000),
    temperature=st.none() | st.floats(0, 1),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 500),
    stop_sequences=st.lists(st.text(string.ascii_letters, min_size=1), max_size=2).map(tuple),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# A text with these tags is not read back whole: what they enclose or end is reasoning.
ANSWER_TEXT = TEXT.filter(lambda text: not re.search("</?(think|thinking|reasoning)>", text))
COUNT = st.none() | st.integers(0, 2**63 - 1)


def list_sent_sampling(family: Family, prompt: Prompt) -> dict[str, float | None]:
    """List the sampling parameters that a family sends of a prompt: those that its limits allow."""
    limits = family.limits._asdict() | {"top_k": find_top_k_range(find_model(prompt.model_id), family)}
    return {name: limits[name] and getattr(prompt, name) for name in ("temperature", "top_p", "top_k")}


@pytest.mark.parametrize("name", ANSWERS)
@given(prompt=PROMPTS, call=TEXT, text=ANSWER_TEXT, tokens=COUNT, reason=TEXT)
def test_what_was_written_is_read_back(name, prompt, call, text, tokens, reason):
    (family,) = (family for family in FAMILIES if family.name == name)
    model_id, answer = ANSWERS[name]
    prompt = msgspec.structs.replace(prompt, model_id=model_id)
    line = {
        "recordId": "r1",
        "modelInput": family.write_request(prompt, call),
        "modelOutput": answer(text, tokens, reason),
    }
    known = None if name in WITHOUT_TOKENS else tokens
    expected = {"record_id": "r1", "family": name, "text": text, "stop_reason": reason, "error_kind": None}
    expected |= {"input_tokens": known, "output_tokens": known}
    expected |= {"error_message": None if text.strip() else "no words in the answer"}
    expected |= {"max_tokens": prompt.max_tokens, **list_sent_sampling(family, prompt)}
    for encoded in (msgspec.json.encode(line), json.dumps(line).encode()):
        assert read_one(encoded, model_id).items() >= expected.items()


ONLY_READ = {
    "anthropic_text": {"type": "completion", "completion": "Sorry.", "stop_reason": "stop_sequence"},
    "jurassic": {"completions": [{"data": {"text": "Sorry."}, "finishReason": {"reason": "endoftext"}}]},
    "imported": {"outputs": [{"text": "Sorry.", "stop_reason": "stop"}]},
}
GUARDED = {name: answer("Sorry.", 5, "stop") for name, (_, answer) in ANSWERS.items()} | ONLY_READ


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize("usage", ["{}", '{"input_tokens": NaN}'], ids=["typed", "lenient"])
def test_an_answer_of_a_guardrail_is_filtered(name, usage):
    echo = f'"modelInput": {{"x": {usage}}}, "recordId": "r1"'
    stops = {}
    for action in ("INTERVENED", "NONE", 5, None):
        output = json.dumps(
            GUARDED[name] | {"amazon-bedrock-guardrailAction": action, "amazon-bedrock-trace": {"x": 1}}
        )
        row = read_one(f'{{"modelOutput": {output}, {echo}}}')
        stops[action] = row["stop"]
        assert row["text"] == "Sorry."
    plain = read_one(f'{{"modelOutput": {json.dumps(GUARDED[name])}, {echo}}}')
    assert stops == {"INTERVENED": "filtered", **dict.fromkeys(("NONE", 5, None), plain["stop"])}
    assert plain["stop"] != "filtered"


def write_line(name: str, prompt: Prompt, call: str, text: str) -> bytes:
    """Write an output line of a family, with a long request."""
    (family,) = (family for family in FAMILIES if family.name == name)
    model_id, answer = ANSWERS[name]
    request = family.write_request(msgspec.structs.replace(prompt, model_id=model_id), call + "Agent: hello.\n" * 50)
    return json.dumps({"modelInput": request, "modelOutput": answer(text, 5, "stop"), "recordId": "r1"}).encode()


@pytest.mark.parametrize("name", ANSWERS)
@given(prompt=PROMPTS, calls=st.lists(TEXT, min_size=2, max_size=2), text=TEXT)
def test_a_line_of_any_family_says_the_same_without_the_long_text_of_its_request(name, prompt, calls, text):
    first, second = (write_line(name, prompt, call, text) for call in calls)
    model_id, _ = ANSWERS[name]
    assert read_all(first + b"\n" + second, model_id)[1] == read_one(second, model_id) | {"line": 2}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_long_text_of_a_request_of_any_family_is_found(name):
    prompt = Prompt(name="short", model_id=HAIKU, template="x", system="Write notes.", max_tokens=5)
    first, second = (write_line(name, prompt, call, "Hi.") for call in ("Hello.", "Well."))
    echoes = EchoShortener()
    assert echoes.shorten(first) == first
    assert len(echoes.shorten(second)) < len(second) - 700


@pytest.mark.parametrize("name", ANSWERS)
@given(prompt=PROMPTS)
def test_what_a_failed_record_asked_for_is_read_back(name, prompt):
    (family,) = (family for family in FAMILIES if family.name == name)
    prompt = msgspec.structs.replace(prompt, model_id=ANSWERS[name][0])
    line = {"recordId": "r1", "modelInput": family.write_request(prompt, "Hello"), "error": {"errorCode": 400}}
    row = read_one(msgspec.json.encode(line), prompt.model_id)
    assert (row["family"], row["error_code"]) == (name, 400)
    assert row["max_tokens"] == prompt.max_tokens
    assert row["temperature"] == list_sent_sampling(family, prompt)["temperature"]


CHAT = '{"recordId":"r1","modelOutput":{"choices":[{"message":{"content":"Hi."},"finish_reason":"stop"}]%s}}'


@pytest.mark.parametrize(
    ("model_id", "answering", "family"),
    [
        ("ai21.jamba-1-5-mini-v1:0", "", "jamba"),
        ("mistral.mistral-large-2407-v1:0", ',"model":"x"', "mistral_chat"),
        ("zai.glm-4.7", "", "openai"),
        (None, ',"model":"writer.palmyra-x5-v1:0"', "writer"),
        (None, ',"model":"openai.gpt-oss-20b-1:0"', "openai"),
        (None, ',"model":"ai21.jamba-1-5-mini-v1:0"', "jamba"),
    ],
)
def test_the_model_tells_apart_answers_of_one_shape(model_id, answering, family):
    row = read_one(CHAT % answering, model_id)
    assert (row["family"], row["text"], row["stop"], row["error_message"]) == (family, "Hi.", "end", None)


@pytest.mark.parametrize("model_id", [None, "acme.talker-v1:0", "arn:aws:bedrock:eu-west-1:1:imported-model/abc"])
def test_an_unknown_model_is_read_by_shape_and_says_so(model_id):
    row = read_one(CHAT % "", model_id)
    assert (row["family"], row["text"], row["error_kind"]) == ("openai", "Hi.", None)
    assert row["error_message"] == (
        "read as openai: mistral_chat and jamba and writer answer in the same shape, and no model is named"
    )


def test_a_choice_of_text_and_one_of_a_message_are_told_apart():
    line = '{"recordId":"r1","modelOutput":{"choices":[{"text":"Hi."}],"usage":{"prompt_tokens":5}}}'
    row = read_one(line, "arn:aws:bedrock:eu-west-1:1:imported-model/abc")
    assert (row["family"], row["text"], row["input_tokens"]) == ("imported", "Hi.", 5)


@pytest.mark.parametrize(
    ("request_", "family"),
    [
        ('{"anthropic_version":"bedrock-2023-05-31"}', "anthropic"),
        ('{"schemaVersion":"messages-v1","inferenceConfig":{"maxTokens":5}}', "nova"),
        ('{"inferenceConfig":{"maxTokens":5}}', "converse"),
        ('{"max_completion_tokens":5}', "openai"),
        ('{"max_gen_len":5}', "llama"),
        ('{"inputText":"x","textGenerationConfig":{"maxTokenCount":5}}', "titan"),
        ('{"message":"x","max_tokens":5}', "cohere_r"),
        ('{"prompt":"x","max_tokens":5,"p":0.5}', "cohere"),
        ('{"prompt":"x","max_tokens_to_sample":5}', "anthropic_text"),
        ('{"prompt":"x","maxTokens":5}', "jurassic"),
        ('{"prompt":"x","max_tokens":5}', None),
        ('{"messages":[],"max_tokens":5}', None),
    ],
)
def test_the_request_tells_whose_error_it_is(request_, family):
    row = read_one(with_error('{"errorCode":400}', f'"modelInput":{request_}'))
    assert (row["family"], row["error_kind"]) == (family, "service")


def test_a_request_that_lacks_its_version_is_the_models_own():
    row = read_one(with_error('{"errorCode":400}', '"modelInput":{"max_tokens":5}'), "us.anthropic.claude-opus-5")
    assert (row["family"], row["max_tokens"]) == ("anthropic", 5)


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
    st.sampled_from(["content", "output", "choices", "results", "text", "usage", "max_tokens", "inferenceConfig"]),
    JSON,
)


@pytest.mark.parametrize("before", [GOOD, GOOD_CONVERSE, LLAMA_LINE], ids=["anthropic", "converse", "llama"])
def test_an_answer_with_the_signs_of_several_formats_is_always_of_the_same(before):
    line = GOOD.replace('"modelOutput":{', '"modelOutput":{"output":null,"generation":"No.",')
    assert read_all(f"{before}\n{line}")[1] == read_one(line) | {"line": 2}


ANY = st.fixed_dictionaries({}, optional={"recordId": JSON, "modelInput": PART, "modelOutput": PART, "error": JSON})


@given(ANY)
def test_what_stands_before_a_line_changes_nothing(line):
    written = json.dumps(line)
    rows = [read_all(f"{before}\n{written}")[1] for before in (GOOD, GOOD_CONVERSE, LLAMA_LINE, CHAT % "", "garbage")]
    assert rows == [rows[0]] * len(rows)


@given(ANY)
def test_lines_of_any_shape_give_one_row_that_fits_the_columns(line):
    rows = list(read_lines([json.dumps(line).encode()], "a.jsonl.out"))
    frame = make_frame(rows, [(FILE, 1)])
    assert frame.height == 1
    assert frame.schema == OUTPUT_SCHEMA
