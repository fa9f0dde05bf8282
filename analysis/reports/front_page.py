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
from analysis.files import replace_when_whole
from analysis.metrics.costs import UNREADABLE
from analysis.metrics.stop_reasons import TRUNCATED, count_stop_reasons, share_truncated
from analysis.outputs.answers import count_errors
from analysis.reports.notebooks import render_page
from analysis.reports.notices import describe_unpriced, list_notices
from analysis.reports.stages import STAGES
from analysis.runs import Run, find_run_prices, read_state, reconcile_run, scan_answers, sum_lost_costs, sum_run_costs
from analysis.runs.status import count_lost_requests

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
    titles = {f"{stage.name}.html": stage.title for stage in STAGES} | {"tune.html": "Which wording is better"}
    pages = {name: title for name, title in titles.items() if (report / name).exists()}
    page = report / "index.html"
    with replace_when_whole(page) as unfinished:
        unfinished.write_text(
            render_page("index.html", **findings, plots=plots, pages=pages, usd=usd), encoding="utf-8"
        )
    return page


def compute_findings(run: Run) -> dict[str, Any]:
    """Compute what the first page of a collected run shows: counts, costs, shares, and the prices and versions used."""
    answers, sending = scan_answers(run).select(ANSWER_COLUMNS).collect(), run.read_sending()
    prices = find_run_prices(run)
    costs, lost = sum_run_costs(run, prices), sum_lost_costs(run, prices)
    invocations = run.scan_outputs().select(pl.col("invocation").unique()).collect(engine="streaming")
    used = prices.filter(pl.col("invocation").is_in(invocations["invocation"].to_list()))
    checks, total = reconcile_run(run), costs.total.row(0, named=True)
    # A notice names the lines that cannot be read.
    unpriced = costs.unpriced.filter(pl.col("cause") != UNREADABLE)
    return {
        "run": run.name,
        "calls": run.read_request()["calls"]["rows"],
        "total": total | add_lost(total, lost, count_lost_requests(read_state(run))),
        "bill": costs.bill,
        "variants": list_variants(answers, costs.bill).to_dicts(),
        "stops": count_stop_reasons(answers),
        "truncated": share_truncated(answers, by=[]).row(0, named=True),
        "records": checks.select("prepared", "answered", "failed", "missing").sum().row(0, named=True),
        "notices": [*list_notices(run), *describe_unpriced(unpriced)],
        "is_confirmed": bool(checks["agrees"].all(ignore_nulls=False)),
        "errors": count_errors(answers).to_dicts(),
        "prompts": run.read_prompts(),
        "prices": used.to_dicts(),
        "versions": sending["versions"],
        "is_emulated": sending["profile"] == EMULATOR,
        "is_on_demand": sending["invocation"] == "on_demand",
        "sent_on": sending["at"][:10],
    }


def add_lost(total: Mapping[str, Any], lost: pl.DataFrame, lost_requests: int) -> dict[str, Any]:
    """Add what was paid for answers that are lost to the total cost, and count the outputs whose cost is not known."""
    priced, unpriced = lost.drop_nulls("cost_usd"), lost.filter(pl.col("cost_usd").is_null())
    lost_usd = priced["cost_usd"].sum() if len(priced) else None
    costs = [cost for cost in (total["cost_usd"], lost_usd) if cost is not None]
    # A line that cannot be read is unpriced, and may be one of the answers that the manifest counts beyond the others.
    unknown = total["unpriced"] - priced["unreadable"].sum() + (unpriced["answers"] - unpriced["unreadable"]).sum()
    return {
        "cost_usd": sum(costs) if costs else None,
        "unknown": max(unknown, 0) + lost_requests,
        "lost": lost["answers"].sum(),
        "lost_usd": lost_usd,
    }


def list_variants(answers: pl.DataFrame, bill: pl.DataFrame) -> pl.DataFrame:
    """Join counts of records to the bill of each variant; the last row is the cost of lines of no variant, if any.

    How many answers were truncated is missing where one does not say how it ended.
    """
    kind, stop = pl.col("error_kind"), pl.col("stop")
    is_told = ~(kind.is_null() & stop.is_null()).any()
    counts = answers.group_by("variant", maintain_order=True).agg(
        answered=kind.is_null().sum(),
        unanswered=kind.is_not_null().sum(),
        truncated=pl.when(is_told).then((stop == TRUNCATED).sum()),
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
