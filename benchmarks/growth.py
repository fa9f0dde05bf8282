"""A hundred thousand calls, a million and ten million: how processor time and memory of each stage grow; in Markdown.

    python benchmarks/growth.py [--sizes 100000 1000000 10000000] [--folder growth]

The calls are made up, of 64 bytes, and no two are the same. Jobs are created on the emulator, and their output lines
put where Bedrock writes them, since the emulator would take an hour. Every stage is a process of its own.
Everything lies in one folder, a temporary one unless it is named (2.5 KB a call, of one size at a time). In a folder
that is named, stages that have been measured are not measured again: what was stopped goes on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from math import log
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import polars as pl
from measuring import cpu_seconds, describe_machine, peak_bytes, table, tell

from analysis import (
    Prompt,
    collect,
    count_stop_reasons,
    list_runs,
    open_run,
    prepare,
    scan_answers,
    submit,
    sum_run_costs,
)
from bedrock_local import Settings, open_session

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PROMPT = Prompt(name="short", model_id=MODEL, template="What was it about? {{ transcript }}", max_tokens=100)
SIZES = (100_000, 1_000_000, 10_000_000)
CUT_OFF = 50  # one answer in so many of a file
RUN = "growth"


def make(folder, number):
    """Write the table of calls; the account's jobs are to stay in the queue, since nothing answers them."""
    place = pl.int_range(number, dtype=pl.Int64)
    words = pl.format("Line {} is down, and has been since noon; what can I do?", place.cast(pl.String).str.zfill(8))
    calls = pl.LazyFrame().select(call_id=pl.format("call-{}", place), transcript=words)
    calls.sink_parquet(folder / "calls.parquet")
    open_session(os.environ["BEDROCK_LOCAL"], settings=Settings(seconds={"Submitted": 1e9}))


def write_records(folder, _):
    """Prepare the run."""
    prepare(pl.read_parquet(folder / "calls.parquet"), PROMPT, into=folder / "runs", name=RUN)


def show_plan(folder, _):
    """Print the plan."""
    str(open_run(folder / "runs" / RUN))


def send(folder, _):
    """Create the jobs."""
    submit(open_run(folder / "runs" / RUN), wait=False)


def answer(folder, _):
    """Put the output of each job where it belongs, and its manifest, as Bedrock does."""
    run = open_run(folder / "runs" / RUN)
    s3 = open_session(os.environ["BEDROCK_LOCAL"]).client("s3")
    output = folder / "output.jsonl"
    for job in run.ledger.replay():
        bucket, _, prefix = f"{job.output_uri}{job.job_id}/".removeprefix("s3://").partition("/")
        cut_off = []
        for file in sorted((run.folder / "input" / job.job_key).iterdir()):
            cut_off += write_output(file, output)
            s3.upload_file(str(output), bucket, f"{prefix}{file.name}.out")
        manifest = json.dumps(count_job(cut_off)).encode()
        s3.put_object(Bucket=bucket, Key=f"{prefix}manifest.json.out", Body=manifest)
    output.unlink()


def write_output(file, output):
    """Answer each line of an input file; return which answers were cut off."""
    with file.open("rb") as asked, output.open("wb") as answers:
        cut_off = []
        for number, line in enumerate(asked, 1):
            cut_off.append(number % CUT_OFF == 0)
            answers.write(line[:-2] + ANSWERS[cut_off[-1]])
    return cut_off


def count_job(cut_off):
    """Make the manifest of a job."""
    counts = {f"{name}RecordCount": len(cut_off) for name in ("total", "processed", "success")}
    tokens = {"inputTokenCount": 30 * len(cut_off), "outputTokenCount": 12 * len(cut_off) + 88 * sum(cut_off)}
    return counts | {"errorRecordCount": 0} | tokens


def make_answer(stop_reason, output_tokens):
    """Make what an output line has behind its request."""
    output = {
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "A line has been down since noon, and the customer asks what to do."}],
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 30, "output_tokens": output_tokens},
    }
    return b',"modelOutput":' + json.dumps(output, separators=(",", ":")).encode() + b"}\n"


def bring_back(folder, number):
    """Collect; every record has to be answered."""
    jobs = collect(open_run(folder / "runs" / RUN))
    if jobs["answered"].sum() != number or not jobs["agrees"].all():
        raise SystemExit(f"not all came back:\n{jobs}")


def bill(folder, number):
    """Price the outputs and sum them up."""
    costs = sum_run_costs(open_run(folder / "runs" / RUN))
    if costs.total["outputs"].item() != number:
        raise SystemExit(f"not all are in the bill:\n{costs.total}")


def count_stops(folder, number):
    """Count how the answers ended."""
    answers = scan_answers(open_run(folder / "runs" / RUN)).select("variant", "stop").collect(engine="streaming")
    counts = count_stop_reasons(answers)
    if counts["answers"].to_list() != [number - number // CUT_OFF, number // CUT_OFF]:
        raise SystemExit(f"not all are counted:\n{counts}")


def list_all(folder, _):
    """List the runs."""
    list_runs(folder / "runs")


STAGES = {
    "table of calls": make,
    "`prepare`": write_records,
    "`prepare` again": write_records,
    "`print(run)`": show_plan,
    "`submit`, until all jobs are created": send,
    "output lines, in place of Bedrock": answer,
    "`collect`": bring_back,
    "`collect` again": bring_back,
    "`sum_run_costs`": bill,
    "`scan_answers`, `count_stop_reasons`": count_stops,
    "`list_runs`": list_all,
}


ANSWERS = (make_answer("end_turn", 12), make_answer("max_tokens", 100))


def main():
    """Measure each stage of each size, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of calls, multiples of 1,000")
    parser.add_argument("--folder", type=Path, help="where everything lies, and stays")
    parser.add_argument("--stage", nargs=2, metavar=("STAGE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        run_stage(given.stage[0], Path(given.stage[1]), given.sizes[0])
        return
    print(describe_machine("boto3", "msgspec", "polars", "pyarrow"), flush=True)
    with TemporaryDirectory() as folder:
        taken = {size: measure(given.folder or Path(folder), size, is_kept=bool(given.folder)) for size in given.sizes}
    print(f"\n{tabulate(taken)}")


def run_stage(name, folder, number):
    """Run a stage, and print what it took."""
    imports, begin, begin_cpu = peak_bytes(), time.perf_counter(), cpu_seconds()
    STAGES[name](folder, number)
    facts = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - begin_cpu}
    print(json.dumps(facts | {"peak": peak_bytes(), "imports": imports}))


def measure(where, number, *, is_kept):
    """Run the stages of one size that have not been measured, and return what each took."""
    folder = where / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    measured = folder / "measured.json"
    taken = json.loads(measured.read_text()) if measured.exists() else {}
    for name in STAGES:
        if name not in taken:
            tell(f"{number:,} calls: {name}")
            taken[name] = start_stage(name, folder, number)
            measured.write_text(json.dumps(taken))
    if not is_kept:
        rmtree(folder)
    return taken


def start_stage(name, folder, number):
    """Run a stage in a process of its own."""
    command = [sys.executable, __file__, "--sizes", str(number), "--stage", name, str(folder)]
    environment = os.environ | {"BEDROCK_LOCAL": str(folder / "account"), "TQDM_DISABLE": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def tabulate(taken):
    """Write what each stage took by size, and the exponents from one size to the next."""
    rows = []
    for name in STAGES:
        facts = [of_size[name] for of_size in taken.values()]
        cells = [(f"{one['seconds']:,.1f}", f"{one['cpu']:,.1f}", f"{one['peak'] / 1e6:,.0f}") for one in facts]
        ratios = [log(later / before) for before, later in pairwise(taken)]
        grown = [
            f"{log(take(later) / take(before)) / ratio:.2f}"
            for take in (lambda one: one["cpu"], lambda one: one["peak"] - one["imports"])
            for (before, later), ratio in zip(pairwise(facts), ratios, strict=True)
        ]
        rows.append([name, *(cell for three in cells for cell in three), *grown])
    head = [cell for number in taken for cell in (f"{number:,}: seconds", "CPU seconds", "peak MB")]
    steps = [f"to {number:,}" for number in [*taken][1:]]
    return table(["", *head, *(f"CPU {step}" for step in steps), *(f"memory {step}" for step in steps)], rows)


if __name__ == "__main__":
    main()
