import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import skew, t, ttest_1samp, ttest_rel

from analysis.comparison.means import estimate_mean, find_quantile, find_spread


def test_without_skewness_the_interval_and_p_are_those_of_the_paired_t_test(random):
    # Half of the differences are those of the other half, turned about 0.3.
    theirs, half = random.lognormal(0, 1, 50), random.normal(size=25)
    ours = theirs + 0.3 + np.concatenate([half, -half])
    estimate, oracle = estimate_mean(ours, theirs, None, 0.1), ttest_rel(ours, theirs)
    interval = oracle.confidence_interval(0.9)
    assert estimate.p == pytest.approx(oracle.pvalue)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))
    assert estimate.difference == pytest.approx(ours.mean() - theirs.mean())


def test_on_the_side_of_the_long_tail_the_end_is_that_of_hall_by_hand():
    # 0, 0, 0, 4: mean 1, error 1, third moment (27 - 3) / 4 = 6 over 3 ** 1.5, so the mean's skewness is 1 / sqrt(3).
    # t of 3 degrees of freedom is 3.182446. Above: 3 sqrt(3) (1 - cbrt(1 - (3.182446 + sqrt(3) / 18) / sqrt(3))).
    estimate = estimate_mean(np.array([1.0, 2.0, 3.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0]), None, 0.05)
    assert (estimate.low, estimate.high) == pytest.approx((1 - 3.182446, 1 + 10.199816), abs=1e-4)


def hall(t, values):
    """Hall's (1992) transformation of a mean in standard errors, as it is printed: in sqrt(n) and the skewness."""
    root, skewness = np.sqrt(len(values)), skew(values)
    part = t / root
    return root * (part + skewness * part**2 / 3 + skewness**2 * part**3 / 27 + skewness / 6 / root**2)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_ends_are_the_wider_ones_of_t_and_hall(random, sign):
    values = sign * random.lognormal(0, 1, 40)
    estimate = estimate_mean(values, np.zeros(40), None, 0.05)
    error, quantile = values.std(ddof=1) / np.sqrt(40), t.ppf(0.975, 39)
    ends = [brentq(lambda z, end=end: hall(z, values) - end, -40, 40) for end in (quantile, -quantile)]
    assert estimate.low == pytest.approx(values.mean() - max(quantile, ends[0]) * error)
    assert estimate.high == pytest.approx(values.mean() + max(quantile, -ends[1]) * error)
    assert (max(quantile, ends[0]), max(quantile, -ends[1])).count(quantile) == 1


def test_p_is_the_larger_one_of_t_and_hall(random):
    values = random.lognormal(0, 1, 40) - 2.5
    seen = ttest_1samp(values, 0)
    corrected = 2 * t.sf(abs(hall(seen.statistic, values)), 39)
    assert corrected > seen.pvalue
    assert estimate_mean(values, np.zeros(40), None, 0.05).p == pytest.approx(corrected)


def test_the_ratio_too_reaches_further_on_the_side_of_the_long_tail():
    dear = np.array([1.0] * 99 + [60.0])
    estimate = estimate_mean(dear, np.ones(100), None, 0.05)
    assert np.log(estimate.ratio_high / estimate.ratio) > 1.5 * np.log(estimate.ratio / estimate.ratio_low)


def test_three_differences_by_hand():
    # 1, 2, 3: mean 2, sd 1, error 1 / sqrt(3), t with 2 degrees of freedom 4.302653.
    estimate = estimate_mean(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0]), None, 0.05)
    half = 4.302653 / np.sqrt(3)
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half))
    # Each value is twice its baseline, so the ratio is certain.
    assert (estimate.ratio, estimate.ratio_low, estimate.ratio_high) == pytest.approx((2, 2, 2))


def test_the_ratio_has_the_interval_of_the_delta_method(random):
    ours, theirs = random.lognormal(0, 0.5, 2_000), random.lognormal(0.5, 0.5, 2_000)
    estimate = estimate_mean(ours, theirs, None, 0.05)
    # Variance of log(x / y) of two independent means: the sum of their squared relative errors.
    error = np.sqrt(sum(values.var(ddof=1) / len(values) / values.mean() ** 2 for values in (ours, theirs)))
    half = 1.96 * error
    assert estimate.ratio == pytest.approx(ours.mean() / theirs.mean())
    # They are independent but for chance.
    assert np.log(estimate.ratio_high / estimate.ratio) == pytest.approx(half, rel=0.05)
    assert np.log(estimate.ratio / estimate.ratio_low) == pytest.approx(half, rel=0.05)


@pytest.mark.parametrize(("ours", "theirs"), [([-1.0, 2.0], [1.0, 1.0]), ([1.0, 2.0], [0.0, 0.0])])
def test_a_ratio_of_what_may_be_below_0_or_of_nothing_is_not_known(ours, theirs):
    assert np.isnan(estimate_mean(np.array(ours), np.array(theirs), None, 0.05).ratio)


def test_the_spread_of_one_difference_is_not_known():
    estimate = estimate_mean(np.array([2.0]), np.array([1.0]), None, 0.05)
    assert estimate.difference == 1
    assert np.isnan([estimate.low, estimate.high, estimate.p, estimate.find_detectable(0.05)]).all()
    assert np.isnan(find_spread(np.array([1.0])))


@pytest.mark.parametrize(("shift", "p"), [(0, 1), (12, 0)])
def test_differences_that_are_all_equal_are_certain(shift, p):
    theirs = np.array([100.0, 200.0, 300.0])
    estimate = estimate_mean(theirs + shift, theirs, None, 0.05)
    assert (estimate.low, estimate.high, estimate.p) == (shift, shift, p)


def test_clustered_means_of_equal_clusters_are_those_of_their_means(random):
    clusters = np.repeat(np.arange(12), 25)
    ours, theirs = random.normal(size=300) + random.normal(size=12)[clusters], random.normal(size=300)
    estimate = estimate_mean(ours, theirs, clusters, 0.05)
    oracle = ttest_1samp((ours - theirs).reshape(12, 25).mean(axis=1), 0)
    interval = oracle.confidence_interval(0.95)
    assert estimate.method == "CR3"
    assert (estimate.p, estimate.low, estimate.high) == pytest.approx((oracle.pvalue, interval.low, interval.high))


def test_the_detectable_difference_is_the_sum_of_two_quantiles_of_errors():
    values = np.array([1.0, -1.0] * 5_000)
    # The error is 1 / 100 but for n - 1; 1.960 + 0.842 of it.
    estimate = estimate_mean(values, np.zeros(10_000), None, 0.05)
    assert estimate.find_detectable(0.05) == pytest.approx(0.028016, rel=1e-3)
    assert find_quantile(0, 0.975) != find_quantile(0, 0.975)
