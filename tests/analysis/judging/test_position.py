import polars as pl
import pytest

from analysis import measure_position, read_verdicts

ANSWER = '{{"reason": "It is true.", "winner": "{}"}}'


@pytest.fixture
def judged(make_judged):
    """Ten pairs in both orders; the judge takes the first one in all but two, of which it prefers `a` each time."""
    one = make_judged(*[ANSWER.format(1)] * 10)
    other = make_judged(*[ANSWER.format(1)] * 8, *[ANSWER.format(2)] * 2, first="b", second="a")
    return pl.concat([one, other])


def test_how_often_the_first_wins_and_how_many_verdicts_change(judged):
    row = measure_position(read_verdicts(judged)).row(0, named=True)
    assert (row["judge"], row["pairs"], row["first_wins"]) == ("judge", 20, 18 / 20)
    assert (row["both_orders"], row["changed"]) == (10, 8 / 10)


def test_calls_are_what_varies(judged):
    row = measure_position(read_verdicts(judged)).row(0, named=True)
    # By call the first one wins 1 (eight times) and 0.5 (twice): standard error 0.0667 = sqrt(0.4 / 9 / 10).
    assert row["low"] < 0.9 - 2.262 * 0.0666 < 0.9 < row["high"] <= 1


def test_pairs_in_one_order_tell_no_change(make_judged):
    row = measure_position(read_verdicts(make_judged(ANSWER.format(1), ANSWER.format(2)))).row(0, named=True)
    assert (row["first_wins"], row["both_orders"], row["changed"]) == (0.5, 0, None)


def test_a_judge_that_scores_has_no_position(make_judged):
    assert measure_position(read_verdicts(make_judged('{"score": 3}', kind="score"))).is_empty()


def test_verdicts_that_cannot_be_read_do_not_count(make_judged):
    assert measure_position(read_verdicts(make_judged("It is 1.", ANSWER.format(1))))["pairs"].to_list() == [1]
