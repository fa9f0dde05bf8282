import pytest
from botocore.exceptions import ClientError

from analysis import load_jobs, submit
from analysis.cli.jobs import describe_jobs
from analysis.widgets import watch_jobs
from bedrock_local.settings import Settings, write_settings

SLOW = {"seconds": {"Submitted": 10**6}}


@pytest.fixture
def run(tmp_path, monkeypatch, make_calls, make_prompt):
    """A run of 100 records that nobody has sent, and an account whose jobs wait for ever."""
    from analysis import prepare

    (tmp_path / "account").mkdir()
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "account"))
    write_settings(tmp_path / "account", Settings(**SLOW))
    return prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="demo")


def ask(widget, action, *, confirmed=False):
    widget.asked = {"do": action, "confirmed": confirmed, "number": widget.asked.get("number", 0) + 1}


def read(widget, name):
    return dict(widget.counters)[name]


def test_a_run_that_was_not_sent_says_so_and_can_be_sent(run):
    widget = watch_jobs(run)
    assert "nothing has been sent" in widget.problem
    ask(widget, "send")
    assert (widget.problem, read(widget, "Jobs")) == ("", "1 (1 Submitted)")
    assert load_jobs(run)["status"].to_list() == ["Submitted"]


def test_a_new_kernel_shows_the_same(run):
    submit(run, wait=False)
    one, other = watch_jobs(run), watch_jobs(run.folder)
    assert one.counters == other.counters
    assert one.rows == other.rows
    assert one.rows[0][:4] == ["job01", "1", "Submitted", "100"]


def test_jobs_are_stopped_only_after_a_yes(run):
    submit(run, wait=False)
    widget = watch_jobs(run)
    ask(widget, "stop")
    assert widget.question.startswith("Stop all jobs")
    assert load_jobs(run)["status"].to_list() == ["Submitted"]
    ask(widget, "stop", confirmed=True)
    assert load_jobs(run)["status"].to_list()[0] in ("Stopping", "Stopped")
    assert widget.question == ""


def test_what_is_done_is_seen_until_nothing_more_comes(run, tmp_path):
    write_settings(tmp_path / "account", Settings())
    widget = watch_jobs(run)
    ask(widget, "send")
    for _ in range(1000):
        if widget.is_over:
            break
        ask(widget, "look")
    assert read(widget, "Processed") == "100 of 100 records"
    assert read(widget, "Time left") == "none"
    assert widget.told.endswith("Nothing more will come back.")


def test_what_is_sent_over_the_budget_is_refused_and_said(run):
    widget = watch_jobs(run, budget_usd=0.0)
    ask(widget, "send")
    assert "and the budget is 0.00 USD" in widget.problem
    assert load_jobs(run)["status"].to_list() == ["planned"]


def test_off_the_emulator_the_plan_is_asked_back(run, monkeypatch):
    asked = []

    def send(_, *, ask, **options):
        asked.append((ask("Send these? \x1b[31m"), options["profile"]))

    monkeypatch.setattr("analysis.widgets.watcher.submit", send)
    widget = watch_jobs(run, profile="production")
    ask(widget, "send")
    assert widget.question == "Send these? \\x1b[31m"
    ask(widget, "send", confirmed=True)
    assert asked == [("no", "production"), ("yes", "production")]
    assert widget.question == ""


def test_what_aws_refuses_is_said_and_the_ledger_shown(run, monkeypatch):
    submit(run, wait=False)
    widget = watch_jobs(run)

    def refuse(*_, **__):
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "No.\x1b[31m"}}, "GetModelInvocationJob"
        )

    monkeypatch.setattr("analysis.widgets.watcher.update_jobs", refuse)
    ask(widget, "look")
    assert "AccessDeniedException" in widget.problem
    assert "\x1b" not in widget.problem
    assert widget.rows[0][2] == "Submitted"


def test_the_command_shows_the_same_jobs(run):
    submit(run, wait=False)
    shown = describe_jobs(run, load_jobs(run))
    assert all(cell in shown for cell in watch_jobs(run).rows[0])
