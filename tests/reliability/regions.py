"""Trials of a run whose prompts ask in two Regions: killed at a point, and gone on with."""

import shutil
from contextlib import suppress
from pathlib import Path

import batch
import msgspec
from places import CALLS, PROMPT, QUOTAS, make_calls, new_place
from points import Points, in_fork

from analysis import collect, prepare, submit
from analysis.aws.session import EMULATOR_REGION, open_session
from analysis.errors import AnalysisError
from analysis.runs import Run

FURTHER = "us-west-2"
PROMPTS = [PROMPT, msgspec.structs.replace(PROMPT, name="west", region=FURTHER)]


def make_run(place: str) -> Run:
    """Prepare half of the calls with two prompts, so that there are as many records as in other trials."""
    calls = make_calls().head(CALLS // 2)
    return prepare(calls, PROMPTS, into=Path(place) / "runs", name="demo", quotas=QUOTAS)


def do_all(place: str, die_at: int) -> list[str]:
    """Prepare, submit and collect, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch()
    run = make_run(place)
    submit(run, pause_s=0.01)
    collect(run)
    return points.seen


def go_on(place: str) -> None:
    """Do the same again until nothing is left to try, whatever fails."""
    run = make_run(place)
    for _ in range(batch.TRIES):
        with suppress(AnalysisError):
            submit(run, pause_s=0.01)
            break
    collect(run)


def look(place: str) -> dict:
    """Look at what the run has, and at what its account was asked in either Region."""
    found = batch.look(place)
    names = [name for region in (EMULATOR_REGION, FURTHER) for name in list_names(region)]
    return found | {"jobs": len(names), "names": len({*names}), "west": len(list_names(FURTHER))}


def list_names(region: str) -> list[str]:
    """List the names of the account's jobs in a Region."""
    pages = open_session("emulator", region=region).client("bedrock").get_paginator("list_model_invocation_jobs")
    return [job["jobName"] for page in pages.paginate() for job in page["invocationJobSummaries"]]


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point, go on, and list what is wrong."""
    place = new_place(folder)
    in_fork(do_all, place, die_at)
    in_fork(go_on, place)
    found = in_fork(look, place)
    faults = batch.find_faults(found, expected)
    if found["west"] != expected["west"]:
        faults.append(f"{found['west']} jobs in {FURTHER}, not {expected['west']}")
    shutil.rmtree(place)
    return faults


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Run without a kill: its points, and what every other trial has to end with."""
    place = new_place(folder)
    points = in_fork(do_all, place, 0)
    expected = in_fork(look, place)
    shutil.rmtree(place)
    return points, expected
