from datetime import date
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest

from analysis import Prompt, prepare
from analysis.errors import CallsError

PROMPT = Prompt(name="short", model_id="us.amazon.nova-micro-v1:0", template="{{ transcript }}")
CALLS = pl.DataFrame({"call_id": ["a", "b"], "transcript": ["Hi.", "Hello."]})


def refuse(tmp_path, calls):
    """The words in which `prepare` refuses calls; nothing is written."""
    with pytest.raises(CallsError) as caught:
        prepare(calls, PROMPT, into=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert caught.value.__cause__ is None or "Maier" not in str(caught.value.__cause__)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([b"Hi.", b"Hello."], "Binary"),
        ([1, 2], "Int64"),
        ([1.5, 2.5], "Float64"),
        ([True, False], "Boolean"),
        ([["Hi."], ["Hello."]], "List"),
        ([{"text": "Hi."}, {"text": "Hello."}], "Struct"),
        ([date(2026, 1, 1), date(2026, 1, 2)], "Date"),
        ([Decimal("1.5"), Decimal("2.5")], "Decimal"),
    ],
)
def test_a_transcript_that_is_no_text_is_refused(tmp_path, values, kind):
    reason = f"'transcript' has the type {kind}, not text; decode bytes, join lists"
    assert reason in refuse(tmp_path, CALLS.with_columns(transcript=pl.Series(values)))


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["Hi.", "Hello."])])
def test_a_transcript_of_categories_is_text(tmp_path, dtype):
    run = prepare(CALLS.cast({"transcript": dtype}), PROMPT, into=tmp_path)
    assert run.folder.name == prepare(CALLS, PROMPT, into=tmp_path).folder.name


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pl.Series([1, 20], dtype=pl.Int8), ["1", "20"]),
        (pl.Series([1.0, 20.0]), ["1", "20"]),
        (pl.Series([2**64 - 1, 1], dtype=pl.UInt64), ["18446744073709551615", "1"]),
        (pl.Series([Decimal(7), Decimal(8)]), ["7", "8"]),
        (pl.Series(["x", "y"], dtype=pl.Categorical), ["x", "y"]),
    ],
)
def test_ids_become_text(tmp_path, ids, expected):
    run = prepare(CALLS.with_columns(call_id=ids), PROMPT, into=tmp_path)
    assert run.read_calls()["call_id"].to_list() == expected


@pytest.mark.parametrize(
    "ids",
    [
        [1.5, 2.5],
        [1.0, float("nan")],
        [True, False],
        [b"a", b"b"],
        [["a"], ["b"]],
        [date(2026, 1, 1), date(2026, 1, 2)],
    ],
)
def test_ids_that_are_neither_text_nor_whole_numbers_are_refused(tmp_path, ids):
    assert "and is not text or whole numbers; give each call an id" in refuse(
        tmp_path, CALLS.with_columns(call_id=pl.Series(ids))
    )


def test_an_empty_id_is_refused(tmp_path):
    calls = CALLS.with_columns(call_id=pl.Series(["a", " "]))
    assert refuse(tmp_path, calls) == "calls: 'call_id' is empty in 1 rows; give each call its own id"


@pytest.mark.parametrize("values", [[1, "Maier"], [{"a": 1}, {"a": "Maier"}], [object(), "Maier"], [1j, 2j]])
@pytest.mark.parametrize("column", ["notes", "transcript", "call_id"])
def test_a_column_of_mixed_types_is_named_and_not_quoted(tmp_path, column, values):
    calls = pd.DataFrame({"call_id": ["a", "b"], "transcript": ["Hi.", "Hello."]}).assign(**{column: pd.Series(values)})
    words = refuse(tmp_path, calls)
    assert f"in the column {column}; make it text, as by calls['{column}'].astype(str), or drop it" in words
    assert "Maier" not in words


@pytest.mark.parametrize("column", ["notes", "transcript", "call_id"])
def test_half_a_surrogate_pair_is_found_in_any_column(tmp_path, column):
    calls = pd.DataFrame({"call_id": ["a", "b"], "transcript": ["Hi.", "Hello."]})
    calls[column] = pd.Series(["Maier \ud800", "x"], dtype=object)
    call_id = r"Maier \ud800" if column == "call_id" else "a"
    expected = f"halves of surrogate pairs, which are no characters, in {column} of call {call_id}; replace them"
    assert refuse(tmp_path, calls) == f"calls: {expected}"


@pytest.mark.parametrize("values", [pl.Series([object(), object()], dtype=pl.Object), pl.Series([{}, {}])])
def test_a_column_that_no_file_can_hold_is_refused(tmp_path, values):
    assert "in the column notes; make it text, or drop it" in refuse(tmp_path, CALLS.with_columns(notes=values))


@pytest.mark.parametrize("calls", [None, "calls.csv", [1], {"call_id": ["a"]}, CALLS.lazy(), CALLS["call_id"]])
def test_what_is_no_frame_is_refused(tmp_path, calls):
    assert "is not a table of calls; pass a pandas or polars frame" in refuse(tmp_path, calls)


def test_two_columns_of_one_name_are_refused(tmp_path):
    calls = CALLS.to_pandas()
    assert "two columns have the same name" in refuse(tmp_path, pd.concat([calls, calls[["transcript"]]], axis=1))


def test_a_column_of_many_that_is_missing_is_suggested(tmp_path):
    calls = CALLS.rename({"transcript": "Transcript"}).with_columns(pl.lit(0).alias(f"c{n}") for n in range(100))
    words = refuse(tmp_path, calls)
    assert "no column 'transcript'; did you mean 'Transcript'? it has call_id, Transcript, c0, " in words
    assert words.endswith("c17, ...; rename one")
