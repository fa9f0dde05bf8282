"""The log of experiments: the runs in a folder, one row per run and variant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from analysis.errors import RunError
from analysis.files import check_path, explain_file_errors
from analysis.metrics.stop_reasons import TRUNCATED
from analysis.runs.costs import sum_run_costs
from analysis.runs.folder import RUNS, Run
from analysis.runs.place import RUN_FILE
from analysis.runs.winners import scan_winners

# A folder without runs has no rows from which polars could infer the types.
SCHEMA: dict[str, Any] = {
    "run": pl.String,
    "variant": pl.String,
    "model_id": pl.String,
    "max_tokens": pl.Int64,
    "calls": pl.Int64,
    "records": pl.Int64,
    "jobs": pl.Int64,
    "finished_jobs": pl.Int64,
    "collected": pl.Boolean,
    "sent_at": pl.Datetime("us", "UTC"),
    "prompt_digest": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cost_usd": pl.Float64,
    "truncated_share": pl.Float64,
    "region": pl.String,
}


@explain_file_errors()
def list_runs(folder: str | Path = RUNS) -> pl.DataFrame:
    """List the runs in a folder: the log of experiments.

    Of runs that were collected the outputs are priced, which takes about five seconds for a million of them.

    Returns
    -------
    frame
        One row per run and variant, by the folder's name: `run` (that name), `variant`, `model_id`, `max_tokens`,
        `calls`, `records` (each once, however often it was asked), `jobs` (planned), `finished_jobs` (ended, with
        whatever status), `collected` (whether outputs have been read), `sent_at` (the last time, UTC), `prompt_digest`
        (the same for prompts that ask the same), `input_tokens`, `output_tokens` and `cost_usd` (as in the bill of
        `sum_run_costs`), `truncated_share` (of the answers that won over all attempts, 0 to 1) and `region` (in which
        the calls are asked). The last but one and the three before it are missing where nothing was collected, or
        outputs are damaged; so is `sent_at` where nothing was sent, and then `region` where the prompt names none.
    """
    check_path(folder)
    runs = [Run(file.parent) for file in sorted(Path(folder).glob(f"*/{RUN_FILE}"))]
    return pl.DataFrame([row for run in runs for row in describe_variants(run)], schema=SCHEMA)


def describe_variants(run: Run) -> Iterator[dict[str, Any]]:
    """Yield the rows of one run in `list_runs`."""
    sending = run.read_sending()
    sent_at = sending.get("at")
    finished = [state.job_key for state in run.ledger.latest().values() if state.is_finished]
    counts, bill = count_records(run, finished), read_bill(run)
    for prompt in run.read_prompts():
        yield {
            "run": run.folder.name,
            "variant": prompt.name,
            "model_id": prompt.model_id,
            "max_tokens": prompt.max_tokens,
            "calls": run.read_request()["calls"]["rows"],
            "collected": (run.folder / "outputs").exists(),
            "sent_at": datetime.fromisoformat(sent_at) if sent_at else None,
            "prompt_digest": prompt.digest,
            "region": prompt.region or sending.get("region") or None,
            **counts[prompt.name],
            **bill.get(prompt.name, {}),
        }


def count_records(run: Run, finished: list[str]) -> dict[str, dict[str, int]]:
    """Count the records and jobs of each variant."""
    jobs = pl.col("job_key").unique()
    parts = run.read_files().select("job_key", "variants").explode("variants").unnest("variants")
    is_first = pl.col("job_key").is_in(run.read_first_files()["job_key"].to_list())
    counts = parts.group_by("variant").agg(
        pl.col("records").filter(is_first).sum(), jobs=jobs.len(), finished_jobs=jobs.is_in(finished).sum()
    )
    return {row.pop("variant"): row for row in counts.to_dicts()}


def read_bill(run: Run) -> dict[str, dict[str, Any]]:
    """Read what the collected outputs of each variant say; empty without outputs, or where a part is damaged."""
    try:
        if not run.list_parts():
            return {}
        bill, shares = sum_run_costs(run).bill, share_truncated_winners(run)
    except RunError:
        return {}  # one damaged run does not keep the others from being listed
    shown = bill.select("variant", "input_tokens", "output_tokens", "cost_usd").join(shares, on="variant", how="left")
    return {row.pop("variant"): row for row in shown.to_dicts()}


def share_truncated_winners(run: Run) -> pl.DataFrame:
    """Compute for each variant which share of its answers was cut off; missing where there is no answer."""
    answers = scan_winners(run).filter(pl.col("error_kind").is_null()).select("variant", "stop")
    share = (pl.col("stop") == TRUNCATED).mean()
    return answers.group_by("variant").agg(truncated_share=share).collect(engine="streaming")
