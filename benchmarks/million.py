"""A million calls from a table to a bill, on the emulator: time, memory and disk of each stage; prints Markdown.

    python benchmarks/million.py [--calls 1000000]

The calls are made up from a fixed seed, and short: 1,000 calls of 100 to 200 words, again and again under other ids.
Answers are recorded from `extract` before, which would take most of the time. Each stage is a process of its own, and
everything lies in a temporary folder (10 KB a call) that is gone afterwards.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from measuring import cpu_seconds, describe_machine, peak_bytes, table, tell

from analysis import (
    collect,
    count_stop_reasons,
    load_answers,
    open_run,
    prepare,
    read_prompts,
    submit,
    sum_run_costs,
)
from analysis.synthetic import make_calls
from bedrock_local import Settings, open_session

SEED, DISTINCT_CALLS, MOST_WORDS = 7, 1_000, 200
PROMPT = Path(__file__).parents[1] / "notebooks" / "prompts" / "paragraph.md"


def make(folder, number):
    """Write the table of calls, and record an answer to each distinct one."""
    made = make_calls(DISTINCT_CALLS, seed=SEED)["transcript"].map_elements(shorten, return_dtype=pl.String)
    place = pl.int_range(number)
    transcript = pl.lit(made).gather(place % DISTINCT_CALLS)
    calls = pl.select(call_id=pl.format("call-{}", place), transcript=transcript)
    calls.write_parquet(folder / "calls.parquet")
    set_answers("extract")
    run = prepare(calls.head(DISTINCT_CALLS), read_prompts(PROMPT), into=folder, name="recorded")
    submit(run, pause_s=0)
    collect(run)
    with (folder / "answers.jsonl").open("wb") as answers:
        for file in sorted(run.folder.glob("output/*/*.jsonl.out")):
            answers.write(file.read_bytes())
    set_answers(str(folder / "answers.jsonl"))


def shorten(transcript):
    """Keep the turns up to the two hundredth word."""
    kept, words = [], 0
    for turn in transcript.splitlines():
        words += len(turn.split())
        if words > MOST_WORDS:
            break
        kept.append(turn)
    return "\n".join(kept)


def set_answers(answer):
    """Say who answers from now on."""
    open_session(os.environ["BEDROCK_LOCAL"], settings=Settings(responder=answer))


def write_records(folder, _):
    """Prepare the run."""
    prepare(pl.read_parquet(folder / "calls.parquet"), read_prompts(PROMPT), into=folder, name="million")


def send(folder, _):
    """Submit the run, and wait until the last job has ended."""
    submit(open_run(folder / "million"), pause_s=0)


def bring_back(folder, number):
    """Collect; every record has to be answered."""
    jobs = collect(open_run(folder / "million"))
    if jobs["answered"].sum() != number or not jobs["agrees"].all():
        raise SystemExit(f"not all came back:\n{jobs}")


def bill(folder, _):
    """Sum the costs."""
    sum_run_costs(open_run(folder / "million"))


def answer(folder, _):
    """Load the answers beside their calls, and count how they ended."""
    count_stop_reasons(load_answers(open_run(folder / "million")))


STAGES = {
    "calls and recorded answers": make,
    "`prepare`": write_records,
    "`submit`, until the jobs have ended": send,
    "`collect`": bring_back,
    "`sum_run_costs`": bill,
    "`load_answers`, `count_stop_reasons`": answer,
}


def main():
    """Run the stages, each in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000, help="at least 1,000")
    parser.add_argument("--stage", nargs=2, metavar=("STAGE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        run_stage(given.stage[0], Path(given.stage[1]), given.calls)
        return
    print(describe_machine("boto3", "msgspec", "polars", "pyarrow"), flush=True)
    with TemporaryDirectory() as folder:
        print(f"\n{measure(Path(folder), given.calls)}")


def run_stage(name, folder, number):
    """Run a stage, and print what it took."""
    imports, begin, begin_cpu = peak_bytes(), time.perf_counter(), cpu_seconds()
    STAGES[name](folder, number)
    facts = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - begin_cpu}
    print(json.dumps(facts | {"peak": peak_bytes(), "imports": imports}))


def measure(folder, number):
    """Run all stages, and write the table."""
    rows, total, disk = [], 0.0, 0
    for name in STAGES:
        tell(name)
        facts = start_stage(name, folder, number)
        total, before, disk = total + facts["seconds"], disk, disk_bytes(folder)
        numbers = [f"{facts['seconds']:,.1f}", f"{facts['cpu']:,.1f}", f"{number / facts['seconds']:,.0f}"]
        numbers += [f"{some / 1e6:,.0f}" for some in (facts["peak"], facts["imports"], disk - before)]
        rows.append([name, *numbers])
    rows.append(["all", f"{total:,.1f}", "", f"{number / total:,.0f}", "", "", f"{disk / 1e6:,.0f}"])
    head = [f"{number:,} calls", "seconds", "CPU seconds", "records a second", "peak MB"]
    return table([*head, "MB after imports", "MB of disk more"], rows)


def start_stage(name, folder, number):
    """Run a stage in a process of its own."""
    command = [sys.executable, __file__, "--calls", str(number), "--stage", name, str(folder)]
    environment = os.environ | {"BEDROCK_LOCAL": str(folder / "account"), "TQDM_DISABLE": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def disk_bytes(folder):
    """Sum the sizes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
