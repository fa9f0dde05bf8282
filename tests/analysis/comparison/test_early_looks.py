import polars as pl
import pytest

from analysis import Metric, drop_losers
from analysis.errors import AnalysisError, ComparisonNotice

LOOKS = {
    "metric": pl.String,
    "variant": pl.String,
    "look": pl.Int64,
    "looks": pl.Int64,
    "calls": pl.Int64,
    "value": pl.Float64,
    "beaten_by": pl.String,
    "is_dropped": pl.Boolean,
}
KEPT = Metric("kept")


def test_what_another_beats_is_dropped(kind, measure):
    some = measure("kept", a=[True] * 100, b=[True] * 80 + [False] * 20, c=[True] * 99 + [None])
    wanted = [
        ("kept", "a", 1, 3, 100, 1.0, None, False),
        ("kept", "b", 1, 3, 100, 0.8, "a, c", True),
        ("kept", "c", 1, 3, 99, 1.0, None, False),
    ]
    kind.check(drop_losers(kind.make(some), KEPT, look=1), wanted, LOOKS)


@pytest.mark.parametrize(("looks", "is_dropped"), [(1, True), (3, False)])
def test_each_look_has_its_share_of_the_chance_of_error(measure, looks, is_dropped):
    # 5 lost and none gained: score 2.236, p = .0253, between .05 / 3 and .05.
    some = measure("kept", a=[True] * 100, b=[True] * 95 + [False] * 5)
    dropped = drop_losers(some, KEPT, look=1, looks=looks)
    assert dropped.filter(variant="b")["is_dropped"].to_list() == [is_dropped]


def test_less_is_better_of_costs(measure):
    some = measure("price_usd", dear=[2.0, 2.1] * 50, cheap=[1.0, 1.2] * 50)
    assert drop_losers(some, "price_usd", look=2).filter("is_dropped")["variant"].to_list() == ["dear"]


def test_what_answers_fewer_calls_drops_none(measure):
    some = measure("price_usd", a=[2.0, 2.1] * 50, b=[1.0, 1.2] * 50)
    some = some.with_columns(answered=pl.Series([True] * 100 + [False] * 50 + [True] * 50))
    assert not drop_losers(some, "price_usd", look=1)["is_dropped"].any()


@pytest.mark.parametrize("look", [0, 4])
def test_a_look_was_planned(measure, look):
    with pytest.raises(AnalysisError, match=f"look: {look} is not one of 3 planned looks"):
        drop_losers(measure(a=[1.0], b=[2.0]), "score", look=look)


def test_one_variant_is_kept(kind, measure):
    wanted = [("score", "a", 1, 3, 2, 1.5, None, False)]
    kind.check(drop_losers(kind.make(measure(a=[1.0, 2.0])), Metric("score"), look=1), wanted, LOOKS)


def test_of_no_rows_there_are_no_variants(kind, measure):
    kind.check(drop_losers(kind.make(measure(a=[1.0]).clear()), Metric("score"), look=1), [], LOOKS)


def test_answers_that_have_not_come_back_are_noticed(measure):
    some = measure(a=[1.0, None], b=[2.0, 1.0]).with_columns(error_kind=pl.Series([None, "missing", None, None]))
    with pytest.warns(ComparisonNotice, match="no random sample") as caught:
        drop_losers(some, Metric("score"), look=1)
    assert caught[0].filename == __file__
