"""The page over all runs: what each variant of each run cost, with a link to the run's report."""

from __future__ import annotations

from pathlib import Path

from analysis.display import usd
from analysis.files import replace_when_whole
from analysis.reports.notebooks import render_page
from analysis.runs import list_runs

FIRST_PAGE = "index.html"


def write_overview(runs: Path, reports: Path) -> Path:
    """Write the page over all runs: one row per run and variant, the run that was sent last on top.

    Parameters
    ----------
    runs
        Folder of the runs.
    reports
        Folder of their reports: a run that has one is a link to it, and a report whose run is gone is listed below.

    Returns
    -------
    page
        `index.html` in the folder of reports; it needs no kernel and no network.
    """
    log = list_runs(runs).sort("sent_at", descending=True, nulls_last=True, maintain_order=True)
    reported = {page.parent.name for page in reports.glob(f"*/{FIRST_PAGE}")}
    gone = sorted(reported - {*log["run"]})
    text = render_page("overview.html", rows=log.to_dicts(), reported=reported, gone=gone, usd=usd)
    with replace_when_whole(reports / FIRST_PAGE) as page:
        page.write_text(text, encoding="utf-8")
    return reports / FIRST_PAGE
