"""Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost."""

from analysis.answers import count_errors
from analysis.costs import add_costs, sum_costs
from analysis.estimates import estimate_costs
from analysis.manifests import load_manifests
from analysis.outputs import as_pandas, load_outputs, scan_outputs
from analysis.previews import preview
from analysis.prompts import Prompt, read_prompts
from analysis.runs import (
    collect,
    invoke,
    list_runs,
    load_answers,
    load_jobs,
    open_run,
    prepare,
    submit,
)
from analysis.stops import count_stop_reasons, suggest_max_tokens
from analysis.transcripts import drop_empty_calls, read_calls, sample_calls

__all__ = [
    "Prompt",
    "add_costs",
    "as_pandas",
    "collect",
    "count_errors",
    "count_stop_reasons",
    "drop_empty_calls",
    "estimate_costs",
    "invoke",
    "list_runs",
    "load_answers",
    "load_jobs",
    "load_manifests",
    "load_outputs",
    "open_run",
    "prepare",
    "preview",
    "read_calls",
    "read_prompts",
    "sample_calls",
    "scan_outputs",
    "submit",
    "suggest_max_tokens",
    "sum_costs",
]
