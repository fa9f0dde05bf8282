"""Many jobs: a step of submit, `load_jobs` and `collect` of runs that differ in nothing but the number of their jobs.

    python benchmarks/many_jobs.py [--jobs 1000 10000] [--records 1000000]

Nothing is sent: the ledger of a run half-way through its jobs is made up, Bedrock is a client that answers from memory,
and the answers that `collect` reads are put in place as `invoke` leaves them. Each measurement is a process of its own.
Prints Markdown; processor time counts, since it depends less on what else the machine does.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import msgspec
import polars as pl
from measuring import cpu_seconds, describe_machine, peak_bytes, table, tell

from analysis import Prompt, collect, load_jobs, open_run, prepare
from analysis.jobs.steps import Account, take_step
from analysis.runs.state import plan_jobs

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job"
RECORDS_A_JOB = 10  # of the runs that are stepped; their texts do not matter
RUNNING = 100  # jobs at once, the quota
LOOKS = 12  # lines `seen` of a job that has ended
JOBS_COLLECTED = (10, 1_000)
ANSWER = b'"modelOutput":{"content":[{"type":"text","text":"Done."}],"stop_reason":"end_turn",' + (
    b'"usage":{"input_tokens":20,"output_tokens":3}},"recordId":"'
)


class Bedrock:
    """A client whose account has the first half of a run's jobs, of which the last hundred are running."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, planned):
        begun = planned[: len(planned) // 2]
        self.jobs = {make_arn(number): self.describe(job, number) for number, job in enumerate(begun)}
        for arn in list(self.jobs)[:-RUNNING]:
            self.jobs[arn]["status"] = "Completed"

    def describe(self, job, number):
        """Describe a running job as GetModelInvocationJob does."""
        counts = {f"{name}RecordCount": 4 for name in ("total", "processed", "success", "error")}
        return {
            "jobArn": make_arn(number),
            "jobName": job.name(1),
            "modelId": job.model_id,
            "status": "InProgress",
            "submitTime": datetime(2026, 11, 1, tzinfo=UTC),
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://calls/in/"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://calls/out/"}},
            **counts,
        }

    def get_model_invocation_job(self, *, jobIdentifier):  # noqa: N803
        """Look one job up."""
        return self.jobs[jobIdentifier]

    def get_paginator(self, _):
        """List the jobs, as the client does, all on one page."""
        return self

    def paginate(self, *, nameContains="", statusEquals=""):  # noqa: N803
        """Filter the jobs by name or status."""
        jobs = self.jobs.values()
        found = (job for job in jobs if nameContains in job["jobName"] and statusEquals in ("", job["status"]))
        return [{"invocationJobSummaries": list(found)}]


def make_arn(number):
    """Make the ARN of a job."""
    return f"{ARN}/{number:012x}"


def write_ledger(run):
    """Write the ledger of the first half of the jobs as a process that waits for them leaves it."""
    planned = plan_jobs(run)
    bedrock = Bedrock(planned)
    with run.ledger.file.open("wb") as file:
        for job, described in zip(planned, bedrock.jobs.values(), strict=False):
            about = {"at": "2026-11-01T00:00:00+00:00", "job_key": job.key, "job_try": 1}
            file.writelines(msgspec.json.encode(about | event) + b"\n" for event in list_events(job, described))


def list_events(job, described):
    """List what the ledger says of one job."""
    places = {"input_uri": "s3://calls/in/", "output_uri": "s3://calls/out/"}
    about = {"job_arn": described["jobArn"], "job_name": job.name(1), "message": "", **places}
    seen = {**about, "status": "InProgress", "submitted_at": "2026-11-01T00:00:00+00:00", "ended_at": ""}
    counts = {"total": 4, "processed": 4, "success": 4, "error": 4}
    yield {"event": "intended", "status": "intended", "job_name": job.name(1), "token": job.token(1), **places}
    yield {"event": "created", "status": "Submitted", "job_arn": described["jobArn"]}
    yield from ({"event": "seen", **seen, "counts": counts} for _ in range(LOOKS))
    if described["status"] == "Completed":
        yield {"event": "ended", **seen, "status": "Completed", "counts": counts}


def prepare_run(folder, jobs, records):
    """Prepare a run of tiny calls."""
    place = pl.int_range(records)
    calls = pl.select(call_id=pl.format("call-{}", place), transcript=pl.format("Line {} is down.", place))
    prompt = Prompt(name="short", model_id=MODEL, template="Summarize. {{ transcript }}")
    quotas = {"records_per_job": records // jobs, "min_records": 1}
    return prepare(calls, prompt, into=folder, name=f"jobs-{jobs}", quotas=quotas)


def answer(run):
    """Answer every record as `invoke` does."""
    folder = run.folder / "output" / "on-demand"
    folder.mkdir(parents=True)
    for source in (run.folder / "input").rglob("*.jsonl"):
        ids = [json.loads(line)["recordId"].encode() for line in source.open("rb")]
        lines = b"".join(b'{"modelInput":{},' + ANSWER + record_id + b'"}\n' for record_id in ids)
        (folder / f"{source.parent.name}-{source.name}.out").write_bytes(lines)
    run.ledger.append("sending", invocation="on_demand", profile="emulator", region="us-east-1")


def step(run):
    """Take a step, when the planned jobs and what listing them takes are known."""
    planned = plan_jobs(run)
    bedrock = Bedrock(planned)
    account = Account(bedrock=bedrock, s3=None, uri="s3://calls/", unfinished_jobs=lambda _: RUNNING)
    yield
    take_step(planned, run.ledger, account)


def step_again(run):
    """Take a step that is not the first of its call."""
    planned, ledger = plan_jobs(run), run.ledger  # which is read on from where it was
    account = Account(bedrock=Bedrock(planned), s3=None, uri="s3://calls/", unfinished_jobs=lambda _: RUNNING)
    take_step(planned, ledger, account)
    yield
    take_step(planned, ledger, account, is_first=False)


def load(run):
    """Load the jobs."""
    yield
    load_jobs(run)


def bring_back(run):
    """Collect; every record has to be answered."""
    yield
    jobs = collect(run)
    if jobs["missing"].sum() or jobs["failed"].sum():
        raise SystemExit(f"not all came back:\n{jobs}")


def bring_back_again(run):
    """Collect what has been collected."""
    collect(run)
    yield
    collect(run)


STEPS = {"first step of `submit`": step, "a further step": step_again, "`load_jobs`": load}
COLLECTS = {"`collect`": bring_back, "`collect` again": bring_back_again}


def main():
    """Prepare the runs, measure each stage of each, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, nargs=2, default=(1_000, 10_000), help="of the two runs that are stepped")
    parser.add_argument("--records", type=int, default=1_000_000, help="of the two runs that are collected")
    parser.add_argument("--stage", nargs=2, metavar=("STAGE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        run_stage(given.stage[0], open_run(given.stage[1]))
        return
    os.environ["TQDM_DISABLE"] = "1"
    print(describe_machine("msgspec", "polars", "pyarrow"), flush=True)
    with TemporaryDirectory() as folder:
        stepped = [prepare_run(Path(folder) / "steps", jobs, jobs * RECORDS_A_JOB) for jobs in given.jobs]
        for run in stepped:
            write_ledger(run)
        print(f"\n{measure(STEPS, stepped, given.jobs)}", flush=True)
        collected = [prepare_run(Path(folder) / "collects", jobs, given.records) for jobs in JOBS_COLLECTED]
        for run in collected:
            answer(run)
        print(f"\n{given.records:,} records\n\n{measure(COLLECTS, collected, JOBS_COLLECTED)}")


def run_stage(name, run):
    """Run a stage, and print what it took after its preparations."""
    stage = (STEPS | COLLECTS)[name](run)
    next(stage)
    before, begin, begin_cpu = peak_bytes(), time.perf_counter(), cpu_seconds()
    next(stage, None)
    facts = {"seconds": time.perf_counter() - begin, "cpu": cpu_seconds() - begin_cpu}
    print(json.dumps(facts | {"peak": peak_bytes(), "before": before}))


def measure(stages, runs, jobs):
    """Run the stages on both runs, and write the table."""
    rows = []
    for name in stages:
        taken = [start_stage(name, run) for run in runs]
        cells = [(f"{facts['cpu']:.2f}", f"{facts['peak'] / 1e6:,.0f}") for facts in taken]
        rows.append([name, *cells[0], *cells[1], f"{taken[1]['cpu'] / taken[0]['cpu']:.2f}"])
    head = ["", *(cell for number in jobs for cell in (f"{number:,} jobs: CPU seconds", "peak MB")), "times as long"]
    return table(head, rows)


def start_stage(name, run):
    """Run a stage in a process of its own."""
    tell(f"{name}, {run.name}")
    command = [sys.executable, __file__, "--stage", name, str(run.folder)]
    environment = os.environ | {"BEDROCK_LOCAL": str(run.folder.parent / "account")}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
