"""On demand: the same records answered now, in lines of the same form as a batch job's output."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from analysis.aws.session import NETWORK_ERRORS
from analysis.aws.storage import ends_line
from analysis.errors import JobError
from analysis.files import make_folder, open_to_append

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

AT_ONCE = 8
WITHDRAWN = "-"  # before the id of a record that was asked for and refused without a charge; ids have none
# Errors that are due to the caller, not to a record: every further record would fail alike.
CALLER_ERRORS = {
    "AccessDeniedException": "allow the caller bedrock:InvokeModel on the model and its inference profile",
    "ResourceNotFoundException": "check model id and region",
    "UnrecognizedClientException": "sign in again",
    "ExpiredTokenException": "sign in again",
    "InvalidSignatureException": "sign in again",
}


class InputLine(msgspec.Struct, rename="camel"):
    """A line of an input file; the model input stays as it was written."""

    record_id: str
    model_input: msgspec.Raw


class OutputError(msgspec.Struct, rename="camel"):
    """Why a record has no answer."""

    retryable: bool = True
    may_be_charged: bool = False


class OutputLine(msgspec.Struct, rename="camel"):
    """The fields of an output line that decide whether its record has to be sent again."""

    record_id: str
    model_output: msgspec.Raw = msgspec.Raw(b"null")
    error: OutputError | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the record has its answer."""
        return bytes(self.model_output) != b"null"

    @property
    def may_be_charged(self) -> bool:
        """Whether the network broke off while the record was being answered."""
        return self.error is not None and self.error.may_be_charged

    @property
    def is_settled(self) -> bool:
        """Whether it is answered, or the model rejects the request for good."""
        return self.is_answered or (self.error is not None and not self.error.retryable)


def invoke_file(
    source: Path,
    target: Path,
    *,
    invoke: Callable[[bytes], bytes],
    at_once: int = AT_ONCE,
    taken: Set[str] = frozenset(),
) -> None:
    """Answer the records of one input file, some at a time.

    A record that has an answer in `target` is not sent again, so this can be repeated after any interruption.

    Parameters
    ----------
    source
        An input file: one record per line.
    target
        The output file; lines are added in the order in which the answers come.
    invoke
        Takes a model input and returns the model output, both JSON; made by `make_invoke`.
    at_once
        How many requests are under way together.
    taken
        Ids of records that have been answered elsewhere, and are not sent.

    Raises
    ------
    JobError
        A refusal that every further record would meet too: no access, no such model, credentials that have ended.
    """
    from tqdm import tqdm

    make_folder(target.parent)
    answered = taken | {line.record_id for line in read_output_lines(target) if line.is_answered}
    records = [record for record in read_records(source) if record.record_id not in answered]
    noted = name_intents(target)
    with open_to_append(target) as file, open_to_append(noted) as intents, ThreadPoolExecutor(at_once) as pool:
        if file.tell() and not ends_line(target):
            file.write(b"\n")  # a crash cut the last line off; its record is sent again
        # What a crash cut off here was not on the disk, so its record had not been asked for.
        intents.truncate(count_whole_lines(noted))
        write = LineWriter(file)
        note = IntentWriter(intents)

        def answer(record: InputLine) -> None:
            try:
                write(answer_record(record, invoke))
            except JobError:
                note.withdraw(record)  # refused as every other request of this caller would be: nothing was charged
                raise

        tasks = run_concurrently(pool, answer, note.note_each(records), at_once)
        for _ in tqdm(tasks, "answering on demand", len(records), unit="record", delay=1, file=sys.stdout):
            pass


def name_intents(target: Path) -> Path:
    """Return the file beside an output file that has the id of each record before it is asked, one per line."""
    return target.with_suffix(".asked")


def count_whole_lines(file: Path) -> int:
    """Count the bytes of a file up to the end of its last whole line."""
    return file.read_bytes().rfind(b"\n") + 1


class IntentWriter:
    """Writes the id of each record before it is asked, since after a crash it may have been paid for."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.lock = file, Lock()

    def note_each(self, records: Iterable[InputLine]) -> Iterator[InputLine]:
        """Yield the records, each after its id is on the disk."""
        for record in records:
            self.write(record.record_id)
            yield record

    def withdraw(self, record: InputLine) -> None:
        """Write that a record was not answered and not paid for."""
        self.write(f"{WITHDRAWN}{record.record_id}")

    def write(self, text: str) -> None:
        """Write a line and flush it to the disk."""
        with self.lock:
            self.file.write(text.encode() + b"\n")
            self.file.flush()
            os.fsync(self.file.fileno())


def count_unanswered_requests(targets: Iterable[Path]) -> int:
    """Count the requests that were made and of which no line came back: each may have been paid for."""
    return sum(count_lost(name_intents(target), target) for target in targets)


def count_lost(intents: Path, target: Path) -> int:
    """Count the requests noted in one file that have no line in the other."""
    noted = intents.read_text("utf-8").split("\n")[:-1] if intents.exists() else []
    asked = Counter(line for line in noted if not line.startswith(WITHDRAWN))
    withdrawn = Counter(line.removeprefix(WITHDRAWN) for line in noted if line.startswith(WITHDRAWN))
    back = Counter(line.record_id for line in read_output_lines(target) if not line.may_be_charged)
    return (asked - withdrawn - back).total()


def make_invoke(client: BedrockRuntimeClient, model_id: str, invocation_type: str) -> Callable[[bytes], bytes]:
    """Make the function that answers one model input: InvokeModel or Converse of a `bedrock-runtime` client."""

    def invoke_model(model_input: bytes) -> bytes:
        answer = client.invoke_model(modelId=model_id, body=model_input, contentType="application/json")
        return bytes(answer["body"].read())

    def converse(model_input: bytes) -> bytes:
        answer = client.converse(modelId=model_id, **msgspec.json.decode(model_input))
        return msgspec.json.encode({name: value for name, value in answer.items() if name != "ResponseMetadata"})

    return converse if invocation_type == "Converse" else invoke_model


def answer_record(record: InputLine, invoke: Callable[[bytes], bytes]) -> bytes:
    """Answer one record, and return its output line; where Bedrock refuses the record, the line has the error."""
    try:
        result = b'"modelOutput":' + put_on_one_line(invoke(bytes(record.model_input)))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in CALLER_ERRORS:
            raise JobError("on demand", str(error), CALLER_ERRORS[code]) from error
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        # ServiceQuotaExceededException is a 400 too, but passes.
        result = error_json(status, error.response["Error"]["Message"], retryable=code != "ValidationException")
    except NETWORK_ERRORS as error:
        result = error_json(503, str(error), retryable=True, may_be_charged=True)
    except BotoCoreError as error:
        raise JobError("on demand", str(error), "boto3 sent nothing: sign in, or correct the request") from error
    record_id = msgspec.json.encode(record.record_id)
    return b'{"modelInput":' + bytes(record.model_input) + b"," + result + b',"recordId":' + record_id + b"}\n"


def put_on_one_line(answer: bytes) -> bytes:
    """Remove line breaks between the parts of a JSON answer, so that it fits on one line."""
    return msgspec.json.format(answer, indent=-1) if b"\n" in answer else answer


def error_json(code: int, message: str, *, retryable: bool, may_be_charged: bool = False) -> bytes:
    """Write the error of a record as a batch job does, with whether sending it again may help, and may be charged."""
    error = {"errorCode": code, "errorMessage": message, "retryable": retryable}
    return b'"error":' + msgspec.json.encode(error | ({"mayBeCharged": True} if may_be_charged else {}))


def read_records(source: Path) -> Iterator[InputLine]:
    """Read the records of an input file one by one."""
    decoder = msgspec.json.Decoder(InputLine)
    with source.open("rb") as lines:
        yield from map(decoder.decode, lines)


def read_output_lines(target: Path) -> Iterator[OutputLine]:
    """Read the lines of an output file, if it is there; a line that a crash cut off is skipped."""
    decoder = msgspec.json.Decoder(OutputLine)
    if target.exists():
        with target.open("rb") as lines:
            for line in lines:
                with suppress(msgspec.DecodeError):
                    yield decoder.decode(line)


class LineWriter:
    """Writes lines from several threads; each writes its own, so paid answers are kept when another one fails."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.lock = file, Lock()

    def __call__(self, line: bytes) -> None:
        """Write one line."""
        with self.lock:
            self.file.write(line)
            self.file.flush()


def run_concurrently(
    pool: ThreadPoolExecutor, work: Callable[[InputLine], None], records: Iterator[InputLine], at_once: int
) -> Iterator[None]:
    """Process records with at most `at_once` in progress; the first exception ends it."""
    tasks = {pool.submit(work, record) for record in islice(records, at_once)}
    while tasks:
        done, tasks = wait(tasks, return_when=FIRST_COMPLETED)
        for task in done:
            yield task.result()
        tasks |= {pool.submit(work, record) for record in islice(records, len(done))}


def invoke_once(client: BedrockRuntimeClient, model_id: str, invocation_type: str, request: Mapping[str, Any]) -> bytes:
    """Answer one request, for a preview."""
    return make_invoke(client, model_id, invocation_type)(msgspec.json.encode(request))
