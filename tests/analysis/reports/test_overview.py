import re

import pytest

from analysis import collect, invoke
from analysis.reports.overview import write_overview


@pytest.fixture
def reports(tmp_path):
    (tmp_path / "reports").mkdir()
    return tmp_path / "reports"


def add_report(reports, name):
    (reports / name).mkdir()
    (reports / name / "index.html").write_text("")


def read_rows(page):
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", page.read_text(encoding="utf-8"))
    return [row.split("</td><td") for row in rows]


def test_every_variant_of_every_run_is_a_row_and_runs_with_a_report_are_links(make_run, make_prompt, reports):
    sent = make_run(2, make_prompt(), make_prompt("long", max_tokens=9), name="sent")
    make_run(2, make_prompt(), name="prepared")
    invoke(sent)
    collect(sent)
    add_report(reports, "sent")
    page = write_overview(sent.folder.parent, reports)
    rows = read_rows(page)
    assert [row[0] for row in rows] == ['<a href="sent/index.html">sent</a>'] * 2 + ["prepared"]
    assert [row[1] for row in rows] == [' class="text">short', ' class="text">long', ' class="text">short']
    assert rows[0][6] == rows[2][6] != rows[1][6]
    assert rows[0][3].endswith(" USD")
    assert [rows[2][place] for place in (3, 4, 5, 8, 9)] == [">\N{EN DASH}"] * 5


def test_a_report_whose_run_is_gone_is_listed(reports):
    add_report(reports, "<b>old")
    text = write_overview(reports.parent / "runs", reports).read_text(encoding="utf-8")
    assert "<p>There are no runs.</p>" in text
    assert '<a href="%3Cb%3Eold/index.html">&lt;b&gt;old</a>' in text
