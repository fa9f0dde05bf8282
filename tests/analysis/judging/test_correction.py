import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import Metric, add_verdicts, as_pandas, compare_variants, correct_scores
from analysis.errors import AnalysisError

COLUMNS = ("judge_score", "judge_wins", "rated_score", "rated_wins")


@pytest.fixture
def measured():
    """Two calls with answers of three variants."""
    return pl.DataFrame({"call_id": ["c1"] * 3 + ["c2"] * 3, "variant": ["a", "b", "c"] * 2, "sample": [1] * 6})


@pytest.fixture
def pair(to_verdicts):
    """Make verdicts on pairs: call, the one that wins so much, and the other."""

    def make(*rows):
        return to_verdicts(
            [
                {"call_id": call, "variant": one, "other_variant": other, "wins": wins, "sample": 1} | PAIR
                for call, first, share, second in rows
                for one, wins, other in ((first, share, second), (second, None if share is None else 1 - share, first))
            ]
        )

    return make


PAIR = {"kind": "pair", "judge": "judge"}


def test_scores_stand_beside_their_answers(measured, to_verdicts, score, make_ratings):
    verdicts = to_verdicts([score("c1", "a", 4.0), score("c1", "a", 5.0), score("c2", "b", 2.0)])
    ratings = make_ratings(
        {"call_id": "c1", "score": 3}, {"call_id": "c1", "score": 4, "rater": "bob"}, {"call_id": "c9", "score": 5}
    )
    added = add_verdicts(measured, verdicts, ratings)
    assert added.columns == [*measured.columns, *COLUMNS]
    assert added["judge_score"].to_list() == [4.5, None, None, None, 2, None]
    assert added["rated_score"].to_list() == [3.5, None, None, None, None, None]


def test_what_an_answer_wins_is_counted_against_the_baseline(measured, pair):
    verdicts = pair(("c1", "a", 1, "b"), ("c1", "c", 0, "b"), ("c2", "a", 0.5, "b"), ("c2", "c", None, "b"))
    added = add_verdicts(measured, verdicts)
    assert added["judge_wins"].to_list() == [1, 0.5, 0, 0.5, 0.5, None]


def test_both_orders_of_a_pair_are_averaged(measured, pair):
    added = add_verdicts(measured, pair(("c1", "a", 1, "b"), ("c1", "b", 1, "a")))
    assert added["judge_wins"].to_list()[:2] == [0.5, 0.5]


def test_of_two_variants_either_can_be_the_baseline(measured, pair):
    verdicts = pair(("c1", "a", 1, "b"), ("c2", "a", 1, "b"))
    assert add_verdicts(measured, verdicts, baseline="a")["judge_wins"].to_list() == [0.5, 0, None] * 2
    assert add_verdicts(measured, verdicts, baseline="b")["judge_wins"].to_list() == [1, 0.5, None] * 2


@pytest.mark.parametrize(("preferred", "wins"), [("a", 1), ("b", 0), ("tie", 0.5), ("nobody", None)])
def test_a_preference_of_people_is_read(measured, pair, make_ratings, preferred, wins):
    ratings = make_ratings({"call_id": "c1", "kind": "pair", "other_variant": "b", "preferred": preferred})
    added = add_verdicts(measured, pair(("c1", "a", 1, "b")), ratings, baseline="b")
    assert added["rated_wins"].to_list()[0] == wins


def test_ratings_picked_for_disagreement_do_not_count(measured, to_verdicts, score, make_ratings):
    ratings = make_ratings({"call_id": "c1", "score": 3, "picked": "disagreement"})
    added = add_verdicts(measured, to_verdicts([score("c1", "a", 4.0)]), ratings)
    assert added["rated_score"].null_count() == 6


def test_a_score_that_is_no_number_is_missing(measured, to_verdicts, score, make_ratings):
    ratings = make_ratings({"call_id": "c1", "score": float("nan")}, {"call_id": "c1", "score": 3.0, "rater": "bob"})
    added = add_verdicts(measured, to_verdicts([score("c1", "a", 4.0)]), ratings)
    assert added["rated_score"].to_list()[0] == 3


def test_pandas_comes_back_as_pandas_on_a_fresh_index(measured, to_verdicts, score, make_ratings):
    verdicts, ratings = to_verdicts([score("c1", "a", 4.0)]), make_ratings({"call_id": "c1", "score": 3})
    frame = as_pandas(measured).set_index(pl.Series([5, 4, 3, 2, 1, 0]).to_pandas())
    found = add_verdicts(frame, as_pandas(verdicts), as_pandas(ratings))
    assert_frame_equal(pl.from_pandas(found), add_verdicts(measured, verdicts, ratings), check_dtypes=False)


def test_added_again_they_are_replaced(measured, to_verdicts, score):
    verdicts = to_verdicts([score("c1", "a", 4.0)])
    once = add_verdicts(measured, verdicts)
    assert_frame_equal(add_verdicts(once, verdicts), once)


def test_verdicts_of_two_judges_are_refused(measured, to_verdicts, score):
    verdicts = to_verdicts([score("c1", "a", 4.0), score("c1", "b", 4.0, judge="other")])
    with pytest.raises(AnalysisError, match=r"they are of 2 judges, judge, other; take one: verdicts.filter"):
        add_verdicts(measured, verdicts)


def test_one_judge_of_pairs_and_one_of_scores_say_two_things(measured, to_verdicts, score, pair):
    verdicts = pl.concat([to_verdicts([score("c1", "a", 4.0, judge="other")]), pair(("c1", "a", 1, "b"))])
    (row,) = add_verdicts(measured, verdicts, baseline="b").filter(call_id="c1", variant="a").to_dicts()
    assert (row["judge_score"], row["judge_wins"]) == (4.0, 1.0)


def test_pairs_without_a_common_variant_need_a_baseline(measured, pair):
    verdicts = pair(("c1", "a", 1, "b"), ("c1", "b", 1, "c"), ("c1", "a", 1, "c"))
    with pytest.raises(AnalysisError, match="no variant is in all pairs; give baseline"):
        add_verdicts(measured, verdicts)
    assert add_verdicts(measured, verdicts, baseline="c")["judge_wins"].to_list()[:3] == [1, 1, 0.5]


@pytest.fixture
def both(to_verdicts, score, make_ratings, random):
    """1,000 calls of which a biased judge scores both answers and people rated 150."""
    truth = {name: random.normal(3, 1, 1000) for name in "ab"}
    said = [score(f"c{call}", name, own[call] + (name == "a")) for name, own in truth.items() for call in range(1000)]
    rated = [
        {"call_id": f"c{call}", "variant": name, "score": own[call]}
        for name, own in truth.items()
        for call in range(150)
    ]
    return to_verdicts(said), make_ratings(*rated)


@pytest.fixture
def random():
    import numpy as np

    return np.random.default_rng(20261130)


def test_a_correction_shows_what_each_side_says(both):
    row = correct_scores(*both, baseline="b").row(0, named=True)
    assert (row["metric"], row["judged_calls"], row["rated_calls"]) == ("rated_score", 1000, 150)
    # Here the judge says what people do, but one more of `a`: so the corrected difference is his, less one.
    assert row["difference"] == pytest.approx(row["judge_difference"] - 1, abs=0.02)
    assert row["slope"] == pytest.approx(1, abs=0.1)
    # All 1,000 calls are then known as well as if people had rated them.
    assert row["worth"] == pytest.approx(1000, rel=0.2)


def test_a_correction_is_what_compare_variants_finds(both):
    verdicts, ratings = both
    measured = add_verdicts(verdicts.select("call_id", "variant", "sample"), verdicts, ratings)
    compared = compare_variants(measured, Metric("rated_score", judged_by="judge_score"), baseline="b")
    names = ["difference", "low", "high"]
    assert correct_scores(verdicts, ratings, baseline="b").select(names).rows() == compared.select(names).rows()


def test_below_a_hundred_ratings_no_interval_is_shown(both):
    verdicts, ratings = both
    few = ratings.filter(pl.col("call_id").str.slice(1).cast(pl.Int64) < 99)
    row = correct_scores(verdicts, few).row(0, named=True)
    assert row["difference"] is not None
    assert {row[name] for name in ("low", "high", "rated_low", "rated_high", "worth")} == {None}


def test_without_verdicts_there_is_nothing_to_correct(to_verdicts, make_ratings):
    assert correct_scores(to_verdicts([]), make_ratings()).is_empty()
