"""Repair: ask again for the records of a run that have no good answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import polars as pl

from analysis.aws.session import EMULATOR
from analysis.display import count, show_table, usd
from analysis.errors import RunError, escape_controls
from analysis.files import (
    explain_file_errors,
    flush_folder,
    flush_path,
    make_draft,
    make_folder,
    make_private,
    sweep_drafts,
)
from analysis.jobs.batch import PlannedJob
from analysis.metrics.estimates import estimate_costs
from analysis.outputs.answers import KEYS
from analysis.runs.accounts import open_sent
from analysis.runs.asked import CAUSE_FILE, find_last_asked, write_input
from analysis.runs.budget import ask_for_yes, check_budget, check_target, find_target
from analysis.runs.causes import CUT_OFF, MISSING, REFUSED, UNMET, find_causes
from analysis.runs.collection import collect
from analysis.runs.folder import ATTEMPTS, Run, RunSource, open_run
from analysis.runs.inputs import restore_changed
from analysis.runs.invocation import answer_jobs, claim_sent, invoke, open_clients
from analysis.runs.plan import usd_range
from analysis.runs.regions import find_prompt_prices
from analysis.runs.sending import lock_sending
from analysis.runs.sharing import read_copy
from analysis.runs.spending import Spending, add_known, find_spending
from analysis.runs.state import ON_DEMAND, RunState, read_state
from analysis.runs.status import has_ended, is_asked
from analysis.runs.stored import store_attempt
from analysis.runs.submission import submit

BATCH = "batch"
WORDS = {
    CUT_OFF: "cut off by max_tokens",
    MISSING: "without a line in the output",
    REFUSED: "refused",
    UNMET: "not as the prompt expects",
}
SUMMARY = ("variant", "cause", "detail", "room", "why_not")
LISTED = 12  # rows of the summary that are printed


@dataclass(frozen=True, repr=False)
class Repair:
    """What a repair asks again, and what that may cost; printing it shows both.

    Attributes
    ----------
    run
        The run.
    attempt
        The number of the attempt: 2 for the first repair.
    causes
        One row per record without a good answer, from `find_causes`.
    asked
        One row per record that is asked again: as it was asked last, with its `room` and its `invocation`.
    estimate
        One row per variant and invocation, from `estimate_costs`.
    """

    run: Run
    attempt: int
    causes: pl.DataFrame
    asked: pl.DataFrame
    estimate: pl.DataFrame

    @property
    def most_usd(self) -> float | None:
        """Upper end of the cost of what is asked again; missing where a price is not known."""
        return add_known(self.estimate["cost_usd_high"].to_list())

    @property
    def summary(self) -> pl.DataFrame:
        """Records without a good answer by variant, cause, detail and what is done, the most frequent first."""
        counts = self.causes.group_by(SUMMARY, maintain_order=True).agg(records=pl.len().cast(pl.Int64))
        return counts.sort("records", descending=True, maintain_order=True).select("records", *SUMMARY)

    def __repr__(self) -> str:
        lines = [self.heading(), *(f"  {line}" for line in self.describe_causes()), *self.describe_cost()]
        return escape_controls("\n".join(lines))

    def _repr_html_(self) -> str:
        cost = "".join(f"<p>{escape(line)}</p>" for line in self.describe_cost())
        table = show_table(self.summary)._repr_html_() if len(self.causes) else ""
        return f"<p>{escape(self.heading())}</p>\n{table}\n{cost}"

    def heading(self) -> str:
        """Return one sentence with how many records have no good answer, and how many are asked again."""
        records = int(self.run.read_first_files()["records"].sum())
        bad, asked = len(self.causes), len(self.asked)
        if not bad:
            return f"{self.run.name}: nothing to repair, each of the {count(records, 'record')} has a good answer."
        if bad == 1:
            again = "it is asked again" if asked else "it is not asked again"
            return f"{self.run.name}: 1 of {count(records, 'record')} has no good answer; {again}."
        again = f"{asked:,} of them {'is' if asked == 1 else 'are'}" if asked else "none is"
        return f"{self.run.name}: {bad:,} of {count(records, 'record')} have no good answer; {again} asked again."

    def describe_causes(self) -> Iterator[str]:
        """Yield a line for each variant, cause and detail."""
        for records, variant, cause, detail, room, why_not in self.summary.head(LISTED).iter_rows():
            what = WORDS.get(cause, cause) + (f" ({detail})" if detail else "")
            again = f"asked again with max_tokens {room:,}" if room else "asked again"
            yield f"{variant}: {records:,} {what}: {f'not asked again, {why_not}' if why_not else again}"
        if (more := len(self.summary) - LISTED) > 0:
            yield f"and {count(more, 'other row')} of repair.summary"

    def describe_cost(self) -> Iterator[str]:
        """Yield a line for each invocation with the cost of what is asked again."""
        for (invocation,), rows in self.estimate.partition_by("invocation", as_dict=True, maintain_order=True).items():
            total = usd_range(rows.sum().row(0, named=True), rows)
            how = "on demand" if invocation == ON_DEMAND else "in batch jobs"
            yield f"{count(int(rows['records'].sum()), 'record')} {how}: {total}."


def plan_repair(run: RunSource) -> Repair:
    """Plan what a repair would ask again; nothing is written and nothing sent.

    Parameters
    ----------
    run
        A run that has been collected, all of whose jobs have ended.
    """
    run = open_run(run)
    causes, sending = find_causes(run), run.read_sending()
    again = causes.filter(pl.col("why_not").is_null()).select(*KEYS, "room")
    asked = find_last_asked(run).join(again, on=KEYS, how="inner", maintain_order="left")
    invocation = choose_invocation(run, str(sending.get("invocation", BATCH)))
    asked = asked.with_columns(invocation=invocation)
    prices = find_prompt_prices(run.read_prompts(), run.region)
    rows = asked.with_columns(max_tokens=pl.coalesce("room", "max_tokens"))
    estimates = [
        estimate_costs(own, prices, invocation=str(name))
        for (name,), own in rows.partition_by("invocation", as_dict=True, maintain_order=True).items()
    ]
    nothing = estimate_costs(rows.clear(), prices)
    return Repair(run, max([1, *run.list_attempts()]) + 1, causes, asked, pl.concat([nothing, *estimates]))


def choose_invocation(run: Run, sent: str) -> pl.Expr:
    """Return how each record is asked: as the run was sent, or on demand where its job would be too small."""
    least = {model_id: each.min_records for model_id, each in run.read_quotas().items()}
    region = pl.col("variant").replace_strict(run.read_regions(), return_dtype=pl.String)
    fewest = pl.col("model_id").replace_strict(least, default=0, return_dtype=pl.Int64)
    is_small = pl.len().over("model_id", "invocation_type", region) < fewest
    return pl.when(is_small).then(pl.lit(ON_DEMAND)).otherwise(pl.lit(sent))


@explain_file_errors()
def repair(
    run: RunSource,
    *,
    profile: str = "",
    region: str = "",
    budget_usd: float | None = None,
    wait_hours: float = math.inf,
    pause_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
    ask: Callable[[str], str] = input,
) -> pl.DataFrame:
    """Ask again for the records of a run that have no good answer, and collect what comes back.

    Jobs that have tries left are gone on with first. Then what failed, expired, is missing or cannot be read is asked
    again as it was; what was cut off gets the room that `suggest_max_tokens` gives; an answer that is not as the header
    of its prompt expects is asked for once more. A request that was refused for its body is not. Records that are too
    few for a batch job are answered on demand. It can be called again at any time, also after it was killed.

    Parameters
    ----------
    run
        A run that has been sent, or its folder or name.
    profile, region
        As in `submit`; empty for those that the run was sent with. Bucket, role and the other options are as then.
    budget_usd
        The most that the run may cost in all, what was sent before included. Off the emulator, without a budget, the
        plan of the repair is printed and has to be confirmed.
    wait_hours, pause_s, sleep, now, ask
        As in `submit`.

    Returns
    -------
    frame
        One row per job, as from `reconcile_run`. While jobs are running, nothing further is planned.

    Raises
    ------
    BudgetError
        What is asked again may cost more than the budget, or was not confirmed.
    JobError
        Bedrock refused a job, or one ended Failed or Expired and can be tried again: call repair again.
    WaitError
        Jobs have not ended in `wait_hours`.
    RunError
        Nothing has been sent, or with another profile, region or account; or the run was prepared before the first
        release; or a copy of its folder has answered records on demand.
    """
    run = open_run(run, profile=profile, region=region)
    if run.is_early:
        raise RunError(run.folder, "was prepared before the first release", "prepare its calls under another name")
    read_copy(run)
    state = read_state(run)
    profile, region = state.find_account(profile, region)
    # Of a run that is sent completely, submit is not called, which checks the same.
    check_target(state, find_target(run, str(state.sending.get("invocation", BATCH)), profile, region))
    send = partial(go_on, run, profile, region, ask=ask, wait_hours=wait_hours, pause_s=pause_s, sleep=sleep, now=now)
    send(budget_usd=budget_usd)
    counts = collect(run, profile=profile, region=region)
    state = read_state(run)
    if not has_ended(state):
        return counts
    planned = plan_repair(run)
    print(planned)
    if planned.asked.is_empty():
        return counts
    check_repair(planned, state, profile, region, budget_usd=budget_usd, ask=ask)
    with lock_sending(run, wait_s=0):
        if ON_DEMAND in planned.asked["invocation"]:
            claim_sent(state, profile, region)
        write_attempt(planned)
    send(budget_usd=math.inf if budget_usd is None else budget_usd)
    return collect(run, profile=profile, region=region)


def check_repair(
    planned: Repair,
    state: RunState,
    profile: str,
    region: str,
    *,
    budget_usd: float | None,
    ask: Callable[[str], str],
) -> None:
    """Check what is asked again against the budget, or ask for a yes; on the emulator, without a budget, neither."""
    if budget_usd is not None:
        invocation = str(state.sending.get("invocation", BATCH))
        # What is left are records that failed, and the plan has those that are asked again.
        spent = find_spending(state, invocation, region).spent_usd
        check_budget(planned.run, Spending(spent, planned.most_usd), budget_usd)
    elif profile != EMULATOR:
        ask_for_yes(planned.run, f"\nAsk these {count(len(planned.asked), 'record')} again? [y/N] ", ask)


def go_on(
    run: Run, profile: str, region: str, *, budget_usd: float | None, ask: Callable[[str], str], **options: Any
) -> None:
    """Send what the run has planned and not finished: batch jobs, then records on demand."""
    state = read_state(run)
    if state.sending.get("invocation") == ON_DEMAND:
        if not has_ended(state):
            invoke(run, profile=profile, region=region, budget_usd=budget_usd, ask=ask)
        return
    if not all(state.is_settled(job, latest) for job, latest in state.pairs):
        sent = state.sending.get("options", {})
        submit(run, profile=profile, region=region, budget_usd=budget_usd, ask=ask, **sent, **options)
    left = [job for job in state.on_demand if not is_asked(run, job)]
    if left:
        check_left(state, left, profile, region, budget_usd=budget_usd, ask=ask)
        open_sent(state, profile, region)  # raises for another account
        clients = open_clients(left, profile, region)
        with lock_sending(run, wait_s=0):
            claim_sent(state, profile, region)
            answer_jobs(state.read_on(), left, clients)


def check_left(
    state: RunState,
    left: Sequence[PlannedJob],
    profile: str,
    region: str,
    *,
    budget_usd: float | None,
    ask: Callable[[str], str],
) -> None:
    """Check what a repair has planned on demand and not asked yet, as `check_repair` does."""
    spending = find_spending(state, BATCH, region)
    if budget_usd is not None and budget_usd != math.inf:
        check_budget(state.run, spending, budget_usd)
    elif budget_usd is None and profile != EMULATOR:
        records = count(sum(job.records for job in left), "record")
        most = "" if spending.left_usd is None else f", for up to {usd(spending.left_usd)}"
        ask_for_yes(state.run, f"\nAsk {records} on demand that a repair has planned{most}? [y/N] ", ask)


def write_attempt(planned: Repair) -> None:
    """Write the records, input files and causes of a repair into the run's folder, all at once.

    Raises
    ------
    RunError
        Another process has planned a repair meanwhile.
    """
    run, attempts = planned.run, planned.run.folder / ATTEMPTS
    if planned.attempt in run.list_attempts():
        raise RunError(run.folder, "another process is repairing this run", "wait for it, and repair again")
    state = read_state(run)
    copied = set(planned.asked.filter(pl.col("room").is_null())["job_key"])
    restore_changed(state, [job for job in state.all_jobs if job.key in copied])
    make_folder(attempts)
    sweep_drafts(attempts)
    causes = planned.causes.join(planned.asked.select(KEYS), on=KEYS, how="semi", maintain_order="left")
    with make_draft(attempts, str(planned.attempt)) as draft:
        folder = draft / str(planned.attempt)
        write_input(run, planned.asked, planned.attempt, folder)
        causes.write_parquet(folder / CAUSE_FILE)
        if run.place is not None:
            store_attempt(folder, planned.attempt, run.place)
        make_private(folder, run.folder.parent)
        flush_folder(folder)
        folder.rename(attempts / folder.name)
    flush_path(attempts)
