"""Watcher of jobs: how those of a run are, with buttons that stop them or send what is left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anywidget
import polars as pl
import traitlets

from analysis.aws.session import EMULATOR, default_pause_s
from analysis.display import MISSING, count
from analysis.errors import escape_controls
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.progress import load_looks, measure_progress
from analysis.runs.running import stop, update_jobs
from analysis.runs.state import read_state
from analysis.runs.status import is_finished, load_jobs
from analysis.runs.submission import submit
from analysis.widgets.pages import PROBLEMS, describe, read_script, read_style

COLUMNS = ("job_key", "job_try", "status", "records", "processed_records", "error_records", "ended_at", "message")
JOBS_SHOWN = 20  # those that have not ended first
FASTEST_S = 2.0  # between two looks


class JobWatcher(anywidget.AnyWidget):
    """Shows the jobs of a run as the ledger and Bedrock have them: a new kernel shows the same.

    Attributes
    ----------
    counters
        Names and texts: jobs, records processed and failed, rate, time left, cost so far.
    columns, rows
        Status per job; of many jobs those that have not ended, or ended last.
    told, problem
        When it was asked, and what went wrong.
    every_s
        Seconds between two looks.
    is_over
        Whether nothing more will come back, so that nothing is asked any more.
    asked
        What the page asks for: `do` is `look`, `stop` or `send`, and `number` rises with each.
    question
        What has to be confirmed before it is done: the text, and empty for nothing.
    """

    _esm = read_script("watcher")
    _css = read_style()
    counters: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    columns: traitlets.List[str] = traitlets.List(list(COLUMNS)).tag(sync=True)
    rows: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    told = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    every_s = traitlets.Float().tag(sync=True)
    is_over = traitlets.Bool().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)

    def __init__(self, run: Run, profile: str, region: str, budget_usd: float | None) -> None:
        self.run, self.profile, self.region, self.budget_usd = run, profile, region, budget_usd
        self.estimate_usd = run.plan().cost_usd
        sent = profile or str(read_state(run).sending.get("profile", EMULATOR))
        super().__init__(every_s=max(default_pause_s(sent), FASTEST_S))
        self.observe(self.do, "asked")
        self.look()

    def do(self, _: Any = None) -> None:
        """Do what the page asks for; what costs money or ends jobs is asked back first."""
        action, is_confirmed = self.asked.get("do"), bool(self.asked.get("confirmed"))
        if action == "stop" and not is_confirmed:
            self.question = "Stop all jobs of this run? What was processed until then is charged."
        elif action == "stop":
            self.attempt(lambda: stop(self.run, profile=self.profile, region=self.region))
        elif action == "send":
            self.send(is_confirmed=is_confirmed)
        elif action == "look":
            self.look()

    def send(self, *, is_confirmed: bool) -> None:
        """Send what is left; where that has to be confirmed, the plan becomes the question."""
        questions: list[str] = []

        def ask(text: str) -> str:
            questions.append(text)
            return "yes" if is_confirmed else "no"

        before = read_state(self.run).sending
        profile = self.profile or str(before.get("profile", EMULATOR))
        region = self.region or str(before.get("region", ""))
        options = dict(before.get("options", {}))
        self.attempt(
            lambda: submit(
                self.run, profile=profile, region=region, budget_usd=self.budget_usd, wait_hours=0, ask=ask, **options
            )
        )
        if questions and not is_confirmed:
            self.question, self.problem = escape_controls(questions[0]), ""

    def attempt(self, step: Any) -> None:
        """Take a step, say what went wrong, and look at the jobs."""
        self.question = ""
        try:
            step()
        except PROBLEMS as error:
            self.look()
            self.problem = describe(error)
        else:
            self.look()

    def look(self) -> None:
        """Ask how the jobs are; where nobody can be asked, show what the ledger last saw."""
        problem = ""
        try:
            jobs = update_jobs(self.run, profile=self.profile, region=self.region)
        except PROBLEMS as error:
            jobs, problem = load_jobs(self.run), describe(error)
        with self.hold_sync():
            progress = measure_progress(jobs, load_looks(self.run), self.estimate_usd)
            self.counters = list(map(list, progress.list_counters()))
            self.rows = list_rows(jobs)
            self.is_over = is_finished(self.run)
            end = " Nothing more will come back." if self.is_over else ""
            self.told = f"{self.run.name}, as of {datetime.now(UTC):%H:%M:%S} UTC.{end}"
            self.problem = problem


def watch_jobs(run: RunSource, *, profile: str = "", region: str = "", budget_usd: float | None = None) -> JobWatcher:
    """Watch the jobs of a run in JupyterLab, stop them, or send what is left.

    All that it shows is in the run's folder and at Bedrock, so after the kernel was restarted the same cell shows it
    again. It asks every 30 s (2 s on the emulator) while the page is open; `batchbook status` is the same on paper.

    Parameters
    ----------
    run
        A run, its folder or its name.
    profile, region
        As in `submit`; empty for those that the run was sent with.
    budget_usd
        The most that the run may cost in all when what is left is sent; without it a plan has to be confirmed off the
        emulator.
    """
    return JobWatcher(open_run(run), profile, region, budget_usd)


def list_rows(jobs: pl.DataFrame) -> list[list[str]]:
    """List the latest try of each job as texts; one without an end, and then the latest end, are first."""
    latest = jobs.unique("job_key", keep="last", maintain_order=True)
    first = latest.sort("ended_at", descending=True, nulls_last=False, maintain_order=True).head(JOBS_SHOWN)
    texts = first.select(COLUMNS).with_columns(pl.col("ended_at").dt.to_string("%Y-%m-%d %H:%M:%S"))
    rows = [list(map(escape_controls, row)) for row in texts.cast(pl.String).fill_null(MISSING).iter_rows()]
    more = len(latest) - len(first)
    rest = [f"and {count(more, 'other job')}", *[""] * (len(COLUMNS) - 1)]
    return [*rows, rest] if more else rows
