"""Reports: the notebooks of a run executed in order, their pages, and a first page with the findings."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from analysis.aws.session import EMULATOR
from analysis.display import usd
from analysis.facts.prices import find_prices
from analysis.metrics.costs import add_costs, sum_costs
from analysis.metrics.stop_reasons import TRUNCATED, count_stop_reasons, share_truncated
from analysis.notebooks import export_page, find_notebooks, render_page, run_notebook
from analysis.notices import list_notices, list_unpriced
from analysis.outputs.answers import count_errors
from analysis.runs import Run, is_collected, is_finished, load_answers, open_run, reconcile_run

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


def write_index(findings: Mapping[str, Any], report: Path) -> Path:
    """Write the first page: what it cost, what was cut off, what failed, then the links.

    Parameters
    ----------
    findings
        From `find_findings`.
    report
        The folder of the run's pages.

    Returns
    -------
    page
        `index.html` in the folder of the report; it needs no kernel and no network.
    """
    from analysis.plots import plot_costs, plot_stop_reasons

    plots = {"How the answers ended": draw(partial(plot_stop_reasons, findings["stops"]))}
    if findings["total"]["cost_usd"] is not None:
        plots = {"Cost of each variant": draw(partial(plot_costs, findings["bill"])), **plots}
    pages = {f"{stage}.html": title for stage, title in STAGES.items() if (report / f"{stage}.html").exists()}
    page = report / "index.html"
    page.write_text(render_page("index.html", **findings, plots=plots, pages=pages, usd=usd), encoding="utf-8")
    return page


def find_findings(run: Run) -> dict[str, Any]:
    """Work out what the first page of a collected run says: counts, costs, shares, and what they rest on."""
    answers, outputs, note = load_answers(run), run.read_outputs(), run.read_note()
    models = outputs["model_id"].drop_nulls().unique().sort().to_list()
    prices = find_prices(models, region=run.region)
    outputs = add_costs(outputs, prices, records=run.read_records())
    used = prices.filter(pl.col("invocation").is_in(outputs["invocation"].unique().to_list()))
    checks, bill = reconcile_run(run), sum_costs(outputs)
    return {
        "run": run.name,
        "calls": run.read_request()["calls"]["rows"],
        "total": sum_costs(outputs, by=[]).row(0, named=True),
        "bill": bill,
        "variants": list_variants(answers, bill).to_dicts(),
        "stops": count_stop_reasons(answers),
        "truncated": share_truncated(answers, by=[]).row(0, named=True),
        "records": checks.select("prepared", "answered", "failed", "missing").sum().row(0, named=True),
        "notices": [*list_notices(run), *list_unpriced(outputs, prices)],
        "is_confirmed": bool(checks["agrees"].all(ignore_nulls=False)),
        "errors": count_errors(answers).to_dicts(),
        "prompts": run.read_prompts(),
        "prices": used.to_dicts(),
        "versions": note["versions"],
        "is_emulated": note["profile"] == EMULATOR,
        "is_on_demand": note["invocation"] == "on_demand",
        "sent_on": note["at"][:10],
    }


def list_variants(answers: pl.DataFrame, bill: pl.DataFrame) -> pl.DataFrame:
    """Put the counts of records beside the bill of each variant, then what is billed to none."""
    kind = pl.col("error_kind")
    counts = answers.group_by("variant", maintain_order=True).agg(
        answered=kind.is_null().sum(),
        unanswered=kind.is_not_null().sum(),
        truncated=(pl.col("stop") == TRUNCATED).sum(),
    )
    costs = bill.select("variant", "input_tokens", "output_tokens", r"^.*cost_usd.*$")
    nobodys = costs.filter(pl.col("variant").is_null(), pl.col("cost_usd").is_not_null())
    known = counts.join(costs, on="variant", how="left", maintain_order="left")
    return pl.concat([known, nobodys], how="diagonal")


def draw(plot: Callable[..., Any]) -> str:
    """Draw one plot as a data URL."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    plot(ax=figure.subplots())
    image = BytesIO()
    figure.savefig(image, format="png", dpi=160)
    return f"data:image/png;base64,{b64encode(image.getvalue()).decode()}"
