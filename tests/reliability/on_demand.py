"""Trials of runs that are answered on demand: killed at a point, some with the end of an answer lost, and gone on with.

What was under way at a kill may be paid for twice: never more than that, and each request is counted.
"""

import os
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import botocore.client
from places import CALLS, PROMPT, QUOTAS, find_account, make_calls, new_place, served
from points import Points, in_fork

from analysis import collect, invoke, open_run, prepare
from analysis.jobs.on_demand import read_output_lines, read_records
from analysis.reports.notices import list_notices
from analysis.runs import read_state
from analysis.runs.spending import find_spending
from analysis.runs.status import count_lost_requests, on_demand_files

AT_ONCE = 4
USD_PER_TOKEN = (0.035e-6, 0.14e-6)  # of Nova Micro on demand, in and out: the price list of AWS
REGION = "us-east-1"


def find_on_demand_account() -> dict:
    """Find whom to ask, with what `invoke` takes of an account."""
    account = find_account()
    return {name: account[name] for name in ("profile", "budget_usd") if name in account}


def note_requests(place: str) -> None:
    """Write each model input to a file that no kill can take back, before it is sent."""
    call, file = botocore.client.BaseClient._make_api_call, os.open(list_asked(place), os.O_WRONLY | os.O_APPEND)

    def note(client, operation, request):
        if operation == "InvokeModel":
            os.write(file, request["body"] + b"\n")
        return call(client, operation, request)

    botocore.client.BaseClient._make_api_call = note


def list_asked(place: str) -> Path:
    """Return the file of the requests that were sent; made beside the places, so that no point is in it."""
    file = Path(f"{place}.asked")
    file.touch()
    return file


def answer_all(place: str, die_at: int) -> list[str]:
    """Prepare, answer and collect, dying at a point; return the points."""
    note_requests(place)
    points = Points(die_at, place)
    points.watch()
    run = prepare(make_calls(), PROMPT, into=Path(place) / "runs", name="demo", quotas=QUOTAS)
    invoke(run, at_once=AT_ONCE, **find_on_demand_account())
    collect(run)
    return points.seen


def go_on(place: str) -> dict:
    """Do the same again, and once more, which must ask nothing; return what was said and counted at each step."""
    note_requests(place)
    run = prepare(make_calls(), PROMPT, into=Path(place) / "runs", name="demo", quotas=QUOTAS)
    lost = count_lost_requests(read_state(run))
    with redirect_stdout(StringIO()) as said:
        invoke(run, at_once=AT_ONCE, **find_on_demand_account())
    asked = len(list_asked(place).read_bytes().splitlines())
    invoke(run, at_once=AT_ONCE, **find_on_demand_account())
    collect(run)
    again = len(list_asked(place).read_bytes().splitlines()) - asked
    return {"lost": lost, "said": said.getvalue(), "again": again}


def look(place: str) -> dict:
    """Look at what a run has, at what was asked for it, and at what it says that this may have cost."""
    run = open_run(Path(place) / "runs" / "demo")
    checks = collect(run)
    outputs = run.read_outputs()
    answers = outputs.filter(outputs["error_kind"].is_null()).unique("record_id").sort("call_id")
    state = read_state(run)
    ids = {
        bytes(each.model_input): each.record_id for job in state.planned for f in job.files for each in read_records(f)
    }
    tokens = {row[0]: row[1:] for row in answers.select("record_id", "input_tokens", "output_tokens").rows()}
    asked = [ids[line] for line in list_asked(place).read_bytes().splitlines()]
    price = {name: sum(n * usd for n, usd in zip(each, USD_PER_TOKEN, strict=True)) for name, each in tokens.items()}
    runs = Path(place, "runs")
    return {
        "texts": answers.select("call_id", "text").rows(),
        "counts": checks.select("prepared", "answered", "failed", "missing").sum().row(0),
        "asked": len(asked),
        "lines": sum(line.is_answered for file in on_demand_files(run) for line in read_output_lines(file)),
        "lost": count_lost_requests(state),
        "noticed": any("request" in notice for notice in list_notices(run)),
        "paid_usd": sum(price.get(record_id, 0) for record_id in asked),
        "spent_usd": find_spending(state, "on_demand", REGION).spent_usd,
        "drafts": [path.name for path in runs.rglob(".*") if path.suffix in {".draft", ".part"}],
    }


def find_faults(found: dict, steps: dict, expected: dict, most_lost: int) -> list[str]:
    """List what is wrong about the end of a trial that was to lose some requests at most."""
    prepared, answered, failed, missing = found["counts"]
    faults = []
    if (prepared, answered, failed, missing) != (CALLS, CALLS, 0, 0) or found["texts"] != expected["texts"]:
        faults.append(
            f"counts {found['counts']}, {len(found['texts'])} answers, not those of a run that was left alone"
        )
    if found["asked"] > found["lines"] + found["lost"]:
        faults.append(f"{found['asked']} requests, of which {found['lines']} were answered and {found['lost']} counted")
    if found["lost"] > most_lost or found["asked"] > CALLS + most_lost:
        faults.append(f"{found['lost']} requests lost and {found['asked']} made, where {most_lost} were under way")
    if bool(steps["lost"]) != ("may be charged" in steps["said"]) or bool(found["lost"]) != found["noticed"]:
        faults.append(f"{steps['lost']} lost requests, and no notice of them, or one of none: {steps['said']!r}")
    if found["spent_usd"] + 1e-12 < found["paid_usd"]:
        faults.append(f"{found['paid_usd']} USD paid, and {found['spent_usd']} counted")
    if steps["again"]:
        faults.append(f"{steps['again']} requests once more")
    if found["drafts"]:
        faults.append(f"left {found['drafts']}")
    return faults


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point, go on, and list what is wrong; at every other point the end of an answer is lost as well."""
    place = new_place(folder)
    faults = crash_in(place, die_at, expected)
    shutil.rmtree(place)
    return faults


def crash_over_http(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Do what `crash` does, with a server in a process of its own, which answers on when the client is dead."""
    place = new_place(folder)
    with served(place):
        faults = crash_in(place, die_at, expected)
    shutil.rmtree(place)
    return faults


def crash_in(place: str, die_at: int, expected: dict) -> list[str]:
    """Die at a point in a place, go on, and list what is wrong."""
    in_fork(answer_all, place, die_at)
    torn = die_at % 2 and cut_answers(place)
    steps = in_fork(go_on, place)
    return find_faults(in_fork(look, place), steps, expected, AT_ONCE + bool(torn))


def cut_answers(place: str) -> bool:
    """Cut the end off the last file of answers, which are not flushed one by one; return whether there was one."""
    files = [path for path in sorted(Path(place, "runs").rglob("*.out")) if path.stat().st_size]
    for file in files[-1:]:
        os.truncate(file, file.stat().st_size - 7)
    return bool(files)


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Answer a run without a kill: its points, and what every other trial has to end with."""
    place = new_place(folder)
    points = in_fork(answer_all, place, 0)
    expected = in_fork(look, place)
    shutil.rmtree(place)
    return points, expected


def count_points_over_http(folder: Path) -> list[str]:
    """Count the points of a run over HTTP."""
    place = new_place(folder)
    with served(place):
        points = in_fork(answer_all, place, 0)
    shutil.rmtree(place)
    return points
