import re
from datetime import UTC, date, datetime

import polars as pl
import pytest

from analysis.display import show_table
from analysis.errors import CONTROL


def read_cells(frame):
    """The texts of the body of a table, row by row."""
    rows = re.findall(r"<tr>\s*(<td.*?)</tr>", show_table(frame)._repr_html_(), re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]


def test_values_and_names_of_columns_are_escaped():
    html = show_table(pl.DataFrame({"<img src=x>": ["<script>alert(1)</script>"]}))._repr_html_()
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1234.5, 0.25], ["1,234.50", "0.25"]),
        ([0.25, 0.0123], ["0.2500", "0.0123"]),
        ([0.0012, None], ["0.001200", "\N{EN DASH}"]),
        ([0.0, 0.0], ["0.00", "0.00"]),
    ],
)
def test_fractions_of_a_column_have_the_same_digits(values, shown):
    assert read_cells(pl.DataFrame({"cost_usd": values})) == [[text] for text in shown]


def test_shares_are_percents():
    assert read_cells(pl.DataFrame({"share_low": [0.125]})) == [["12.5%"]]


def test_integers_stay_integers_where_one_is_missing():
    assert read_cells(pl.DataFrame({"records": [1200, None]})) == [["1,200"], ["\N{EN DASH}"]]


def test_days_and_times_are_short():
    frame = pl.DataFrame({"day": [date(2026, 11, 23)], "time": [datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)]})
    assert read_cells(frame) == [["2026-11-23", "2026-11-23 01:02"]]


def test_a_table_without_rows_shows_its_columns():
    html = show_table(pl.DataFrame(schema={"variant": pl.String, "share": pl.Float64}))._repr_html_()
    assert ">variant<" in html
    assert read_cells(pl.DataFrame(schema={"variant": pl.String})) == []


def test_a_table_without_rows_is_a_sentence_where_one_is_given(kind):
    table = show_table(kind.make(pl.DataFrame(schema={"variant": pl.String})), empty="None <failed>.")
    assert table._repr_html_() == "<p>None &lt;failed&gt;.</p>"
    assert repr(table) == "None <failed>."
    one = kind.make(pl.DataFrame({"variant": ["a"]}))
    assert show_table(one, empty="None.")._repr_html_() == show_table(one)._repr_html_()


def test_the_same_table_is_the_same_page(kind):
    frame = kind.make(pl.DataFrame({"variant": ["a"], "cost_usd": [1.5]}))
    assert show_table(frame)._repr_html_() == show_table(frame)._repr_html_()


def test_a_table_is_left_alone_by_mathjax(kind):
    html = show_table(kind.make(pl.DataFrame({"text": ["Pay $20 now and $30 later"]})))._repr_html_()
    assert 'class="mathjax_ignore tex2jax_ignore"' in html


def test_as_text_a_table_is_its_frame():
    frame = pl.DataFrame({"variant": ["a"]})
    assert repr(show_table(frame)) == repr(frame)


HOSTILE = pl.DataFrame({"id\x1b[31m": ["a\x1b]0;x\x07\u202eb", None], "tags": [["\x9b1m\u2066"], None], "n": [1, 2]})


def test_a_table_never_commands_a_terminal_or_reorders_a_line(kind):
    table = show_table(kind.make(HOSTILE))
    for shown in (repr(table), table._repr_html_()):
        assert not CONTROL.search(shown)
        assert r"id\x1b[31m" in shown
        assert r"a\x1b]0;x\x07\u202eb" in shown


def test_a_table_without_controls_keeps_every_script():
    frame = pl.DataFrame({"text": ["مرحبا\tשבת\n要約 👩\u200d🚀"]})
    assert read_cells(frame) == [["مرحبا\tשבת\n要約 👩\u200d🚀"]]
