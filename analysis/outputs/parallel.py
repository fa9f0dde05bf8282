"""Groups: files of a large input are read by several processes, since one interpreter reads on one core only.

A worker is a plain child process that is asked on its standard input and answers on its standard output. So it works
from notebooks and from scripts without a main guard, where multiprocessing does not, and it ends with who asked.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, cast

import msgspec
import polars as pl

from analysis.aws.storage import StoredFile, fetch_files
from analysis.outputs.frames import ALL, gather_frames, read_frames

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

GROUP_BYTES = 1 << 26
# To start, a worker takes about a fifth of a second, in which one process reads 300 MB, and 60 MB of memory.
WORKERS_PAY_BYTES = 1 << 30
MOST_PROCESSES = 4
COMMAND = "from analysis.outputs.parallel import work; work()"

Group = list[StoredFile]


@dataclass(frozen=True)
class Task:
    """What `read_frames` is to read, and a folder for what is on the way."""

    files: list[tuple[StoredFile, str]]
    model_id: str | None
    columns: list[str]
    folder: str

    def read(self) -> Iterator[pl.DataFrame]:
        """Read in this process."""
        return read_frames(self.files, model_id=self.model_id, columns=self.columns)

    def place(self, number: int) -> Path:
        """Say where a worker puts its frames."""
        return Path(self.folder, f"{number}.arrow")


Reader = Callable[[Task], Iterable[pl.DataFrame]]


def read_files(
    files: Sequence[StoredFile],
    *,
    s3: S3Client | None,
    model_id: str | None,
    columns: Sequence[str] = ALL,
    processes: int = 1,
) -> Iterator[pl.DataFrame]:
    """Read files into frames, in their order; objects are on this machine only while they are read."""
    groups = list(group_files(files))
    read = partial(read_group, s3=s3, model_id=model_id, columns=columns)
    if processes > 1:
        yield from read_side_by_side(groups, read, processes)
    else:
        for group in groups:
            yield from read(group, Task.read)


def group_files(files: Sequence[StoredFile]) -> Iterator[Group]:
    """Put small files together, so that they are fetched side by side and share their frames."""
    ends = accumulate(file.bytes for file in files)
    for _, group in groupby(zip(files, ends, strict=True), key=lambda one: one[1] // GROUP_BYTES):
        yield [file for file, _ in group]


def count_processes(files: Sequence[StoredFile]) -> int:
    """Say how many processes are worth their start, this one included."""
    is_large = sum(file.bytes for file in files) >= WORKERS_PAY_BYTES
    return min(len(files), MOST_PROCESSES, os.cpu_count() or 1) if is_large else 1


def read_group(
    group: Group, reader: Reader, *, s3: S3Client | None, model_id: str | None, columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """Read files that are fetched together."""
    with TemporaryDirectory() as folder:
        paths = fetch_files(group, folder, s3=s3)
        files = [(file, str(path)) for file, path in zip(group, paths, strict=True)]
        yield from reader(Task(files, model_id, list(columns), folder))


def read_side_by_side(
    groups: Sequence[Group], read: Callable[[Group, Reader], Iterator[pl.DataFrame]], processes: int
) -> Iterator[pl.DataFrame]:
    """Read groups in this process and others, in their order, and few ahead, so that memory does not grow."""
    idle: SimpleQueue[Reader] = SimpleQueue()

    def read_beside(group: Group) -> list[pl.DataFrame] | None:
        reader, has_ended = idle.get(), False
        try:
            return list(read(group, reader))
        except OSError:  # the worker has ended, whatever the reason, or the file cannot be read, which is told below
            has_ended = reader is not Task.read
            return None
        finally:
            if not has_ended:
                idle.put(reader)

    with ExitStack() as stack:
        pool = ThreadPoolExecutor(processes)
        stack.callback(pool.shutdown, cancel_futures=True)
        idle.put(Task.read)
        for _ in range(1, processes):
            with suppress(OSError):  # no process can be started: this one reads it all
                idle.put(stack.enter_context(start_worker()))
        ahead = deque(pool.submit(read_beside, group) for group in groups[: 2 * processes])
        for place, group in enumerate(groups):
            frames = ahead.popleft().result()
            ahead.extend(pool.submit(read_beside, later) for later in groups[place + 2 * processes :][:1])
            yield from read(group, Task.read) if frames is None else frames


@contextmanager
def start_worker() -> Iterator[Reader]:
    """Start a process that reads what it is asked to; -P keeps the modules of the working folder out of it."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "POLARS_MAX_THREADS": "1"}
    worker = subprocess.Popen(  # noqa: S603 (this interpreter, and nothing that a caller gives)
        [sys.executable, "-P", "-c", COMMAND],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for who asked
    )
    try:
        yield partial(ask, cast(IO[bytes], worker.stdin), cast(IO[bytes], worker.stdout))
    finally:
        worker.kill()
        with suppress(OSError), worker:  # closes the pipes and waits
            pass


def ask(questions: IO[bytes], answers: IO[bytes], task: Task) -> list[pl.DataFrame]:
    """Have a worker read; OSError when it has ended."""
    questions.write(msgspec.json.encode(task) + b"\n")
    questions.flush()
    if not (count := answers.readline()):
        raise BrokenPipeError("the worker has ended")
    return [pl.read_ipc_stream(task.place(number)) for number in range(int(count))]


def work() -> None:
    """Read what is asked, a line each, and say how many frames are there, until nobody asks any more."""
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        count = 0
        for frame in gather_frames(task.read()):
            frame.write_ipc_stream(task.place(count))
            count += 1
        print(count, flush=True)
