"""Kill a run at every write, flush, rename and service call in turn, go on, and look at what is there.

`make crash` runs all of it and writes the table of docs/reliability.md; a seeded sample of it is a test.

A trial is a fork that does all of a run, and dies at its k-th point. Others go on with what it left, until nothing more
comes back. The points are found by counting those of a run that is left alone.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# Imported before forking: a trial then takes tenths of a second. Nothing of polars may run before a fork.
import batch
import boto3
import command
import delete
import endings
import filelock
import on_demand
import regions
import repairs
import stored
import tqdm
import troubles

IMPORTED = (boto3, filelock, tqdm)
TOLD = 50  # trials between two lines about what was tried


Trials = Iterator[tuple[str, list[str]]]  # what each was, and what was wrong about it


@dataclass(frozen=True)
class Asked:
    """What is to be tried, and where.

    Attributes
    ----------
    folder
        Where accounts and runs are made, and deleted.
    kills
        How many of the points of each kind are tried, chosen by the seed; 0 for all.
    mixes
        How many mixes of faults.
    commands
        How many points of `batchbook run`.
    """

    folder: Path
    kills: int
    mixes: int
    commands: int
    seed: int

    def choose(self, points: list[str]) -> list[tuple[int, str]]:
        """Choose the points to try: the number of each, and what it is."""
        return choose_points(points, self.kills or len(points), self.seed)


def kill_batch(asked: Asked) -> Trials:
    """Kill runs in batch jobs, the account in the same process."""
    points, expected = batch.count_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", batch.crash(asked.folder, number, expected)


def kill_batch_over_http(asked: Asked) -> Trials:
    """Kill runs in batch jobs, the account in a process of its own; there are fewer points, as it writes there."""
    expected = batch.count_points(asked.folder)[1]
    for number, what in tell_points(asked.choose(batch.count_points_over_http(asked.folder))):
        yield f"{number} {what}", batch.crash_over_http(asked.folder, number, expected)


def kill_regions(asked: Asked) -> Trials:
    """Kill runs in batch jobs of two Regions, the account in the same process."""
    points, expected = regions.count_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", regions.crash(asked.folder, number, expected)


def kill_stored(asked: Asked) -> Trials:
    """Kill runs in S3, the account in the same process; the same machine goes on, or another one."""
    points, expected = stored.count_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", stored.crash(asked.folder, number, expected)


def kill_stored_over_http(asked: Asked) -> Trials:
    """Kill runs in S3, the account in a process of its own."""
    expected = stored.count_points(asked.folder)[1]
    for number, what in tell_points(asked.choose(stored.count_points_over_http(asked.folder))):
        yield f"{number} {what}", stored.crash_over_http(asked.folder, number, expected)


def send_by_two_machines(asked: Asked) -> Trials:
    """Let two machines send one run in S3."""
    expected = stored.count_points(asked.folder)[1]
    for number in range(1 + asked.mixes // 20):
        yield str(number), stored.two_machines(asked.folder, expected)


def kill_on_demand(asked: Asked) -> Trials:
    """Kill runs that are answered on demand, the account in the same process."""
    points, expected = on_demand.count_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", on_demand.crash(asked.folder, number, expected)


def kill_on_demand_over_http(asked: Asked) -> Trials:
    """Kill runs that are answered on demand by a process that answers on."""
    expected = on_demand.count_points(asked.folder)[1]
    for number, what in tell_points(asked.choose(on_demand.count_points_over_http(asked.folder))):
        yield f"{number} {what}", on_demand.crash_over_http(asked.folder, number, expected)


def kill_repair(asked: Asked) -> Trials:
    """Kill repairs, the account in the same process."""
    points, expected = repairs.count_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", repairs.crash(asked.folder, number, expected)


def kill_deletion(asked: Asked) -> Trials:
    """Kill the deletion of a run, beside one that took answers over from it."""
    points, expected = delete.count_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", delete.crash(asked.folder, number, expected)


def kill_export(asked: Asked) -> Trials:
    """Kill exports to a file of each kind."""
    points, expected = endings.count_export_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", endings.crash_export(asked.folder, number, expected)


def kill_stop(asked: Asked) -> Trials:
    """Kill the stop of jobs that are running."""
    points, expected = endings.count_stop_points(asked.folder)
    for number, what in tell_points(asked.choose(points)):
        yield f"{number} {what}", endings.crash_stop(asked.folder, number, expected)


def kill_command(asked: Asked) -> Trials:
    """Kill `batchbook run`: some points, as each trial executes all notebooks."""
    points, expected = command.count_points(asked.folder)
    for number, what in tell_points(choose_points(points, asked.commands, asked.seed)):
        yield f"{number} {what}", command.crash(asked.folder, number, expected)


def mix_faults(asked: Asked) -> Trials:
    """Mix faults of the service, kills and a new name of the folder."""
    for seed in range(asked.seed * 10_000, asked.seed * 10_000 + asked.mixes):
        yield f"seed {seed}", batch.mix(asked.folder, seed)


def run_twice_at_once(asked: Asked) -> Trials:
    """Let two processes work on one folder."""
    expected = batch.count_points(asked.folder)[1]
    for number in range(1 + asked.mixes // 20):
        yield str(number), batch.two_at_once(asked.folder, expected)


def copy_folder(asked: Asked) -> Trials:
    """Send a run and a copy of its folder."""
    yield "", batch.copied(asked.folder, batch.count_points(asked.folder)[1])


def refuse_writing(asked: Asked) -> Trials:
    """Refuse what Python writes, from each point on."""
    for way in troubles.WAYS:
        points, expected = troubles.count_refusals(asked.folder, way), troubles.expect(asked.folder, way)
        for number, what in tell_points(asked.choose(points)):
            yield f"{way} {number} {what}", troubles.refuse(asked.folder, way, number, expected)


def fill_disks(asked: Asked) -> Trials:
    """Take runs on disks of each size that is too small, whatever writes."""
    for way in troubles.WAYS if troubles.can_mount() else ():
        disks, expected = troubles.list_disks(asked.folder, way), troubles.expect(asked.folder, way)
        for _, options in asked.choose(disks):
            yield f"{way} {options}", troubles.fill_disk(asked.folder, way, options, expected)


def protect_disks(asked: Asked) -> Trials:
    """Take each step on a disk that can only be read."""
    for way in troubles.WAYS if troubles.can_mount() else ():
        expected = troubles.expect(asked.folder, way)
        for _, step in asked.choose([*troubles.STEPS]):
            yield f"{way} {step}", troubles.protect(asked.folder, way, step, expected)


def set_clocks_back(asked: Asked) -> Trials:
    """Set the clock back after each step."""
    for way in troubles.WAYS:
        expected = troubles.expect(asked.folder, way)
        for _, step in asked.choose([*troubles.STEPS]):
            yield f"{way} {step}", troubles.set_clock_back(asked.folder, way, step, expected)


def damage_files(asked: Asked) -> Trials:
    """Cut each file in half after each step."""
    for way in troubles.WAYS:
        expected = troubles.expect(asked.folder, way)
        for step in troubles.STEPS:
            for number, name in asked.choose(troubles.list_files(asked.folder, way, step)):
                yield f"{way} {step} {name}", troubles.damage(asked.folder, way, step, number - 1, expected)


KINDS: dict[str, Callable[[Asked], Trials]] = {
    "killed, the account in the same process": kill_batch,
    "killed, the account behind HTTP": kill_batch_over_http,
    "killed, its jobs in two Regions": kill_regions,
    "a run in S3 killed, the account in the same process": kill_stored,
    "a run in S3 killed, the account behind HTTP": kill_stored_over_http,
    "a run in S3, two machines at once": send_by_two_machines,
    "killed on demand, the account in the same process": kill_on_demand,
    "killed on demand, the account behind HTTP": kill_on_demand_over_http,
    "a repair killed, half in a batch job and half on demand": kill_repair,
    "killed: delete": kill_deletion,
    "killed: export": kill_export,
    "killed: stop": kill_stop,
    "`batchbook run` killed, answered on demand": kill_command,
    "the disk is full or refuses, from a write of Python on": refuse_writing,
    "the disk is full, whatever writes": fill_disks,
    "the disk can only be read at a step": protect_disks,
    "the clock goes back by three days after a step": set_clocks_back,
    "a file is cut in half after a step": damage_files,
    "faults of the service, 0 to 3 kills, a renamed folder": mix_faults,
    "two processes at once": run_twice_at_once,
    "a copied folder": copy_folder,
}


def try_kind(kind: str, asked: Asked) -> tuple[int, int]:
    """Make the trials of one kind; return how many there were, and how many faults."""
    tried, wrong = 0, 0
    for name, faults in KINDS[kind](asked):
        tried, wrong = tried + 1, wrong + len(faults)
        for fault in faults:
            tell(f"{kind}, {name}: {fault}")
        if tried % TOLD == 0:  # so that one that is stopped has said what it tried
            tell(f"{kind}: {tried} tried so far, {wrong} wrong")
    tell(f"{kind}: {tried} tried, {wrong} wrong")
    return tried, wrong


def main() -> None:
    """Make the trials, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0, help="points of each kind to try; 0 for all")
    parser.add_argument("--mixes", type=int, default=500)
    parser.add_argument("--commands", type=int, default=20, help="points of `batchbook run` to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds of trials with this text in their name")
    given = parser.parse_args()
    random.seed(given.seed)
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        asked = Asked(Path(folder), given.kills, given.mixes, given.commands, given.seed)
        found = {kind: try_kind(kind, asked) for kind in KINDS if given.only in kind}
    print("| what was done | tried | wrong |\n| --- | ---: | ---: |")
    for kind, (tried, wrong) in found.items():
        print(f"| {kind} | {tried} | {wrong} |")
    tell(f"{time.monotonic() - begun:.0f} s")
    sys.exit(any(wrong for _, wrong in found.values()))


def choose_points(points: list[str], most: int, seed: int) -> list[tuple[int, str]]:
    """Choose some points by a seed, in their order: the number of each, and what it is."""
    return sorted(random.Random(seed).sample(list(enumerate(points, 1)), min(most, len(points))))


def tell_points(points: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Print how many points of each sort are tried, and return them."""
    tell(
        f"{len(points)} points: " + ", ".join(f"{n} {what}" for what, n in Counter(w for _, w in points).most_common())
    )
    return points


def tell(text: str) -> None:
    """Print what is going on where it does not get into the table."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
