import json
import math

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis import as_pandas, measure_answers, read_json_answers
from analysis.errors import ColumnError, PromptError
from analysis.metrics.json_answers import describe_invalid
from analysis.prompts import Expectations, Prompt

SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "score": {"type": ["integer", "null"]},
        "paid": {"type": "number"},
        "solved": {"type": "boolean"},
        "outcome": {"enum": ["resolved", "pending", None]},
        "actions": {"type": "array", "items": {"type": "string"}},
        "agent": {"anyOf": [{"$ref": "#/$defs/person"}, {"type": "null"}]},
        "more": {"type": ["string", "integer"]},
    },
    "$defs": {"person": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}},
    "required": ["reason"],
    "additionalProperties": False,
}
PERSON = pl.Struct({"name": pl.String, "age": pl.Int64})
DTYPES = {
    "reason": pl.String,
    "score": pl.Int64,
    "paid": pl.Float64,
    "solved": pl.Boolean,
    "outcome": pl.String,
    "actions": pl.List(pl.String),
    "agent": PERSON,
    "more": pl.String,
    "json_error": pl.String,
}
FULL = """{"reason": "a fee", "score": 5.0, "paid": 3, "solved": true, "outcome": "pending", "actions": ["called"],
 "agent": {"name": "Ann"}, "more": 7}"""
VALUES = ("a fee", 5, 3.0, True, "pending", ["called"], {"name": "Ann", "age": None}, "7", None)
EMPTY = (None,) * 8


def read(*texts, schema=SCHEMA, **columns):
    return read_json_answers(pl.DataFrame({"text": texts, **columns}, schema_overrides={"text": pl.String}), schema)


def find_error(text, schema=SCHEMA, **columns):
    return read(text, schema=schema, **columns)["json_error"][0]


@pytest.mark.parametrize(
    "text",
    [FULL, f"```json\n{FULL}\n```", f"Here it is {{as asked}}:\n{FULL}\nShall I go on? {{}}", f"```\n{FULL}"],
)
def test_the_first_object_becomes_typed_columns(text):
    expected = pl.DataFrame([(text, *VALUES)], {"text": pl.String, **DTYPES}, orient="row")
    assert_frame_equal(read(text), expected)


def test_columns_have_their_types_without_rows_and_without_answers():
    assert read().schema == {"text": pl.String, **DTYPES}
    assert_frame_equal(read(None), pl.DataFrame([(None, *EMPTY, None)], {"text": pl.String, **DTYPES}, orient="row"))


def test_pandas_comes_back_as_pandas_on_a_new_index_and_the_frame_is_left_alone():
    frame = pd.DataFrame({"text": [FULL, None]}, index=[7, 3])
    before = frame.copy()
    found = read_json_answers(frame, SCHEMA)
    assert list(found.columns) == ["text", *DTYPES]
    assert list(found.index) == [0, 1]
    assert (str(found["score"].dtype), str(found["solved"].dtype)) == ("Int64", "boolean")
    assert (found["reason"][0], found["score"][0], list(found["actions"][0])) == ("a fee", 5, ["called"])
    assert found[["reason", "score", "solved", "json_error"]].loc[1].isna().all()
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no JSON object"),
        ("I cannot say.", "no JSON object"),
        ('["a"]', "no JSON object"),
        ('{"reason": "a"', "line 1, column 15: no valid JSON (Expecting ',' delimiter)"),
        ("{'reason': 1}", "line 1, column 2: no valid JSON (Expecting property name enclosed in double quotes)"),
        ('{"paid": NaN}', "no valid JSON (too deep, NaN, Infinity, or a number with thousands of digits)"),
        ("{}", '"reason" is a required property'),
        ('{"reason": 20}', 'reason: value is not of type "string"'),
        ('{"reason": "a", "actions": ["b", 1]}', 'actions[1]: value is not of type "string"'),
        ('{"reason": "a", "Ms Smith": 1, "b": 2}', "2 keys that the schema does not have"),
        ('{"reason": "a", "score": 9223372036854775808}', "score: value is a number of more than 64 bits"),
        ('{"reason": "a", "paid": 1e999}', 'paid: value is not of type "number"'),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_without_the_value(text, error):
    found = read(text)
    assert found["json_error"][0] == error
    assert found.select(list(DTYPES)[:-1]).row(0) == EMPTY


@pytest.mark.parametrize("depth", [30, 300, 700, 900, 960, 2_000])
def test_a_deep_answer_is_read_or_said_to_be(depth):
    schema = {"type": "object", "properties": {"any": {}}}
    text = '{"any": ' + "[" * depth + "]" * depth + "}"
    found = read(text, schema=schema)
    assert (found["any"][0] is None) == (found["json_error"][0] is not None)


def test_what_the_schema_leaves_open_is_json_text_and_no_number_of_python_alone():
    schema = {"type": "object", "properties": {"any": {}}}
    assert read('{"any": [1, "é"]}', schema=schema)["any"][0] == '[1, "é"]'
    assert find_error('{"any": 1e999}', schema) == "any: value is a number of more than 64 bits"


def test_a_key_of_the_model_is_not_quoted():
    schema = {"type": "object", "properties": {"ages": {"type": "object", "additionalProperties": {"type": "integer"}}}}
    assert find_error('{"ages": {"Ms Smith": "old"}}', schema) == 'ages.*: value is not of type "integer"'


@pytest.mark.parametrize(
    ("stop", "error"),
    [
        ("length", "cut off by max_tokens: line 1, column 12: no valid JSON (Expecting value)"),
        ("end", "line 1, column 12: no valid JSON (Expecting value)"),
        ("other", "line 1, column 12: no valid JSON (Expecting value)"),
    ],
)
def test_the_stop_explains_what_is_wrong(stop, error):
    assert find_error('{"reason": ', stop=[stop]) == error


def test_half_of_a_surrogate_pair_is_replaced():
    assert read(r'{"reason": "a\ud83d", "more": "\ud83d\ude42"}').select("reason", "more").row(0) == ("a\ufffd", "🙂")


def test_a_recursive_schema_ends_in_json_text():
    schema = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
    assert find_error('{"next": {"next": null}}', schema) is None


def test_hostile_braces_end_soon():
    assert find_error("{" * 200_000) is not None
    assert find_error('{"a":' * 200_000) is not None


@pytest.mark.parametrize("kind", [lambda frame: frame, as_pandas], ids=["polars", "pandas"])
def test_the_input_of_a_tool_is_read_before_the_text(kind):
    calls = [[{"name": "answer", "input": FULL}], None, []]
    frame = pl.DataFrame({"text": [None, FULL, "I call a tool."], "tool_calls": calls})
    errors = read_json_answers(kind(frame), SCHEMA)["json_error"].to_list()
    assert [pd.isna(error) for error in errors] == [True, True, False]


def test_an_answer_that_only_calls_a_tool_is_as_expected_by_its_input():
    calls = [[{"name": "answer", "input": FULL}], [{"name": "answer", "input": "{}"}]]
    answers = pl.DataFrame(
        {"variant": ["short"] * 2, "text": [None, None], "transcript": ["a"] * 2, "tool_calls": calls}
    )
    answers = answers.cast({"text": pl.String})
    prompt = Prompt(name="short", model_id="m", template="{{ transcript }}", schema=SCHEMA)
    assert measure_answers(answers, prompts=prompt)["as_expected"].to_list() == [True, False]


def test_a_column_of_the_call_gives_way():
    found = read(FULL, reason=["the call's"])
    assert found.select("reason_call", "reason").row(0) == ("the call's", "a fee")


def test_a_single_property_may_have_the_name_of_a_column_of_the_call():
    schema = {"type": "object", "properties": {"reason": {"type": "string"}}}
    assert read('{"reason": "a"}', schema=schema, reason=["b"]).select("reason_call", "reason").row(0) == ("b", "a")


def test_the_schema_of_a_prompt_is_taken():
    prompt = Prompt(name="short", model_id="m", template="{{ transcript }}", schema=SCHEMA)
    assert_frame_equal(read(FULL, schema=prompt), read(FULL))
    with pytest.raises(PromptError, match="short: its header has no schema; pass a JSON Schema, or add one"):
        read(FULL, schema=prompt.replace(schema=None))


def test_what_cannot_be_read_is_refused():
    with pytest.raises(ColumnError, match="answers: has json_error already"):
        read_json_answers(read(FULL), SCHEMA)
    with pytest.raises(ColumnError, match="the schema has the property 'text', which is a column of answers"):
        read(FULL, schema={"type": "object", "properties": {"text": {"type": "string"}}})
    with pytest.raises(PromptError, match="read_json_answers: schema is not of an object that has properties"):
        read(FULL, schema={"type": "array"})
    with pytest.raises(ColumnError, match="no column 'text'"):
        read_json_answers(pl.DataFrame({"a": [1]}), SCHEMA)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), JSON), around=st.text())
@settings(deadline=None)
def test_any_text_is_values_or_an_error(value, around):
    found = read(around + json.dumps(value))
    assert found.schema == {"text": pl.String, **DTYPES}
    has_values = any(each not in (None, math.nan) for each in found.select(list(DTYPES)[:-1]).row(0))
    assert not (found["json_error"][0] and has_values)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (FULL, ""),
        ("no", "no valid JSON object"),
        ('{"reason": "a"', "no valid JSON object"),
        ('{"reason": "a", "actions": ["b", 1]}', 'actions[]: value is not of type "string"'),
    ],
)
def test_answers_that_are_wrong_in_one_way_have_one_description(text, error):
    assert describe_invalid(text, SCHEMA) == error


def test_an_answer_that_is_not_valid_is_not_as_expected():
    answers = pl.DataFrame({"variant": ["short"] * 3, "text": [FULL, "{}", None], "transcript": ["a fee"] * 3})
    prompt = Prompt(name="short", model_id="m", template="{{ transcript }}", schema=SCHEMA)
    measured = measure_answers(answers, prompts=prompt)
    assert measured["as_expected"].to_list() == [True, False, None]
    assert measured["unmet"].to_list() == ["", 'schema: "reason" is a required property', None]
    both = prompt.replace(expects=Expectations(max_words=3))
    assert measure_answers(answers, prompts=both)["unmet"].to_list()[0] == "max_words"
