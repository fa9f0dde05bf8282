"""The records of a running job: they are answered, written, and published as far as they are written.

A process may die at any moment. What counts is in the job's progress, which is renamed into place; an output file that
is longer than its progress says is truncated, so each record is answered once.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from bedrock_local.batch.fault_effects import apply_line_fault, find_record_fault, inject_fault
from bedrock_local.batch.inference_pool import InferencePool, find_pool, list_ready
from bedrock_local.batch.input_validation import InvalidInputError
from bedrock_local.batch.jobs import RecordRef, output_path
from bedrock_local.batch.lease import renew_lease
from bedrock_local.batch.outputs import publish_final_output, publish_manifest, publish_partial_outputs
from bedrock_local.batch.record_order import next_record, read_line
from bedrock_local.batch.records import Outcome, Record, answer_record, expire_record, read_record
from bedrock_local.batch.time_slice import TimeSlice
from bedrock_local.inference import Responder
from bedrock_local.models import find_model
from bedrock_local.protocol.job_status import EndStatus

# Answers are written at least this often: so much has to be asked again after a process was killed.
FLUSH_SECONDS = 0.5
FLUSH_BYTES = 4_000_000
# Publishing an output file takes longer than answering a short record, so a job of many files is flushed sooner.
FLUSH_FILES = 64
# How long a time slice that waits `briefly` waits for one more answer after an answer.
NEXT_SECONDS = 0.02


@dataclass
class OutputBuffer:
    """Output lines that are not written yet, by the number of their file, and the time by which they have to be."""

    until: float
    lines: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    size: int = 0

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        return self.size >= FLUSH_BYTES or len(self.lines) >= FLUSH_FILES or time.monotonic() >= self.until

    def add(self, ref: RecordRef, line: bytes) -> None:
        """Add a line to the output of a record's file."""
        self.lines[ref.file].append(line)
        self.size += len(line)


def answer_records(time_slice: TimeSlice, responder: Responder, allowed: int) -> None:
    """Answer records until so many are processed, or the buffer is due."""
    buffer = start_buffer(time_slice)
    answer = answer_in_sequence if getattr(responder, "is_quick", False) else answer_in_pool
    try:
        answer(time_slice, buffer, responder, allowed)
    except InvalidInputError:
        # The error ends the job, with the records that are counted: so those that are answered are counted first.
        collect_ready(time_slice, buffer, [])
        flush_lines(time_slice, buffer)
        raise


def answer_in_sequence(time_slice: TimeSlice, buffer: OutputBuffer, responder: Responder, allowed: int) -> None:
    """Ask a quick responder in this thread, one question after the other, and one at least."""
    progress = time_slice.progress
    while progress.processed < allowed:
        ref = next_record(time_slice.folder, time_slice.job, progress, taken=progress.done)
        add_outcome(buffer, time_slice, ref, make_call(time_slice, responder, ref)())
        if buffer.is_due:
            break
    flush_lines(time_slice, buffer)


def answer_in_pool(time_slice: TimeSlice, buffer: OutputBuffer, responder: Responder, allowed: int) -> None:
    """Ask a slow responder in the threads of its pool, and write the answers that are ready when the buffer is due."""
    progress, pool = time_slice.progress, find_pool(responder)
    read, asked = (progress.file, progress.offset), pop_asked(time_slice, pool)
    try:
        while True:
            has_come = collect_ready(time_slice, buffer, asked)
            fill_pool(time_slice, pool, asked, allowed)
            if buffer.is_due or progress.processed >= allowed:
                break
            longest = buffer.until - time.monotonic()
            if time_slice.waits == "briefly":
                longest = min(longest, NEXT_SECONDS if has_come else 0.0)
            if not pool.wait([(time_slice.job.job_id, ref) for ref in asked], longest):
                break
    finally:
        # A record waits until it is answered, although it is asked: this process may not live to collect the answer.
        progress.waiting += asked
    is_new = renew_lease(time_slice, len(asked))
    if buffer.lines or is_new or read != (progress.file, progress.offset):
        flush_lines(time_slice, buffer)


def collect_ready(time_slice: TimeSlice, buffer: OutputBuffer, asked: list[RecordRef]) -> bool:
    """Collect the answers that are ready, in the pools of all responders; return whether there were any.

    The answer to a record that another process has answered meanwhile is dropped.
    """
    before = time_slice.progress.processed
    for pool, ref in list_ready(time_slice.job.job_id):
        outcome = pool.collect((time_slice.job.job_id, ref))
        for refs in (asked, time_slice.progress.waiting):
            if ref in refs:
                refs.remove(ref)
                add_outcome(buffer, time_slice, ref, outcome)
    return time_slice.progress.processed > before


def write_ready(time_slice: TimeSlice) -> bool:
    """Write the answers that are ready before a job ends early, as they are paid for; return whether there are any."""
    buffer = start_buffer(time_slice)
    if not collect_ready(time_slice, buffer, []):
        return False
    flush_lines(time_slice, buffer)
    return True


def pop_asked(time_slice: TimeSlice, pool: InferencePool) -> list[RecordRef]:
    """Remove the records that an earlier time slice has submitted from those that wait, and return them."""
    waiting = time_slice.progress.waiting
    asked = [ref for ref in waiting if pool.has((time_slice.job.job_id, ref))]
    time_slice.progress.waiting = [ref for ref in waiting if ref not in set(asked)]
    return asked


def fill_pool(time_slice: TimeSlice, pool: InferencePool, asked: list[RecordRef], allowed: int) -> None:
    """Submit records until the pool has two for each thread."""
    progress = time_slice.progress
    # One more for each thread than it can ask, or it would be idle from an answer to the next time slice.
    while len(asked) < 2 * pool.semaphore.workers and progress.processed + len(asked) < allowed:
        ref = next_record(time_slice.folder, time_slice.job, progress, taken=progress.done + len(asked))
        pool.submit((time_slice.job.job_id, ref), make_call(time_slice, pool.responder, ref))
        asked.append(ref)


def write_unprocessed(time_slice: TimeSlice, reason: str) -> None:
    """Write error lines for records that the job did not process, until the buffer is due."""
    progress, buffer, total = time_slice.progress, start_buffer(time_slice), time_slice.progress.total
    try:
        while progress.done < total:
            ref = next_record(time_slice.folder, time_slice.job, progress, taken=progress.done)
            buffer.add(ref, expire_record(reread_record(time_slice, ref), reason, number=ref.line))
            progress.unprocessed += 1
            if buffer.is_due:
                break
    finally:
        # What is counted has to have its line, also when the next record cannot be read any more.
        flush_lines(time_slice, buffer)


def start_buffer(time_slice: TimeSlice) -> OutputBuffer:
    """Return an empty buffer, which is due when the time slice is over, or earlier."""
    return OutputBuffer(min(time_slice.deadline, time.monotonic() + FLUSH_SECONDS))


def make_call(time_slice: TimeSlice, responder: Responder, ref: RecordRef) -> Callable[[], Outcome]:
    """Return the call that answers a record."""
    job, record = time_slice.job, reread_record(time_slice, ref)
    ask = inject_fault(replace(time_slice.emulator, responder=responder).ask, find_fault(time_slice, ref))
    model = find_model(job.model)
    if model is None:
        raise InvalidInputError(f"The model {job.model} is not in the emulator's table any more")
    strict = time_slice.settings.strict
    return lambda: answer_record(
        record, model, invocation_type=job.invocation_type, responder=ask, number=ref.line, strict=strict
    )


def reread_record(time_slice: TimeSlice, ref: RecordRef) -> Record:
    """Read a record that was validated; an InvalidInputError says that its file in the folder was edited since."""
    try:
        return read_record(read_line(time_slice.folder, time_slice.job, ref), time_slice.job.form)
    except ValueError as error:
        where = f"Input file {time_slice.progress.files[ref.file].key}, line {ref.line}"
        raise InvalidInputError(f"{where} has changed since it was validated: {error}") from error


def find_fault(time_slice: TimeSlice, ref: RecordRef) -> str:
    """Return the fault that applies to a record; empty for none."""
    return find_record_fault(time_slice.settings, time_slice.progress.files[ref.file].name, ref.line)


def add_outcome(buffer: OutputBuffer, time_slice: TimeSlice, ref: RecordRef, outcome: Outcome) -> None:
    """Count an answer, and buffer its line, or what a fault makes of the line."""
    progress = time_slice.progress
    buffer.add(ref, apply_line_fault(outcome.line, find_fault(time_slice, ref)))
    progress.success += outcome.is_success
    progress.errors += not outcome.is_success
    progress.input_tokens += outcome.input_tokens
    progress.output_tokens += outcome.output_tokens


def flush_lines(time_slice: TimeSlice, buffer: OutputBuffer) -> None:
    """Write the lines of a buffer, then the progress, then publish them."""
    # The order matters: lines beyond the progress are truncated, lines that are published must stay.
    time_slice.progress.final_files = 0
    for number, lines in buffer.lines.items():
        time_slice.progress.files[number].written += append_lines(time_slice, number, lines)
    time_slice.save()
    publish_partial_outputs(time_slice.folder, time_slice.job, time_slice.progress, time_slice.settings, buffer.lines)


def publish_outputs(time_slice: TimeSlice, end: EndStatus) -> bool:
    """Truncate output files to what counts and publish them for good; return False if the time is over before."""
    progress = time_slice.progress
    for number in range(progress.final_files, len(progress.files)):
        # Of a job that completed each input file has an output, even if no record was in it.
        if progress.files[number].written or end == "Completed":
            append_lines(time_slice, number, ())
            publish_final_output(time_slice.folder, time_slice.job, progress, number)
        progress.final_files = number + 1
        if time_slice.is_over and progress.final_files < len(progress.files):
            time_slice.save()
            return False
    publish_manifest(time_slice.folder, time_slice.job, progress, time_slice.settings)
    return True


def append_lines(time_slice: TimeSlice, number: int, lines: Iterable[bytes]) -> int:
    """Write lines after those that count, over what an interrupted process left there; return how many bytes."""
    path = output_path(time_slice.folder, time_slice.job, number)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, time_slice.progress.files[number].written)
    with path.open("ab") as output:
        return sum(output.write(line) for line in lines)
