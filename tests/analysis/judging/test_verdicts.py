import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import as_pandas, read_verdicts
from analysis.errors import AnalysisError, ColumnError

WINNER = '{{"reason": "It is true.", "winner": {}}}'
FIRST, SECOND = (WINNER.format(f'"{number}"') for number in (1, 2))


def read_first(judged, **options):
    return read_verdicts(judged, **options).row(0, named=True)


@pytest.mark.parametrize(
    ("winner", "wins"), [('"1"', [1, 0]), ('"2"', [0, 1]), ('"tie"', [0.5, 0.5]), ("1", [1, 0]), ("2", [0, 1])]
)
def test_a_verdict_on_a_pair_has_a_row_for_each_variant(make_judged, winner, wins):
    verdicts = read_verdicts(make_judged(WINNER.format(winner)))
    assert verdicts.select("call_id", "variant", "other_variant", "position").rows() == [
        ("c0", "a", "b", 1),
        ("c0", "b", "a", 2),
    ]
    assert verdicts["wins"].to_list() == wins
    assert verdicts["reason"].to_list() == ["It is true."] * 2


@pytest.mark.parametrize(
    "text",
    [
        FIRST,
        f"```json\n{FIRST}\n```",
        f"Here {{is}} my verdict: {FIRST} I hope it helps.",
        f"{FIRST} {FIRST}",
        f'{{"thought": "..."}} {FIRST}',
    ],
)
def test_what_stands_around_a_verdict_does_not_count(make_judged, text):
    assert read_first(make_judged(text))["wins"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "The first one is better.",
        "winner: 1",
        WINNER.format('"first"'),
        WINNER.format('"3"'),
        WINNER.format("3"),
        WINNER.format("1.5"),
        WINNER.format("true"),
        WINNER.format("null"),
        WINNER.format('["1"]'),
        WINNER.format('"Tie"'),
        FIRST[:-1],
        '{"winner": "1", "winner": "2"}',
        f"{FIRST} No, {SECOND}",
        '{"verdict": {"winner": "1"}}',
        '{"reason": "It is true."}',
        "{" * 100_000,
    ],
)
def test_what_cannot_be_read_for_certain_is_missing(make_judged, text):
    verdict = read_first(make_judged(text))
    assert (verdict["wins"], verdict["reason"], verdict["error_kind"]) == (None, None, "unreadable")


@pytest.mark.parametrize(("score", "read"), [("1", 1), ("5", 5), ("4.0", 4), ("3.5", 3.5)])
def test_a_score_of_the_scale_is_read(make_judged, score, read):
    verdict = read_first(make_judged(f'{{"score": {score}}}', kind="score"))
    assert (verdict["score"], verdict["kind"], verdict["wins"]) == (read, "score", None)


@pytest.mark.parametrize("score", ["0", "6", "-1", "true", '"4"', "NaN", "1e999", "[4]", "null", "9" * 400, "9" * 5000])
def test_a_score_beyond_the_scale_is_missing(make_judged, score):
    verdict = read_first(make_judged(f'{{"score": {score}}}', kind="score"))
    assert (verdict["score"], verdict["error_kind"]) == (None, "unreadable")


def test_a_scale_of_ones_own(make_judged):
    assert read_first(make_judged('{"score": 9}', kind="score"), scale=(0, 10))["score"] == 9
    with pytest.raises(AnalysisError, match="is no scale"):
        read_verdicts(make_judged('{"score": 9}', kind="score"), scale=(5, 1))


def test_a_record_without_an_answer_keeps_its_error(make_judged):
    verdicts = read_verdicts(make_judged(None, FIRST, error_kind=None))
    assert verdicts["error_kind"].to_list() == ["missing", "missing", None, None]
    failed = make_judged(None).with_columns(error_kind=pl.lit("service"))
    assert read_first(failed)["error_kind"] == "service"


def test_the_input_of_a_tool_is_a_verdict(make_judged):
    calls = pl.Series([[{"name": "verdict", "input": SECOND}]])
    assert read_first(make_judged(None).with_columns(tool_calls=calls))["wins"] == 0


def test_pandas_comes_back_as_pandas(make_judged):
    judged = make_judged(FIRST, None)
    found = read_verdicts(as_pandas(judged))
    assert pl.from_pandas(found).rows() == read_verdicts(judged).rows()


def test_answers_of_no_judge_are_refused(make_answers):
    with pytest.raises(ColumnError, match="no column 'judged_call'"):
        read_verdicts(make_answers(a=["One."]))


@given(st.text(), st.text(), st.sampled_from(["1", "2", "tie"]))
def test_no_reason_and_no_text_before_changes_what_wins(before, reason, winner):
    text = before.replace("{", "(") + json.dumps({"reason": reason, "winner": winner})
    row = {"variant": "judge", "text": [text], "judged_call": "c", "judged_sample": 1, "first": "a", "second": "b"}
    verdict = read_verdicts(pl.DataFrame(row)).row(0, named=True)
    assert (verdict["wins"], verdict["reason"]) == ({"1": 1, "2": 0, "tie": 0.5}[winner], reason)
