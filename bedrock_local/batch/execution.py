"""Records of a job that runs: asked, answered, written, and shown where the job's output will be.

Every step can be broken off at any moment. What counts is in the job's progress, which is renamed into place; an
output file that is longer than its progress says is cut back, so each record is answered once.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from bedrock_local.batch.fault_effects import damage_answer, damage_line, find_record_fault
from bedrock_local.batch.inference_pool import InferencePool, find_pool, list_ready
from bedrock_local.batch.input_validation import InvalidInputError
from bedrock_local.batch.jobs import Place, output_path
from bedrock_local.batch.lease import renew_lease
from bedrock_local.batch.outputs import publish_manifest, publish_output, show_outputs
from bedrock_local.batch.record_order import read_line, take_place
from bedrock_local.batch.records import Outcome, Record, answer_record, expire_record, read_record
from bedrock_local.batch.time_slice import Turn
from bedrock_local.inference import Responder
from bedrock_local.models import MODELS
from bedrock_local.protocol.job_status import EndStatus

# So often, at least, what was answered is written: that much a killed process has to do again.
STEP_SECONDS = 0.5
STEP_BYTES = 4_000_000
# Answers that come one after the other come within this time.
NEXT_SECONDS = 0.02
# To show an output takes longer than to answer a short record.
STEP_FILES = 64


@dataclass
class Step:
    """Lines that are not written yet, by the number of their file, and when they have to be."""

    until: float
    lines: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    size: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it is time to write."""
        return self.size >= STEP_BYTES or len(self.lines) >= STEP_FILES or time.monotonic() >= self.until

    def add(self, place: Place, line: bytes) -> None:
        """Take a line for the output of a record's file."""
        self.lines[place.file].append(line)
        self.size += len(line)


def answer_some(turn: Turn, responder: Responder, allowed: int) -> None:
    """Answer records until so many are processed, or a step is over."""
    is_quick, step = getattr(responder, "is_quick", False), begin_step(turn)
    try:
        (answer_in_turn if is_quick else answer_in_threads)(turn, step, responder, allowed)
    except InvalidInputError:
        # The job ends here, with what is counted.
        collect_ready(turn, step, [])
        keep_lines(turn, step)
        raise


def answer_in_turn(turn: Turn, step: Step, responder: Responder, allowed: int) -> None:
    """Ask somebody who answers at once, one question after the other, and one at least."""
    progress = turn.progress
    while progress.processed < allowed:
        place = take_place(turn.folder, turn.job, progress, taken=progress.done)
        add_outcome(step, turn, place, make_call(turn, responder, place)())
        if step.is_over:
            break
    keep_lines(turn, step)


def answer_in_threads(turn: Turn, step: Step, responder: Responder, allowed: int) -> None:
    """Ask somebody who takes his time, and write what is ready when the step is over."""
    progress, pool = turn.progress, find_pool(responder)
    read, asked = (progress.file, progress.offset), take_asked(turn, pool)
    try:
        while True:
            has_come = collect_ready(turn, step, asked)
            ask_more(turn, pool, asked, allowed)
            if step.is_over or progress.processed >= allowed:
                break
            longest = step.until - time.monotonic()
            if turn.waits == "briefly":
                longest = min(longest, NEXT_SECONDS if has_come else 0.0)
            if not pool.wait([(turn.job.job_id, place) for place in asked], longest):
                break
    finally:
        # As long as it is not answered a record waits, whoever was asked: he may be gone tomorrow.
        progress.waiting += asked
    is_new = renew_lease(turn, len(asked))
    if step.lines or is_new or read != (progress.file, progress.offset):
        keep_lines(turn, step)


def collect_ready(turn: Turn, step: Step, asked: list[Place]) -> bool:
    """Take the answers that are ready, whoever gave them, and tell whether there were any.

    One to a record that another process has answered is dropped.
    """
    before = turn.progress.processed
    for pool, place in list_ready(turn.job.job_id):
        outcome = pool.collect((turn.job.job_id, place))
        for places in (asked, turn.progress.waiting):
            if place in places:
                places.remove(place)
                add_outcome(step, turn, place, outcome)
    return turn.progress.processed > before


def keep_ready(turn: Turn) -> bool:
    """Write the answers that are ready before a job ends early, as they are paid for; tell whether there were any."""
    step = begin_step(turn)
    if not collect_ready(turn, step, []):
        return False
    keep_lines(turn, step)
    return True


def take_asked(turn: Turn, pool: InferencePool) -> list[Place]:
    """Take those records out of the ones that wait that were asked at an earlier question."""
    waiting = turn.progress.waiting
    asked = [place for place in waiting if pool.has((turn.job.job_id, place))]
    turn.progress.waiting = [place for place in waiting if place not in set(asked)]
    return asked


def ask_more(turn: Turn, pool: InferencePool, asked: list[Place], allowed: int) -> None:
    """Keep every thread busy, with one more question at hand for each."""
    progress = turn.progress
    while len(asked) < 2 * pool.semaphore.workers and progress.processed + len(asked) < allowed:
        place = take_place(turn.folder, turn.job, progress, taken=progress.done + len(asked))
        pool.submit((turn.job.job_id, place), make_call(turn, pool.responder, place))
        asked.append(place)


def mark_some(turn: Turn, reason: str) -> None:
    """Write error lines for records that the job did not come to."""
    progress, step, total = turn.progress, begin_step(turn), turn.progress.total
    try:
        while progress.done < total:
            place = take_place(turn.folder, turn.job, progress, taken=progress.done)
            step.add(place, expire_record(read_again(turn, place), reason, number=place.line))
            progress.unprocessed += 1
            if step.is_over:
                break
    finally:
        # What is counted has its line, also when the next record cannot be read any more.
        keep_lines(turn, step)


def begin_step(turn: Turn) -> Step:
    """Begin a step, which ends with the turn, or earlier."""
    return Step(min(turn.deadline, time.monotonic() + STEP_SECONDS))


def make_call(turn: Turn, responder: Responder, place: Place) -> Callable[[], Outcome]:
    """Make the call that answers a record."""
    job, record = turn.job, read_again(turn, place)
    ask = damage_answer(replace(turn.emulator, responder=responder).ask, find_fault(turn, place))
    return lambda: answer_record(
        record, MODELS[job.model], invocation_type=job.invocation_type, responder=ask, number=place.line
    )


def read_again(turn: Turn, place: Place) -> Record:
    """Read a record that was validated; somebody who edits the file in the folder may have changed it since."""
    try:
        return read_record(read_line(turn.folder, turn.job, place))
    except ValueError as error:
        where = f"Input file {turn.progress.files[place.file].key}, line {place.line}"
        raise InvalidInputError(f"{where} has changed since it was validated: {error}") from error


def find_fault(turn: Turn, place: Place) -> str:
    """Name the fault that strikes a record; empty for none."""
    return find_record_fault(turn.settings, turn.progress.files[place.file].name, place.line)


def add_outcome(step: Step, turn: Turn, place: Place, outcome: Outcome) -> None:
    """Count an answer, and take its line, or what a fault has made of it."""
    progress = turn.progress
    step.add(place, damage_line(outcome.line, find_fault(turn, place)))
    progress.success += outcome.is_success
    progress.errors += not outcome.is_success
    progress.input_tokens += outcome.input_tokens
    progress.output_tokens += outcome.output_tokens


def keep_lines(turn: Turn, step: Step) -> None:
    """Write the lines of a step, then say so, then show them."""
    turn.progress.settled = 0
    for number, lines in step.lines.items():
        turn.progress.files[number].written += append_lines(turn, number, lines)
    turn.save()
    show_outputs(turn.folder, turn.job, turn.progress, turn.settings, step.lines)


def settle_outputs(turn: Turn, end: EndStatus) -> bool:
    """Leave nothing in output files but what counts, and publish them for good; False when the time is over before."""
    progress = turn.progress
    for number in range(progress.settled, len(progress.files)):
        # Of a job that came to its end each input file has an output, even if no record was in it.
        if progress.files[number].written or end == "Completed":
            append_lines(turn, number, ())
            publish_output(turn.folder, turn.job, progress, number)
        progress.settled = number + 1
        if turn.is_over and progress.settled < len(progress.files):
            turn.save()
            return False
    publish_manifest(turn.folder, turn.job, progress, turn.settings)
    return True


def append_lines(turn: Turn, number: int, lines: Iterable[bytes]) -> int:
    """Write lines behind those that count, in place of what an interrupted process left there; give their bytes."""
    path = output_path(turn.folder, turn.job, number)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, turn.progress.files[number].written)
    with path.open("ab") as output:
        return sum(output.write(line) for line in lines)
