import csv
import json
import os
import re
import unicodedata
import xml.etree.ElementTree as ET
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis import write_answers
from analysis.errors import ColumnError, StorageError

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
ENDS = ("csv", "xlsx", "parquet")
# What no spreadsheet may evaluate, with white space, controls and invisible marks before it.
EVIL = (
    "=1+1", "+1-1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\ufeff=1", "\u200b=1", "\x00=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", '=HYPERLINK("http://x.example","y")', "=cmd|' /C calc'!A0", "-",
    "- a list", "'=1", "''\t=1",
)  # fmt: skip
HARMLESS = ("-5", "+49", "-1,000.5", "a=1", "\thello", "\rhello", "\nhello", "'quoted'", "", " ", "1=2", "#N/A", "a;=1")
# Texts that begin as formulas, numbers, marks or escapes do.
TEXTS = st.lists(
    st.sampled_from(EVIL + HARMLESS)
    | st.sampled_from(["_x000D_", "\x1b[2J", "\x0b", "\x7f", "\x85", "\u2028", "\ufffe", "\uffff", '"', ","])
    | st.text(max_size=4),
    max_size=4,
).map("".join)  # fmt: skip


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def may_be_evaluated(text):
    """The rule of docs/export.md, said once more."""
    rest = text.lstrip("'")
    while rest and (rest[0].isspace() or unicodedata.category(rest[0]) in {"Cc", "Cf"}):
        rest = rest[1:]
    return rest[:1] in {*"=+-@\uff1d\uff0b\uff0d\uff20"} and not re.fullmatch(r"[+-][0-9][0-9.,]*", text)


def unescape(text):
    """Read a text as Excel does: `_x000D_` is a carriage return."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def read_workbook(path):
    """Read the cells of the first sheet, each its type and text; a cell that is not there is None."""
    with zipfile.ZipFile(path) as parts:
        sheet = ET.fromstring(parts.read("xl/worksheets/sheet1.xml"))
    assert sheet.find(f".//{MAIN}f") is None
    assert sheet.find(f".//{MAIN}hyperlink") is None
    return [{cell.get("r").rstrip("0123456789"): read_cell(cell) for cell in row} for row in sheet.iter(f"{MAIN}row")]


def read_cell(cell):
    if cell.get("t") == "inlineStr":
        return unescape(cell.findtext(f"{MAIN}is/{MAIN}t") or "")
    value = cell.findtext(f"{MAIN}v")
    return value == "1" if cell.get("t") == "b" else float(value)


def make_answers(texts):
    return pl.DataFrame({"call_id": ["c"] * len(texts), "text": pl.Series(texts, dtype=pl.String)})


@given(st.lists(TEXTS | st.none(), min_size=1, max_size=6))
@settings(deadline=None)
def test_whatever_text_goes_into_csv_comes_out(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("out") / "x.csv"
    export = write_answers(
        pl.DataFrame({"call_id": ["c"] * len(texts), "text": pl.Series(texts, dtype=pl.String)}), path
    )
    head, *rows = read_csv(path)
    assert head == ["call_id", "text"]
    given = [text or "" for text in texts]
    assert [row[1] for row in rows] == ["'" * may_be_evaluated(text) + text for text in given]
    assert export.changes.apostrophes == sum(map(may_be_evaluated, given))


@given(st.lists(TEXTS | st.none(), min_size=1, max_size=6))
@settings(deadline=None)
def test_whatever_text_goes_into_a_workbook_comes_out(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("out") / "x.xlsx"
    write_answers(make_answers(texts), path)
    head, *rows = read_workbook(path)
    assert [*head.values()] == ["call_id", "text"]
    assert [row.get("B") for row in rows] == texts


@pytest.mark.parametrize("text", EVIL)
def test_an_apostrophe_stands_before_what_a_spreadsheet_would_evaluate(tmp_path, text):
    export = write_answers(pl.DataFrame({"text": [text, "fine"]}), tmp_path / "x.csv")
    assert read_csv(tmp_path / "x.csv") == [["text"], ["'" + text], ["fine"]]
    assert "An apostrophe stands before 1 text that may be taken for a formula." in str(export)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_no_spreadsheet_evaluates_stays_as_it_is(tmp_path, text):
    export = write_answers(pl.DataFrame({"text": [text]}), tmp_path / "x.csv")
    assert read_csv(tmp_path / "x.csv")[1:] == [[text]]
    assert "apostrophe" not in str(export)


def test_the_name_of_a_column_is_no_formula(tmp_path):
    export = write_answers(pl.DataFrame({"=1+1": ["a"]}), tmp_path / "x.csv")
    assert read_csv(tmp_path / "x.csv")[0] == ["'=1+1"]
    assert export.changes.apostrophes == 1


def test_numbers_stay_numbers_and_missing_stays_empty(tmp_path):
    frame = pl.DataFrame(
        {"id": [1, 2], "whole": [-5, None], "share": [-0.5, None], "text": ["", None], "true": [True, None]}
    )
    write_answers(frame, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == (
        b'\xef\xbb\xbf"id","whole","share","text","true"\n1,-5,-0.5,"","true"\n2,,,,\n'
    )
    write_answers(frame, tmp_path / "x.xlsx")
    assert read_workbook(tmp_path / "x.xlsx")[1:] == [{"A": 1, "B": -5, "C": -0.5, "D": "", "E": True}, {"A": 2}]


def test_a_missing_value_of_the_only_column_is_no_blank_line(tmp_path):
    write_answers(pl.DataFrame({"text": ["a", None, "b"]}), tmp_path / "x.csv")
    assert read_csv(tmp_path / "x.csv") == [["text"], ["a"], [""], ["b"]]
    write_answers(pl.DataFrame({"sample": [1, None]}), tmp_path / "y.csv")
    assert read_csv(tmp_path / "y.csv") == [["sample"], ["1"], [""]]


def test_what_begins_like_a_formula_stays_text_in_a_cell_that_is_edited(tmp_path):
    write_answers(pl.DataFrame({"text": ["=1+1", "fine"]}), tmp_path / "x.xlsx")
    with zipfile.ZipFile(tmp_path / "x.xlsx") as parts:
        sheet, styles = (ET.fromstring(parts.read(f"xl/{name}.xml")) for name in ("worksheets/sheet1", "styles"))
    quoted = [style.get("quotePrefix") for style in styles.find(f"{MAIN}cellXfs")]
    _, evil, fine = sheet.iter(f"{MAIN}c")
    assert quoted[int(evil.get("s"))] == "1"
    assert fine.get("s") is None


@pytest.mark.parametrize(("character", "units"), [("x", 1), ("\N{GRINNING FACE}", 2)])
def test_a_text_that_is_longer_than_a_cell_is_cut_with_a_mark_and_counted(tmp_path, character, units):
    most = 32_767 // units
    texts = [character * most, character * (most + 1)]
    export = write_answers(pl.DataFrame({"text": texts}), tmp_path / "x.xlsx")
    _, fits, cut = read_workbook(tmp_path / "x.xlsx")
    assert fits["A"] == texts[0]
    assert len(cut["A"].encode("utf-16-le")) // 2 in {32_767, 32_766}
    assert cut["A"].endswith(f"{character} [cut off here: {(most + 1) * units:,} characters in all]")
    assert export.changes.cut == 1
    assert "1 text of more than 32,767 characters cut off" in str(export)


def test_csv_has_the_whole_text_and_says_that_excel_cuts_it(tmp_path):
    export = write_answers(pl.DataFrame({"text": ["x" * 32_768, "y" * 32_767]}), tmp_path / "x.csv")
    csv.field_size_limit(1_000_000)
    assert read_csv(tmp_path / "x.csv")[1:] == [["x" * 32_768], ["y" * 32_767]]
    assert "1 text of more than 32,767 characters: whole in the file" in str(export)


def test_numbers_that_excel_would_round_are_texts_in_a_workbook(tmp_path):
    frame = pl.DataFrame(
        {
            "whole": [999_999_999_999_999, 2**53 + 1, -(2**63)],
            "exact": [Decimal("1.50"), Decimal("-12345678901234567.25"), None],
            "share": [0.5, float("inf"), float("nan")],
        }
    )
    export = write_answers(frame, tmp_path / "x.xlsx")
    assert read_workbook(tmp_path / "x.xlsx")[1:] == [
        {"A": 999_999_999_999_999, "B": 1.5, "C": 0.5},
        {"A": "9007199254740993", "B": "-12345678901234567.25", "C": "inf"},
        {"A": "-9223372036854775808", "C": "nan"},
    ]
    assert "3 numbers of more than 15 digits written as text." in str(export)


TIMES = pl.DataFrame(
    {
        "day": [date(2026, 11, 30), date(1850, 1, 1)],
        "local": [datetime(2026, 11, 30, 12), datetime(1850, 1, 1, 6, 30)],
        "zoned": pl.Series([datetime(2026, 11, 30, 12, tzinfo=UTC)] * 2).dt.convert_time_zone("Asia/Kolkata"),
        "waited": [timedelta(minutes=1, seconds=30), None],
        "clock": [time(8, 5), None],
    }
)


def test_times_are_iso_8601_in_csv(tmp_path):
    write_answers(TIMES, tmp_path / "x.csv")
    assert read_csv(tmp_path / "x.csv")[1:] == [
        ["2026-11-30", "2026-11-30T12:00:00.000000", "2026-11-30T17:30:00.000000+05:30", "PT1M30S", "08:05:00"],
        ["1850-01-01", "1850-01-01T06:30:00.000000", "2026-11-30T17:30:00.000000+05:30", "", ""],
    ]


def test_days_without_a_zone_are_days_in_a_workbook_and_others_text(tmp_path):
    write_answers(TIMES, tmp_path / "x.xlsx")
    first, second = read_workbook(tmp_path / "x.xlsx")[1:]
    # 2026-11-30 is 20,787 days after 1970-01-01, which Excel counts as 25,569.
    assert (first["A"], first["B"]) == (46_356, 46_356.5)
    assert (second["A"], second["B"]) == ("1850-01-01", "1850-01-01T06:30:00.000000")
    assert first["C"] == "2026-11-30T17:30:00.000000+05:30"
    assert (first["D"], first["E"]) == ("PT1M30S", "08:05:00")


@pytest.mark.parametrize("end", ["csv", "xlsx"])
def test_lists_and_structs_are_json(tmp_path, end):
    calls = [[{"name": "refund", "input": '{"usd": 5}'}], None, []]
    write_answers(pl.DataFrame({"call_id": ["a", "b", "c"], "tool_calls": calls}), tmp_path / f"x.{end}")
    if end == "csv":
        cells = [row[1] for row in read_csv(tmp_path / "x.csv")[1:]]
    else:
        cells = [row.get("B") for row in read_workbook(tmp_path / "x.xlsx")[1:]]
    assert [json.loads(cell) if cell else None for cell in cells] == calls


ALL_KINDS = TIMES.with_columns(
    text=pl.Series(["=1", "\r\n\x00"]),
    tool_calls=pl.Series([[{"name": "a", "input": None}], None]),
    kind=pl.Series(["-a", "b"], dtype=pl.Categorical),
    bytes=pl.Series([b"\xff", None]),
    nothing=pl.lit(None),
    large=pl.lit(2**60),
)


@pytest.mark.parametrize("lazily", [False, True])
def test_parquet_has_every_column_as_it_is(tmp_path, lazily):
    export = write_answers(ALL_KINDS.lazy() if lazily else ALL_KINDS, tmp_path / "x.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "x.parquet"), ALL_KINDS)
    assert str(export) == f"{tmp_path}/x.parquet: 2 answers, 11 columns, {export.bytes:,} bytes."


@pytest.mark.parametrize("end", ENDS)
def test_the_same_answers_make_the_same_bytes_also_from_a_query(tmp_path, end):
    frame = pl.concat([ALL_KINDS] * 6_000)  # more than are in memory at once
    write_answers(frame, tmp_path / f"a.{end}")
    write_answers(frame.lazy(), tmp_path / f"b.{end}")
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


@pytest.mark.parametrize("end", ENDS)
def test_pandas_writes_what_polars_does(tmp_path, end):
    frame = pl.DataFrame({"call_id": ["a", "b"], "text": ["=1", None], "sample": [1, 2], "cost_usd": [0.5, None]})
    native = frame.to_pandas()
    native.index = [7, 3]
    before = native.copy()
    write_answers(frame, tmp_path / f"a.{end}")
    write_answers(native, tmp_path / f"b.{end}")
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()
    pd.testing.assert_frame_equal(native, before)


@pytest.mark.parametrize("end", ENDS)
def test_halves_of_surrogate_pairs_are_replaced_and_counted(tmp_path, end):
    frame = pd.DataFrame({"text": pd.Series(["a\ud800", None, float("nan"), pd.NA, "b"], dtype=object)})
    export = write_answers(frame, tmp_path / f"x.{end}")
    assert "1 text with halves of surrogate pairs" in str(export)
    if end == "parquet":
        assert pl.read_parquet(tmp_path / "x.parquet")["text"].to_list() == ["a\ufffd", None, None, None, "b"]


@pytest.mark.parametrize("end", ENDS)
def test_without_answers_there_are_columns(tmp_path, end):
    export = write_answers(
        pl.DataFrame(schema={"call_id": pl.String, "sample": pl.Int16}).lazy(), tmp_path / f"x.{end}"
    )
    assert (export.rows, export.columns) == (0, 2)
    if end == "csv":
        assert read_csv(tmp_path / "x.csv") == [["call_id", "sample"]]
    if end == "xlsx":
        assert read_workbook(tmp_path / "x.xlsx") == [{"A": "call_id", "B": "sample"}]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pl.LazyFrame({"a": [1]}).select(pl.col("a").repeat_by(1_048_576).explode()), "1,048,576 answers"),
        (pl.DataFrame([[1]] * 16_385, [f"c{place}" for place in range(16_385)]), "16,385 columns"),
    ],
)
def test_more_than_a_sheet_takes_is_refused(tmp_path, frame, words):
    with pytest.raises(StorageError, match=rf"{words}, and a sheet .*; write .csv or .parquet"):
        write_answers(frame, tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_excel_opens_are_in_the_csv_and_are_told(tmp_path):
    frame = pl.LazyFrame({"a": [1]}).select(pl.col("a").repeat_by(1_048_577).explode())
    export = write_answers(frame, tmp_path / "x.csv")
    assert "Excel opens the first 1,048,575 answers alone: 2 more are in the file." in str(export)


@pytest.mark.parametrize("end", ENDS)
def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path, end):
    path = tmp_path / f"x.{end}"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(StorageError, match="is there already; give another name, or replace it"):
        write_answers(ALL_KINDS, path)
    assert path.read_text(encoding="utf-8") == "mine"
    write_answers(ALL_KINDS, path, replace=True)
    assert path.read_bytes() != b"mine"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("end", ENDS)
def test_a_query_that_fails_leaves_nothing(tmp_path, end):
    def fail(_):
        raise ZeroDivisionError

    frame = pl.LazyFrame({"a": [1]}).map_batches(fail, schema={"a": pl.Int64})
    with pytest.raises((ZeroDivisionError, pl.exceptions.ComputeError)):
        write_answers(frame, tmp_path / f"x.{end}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("end", ENDS)
def test_an_export_has_the_permissions_of_any_new_file(tmp_path, end):
    (tmp_path / "any").write_bytes(b"")
    write_answers(ALL_KINDS, tmp_path / f"new/x.{end}")
    assert (tmp_path / f"new/x.{end}").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_what_a_killed_export_left_is_deleted_and_nothing_else(tmp_path):
    for name in (".batchbook-export-1.draft", ".mine.draft"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    write_answers(ALL_KINDS, tmp_path / "x.csv")
    assert {path.name for path in tmp_path.iterdir()} == {".mine.draft", "x.csv"}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("x.xls", "ends in none of .csv, .xlsx, .parquet"),
        ("x", "ends in none of"),
        ("s3://bucket/x.csv", "exports are local files; write one, then `aws s3 cp` it"),
        ("folder.csv", "is a folder"),
        ("file/x.csv", "is no folder"),
        (7, "7 is not a path"),
    ],
)
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, monkeypatch, file, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=words):
        write_answers(ALL_KINDS, file)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1], "a list that begins with an int is not a DataFrame"),
        (pd.DataFrame({"a": [1, "b"]}, dtype=object), "column 'a' has values of the types int, str"),
        (pl.DataFrame({"a": [object()]}, schema={"a": pl.Object}), "column 'a' has objects of Python"),
    ],
)
def test_what_is_no_frame_of_answers_is_an_error(tmp_path, frame, words):
    with pytest.raises(ColumnError, match=words):
        write_answers(frame, tmp_path / "x.csv")
