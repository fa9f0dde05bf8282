"""Parts written in several processes: each of them reads the output files of one part at a time, and writes it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import polars as pl

from analysis.aws.storage import StoredFile
from analysis.outputs.parallel import count_processes, request, share_work, start_process
from analysis.outputs.parquet import index_records, read_joined, write_part

COMMAND = "from analysis.outputs.writers import serve_parts; serve_parts()"


@dataclass(frozen=True)
class Part:
    """A part that is to be written.

    Attributes
    ----------
    path, stamp
        As `write_part` takes them.
    files
        The output files of its rows, in order, each after the key of its job.
    records
        For another process, the files with the records of these jobs.
    """

    path: str
    stamp: str
    files: list[tuple[str, StoredFile]]
    records: dict[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> list[str]:
        """The keys of its jobs, each once."""
        return list(dict.fromkeys(key for key, _ in self.files))

    def write(self, records: Mapping[str, pl.DataFrame]) -> bool:
        """Write it, each line joined to the records of its job."""
        write_part(self.read(records), self.path, stamp=self.stamp)
        return True

    def read(self, records: Mapping[str, pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Read its output files."""
        indexes = {key: index_records(records[key]) for key in self.jobs}
        for key, file in self.files:
            yield from read_joined(file, records=indexes[key], model_id=records[key].item(0, "model_id"))


Writer = Callable[[Part], bool]


def share_writing(parts: Sequence[Part], records: Mapping[str, pl.DataFrame]) -> None:
    """Write parts, in several processes where there is much to read.

    Parameters
    ----------
    parts
        In any order; each is written by one process.
    records
        The records of each job, by its key, as `index_records` takes them.

    Raises
    ------
    StorageError
        A file cannot be read.
    """
    processes = min(len(parts), count_processes([file for part in parts for _, file in part.files]))
    write_here: Writer = partial(Part.write, records=records)
    if processes < 2:
        for part in parts:
            write_here(part)
        return
    with share_work(write_here, partial(start_writer, records), processes) as do:

        def write_soon(part: Part) -> Future[bool | None]:
            return do(lambda write: write(part))

        for part, written in [(part, write_soon(part)) for part in parts]:
            if not written.result():
                write_here(part)


@contextmanager
def start_writer(records: Mapping[str, pl.DataFrame]) -> Iterator[Writer]:
    """Start a process that writes parts; the records that it needs are handed over as files."""
    with start_process(COMMAND) as pipes, TemporaryDirectory() as folder:

        def write_there(part: Part) -> bool:
            paths = {key: Path(folder, f"{key}.arrow") for key in part.jobs}
            for key, path in paths.items():
                records[key].write_ipc_stream(path)
            request(*pipes, replace(part, records={key: str(path) for key, path in paths.items()}))
            for path in paths.values():
                path.unlink()
            return True

        yield write_there


def serve_parts() -> None:
    """Run as a worker: write each part that a line of standard input describes."""
    for line in sys.stdin.buffer:
        part = msgspec.json.decode(line, type=Part)
        part.write({key: pl.read_ipc_stream(path) for key, path in part.records.items()})
        print(flush=True)
