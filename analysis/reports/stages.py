"""The notebooks of a run, executed in order, each when its work is not done yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.reports.notebooks import export_page, find_notebooks, run_notebook
from analysis.runs import is_collected, is_finished, open_run

STAGES = {
    "prepare": "What was asked",
    "submit": "How the jobs went",
    "collect": "What came back",
    "costs": "What it cost",
    "stop_reasons": "Why answers ended",
}


def run_stages(
    run_folder: Path, parameters: Mapping[str, Mapping[str, Any]], report: Path, *, say: Callable[[str], None] = print
) -> bool:
    """Execute the notebooks of a run, from the first one that its folders do not show as done.

    Parameters
    ----------
    run_folder
        The run; the notebook `prepare` makes it.
    parameters
        For each notebook its parameters; paths relative to the folder of notebooks, from `from_notebooks`.
    report
        Gets the executed copies and their pages.
    say
        Takes a line for the person who waits.

    Returns
    -------
    is_complete
        False while jobs of the run still run on Bedrock: the stages after `submit` wait for them.

    Raises
    ------
    NotebookError
        A notebook does not know a parameter, or failed in a cell.
    """
    notebooks = find_notebooks()
    for number, stage in enumerate(STAGES, 1):
        heading = f"[{number}/{len(STAGES)}] {stage}"
        if is_done(stage, run_folder, report):
            say(f"{heading}: done before")
            continue
        say(heading)
        export_page(run_notebook(notebooks / f"{stage}.ipynb", parameters[stage], report))
        # On demand nothing runs on: what was refused stays in the report as failed.
        runs_on = stage == "submit" and not parameters[stage].get("on_demand")
        if runs_on and not is_finished(open_run(run_folder)):
            return False
    return True


def is_done(stage: str, run_folder: Path, report: Path) -> bool:
    """Whether a stage has its page and what it writes; a report is done again when the run has been collected again."""
    page = report / f"{stage}.html"
    if not page.exists() or not (run_folder / "run.json").exists():
        return False
    run = open_run(run_folder)
    if stage == "prepare":
        return page.stat().st_mtime >= (run_folder / "run.json").stat().st_mtime
    if stage == "submit":
        return is_finished(run)
    if stage == "collect":
        return is_collected(run)
    return page.stat().st_mtime >= (run_folder / "manifests.parquet").stat().st_mtime


def from_notebooks(path: str | Path) -> str:
    """Write a path as the notebooks see it, from their folder."""
    return str(path) if str(path).startswith("s3://") else os.path.relpath(path, find_notebooks())
