"""Status: what the folder of a run shows of its jobs, without asking Bedrock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from analysis.files import explain_file_errors
from analysis.jobs.batch import PlannedJob, count_sent
from analysis.jobs.ledger import JobState
from analysis.jobs.on_demand import OutputLine, count_unanswered_requests, read_output_lines
from analysis.runs.folder import Run, RunSource, open_run
from analysis.runs.state import RunState, read_state

ON_DEMAND = "on-demand"  # folder below output/ of the answers to invoke()

JOB_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "job_key": pl.String,
    "job_try": pl.Int64,
    "job_id": pl.String,
    "status": pl.String,
    "message": pl.String,
    "model_id": pl.String,
    "records": pl.Int64,
    "taken": pl.Int64,
    "processed_records": pl.Int64,
    "success_records": pl.Int64,
    "error_records": pl.Int64,
    "submitted_at": pl.Datetime("us", "UTC"),
    "ended_at": pl.Datetime("us", "UTC"),
    "job_name": pl.String,
    "job_arn": pl.String,
    "region": pl.String,
}


@explain_file_errors()
def load_jobs(run: RunSource) -> pl.DataFrame:
    """Load the jobs of a run with the status that the ledger last saw.

    Returns
    -------
    frame
        One row per job and try: `job_key`, `job_try`, `job_id`, `status` (`planned`, `intended`, one of Bedrock's ten,
        `refused`, or `taken`: no job is needed), `message`, `model_id`, `records` (sent; a further try sends those that
        had no answer), `taken` (not sent, since other runs have answered them), `processed_records`, `success_records`,
        `error_records` (missing where Bedrock gave none), `submitted_at`,
        `ended_at` (UTC), `job_name`, `job_arn`, `region` (missing where it is not known before the run is sent).
    """
    return tabulate_jobs(read_state(open_run(run)))


def tabulate_jobs(state: RunState) -> pl.DataFrame:
    """Build the frame of `load_jobs`."""
    planned = {job.key: job for job in state.planned}
    seen = {each.job_key for each in state.tries}
    tries = [*state.tries, *(JobState(key) for key in planned if key not in seen)]
    region = str(state.sending.get("region", ""))
    rows = [describe_job(each, planned[each.job_key], region) for each in tries]
    return sort_by_job(pl.DataFrame(rows, schema=JOB_SCHEMA), "job_try")


def sort_by_job(frame: pl.DataFrame, *others: str) -> pl.DataFrame:
    """Sort rows by the numbers in their job key, then by other columns: as text `job100` is before `job11`."""
    attempt, number = (pl.col("job_key").str.extract(part).cast(pl.Int64) for part in (r"^a(\d+)-", r"(\d+)$"))
    return frame.sort(attempt, number, *others, nulls_last=False)


def describe_job(state: JobState, job: PlannedJob, region: str) -> dict[str, Any]:
    """Build a row of `load_jobs`; what is not known is missing. The Region is that of the run."""
    texts = ("job_id", "message", "job_name", "job_arn")
    times = ("submitted_at", "ended_at")
    return {
        "job_key": state.job_key,
        "job_try": state.job_try,
        "status": state.status,
        "model_id": job.model_id,
        "records": count_sent(job, state),
        "taken": state.taken,
        **{f"{name}_records": state.counts.get(name) for name in ("processed", "success", "error")},
        **{name: getattr(state, name) or None for name in texts},
        **{name: read_time(getattr(state, name)) for name in times},
        "region": job.region or region or None,
    }


def read_time(text: str) -> datetime | None:
    """Read a time of the ledger; missing while Bedrock gives none."""
    return datetime.fromisoformat(text) if text else None


def has_on_demand_output(run: Run) -> bool:
    """Whether records have been sent on demand."""
    return any(file.stat().st_size for file in on_demand_files(run))


def has_job_output(run: Run) -> bool:
    """Whether output of batch jobs has been collected."""
    folder = run.folder / "output"
    return folder.exists() and any(path.is_dir() and path.name != ON_DEMAND for path in folder.iterdir())


def is_finished(run: Run) -> bool:
    """Whether nothing more will come back: each job, or each record on demand, has ended for good."""
    return has_ended(read_state(run))


def has_ended(state: RunState) -> bool:
    """Whether nothing more will come back, by a state that has been read."""
    all_settled = all(state.is_settled(job, latest) for job, latest in state.pairs)
    if state.has_jobs or all_settled:
        return all_settled and all(is_asked(state.run, job) for job in state.on_demand)
    jobs = state.latest_jobs
    if jobs[0].attempt > 1:
        return all(is_asked(state.run, job) for job in jobs)
    settled = {line.record_id for line in read_lines_of(state.run, jobs) if line.is_settled}
    settled |= state.taken_ids
    # Counted first, since the table of records can be large.
    return len(settled) >= count_planned(jobs) and settled >= set(state.run.read_records("record_id")["record_id"])


def is_asked(run: Run, job: PlannedJob) -> bool:
    """Whether each record of a job has been asked on demand, and an answer or an error came back."""
    return len({line.record_id for line in read_lines_of(run, [job])}) >= job.records


def read_lines_of(run: Run, jobs: Iterable[PlannedJob]) -> Iterator[OutputLine]:
    """Read the answers on demand to the records of some planned jobs."""
    return (line for job in jobs for file in list_on_demand_outputs(run, job) for line in read_output_lines(file))


def count_planned(jobs: Iterable[PlannedJob]) -> int:
    """Count the records of some planned jobs."""
    return sum(job.records for job in jobs)


def is_collected(run: Run) -> bool:
    """Whether the run was collected after its last output file was written."""
    # Compared by time, since output that came after collecting is seen in nothing else.
    manifests = run.folder / "manifests.parquet"
    written = [path.stat().st_mtime for path in (run.folder / "output").rglob("*.out")]
    return manifests.exists() and manifests.stat().st_mtime >= max(written, default=0)


def on_demand_files(run: Run) -> list[Path]:
    """List the output files of answers on demand."""
    return sorted((run.folder / "output" / ON_DEMAND).glob("*.out"))


def list_on_demand_outputs(run: Run, job: PlannedJob) -> list[Path]:
    """List the output files on demand of one planned job that are there."""
    return [path for file in job.files if (path := name_on_demand_output(run, job, file)).exists()]


def name_on_demand_output(run: Run, job: PlannedJob, file: Path) -> Path:
    """Return the path of the answers on demand to an input file of a job."""
    return run.folder / "output" / ON_DEMAND / f"{job.key}-{file.name}.out"


def count_lost_requests(state: RunState) -> int:
    """Count the requests on demand whose answer was not read: a process ended, or the network broke off."""
    return sum(count_unanswered_requests(list_on_demand_outputs(state.run, job)) for job in state.all_jobs)
