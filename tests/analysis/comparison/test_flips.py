import warnings

import polars as pl
import pytest

from analysis import Metric, compare_variants, list_all_flips, list_flips, pick_pairs
from analysis.errors import AnalysisError, ColumnError, ComparisonNotice

FLIPS = dict.fromkeys(("call_id", "variant", "baseline", "change"), pl.String)


def test_calls_that_one_alone_has_are_listed_in_the_order_of_the_answers(kind, measure):
    some = measure("kept", a=[True, True, False, None, True], b=[False, True, True, True, None])
    wanted = [("c00002", "b", "a", "gained"), ("c00000", "b", "a", "lost")]
    kind.check(list_flips(kind.make(some.reverse()), "kept", ("b", "a")), wanted, FLIPS)


def test_the_other_way_round_what_was_gained_is_lost(measure):
    some = measure("kept", a=[True, False], b=[False, True])
    assert list_flips(some, "kept", ("a", "b"))["change"].to_list() == ["gained", "lost"]


def test_of_several_samples_most_must_have_it(measure):
    draws = [{"a": [a, a], "b": [True, b]} for a, b in ((False, True), (False, False), (False, True), (True, False))]
    # Call 0: a has it in one of four, b in four of four; call 1: b in two of four, which is not most.
    some = pl.concat(measure("kept", **draw) for draw in draws)
    assert list_flips(some, "kept", ("b", "a")).select("call_id", "change").rows() == [("c00000", "gained")]


def test_calls_that_one_did_not_answer_are_listed():
    rows = [("c1", "a", None, "Yes."), ("c1", "b", "service", None), ("c2", "a", None, "No."), ("c2", "b", None, "No.")]
    some = pl.DataFrame(rows, ["call_id", "variant", "error_kind", "text"], orient="row")
    assert list_flips(some, "answered", ("b", "a")).rows() == [("c1", "b", "a", "lost")]


def test_without_flips_the_frame_has_its_columns(kind, measure):
    kind.check(list_flips(kind.make(measure("kept", a=[True], b=[True])), "kept", ("b", "a")), [], FLIPS)


def test_ids_that_are_numbers_stay_whole(kind):
    large = 20261130123456789  # more digits than a float has
    some = pl.DataFrame({"call_id": [large, large], "variant": ["a", "b"], "kept": [True, False]})
    flips = list_flips(kind.make(some), "kept", ("a", "b"))
    assert flips["call_id"].to_list() == [large]


def test_a_number_has_no_flips(measure):
    with pytest.raises(ColumnError, match="column 'score' is not Boolean"):
        list_flips(measure(a=[1.0], b=[2.0]), "score", ("a", "b"))


@pytest.mark.parametrize("variants", ["ab", ("a",), ("a", "a"), ("a", "b", "c")])
def test_a_flip_is_of_two_variants(measure, variants):
    with pytest.raises(AnalysisError, match="is not two variants; give a variant and its baseline"):
        list_flips(measure("kept", a=[True], b=[True]), "kept", variants)


def test_a_variant_that_is_not_there_names_those_that_are(measure):
    with pytest.raises(AnalysisError, match="no variant 'short'; there are a, b"):
        list_flips(measure("kept", a=[True], b=[True]), "kept", ("short", "a"))


@pytest.fixture
def compared(measure):
    """Six calls of which `b` differs from `a` in two, and `c` in one."""
    some = measure("kept", a=[True] * 6, b=[False, True, True, True, False, True], c=[True] * 5 + [False])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ComparisonNotice)
        return some, compare_variants(some, [Metric("kept", "higher")], baseline="a")


def test_flips_of_all_shares_are_listed(compared):
    flips = list_all_flips(*compared)
    assert flips.select("call_id", "variant", "change", "metric").rows() == [
        ("c00000", "b", "lost", "kept"),
        ("c00004", "b", "lost", "kept"),
        ("c00005", "c", "lost", "kept"),
    ]


def test_flips_of_nothing_have_their_columns(compared):
    some, comparisons = compared
    assert list_all_flips(some, comparisons.clear()).columns == [*FLIPS, "metric"]


def test_pairs_to_read_begin_with_a_flip_of_each_kind_and_name_no_pair_twice(compared):
    pairs = pick_pairs(*compared, 5)
    assert pairs.select("call_id", "variant").rows()[:3] == [("c00000", "b"), ("c00005", "c"), ("c00004", "b")]
    assert pairs["change"].to_list() == ["lost"] * 3 + [None] * 2
    assert len(pick_pairs(*compared, 100)) == 12
    assert set(pairs["baseline"]) == {"a"}
