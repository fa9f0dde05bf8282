"""The state machine of a job; every request about jobs advances them a little, so no process has to run in between."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from bedrock_local.batch import clock, jobs, quota_queue
from bedrock_local.batch.execution import answer_records, publish_outputs, write_ready, write_unprocessed
from bedrock_local.batch.fault_effects import find_job_end, slow_clock
from bedrock_local.batch.inference_pool import cancel_job, drop_answers, wait_for_answer
from bedrock_local.batch.input_validation import (
    InvalidInputError,
    check_counts,
    check_line,
    find_inputs,
    read_lines,
    snapshot_input,
)
from bedrock_local.batch.jobs import Job, Progress
from bedrock_local.batch.lease import is_leased_elsewhere, release_lock
from bedrock_local.batch.time_slice import TimeSlice, Wait
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import EndStatus

SLICE_SECONDS = 0.05
# Up to so many files are deleted whatever the deadline, so a usual job is cleaned up by the request that ends it.
FEW_FILES = 100
RECORD_STOPPED = "The job was stopped before the record was processed"
RECORD_TIMED_OUT = "The job timed out before the record was processed"
JOB_EXPIRED = "The job timed out before it began"
JOB_PARTIAL = "The job timed out before all records were processed"
JOB_FAILED = "The job failed due to an internal error. Try again."


def advance_job(job: Job, emulator: Emulator, deadline: float) -> None:
    """Advance a job until it waits for its clock or for another process, or until the deadline.

    A job that waits for a slot gets one only when jobs before it end, so those are advanced first.
    """
    progress = jobs.read_progress(emulator.folder, job)
    if progress.began is None and not progress.end:
        advance_jobs(lambda: list_peers(job, emulator), emulator, deadline)
    try_advance(job, emulator, deadline, waits="long")


def list_peers(job: Job, emulator: Emulator) -> list[Job]:
    """List the other jobs that share a job's quota and that there may be something to do for."""
    due = quota_queue.list_due(emulator.folder, emulator.settings, emulator.now())
    return [each for each in due if (each.model, each.region) == (job.model, job.region) and each != job]


def advance_jobs(list_due: Callable[[], list[Job]], emulator: Emulator, deadline: float) -> None:
    """Advance jobs in short time slices, one slice at least, until all of them wait or until the deadline.

    An error of one job is dropped, so that it does not stop the others; a request about that job raises it.
    """
    is_busy = True
    while is_busy:
        is_busy = False
        for job in rotate_randomly(list_due()):
            with suppress(Exception):
                is_busy |= try_advance(job, emulator, min(deadline, time.monotonic() + SLICE_SECONDS))
            if time.monotonic() >= deadline:
                return
        left = deadline - time.monotonic()
        is_busy = left > 0 and (is_busy or wait_for_answer(left))


def rotate_randomly(found: list[Job]) -> list[Job]:
    """Return the jobs in the same order from a random one on."""
    # A request may have time for a few jobs only, and no process remembers where the last request stopped: from the
    # first one on, those at the end would starve.
    start = secrets.randbelow(max(1, len(found)))
    return found[start:] + found[:start]


def try_advance(job: Job, emulator: Emulator, deadline: float, *, waits: Wait = "briefly") -> bool:
    """Advance one job unless another process has its lock; return whether anything was done."""
    if jobs.read_progress(emulator.folder, job).end:
        return not clean_up(job, emulator, deadline)
    try:
        with jobs.lock_job(emulator.folder, job).acquire(timeout=0):
            # Read again under the lock: another process may have advanced the job just before.
            progress = jobs.read_progress(emulator.folder, job)
            settings = slow_clock(emulator.settings, job.name)
            return take_steps(TimeSlice(emulator, settings, job, progress, deadline, waits))
    except Timeout:
        return False


def refresh_status(job: Job, emulator: Emulator) -> Progress:
    """Return a job's progress after moving its status as far as the clock allows, without any other work.

    The status is saved, so that no later request sees an earlier one.
    """
    progress = jobs.read_progress(emulator.folder, job)
    if progress.end:
        return progress
    settings = slow_clock(emulator.settings, job.name)
    if clock.find_status(progress, settings, emulator.now()) == progress.status:
        return progress
    try:
        with jobs.lock_job(emulator.folder, job).acquire(timeout=0):
            time_slice = TimeSlice(emulator, settings, job, jobs.read_progress(emulator.folder, job), deadline=0.0)
            if not time_slice.progress.end:
                time_slice.update_status()
            return time_slice.progress
    except Timeout:
        return progress


def take_steps(time_slice: TimeSlice) -> bool:
    """Take steps until there is nothing to do or the time is over, one at least; return whether anything was done."""
    has_moved = False
    while not time_slice.progress.end and take_step(time_slice):
        has_moved = True
        if time_slice.is_over:
            break
    if not time_slice.progress.end:
        time_slice.update_status()
    return has_moved


def take_step(time_slice: TimeSlice) -> bool:
    """Do the next piece of work; return False when there is none before the clock moves on."""
    stopped = jobs.stop_time(time_slice.folder, time_slice.job)
    if stopped is not None:
        return finish_stop(time_slice, stopped)
    if time_slice.progress.began is None:
        return start_clock(time_slice)
    time_slice.update_status()
    if has_expired(time_slice):
        return finish(time_slice, "Expired", JOB_EXPIRED)
    if time_slice.progress.status == "Submitted":
        return False
    steps = {"new": start_validation, "validating": continue_validation, "running": run_records}
    try:
        return steps[time_slice.progress.phase](time_slice)
    except InvalidInputError as error:
        return finish(time_slice, "Failed", str(error))


def start_clock(time_slice: TimeSlice) -> bool:
    """Start the job's clock if there is a slot for it; a job without a slot can do nothing but time out."""
    now = time_slice.emulator.now()
    if clock.has_timed_out(time_slice.job, time_slice.settings, now):
        return finish(time_slice, "Expired", JOB_EXPIRED)
    if not quota_queue.take_slot(time_slice.folder, time_slice.settings, time_slice.job):
        return False
    time_slice.progress.began = now
    time_slice.save()
    return True


def has_expired(time_slice: TimeSlice) -> bool:
    """Return whether the timeout comes before the next status could begin, or a fault makes the job expire."""
    job, progress, settings = time_slice.job, time_slice.progress, time_slice.settings
    if progress.status == "InProgress":
        return False
    now = time_slice.emulator.now()
    if progress.expires_by_fault and clock.clock_status(progress, settings, now) == "InProgress":
        return True
    begins = clock.start_seconds(settings)["InProgress" if progress.phase == "running" else "Validating"]
    limit = clock.timeout_seconds(job, progress, settings)
    return begins >= limit and clock.elapsed_seconds(progress, settings, now) >= limit


def start_validation(time_slice: TimeSlice) -> bool:
    """Find the input files."""
    time_slice.progress.files = find_inputs(time_slice.folder, time_slice.job, time_slice.settings)
    time_slice.progress.phase = "validating"
    time_slice.save()
    return True


def continue_validation(time_slice: TimeSlice) -> bool:
    """Check lines until the time is over; after the last file, check the job's totals and let it run."""
    progress = time_slice.progress
    while progress.file < len(progress.files):
        if not validate_file(time_slice) or time_slice.is_over:
            time_slice.save()
            return True
    check_counts(time_slice.job, progress, time_slice.settings)
    progress.expires_by_fault = find_job_end(time_slice.settings, time_slice.job.name) == "Expired"
    progress.phase, progress.file = "running", 0
    time_slice.save()
    return True


def validate_file(time_slice: TimeSlice) -> bool:
    """Check lines of the current file until its end or until the time is over; return whether its end was reached."""
    progress = time_slice.progress
    with snapshot_input(time_slice.folder, time_slice.job, progress).open("rb") as lines:
        lines.seek(progress.offset)
        for line in read_lines(lines):
            check_line(line, time_slice.job, progress, time_slice.settings)
            if time_slice.is_over:
                return False
    progress.file, progress.offset, progress.line = progress.file + 1, 0, 0
    return True


def run_records(time_slice: TimeSlice) -> bool:
    """Answer records as far as clock and time allow, and end the job when it is complete or timed out."""
    now, job, progress, settings = time_slice.emulator.now(), time_slice.job, time_slice.progress, time_slice.settings
    if progress.status != "InProgress":
        return False
    # Once records are marked as not processed the job must end early, even if clock or settings are changed back.
    if not progress.unprocessed:
        end, allowed = find_fault_end(time_slice), clock.records_allowed(job, progress, settings, now)
        # A fault ends a job half-way, so that both kinds of records are there: some with an answer, some without.
        most = progress.total // 2 if end else progress.total
        if progress.processed < min(allowed, most):
            return request_answers(time_slice, min(allowed, most))
        if end and progress.processed >= most:
            return end_by_fault(time_slice, end)
        elapsed = clock.elapsed_seconds(progress, settings, now)
        if progress.processed == progress.total and elapsed >= clock.end_seconds(progress, settings):
            return finish(time_slice, "Completed")
        if elapsed < clock.timeout_seconds(job, progress, settings):
            return False
    return end_early(time_slice, "PartiallyCompleted", RECORD_TIMED_OUT, JOB_PARTIAL)


def find_fault_end(time_slice: TimeSlice) -> EndStatus | None:
    """Return the end that a fault makes of a job under way; Expired is for jobs that have not begun."""
    end = find_job_end(time_slice.settings, time_slice.job.name)
    return None if end == "Expired" else end


def end_by_fault(time_slice: TimeSlice, end: EndStatus) -> bool:
    """End a job half-way as its fault says."""
    if end == "Stopped":
        # As if a user had stopped it: it is Stopping first, and the next step ends it.
        jobs.request_stop(time_slice.folder, time_slice.job, time_slice.emulator.now())
        return True
    if end == "PartiallyCompleted":
        return end_early(time_slice, end, RECORD_TIMED_OUT, JOB_PARTIAL)
    return finish(time_slice, "Failed", JOB_FAILED)


def request_answers(time_slice: TimeSlice, allowed: int) -> bool:
    """Request answers until so many records are processed.

    Returns False without a responder, while another process has the lease, or with nothing to do but wait.
    """
    responder, before = time_slice.emulator.find_responder(), time_slice.progress.processed
    if responder is None or is_leased_elsewhere(time_slice):
        return False
    answer_records(time_slice, responder, allowed)
    return time_slice.progress.processed > before or (time_slice.waits == "long" and not time_slice.is_over)


def finish_stop(time_slice: TimeSlice, stopped: float) -> bool:
    """Stop a job once it has been Stopping as long as the clock says."""
    cancel_job(time_slice.job.job_id)
    elapsed = (time_slice.emulator.now() - stopped) * time_slice.settings.speed
    if elapsed < time_slice.settings.minimum_seconds("Stopping"):
        return False
    return end_early(time_slice, "Stopped", RECORD_STOPPED)


def end_early(time_slice: TimeSlice, end: EndStatus, reason: str, message: str | None = None) -> bool:
    """Write the answers that are ready, mark the records without one, then end the job, a part with each call."""
    # Answers that are paid for lie in the memory of the process that asked: it alone can write them.
    if is_leased_elsewhere(time_slice):
        return False
    return write_ready(time_slice) or mark_unprocessed(time_slice, reason) or finish(time_slice, end, message)


def mark_unprocessed(time_slice: TimeSlice, reason: str) -> bool:
    """Mark some records that the job did not process; return False when none is left, or none is to be marked."""
    progress = time_slice.progress
    if time_slice.settings.unprocessed_records == "absent" or progress.status != "InProgress":
        return False
    if progress.done == progress.total:
        return False
    try:
        write_unprocessed(time_slice, reason)
    except InvalidInputError:
        # A user has edited the input in the folder: a record that cannot be read again gets no line.
        return False
    return True


def finish(time_slice: TimeSlice, end: EndStatus, message: str | None = None) -> bool:
    """Publish what the job leaves, then end it; after a crash in between the next process repeats this."""
    progress = time_slice.progress
    if progress.status == "InProgress":
        try:
            if not publish_outputs(time_slice, end):
                return True
        except ServiceError as error:
            uri = time_slice.job.output_config["s3Uri"]
            end, message = "Failed" if end != "Stopped" else end, f"Could not write to {uri}: {error.message}"
    with jobs.lock_end(time_slice.folder, time_slice.job):
        # A stop that came meanwhile was accepted, so the job has to end as Stopped, at the next step.
        if end != "Stopped" and jobs.stop_time(time_slice.folder, time_slice.job) is not None:
            return True
        progress.end, progress.message, progress.ended = end, message, time_slice.emulator.now()
        progress.waiting, progress.lease_holder = [], ""
        time_slice.save()
    release_lock(time_slice)
    clean_up(time_slice.job, time_slice.emulator, time_slice.deadline)
    return True


def clean_up(job: Job, emulator: Emulator, deadline: float) -> bool:
    """Delete the files that a job which has ended needs no more; return False if the deadline came before the last."""
    drop_answers(job.job_id)
    folders = [jobs.job_folder(emulator.folder, job) / name for name in ("input", "output", "shown")]
    for number, path in enumerate(path for folder in folders for path in list_left(folder)):
        if number >= FEW_FILES and time.monotonic() >= deadline:
            return False
        path.unlink(missing_ok=True)
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
    # Last, or no process would come back for the files if this one died before.
    jobs.delete_markers(emulator.folder, job)
    return True


def list_left(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, which another process may be deleting as well."""
    with suppress(FileNotFoundError):
        yield from folder.iterdir()
