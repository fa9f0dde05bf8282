import re
import shutil
from html import unescape

import pytest
from typer.main import get_command

from analysis.cli import app
from analysis.reports.notebooks import find_notebooks

from .conftest import call

pytestmark = pytest.mark.whole


def test_a_round_is_asked_and_a_further_one_asks_what_changed(account, folder, make_calls):
    make_calls(60).write_parquet(folder / "calls.parquet")
    shutil.copytree(find_notebooks(), folder / "notebooks")
    prompt = folder / "notebooks" / "prompts" / "paragraph.md"
    arguments = ["tune", "--calls", "calls.parquet", "--prompts", prompt.parent, "--calls-per-round", 20]
    first = call(*arguments)
    assert first.exit_code == 0, first.output
    prompt.write_text(prompt.read_text().replace("90 words", "40 words"))
    second = call(*arguments).stdout
    assert "40 of 60 records were answered in tune-001 and are taken from there; 20 are sent: 0.0" in second
    assert "Report: reports/tune-002/index.html" in second
    again = call(*arguments).stdout
    assert "tune-002 has been answered with these prompts, and nothing is sent." in again
    assert {path.name for path in (folder / "runs").iterdir()} == {"tune-001", "tune-002"}
    page = (folder / "reports" / "tune-002" / "index.html").read_text()
    assert "tuned on these calls: confirm on fresh ones" in page
    assert 'href="tune.html"' in page
    nav = re.search("<nav>.*?</nav>", (folder / "reports" / "tune-002" / "tune.html").read_text(), re.DOTALL)[0]
    assert re.findall('href="(.*?)"', nav) == ["index.html", "../index.html"]
    sentence = show_text(re.search('<p class="verdict">(.*?)</p>', page)[1])
    assert f"\n{sentence}\n" in again.replace("`", "")


def show_text(page):
    return unescape(re.sub("<[^>]*>", "", page))


@pytest.mark.parametrize("command", ["run", "tune"])
@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("--baseline", "--baseline: no prompt 'short'; there are headings, json, paragraph"),
        ("--cluster", "--cluster: calls have no column 'short'; there are call_id, transcript"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_prepared(folder, make_calls, command, option, error):
    make_calls(20).write_parquet(folder / "calls.parquet")
    prompts = find_notebooks() / "prompts"
    result = call(command, "--calls", "calls.parquet", "--prompts", prompts, option, "short")
    assert str(result.exception) == error
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("option", ["decide_by", "margin_points", "baseline", "cluster"])
def test_run_and_tune_share_what_decides(option):
    params = [get_command(app).commands[name].params for name in ("run", "tune")]
    run, tune = (next(each for each in own if each.name == option) for own in params)
    for name in ("opts", "help", "metavar", "default", "multiple"):
        assert getattr(run, name) == getattr(tune, name)
