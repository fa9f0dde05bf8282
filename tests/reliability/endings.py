"""Kill an export and a stop at every point, do the same again, and look: a file is whole or not there, and all ends."""

import shutil
from contextlib import suppress
from pathlib import Path

from places import LIMITS, PROMPT, QUOTAS, copy_place, make_calls
from points import Points, in_fork

from analysis import collect, load_answers, load_jobs, open_run, prepare, repair, scan_answers, stop, submit
from analysis import write_answers as write
from analysis.errors import AnalysisError
from bedrock_local.settings import Settings, write_settings

FILES = ("answers.csv", "answers.xlsx", "answers.parquet")
NEVER = {"Submitted": 10**6}


def make_answered(place: str) -> None:
    """Answer a run."""
    run = prepare(make_calls(), PROMPT, into=Path(place) / "runs", name="demo", quotas=QUOTAS)
    submit(run, pause_s=0.01)
    collect(run)


def make_running(place: str) -> None:
    """Send a run whose jobs do not end by themselves."""
    write_settings(Path(place) / "account", Settings(seconds=NEVER, speed=100, **LIMITS))
    submit(prepare(make_calls(), PROMPT, into=Path(place) / "runs", name="demo", quotas=QUOTAS), wait=False)


def export_all(place: str, die_at: int) -> list[str]:
    """Export the answers to files of each kind, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch()
    for name in FILES:
        write(scan_answers(open_run(Path(place) / "runs" / "demo")), Path(place) / "exports" / name, replace=True)
    return points.seen


def look_at_exports(place: str) -> dict:
    """Look at the files, by their content, and at what was left beside them."""
    folder = Path(place) / "exports"
    left = [path.name for path in folder.iterdir() if path.name not in FILES] if folder.exists() else []
    sizes = {name: (folder / name).stat().st_size for name in FILES if (folder / name).exists()}
    return {"sizes": sizes, "left": left}


def stop_all(place: str, die_at: int) -> list[str]:
    """Stop the jobs, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch()
    stop(open_run(Path(place) / "runs" / "demo"))
    return points.seen


def stop_and_repair(place: str) -> dict:
    """Stop again, then let the account work and repair; look at what came back."""
    run = open_run(Path(place) / "runs" / "demo")
    with suppress(AnalysisError):  # all have ended
        stop(run)
    write_settings(Path(place) / "account", Settings(speed=100, **LIMITS))
    repair(run, pause_s=0.01)
    ended = load_jobs(run).filter(job_try=1)["status"].to_list()
    return {"ended": sorted(ended), "texts": sorted(load_answers(run)["text"].to_list())}


def crash_export(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point of the exports, look, export again, and list what is wrong."""
    place = copy_place(folder, make_answered)
    in_fork(export_all, place, die_at)
    half = in_fork(look_at_exports, place)
    faults = [f"{name} is not whole" for name, size in half["sizes"].items() if size != expected["sizes"][name]]
    in_fork(export_all, place, 0)
    found = in_fork(look_at_exports, place)
    shutil.rmtree(place)
    return faults + [f"{name}: {found[name]!r}"[:200] for name in expected if found[name] != expected[name]]


def crash_stop(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point of the stop, stop again and repair, and list what is wrong."""
    place = copy_place(folder, make_running)
    in_fork(stop_all, place, die_at)
    found = in_fork(stop_and_repair, place)
    shutil.rmtree(place)
    return [f"{name}: {found[name]!r}"[:200] for name in expected if found[name] != expected[name]]


def count_export_points(folder: Path) -> tuple[list[str], dict]:
    """Export without a kill: the points, and what every other trial has to end with."""
    place = copy_place(folder, make_answered)
    points = in_fork(export_all, place, 0)
    return points, in_fork(look_at_exports, place)


def count_stop_points(folder: Path) -> tuple[list[str], dict]:
    """Stop without a kill: the points, and what every other trial has to end with."""
    place = copy_place(folder, make_running)
    points = in_fork(stop_all, place, 0)
    return points, in_fork(stop_and_repair, place)
