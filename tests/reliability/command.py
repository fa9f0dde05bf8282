"""Trials of `batchbook run` on too few calls for a batch job: one of its processes is killed at a point.

The command and the kernels of its notebooks are processes of their own, whose points are counted together.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import on_demand
from places import PROMPT, make_calls, new_place
from points import in_fork

from analysis.reports.stages import STAGES

COMMAND = [sys.executable, "-c", "from analysis.cli import main; main()", "run", "--run", "demo"]
COMMAND += ["--calls", "calls.parquet", "--prompts", "short.md"]
HEADER = "---\nname: {prompt.name}\nmodel_id: {prompt.model_id}\nmax_tokens: {prompt.max_tokens}\n---\n# User\n\n"
AT_ONCE = 8  # what `invoke` does where it is not told
BUSY, PAUSE_S, MOST_PAUSES = "another process is sending this run", 1, 600


def make_place(folder: Path) -> str:
    """Make a place with a file of calls and a prompt."""
    place = new_place(folder)
    in_fork(write_calls, place)
    text = HEADER.format(prompt=PROMPT) + PROMPT.template + "\n"
    Path(place, "short.md").write_text(text, encoding="utf-8")
    return place


def write_calls(place: str) -> None:
    """Write the calls, by a fork: polars must not run before one."""
    make_calls().write_parquet(Path(place, "calls.parquet"))


def run_command(place: str, die_at: int) -> subprocess.CompletedProcess:
    """Run the command in a place, and let one of its processes die at a point; 0 for none."""
    hooks = str(Path(__file__).with_name("hooks"))
    path = os.pathsep.join([hooks, *filter(None, [os.environ.get("PYTHONPATH")])])
    chosen = {"PYTHONPATH": path, "CRASH_AT": str(die_at), "CRASH_BELOW": place, "TQDM_DISABLE": "1"}
    Path(f"{place}.points").unlink(missing_ok=True)
    on_demand.list_asked(place)
    return subprocess.run(COMMAND, cwd=place, env=os.environ | chosen, capture_output=True, text=True, check=False)


def run_to_the_end(place: str) -> subprocess.CompletedProcess:
    """Run the command again, while the kernel of the one that was killed goes on for a moment."""
    for _ in range(MOST_PAUSES):
        done = run_command(place, 0)
        if BUSY not in done.stderr:
            break
        time.sleep(PAUSE_S)
    return done


def count_points(folder: Path) -> tuple[list[str], dict]:
    """Run the command without a kill: its points, and what every other trial has to end with."""
    place = make_place(folder)
    done = run_command(place, 0)
    if done.returncode:
        raise RuntimeError(done.stderr)
    points = ["of the command"] * Path(f"{place}.points").stat().st_size
    expected = in_fork(on_demand.look, place)
    shutil.rmtree(place)
    return points, expected


def crash(folder: Path, die_at: int, expected: dict) -> list[str]:
    """Die at a point, run the command again, and list what is wrong."""
    place = make_place(folder)
    killed = run_command(place, die_at)
    faults = ["a traceback: " + killed.stderr[-500:]] if "Traceback" in killed.stderr else []
    lost = in_fork(count_lost, place)
    done = run_to_the_end(place)
    asked = on_demand.list_asked(place).read_bytes()
    again = run_command(place, 0)
    if done.returncode or again.returncode or again.stdout.count("already done") != len(STAGES):
        faults.append(f"exit codes {done.returncode} and {again.returncode}: {done.stderr} {again.stdout}")
    repeated = len(on_demand.list_asked(place).read_bytes()) - len(asked)
    steps = {"lost": lost, "said": read_page(place, "submit") if lost else "", "again": repeated}
    faults += on_demand.find_faults(in_fork(on_demand.look, place), steps, expected, AT_ONCE)
    faults += [f"{path.name} is cut off" for path in find_pages(place) if "</html>" not in path.read_text("utf-8")]
    faults += [f"left {path.name}" for path in Path(place, "reports").rglob(".*.part")]
    shutil.rmtree(place)
    return faults


def count_lost(place: str) -> int:
    """Count the requests without an answer, where there is a run."""
    from analysis import open_run
    from analysis.runs import read_state
    from analysis.runs.status import count_lost_requests

    folder = Path(place, "runs", "demo")
    return count_lost_requests(read_state(open_run(folder))) if folder.exists() else 0


def find_pages(place: str) -> list[Path]:
    """List the pages of the report."""
    return sorted(Path(place, "reports", "demo").glob("*.html"))


def read_page(place: str, name: str) -> str:
    """Read a page of the report."""
    return Path(place, "reports", "demo", f"{name}.html").read_text("utf-8")
