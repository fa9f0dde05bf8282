"""Ends: how jobs ended that left records without an answer, in sentences, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.errors import JobError
from analysis.jobs.batch import MOST_TRIES, PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import COMPLETED, REFUSED
from analysis.runs.folder import Run
from analysis.runs.status import find_least, has_jobs, is_settled, list_latest, plan_jobs

CURE = "docs/unanswered.md says how to send them"


def describe_ends(run: Run) -> list[str]:
    """Say in a sentence each which jobs ended with records that nothing more will be done about."""
    planned = plan_jobs(run)
    settled = [(job, state) for job, state in pair(run, planned) if is_settled(run, job, state)]
    return [sentence for job, state in settled if (sentence := describe_end(run, job, state))]


def describe_errors(run: Run) -> list[str]:
    """Say in a sentence each in which jobs Bedrock counts records that failed."""
    failed = [(job, state, state.counts.get("error")) for job, state in pair(run, plan_jobs(run))]
    return [
        f"{job.key}: {errors:,} of {count_sent(job, state):,} records failed; collect says why, and {CURE}."
        for job, state, errors in failed
        if errors and not state.is_unproductive
    ]


def check_ends(run: Run, planned: Sequence[PlannedJob]) -> None:
    """Raise for jobs that ended before their work was done and can be tried again."""
    bad = [(job, state) for job, state in pair(run, planned) if state.is_unproductive]
    bad = [(job, state) for job, state in bad if not is_settled(run, job, state)]
    if bad:
        reason = "; ".join(describe_failure(job, state) for job, state in bad)
        sent = sum(job.records if state.left is None else state.left for job, state in bad)
        what = f"only the {sent:,} records without an answer are sent" if came_to_run(bad) else "nothing of it was sent"
        cure = f"mend the cause and submit again: {what}"
        raise JobError(", ".join(state.job_name for _, state in bad), reason, cure)


def came_to_run(bad: Sequence[tuple[PlannedJob, JobState]]) -> bool:
    """Whether Bedrock took one of the jobs."""
    return any(state.status != REFUSED for _, state in bad)


def describe_absences(run: Run) -> dict[str, str]:
    """Say of each planned job, by its key, why a record of which nothing came back may be missing."""
    if not has_jobs(run):
        return {job.key: "it was not answered on demand" for job in plan_jobs(run)}
    return {job.key: describe_absence(state) for job, state in pair(run, plan_jobs(run))}


def describe_absence(state: JobState) -> str:
    """Say what became of a job, in so far as its records may be missing."""
    why = f" ({state.message})" if state.message else ""
    if state.status == COMPLETED:
        return f"{state.job_key} is Completed, and its output has no readable line of the record"
    if state.is_finished:
        return f"{state.job_key} {'was' if state.status == REFUSED else 'ended'} {state.status}{why}"
    return f"{state.job_key} has not ended: {state.status}"


def pair(run: Run, planned: Sequence[PlannedJob]) -> list[tuple[PlannedJob, JobState]]:
    """Put each job beside its latest try."""
    return list(zip(planned, list_latest(run, planned), strict=True))


def describe_failure(job: PlannedJob, state: JobState) -> str:
    """Say why a try ended before its work was done, what it left, and what a further one may pay for again."""
    reason = f"{state.status}: {state.message or 'no message'}"
    if state.left is None:
        return reason
    came, counted = count_sent(job, state) - state.left, state.counts.get("success", 0)
    kept = f"; it left answers to {came:,} of {count_sent(job, state):,} records, which are kept" if came else ""
    lost = f"; Bedrock counts {counted:,} answers, and those that are not there are paid for again"
    return reason + kept + (lost if counted > came else "")


def describe_end(run: Run, job: PlannedJob, state: JobState) -> str:
    """Say how a job ended that is not tried again; nothing where each record was answered."""
    if state.is_unproductive:
        why = f": {state.message}" if state.message else ""
        return f"{job.key} ended {state.status}{why.rstrip('.')}. {describe_left(run, job, state)}"
    sent, processed = count_sent(job, state), state.counts.get("processed")
    if state.status != COMPLETED and (processed is None or processed < sent):
        done = f" after {processed:,} of {sent:,} records" if processed is not None else ""
        return f"{job.key} ended {state.status}{done}. The others have no answer and are not sent again; {CURE}."
    return ""


def describe_left(run: Run, job: PlannedJob, state: JobState) -> str:
    """Say how many records a job has left for good, and why they are not sent again."""
    left = state.left or 0
    if not left:
        return "Each of its records had been answered."
    least = find_least(run, job)
    last = f"that was the last of {MOST_TRIES} tries"
    why = last if state.job_try >= MOST_TRIES else f"a batch job takes at least {least:,} records"
    return f"{left:,} of its {job.records:,} records have no answer and are not sent again, since {why}; {CURE}."
