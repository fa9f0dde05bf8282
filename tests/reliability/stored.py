"""Kill a run in S3 at every point; the same machine goes on, or another one by the copy of the ledger."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from batch import TRIES, find_faults
from batch import look as look_at
from places import PROMPT, QUOTAS, find_account, make_calls, new_place, served
from points import Points, in_fork, start

from analysis import collect, prepare, submit
from analysis.errors import AnalysisError
from analysis.runs import sharing

INTO = "s3://batchbook/runs"


def go_to(place: str, machine: str) -> None:
    """Work in the folder of a machine."""
    folder = Path(place) / machine
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    # Else another machine waits for ten minutes until it takes one that was killed for dead.
    sharing.HELD_S = 0


def prepare_there():
    """Prepare the run in S3, or open it where it is."""
    profile = find_account().get("profile", "emulator")
    return prepare(make_calls(), PROMPT, into=INTO, name="demo", quotas=QUOTAS, profile=profile)


def do_all(place: str, die_at: int) -> list[str]:
    """Prepare, submit and collect in S3, dying at a point; return the points."""
    go_to(place, "mine")
    points = Points(die_at, place)
    points.watch()
    run = prepare_there()
    submit(run, pause_s=0.01, **find_account())
    collect(run)
    return points.seen


def go_on(place: str, machine: str) -> None:
    """Do the same again until nothing is left to try, whatever fails."""
    go_to(place, machine)
    run = prepare_there()
    for _ in range(TRIES):
        with suppress(AnalysisError):
            submit(run, pause_s=0.01, **find_account())
            break
    collect(run)


def look(place: str, machine: str) -> dict:
    """Look at what a machine has of the run, and at what its account was asked."""
    go_to(place, machine)
    return look_at(str(Path(place) / machine))


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point, go on, and list what is wrong."""
    place = new_place(folder)
    in_fork(do_all, place, die_at)
    machine = ("mine", "theirs")[die_at % 2]
    in_fork(go_on, place, machine)
    faults = find_faults(in_fork(look, place, machine), expected)
    shutil.rmtree(place)
    return faults


def crash_over_http(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Do what `crash` does, with a server in a process of its own."""
    place = new_place(folder)
    with served(place):
        in_fork(do_all, place, die_at)
        machine = ("mine", "theirs")[die_at % 2]
        in_fork(go_on, place, machine)
        faults = find_faults(in_fork(look, place, machine), expected)
    shutil.rmtree(place)
    return faults


def send_at_once(place: str, machine: str) -> None:
    """Send until it is done, with pauses in which another machine sends."""
    held = sharing.HELD_S
    go_to(place, machine)
    sharing.HELD_S = held
    run = prepare_there()
    for _ in range(100):
        with suppress(AnalysisError):
            submit(run, pause_s=0.01, **find_account())
            return
        time.sleep(0.05)


def two_machines(folder: Path, expected: dict) -> list[str]:
    """Let two machines prepare and send one run at once, and list what is wrong in the folder of each."""
    place = new_place(folder)
    children = [start(send_at_once, place, machine) for machine in ("mine", "theirs")]
    for child in children:
        os.waitpid(child, 0)
    faults = [fault for machine in ("mine", "theirs") for fault in find_faults(in_fork(look, place, machine), expected)]
    shutil.rmtree(place)
    return faults


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Run without a kill: its points, and what every other trial has to end with."""
    place = new_place(folder)
    points = in_fork(do_all, place, 0)
    expected = in_fork(look, place, "mine")
    shutil.rmtree(place)
    return points, expected


def count_points_over_http(folder: Path) -> list[str]:
    """Count the points of a run over HTTP, which are fewer: the account writes in a process of its own."""
    place = new_place(folder)
    with served(place):
        points = in_fork(do_all, place, 0)
    shutil.rmtree(place)
    return points
