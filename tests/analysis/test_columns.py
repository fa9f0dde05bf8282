import narwhals as nw
import polars as pl
import pytest

from analysis.columns import FRACTION, TEXT, TRUTH, WHOLE, aggregate, finish_frame, list_keys, read_columns
from analysis.errors import ColumnError

FRAME = pl.DataFrame({"variant": ["b", None, "b"], "tokens": [1, 2, None]})
TOKENS = {"tokens": pl.Int64}


def test_the_error_for_a_missing_column_lists_the_others(kind):
    with pytest.raises(ColumnError, match="answers: no column 'stop'; there are variant, tokens"):
        read_columns(kind.make(FRAME), ["variant", "stop"], of="answers")


def test_groups_come_in_order_with_the_missing_one_last(kind):
    frame = read_columns(kind.make(FRAME), ["tokens"], of="answers")
    groups = aggregate(frame, ["variant"], nw.col("tokens").sum())
    kind.check(
        finish_frame(groups, ["variant"], {"tokens": WHOLE}), [("b", 1), (None, 2)], {"variant": pl.String} | TOKENS
    )


def test_without_keys_there_is_one_group(kind):
    frame = read_columns(kind.make(FRAME), ["tokens"], of="answers")
    kind.check(finish_frame(aggregate(frame, [], nw.col("tokens").sum()), [], {"tokens": WHOLE}), [(3,)], TOKENS)


def test_missing_values_do_not_change_integers_and_booleans(kind):
    frame = pl.DataFrame({"n": [1, None], "f": [None, 0.5], "t": [True, None], "s": ["a", None]})
    schema = {"s": pl.String, "t": pl.Boolean, "f": pl.Float64, "n": pl.Int64}
    dtypes = {"s": TEXT, "t": TRUTH, "f": FRACTION, "n": WHOLE}
    result = finish_frame(read_columns(kind.make(frame), [], of="frame"), [], dtypes)
    kind.check(result, [("a", True, None, 1), (None, None, 0.5, None)], schema)


def test_one_column_name_is_a_list_of_one():
    assert list_keys("variant") == ["variant"]
    assert list_keys(("variant", "stop")) == ["variant", "stop"]
