"""Kill a repair at every point, repair again, and look: half of it goes to a batch job, half is asked on demand."""

import shutil
from contextlib import suppress
from pathlib import Path

import msgspec
import polars as pl
from batch import TRIES, list_jobs
from places import LIMITS, PROMPT, copy_place, make_calls
from points import Points, in_fork

from analysis import collect, load_answers, open_run, prepare, repair, submit
from analysis.errors import AnalysisError
from analysis.runs.state import read_state
from analysis.runs.status import count_lost_requests, is_finished
from bedrock_local.settings import Settings, write_settings

FAULTS, SEED = {"record-500": 0.2, "record-truncated": 0.1}, 3
TWICE = msgspec.structs.replace(PROMPT, samples=2)  # has enough holes for a batch job
ONCE = msgspec.structs.replace(PROMPT, name="other", model_id="us.amazon.nova-lite-v1:0")  # has not
QUOTAS = {"records_per_job": 48, "min_records": 7, "unfinished_jobs": 2}


def make_holes(place: str) -> None:
    """Send a run to an account with faults, and let the account have none from then on."""
    run = prepare(make_calls(), [TWICE, ONCE], into=Path(place) / "runs", name="demo", quotas=QUOTAS)
    submit(run, pause_s=0.01)
    collect(run)
    write_settings(Path(place) / "account", Settings(speed=100, **LIMITS))


def do_repair(place: str, die_at: int) -> list[str]:
    """Repair, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch()
    repair(open_run(Path(place) / "runs" / "demo"), pause_s=0.01)
    return points.seen


def go_on(place: str) -> None:
    """Repair again, whatever fails."""
    for _ in range(TRIES):
        with suppress(AnalysisError):
            repair(open_run(Path(place) / "runs" / "demo"), pause_s=0.01)
            break


def look(place: str) -> dict:
    """Look at what a run has and at what its account was asked."""
    run = open_run(Path(place) / "runs" / "demo")
    counts = collect(run)
    answered = run.read_outputs().filter(pl.col("error_kind").is_null())
    batch, on_demand = answered.partition_by("invocation", as_dict=True), answered.filter(invocation="on_demand")
    lines = batch["batch",].group_by("call_id", "variant", "sample", "attempt").agg(jobs=pl.col("job_id").n_unique())
    jobs = [job["jobName"] for job in list_jobs()]
    return {
        "texts": load_answers(run).select("call_id", "variant", "sample", "text", "stop").rows(),
        "counts": counts.select("prepared", "answered", "failed", "missing").sum().row(0),
        "jobs": len(jobs),
        "names": len(set(jobs)),
        "attempts": sorted(path.name for path in (run.folder / "attempts").iterdir()),
        "twice": int((lines["jobs"] > 1).sum()),
        "asked": on_demand.height + count_lost_requests(read_state(run)),
        "again": on_demand.height - on_demand["record_id"].n_unique(),
        "is_finished": is_finished(run),
        "drafts": [path.name for path in run.folder.rglob(".*") if path.suffix in {".draft", ".part"}],
    }


def find_faults(found: dict, expected: dict) -> list[str]:
    """List what is wrong about the end of a trial."""
    same = ("texts", "counts", "jobs", "names", "attempts", "is_finished", "drafts")
    faults = [f"{name}: {found[name]!r}"[:200] for name in same if found[name] != expected[name]]
    faults += [f"{found[name]} answers {name}" for name in ("twice", "again") if found[name]]
    if found["asked"] < expected["asked"]:
        faults.append(f"{found['asked']} requests on demand are known, and {expected['asked']} are needed")
    return faults


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point of the repair, repair again, and list what is wrong."""
    place = copy_place(folder, make_holes, FAULTS, SEED)
    in_fork(do_repair, place, die_at)
    in_fork(go_on, place)
    faults = find_faults(in_fork(look, place), expected)
    shutil.rmtree(place)
    return faults


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Repair without a kill: its points, and what every other trial has to end with."""
    place = copy_place(folder, make_holes, FAULTS, SEED)
    points = in_fork(do_repair, place, 0)
    expected = in_fork(look, place)
    shutil.rmtree(place)
    return points, expected
