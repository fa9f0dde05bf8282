import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal as assert_pandas_equal
from polars.testing import assert_frame_equal

from analysis.errors import CallsError, ColumnError
from analysis.transcripts import pick_calls

COLUMNS = {
    "call_id": [f"c{number:02}" for number in range(20)],
    "transcript": ["x" * (20 - number) for number in range(20)],
    "queue": ["sales"] * 10 + ["billing"] * 7 + [None] * 3,
    "stars": [1, None] * 10,
}
KINDS = pytest.mark.parametrize("kind", [pl.DataFrame, pd.DataFrame])


def ids(frame):
    return list(frame["call_id"])


@KINDS
def test_n_calls_are_picked_and_keep_their_order(kind):
    picked = pick_calls(kind(COLUMNS), 5)
    assert isinstance(picked, kind)
    assert len(set(ids(picked))) == 5
    assert ids(picked) == sorted(ids(picked))


@KINDS
def test_the_same_seed_picks_the_same_calls(kind):
    assert ids(pick_calls(kind(COLUMNS), 5, seed=3)) == ids(pick_calls(kind(COLUMNS), 5, seed=3))
    assert ids(pick_calls(kind(COLUMNS), 5, seed=3)) != ids(pick_calls(kind(COLUMNS), 5, seed=4))


@pytest.mark.parametrize("by", [None, "queue", "stars", "length"])
def test_pandas_and_polars_pick_the_same_calls(by):
    of_pandas, of_polars = (pick_calls(kind(COLUMNS), 7, seed=1, by=by) for kind in (pd.DataFrame, pl.DataFrame))
    assert ids(of_pandas) == ids(of_polars)


@KINDS
def test_every_value_keeps_its_share(kind):
    # 6 of 20 calls: sales 3.0, billing 2.1, missing 0.9, so the last place goes to missing.
    queues = list(pick_calls(kind(COLUMNS), 6, by="queue")["queue"])
    assert [queues.count("sales"), queues.count("billing")] == [3, 2]


@KINDS
def test_every_quarter_of_lengths_keeps_its_share(kind):
    lengths = [len(text) for text in pick_calls(kind(COLUMNS), 8, by="length")["transcript"]]
    quarters = [(length - 1) // 5 for length in lengths]  # lengths are 1 to 20, 5 in each quarter
    assert [quarters.count(quarter) for quarter in range(4)] == [2, 2, 2, 2]


@KINDS
def test_calls_of_one_length_still_have_quarters(kind):
    picked = pick_calls(kind({"call_id": list("abcdefgh"), "transcript": ["x"] * 8}), 4, by="length")
    assert [pair in "ab cd ef gh" for pair in ids(picked)] == [True] * 4
    assert [position // 2 for position in map("abcdefgh".index, ids(picked))] == [0, 1, 2, 3]


def test_a_column_called_length_is_that_column():
    calls = pl.DataFrame({"call_id": list("abcd"), "transcript": ["x"] * 4, "length": ["s", "l", "l", "l"]})
    assert ids(pick_calls(calls, 4, by="length")) == list("abcd")
    assert pick_calls(calls, 1, by="length")["length"].to_list() == ["l"]


def test_all_calls_can_be_picked():
    assert_frame_equal(pick_calls(pl.DataFrame(COLUMNS), 20, by="queue"), pl.DataFrame(COLUMNS))


def test_the_index_and_the_frame_of_the_caller_do_not_matter():
    calls = pd.DataFrame(COLUMNS, index=[7] * 20)
    before = calls.copy()
    picked = pick_calls(calls, 5)
    assert_pandas_equal(calls, before)
    assert list(picked.index) == list(range(5))


@KINDS
@pytest.mark.parametrize("n", [0, -1, 21])
def test_picking_more_calls_than_there_are_is_an_error(kind, n):
    with pytest.raises(CallsError, match=f"cannot pick {n} of 20 calls; give n from 1 to 20"):
        pick_calls(kind(COLUMNS), n)


@KINDS
def test_of_no_calls_none_can_be_picked(kind):
    with pytest.raises(CallsError, match="cannot pick 1 of 0 calls"):
        pick_calls(kind({"call_id": [], "transcript": []}), 1)


def test_for_a_misspelt_column_the_right_one_is_suggested():
    with pytest.raises(ColumnError, match="no column 'qeue'; give 'length' or did you mean 'queue'"):
        pick_calls(pl.DataFrame(COLUMNS), 2, by="qeue")


def test_part_of_a_call_cannot_be_picked():
    with pytest.raises(CallsError, match=r"cannot pick 1\.5 of 2 calls"):
        pick_calls(pl.DataFrame({"call_id": ["a", "b"]}), 1.5)


def test_lengths_need_transcripts():
    with pytest.raises(ColumnError, match="no column 'transcript'; there are call_id"):
        pick_calls(pl.DataFrame({"call_id": ["a", "b"]}), 1, by="length")
