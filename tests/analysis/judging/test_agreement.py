import numpy as np
import polars as pl
import pytest

from analysis import as_pandas, measure_agreement

SCORES = [(1, 2), (4, 5), (2, 2), (5, 3), (3, 3), (1, 1), (4, 4), (2, 4)]


# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers of twelve units.
OBSERVERS = {
    "a": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "b": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "c": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "d": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}
OBSERVED_ALPHA = 0.849  # of the interval metric, as printed there


def krippendorff(units):
    """Alpha by its definition: squared differences of all pairs in units, by those of all pairs of values."""
    values = [each for unit in units for each in unit]
    seen = sum((a - b) ** 2 / (len(unit) - 1) for unit in units for a in unit for b in unit) / len(values)
    chance = sum((a - b) ** 2 for a in values for b in values) / len(values) / (len(values) - 1)
    return 1 - seen / chance


def cohen(one, other, categories=5):
    """Cohen's kappa with quadratic weights, by its table of categories as textbooks give it."""
    table = np.zeros((categories, categories))
    for a, b in zip(one, other, strict=True):
        table[int(a) - 1, int(b) - 1] += 1 / len(one)
    weights = np.subtract.outer(np.arange(categories), np.arange(categories)) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0))
    return 1 - (weights * table).sum() / (weights * chance).sum()


@pytest.fixture
def rate(make_ratings):
    """Make ratings of calls by several raters, None where one of them has not rated it."""

    def make(**raters):
        rows = [
            {"call_id": f"c{call}", "rater": rater, "score": score}
            for rater, scores in raters.items()
            for call, score in enumerate(scores)
            if score is not None
        ]
        return make_ratings(*rows)

    return make


@pytest.fixture
def judge(to_verdicts, score):
    """Make the verdicts of a judge on as many calls."""
    return lambda *scores: to_verdicts([score(f"c{call}", "a", float(each)) for call, each in enumerate(scores)])


def read_values(agreement, between):
    rows = agreement.filter(between=between)
    return dict(zip(rows["statistic"], rows["value"], strict=True))


def test_judge_and_one_rater_agree_as_textbooks_say(judge, rate):
    one, other = zip(*SCORES, strict=True)
    agreement = measure_agreement(judge(*one), rate(ada=other))
    assert read_values(agreement, "judge and people") == {
        "weighted kappa": pytest.approx(cohen(one, other)),
        "Krippendorff's alpha": pytest.approx(krippendorff(SCORES)),
    }
    assert agreement["same"].to_list() == [0.5, 0.5]  # 4 of 8
    assert agreement.select("pairs", "calls", "raters").rows() == [(8, 8, 1)] * 2


def test_people_with_gaps_agree_as_krippendorffs_example_says(judge, rate):
    agreement = measure_agreement(judge(*[3] * 12), rate(**OBSERVERS))
    alpha = read_values(agreement, "people")["Krippendorff's alpha"]
    units = [[each for each in unit if each is not None] for unit in zip(*OBSERVERS.values(), strict=True)]
    assert alpha == pytest.approx(krippendorff([unit for unit in units if len(unit) > 1]))
    assert alpha == pytest.approx(OBSERVED_ALPHA, abs=5e-4)
    # Units 2 to 9 have four values and six pairs, 1 and 10 have three, 11 has two, and 12 has a single value.
    assert agreement.filter(between="people").select("pairs", "calls", "raters").row(0) == (8 * 6 + 2 * 3 + 1, 11, 4)


def test_two_people_agree_by_cohen(judge, rate):
    one, other = zip(*SCORES, strict=True)
    agreement = measure_agreement(judge(*one), rate(ada=one, bob=other))
    assert read_values(agreement, "people")["weighted kappa"] == pytest.approx(cohen(one, other))


def test_the_interval_is_that_of_leaving_out_each_call(judge, rate):
    one, other = (np.array(each) for each in zip(*SCORES, strict=True))
    row = measure_agreement(judge(*one), rate(ada=other.tolist())).row(0, named=True)
    keep = [np.arange(8) != call for call in range(8)]
    logs = np.array([np.log(1 - cohen(one[kept], other[kept])) for kept in keep])
    error = np.sqrt(7 / 8 * ((logs - logs.mean()) ** 2).sum())
    middle = np.log(1 - cohen(one, other))
    reach = 2.364624 * error  # t of 7 degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx(
        (1 - np.exp(middle + reach), 1 - np.exp(middle - reach)), rel=1e-5
    )


def test_a_hundred_raters_of_known_noise_agree_as_much_as_their_noise_lets_them(judge, make_ratings):
    random = np.random.default_rng(20261130)
    truth = random.normal(3, 1, 1500)
    rows = [
        {"call_id": f"c{call}", "rater": f"rater-{rater}", "score": score + random.normal(0, 0.5)}
        for call, score in enumerate(truth)
        for rater in random.choice(100, 2, replace=False)
    ]
    said = judge(*(truth + 1 + random.normal(0, 1, 1500)))
    agreement = measure_agreement(said, make_ratings(*rows)).filter(statistic="Krippendorff's alpha")
    rows = {row["between"]: row for row in agreement.to_dicts()}
    # Of people: the variance of the truth by that of a rating. The judge has noise of variance 1, and gives one point
    # too many: disagreement 0.25 + 1 + 1, and by chance twice the variance of all values, 1.625 + 1 / 4.
    assert rows["people"]["low"] < 1 / 1.25 < rows["people"]["high"]
    assert rows["judge and people"]["low"] < 1 - 2.25 / (2 * 1.875) < rows["judge and people"]["high"]
    assert rows["people"]["raters"] == 100


def test_ratings_picked_for_disagreement_are_left_out(judge, rate):
    ratings = rate(ada=[1, 4, 2]).with_columns(picked=pl.Series(["random", "random", "disagreement"]))
    assert measure_agreement(judge(1, 4, 5), ratings)["pairs"].to_list() == [2, 2]


def test_perfect_agreement_is_one_and_how_certain_is_not_known(judge, rate):
    row = measure_agreement(judge(1, 4, 5), rate(ada=[1, 4, 5])).row(0, named=True)
    assert (row["value"], row["low"], row["high"], row["same"]) == (1, None, None, 1)


def test_a_judge_and_a_rater_who_never_vary_agree_to_no_known_degree(judge, rate):
    assert measure_agreement(judge(3, 3), rate(ada=[3, 3]))["value"].to_list() == [None, None]


def test_preferences_are_compared_whichever_was_shown_first(to_verdicts, make_ratings):
    wins = [1.0, 0.0, 0.5, 1.0]
    said = [
        {"call_id": f"c{call}", "variant": one, "other_variant": other, "wins": own, "sample": 1}
        | {"kind": "pair", "judge": "judge"}
        for call, share in enumerate(wins)
        for one, other, own in (("a", "b", share), ("b", "a", 1 - share))
    ]
    rated = [
        {"call_id": "c0", "variant": "a", "other_variant": "b", "preferred": "a"},
        {"call_id": "c1", "variant": "b", "other_variant": "a", "preferred": "b"},
        {"call_id": "c2", "variant": "b", "other_variant": "a", "preferred": "tie"},
        {"call_id": "c3", "variant": "b", "other_variant": "a", "preferred": "b"},
    ]
    agreement = measure_agreement(to_verdicts(said), make_ratings(*({"kind": "pair"} | row for row in rated)))
    assert agreement["kind"].to_list() == ["pair", "pair"]
    assert agreement["pairs"].to_list() == [4, 4]
    assert agreement["same"].to_list() == [0.75, 0.75]
    # Three categories: wins of `a`, ties, wins of `b`.
    one, other = [3, 1, 2, 3], [3, 1, 2, 1]
    assert agreement["value"][0] == pytest.approx(cohen(one, other, 3))


def test_without_common_answers_there_are_no_rows(judge, make_ratings):
    agreement = measure_agreement(judge(1, 2), make_ratings({"call_id": "c9", "score": 1}))
    assert (len(agreement), agreement.width) == (0, 10)


def test_pandas_comes_back_as_pandas(judge, rate):
    verdicts, ratings = judge(1, 4, 5), rate(ada=[1, 4, 4])
    found = measure_agreement(as_pandas(verdicts), as_pandas(ratings))
    assert pl.from_pandas(found).rows() == measure_agreement(verdicts, ratings).rows()
