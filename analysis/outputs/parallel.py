"""Reading a large input in several processes, since one interpreter decodes lines on one core only.

A worker is a plain child process that reads tasks from its standard input and replies on its standard output. So it
works from notebooks and from scripts without a main guard, where multiprocessing does not, and it ends with its parent.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import msgspec
import polars as pl

from analysis.aws.downloads import fetch_files
from analysis.aws.storage import StoredFile
from analysis.families.reasoning import REASONING_TAGS
from analysis.outputs.frames import ALL, gather_frames, read_frames

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

GROUP_BYTES = 1 << 26
# To start, a worker takes about a fifth of a second, in which one process reads 300 MB, and 60 MB of memory.
WORKERS_PAY_BYTES = 1 << 30
MOST_PROCESSES = 4
COMMAND = "from analysis.outputs.parallel import serve_tasks; serve_tasks()"

Group = list[StoredFile]


@dataclass(frozen=True)
class Task:
    """The arguments of one `read_frames`, and a folder for the frames of a worker."""

    files: list[tuple[StoredFile, str]]
    model_id: str | None
    columns: list[str]
    folder: str
    reasoning_tags: tuple[str, ...] = REASONING_TAGS

    def read(self) -> Iterator[pl.DataFrame]:
        """Read in this process."""
        return read_frames(self.files, model_id=self.model_id, columns=self.columns, reasoning_tags=self.reasoning_tags)

    def frame_path(self, number: int) -> Path:
        """Return the file of a worker's n-th frame."""
        return Path(self.folder, f"{number}.arrow")


Reader = Callable[[Task], Iterable[pl.DataFrame]]
Worker = TypeVar("Worker", bound=Callable[..., Any])
Result = TypeVar("Result")


def read_files(
    files: Sequence[StoredFile],
    *,
    s3: S3Client | None,
    model_id: str | None,
    columns: Sequence[str] = ALL,
    reasoning_tags: Iterable[str] = REASONING_TAGS,
    processes: int = 1,
) -> Iterator[pl.DataFrame]:
    """Read files into frames, in their order; downloaded objects are deleted once they are read."""
    groups = list(group_files(files))
    read = partial(read_group, s3=s3, model_id=model_id, columns=columns, reasoning_tags=tuple(reasoning_tags))
    if processes > 1:
        yield from read_in_parallel(groups, read, processes)
    else:
        for group in groups:
            yield from read(group, Task.read)


def group_files(files: Sequence[StoredFile]) -> Iterator[Group]:
    """Group small files, so that they are downloaded together and share frames."""
    ends = accumulate(file.bytes for file in files)
    for _, group in groupby(zip(files, ends, strict=True), key=lambda one: one[1] // GROUP_BYTES):
        yield [file for file, _ in group]


def count_processes(files: Sequence[StoredFile]) -> int:
    """Return how many processes pay for their start, this one included."""
    is_large = sum(file.bytes for file in files) >= WORKERS_PAY_BYTES
    return min(len(files), MOST_PROCESSES, os.cpu_count() or 1) if is_large else 1


def read_group(
    group: Group,
    reader: Reader,
    *,
    s3: S3Client | None,
    model_id: str | None,
    columns: Sequence[str],
    reasoning_tags: tuple[str, ...],
) -> Iterator[pl.DataFrame]:
    """Read the files of a group, which are downloaded together."""
    with TemporaryDirectory() as folder:
        paths = fetch_files(group, folder, s3=s3)
        files = [(file, str(path)) for file, path in zip(group, paths, strict=True)]
        yield from reader(Task(files, model_id, list(columns), folder, reasoning_tags))


def read_in_parallel(
    groups: Sequence[Group], read: Callable[[Group, Reader], Iterator[pl.DataFrame]], processes: int
) -> Iterator[pl.DataFrame]:
    """Read groups in this process and others, in their order, and few of them ahead, so that memory stays bounded."""
    here: Reader = Task.read
    with share_work(here, start_reader, processes) as do:

        def read_ahead(group: Group) -> Future[list[pl.DataFrame] | None]:
            return do(lambda reader: list(read(group, reader)))

        ahead = deque(map(read_ahead, groups[: 2 * processes]))
        for place, group in enumerate(groups):
            frames = ahead.popleft().result()
            ahead.extend(map(read_ahead, groups[place + 2 * processes :][:1]))
            yield from read(group, Task.read) if frames is None else frames


@contextmanager
def share_work(
    here: Worker, start_another: Callable[[], AbstractContextManager[Worker]], processes: int
) -> Iterator[Callable[[Callable[[Worker], Result]], Future[Result | None]]]:
    """Yield a function that has the next idle one of several workers do something; this process is one of them.

    The result is None where a worker has ended, or a file cannot be read: then it is to be done here, and raises.
    """
    idle: SimpleQueue[Worker] = SimpleQueue()

    def do(work: Callable[[Worker], Result]) -> Result | None:
        worker, has_ended = idle.get(), False
        try:
            return work(worker)
        except OSError:
            has_ended = worker is not here
            return None
        finally:
            if not has_ended:
                idle.put(worker)

    with ExitStack() as stack:
        pool = ThreadPoolExecutor(processes)
        stack.callback(pool.shutdown, cancel_futures=True)
        idle.put(here)
        for _ in range(1, processes):
            with suppress(OSError):  # no process can be started: this one does it all
                idle.put(stack.enter_context(start_another()))
        yield lambda work: pool.submit(do, work)


@contextmanager
def start_reader() -> Iterator[Reader]:
    """Start a process that reads frames."""
    with start_process(COMMAND) as pipes:
        yield partial(request_frames, *pipes)


@contextmanager
def start_process(command: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Start a worker process and yield its pipes; -P keeps it from importing modules of the working folder."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "POLARS_MAX_THREADS": "1"}
    worker = subprocess.Popen(  # noqa: S603 (this interpreter, and nothing that a caller gives)
        [sys.executable, "-P", "-c", command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C goes to the parent only
    )
    try:
        yield cast(IO[bytes], worker.stdin), cast(IO[bytes], worker.stdout)
    finally:
        worker.kill()
        with suppress(OSError), worker:  # closes the pipes and waits
            pass


def request_frames(questions: IO[bytes], answers: IO[bytes], task: Task) -> list[pl.DataFrame]:
    """Send a task to a worker and read its frames; OSError where the worker has ended."""
    count = int(request(questions, answers, task))
    return [pl.read_ipc_stream(task.frame_path(number)) for number in range(count)]


def request(questions: IO[bytes], answers: IO[bytes], task: object) -> bytes:
    """Send a task to a worker and wait for its answer; OSError where the worker has ended."""
    questions.write(msgspec.json.encode(task) + b"\n")
    questions.flush()
    if not (answer := answers.readline()):
        raise BrokenPipeError("the worker has ended")
    return answer


def serve_tasks() -> None:
    """Run as a worker: for each task, a line of standard input, write its frames and print their number."""
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        count = 0
        for frame in gather_frames(task.read()):
            frame.write_ipc_stream(task.frame_path(count))
            count += 1
        print(count, flush=True)
