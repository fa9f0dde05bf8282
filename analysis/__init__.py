"""Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost.

Each name is imported when it is first used, from the module that `__init__.pyi` gives: a script that only reads outputs
does not load what sends them.
"""

import lazy_loader

__all__ = [
    "Metric",
    "Prompt",
    "add_costs",
    "as_pandas",
    "collect",
    "compare_estimate",
    "compare_invocations",
    "compare_variants",
    "count_errors",
    "count_stop_reasons",
    "count_stop_reasons_by_length",
    "count_unpriced",
    "describe_comparison",
    "drop_empty_calls",
    "drop_losers",
    "estimate_costs",
    "find_prices",
    "find_unsupported_claims",
    "invoke",
    "list_flips",
    "list_notices",
    "list_runs",
    "list_unpriced",
    "load_answers",
    "load_jobs",
    "load_manifests",
    "load_outputs",
    "make_calls",
    "measure_answers",
    "measure_kept",
    "open_run",
    "pick_calls",
    "plan_calls",
    "prepare",
    "preview",
    "project_costs",
    "rank_variants",
    "read_calls",
    "read_cost_columns",
    "read_prices",
    "read_prompts",
    "scan_answers",
    "scan_outputs",
    "share_truncated",
    "show_table",
    "stop",
    "submit",
    "suggest_max_tokens",
    "sum_costs",
    "sum_lost_costs",
    "sum_run_costs",
]

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
