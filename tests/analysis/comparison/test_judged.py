"""Ratings of some calls and a judge of all, against the same numbers by other ways."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm, t

from analysis import (
    Metric,
    advise,
    choose_metrics,
    compare_variants,
    count_more_calls,
    describe_comparison,
    drop_losers,
    rank_variants,
)
from analysis.errors import ComparisonNotice

METRIC = Metric("rated_score", judged_by="judge_score")
CALLS, RATED = 2000, 200
few_ratings = pytest.mark.filterwarnings("ignore:.* rated by people, picked:analysis.errors.ComparisonNotice")


def draw(random, calls=CALLS, rated=RATED, gain=0.3, bias=0.8, noise=0.7):
    """Draw what people and a judge say of `a`, which gains, and of `b`; the judge likes `a` better than it is."""
    truth = {name: random.normal(3, 1, calls) for name in "ab"}
    truth["a"] += gain
    frames = [
        pl.DataFrame(
            {
                "call_id": [f"c{place:05}" for place in range(calls)],
                "variant": name,
                "rated_score": np.where(np.arange(calls) < rated, values, np.nan),
                "judge_score": values + random.normal(0, noise, calls) + bias * (name == "a"),
            }
        ).with_columns(pl.col("rated_score").fill_nan(None))
        for name, values in truth.items()
    ]
    return pl.concat(frames)


def read(measured):
    """Read differences of `a` and `b`: by people of the rated calls, by the judge of those and of the others."""
    wide = measured.pivot("variant", index="call_id", values=["rated_score", "judge_score"]).sort("call_id")
    people = (wide["rated_score_a"] - wide["rated_score_b"]).to_numpy()
    judge = (wide["judge_score_a"] - wide["judge_score_b"]).to_numpy()
    rated = ~np.isnan(people)
    return people[rated], judge[rated], judge[~rated]


def estimate_by_ppi(people, judge, others):
    """PPI++ as its paper writes it (arXiv 2311.01453, section 6): labelled and unlabelled data apart, and normal."""
    n, many = len(people), len(others)
    spread = np.concatenate([judge, others]).var()
    tuned = np.cov(people, judge, ddof=0)[0, 1] / ((1 + n / many) * spread)
    estimate = tuned * others.mean() + (people - tuned * judge).mean()
    error = np.sqrt(tuned**2 * others.var() / many + (people - tuned * judge).var() / n)
    return estimate, error * norm.ppf(0.975)


def compare(measured, **options):
    return compare_variants(measured, METRIC, baseline="b", **options).row(0, named=True)


def test_estimate_and_interval_are_those_of_prediction_powered_inference(random):
    measured = draw(random)
    row, (estimate, reach) = compare(measured), estimate_by_ppi(*read(measured))
    # Theirs is a normal interval, ours Student's: 1.972 for 1.960, with n - 2 for n in the variance.
    wider = t.ppf(0.975, RATED - 2) / norm.ppf(0.975) * np.sqrt(RATED / (RATED - 2))
    assert row["difference"] == pytest.approx(estimate, abs=2e-3)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(wider * reach, rel=0.02)
    assert (row["calls"], row["method"], row["few_calls"]) == (RATED, "mean: ratings and judge, 95 %", False)


def test_the_bias_of_the_judge_is_gone_and_the_interval_is_narrower_than_that_of_people(random):
    measured = draw(random, calls=20_000, rated=400)
    row, (people, _, _) = compare(measured), read(measured)
    assert row["low"] < 0.3 < row["high"] < 0.3 + 0.8
    assert row["high"] - row["low"] < 0.75 * 2 * t.ppf(0.975, 399) * people.std(ddof=1) / 20


def test_the_difference_is_that_of_the_values(random):
    row = compare(draw(random))
    assert row["value"] - row["baseline_value"] == pytest.approx(row["difference"], abs=1e-12)


def test_a_judge_that_says_the_same_of_all_leaves_the_ratings_alone(random):
    measured = draw(random).with_columns(judge_score=pl.lit(3.0))
    row, (people, _, _) = compare(measured), read(measured)
    error = people.std(ddof=1) / np.sqrt(RATED)
    assert row["difference"] == pytest.approx(people.mean())
    # The slope is 0; what it costs to have tried is one degree of freedom.
    assert (row["high"] - row["low"]) / 2 == pytest.approx(t.ppf(0.975, RATED - 2) * error, rel=5e-3)


def test_a_judge_that_contradicts_people_is_not_used(random):
    measured = draw(random).with_columns(judge_score=5 - pl.col("judge_score"))
    assert compare(measured)["difference"] == pytest.approx(read(measured)[0].mean())


def test_with_every_call_rated_the_judge_adds_nothing(random):
    measured = draw(random, calls=300, rated=300)
    people = read(measured)[0]
    row = compare(measured)
    assert row["difference"] == pytest.approx(people.mean())
    assert row["high"] - row["low"] == pytest.approx(2 * t.ppf(0.975, 298) * people.std(ddof=1) / np.sqrt(300))


@pytest.mark.parametrize(("rated_score_of_a", "low", "high"), [(0.5, 0.46626, 0.5), (0.0, -0.01686, 0.01686)])
def test_ratings_that_never_vary_do_not_make_a_difference_certain(random, rated_score_of_a, low, high):
    is_a = pl.col("variant") == "a"
    measured = draw(random, rated=110).with_columns(
        rated_score=pl.when(pl.col("rated_score").is_not_null()).then(
            pl.when(is_a).then(rated_score_of_a).otherwise(0.0)
        ),
        judge_score=pl.when(is_a & pl.col("call_id").str.ends_with("7")).then(0.5).otherwise(0.0),
    )
    row = compare(measured)
    assert row["difference"] == rated_score_of_a
    # By Tango, of differences of 0.5 at most: (1 - k) / (1 + k) and z² / (n + z²), k = z² / n, z = 1.96, n = 110.
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-4)
    assert row["verdict"] == ("better" if rated_score_of_a else "undecided")


def test_clusters_of_one_call_each_are_no_clusters(random):
    measured = draw(random, rated=300)
    row, clustered = compare(measured), compare(measured.with_columns(agent="call_id"), cluster="agent")
    assert clustered["difference"] == row["difference"]
    assert clustered["clusters"] == 300
    assert clustered["high"] - clustered["low"] == pytest.approx(row["high"] - row["low"], rel=0.02)


@pytest.mark.filterwarnings("ignore:agent looks like a cluster:analysis.errors.ComparisonNotice")
def test_calls_that_are_alike_widen_the_interval(random):
    measured = draw(random).with_columns(agent=pl.col("call_id").str.slice(-1))  # ten, by the last digit
    of_agent = pl.DataFrame({"agent": [str(each) for each in range(10)], "shift": random.normal(0, 1, 10)})
    shift = pl.when(pl.col("variant") == "a").then("shift").otherwise(0.0)
    alike = measured.join(of_agent, on="agent", maintain_order="left").with_columns(
        pl.col("rated_score") + shift, pl.col("judge_score") + shift
    )
    wide, narrow = compare(alike, cluster="agent"), compare(alike)
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


@few_ratings
def test_below_a_hundred_rated_calls_there_is_a_difference_and_no_interval(random):
    row = compare(draw(random, rated=99))
    assert row["difference"] is not None
    assert (row["low"], row["p"], row["verdict"], row["few_calls"]) == (None, None, "undecided", True)
    compared = compare_variants(draw(random, rated=99), METRIC)
    told = "that takes 100 calls that people rated, and there are 99."
    assert describe_comparison(compared)[0].endswith(told)
    assert advise(compared).reasons[-1].endswith(told)
    assert count_more_calls(compared)["more_calls"].to_list() == [None]


@few_ratings
def test_without_ratings_there_is_nothing(random):
    row = compare(draw(random, rated=0))
    assert (row["calls"], row["difference"], row["verdict"]) == (0, None, "undecided")


def test_the_sentence_says_how_many_calls_were_rated(random):
    sentence = describe_comparison(compare_variants(draw(random, calls=20_000, rated=400), METRIC, baseline="b"))[0]
    assert sentence.startswith("`a` is better than `b` in score by people and judge (")
    assert sentence.endswith("; 400 calls rated). On 400 calls.")


def test_what_is_undecided_takes_more_rated_calls(random):
    compared = compare_variants(draw(random, gain=0.08), METRIC, baseline="b")
    assert "more rated calls would tell." in describe_comparison(compared)[0]
    assert "more rated calls would tell." in advise(compared).reasons[0]


def test_people_and_judge_decide_from_a_hundred_rated_calls(random):
    assert choose_metrics(draw(random, rated=100)) == [Metric("rated_score", margin=0.08, judged_by="judge_score")]
    assert choose_metrics(draw(random, rated=99)) == []
    assert choose_metrics(draw(random).drop("judge_score")) == []


def test_a_judge_whom_too_few_ratings_correct_is_noticed(random):
    with pytest.warns(ComparisonNotice, match="99 calls were rated by people, picked at random, and it takes 100: "):
        compare_variants(draw(random, rated=99).with_columns(words=1), Metric("words"))


def test_a_loser_by_people_and_judge_is_dropped(random):
    look = drop_losers(draw(random, calls=20_000, rated=400), METRIC, look=1)
    assert dict(look.select("variant", "is_dropped").rows()) == {"a": False, "b": True}


def test_ranks_are_by_people_and_judge(random):
    ranks = rank_variants(compare_variants(draw(random, calls=20_000, rated=400), METRIC))
    assert ranks.select("variant", "rank_low", "rank_high").rows() == [("a", 1, 1), ("b", 2, 2)]


def test_calls_rated_of_one_variant_alone_are_counted(random):
    measured = draw(random)
    is_lost = (pl.col("variant") == "a") & (pl.col("call_id") == "c00000")
    row = compare(measured.with_columns(rated_score=pl.when(~is_lost).then("rated_score")))
    assert (row["calls"], row["unpaired_calls"]) == (RATED - 1, 1)
