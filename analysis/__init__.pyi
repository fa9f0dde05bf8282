from .answers import count_errors
from .costs import add_costs, sum_costs
from .estimates import estimate_costs
from .manifests import load_manifests
from .outputs import as_pandas, load_outputs, scan_outputs
from .previews import preview
from .prompts import Prompt, read_prompts
from .runs import (
    collect,
    invoke,
    list_runs,
    load_answers,
    load_jobs,
    open_run,
    prepare,
    submit,
)
from .stops import count_stop_reasons, suggest_max_tokens
from .transcripts import drop_empty_calls, read_calls, sample_calls

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
