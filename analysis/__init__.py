"""Batch inference on call transcripts with Amazon Bedrock: prepare, submit, collect, and what it cost.

A name is imported when it is first asked for, from where `__init__.pyi` says: a script that only reads outputs does not
wait for what sends them.
"""

import lazy_loader

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
    "pick_calls",
    "prepare",
    "preview",
    "read_calls",
    "read_prompts",
    "scan_outputs",
    "submit",
    "suggest_max_tokens",
    "sum_costs",
]

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
