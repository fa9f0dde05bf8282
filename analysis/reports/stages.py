"""The stages of a report: notebooks executed in order, each when its work is not done yet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import NotebookError
from analysis.files import sweep_parts
from analysis.reports.notebooks import export_page, find_notebooks, run_notebook
from analysis.runs import Run, find_judges, is_collected, is_finished, open_run
from analysis.runs.ratings import FOLDER as RATINGS


def is_prepared(run: Run, page: Path) -> bool:
    """Whether the page shows the run as it was last prepared."""
    return is_newer(page, run.folder / "run.json")


def is_up_to_date(run: Run, page: Path) -> bool:
    """Whether the page was written after the run was last collected."""
    return is_newer(page, run.folder / "manifests.parquet")


def shows_ratings(run: Run, page: Path) -> bool:
    """Whether the page was written after the run was last collected, judged and rated."""
    rated = (run.folder / RATINGS).glob("*.parquet")
    judged = [judge.folder / "manifests.parquet" for judge in find_judges(run)]
    return is_up_to_date(run, page) and all(is_newer(page, file) for file in (*judged, *rated))


def is_newer(page: Path, source: Path) -> bool:
    """Whether a page was written after the file that it shows."""
    return page.stat().st_mtime >= source.stat().st_mtime


@dataclass(frozen=True)
class Stage:
    """One notebook of the report, and how the run's folder shows that its work is done.

    Attributes
    ----------
    name
        Name of the notebook and of its page.
    title
        Text of the link to its page.
    parameters
        Parameters of the notebook that the command sets; the others keep their defaults.
    is_done
        Takes the run and the page of the stage; called only when both exist.
    awaits_jobs
        Whether the stages after this one need the output of jobs that may still be running.
    choices
        Further parameters: with other values of them than its page was made with, a stage is not done.
    """

    name: str
    title: str
    parameters: tuple[str, ...] = ("run_folder",)
    is_done: Callable[[Run, Path], bool] = is_up_to_date
    awaits_jobs: bool = False
    choices: tuple[str, ...] = ()


# The notebooks of a round of tuning and of a judge, which are no stages.
TUNE, JUDGE = "tune", "judge"
ON_REQUEST = {TUNE: "Which wording is better", JUDGE: "What a judge says"}
ACCOUNT = ("profile", "region")
JOB_OPTIONS = ("timeout_hours", "kms_key_id", "bucket_owner", "subnet_ids", "security_group_ids", "tags")

# All that is said of a notebook: a further one needs its file and a line here.
STAGES = (
    Stage(
        "prepare",
        "What was asked",
        ("calls", "columns", "empty", "pick", "prompts", "runs", "run", "quota_year", *ACCOUNT),
        is_prepared,
    ),
    Stage(
        "submit",
        "How the jobs went",
        ("run_folder", *ACCOUNT, "bucket", "role_arn", "budget_usd", "wait_hours", "on_demand", *JOB_OPTIONS),
        lambda run, _: is_finished(run),
        awaits_jobs=True,
    ),
    Stage("collect", "What came back", ("run_folder", *ACCOUNT, "bucket_owner"), lambda run, _: is_collected(run)),
    Stage("costs", "What it cost"),
    Stage("stop_reasons", "Why answers ended"),
    Stage(
        "compare_prompts",
        "How the prompts compare",
        is_done=shows_ratings,
        choices=("decide_by", "margin_points", "baseline", "cluster"),
    ),
)


def run_stages(
    run_folder: Path, values: Mapping[str, Any], report: Path, *, echo: Callable[[str], None] = print
) -> bool:
    """Execute the notebooks of a run, from the first one that its folders do not show as done.

    Parameters
    ----------
    run_folder
        The run; the notebook `prepare` makes it.
    values
        Parameters of the notebooks by name; paths are relative to the folder of notebooks (`relative_to_notebooks`).
    report
        Folder of the executed copies and their pages.
    echo
        Prints one line of progress.

    Returns
    -------
    is_complete
        False while jobs of the run are running on Bedrock: the stages after `submit` need their output.

    Raises
    ------
    NotebookError
        A notebook does not know a parameter, or failed in a cell.
    """
    check_values(values)
    notebooks = find_notebooks()
    sweep_parts(report)  # pages that a killed process began
    for number, stage in enumerate(STAGES, 1):
        heading = f"[{number}/{len(STAGES)}] {stage.name}"
        if is_done(stage, run_folder, report, values):
            echo(f"{heading}: already done")
            continue
        echo(heading)
        names = (*stage.parameters, *stage.choices)
        parameters = {name: values[name] for name in names if name in values}
        titles = list_titles(stage.name for stage in STAGES)
        export_page(run_notebook(notebooks / f"{stage.name}.ipynb", parameters, report), titles)
        # Requests on demand have all ended when `submit` has: what was refused stays in the report as failed.
        if stage.awaits_jobs and not values.get("on_demand") and not is_finished(open_run(run_folder)):
            return False
    return True


def has_report(report: Path) -> bool:
    """Whether the stages of a run have been executed into a folder."""
    return all((report / f"{stage.name}.ipynb").exists() for stage in STAGES)


def read_values(report: Path) -> dict[str, Any]:
    """Read the parameters that the stages of a report were executed with, so that they can be executed again."""
    values: dict[str, Any] = {}
    for stage in STAGES:
        values |= read_own_values(report, stage.name)
    return values


def read_own_values(report: Path, name: str) -> dict[str, Any]:
    """Read the parameters that one notebook of a report was executed with; none where it was not."""
    copy = report / f"{name}.ipynb"
    if not copy.exists():
        return {}
    found: dict[str, Any] = json.loads(copy.read_bytes())["metadata"].get("papermill", {}).get("parameters", {})
    return found


def list_titles(pages: Iterable[str]) -> dict[str, str]:
    """List the titles of pages of a report by their names, and last that of the page over all runs."""
    known, titles = {*pages}, {stage.name: stage.title for stage in STAGES} | ON_REQUEST
    return {name: title for name, title in titles.items() if name in known} | {"../index": "All runs"}


def check_values(values: Mapping[str, Any]) -> None:
    """Refuse a parameter that no stage takes: it would be left out without a word."""
    known = {name for stage in STAGES for name in (*stage.parameters, *stage.choices)}
    for name in values:
        if name not in known:
            raise NotebookError(
                "notebooks", f"no stage takes a parameter {name!r}", f"there are {', '.join(sorted(known))}"
            )


def is_done(stage: Stage, run_folder: Path, report: Path, values: Mapping[str, Any]) -> bool:
    """Whether a stage has its page, and its work is done, by the same choices."""
    page = report / f"{stage.name}.html"
    if not page.exists() or not (run_folder / "run.json").exists() or not stage.is_done(open_run(run_folder), page):
        return False
    return {name: values[name] for name in stage.choices if name in values}.items() <= read_parameters(page).items()


def read_parameters(page: Path) -> dict[str, Any]:
    """Read the parameters that a page was made with; none where its notebook is gone or was executed after it."""
    copy = page.with_suffix(".ipynb")
    return read_own_values(page.parent, page.stem) if copy.exists() and is_newer(page, copy) else {}


def relative_to_notebooks(path: str | Path) -> str:
    """Return a path relative to the folder of notebooks, where they are executed; an `s3://` address stays as it is."""
    return str(path) if str(path).startswith("s3://") else os.path.relpath(path, find_notebooks())
