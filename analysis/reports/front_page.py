"""The first page of a report: which prompt to take and why, what is bad and what to do, and the sources of it all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup, escape

from analysis.display import usd
from analysis.errors import escape_controls
from analysis.files import replace_when_whole
from analysis.metrics.costs import UNREADABLE
from analysis.metrics.stop_reasons import TRUNCATED, count_stop_reasons, share_truncated
from analysis.outputs.answers import count_errors
from analysis.reports.answering import describe_answering
from analysis.reports.examples import list_examples
from analysis.reports.intervals import place_differences
from analysis.reports.judging import describe_judging
from analysis.reports.notebooks import render_page
from analysis.reports.notices import describe_unpriced, list_notices
from analysis.reports.sample import Choices, compare_sample, measure_sample
from analysis.reports.stages import list_titles
from analysis.reports.variant_rows import describe_rows, format_percent, list_cures, tabulate_variants
from analysis.reports.wordings import describe_taken, list_wordings
from analysis.runs import Run, find_run_prices, read_state, reconcile_run, scan_answers, sum_lost_costs, sum_run_costs
from analysis.runs.regions import list_regions
from analysis.runs.status import count_lost_requests

NAME = re.compile(r"`([^`]*)`")
# What people call the ways in which an answer ends.
STOP_NAMES = {
    "end": "ended by itself",
    "stop_sequence": "ended at a stop sequence",
    "tool": "called a tool",
    "other": "ended otherwise",
    "filtered": "refused",
    "length": "cut off",
    "failed": "no answer",
}
DARK = ("end", "failed")  # colours on which white is read best
ANSWER_COLUMNS = ("variant", "stop", "error_kind", "error_code", "error_message")  # counted over all answers


def write_index(findings: Mapping[str, Any], report: Path) -> Path:
    """Write the first page: the decision, a row for each variant, examples, and the links to the other pages.

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
    titles = list_titles(file.stem for file in report.glob("*.html"))
    pages = {f"{name}.html": title for name, title in titles.items()}
    page = report / "index.html"
    values = {**findings, "pages": pages, "usd": usd, "percent": format_percent, "mark_names": mark_names}
    with replace_when_whole(page) as unfinished:
        unfinished.write_text(render_page("index.html", **values), encoding="utf-8")
    return page


def compute_findings(run: Run, choices: Choices | None = None) -> dict[str, Any]:
    """Compute what the first page of a collected run shows: the decision, rows of variants, counts, costs, sources."""
    answers, sending = scan_answers(run).select(ANSWER_COLUMNS).collect(), run.read_sending()
    prices, prompts = find_run_prices(run), run.read_prompts()
    costs, lost = sum_run_costs(run, prices), sum_lost_costs(run, prices)
    invocations = run.scan_outputs().select(pl.col("invocation").unique()).collect(engine="streaming")
    used = prices.filter(pl.col("invocation").is_in(invocations["invocation"].to_list()))
    checks, total = reconcile_run(run), costs.total.row(0, named=True)
    # A notice names the lines that cannot be read.
    unpriced = costs.unpriced.filter(pl.col("cause") != UNREADABLE)
    choices = choices or Choices()
    names, columns = [prompt.name for prompt in prompts], [*choices.decide_by, choices.cluster]
    sample = measure_sample(run, prices, columns=columns, baseline=choices.baseline)
    decision = compare_sample(sample, prompts, choices)
    comparisons = decision.comparisons if decision else None
    headings, rows = tabulate_variants(prompts, answers, costs.groups, sample.answers, comparisons)
    total |= add_lost(total, lost, count_lost_requests(read_state(run)))
    records = checks.select("prepared", "answered", "failed", "missing").sum().row(0, named=True)
    return {
        "run": run.name,
        "folder": run.folder.name,
        "calls": run.read_request()["calls"]["rows"],
        "decision": decision,
        "sentences": decision.sentences if decision else describe_rows(rows),
        "differences": place_differences(decision.comparisons) if decision else [],
        "headings": headings,
        "rows": rows,
        "cures": list_cures(rows, sample.answers, run.folder.name),
        "sample": sample,
        "examples": list_examples(sample.answers, names),
        "wordings": list_wordings(run),
        "judging": describe_judging(run, total),
        "answering": describe_answering(run),
        "are_tuned": choices.are_tuned,
        "taken": describe_taken(run, records["prepared"]),
        "total": total,
        "variants": order_variants(list_variants(answers, costs.bill), names).to_dicts(),
        "stops": list_stops(answers, names),
        "truncated": share_truncated(answers, by=[]).row(0, named=True),
        "records": records,
        "notices": [*list_notices(run), *describe_unpriced(unpriced)],
        "is_confirmed": bool(checks["agrees"].all(ignore_nulls=False)),
        "errors": count_errors(answers).to_dicts(),
        "prompts": prompts,
        "prices": used.to_dicts(),
        "region": run.region,
        "regions": list_regions(run.read_regions(), run.region),
        "versions": sending["versions"],
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


def order_variants(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Sort rows of variants as these were asked; that of no variant is last."""
    places = {name: place for place, name in enumerate(names)}
    place = pl.col("variant").replace_strict(places, default=len(names), return_dtype=pl.Int64)
    return rows.sort(place, maintain_order=True)


def list_stops(answers: pl.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """List how the answers of each variant ended: `variant`, and `parts` with a label, a share and a colour."""
    from analysis.plots.axes import STOP_COLOURS

    counts = count_stop_reasons(answers).with_columns(pl.col("stop").fill_null("failed"))
    shares = {(row["variant"], row["stop"]): row["share"] for row in counts.iter_rows(named=True)}
    return [
        {
            "variant": name,
            "parts": [
                {"label": STOP_NAMES[stop], "share": shares[name, stop], "colour": colour, "is_dark": stop in DARK}
                for stop, colour in STOP_COLOURS.items()
                if (name, stop) in shares
            ],
        }
        for name in names
    ]


def mark_names(sentence: str) -> Markup:
    """Escape a sentence, and make what stands between backticks bold."""
    return Markup(NAME.sub(r"<b>\1</b>", str(escape(escape_controls(sentence)))))  # noqa: S704 -- escaped before
