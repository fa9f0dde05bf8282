import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.columns import as_pandas
from analysis.errors import ColumnError
from analysis.outputs import OUTPUT_SCHEMA
from analysis.outputs.answers import pick_answers

KEYS = {"call_id": pl.String, "variant": pl.String, "sample": pl.Int16}
FIRST = KEYS | {"text": pl.String, "stop": pl.String, "output_tokens": pl.Int64}
CALLS = pl.DataFrame({"call_id": ["c1", "c2"], "transcript": ["Hello", "Bye"], "minutes": [3, 4], "file": ["x", "y"]})


def outputs_of(*rows: dict) -> pl.DataFrame:
    of_run = {"variant": "short", "sample": 1, "attempt": 1, "file": "job/0.jsonl.out", "line": 1}
    return pl.DataFrame([dict.fromkeys(OUTPUT_SCHEMA) | of_run | row for row in rows], schema=OUTPUT_SCHEMA)


def records_of(*keys: tuple) -> pl.DataFrame:
    return pl.DataFrame(keys, schema=KEYS, orient="row")


@pytest.fixture(params=["polars", "pandas"])
def pick(request):
    if request.param == "polars":
        return pick_answers

    def pick_pandas(*frames):
        answers = pick_answers(*map(as_pandas, frames))
        assert isinstance(answers, pd.DataFrame)
        assert answers.index.equals(pd.RangeIndex(len(answers)))
        dtypes = {name: OUTPUT_SCHEMA[name] for name in ("sample", "attempt", "tool_calls")}
        return pl.from_pandas(answers).cast(dtypes)

    return pick_pandas


ONE = records_of(("c1", "short", 1))


@pytest.mark.parametrize(
    ("outputs", "winner"),
    [
        ([{"text": "a"}, {"error_kind": "service", "attempt": 2}], "a"),
        ([{"text": "a"}, {"text": "b", "attempt": 2}], "b"),
        ([{"text": "a", "attempt": 10}, {"text": "b", "attempt": 9}], "a"),
        ([{"text": "a", "line": 2}, {"text": "b", "line": 1}], "b"),
        ([{"text": "a", "file": "job/1.jsonl.out"}, {"text": "b", "line": 9}], "b"),
        ([{"error_kind": "service", "text": "a"}, {"error_kind": "expired", "attempt": 2, "text": "b"}], "b"),
    ],
    ids=["answered before failed", "later attempt", "attempts are numbers", "first line", "first file", "last failure"],
)
def test_the_winner(pick, outputs, winner):
    outputs = [{"call_id": "c1"} | output for output in outputs]
    for order in (1, -1):
        assert pick(outputs_of(*outputs[::order]), ONE, CALLS)["text"].to_list() == [winner]


def test_answers_are_in_the_order_of_the_records_with_the_calls_columns(pick):
    outputs = outputs_of(
        {"call_id": "c1", "text": "one", "input_tokens": 5, "temperature": 0.5, "record_id": "r1"},
        {"call_id": "c1", "text": "two", "variant": "long", "line": 2},
        {"call_id": None, "variant": None, "sample": None, "attempt": None, "text": "of no run", "line": 3},
    )
    records = records_of(("c2", "short", 1), ("c1", "long", 1), ("c1", "short", 1), ("c2", "short", 1))
    others = {name: kind for name, kind in OUTPUT_SCHEMA.items() if name not in FIRST}
    calls = {"transcript": pl.String, "minutes": pl.Int64, "file_call": pl.String}
    found = {"attempt": 1, "file": "job/0.jsonl.out"}
    expected = pl.DataFrame(
        [
            {"call_id": "c2", "variant": "short", "error_kind": "missing"}
            | {"transcript": "Bye", "minutes": 4, "file_call": "y"},
            {"call_id": "c1", "variant": "long", "text": "two", "line": 2}
            | {"transcript": "Hello", "minutes": 3, "file_call": "x"}
            | found,
            {"call_id": "c1", "variant": "short", "text": "one", "line": 1, "record_id": "r1"}
            | {"input_tokens": 5, "temperature": 0.5}
            | {"transcript": "Hello", "minutes": 3, "file_call": "x"}
            | found,
        ],
        schema=FIRST | others | calls,
    ).with_columns(sample=pl.lit(1, pl.Int16))
    assert_frame_equal(pick(outputs, records, CALLS), expected)


def test_without_outputs_every_answer_is_missing(pick):
    answers = pick(outputs_of(), records_of(("c2", "short", 1), ("c1", "short", 2)), CALLS)
    assert answers.select("call_id", "sample", "error_kind", "line").rows() == [
        ("c2", 1, "missing", None),
        ("c1", 2, "missing", None),
    ]


def test_without_records_there_are_no_answers_but_their_columns(pick):
    answers = pick(outputs_of({"call_id": "c1"}), records_of(), CALLS)
    assert answers.is_empty()
    assert answers.columns == [
        *FIRST,
        *(name for name in OUTPUT_SCHEMA if name not in FIRST),
        *CALLS.columns[1:3],
        "file_call",
    ]


def test_outputs_without_texts_have_answers_without_them(pick):
    outputs = outputs_of({"call_id": "c1"}).drop("text", "stop", "output_tokens")
    assert pick(outputs, ONE, CALLS).columns[:5] == [*KEYS, "record_id", "attempt"]


def test_pandas_keeps_whole_numbers_whole_where_no_output_came_back():
    frames = outputs_of({"call_id": "c1", "input_tokens": 5}), records_of(("c1", "short", 1), ("c2", "short", 1)), CALLS
    plain = [frame.to_pandas() for frame in frames]
    answers = pick_answers(*plain)
    dtypes = (
        answers[["sample", "attempt", "line", "input_tokens", "error_code", "minutes"]].dtypes.astype(str).to_list()
    )
    assert dtypes == ["Int16", "Int16", "Int64", "Int64", "Int32", "int64"]
    assert answers["line"].to_list() == [1, pd.NA]


def test_frames_with_an_index_of_their_own_are_left_alone():
    frames = [as_pandas(frame) for frame in (outputs_of({"call_id": "c1", "text": "a"}), ONE, CALLS)]
    for frame in frames:
        frame.index = pd.Index(range(7, 7 + len(frame)))
    before = [frame.copy() for frame in frames]
    assert pick_answers(*frames)["text"].to_list() == ["a"]
    for frame, copy in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


@pytest.mark.parametrize(
    ("name", "column"),
    [("outputs", "error_kind"), ("outputs", "attempt"), ("records", "variant"), ("calls", "call_id")],
)
def test_a_column_that_is_lacking_is_named(name, column):
    frames = {"outputs": outputs_of(), "records": ONE, "calls": CALLS}
    frames[name] = frames[name].drop(column)
    with pytest.raises(ColumnError, match=f"{name}: no column '{column}'"):
        pick_answers(**frames)
