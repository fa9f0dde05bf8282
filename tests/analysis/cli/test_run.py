"""The command on a folder of texts, run once by a shell; the tests look at what it said and left."""

import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import polars as pl
import pytest

from analysis import load_answers, open_run
from analysis.cli import main
from analysis.cli.sending import summarize
from analysis.comparison.choices import Decision
from analysis.comparison.decision import Advice
from analysis.reports.notebooks import find_notebooks
from analysis.reports.stages import STAGES

from .conftest import call

pytestmark = pytest.mark.whole

PROMPTS = [f"notebooks/prompts/{name}.md" for name in ("paragraph", "headings")]
PICKED = ["run", "--calls", "texts", "--pick", "24", "--runs", "r", "--run", "demo"]


@pytest.fixture(scope="module")
def finished(account, make_calls, tmp_path_factory):
    """The command, run by a shell on 24 of 30 texts and two prompts: the user's folder, and how it ended."""
    root = tmp_path_factory.mktemp("user")
    shutil.copytree(find_notebooks(), root / "notebooks")
    (root / "texts").mkdir()
    for call_id, text in make_calls(30).iter_rows():
        (root / "texts" / f"{call_id}.txt").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", "from analysis.cli import main; main()", *PICKED, "--prompts", *PROMPTS]
    return root, subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_a_run_says_its_plan_its_stages_and_its_report(finished):
    _, result = finished
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stdout.splitlines() if line.startswith(("Run demo: ", "[", "Report"))]
    assert said[0].startswith("Run demo: 24 calls, 2 variants, 48 records in 1 job")
    assert said[1:-1] == [f"[{number}/{len(STAGES)}] {stage.name}" for number, stage in enumerate(STAGES, 1)]
    assert said[-1:] == [f"Report: {Path('reports', 'demo', 'index.html')}"]


def test_a_run_ends_with_what_its_first_page_says(finished):
    root, result = finished
    page = (root / "reports" / "demo" / "index.html").read_text(encoding="utf-8")
    told = result.stdout.partition("\nRecords: 48 prepared, 48 answered, 0 failed, 0 missing; ")[2].splitlines()
    assert told[0].endswith(" USD.")
    assert told[1] == ""
    verdict = re.search('<p class="verdict">(.*?)</p>', page)[1]
    cures = re.findall("<li>(.*?)</li>", page.partition('<ul class="cures">')[2].partition("</ul>")[0])
    assert told[2:-3] == [unescape(re.sub("</?b>", "`", each)) for each in (verdict, *cures)]


def test_a_run_without_advice_ends_with_what_is_missing_for_one():
    reasons = ["`long` is undecided in price: about 90 more calls would tell."]
    findings = {"records": dict.fromkeys(("prepared", "answered", "failed", "missing"), 0), "notices": [], "cures": []}
    findings |= {"total": {"cost_usd": 1.0}, "sentences": ["There is no advice yet.", *reasons]}
    undecided, decided = (
        Decision("short", "", [], pl.DataFrame(), Advice(name, "There is no advice yet.", reasons), [])
        for name in (None, "long")
    )
    assert summarize(findings | {"decision": undecided})[2:] == findings["sentences"]
    assert summarize(findings | {"decision": decided})[2:] == ["There is no advice yet."]


def test_other_choices_make_the_last_page_anew(finished, monkeypatch, tmp_path):
    root = shutil.copytree(finished[0], tmp_path / "copy")
    monkeypatch.chdir(root)
    chosen = ["--baseline", "headings", "--margin-points", "5", "--decide-by", "words", "--decide-by", "price_usd"]
    result = call(*PICKED, "--prompts", *PROMPTS, *chosen)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": already done") == len(STAGES) - 1
    assert "`paragraph`" in result.stdout.partition("\nRecords: ")[2]
    report = root / "reports" / "demo"
    assert "worse than headings" in (report / "index.html").read_text(encoding="utf-8")
    assert "headings: " in (report / "compare_prompts.html").read_text(encoding="utf-8")


def test_some_calls_are_picked_and_several_prompts_given(finished, monkeypatch):
    monkeypatch.chdir(finished[0])
    run = open_run("r/demo")
    assert run.read_request()["calls"]["rows"] == len(run.read_calls()) == 24
    assert [prompt.name for prompt in run.read_prompts()] == ["paragraph", "headings"]
    result = call("run", "--calls", "texts", "--pick", 31, "--prompts", *PROMPTS)
    assert str(result.exception) == "pick_calls: cannot pick 31 of 30 calls; give n from 1 to 30"


def test_a_run_answers_every_call_on_demand(finished):
    root, _ = finished
    answers = load_answers(open_run(root / "r" / "demo"))
    assert answers["call_id"].n_unique() == 24
    assert answers["invocation"].to_list() == ["on_demand"] * 48


def test_a_run_writes_its_report(finished):
    report = finished[0] / "reports" / "demo"
    files = {f"{stage.name}.{kind}" for stage in STAGES for kind in ("ipynb", "html")}
    assert {path.name for path in report.iterdir()} == files | {"index.html"}
    text = (report / "index.html").read_text(encoding="utf-8")
    assert "48 records prepared = 48 answered + 0 failed + 0 missing." in text
    assert "Answered by the emulator" in text


def test_a_report_names_no_folder_of_the_machine(finished):
    root, _ = finished
    for file in (root / "reports" / "demo").iterdir():
        text = file.read_text(encoding="utf-8")
        assert [place for place in (root, Path.home(), Path(sys.prefix).parent) if str(place) in text] == [], file.name


def test_the_same_command_picks_the_same_calls_and_continues_where_it_stopped(finished, monkeypatch):
    monkeypatch.chdir(finished[0])
    result = call(*PICKED, "--prompts", *PROMPTS)
    assert result.exit_code == 0
    assert result.stdout.count(": already done") == len(STAGES)


def test_a_name_taken_by_another_run_is_refused_in_one_sentence(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished[0])
    monkeypatch.setattr(sys, "argv", ["batchbook", *PICKED, "--prompts", PROMPTS[1]])
    with pytest.raises(SystemExit, match="1"):
        main()
    said = capsys.readouterr()
    assert said.err.startswith("batchbook: ")
    assert "give the new request another run name" in said.err
    assert (said.err.count("\n"), said.out) == (1, "")
