"""The commands about a run that is there: submit, status, stop, collect, repair, list and open."""

import re
import time
import webbrowser
from pathlib import Path

import pytest

from analysis import collect, load_answers, prepare, submit
from analysis.cli import app as commands
from analysis.cli.app import HAS_ERRORS, INTERRUPTED, STILL_RUNNING, UNANSWERED
from analysis.runs import is_finished, open_run, plan_repair
from analysis.runs.repairs import write_attempt
from bedrock_local.settings import Settings, write_settings

from .conftest import call

pytestmark = pytest.mark.whole

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"


@pytest.fixture
def set_up(folder, monkeypatch):
    """Set up the emulator of a user."""
    monkeypatch.setenv("BEDROCK_LOCAL", str(folder / "account"))
    (folder / "account").mkdir()

    def change(**settings):
        write_settings(folder / "account", Settings(**settings))

    change()
    return change


@pytest.fixture
def demo(set_up, make_calls, make_prompt):
    """A prepared run of 200 calls."""
    return prepare(make_calls(200), make_prompt(), into="runs", name="demo")


def test_a_prepared_run_is_submitted_followed_collected_and_listed(demo):
    result = call("submit", "demo")
    assert result.exit_code == 0, result.output
    assert "demo: 1 job (1 Completed); 200 of 200 records processed." in result.stdout
    shown = call("status", "demo", "--follow").stdout
    assert "1 Completed" in shown
    assert re.search(
        r"^Failed: 0\nTime left: none\nCost so far: about 0\.\d+ USD, by the estimate$", shown, re.MULTILINE
    )
    result = call("collect")  # the latest
    assert result.exit_code == 0, result.output
    assert re.search(r"^job01 +Completed +200 +200 +0 +0 +\S$", result.stdout, re.MULTILINE)
    assert re.search(r"^demo +short +global\.anthropic\S+ +200 +200 ", call("list").stdout, re.MULTILINE)


def test_submit_once_takes_a_step_and_says_that_jobs_are_running(demo, set_up):
    set_up(seconds={"Submitted": 10**6})
    result = call("submit", "demo", "--once")
    assert (result.exit_code, "1 Submitted" in result.stdout) == (STILL_RUNNING, True)
    result = call("status", "demo")
    assert result.exit_code == STILL_RUNNING
    assert "\nRate: not known yet\nTime left: not known yet\nCost so far: about 0.00 USD" in result.stdout
    assert call("collect", "demo").exit_code == STILL_RUNNING
    result = call("stop", "demo")
    assert result.exit_code == 0
    assert re.search(r"^job01 +1 +Stop", result.stdout, re.MULTILINE)


def test_a_run_that_was_stopped_is_completed_by_repair(demo, set_up):
    set_up(faults={"job-stopped": 1})
    submit(demo)
    result = call("collect", "demo")
    assert result.exit_code == UNANSWERED
    assert "100 records without an answer: `batchbook repair demo` asks again." in result.stdout
    set_up()
    result = call("repair", "demo")
    assert result.exit_code == 0, result.output
    assert "short: 100 without a line in the output: asked again" in result.stdout
    result = call("repair", "demo")
    assert "nothing to repair, each of the 200 records has a good answer" in result.stdout


def test_what_cannot_be_repaired_ends_with_a_code_of_its_own(demo, set_up):
    set_up(faults={"record-400": 0.1})
    submit(demo)
    collect(demo)
    assert call("repair", "demo").exit_code == UNANSWERED


def test_a_record_that_is_refused_each_time_is_not_said_to_be_asked_again(demo, set_up):
    set_up(faults={"record-400": 0.1, "record-429": 0.1})
    call("submit", "demo")
    set_up()
    told = call("collect").stdout
    refused = load_answers("demo").filter(error_code=400).height
    failed = load_answers("demo").filter(error_code=429).height
    assert min(refused, failed) > 0
    repairs = f"`batchbook repair demo` asks again for {failed} of them."
    assert f"{refused + failed} records without an answer: {repairs}" in told
    told = call("repair").stdout
    assert f"{refused} records without an answer: the same requests are refused each time; change " in told


def test_a_repair_whose_job_runs_is_gone_on_with(demo, set_up):
    set_up(faults={"job-partial": 1})
    submit(demo)
    set_up(seconds={"Submitted": 10**6})
    result = call("repair", "demo", "--wait-hours", 0)
    assert result.exit_code == STILL_RUNNING, result.output
    assert not is_finished(open_run("demo"))
    assert call("repair", "demo", "--wait-hours", 0).exit_code == STILL_RUNNING
    assert sorted(Path("runs/demo/attempts").iterdir()) == [Path("runs/demo/attempts/2")]
    set_up()
    assert call("repair", "demo").exit_code == 0
    assert [folder.name for folder in Path("runs/demo/attempts").iterdir()] == ["2"]


def test_a_repair_that_was_killed_before_its_records_were_asked_is_said_to_go_on(demo, set_up):
    set_up(faults={"record-429": 0.1})
    call("submit", "demo")
    call("collect", "demo")
    set_up()
    write_attempt(plan_repair("demo"))
    for command in ("status", "submit", "collect"):
        result = call(command, "demo")
        assert result.exit_code == STILL_RUNNING
        assert "Records of demo have not been asked on demand yet: `batchbook repair demo` goes on." in result.stdout
    assert call("repair", "demo").exit_code == 0


def test_a_run_by_its_folder_is_named_by_it(demo, set_up, folder):
    Path("runs").rename("elsewhere")
    set_up(faults={"record-429": 1})
    submit("elsewhere/demo")
    said = call("collect", "elsewhere/demo").stdout
    assert f"`batchbook repair {folder.resolve() / 'elsewhere/demo'}` asks again" in said


@pytest.mark.parametrize("command", ["submit", "status", "stop", "collect", "repair", "open"])
def test_a_run_that_is_not_there_is_named_with_those_that_are(demo, command):
    error = call(command, "dmo").exception
    assert "there are demo" in str(error)


@pytest.mark.parametrize("command", ["status", "stop", "collect", "repair"])
def test_a_run_that_was_not_sent_says_what_to_do(demo, command):
    assert "nothing has been sent; submit or invoke the run first" in str(call(command).exception)


def test_open_shows_the_report(demo, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert "there is no report; `batchbook run` writes one" in str(call("open").exception)
    Path("reports/demo").mkdir(parents=True)
    Path("reports/demo/index.html").touch()
    assert call("open").stdout == "reports/demo/index.html\n"
    assert opened == [Path("reports/demo/index.html").resolve().as_uri()]


def test_runs_and_reports_are_found_from_a_folder_below(demo, monkeypatch, folder):
    monkeypatch.setattr(webbrowser, "open", lambda page: True)
    Path("reports/demo").mkdir(parents=True)
    Path("reports/demo/index.html").touch()
    Path("lab").mkdir()
    monkeypatch.chdir("lab")
    assert re.search(r"^demo +short ", call("list").stdout, re.MULTILINE)
    assert call("open").stdout == f"{folder / 'reports' / 'demo' / 'index.html'}\n"


def test_the_report_of_runs_elsewhere_is_found_here(demo, monkeypatch, folder):
    monkeypatch.setattr(webbrowser, "open", lambda page: True)
    Path("work/reports/demo").mkdir(parents=True)
    Path("work/reports/demo/index.html").touch()
    monkeypatch.chdir("work")
    assert call("open", folder / "runs" / "demo").stdout == "reports/demo/index.html\n"


def test_a_folder_without_runs_is_an_error(set_up):
    assert "there is no run; prepare one first" in str(call("list").exception)


def test_each_command_is_in_the_table_of_the_docs():
    listed = re.findall(r"^\| `batchbook ([\w-]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    names = [command.name or command.callback.__name__.replace("_", "-") for command in commands.registered_commands]
    groups = [group.name for group in commands.registered_groups]
    assert sorted(set(listed)) == sorted([*names, *groups])


def test_each_exit_code_is_in_the_table_of_the_docs():
    codes = re.findall(r"^\| ([0-9]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(code) for code in codes] == [0, 1, 2, STILL_RUNNING, HAS_ERRORS, UNANSWERED, INTERRUPTED]


def test_a_status_that_follows_shows_each_change_until_all_have_ended(demo, set_up, monkeypatch):
    set_up(seconds={"Submitted": 10**6})
    submit(demo, wait=False)
    monkeypatch.setattr(time, "sleep", lambda _: set_up())  # between two looks the account begins to work
    said = call("status", "demo", "--follow").stdout
    assert said.startswith("demo: 1 job (1 Submitted)")
    assert said.rsplit("demo: 1 job ", 1)[1].startswith("(1 Completed)")
    assert "\x1b" not in said
