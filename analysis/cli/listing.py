"""The commands `list` and `open`: the runs that there are, and their reports."""

from __future__ import annotations

import polars as pl

from analysis.cli.app import app, say
from analysis.cli.options import ReportsThere, RunName, RunsThere
from analysis.cli.sending import find_report
from analysis.display import format_table
from analysis.errors import RunError

LISTED = ("run", "variant", "model_id", "calls", "records", "sent_at", "cost_usd", "truncated_share")


@app.command("list")
def list_all(runs: RunsThere = None) -> None:
    """List the runs: one row for each variant, the latest first.

    With what each cost, and how many of its answers were cut off.
    """
    from analysis.runs import list_runs
    from analysis.runs.folder import find_runs

    runs = find_runs() if runs is None else runs
    log = list_runs(runs)
    if log.is_empty():
        raise RunError(runs, "there is no run", "prepare one first, as by `batchbook run`")
    latest = log.sort("sent_at", descending=True, nulls_last=True, maintain_order=True)
    rounded = latest.with_columns(pl.col("cost_usd").round(4), pl.col("truncated_share").round(3))
    shown = rounded.select(*LISTED, *(["region"] if log["region"].n_unique() > 1 else []))
    say(format_table(shown))


@app.command("open")
def open_report(run: RunName = "", reports: ReportsThere = None) -> None:
    """Open the report of a run in a browser.

    Prints where it is, also where there is no browser.
    """
    import webbrowser

    from analysis.runs import open_run

    page = find_report(open_run(run), reports) / "index.html"
    if not page.exists():
        raise RunError(page, "there is no report", "`batchbook run` writes one, with the calls and prompts of the run")
    say(page)
    webbrowser.open(page.resolve().as_uri())
