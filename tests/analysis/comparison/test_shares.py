import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri, xlogy
from statsmodels.stats.contingency_tables import mcnemar

from analysis.comparison.shares import (
    estimate_share,
    find_detectable,
    find_limits,
    find_p,
    find_score,
    plan_share,
)

Z = 1.959963984540054
COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300)).filter(sum)


def test_the_limit_is_that_of_the_example_in_tangos_paper():
    # Tango (1998), section 6.1: of 44 pairs 43 agree and one is lost; 90 % lower limit -0.096, score at -0.1 1.709.
    low, _ = find_limits(0, 1, 44, 1.645)
    assert round(float(low), 3) == -0.096
    assert round(float(find_score(0, 1, 44, -0.1)), 3) == 1.709


def test_the_interval_is_that_of_a_textbook():
    # Fagerland, Lydersen, Laake (2017), chapter 8, complete response before and after consolidation (Cavo 2012):
    # 59 and 80 pairs agree, 6 and 16 do not; Tango's interval of -0.0621 is -0.1240 to -0.0054.
    estimate = estimate_share(6, 16, 161, 0.05)
    shown = [round(number, 4) for number in (estimate.difference, estimate.low, estimate.high)]
    assert shown == [-0.0621, -0.1240, -0.0054]


def test_where_no_call_changed_the_interval_is_known_in_closed_form():
    low, high = find_limits(0, 0, 100, Z)
    assert (float(low), float(high)) == pytest.approx((-(Z**2) / (100 + Z**2), Z**2 / (100 + Z**2)))


def test_where_every_call_changed_the_end_is_1():
    estimate = estimate_share(50, 0, 50, 0.05)
    assert estimate.high == 1
    assert 0.85 < estimate.low < 1


def find_oracle_score(gained, lost, calls, difference):
    """Find the score from the likelihood of the three counts, maximized numerically at the difference."""

    def loss(only_baseline):
        shares = only_baseline + difference, only_baseline, 1 - 2 * only_baseline - difference
        return -xlogy((gained, lost, calls - gained - lost), np.maximum(shares, 1e-300)).sum()

    bounds = max(0, -difference), (1 - difference) / 2
    only_baseline = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = calls * (2 * only_baseline + difference * (1 - difference))
    return (gained - lost - calls * difference) / np.sqrt(variance)


@pytest.mark.parametrize(("gained", "lost", "calls"), [(40, 20, 160), (3, 13, 400), (2, 2, 30), (1, 7, 21)])
def test_the_limits_are_those_of_the_likelihood(gained, lost, calls):
    estimate = (gained - lost) / calls
    low = brentq(lambda d: find_oracle_score(gained, lost, calls, d) - Z, -0.99, estimate)
    high = brentq(lambda d: find_oracle_score(gained, lost, calls, d) + Z, estimate, 0.99)
    assert [float(end) for end in find_limits(gained, lost, calls, Z)] == pytest.approx([low, high], abs=1e-5)


@given(COUNTS)
def test_the_limits_solve_the_equation_of_the_score(counts):
    gained, lost, calls = counts[0], counts[1], sum(counts)
    low, high = find_limits(gained, lost, calls, Z)
    assert low <= (gained - lost) / calls <= high
    assert low == -1 or find_score(gained, lost, calls, low) == pytest.approx(Z, abs=1e-6)
    assert high == 1 or find_score(gained, lost, calls, high) == pytest.approx(-Z, abs=1e-6)


@given(COUNTS, st.sampled_from([0.1, 0.05, 0.01]))
def test_interval_and_p_never_contradict_each_other(counts, alpha):
    estimate = estimate_share(counts[0], counts[1], sum(counts), alpha)
    assert (estimate.p < alpha) == (estimate.low > 0 or estimate.high < 0)


def test_limits_of_arrays_are_those_of_numbers():
    low, high = find_limits(np.array([40, 0]), np.array([20, 1]), 160, Z)
    assert (low[0], high[0]) == tuple(find_limits(40, 20, 160, Z))
    assert (low[1], high[1]) == tuple(find_limits(0, 1, 160, Z))


@pytest.mark.parametrize(("gained", "lost"), [(6, 16), (1, 0), (40, 20)])
def test_p_is_mcnemars_without_correction(gained, lost):
    oracle = mcnemar([[50, gained], [lost, 50]], exact=False, correction=False).pvalue
    assert find_p(gained, lost) == pytest.approx(float(oracle))


def test_where_no_call_changed_p_is_1():
    assert find_p(0, 0) == 1


def test_the_calls_that_a_difference_takes_are_connors():
    # (1.95996 * sqrt(.08) + .84162 * sqrt(.08 - .0004))² / .0004 = (.554361 + .237451)² / .0004 = 1567.4
    assert plan_share(0.08, 0.02, 0.05, 0.8) == pytest.approx(1567.4, abs=0.1)


@pytest.mark.parametrize("changed", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("calls", [200, 3_000])
def test_what_is_detectable_takes_the_calls_there_are(changed, calls):
    detectable = find_detectable(changed, calls, 0.05)
    assert plan_share(changed, detectable, 0.05, 0.8) == pytest.approx(calls)


def test_what_is_detectable_is_known_where_no_call_changed():
    # All that change in one direction: n d = (z + z_power sqrt(1 - d))².
    detectable = find_detectable(0, 1000, 0.05)
    assert 1000 * detectable == pytest.approx((Z + float(ndtri(0.8)) * np.sqrt(1 - detectable)) ** 2)


def test_of_a_few_calls_nothing_less_than_everything_is_detectable():
    assert find_detectable(0.5, 3, 0.05) == 1
