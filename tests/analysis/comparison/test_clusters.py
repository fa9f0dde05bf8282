import numpy as np
import pytest
import statsmodels.api as sm

from analysis.comparison.clusters import count_clusters, find_design_effect, find_error


def find_oracle_error(values, clusters):
    """Find the error of a mean by the matrices of CR3 (Bell and McCaffrey 2002), with the factor (G - 1) / G."""
    ones, names = np.ones((len(values), 1)), np.unique(clusters)
    bread = np.linalg.inv(ones.T @ ones)
    residuals, meat = values - values.mean(), np.zeros((1, 1))
    for name in names:
        rows = clusters == name
        hat = ones[rows] @ bread @ ones[rows].T
        moment = ones[rows].T @ np.linalg.solve(np.eye(rows.sum()) - hat, residuals[rows])
        meat += np.outer(moment, moment)
    return np.sqrt((len(names) - 1) / len(names) * (bread @ meat @ bread).item())


@pytest.fixture
def uneven(random):
    """Values of 9 clusters of 1 to 60 calls."""
    clusters = np.repeat(np.arange(9), [1, 2, 3, 5, 8, 13, 20, 40, 60])
    return random.normal(size=len(clusters)) + random.normal(size=9)[clusters], clusters


def test_the_error_is_that_of_the_published_matrices(uneven):
    assert find_error(*uneven)[0] == pytest.approx(find_oracle_error(*uneven))


def test_the_error_is_that_of_leaving_out_each_cluster(uneven):
    values, clusters = uneven
    means = np.array([values[clusters != name].mean() for name in range(9)])
    assert find_error(values, clusters)[0] == pytest.approx(np.sqrt(8 / 9 * ((means - values.mean()) ** 2).sum()))


def test_clusters_of_one_call_have_the_error_of_hc3_and_of_a_plain_mean(random):
    values = random.normal(size=40)
    error, freedom = find_error(values, np.arange(40))
    hc3 = sm.OLS(values, np.ones(40)).fit(cov_type="HC3").bse[0]
    assert (error, freedom) == pytest.approx(find_error(values))
    # HC3 has no factor (G - 1) / G.
    assert error == pytest.approx(hc3 * np.sqrt(39 / 40))


def test_many_small_clusters_have_the_error_of_cluster_robust_regression(random):
    clusters = np.repeat(np.arange(2_000), 3)
    values = random.normal(size=6_000) + random.normal(size=2_000)[clusters]
    oracle = sm.OLS(values, np.ones(6_000)).fit(cov_type="cluster", cov_kwds={"groups": clusters}).bse[0]
    assert find_error(values, clusters)[0] == pytest.approx(oracle, rel=1e-3)


def test_uneven_clusters_have_fewer_degrees_of_freedom():
    # Shares .5, .25, .25 of the calls: 1 / (.25 + .0625 + .0625) - 1 = 5 / 3.
    _, freedom = find_error(np.arange(8.0), np.array([0, 0, 0, 0, 1, 1, 2, 2]))
    assert freedom == pytest.approx(5 / 3)


def test_the_spread_of_one_cluster_is_not_known():
    error, freedom = find_error(np.arange(8.0), np.zeros(8, int))
    assert np.isnan(error)
    assert freedom == 0


def test_numbers_of_clusters_may_have_gaps():
    clusters = np.array([0, 0, 7, 7])
    assert count_clusters(clusters) == 2
    assert find_error(np.arange(4.0), clusters) == find_error(np.arange(4.0), np.array([0, 0, 1, 1]))


def test_the_design_effect_of_equal_calls_in_a_cluster_is_about_its_size():
    values = np.repeat(np.arange(100.0) % 7, 5)
    # 100 means stand for 500 calls: variances over 99 and over 499 degrees of freedom.
    assert find_design_effect(values, np.repeat(np.arange(100), 5)) == pytest.approx(499 / 99)


def test_independent_calls_have_no_design_effect():
    assert find_design_effect(np.arange(5.0), None) == 1
