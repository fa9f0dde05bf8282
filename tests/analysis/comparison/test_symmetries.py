"""What must hold of every comparison, whatever the numbers."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis import Metric, as_pandas, compare_variants, describe_comparison, rank_variants

VALUES = st.one_of(st.none(), st.integers(-4, 4).map(float))
TRUTHS = st.one_of(st.none(), st.booleans())
MIRROR = {"better": "worse", "worse": "better"}


@st.composite
def answers(draw):
    """Draw up to 12 calls with up to 3 samples of 2 variants, in 3 teams, with a mean and a share."""
    calls, samples = draw(st.integers(0, 12)), draw(st.integers(1, 3))
    size = calls * samples * 2
    teams = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=calls, max_size=calls))
    keys = [(f"c{call}", name, sample) for name in "ab" for call in range(calls) for sample in range(samples)]
    frame = pl.DataFrame(keys, {"call_id": pl.String, "variant": pl.String, "sample": pl.Int64}, orient="row")
    return frame.with_columns(
        score=pl.Series(draw(st.lists(VALUES, min_size=size, max_size=size)), dtype=pl.Float64),
        kept=pl.Series(draw(st.lists(TRUTHS, min_size=size, max_size=size)), dtype=pl.Boolean),
        squad=pl.Series([teams[call] for _ in "ab" for call in range(calls) for _ in range(samples)], dtype=pl.String),
    )


METRICS = [Metric("score", margin=1), Metric("kept", margin=0.2)]
CLUSTERS = st.sampled_from([None, "squad"])
few = settings(max_examples=25)


@few
@given(answers(), CLUSTERS)
def test_pandas_and_polars_agree(some, cluster):
    compared = compare_variants(some, METRICS, cluster=cluster)
    assert_frame_equal(pl.from_pandas(compare_variants(as_pandas(some), METRICS, cluster=cluster)), compared)


@few
@given(answers(), CLUSTERS)
def test_the_other_way_round_every_sign_turns(some, cluster):
    there, back = (compare_variants(some, METRICS, cluster=cluster, baseline=name) for name in "ab")
    for one, other in zip(there.rows(named=True), back.rows(named=True), strict=True):
        assert (one["better_calls"], one["worse_calls"]) == (other["worse_calls"], other["better_calls"])
        turned = [other[name] and -other[name] for name in ("difference", "high", "low")]
        assert [one[name] for name in ("difference", "low", "high")] == pytest.approx(turned, abs=1e-9)
        assert one["p"] == pytest.approx(other["p"], abs=1e-9)
        if one["verdict"] != "not_worse" and other["verdict"] != "not_worse":
            assert one["verdict"] == MIRROR.get(other["verdict"], other["verdict"])


@few
@given(answers(), CLUSTERS)
def test_less_is_better_turns_the_verdict_and_nothing_else(some, cluster):
    high, low = (
        compare_variants(some, Metric("score", better=better), cluster=cluster) for better in ("higher", "lower")
    )
    turned = low.with_columns(
        verdict=pl.col("verdict").replace(MIRROR), better_calls="worse_calls", worse_calls="better_calls"
    )
    assert_frame_equal(turned.select(high.columns), high)


@few
@given(answers(), CLUSTERS)
def test_a_row_makes_sense_by_itself(some, cluster):
    compared = compare_variants(some, METRICS, cluster=cluster)
    for row in compared.rows(named=True):
        assert row["better_calls"] + row["worse_calls"] <= row["calls"]
        assert (row["value"] is None) == (row["calls"] == 0)
        if row["low"] is not None:
            assert row["low"] <= row["difference"] + 1e-12
            assert row["difference"] <= row["high"] + 1e-12
            assert row["p"] <= row["p_holm"] <= 1
            assert row["detectable"] >= 0
        if row["metric"] == "kept" and row["low"] is not None:
            assert (row["low"], row["high"]) == (max(row["low"], -1), min(row["high"], 1))
    # Sentences and ranks can be made of whatever there is.
    assert all(line.endswith(".") for line in describe_comparison(compared))
    assert len(rank_variants(compared)) == 2 * len(compared)


@given(st.integers(2, 40), st.integers(0, 1000))
def test_ratios_do_not_depend_on_the_unit(calls, seed):
    random = np.random.default_rng(seed)
    values = pl.DataFrame(
        {
            "call_id": [f"c{call}" for call in range(calls)] * 2,
            "variant": ["a"] * calls + ["b"] * calls,
            "price_usd": random.lognormal(size=2 * calls),
        }
    )
    cents = values.with_columns(pl.col("price_usd") * 100)
    names = ["ratio", "ratio_low", "ratio_high", "p", "verdict"]
    assert_frame_equal(
        compare_variants(cents, "price_usd").select(names), compare_variants(values, "price_usd").select(names)
    )
