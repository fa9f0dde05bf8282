"""Checks of the calls: prepared as a run would be, in a folder that is deleted, and held against every known limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory

from narwhals.typing import IntoDataFrame

from analysis.display import usd
from analysis.errors import AnalysisError
from analysis.prompts import Prompt
from analysis.runs.doctor.findings import Finding, Status
from analysis.runs.plan import Plan
from analysis.runs.preparation import prepare

# Status and cure of each limit of a plan.
LIMITS: dict[str, tuple[Status, str]] = {
    "minimum": ("warning", "add calls, or use one model for several prompts; else it costs twice the batch price"),
    "jobs": ("ok", ""),
    "context": ("warning", "shorten or leave out these calls, or choose a model with a larger context"),
    "unknown": ("unknown", "see the model's page for its context window and its most output tokens"),
    "ended": ("error", "see the check of the model"),
    "ends": ("warning", "see the check of the model"),
    "schema": ("warning", "try a few calls first"),
    "format": ("warning", "write invocation_type: Converse in the prompt"),
}


def check_calls(calls: IntoDataFrame, prompts: Sequence[Prompt], *, region: str, quota_year: str) -> Iterator[Finding]:
    """Prepare a run of the calls in a temporary folder, and describe its plan: size, limits, cost."""
    try:
        # Made for this user alone, and deleted with the transcripts in it.
        with TemporaryDirectory(prefix="batchbook-") as folder:
            plan = prepare(calls, prompts, into=folder, name="doctor", quota_year=quota_year).plan(region=region)
    except AnalysisError as error:
        yield Finding("calls", "error", f"{error.where}: {error.reason}", error.cure)
        return
    yield Finding("calls", "ok", plan.heading().removeprefix("Run doctor: ").rstrip("."))
    for limit, where, detail in plan.limits.iter_rows():
        status, cure = LIMITS[limit]
        yield Finding(f"limit: {limit}", status, f"{where}: {detail}", cure)
    yield describe_cost(plan)


def describe_cost(plan: Plan) -> Finding:
    """Describe what the run may cost."""
    if plan.cost_usd_high is None:
        cure = "run `batchbook facts update`, which reads today's prices"
        return Finding("cost", "unknown", "no price is known for a model in this region", cure)
    how = str(plan.estimate["invocation"][0]).replace("_", "-")
    return Finding("cost", "ok", f"about {usd(plan.cost_usd)}, at most {usd(plan.cost_usd_high)}, at {how} prices")
