"""Trials of runs in batch jobs: killed at a point, with faults of the service, by two processes, in a copied folder."""

import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

import polars as pl
from places import CALLS, LIMITS, PROMPT, QUOTAS, find_account, make_calls, new_place, served
from points import Points, in_fork, start

from analysis import collect, load_jobs, open_run, prepare, submit
from analysis.aws.session import open_session
from analysis.errors import AnalysisError
from bedrock_local.settings import Settings, write_settings

TRIES = 8  # of submit, until nothing is left to try
MIXED_FAULTS = (
    "job-failed", "job-expired", "job-partial", "job-slow", "manifest-missing", "record-500", "record-lost",
    "record-repeated", "line-unreadable", "line-cut", "throttled", "internal-error", "unavailable", "answer-lost",
    "broken-read",
)  # fmt: skip


def do_all(place: str, die_at: int) -> list[str]:
    """Prepare, submit and collect, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch()
    run = prepare(make_calls(), PROMPT, into=Path(place) / "runs", name="demo", quotas=QUOTAS)
    submit(run, pause_s=0.01, **find_account())
    collect(run)
    return points.seen


def go_on(place: str, name: str = "demo") -> None:
    """Do the same again until nothing is left to try, whatever fails."""
    runs = Path(place) / "runs"
    run = (
        open_run(runs / name)
        if name != "demo"
        else prepare(make_calls(), PROMPT, into=runs, name="demo", quotas=QUOTAS)
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


def crash_over_http(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Do what `crash` does, with a server in a process of its own."""
    place = new_place(folder)
    with served(place):
        in_fork(do_all, place, die_at)
        in_fork(go_on, place)
        faults = find_faults(in_fork(look, place), expected)
    shutil.rmtree(place)
    return faults


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
    prepare(make_calls(), PROMPT, into=Path(place) / "runs", name="demo", quotas=QUOTAS)


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
