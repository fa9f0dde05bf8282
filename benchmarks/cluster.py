"""Prepare and read a run on Spark and on one machine: the same files, and the processor time of each; in Markdown.

    PYTHONPATH=build/spark-3 python benchmarks/cluster.py [--calls 1000000]

The calls are made up, about 1,000 characters each, and one in fifty has the text of another. Spark runs as `local[2]`,
and its session is warm: a small run has been prepared and read in it. Its time is that of all its processes, the JVM
and the workers with this one. Output lines are put where `collect` has downloaded them, since the emulator would take
an hour. Everything lies in a temporary folder (12 KB a call).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import polars as pl
from growth import MODEL, make_answer
from measuring import cpu_seconds, describe_machine, peak_bytes, table, tell

from analysis import Prompt, open_run, prepare
from analysis.runs.collection import write_parts
from analysis.runs.state import read_state

PROMPT = Prompt(name="short", model_id=MODEL, template="What was it about?\n\n{{ transcript }}", max_tokens=100)
WORDS = "the line has been down since noon and I want to know when it comes back or what you do about it "
WARM = 20_000
ANSWER = make_answer("end_turn", 12)


def make(folder, number):
    """Write the table of calls, as several files in no order of the ids, and that of the run that warms up."""
    for name, rows in (("calls", number), ("warm", WARM)):
        place = pl.int_range(rows, dtype=pl.Int64)
        text = pl.format("Call {}: {}", place - (place % 50 == 49).cast(pl.Int64), pl.lit(WORDS * 10))
        ids = (place * 7_919 % rows).cast(pl.String).str.zfill(9)
        calls = pl.select(call_id=pl.format("call-{}", ids), transcript=text)
        (folder / name).mkdir()
        for start in range(0, rows, 100_000):
            calls[start : start + 100_000].write_parquet(folder / name / f"{start:09}.parquet")


def prepare_here(folder):
    """Prepare on one machine."""
    prepare(pl.read_parquet(folder / "calls/*.parquet"), PROMPT, into=folder / "one", name="cluster")


def answer(run):
    """Answer each line of a run, as if its jobs had ended and their output had been downloaded."""
    run.ledger.append("sending", invocation="batch", profile="emulator", region="us-east-1", versions={})
    for number, job in enumerate(read_state(run).planned):
        job_id = f"job{number:09}"
        fields = {"status": "Completed", "job_arn": f"arn:aws:bedrock:us-east-1:1:model-invocation-job/{job_id}"}
        run.ledger.append("created", job_key=job.key, job_try=1, **fields)
        output = run.folder / "output" / job_id
        output.mkdir(parents=True)
        for file in job.files:
            with file.open("rb") as asked, (output / f"{file.name}.out").open("wb") as answers:
                answers.writelines(line[:-2] + ANSWER for line in asked)


def read_here(folder):
    """Read the outputs into parts, as `collect` does, in this process alone."""
    write_parts(read_state(open_run(folder / "one" / "cluster")))


def on_spark(folder):
    """Prepare and read on Spark, and print what each took."""
    from pyspark.sql import SparkSession

    from analysis.spark import prepare_on_spark, read_outputs_on_spark, sum_costs_on_spark

    spark = SparkSession.builder.master("local[2]").config("spark.driver.memory", "2g").getOrCreate()
    for calls, into in (("warm", "warm-runs"), ("calls", "spark")):
        facts = {}
        prepared = spark.read.parquet(str(folder / calls))
        with measuring(facts, "prepare"):
            run = prepare_on_spark(prepared, PROMPT, into=folder / into, name="cluster")
        answer(run)
        outputs = read_outputs_on_spark(spark, run)
        with measuring(facts, "read"):
            outputs.write.parquet(str(folder / f"{into}-outputs"))
        with measuring(facts, "sum"):
            sum_costs_on_spark(outputs).collect()
        facts["imports"] = 0
    facts["driver"] = peak_bytes()
    print(json.dumps(facts))


@contextmanager
def measuring(facts, name):
    """Measure a block: seconds, processor time of this process and all below it, and the most memory of a worker."""
    peaks, over = [0], Event()

    def watch():
        while not over.wait(0.2):
            workers = [pid for pid in list_below(os.getpid()) if "pyspark" in read_command(pid)]
            peaks.append(max((read_memory(pid) for pid in workers), default=0))

    watcher = Thread(target=watch)
    watcher.start()
    began, cpu = time.perf_counter(), tree_seconds()
    yield
    facts[name] = {"seconds": time.perf_counter() - began, "cpu": tree_seconds() - cpu}
    over.set()
    watcher.join()
    facts[name]["task"] = max(peaks)


def read_stat(pid):
    """Read the fields of a process after its name, which may have spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def list_below(pid):
    """List a process and all that it and those below it started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents.setdefault(int(read_stat(path.name)[1]), []).append(int(path.name))
        except OSError:
            continue
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def tree_seconds():
    """Add up the processor time of this process, those below it, and those of them that have ended."""
    ticks = 0
    for pid in list_below(os.getpid()):
        try:
            ticks += sum(map(int, read_stat(pid)[11:15]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def read_command(pid):
    """Read the command of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text() if "python" in os.readlink(f"/proc/{pid}/exe") else ""  # noqa: PTH115
    except OSError:
        return ""


def read_memory(pid):
    """Read the memory that a process has now."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


HERE = {"prepare": prepare_here, "read": read_here}


def run_stage(name, folder, number):
    """Run a stage, and print what it took."""
    if name == "spark":
        on_spark(folder)
    elif name in HERE:
        began, cpu = time.perf_counter(), cpu_seconds()
        HERE[name](folder)
        print(json.dumps({"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu, "task": peak_bytes()}))
    else:
        make(folder, number) if name == "make" else answer(open_run(folder / "one" / "cluster"))


def start_stage(name, folder, number):
    """Run a stage in a process of its own."""
    tell(name)
    command = [sys.executable, __file__, "--calls", str(number), "--stage", name, str(folder)]
    variables = {"BEDROCK_LOCAL": str(folder / "account"), "PYSPARK_PYTHON": sys.executable, "TQDM_DISABLE": "1"}
    done = subprocess.run(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip().startswith("{") else {}


def main():
    """Run the stages, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="a temporary one by default")
    parser.add_argument("--stage", nargs=2, metavar=("STAGE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        run_stage(given.stage[0], Path(given.stage[1]), given.calls)
        return
    print(describe_machine("polars", "pyarrow", "pyspark"), flush=True)
    with TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        start_stage("make", folder, given.calls)
        one = {"prepare": start_stage("prepare", folder, given.calls)}
        start_stage("answer", folder, given.calls)
        one["read"] = start_stage("read", folder, given.calls)
        spark = start_stage("spark", folder, given.calls)
    rows = []
    for name, what in (("prepare", "`prepare`, `prepare_on_spark`"), ("read", "outputs to Parquet")):
        here, there = one[name], spark[name]
        ratio = there["cpu"] / here["cpu"]
        rows.append([what, *(f"{each:,.1f}" for each in (here["cpu"], there["cpu"], ratio, here["seconds"]))])
        rows[-1] += [f"{there['seconds']:,.1f}", f"{here['task'] / 1e6:,.0f}", f"{there['task'] / 1e6:,.0f}"]
    of_sums = spark["sum"]
    rows.append(["`sum_costs_on_spark`", "", f"{of_sums['cpu']:,.1f}", "", "", f"{of_sums['seconds']:,.1f}", ""])
    rows[-1].append(f"{of_sums['task'] / 1e6:,.0f}")
    head = ["", "CPU s", "on Spark", "ratio", "s", "on Spark", "MB", "MB a task"]
    print(f"\n{table(head, rows)}\n\nThe driver had {spark['driver'] / 1e6:,.0f} MB at most, Python without the JVM.")


if __name__ == "__main__":
    main()
