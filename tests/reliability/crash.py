"""Kill a run at every write, flush, rename and service call in turn, go on, and look at what is there.

`make crash` runs all of it and writes the table of docs/reliability.md; a seeded sample of it is a test.

A trial is a fork that prepares, submits and collects a run, and dies at its k-th point. Others go on with what it left,
until nothing more comes back. The points are found by counting those of a run that is left alone.
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

# Imported before forking: a trial then takes tenths of a second. Nothing of polars may run before a fork.
import boto3
import botocore.client
import filelock
import polars as pl
import tqdm

from analysis import Prompt, collect, load_jobs, open_run, prepare, submit
from analysis.aws.session import EMULATOR_BUCKET, EMULATOR_ROLE, open_session
from analysis.errors import AnalysisError
from bedrock_local import serve
from bedrock_local.settings import Settings, write_settings

IMPORTED = (boto3, filelock, tqdm)
DIED = 9
MODEL = "us.amazon.nova-micro-v1:0"
CALLS, PER_JOB = 24, 8
QUOTAS = {"records_per_job": PER_JOB, "min_records": 1, "unfinished_jobs": 2}
LIMITS = {"min_records": 1, "max_unfinished_jobs": 2}
WRITING = os.O_WRONLY | os.O_RDWR
TRIES = 8  # of submit, until nothing is left to try
MIXED_FAULTS = (
    "job-failed", "job-expired", "job-partial", "job-slow", "manifest-missing", "record-500", "record-lost",
    "record-repeated", "line-unreadable", "line-cut", "throttled", "internal-error", "unavailable", "answer-lost",
    "broken-read",
)  # fmt: skip


@dataclass
class Points:
    """Counts the points at which a process may die, and dies at one of them.

    Attributes
    ----------
    die_at
        The number of the point, from 1; 0 for none.
    below
        The folder whose files count.
    seen
        What each point was.
    """

    die_at: int
    below: str
    seen: list[str] = field(default_factory=list)

    def reach(self, what: str, file: int | None = None) -> None:
        """Count a point; die if it is the one, with a file that is being flushed cut as after a loss of power."""
        self.seen.append(what)
        if len(self.seen) == self.die_at:
            if file is not None:
                tear(file)
            os._exit(DIED)

    def watch(self) -> None:
        """Count files that are opened to write, renamed and flushed, and both ends of each call of a service."""
        flush, call = os.fsync, botocore.client.BaseClient._make_api_call

        def count_event(event, given):
            if event == "open" and isinstance(given[2], int) and given[2] & WRITING and self.is_below(given[0]):
                self.reach("open")
            elif event == "os.rename" and self.is_below(given[1]):
                self.reach("rename")

        def count_flush(descriptor):
            if self.is_below(f"/proc/self/fd/{descriptor}"):
                self.reach("flush", descriptor)
            flush(descriptor)

        def count_call(client, operation, request):
            self.reach(f"before {operation}")
            answer = call(client, operation, request)
            self.reach(f"after {operation}")
            return answer

        os.fsync, botocore.client.BaseClient._make_api_call = count_flush, count_call
        sys.addaudithook(count_event)

    def is_below(self, path: object) -> bool:
        """Whether a path, or what an open file is, lies in the folder."""
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if text.startswith("/proc/self/fd/"):
            with suppress(OSError):
                text = str(Path(text).readlink())
        return text.startswith(self.below) and not text.endswith(".lock")


def tear(descriptor: int) -> None:
    """Cut a file that is being flushed, as a disk may that lost its power: its last line, or half of it."""
    with suppress(OSError):  # a folder
        size = os.fstat(descriptor).st_size
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        os.truncate(name, size - 7 if name.endswith((".jsonl", ".asked")) and size > 7 else size // 2)


def in_fork(work, *given):
    """Do work in a fork, and return what it returns; None where it died at its point."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            with os.fdopen(writing, "w") as pipe, redirect_stdout(StringIO()):
                pipe.write(json.dumps(work(*given)))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        written = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in {0, DIED}:
        raise RuntimeError(f"{work.__name__}{given} failed")
    return json.loads(written) if code == 0 else None


def make_calls():
    """Make the calls of each run: all different."""
    texts = [f"Agent: Hello.\nCustomer: Line {place} is down since Monday." for place in range(CALLS)]
    return pl.DataFrame({"call_id": [f"c{place}" for place in range(CALLS)], "transcript": texts})


def do_all(place: str, die_at: int) -> list[str]:
    """Prepare, submit and collect, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch()
    prompt = Prompt(name="short", model_id=MODEL, template="Summarize.\n\n{{ transcript }}", max_tokens=50)
    run = prepare(make_calls(), prompt, into=Path(place) / "runs", name="demo", quotas=QUOTAS)
    submit(run, pause_s=0.01, **find_account())
    collect(run)
    return points.seen


def go_on(place: str, name: str = "demo") -> None:
    """Do the same again until nothing is left to try, whatever fails."""
    prompt = Prompt(name="short", model_id=MODEL, template="Summarize.\n\n{{ transcript }}", max_tokens=50)
    runs = Path(place) / "runs"
    run = (
        open_run(runs / name)
        if name != "demo"
        else prepare(make_calls(), prompt, into=runs, name="demo", quotas=QUOTAS)
    )
    for _ in range(TRIES):
        with suppress(AnalysisError):
            submit(run, pause_s=0.01, **find_account())
            break
    collect(run)


def look(place: str, name: str = "demo") -> dict:
    """Look at what a run has and at what its account was asked."""
    run = open_run(Path(place) / "runs" / name)
    checks = collect(run)
    outputs = run.read_outputs()
    answered = outputs.filter(pl.col("error_kind").is_null())
    texts = answered.unique("record_id").sort("call_id").select("call_id", "text").rows()
    jobs = list_jobs()
    lines = answered.group_by("record_id").agg(jobs=pl.col("job_id").n_unique())
    hidden = [path for path in Path(place, "runs").rglob(".*") if path.suffix in {".draft", ".part"}]
    return {
        "texts": texts,
        "counts": checks.select("prepared", "answered", "failed", "missing").sum().row(0),
        "jobs": len(jobs),
        "names": len({job["jobName"] for job in jobs}),
        "productive": len({job["jobName"].rsplit("-", 2)[0] for job in jobs}),
        "twice": int((lines["jobs"] > 1).sum()),
        "drafts": [path.name for path in hidden],
        "tries": load_jobs(run)["job_try"].max(),
    }


def find_account() -> dict:
    """Find where jobs go: the emulator in this process, or the server that AWS_ENDPOINT_URL names."""
    if "AWS_ENDPOINT_URL" not in os.environ:
        return {}
    return {"profile": "", "bucket": EMULATOR_BUCKET, "role_arn": EMULATOR_ROLE, "budget_usd": math.inf}


def list_jobs():
    """List the jobs of the account."""
    bedrock = open_session(find_account().get("profile", "emulator")).client("bedrock")
    pages = bedrock.get_paginator("list_model_invocation_jobs").paginate()
    return [job for page in pages for job in page["invocationJobSummaries"]]


def find_faults(found: dict, expected: dict | None) -> list[str]:
    """List what is wrong about the end of a trial; where faults were mixed in there is no expected table."""
    prepared, answered, failed, missing = found["counts"]
    faults = []
    if prepared != CALLS or answered + failed + missing != prepared:
        faults.append(f"counts {found['counts']}")
    if found["twice"]:
        faults.append(f"{found['twice']} records were answered by two jobs")
    if found["names"] != found["jobs"]:
        faults.append(f"{found['jobs'] - found['names']} jobs were created twice")
    if found["drafts"]:
        faults.append(f"left {found['drafts']}")
    if expected is not None and found["texts"] != expected["texts"]:
        faults.append(f"{len(found['texts'])} answers, not those of a run that was left alone")
    if expected is not None and found["jobs"] != expected["jobs"]:
        faults.append(f"{found['jobs']} jobs, not {expected['jobs']}")
    return faults


def new_place(folder: Path, faults: dict | None = None, seed: int = 0) -> str:
    """Make a place with an account of its own."""
    place = Path(folder) / f"{random.getrandbits(40):x}"
    place.mkdir()
    write_settings(place / "account", Settings(faults=faults or {}, seed=seed, speed=100, **LIMITS))
    os.environ["BEDROCK_LOCAL"] = str(place / "account")
    return str(place)


def crash_over_http(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Do what `crash` does, with a server in a process of its own."""
    place = new_place(folder)
    with served(place):
        in_fork(do_all, place, die_at)
        in_fork(go_on, place)
        faults = find_faults(in_fork(look, place), expected)
    shutil.rmtree(place)
    return faults


@contextmanager
def served(place: str) -> Iterator[None]:
    """Serve the account of a place from a fork, to which this process and its forks then talk."""
    reading, writing = os.pipe()
    server = os.fork()
    if server == 0:
        os.close(reading)
        with serve(Path(place) / "account") as served:
            os.write(writing, served.url.encode())
            os.close(writing)
            signal.pause()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        url = pipe.read()
    keys = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    os.environ.update(keys, AWS_DEFAULT_REGION="us-east-1")
    try:
        in_fork(make_bucket)
        yield
    finally:
        for name in (*keys, "AWS_DEFAULT_REGION"):
            del os.environ[name]
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def make_bucket() -> None:
    """Make the bucket, which the profile `emulator` has from the beginning."""
    open_session("").client("s3").create_bucket(Bucket=EMULATOR_BUCKET)


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point, go on, and list what is wrong."""
    place = new_place(folder)
    in_fork(do_all, place, die_at)
    in_fork(go_on, place)
    faults = find_faults(in_fork(look, place), expected)
    shutil.rmtree(place)
    return faults


def mix(folder: Path, seed: int) -> list[str]:
    """Choose faults, kills and a rename of the folder by a seed, go on, and list what is wrong."""
    chance = random.Random(seed)
    rates = {name: chance.choice([0, 0, 0.05, 0.3]) for name in MIXED_FAULTS}
    place = new_place(folder, {name: rate for name, rate in rates.items() if rate}, seed)
    for _ in range(chance.randrange(4)):
        with suppress(RuntimeError):  # faults may end a call with an error, which is no kill
            in_fork(do_all, place, chance.randrange(1, 150))
    in_fork(clear_faults, place)
    name = "demo"
    if chance.random() < 0.3 and Path(place, "runs", "demo").exists():
        name = "renamed"
        Path(place, "runs", "demo").rename(Path(place, "runs", name))
    in_fork(go_on, place, name)
    faults = find_faults(in_fork(look, place, name), None)
    # A repeated line is the service's; a record answered by two jobs is ours.
    shutil.rmtree(place)
    return faults


def clear_faults(place: str) -> None:
    """Let the account have no faults any more."""
    write_settings(Path(place) / "account", Settings(speed=100, **LIMITS))


def two_at_once(folder: Path, expected: dict) -> list[str]:
    """Let two processes do all of it on one folder at once, and list what is wrong."""
    place = new_place(folder)
    children = [start(go_on, place) for _ in range(2)]
    for child in children:
        os.waitpid(child, 0)
    faults = find_faults(in_fork(look, place), expected)
    shutil.rmtree(place)
    return faults


def start(work, *given) -> int:
    """Start work in a fork, and return its process."""
    child = os.fork()
    if child == 0:
        try:
            with redirect_stdout(StringIO()):
                work(*given)
        finally:
            os._exit(0)
    return child


def copied(folder: Path, expected: dict) -> list[str]:
    """Copy the folder of a prepared run under another name, and send both: one account, one set of jobs."""
    place = new_place(folder)
    in_fork(prepare_only, place)
    shutil.copytree(Path(place, "runs", "demo"), Path(place, "runs", "copy"))
    in_fork(go_on, place)
    in_fork(go_on, place, "copy")
    faults = [fault for name in ("demo", "copy") for fault in find_faults(in_fork(look, place, name), expected)]
    shutil.rmtree(place)
    return faults


def prepare_only(place: str) -> None:
    """Prepare the run and send nothing."""
    prompt = Prompt(name="short", model_id=MODEL, template="Summarize.\n\n{{ transcript }}", max_tokens=50)
    prepare(make_calls(), prompt, into=Path(place) / "runs", name="demo", quotas=QUOTAS)


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Run without a kill: its points, and what every other trial has to end with."""
    place = new_place(folder)
    points = in_fork(do_all, place, 0)
    expected = in_fork(look, place)
    shutil.rmtree(place)
    return points, expected


def count_points_over_http(folder: Path) -> list[str]:
    """Count the points of a run over HTTP, which are fewer: the account writes in a process of its own."""
    place = new_place(folder)
    with served(place):
        points = in_fork(do_all, place, 0)
    shutil.rmtree(place)
    return points


def run_trials(folder: Path, *, kills: int, mixes: int, seed: int, tell=print) -> dict[str, tuple[int, list[str]]]:
    """Run trials of each kind; returns for each how many there were, and what was wrong.

    Parameters
    ----------
    folder
        Where accounts and runs are made, and deleted.
    kills
        How many of the points are tried, chosen by the seed; 0 for all.
    mixes
        How many mixes of faults.
    """
    chance = random.Random(seed)
    points, expected = count_points(folder)
    chosen = list(range(1, len(points) + 1))
    chosen = sorted(chance.sample(chosen, min(kills, len(points)))) if kills else chosen
    tell(f"{len(points)} points: " + ", ".join(f"{n} {what}" for what, n in Counter(points).most_common()))
    found: dict[str, tuple[int, list[str]]] = {}

    def note(kind: str, trials: list[tuple[str, list[str]]]) -> None:
        wrong = [f"{name}: {fault}" for name, faults in trials for fault in faults]
        found[kind] = (len(trials), wrong)
        tell(f"{kind}: {len(trials)} tried, {len(wrong)} wrong {wrong[:5]}")

    note(
        "killed, the account in the same process",
        [(f"{k} {points[k - 1]}", crash(folder, k, expected)) for k in chosen],
    )
    points = count_points_over_http(folder)
    chosen = list(range(1, len(points) + 1))
    chosen = sorted(chance.sample(chosen, min(kills, len(points)))) if kills else chosen
    trials = [(f"{k} {points[k - 1]}", crash_over_http(folder, k, expected)) for k in chosen]
    note("killed, the account behind HTTP", trials)
    seeds = range(seed * 10_000, seed * 10_000 + mixes)
    note("faults of the service, 0 to 3 kills, a renamed folder", [(f"seed {n}", mix(folder, n)) for n in seeds])
    note("two processes at once", [(str(n), two_at_once(folder, expected)) for n in range(1 + mixes // 20)])
    note("a copied folder", [("", copied(folder, expected))])
    return found


def main() -> None:
    """Run all trials, in this process and over HTTP, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=0, help="points to try; 0 for all")
    parser.add_argument("--mixes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random.seed(asked.seed)
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        found = run_trials(Path(folder), kills=asked.kills, mixes=asked.mixes, seed=asked.seed, tell=tell)
    print("| what was done | tried | wrong |\n| --- | ---: | ---: |")
    for kind, (tried, wrong) in found.items():
        print(f"| {kind} | {tried} | {len(wrong)} |")
    tell(f"{time.monotonic() - begun:.0f} s")
    sys.exit(any(wrong for _, wrong in found.values()))


def tell(text: str) -> None:
    """Print what is going on where it does not get into the table."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
