"""Kill a deletion at every write, rename, removal and service call, delete again, and look at what is left."""

import shutil
from pathlib import Path

from places import PROMPT, QUOTAS, copy_place, make_calls
from points import Points, in_fork

from analysis import collect, delete, list_runs, load_answers, open_run, prepare, submit
from analysis.aws.session import EMULATOR_BUCKET, open_session

BESIDE = "demo-2"  # a run that took answers over from the one that is deleted
FOREIGN = ("batchbook/demo/notes.txt", "batchbook/demo/output/abcdefabcdef/00000.jsonl.out", "batchbook/demo-20/x")
CALLS_BESIDE = 32  # of which 24 are those of the run that is deleted


def say_yes(_: str) -> str:
    """Say yes to any question."""
    return "yes"


def make_runs(place: str) -> None:
    """Make two runs that are answered, one of them with answers of the other, and objects of others beside these."""
    runs = Path(place) / "runs"
    run = prepare(make_calls(), PROMPT, into=runs, name="demo", quotas=QUOTAS)
    submit(run, pause_s=0.01)
    collect(run)
    write_report(place, "demo")
    more = make_calls().vstack(make_more())
    beside = prepare(more, PROMPT, into=runs, name=BESIDE, quotas=QUOTAS)
    submit(beside, pause_s=0.01)
    collect(beside)
    write_report(place, BESIDE)
    s3 = open_session("emulator").client("s3")
    for key in FOREIGN:
        s3.put_object(Bucket=EMULATOR_BUCKET, Key=key, Body=b"theirs")
    s3.create_multipart_upload(Bucket=EMULATOR_BUCKET, Key=find_input(s3))


def make_more():
    """Make calls that only the run beside has."""
    calls = make_calls().head(CALLS_BESIDE - make_calls().height)
    return calls.with_columns(call_id="more-" + calls["call_id"], transcript="More. " + calls["transcript"])


def find_input(s3) -> str:
    """Find an input file of the run that is deleted, whose upload is begun once more."""
    keys = (each["Key"] for each in s3.list_objects_v2(Bucket=EMULATOR_BUCKET)["Contents"])
    return next(key for key in keys if key.startswith("batchbook/demo/input/"))


def write_report(place: str, name: str) -> None:
    """Write what a report has."""
    report = Path(place) / "reports" / name
    report.mkdir(parents=True)
    for page in ("index.html", "collect.html", "collect.ipynb"):
        (report / page).write_text(name, encoding="utf-8")


def do_delete(place: str, die_at: int) -> list[str]:
    """Delete the run, dying at a point; return the points."""
    points = Points(die_at, place)
    points.watch(removals=True)
    delete(Path(place) / "runs" / "demo", ask=say_yes)
    return points.seen


def go_on(place: str) -> None:
    """Delete again what is left, and nothing where all is gone."""
    runs = Path(place) / "runs"
    if (runs / "demo").exists() or [*runs.glob(".demo-????????.draft")]:
        delete(runs / "demo", ask=say_yes)


def look(place: str) -> dict:
    """Look at what is left, on this machine and in the account."""
    s3 = open_session("emulator").client("s3")
    beside = open_run(Path(place) / "runs" / BESIDE)
    counts = collect(beside)
    return {
        "runs": list_runs(Path(place) / "runs")["run"].to_list(),
        "folders": sorted(path.name for name in ("runs", "reports") for path in Path(place, name).iterdir()),
        "pages": sorted(path.name for path in Path(place, "reports", BESIDE).iterdir()),
        "objects": [each["Key"] for each in s3.list_objects_v2(Bucket=EMULATOR_BUCKET)["Contents"]],
        "uploads": [each["Key"] for each in s3.list_multipart_uploads(Bucket=EMULATOR_BUCKET).get("Uploads", [])],
        "counts": counts.select("prepared", "answered", "failed", "missing").sum().row(0),
        "texts": load_answers(beside).select("call_id", "text", "taken_from").rows(),
    }


def find_faults(found: dict, expected: dict) -> list[str]:
    """List what is wrong about what is left: it has to be as after a deletion that nobody killed."""
    faults = [f"{name}: {found[name]!r}"[:300] for name in expected if found[name] != expected[name]]
    faults += [f"{key} is gone" for key in FOREIGN if key not in found["objects"]]
    faults += [f"{key} is left" for key in found["objects"] if key.startswith("batchbook/demo/") and key not in FOREIGN]
    if found["counts"][1] != CALLS_BESIDE:
        faults.append(f"{found['counts'][1]} answers of the run beside")
    return faults


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point of the deletion, delete again, and list what is wrong."""
    place = copy_place(folder, make_runs)
    in_fork(do_delete, place, die_at)
    in_fork(go_on, place)
    faults = find_faults(in_fork(look, place), expected)
    shutil.rmtree(place)
    return faults


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Delete without a kill: the points, and what every other trial has to leave."""
    place = copy_place(folder, make_runs)
    points = in_fork(do_delete, place, 0)
    expected = in_fork(look, place)
    shutil.rmtree(place)
    return points, expected
