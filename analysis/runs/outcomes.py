"""Outcomes: sentences on jobs that left records without an answer, and what can be done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from analysis.errors import JobError
from analysis.jobs.batch import MOST_TRIES, PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import COMPLETED, REFUSED, TAKEN
from analysis.runs.state import RunState

MOST_NAMES = 3  # of jobs, in one message
CURE = "`batchbook repair` or repair(run) asks for them again"
REPAIRED = "What it left without an answer was asked again by a repair."


def describe_outcomes(state: RunState) -> list[str]:
    """Return a sentence for each job that ended for good and left records without an answer."""
    settled = [(job, latest) for job, latest in state.pairs if state.is_settled(job, latest)]
    return [sentence for job, latest in settled if (sentence := describe_outcome(state, job, latest))]


def describe_errors(state: RunState) -> list[str]:
    """Return a sentence for each job of which Bedrock counts failed records."""
    failed = [(job, latest, latest.counts.get("error")) for job, latest in state.pairs]
    return [
        f"{job.key}: {errors:,} of {count_sent(job, latest):,} records failed; collect(run) shows why, {CURE}."
        for job, latest, errors in failed
        if errors and not latest.is_unproductive and job.attempt == state.latest_attempt
    ]


def check_outcomes(state: RunState) -> None:
    """Raise for jobs that ended early and can be tried again."""
    failed = [
        (job, latest) for job, latest in state.pairs if latest.is_unproductive and not state.is_settled(job, latest)
    ]
    if failed:
        reason = "; ".join(count_reasons(describe_failure(job, latest) for job, latest in failed))
        unanswered = sum(job.records if latest.left is None else latest.left for job, latest in failed)
        was_accepted = any(latest.status != REFUSED for _, latest in failed)
        what = f"only the {unanswered:,} records without an answer are sent" if was_accepted else "nothing was sent"
        cure = f"remove the cause and submit again: {what}"
        raise JobError(name_jobs([latest for _, latest in failed]), reason, cure)


def count_reasons(reasons: Iterable[str]) -> list[str]:
    """Return each reason once, with the number of jobs that have it where they are several."""
    counts = Counter(reasons)
    return [reason if count == 1 else f"{reason} (of {count:,} jobs)" for reason, count in counts.items()]


def name_jobs(states: Sequence[JobState]) -> str:
    """Return the names of the first jobs, and how many more there are."""
    names = [state.job_name for state in states]
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def explain_missing(state: RunState) -> dict[str, str]:
    """Return, by job key, why records of a planned job may have no line in its output."""
    if not state.has_jobs:
        return {job.key: "it was not answered on demand" for job in state.planned}
    on_demand = {job.key: "it was not answered on demand" for job in state.on_demand}
    return {job.key: describe_status(latest) for job, latest in state.pairs} | on_demand


def describe_status(state: JobState) -> str:
    """Describe how a job ended, or that it has not, for a record that is missing from its output."""
    why = f" ({state.message})" if state.message else ""
    if state.status == COMPLETED:
        return f"{state.job_key} is Completed, but its output has no readable line for the record"
    if state.is_finished:
        return f"{state.job_key} {'was' if state.status == REFUSED else 'ended'} {state.status}{why}"
    return f"{state.job_key} has not ended: {state.status}"


def describe_failure(job: PlannedJob, state: JobState) -> str:
    """Describe why a try ended early, how many answers it left, and which of them the next try may pay for again."""
    reason = f"{state.status}: {state.message or 'no message'}"
    if state.left is None:
        return reason
    # A job can end before all of its output is in S3, so Bedrock's count may be ahead of the lines.
    sent = count_sent(job, state)
    answered, counted = sent - state.left, state.counts.get("success", 0)
    kept = f"; its output answers {answered:,} of {sent:,} records, which are not sent again" if answered else ""
    lost = f"; Bedrock counts {counted:,} answers: those that are not in the output are paid for again"
    return reason + kept + (lost if counted > answered else "")


def describe_outcome(run_state: RunState, job: PlannedJob, state: JobState) -> str:
    """Describe how a job ended that is not tried again; empty where each record was processed."""
    if state.is_unproductive:
        why = f": {state.message}" if state.message else ""
        return f"{job.key} ended {state.status}{why.rstrip('.')}. {describe_unanswered(run_state, job, state)}"
    sent, processed = count_sent(job, state), state.counts.get("processed")
    if state.status not in {COMPLETED, TAKEN} and (processed is None or processed < sent):
        done = f" after {processed:,} of {sent:,} records" if processed is not None else ""
        others = "The other records have no answer and are not sent again"
        is_repaired = job.attempt < run_state.latest_attempt
        return f"{job.key} ended {state.status}{done}. {REPAIRED if is_repaired else f'{others}; {CURE}.'}"
    return ""


def describe_unanswered(run_state: RunState, job: PlannedJob, state: JobState) -> str:
    """Describe how many records of a job stay without an answer, and why they are not sent again."""
    unanswered = state.left or 0
    if not unanswered:
        return "All of its records had been answered."
    if job.attempt < run_state.latest_attempt:
        return REPAIRED
    last = f"this was the last of {MOST_TRIES} tries"
    small = f"a batch job needs at least {run_state.min_records[job.model_id]:,} records"
    why = last if state.job_try >= MOST_TRIES else small
    return f"{unanswered:,} of its {job.records:,} records have no answer and are not sent again: {why}; {CURE}."
