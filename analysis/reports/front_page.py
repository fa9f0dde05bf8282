"""The first page of a report: what the run cost, what was cut off, what failed, and the sources of these numbers."""

from __future__ import annotations

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
from analysis.metrics.costs import add_costs, read_cost_columns, sum_costs
from analysis.metrics.stop_reasons import TRUNCATED, count_stop_reasons, share_truncated
from analysis.outputs.answers import count_errors
from analysis.reports.notebooks import render_page
from analysis.reports.notices import list_notices, list_unpriced
from analysis.reports.stages import STAGES
from analysis.runs import Run, reconcile_run, scan_answers

ANSWER_COLUMNS = ("variant", "stop", "error_kind", "error_code", "error_message")  # those that the first page counts


def write_index(findings: Mapping[str, Any], report: Path) -> Path:
    """Write the first page: costs, truncated answers and failures, then the links to the other pages.

    Parameters
    ----------
    findings
        From `compute_findings`.
    report
        Folder of the run's pages.

    Returns
    -------
    page
        `index.html` in the folder of the report; it needs no kernel and no network.
    """
    from analysis.plots import plot_costs, plot_stop_reasons

    plots = {"How the answers ended": draw(partial(plot_stop_reasons, findings["stops"]))}
    if findings["total"]["cost_usd"] is not None:
        plots = {"Cost of each variant": draw(partial(plot_costs, findings["bill"])), **plots}
    titles = {f"{stage.name}.html": stage.title for stage in STAGES}
    pages = {name: title for name, title in titles.items() if (report / name).exists()}
    page = report / "index.html"
    page.write_text(render_page("index.html", **findings, plots=plots, pages=pages, usd=usd), encoding="utf-8")
    return page


def compute_findings(run: Run) -> dict[str, Any]:
    """Compute what the first page of a collected run shows: counts, costs, shares, and the prices and versions used."""
    answers, sending = scan_answers(run).select(ANSWER_COLUMNS).collect(), run.read_sending()
    outputs = read_cost_columns(run.scan_outputs())
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
        "versions": sending["versions"],
        "is_emulated": sending["profile"] == EMULATOR,
        "is_on_demand": sending["invocation"] == "on_demand",
        "sent_on": sending["at"][:10],
    }


def list_variants(answers: pl.DataFrame, bill: pl.DataFrame) -> pl.DataFrame:
    """Join counts of records to the bill of each variant; the last row is the cost of lines of no variant, if any."""
    kind = pl.col("error_kind")
    counts = answers.group_by("variant", maintain_order=True).agg(
        answered=kind.is_null().sum(),
        unanswered=kind.is_not_null().sum(),
        truncated=(pl.col("stop") == TRUNCATED).sum(),
    )
    costs = bill.select("variant", "input_tokens", "output_tokens", r"^.*cost_usd.*$")
    of_no_variant = costs.filter(pl.col("variant").is_null(), pl.col("cost_usd").is_not_null())
    known = counts.join(costs, on="variant", how="left", maintain_order="left")
    return pl.concat([known, of_no_variant], how="diagonal")


def draw(plot: Callable[..., Any]) -> str:
    """Return a plot as a data URL."""
    from matplotlib.figure import Figure

    # Not by pyplot, which would keep every figure in memory until it is closed.
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    plot(ax=figure.subplots())
    image = BytesIO()
    figure.savefig(image, format="png", dpi=160)
    return f"data:image/png;base64,{b64encode(image.getvalue()).decode()}"
