"""The work on jobs: whoever asks for a job does a little of it, so that nothing has to run in between.

Every step can be broken off at any moment. What counts is in the job's progress, which is renamed into place; an
output file that is longer than its progress says is cut back, so each record is answered once.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import Timeout

from bedrock_local import jobs
from bedrock_local.emulator import Emulator
from bedrock_local.errors import ServiceError
from bedrock_local.jobs import Ended, Job, Progress
from bedrock_local.models import MODELS
from bedrock_local.outputs import publish_outputs
from bedrock_local.records import answer_record, read_record
from bedrock_local.settings import Settings
from bedrock_local.validation import InvalidInputError, check_counts, check_line, take_inputs

CHUNK_RECORDS = 64
CHUNK_BYTES = 4_000_000


@dataclass(frozen=True)
class Work:
    """A job under its lock, and until when (by `time.monotonic`) to work on it."""

    emulator: Emulator
    settings: Settings
    job: Job
    progress: Progress
    deadline: float

    @property
    def folder(self) -> Path:
        """The emulator's folder."""
        return self.emulator.folder

    @property
    def is_over(self) -> bool:
        """Whether the time for this piece of work is used up."""
        return time.monotonic() >= self.deadline

    def save(self) -> None:
        """Keep how far the work has come."""
        self.progress.changed = self.emulator.now()
        jobs.save_progress(self.folder, self.job, self.progress)


def work_on(job: Job, emulator: Emulator, deadline: float) -> None:
    """Work on a job until it has to wait for its clock or the deadline comes; not at all when another process does."""
    if jobs.read_progress(emulator.folder, job).end:
        return
    try:
        with jobs.lock_job(emulator.folder, job).acquire(timeout=0):
            progress = jobs.read_progress(emulator.folder, job)
            work = Work(emulator, emulator.settings, job, progress, deadline)
            while not progress.end and take_step(work) and not work.is_over:
                pass
    except Timeout:
        return


def take_step(work: Work) -> bool:
    """Do the next piece of work; False when there is none before the clock moves on."""
    stopped = jobs.stop_moment(work.folder, work.job)
    if stopped is not None:
        return finish_stop(work, stopped)
    if has_expired(work):
        return finish(work, "Expired", "The job timed out before it began")
    if jobs.clock_status(work.job, work.settings, work.emulator.now()) == "Submitted":
        return False
    try:
        return {"new": begin_validation, "validating": validate_some, "running": run_some}[work.progress.phase](work)
    except InvalidInputError as error:
        return finish(work, "Failed", str(error))


def has_expired(work: Work) -> bool:
    """Tell whether the time is over before what comes next could have begun."""
    limit = work.job.timeout_hours * 3600
    begins = jobs.begin_times(work.settings)["InProgress" if work.progress.phase == "running" else "Validating"]
    return begins >= limit and jobs.elapsed_seconds(work.job, work.settings, work.emulator.now()) >= limit


def begin_validation(work: Work) -> bool:
    """Take the input files as they are now."""
    work.progress.files = take_inputs(work.folder, work.job, work.settings)
    work.progress.phase = "validating"
    work.save()
    return True


def validate_some(work: Work) -> bool:
    """Look at lines until the file or the time is at its end."""
    progress = work.progress
    with jobs.input_path(work.folder, work.job, progress.file).open("rb") as lines:
        lines.seek(progress.offset)
        for line in lines:
            check_line(line, progress, work.settings)
            if work.is_over:
                work.save()
                return True
    progress.file, progress.offset, progress.line = progress.file + 1, 0, 0
    if progress.file == len(progress.files):
        check_counts(work.job, progress, work.settings)
        progress.phase, progress.file = "running", 0
    work.save()
    return True


def run_some(work: Work) -> bool:
    """Answer records as far as clock and time allow, and end the job when it is at its end."""
    now, job, progress = work.emulator.now(), work.job, work.progress
    begins = jobs.begin_times(work.settings)["InProgress"]
    elapsed, limit = jobs.elapsed_seconds(job, work.settings, now), job.timeout_hours * 3600
    allowed = jobs.records_allowed(job, progress, work.settings, now)
    if progress.processed < allowed:
        answer_chunk(work, allowed)
        return True
    if progress.processed == progress.total and elapsed >= begins + work.settings.lasts("InProgress"):
        return finish(work, "Completed")
    return elapsed >= limit and finish(
        work, "PartiallyCompleted", "The job timed out before all records were processed"
    )


def answer_chunk(work: Work, allowed: int) -> None:
    """Answer the records of a chunk in an order that is shuffled, and the same each time."""
    progress = work.progress
    file = progress.files[progress.file]
    chunk, next_offset, next_line = read_chunk(work)
    order = random.Random(f"{file.name} {progress.line}").sample(chunk, len(chunk))  # noqa: S311 -- not for secrets
    with open_output(work) as output:
        for number, line in order[progress.done :]:
            add_answer(work, output, number, line)
            if progress.processed >= allowed or work.is_over:
                break
        output.flush()
    if progress.done == len(chunk):
        progress.offset, progress.line, progress.done = next_offset, next_line, 0
    if not chunk:
        progress.file, progress.offset, progress.line, progress.written = progress.file + 1, 0, 0, 0
    work.save()


def read_chunk(work: Work) -> tuple[list[tuple[int, bytes]], int, int]:
    """Read the next records with their line numbers, and give where the chunk after them begins."""
    progress, chunk, size, number = work.progress, [], 0, work.progress.line
    with jobs.input_path(work.folder, work.job, progress.file).open("rb") as lines:
        lines.seek(progress.offset)
        offset = progress.offset
        for line in lines:
            number, offset = number + 1, offset + len(line)
            if line.strip():
                chunk.append((number, line))
                size += len(line)
            if len(chunk) == CHUNK_RECORDS or size >= CHUNK_BYTES:
                break
    return chunk, offset, number


def open_output(work: Work) -> BinaryIO:
    """Open the output file for more, without what an interrupted process left behind."""
    path = jobs.output_path(work.folder, work.job, work.progress.file)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, work.progress.written)
    return path.open("ab")


def add_answer(work: Work, output: BinaryIO, number: int, line: bytes) -> None:
    """Answer one record and count it."""
    job, progress = work.job, work.progress
    outcome = answer_record(
        read_record(line),
        MODELS[job.model],
        invocation_type=job.invocation_type,
        answer=work.emulator.ask,
        number=number,
    )
    progress.written += output.write(outcome.line)
    progress.done += 1
    progress.success += outcome.is_success
    progress.errors += not outcome.is_success
    progress.input_tokens += outcome.input_tokens
    progress.output_tokens += outcome.output_tokens


def finish_stop(work: Work, stopped: float) -> bool:
    """Let the job be Stopping as long as the clock says, then stop it."""
    elapsed = (work.emulator.now() - stopped) * work.settings.factor
    return elapsed >= work.settings.lasts("Stopping") and finish(work, "Stopped")


def finish(work: Work, end: Ended, message: str | None = None) -> bool:
    """Write what the job leaves, then end it; a process that dies between does it over."""
    progress = work.progress
    if progress.phase == "running" and end != "Expired":
        open_output(work).close()
        try:
            publish_outputs(work.folder, work.job, progress)
        except ServiceError as error:
            end, message = "Failed", f"Could not write to {work.job.output_uri}: {error.message}"
    progress.end, progress.message, progress.ended = end, message, work.emulator.now()
    work.save()
    for path in (jobs.input_path(work.folder, work.job, 0), jobs.output_path(work.folder, work.job, 0)):
        shutil.rmtree(path.parent, ignore_errors=True)
    return True
