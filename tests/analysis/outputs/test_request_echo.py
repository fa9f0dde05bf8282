import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.outputs.lines import read_lines
from analysis.outputs.request_echo import MOST_QUOTES, EchoShortener, blank_texts

ANSWER = {"content": [{"type": "text", "text": "Hi." * 400}], "usage": {"input_tokens": 210}}
LONG = "Agent: hello.\n" * 50


def ask(*texts: str, **fields) -> dict:
    return {"messages": [{"role": "user", "content": text} for text in texts], "max_tokens": 400, **fields}


def write(request: dict, answer: dict = ANSWER, **fields) -> bytes:
    return json.dumps({"modelInput": request, "modelOutput": answer, **fields}, separators=(",", ":")).encode()


def shorten(*lines: bytes) -> bytes:
    """Shorten the last line, once the others have been seen."""
    echoes = EchoShortener()
    return [echoes.shorten(line) for line in lines][-1]


def test_the_long_texts_of_a_request_are_taken_out_and_nothing_else():
    lines = [write(ask(LONG * times, "and?", LONG), recordId=f"r{times}") for times in (1, 2)]
    expected = json.loads(lines[1]) | {"modelInput": ask("", "", "")}
    expected["modelInput"]["messages"] = [{"role": "", "content": ""}] * 3
    assert json.loads(shorten(*lines)) == expected


def test_a_form_serves_whatever_its_long_texts_are():
    first, second = (write(ask(*texts, system=LONG)) for texts in ((LONG, LONG[1:]), (LONG[2:], LONG[3:])))
    assert len(shorten(first, second)) < len(second) - 2_000


@pytest.mark.parametrize(
    "line",
    [
        write(ask(LONG)).replace(b"messages", b"prompts"),
        write(ask('"' * 20 * MOST_QUOTES + LONG)),
        write(ask(LONG + "\\")),
        write(ask(LONG))[:200],
        b'{"other":{' + write(ask(LONG))[1:],
        b"{" + b'"other":1,' * 30 + write(ask(LONG))[1:],
    ],
    ids=["other form", "too many quotes", "backslash at the end", "cut off", "deeper", "late"],
)
def test_a_line_of_another_kind_stays_as_it_is(line):
    assert shorten(write(ask(LONG)), line) == line


def test_the_text_of_an_answer_is_never_taken_out():
    line = json.dumps({"recordId": "r1", "modelOutput": ANSWER, "modelInput": ask(LONG)}).encode()
    assert shorten(line, line) == line


@pytest.mark.parametrize("name", [b'"max_tok', b'"recor'])
def test_nothing_is_learnt_from_a_line_that_is_torn(name):
    line = write(ask(LONG), recordId="r1") + b"\n"
    begin = line.index(name) + len(name)
    torn = line[:begin] + bytes(600) + line[begin + 600 : -1] + b'"\n'
    *_, row = read_lines([torn, line], "0.jsonl.out")
    assert (row.record_id, row.sampling.max_tokens) == ("r1", 400)


def test_many_forms_are_tried_but_not_for_ever():
    lines = [write(ask(LONG, **{f"field_{number}": 1}, system=str(number))) for number in range(100)]
    lines = [line.replace(b'{"messages"', b'{"field%d":1,"messages"' % number) for number, line in enumerate(lines)]
    echoes = EchoShortener()
    for line in lines:
        echoes.shorten(line)
    assert len(echoes.patterns) < 10


def test_only_the_texts_of_the_request_are_blanked():
    line = '{"recordId":"r1","modelInput":{"a":"ü\\"","b":["c"],"d":{"e":1}},"modelOutput":{"f":"g"}}'
    expected = '{"recordId":"r1","modelInput":{"a":"   ","b":[" "],"d":{"e":1}},"modelOutput":{"f":"g"}}'
    assert blank_texts(line.encode()).decode() == expected


NASTY = ['"', "\\", '\\"', '"text":"', '"modelOutput":{"content":[{"type":"text","text":"', "}", "]}]},", "\u2028", "ü"]
TEXT = st.lists(st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"])), max_size=5).map("".join)
CALL = st.builds(lambda before, after: before + LONG + after, TEXT, TEXT) | TEXT
NAMES = st.sampled_from(["text", "content", "modelInput", "modelOutput", "recordId", "error", "tools", 'a"b'])
EXTRA = st.recursive(
    CALL | st.integers(), lambda one: st.lists(one, max_size=3) | st.dictionaries(NAMES, one), max_leaves=6
)
REQUEST = st.builds(
    lambda turns, extra, version: extra | {"messages": turns, "anthropic_version": version},
    st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": CALL | EXTRA}), max_size=4),
    st.dictionaries(NAMES, EXTRA, max_size=3),
    TEXT,
)
ORDERS = st.permutations(["recordId", "modelInput", "modelOutput"]) | st.permutations(
    ["recordId", "modelInput", "error"]
)
VALUES = {
    "recordId": "r1",
    "modelOutput": ANSWER,
    "error": {"errorCode": 400, "errorMessage": {"modelInput": {"a": LONG}}},
}


def fill(value: object, text: str) -> object:
    """Put another text in place of the long ones."""
    if isinstance(value, dict):
        return {name: fill(one, text) for name, one in value.items()}
    if isinstance(value, list):
        return [fill(one, text) for one in value]
    return value.replace(LONG, text) if isinstance(value, str) else value


@given(REQUEST, ORDERS, CALL, st.booleans(), st.sampled_from([(",", ":"), None]))
def test_a_line_says_the_same_without_the_long_texts(request_, order, text, escapes, separators):
    values = VALUES | {"modelInput": request_}
    line = {name: values[name] for name in order}
    other = line | {"modelInput": fill(request_, text + LONG)}
    first, second = (json.dumps(one, ensure_ascii=escapes, separators=separators).encode() for one in (line, other))
    (alone,) = read_lines([second], "a.jsonl.out")
    _, behind = read_lines([first, second], "a.jsonl.out")
    assert (behind.record_id, behind.family, behind.parsed, behind.sampling, behind.fault) == (
        *(alone.record_id, alone.family, alone.parsed, alone.sampling, alone.fault),
    )
