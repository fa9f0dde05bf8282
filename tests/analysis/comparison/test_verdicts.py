from math import isnan, nan

import pytest
from statsmodels.stats.multitest import multipletests

from analysis.comparison.verdicts import adjust_p, find_verdict, hold_back


# Of statsmodels a call takes a third of a second.
@pytest.mark.parametrize("values", [[0.3], [0.04, 0.001, 0.03, 0.2, 0.03], [1, 0, 0.5], [0.012, 0.011, 0.01, 0.9]])
def test_p_is_adjusted_as_statsmodels_does_by_holm(values):
    assert adjust_p(values) == pytest.approx(multipletests(values, method="holm")[1])


def test_what_was_not_tested_is_not_counted():
    adjusted = adjust_p([0.04, nan, 0.01])
    assert [adjusted[0], adjusted[2]] == [0.04, 0.02]
    assert isnan(adjusted[1])


@pytest.mark.parametrize(
    ("low", "high", "p", "margin", "verdict"),
    [
        (0.01, 0.05, 0.01, None, "better"),
        (-0.05, -0.01, 0.01, None, "worse"),
        (-0.05, 0.01, 0.2, None, "undecided"),
        (-0.01, 0.01, 0.9, 0.02, "equivalent"),
        (-0.01, 0.05, 0.2, 0.02, "not_worse"),
        (-0.05, 0.01, 0.2, 0.02, "undecided"),
        (-0.05, 0.05, 0.9, 0.02, "undecided"),
        (0.01, 0.05, 0.01, 0.02, "better"),
        (-0.05, -0.01, 0.01, 0.02, "worse"),
        # A difference that is certain and does not matter.
        (-0.01, -0.005, 0.001, 0.02, "equivalent"),
        (0.005, 0.01, 0.001, 0.02, "equivalent"),
        # Holm takes back what the interval alone would say.
        (0.01, 0.05, 0.06, None, "undecided"),
        (0.01, 0.05, 0.06, 0.02, "not_worse"),
        (-0.05, -0.01, 0.06, None, "undecided"),
        # The margin itself is too much.
        (-0.02, 0.02, 0.9, 0.02, "undecided"),
        (nan, nan, nan, 0.02, "undecided"),
    ],
)
def test_the_verdict_on_an_interval(low, high, p, margin, verdict):
    assert find_verdict(low, high, p, margin, 0.05) == verdict


@pytest.mark.parametrize("verdict", ["better", "worse", "equivalent", "not_worse", "undecided"])
def test_no_verdict_favours_the_variant_that_answers_fewer_calls(verdict):
    assert hold_back(verdict, "worse") == ("undecided" if verdict == "better" else verdict)
    assert hold_back(verdict, "better") == ("undecided" if verdict == "worse" else verdict)
    assert hold_back(verdict, "undecided") == verdict
