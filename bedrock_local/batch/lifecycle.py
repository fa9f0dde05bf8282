"""The work on jobs: whoever asks for a job does a little of it, so that nothing has to run in between."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from filelock import Timeout

from bedrock_local.batch import clock, jobs, quota_queue
from bedrock_local.batch.execution import answer_some, keep_ready, mark_some, settle_outputs
from bedrock_local.batch.fault_effects import find_job_end, slow_down
from bedrock_local.batch.inference_pool import cancel_job, drop_answers, wait_for_answer
from bedrock_local.batch.input_validation import (
    InvalidInputError,
    check_counts,
    check_line,
    find_inputs,
    read_lines,
    take_input,
)
from bedrock_local.batch.jobs import Job, Progress
from bedrock_local.batch.lease import is_leased_elsewhere, release_lock
from bedrock_local.batch.time_slice import Turn, Wait
from bedrock_local.emulator import Emulator
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.job_status import EndStatus

TURN_SECONDS = 0.05
FEW_FILES = 100
STOPPED = "The job was stopped before the record was processed"
TIMED_OUT = "The job timed out before the record was processed"
EXPIRED = "The job timed out before it began"
PARTIAL = "The job timed out before all records were processed"
BROKEN = "The job failed due to an internal error. Try again."


def work_on(job: Job, emulator: Emulator, deadline: float) -> None:
    """Work on a job until it has to wait for its clock, or for another process, or the deadline comes.

    A job that waits for a slot gets on as those before it do, so these are worked on first.
    """
    progress = jobs.read_progress(emulator.folder, job)
    if progress.began is None and not progress.end:
        work_in_turns(lambda: list_peers(job, emulator), emulator, deadline)
    work_alone(job, emulator, deadline, waits="long")


def list_peers(job: Job, emulator: Emulator) -> list[Job]:
    """List the jobs to work on that share the slots of one that waits."""
    due = quota_queue.list_due(emulator.folder, emulator.settings, emulator.now())
    return [each for each in due if (each.model, each.region) == (job.model, job.region) and each != job]


def work_in_turns(list_due: Callable[[], list[Job]], emulator: Emulator, deadline: float) -> None:
    """Work on jobs in turns, one turn at least, until all of them have to wait or the deadline comes.

    What a job raises holds up no other.
    """
    is_busy = True
    while is_busy:
        is_busy = False
        for job in begin_anywhere(list_due()):
            with suppress(Exception):
                is_busy |= work_alone(job, emulator, min(deadline, time.monotonic() + TURN_SECONDS))
            if time.monotonic() >= deadline:
                return
        left = deadline - time.monotonic()
        is_busy = left > 0 and (is_busy or wait_for_answer(left))


def begin_anywhere(found: list[Job]) -> list[Job]:
    """Let chance say who is first, or those behind would never have a turn: nobody remembers who was the last."""
    start = secrets.randbelow(max(1, len(found)))
    return found[start:] + found[:start]


def work_alone(job: Job, emulator: Emulator, deadline: float, *, waits: Wait = "briefly") -> bool:
    """Work on a job, and on nothing before it; tell whether anything was done. Another process may be at it."""
    if jobs.read_progress(emulator.folder, job).end:
        return not put_away(job, emulator, deadline)
    try:
        with jobs.lock_job(emulator.folder, job).acquire(timeout=0):
            progress = jobs.read_progress(emulator.folder, job)
            settings = slow_down(emulator.settings, job.name)
            return take_steps(Turn(emulator, settings, job, progress, deadline, waits))
    except Timeout:
        return False


def look_at(job: Job, emulator: Emulator) -> Progress:
    """Give how far a job has come, after its status is as far as its clock allows; what was told once is kept."""
    progress = jobs.read_progress(emulator.folder, job)
    if progress.end:
        return progress
    settings = slow_down(emulator.settings, job.name)
    if clock.find_status(progress, settings, emulator.now()) == progress.status:
        return progress
    try:
        with jobs.lock_job(emulator.folder, job).acquire(timeout=0):
            turn = Turn(emulator, settings, job, jobs.read_progress(emulator.folder, job), deadline=0.0)
            if not turn.progress.end:
                turn.advance()
            return turn.progress
    except Timeout:
        return progress


def take_steps(turn: Turn) -> bool:
    """Take one step, and more while there is time and something to do; tell whether anything was done."""
    has_moved = False
    while not turn.progress.end and take_step(turn):
        has_moved = True
        if turn.is_over:
            break
    if not turn.progress.end:
        turn.advance()
    return has_moved


def take_step(turn: Turn) -> bool:
    """Do the next piece of work; False when there is none before the clock moves on."""
    stopped = jobs.stop_moment(turn.folder, turn.job)
    if stopped is not None:
        return finish_stop(turn, stopped)
    if turn.progress.began is None:
        return begin_clock(turn)
    turn.advance()
    if has_expired(turn):
        return finish(turn, "Expired", EXPIRED)
    if turn.progress.status == "Submitted":
        return False
    try:
        return {"new": begin_validation, "validating": validate_some, "running": run_some}[turn.progress.phase](turn)
    except InvalidInputError as error:
        return finish(turn, "Failed", str(error))


def begin_clock(turn: Turn) -> bool:
    """Let the job's clock begin if there is a slot for it; until there is, nothing but its timeout can come."""
    now = turn.emulator.now()
    if clock.is_too_old(turn.job, turn.settings, now):
        return finish(turn, "Expired", EXPIRED)
    if not quota_queue.take_slot(turn.folder, turn.settings, turn.job):
        return False
    turn.progress.began = now
    turn.save()
    return True


def has_expired(turn: Turn) -> bool:
    """Tell whether the time is over before what comes next could have begun, or a fault says so."""
    if turn.progress.status == "InProgress":
        return False
    now = turn.emulator.now()
    if turn.progress.is_struck and clock.clock_status(turn.progress, turn.settings, now) == "InProgress":
        return True
    begins = clock.begin_times(turn.settings)["InProgress" if turn.progress.phase == "running" else "Validating"]
    limit = clock.limit_seconds(turn.job, turn.progress, turn.settings)
    return begins >= limit and clock.elapsed_seconds(turn.progress, turn.settings, now) >= limit


def begin_validation(turn: Turn) -> bool:
    """Find the input files; each is kept as it is when it is looked at."""
    turn.progress.files = find_inputs(turn.folder, turn.job, turn.settings)
    turn.progress.phase = "validating"
    turn.save()
    return True


def validate_some(turn: Turn) -> bool:
    """Look at lines until all files or the time are at their end."""
    progress = turn.progress
    while progress.file < len(progress.files):
        if not validate_file(turn) or turn.is_over:
            turn.save()
            return True
    check_counts(turn.job, progress, turn.settings)
    progress.is_struck = find_job_end(turn.settings, turn.job.name) == "Expired"
    progress.phase, progress.file = "running", 0
    turn.save()
    return True


def validate_file(turn: Turn) -> bool:
    """Look at lines of the file at hand until the time is over, or the file; tell whether it is."""
    progress = turn.progress
    with take_input(turn.folder, turn.job, progress).open("rb") as lines:
        lines.seek(progress.offset)
        for line in read_lines(lines):
            check_line(line, progress, turn.settings)
            if turn.is_over:
                return False
    progress.file, progress.offset, progress.line = progress.file + 1, 0, 0
    return True


def run_some(turn: Turn) -> bool:
    """Answer records as far as clock and time allow, and end the job when it is at its end."""
    now, job, progress, settings = turn.emulator.now(), turn.job, turn.progress, turn.settings
    if progress.status != "InProgress":
        return False
    # Once records are marked as never run there is no way back, whatever becomes of clock and settings.
    if not progress.unprocessed:
        end, allowed = find_break(turn), clock.records_allowed(job, progress, settings, now)
        most = progress.total // 2 if end else progress.total
        if progress.processed < min(allowed, most):
            return ask_somebody(turn, min(allowed, most))
        if end and progress.processed >= most:
            return break_off(turn, end)
        elapsed = clock.elapsed_seconds(progress, settings, now)
        if progress.processed == progress.total and elapsed >= clock.end_seconds(progress, settings):
            return finish(turn, "Completed")
        if elapsed < clock.limit_seconds(job, progress, settings):
            return False
    return end_early(turn, "PartiallyCompleted", TIMED_OUT, PARTIAL)


def find_break(turn: Turn) -> EndStatus | None:
    """Give the end that a fault has in store for a job that has begun; it cannot expire any more."""
    end = find_job_end(turn.settings, turn.job.name)
    return None if end == "Expired" else end


def break_off(turn: Turn, end: EndStatus) -> bool:
    """End a job half-way as a fault has it."""
    if end == "Stopped":
        jobs.ask_stop(turn.folder, turn.job, turn.emulator.now())
        return True
    if end == "PartiallyCompleted":
        return end_early(turn, end, TIMED_OUT, PARTIAL)
    return finish(turn, "Failed", BROKEN)


def ask_somebody(turn: Turn, allowed: int) -> bool:
    """Have records answered; False when nobody in this process can, or may, or has more to do than wait."""
    responder, before = turn.emulator.find_responder(), turn.progress.processed
    if responder is None or is_leased_elsewhere(turn):
        return False
    answer_some(turn, responder, allowed)
    return turn.progress.processed > before or (turn.waits == "long" and not turn.is_over)


def finish_stop(turn: Turn, stopped: float) -> bool:
    """Let the job be Stopping as long as the clock says, then stop it."""
    cancel_job(turn.job.job_id)
    elapsed = (turn.emulator.now() - stopped) * turn.settings.factor
    if elapsed < turn.settings.lasts("Stopping"):
        return False
    return end_early(turn, "Stopped", STOPPED)


def end_early(turn: Turn, end: EndStatus, reason: str, message: str | None = None) -> bool:
    """Write what is answered, mark what is not, then end the job, which is for whoever has the answers to do."""
    if is_leased_elsewhere(turn):
        return False
    return keep_ready(turn) or mark_rest(turn, reason) or finish(turn, end, message)


def mark_rest(turn: Turn, reason: str) -> bool:
    """Mark some of the records that a job which had begun did not come to; False when nothing is left to mark."""
    progress = turn.progress
    if turn.settings.unprocessed_records == "absent" or progress.status != "InProgress":
        return False
    if progress.done == progress.total:
        return False
    try:
        mark_some(turn, reason)
    except InvalidInputError:
        # Somebody edits the input in the folder: what cannot be read again has no line.
        return False
    return True


def finish(turn: Turn, end: EndStatus, message: str | None = None) -> bool:
    """Write what the job leaves, then end it; a process that dies between goes on with it."""
    progress = turn.progress
    if progress.status == "InProgress":
        try:
            if not settle_outputs(turn, end):
                return True
        except ServiceError as error:
            uri = turn.job.output_config["s3Uri"]
            end, message = "Failed" if end != "Stopped" else end, f"Could not write to {uri}: {error.message}"
    with jobs.lock_end(turn.folder, turn.job):
        if end != "Stopped" and jobs.stop_moment(turn.folder, turn.job) is not None:
            return True
        progress.end, progress.message, progress.ended = end, message, turn.emulator.now()
        progress.waiting, progress.lease_holder = [], ""
        turn.save()
    release_lock(turn)
    put_away(turn.job, turn.emulator, turn.deadline)
    return True


def put_away(job: Job, emulator: Emulator, deadline: float) -> bool:
    """Drop what a job that has ended leaves beside its state; False when the deadline comes before the end of many."""
    drop_answers(job.job_id)
    places = [jobs.job_folder(emulator.folder, job) / name for name in ("input", "output", "shown")]
    for number, path in enumerate(path for place in places for path in place.glob("*")):
        if number >= FEW_FILES and time.monotonic() >= deadline:
            return False
        path.unlink(missing_ok=True)
    for place in places:
        with suppress(OSError):
            place.rmdir()
    # At last, or nobody would come by again when a process dies between.
    jobs.unmark_job(emulator.folder, job)
    return True
