"""Runs: one folder each, prepared, submitted or invoked, collected, opened again and listed."""

from analysis.runs.answers import load_answers, scan_answers
from analysis.runs.budget import confirm_cost
from analysis.runs.collection import collect, compare_manifests, reconcile_run
from analysis.runs.costs import RunCosts, find_run_prices, sum_lost_costs, sum_run_costs
from analysis.runs.folder import Run, RunSource, list_runs, open_run
from analysis.runs.invocation import invoke
from analysis.runs.measures import measure_run
from analysis.runs.outcomes import describe_outcomes
from analysis.runs.preparation import prepare
from analysis.runs.state import RunState, read_state
from analysis.runs.status import is_collected, is_finished, load_jobs
from analysis.runs.submission import stop, submit

__all__ = [
    "Run",
    "RunCosts",
    "RunSource",
    "RunState",
    "collect",
    "compare_manifests",
    "confirm_cost",
    "describe_outcomes",
    "find_run_prices",
    "invoke",
    "is_collected",
    "is_finished",
    "list_runs",
    "load_answers",
    "load_jobs",
    "measure_run",
    "open_run",
    "prepare",
    "read_state",
    "reconcile_run",
    "scan_answers",
    "stop",
    "submit",
    "sum_lost_costs",
    "sum_run_costs",
]
