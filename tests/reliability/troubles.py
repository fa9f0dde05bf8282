"""Trials in which a disk is full, a folder may not be written, the clock goes back, or a file of the run is damaged.

Each has to end in a sentence with a cure, and the same steps later have to end as if nothing had happened.
"""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import batch
import on_demand
from places import PROMPT, QUOTAS, find_account, make_calls, new_place
from points import Points, in_fork

from analysis import collect, invoke, open_run, prepare, submit
from analysis.errors import AnalysisError

WAYS = ("batch", "on_demand")
STEPS = ("prepare", "send", "collect")
REFUSALS = (errno.ENOSPC, errno.EACCES, errno.EROFS)
PAGE = os.sysconf("SC_PAGE_SIZE")
AHEAD = timedelta(days=3)
ROOM = "size=64m,nr_inodes=10000"


def take_step(place: str, way: str, step: str) -> None:
    """Take a step of a run."""
    runs = Path(place) / "runs"
    if step == "prepare":
        prepare(make_calls(), PROMPT, into=runs, name="demo", quotas=QUOTAS)
    elif step == "collect":
        collect(open_run(runs / "demo"))
    elif way == "batch":
        submit(open_run(runs / "demo"), pause_s=0.01, **find_account())
    else:
        invoke(open_run(runs / "demo"), at_once=on_demand.AT_ONCE, **on_demand.find_on_demand_account())


def take_steps(place: str, way: str, steps=STEPS) -> list[str]:
    """Take steps up to the first that fails; list what is wrong about its error, which has to have a cure."""
    if way == "on_demand":
        on_demand.note_requests(place)
    for step in steps:
        try:
            take_step(place, way, step)
        except AnalysisError as error:
            return [] if error.cure else [f"{step} ended without a cure: {error}"]
        except Exception as error:
            return [f"{step} ended with a raw {type(error).__name__}: {error}"]
    return []


def end_well(place: str, way: str, expected: dict, lost: int) -> list[str]:
    """Go on, and list what is wrong in the end."""
    if way == "batch":
        in_fork(batch.go_on, place)
        return batch.find_faults(in_fork(batch.look, place), expected)
    steps = in_fork(on_demand.go_on, place)
    return on_demand.find_faults(in_fork(on_demand.look, place), steps, expected, lost)


def expect(folder: Path, way: str) -> dict:
    """Find what a run that is left alone ends with."""
    return (batch if way == "batch" else on_demand).count_points(folder)[1]


class Refusals(Points):
    """Refuses to open, rename and make files from one of its points on, as a full or read-only disk does."""

    def watch(self) -> None:
        """Count what may be refused."""

        def count_event(event, given):
            if event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.refuse("open", given[0])
            elif event in {"os.rename", "os.mkdir"}:
                self.refuse(event, given[1 if event == "os.rename" else 0])

        sys.addaudithook(count_event)

    def refuse(self, what: str, path: object) -> None:
        """Count a point, and raise the error of a file system from the chosen one on."""
        if not self.is_below(path):
            return
        with self.lock:
            self.seen.append(what)
            if self.die_at and len(self.seen) >= self.die_at:
                number = REFUSALS[self.die_at % len(REFUSALS)]
                raise OSError(number, os.strerror(number), str(path))


def take_refused_steps(place: str, way: str, refuse_at: int) -> list[str]:
    """Take all steps, refused from a point on."""
    Refusals(refuse_at, str(Path(place) / "runs")).watch()
    return take_steps(place, way)


def count_refusals(folder: Path, way: str) -> list[str]:
    """Count the points at which a run may be refused."""
    place = new_place(folder)
    points = in_fork(list_refusals, place, way)
    shutil.rmtree(place)
    return points


def list_refusals(place: str, way: str) -> list[str]:
    """Take all steps, and list the points."""
    points = Refusals(0, str(Path(place) / "runs"))
    points.watch()
    if faults := take_steps(place, way):
        raise RuntimeError(faults)
    return points.seen


def refuse(folder: Path, way: str, number: int, expected: dict) -> list[str]:
    """Refuse what is written from a point on, go on, and list what is wrong."""
    place = new_place(folder)
    faults = in_fork(take_refused_steps, place, way, number)
    faults += end_well(place, way, expected, on_demand.AT_ONCE)
    shutil.rmtree(place)
    return faults


@contextmanager
def small_disk(place: str, options: str) -> Iterator[str]:
    """Put the folder of runs on a disk of its own, in memory; yields its path."""
    runs = str(Path(place) / "runs")
    Path(runs).mkdir()
    mount("-t", "tmpfs", "-o", options, "tmpfs", runs)
    try:
        yield runs
    finally:
        subprocess.run(["umount", "--lazy", runs], check=True)


def mount(*arguments: str) -> None:
    """Mount a disk."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def can_mount() -> bool:
    """Whether this process may mount a disk."""
    return (
        os.geteuid() == 0
        and shutil.which("mount") is not None
        and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
    )


def measure_disk(folder: Path, way: str) -> tuple[int, int]:
    """Measure how many pages and how many files a disk needs for a run."""
    place = new_place(folder)
    with small_disk(place, ROOM) as runs:
        if faults := in_fork(take_steps, place, way):
            raise RuntimeError(faults)
        used = os.statvfs(runs)
    shutil.rmtree(place)
    return used.f_blocks - used.f_bfree, used.f_files - used.f_ffree


def list_disks(folder: Path, way: str) -> list[str]:
    """List the disks that are too small for a run, by pages and by files."""
    pages, files = measure_disk(folder, way)
    by_size = [f"size={count * PAGE},nr_inodes=10000" for count in range(1, pages)]
    return by_size + [f"size=64m,nr_inodes={count}" for count in range(2, files)]


def fill_disk(folder: Path, way: str, options: str, expected: dict) -> list[str]:
    """Take all steps on a disk that is too small, go on with a larger one, and list what is wrong."""
    place = new_place(folder)
    with small_disk(place, options) as runs:
        faults = in_fork(take_steps, place, way)
        mount("-o", f"remount,{ROOM}", runs)
        faults += end_well(place, way, expected, on_demand.AT_ONCE)
    shutil.rmtree(place)
    return faults


def protect(folder: Path, way: str, step: str, expected: dict) -> list[str]:
    """Take a step on a disk that can only be read, go on when it can be written, and list what is wrong."""
    place = new_place(folder)
    with small_disk(place, ROOM) as runs:
        faults = in_fork(take_steps, place, way, STEPS[: STEPS.index(step)])
        mount("-o", "remount,ro", runs)
        faults += in_fork(take_steps, place, way, [step])
        mount("-o", "remount,rw", runs)
        faults += end_well(place, way, expected, 0)
    shutil.rmtree(place)
    return faults


def take_steps_ahead(place: str, way: str, steps: list[str]) -> list[str]:
    """Take steps while the clock is three days ahead, which the times of their files show as well."""
    move_clock()
    with redirect_stdout(StringIO()):
        faults = take_steps(place, way, steps)
    for path in [*Path(place, "runs").rglob("*"), Path(place, "runs")]:
        then = path.stat().st_mtime + AHEAD.total_seconds()
        os.utime(path, (then, then))
    return faults


def move_clock() -> None:
    """Let the clock of this process be three days ahead."""
    now = time.time
    time.time = lambda: now() + AHEAD.total_seconds()

    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + AHEAD

    for name, module in list(sys.modules.items()):
        if name.startswith("analysis.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Ahead


def set_clock_back(folder: Path, way: str, step: str, expected: dict) -> list[str]:
    """Take the steps up to one with a clock that is ahead, go on with the right time, and list what is wrong."""
    place = new_place(folder)
    faults = in_fork(take_steps_ahead, place, way, STEPS[: STEPS.index(step) + 1])
    faults += end_well(place, way, expected, 0)
    shutil.rmtree(place)
    return faults


def list_files(folder: Path, way: str, step: str) -> list[str]:
    """List the files that a run has after a step."""
    place = new_place(folder)
    in_fork(take_steps, place, way, STEPS[: STEPS.index(step) + 1])
    run = Path(place, "runs", "demo")
    # Of what a run has the names of jobs and of on-demand files differ in nothing but the ids of jobs.
    files = [str(path.relative_to(run)) for path in sorted(run.rglob("*")) if path.is_file()]
    shutil.rmtree(place)
    return [name for name in files if not name.endswith(".lock")]


def damage(folder: Path, way: str, step: str, number: int, expected: dict) -> list[str]:
    """Cut a file of a run in half after a step, take all steps, put it back where they asked for it, and go on."""
    place = new_place(folder)
    in_fork(take_steps, place, way, STEPS[: STEPS.index(step) + 1])
    run = Path(place, "runs", "demo")
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    whole = files[number].read_bytes()
    os.truncate(files[number], len(whole) // 2)
    faults = in_fork(take_steps, place, way)
    if files[number].exists() and is_own(files[number], run):
        files[number].write_bytes(whole)
    faults += end_well(place, way, expected, on_demand.CALLS)
    shutil.rmtree(place)
    return [f"{files[number].relative_to(run)}: {fault}" for fault in faults]


def is_own(file: Path, run: Path) -> bool:
    """Whether a file is what only `prepare` writes, so that a damaged one has to be put back."""
    return file.parent == run and (file.suffix == ".parquet" or file.name == "run.json")
