"""Collecting: download the output, join it to the calls, and count what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import polars as pl

from analysis.aws.session import open_session
from analysis.aws.storage import StoredFile, open_bucket
from analysis.files import explain_file_errors, make_folder, replace_when_whole, sweep_drafts, sweep_parts
from analysis.jobs.statuses import TAKEN
from analysis.outputs import (
    OUTPUT_SCHEMA,
    index_records,
    list_outputs,
    read_joined,
    read_stamp,
    scan_parts,
    write_part,
)
from analysis.outputs.manifests import MANIFEST_SCHEMA, load_manifests
from analysis.runs.folder import PARTS_FILE, Run, RunSource, open_run
from analysis.runs.outcomes import explain_missing
from analysis.runs.parts import (
    delete_parts,
    group_by_part,
    list_jobs_by_part,
    list_parts_by_job,
    name_part,
    name_shared_parts,
)
from analysis.runs.retries import download_job
from analysis.runs.state import RunState, read_state
from analysis.runs.status import ON_DEMAND, sort_by_job

JOINED = ("record_id", "call_id", "variant", "sample", "attempt", "model_id")  # columns of records that outputs need
RECORD_KEYS = ("record_id", "job_key")
RECONCILED = ("record_id", "job_id", "file", "error_kind", "error_code")  # columns of outputs that reconciling needs
RECORDS_TOGETHER = 100_000  # reconciled at once
VERSION = version("batchbook")


@explain_file_errors()
def collect(run: RunSource, *, profile: str = "", region: str = "", bucket_owner: str = "") -> pl.DataFrame:
    """Download what came back, read it, join it to calls and variants, and count what is missing.

    Can be called while jobs are running, and again: it reads the output that is new or has changed by then.

    Parameters
    ----------
    run
        A run that has been submitted, or invoked.
    profile, region
        As in `submit`; empty for those that the run was sent with.
    bucket_owner
        As in `submit`; empty for that which the run was sent with, or else the caller's account.

    Returns
    -------
    frame
        One row per job, from `reconcile_run`.

    Raises
    ------
    RunError
        Nothing has been sent.
    """
    run = open_run(run)
    state = read_state(run)
    profile, region = state.find_account(profile, region)
    make_folder(run.folder / "output")  # a job that was stopped early leaves no file
    sweep_parts(run.folder)
    sweep_drafts(run.folder)
    if state.job_keys:
        owner = bucket_owner or str(state.sending.get("bucket_owner", ""))
        s3 = open_bucket(open_session(profile, region=region), owner=owner)
        for jobs in state.created.values():
            for job in jobs:
                download_job(run, job, s3)
    records = write_parts(state)
    write_manifests(run)
    return reconcile_records(state, records)


def write_manifests(run: Run) -> None:
    """Read the manifests into one table, written under another name first so that it is never seen half written."""
    folder = run.folder / "output"
    manifests = load_manifests(folder) if folder.exists() else pl.DataFrame(schema=MANIFEST_SCHEMA)
    # Not flushed: collecting makes it again from the output files.
    with replace_when_whole(run.folder / "manifests.parquet", flush=False) as unfinished:
        manifests.write_parquet(unfinished)


def write_parts(state: RunState) -> pl.DataFrame:
    """Read new or changed output files into Parquet parts: one row per output, joined to its record.

    Returns
    -------
    records
        `record_id` and `job_key` of each record, since the table can be too large to be read again.
    """
    run = state.run
    folder, shared = run.folder / "outputs", name_shared_parts(run)
    parts = group_by_part(list_own_outputs(state), shared)
    taken: dict[str, list[str]] = {part.name: [] for part in state.list_taken_parts()}
    changed = list_changed(run, parts)
    records = run.read_records(*JOINED, "job_key") if changed else run.read_records(*RECORD_KEYS)
    # Divided once: a filter for each job would read all records as often as there are jobs.
    by_job = {key: sent for (key,), sent in records.partition_by("job_key", as_dict=True).items()} if changed else {}
    for name, stamp in changed.items():
        write_part(read_outputs(parts[name], by_job), folder / name, stamp=stamp)
    with replace_when_whole(run.folder / PARTS_FILE, flush=False) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(list_jobs_by_part(parts, shared) | taken))
    delete_parts(folder, {name_part(file) for outputs in parts.values() for _, file in outputs} - parts.keys())
    return records.select(RECORD_KEYS)


def read_outputs(
    outputs: Sequence[tuple[str, StoredFile]], records: Mapping[str, pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Read the output files of one part, each joined to the records of its job."""
    indexes = {key: index_records(records[key]) for key in dict.fromkeys(key for key, _ in outputs)}
    for key, file in outputs:
        yield from read_joined(file, records=indexes[key], model_id=records[key].item(0, "model_id"))


def list_own_outputs(state: RunState) -> list[tuple[str, StoredFile]]:
    """List the output files that a job of the run wrote, or `invoke`, each with the key of its planned job."""
    found = [(find_job_key(file, state.job_keys), file) for file in list_output_files(state.run)]
    planned = {job.key for job in state.planned}
    return [(key, file) for key, file in found if key in planned]


def list_output_files(run: Run) -> list[StoredFile]:
    """List all output files in the folder of the run."""
    folder = run.folder / "output"
    return list_outputs(folder) if folder.exists() else []


def list_strange_files(state: RunState) -> list[str]:
    """List the files in `output/` and `outputs/` that no job of the run wrote, by their paths in the run's folder."""
    own = list_own_outputs(state)
    names, shared = {file.name for _, file in own}, name_shared_parts(state.run).values()
    parts = {name_part(file) for _, file in own}.union(shared, state.run.read_listing(), state.taken_parts)
    outputs = [f"output/{file.name}" for file in list_output_files(state.run) if file.name not in names]
    return outputs + [
        f"outputs/{path.name}"
        for path in sorted((state.run.folder / "outputs").glob("*.parquet"))
        if path.name not in parts
    ]


def list_changed(run: Run, parts: Mapping[str, Sequence[tuple[str, StoredFile]]]) -> dict[str, str]:
    """List the parts that are not up to date, each with the stamp that it shall have."""
    about = (run.folder / "records.parquet").stat().st_mtime_ns
    stamps = {name: make_stamp(about, outputs) for name, outputs in parts.items()}
    return {name: stamp for name, stamp in stamps.items() if read_stamp(run.folder / "outputs" / name) != stamp}


def make_stamp(about: int, outputs: Iterable[tuple[str, StoredFile]]) -> str:
    """Make the stamp of a part: of its files, the records that are joined, and what this version makes of them."""
    described = [f"{key} {file.name} {file.bytes} {file.modified_s}" for key, file in outputs]
    return f"{VERSION} {about} {hashlib.sha256(repr(described).encode()).hexdigest()}"


def find_job_key(file: StoredFile, keys: dict[str, str]) -> str:
    """Find the planned job of an output file; empty for a job that the ledger does not have."""
    folder, _, name = file.name.partition("/")
    # Names of files from `invoke` begin with the job's key.
    return name.split("-")[0] if folder == ON_DEMAND else keys.get(folder, "")


@explain_file_errors()
def reconcile_run(run: Run) -> pl.DataFrame:
    """Compare what was prepared with what came back.

    Returns
    -------
    frame
        One row per job: `job_key`, `status` (as last seen; missing before it was sent), `prepared` (records),
        `answered`, `failed` (only errors came back) and `missing` (nothing came back), which add up to `prepared`;
        `unanswered` (failed and missing) and `why` (in words; missing where all are answered);
        `repeated` (lines beyond the first of a record in one job, and answers beyond the first over its tries),
        `unreadable` (lines), `manifest_success` and `manifest_error` (of all tries; missing without a manifest),
        `agrees` (whether manifest and lines have the same counts; missing without a manifest).
    """
    return reconcile_records(read_state(run), run.read_records(*RECORD_KEYS))


def reconcile_records(state: RunState, records: pl.DataFrame) -> pl.DataFrame:
    """Do what `reconcile_run` does, by a state that has been read and the id and job of each record."""
    keys = state.job_keys
    parts, taken = list_parts_by_job(state.run, keys), state.list_taken_parts()
    counted = [
        count_records(sent, pl.concat([read_parts(parts, sent), read_taken(taken, sent)]), keys)
        for sent in split_by_job(records, parts)
    ]
    jobs, failures, lines = (pl.concat(frames) for frames in zip(*counted, strict=True))
    return add_manifests(state, add_why(state, jobs, failures), join_manifests(state, lines))


def count_records(records: pl.DataFrame, outputs: pl.DataFrame, keys: dict[str, str]) -> tuple[pl.DataFrame, ...]:
    """Count what came back of the records of some jobs, why records failed, and the lines of each try."""
    matched = records.join(count_lines(outputs), on="record_id", how="left").with_columns(
        pl.col("answers", "outputs", "repeated").fill_null(0).cast(pl.Int64)
    )
    answered, returned = pl.col("answers") > 0, pl.col("outputs") > 0
    jobs = matched.group_by("job_key", maintain_order=True).agg(
        prepared=pl.len(),
        answered=answered.sum(),
        failed=(~answered & returned).sum(),
        missing=(~returned).sum(),
        unanswered=(~answered).sum(),
        repeated=pl.col("repeated").sum(),
    )
    unreadable = outputs.filter(error_kind="unreadable").group_by(select_job_key(keys)).agg(unreadable=pl.len())
    jobs = jobs.join(unreadable, on="job_key", how="left", maintain_order="left")
    jobs = jobs.with_columns(pl.exclude("job_key").fill_null(0).cast(pl.Int64))
    failed = matched.filter(~answered & returned).select("record_id", "job_key")
    return jobs, explain_failures(failed, outputs), count_by_try(outputs.lazy()).collect()


def split_by_job(records: pl.DataFrame, parts: Mapping[str, Sequence[Path]]) -> Iterator[pl.DataFrame]:
    """Yield the records of jobs that share parts together, a hundred thousand or a little more: no part comes twice."""
    # The records of a job follow each other, as their lines do in its files.
    start = end = 0
    before: Sequence[Path] = ()
    for count, key in records["job_key"].rle().struct.unnest().iter_rows():
        if end - start >= RECORDS_TOGETHER and not {*before} & {*parts.get(key, ())}:
            yield records.slice(start, end - start)
            start = end
        end += count
        before = parts.get(key, ())
    yield records.slice(start)


def read_parts(parts: Mapping[str, Sequence[Path]], records: pl.DataFrame) -> pl.DataFrame:
    """Read from the parts of the jobs of some records what reconciling needs."""
    files = list(dict.fromkeys(part for key in records["job_key"].unique().sort() for part in parts.get(key, [])))
    if not files:
        return pl.DataFrame(schema={name: OUTPUT_SCHEMA[name] for name in RECONCILED})
    return scan_parts(files).select(RECONCILED).collect()


def read_taken(taken: list[Path], records: pl.DataFrame) -> pl.DataFrame:
    """Read what reconciling needs of the answers to some records that were taken over from other runs."""
    if not taken:
        return pl.DataFrame(schema={name: OUTPUT_SCHEMA[name] for name in RECONCILED})
    answers = scan_parts(taken).select(RECONCILED)
    return answers.join(records.lazy(), on="record_id", how="semi").collect(engine="streaming")


def add_why(state: RunState, jobs: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame:
    """Add to each job, in words, why records have no answer; missing where all have one."""
    jobs = jobs.join(failures, on="job_key", how="left", maintain_order="left")
    reason = pl.col("job_key").replace_strict(explain_missing(state), default=None, return_dtype=pl.String)
    missing = pl.when(pl.col("missing") > 0).then(pl.format("{} missing: {}", "missing", reason))
    why = pl.concat_str(missing, "failures", separator="; ", ignore_nulls=True)
    return jobs.with_columns(why=why.replace("", None))


def count_lines(outputs: pl.DataFrame) -> pl.DataFrame:
    """Count the lines of each record: answers, all, and repeated ones (not an answer after a failed try)."""
    # Two answers within a job, or from two of its tries, are charged twice; an error before an answer is no repetition.
    by_job = outputs.group_by("record_id", "job_id").agg(answers=pl.col("error_kind").is_null().sum(), outputs=pl.len())
    repeated = (pl.col("outputs") - 1).sum() + ((pl.col("answers") > 0).sum().cast(pl.Int64) - 1).clip(0)
    return by_job.group_by("record_id").agg(
        pl.col("answers").sum(), pl.col("outputs").sum(), repeated=repeated.cast(pl.Int64)
    )


def explain_failures(failed: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """Count, as a text for each job, the records that failed by kind and code, the most frequent first."""
    last = failed.join(outputs, on="record_id", how="left", maintain_order="left").unique("record_id", keep="last")
    kinds = last.group_by("job_key", "error_kind", "error_code").agg(records=pl.len())
    kinds = kinds.sort("records", "error_kind", "error_code", descending=[True, False, False])
    code = pl.when(pl.col("error_code").is_null()).then(pl.lit("")).otherwise(pl.format(" {}", "error_code"))
    text = pl.format("{} failed: {}{}", "records", "error_kind", code)
    return kinds.group_by("job_key", maintain_order=True).agg(failures=text.str.join("; "))


def select_job_key(keys: dict[str, str]) -> pl.Expr:
    """Return an expression for the planned job of each output; names of files from `invoke` begin with its key."""
    on_demand = pl.col("file").str.extract(f"^{ON_DEMAND}/([^-]+)-")
    known = pl.col("job_id").replace_strict(keys, default=None, return_dtype=pl.String)
    return pl.coalesce(known, on_demand).alias("job_key")


def compare_manifests(run: Run) -> pl.DataFrame:
    """Compare the manifest of each created job, earlier tries included, with its lines; one row per job and try."""
    return join_manifests(read_state(run), count_by_try(run.scan_outputs()).collect(engine="streaming"))


def count_by_try(outputs: pl.LazyFrame) -> pl.LazyFrame:
    """Count answers, errors and unreadable lines of each job id."""
    return outputs.group_by("job_id").agg(
        read_success=pl.col("error_kind").is_null().sum().cast(pl.Int64),
        read_error=pl.col("error_kind").is_not_null().sum().cast(pl.Int64),
        unreadable=(pl.col("error_kind") == "unreadable").sum().cast(pl.Int64),
    )


def join_manifests(state: RunState, lines: pl.DataFrame) -> pl.DataFrame:
    """Join the counts of lines of each try that Bedrock created to those of its manifest."""
    created = [(each.job_key, each.job_try, each.job_id, each.status) for each in state.tries if each.job_arn]
    schema = {"job_key": pl.String, "job_try": pl.Int64, "job_id": pl.String, "status": pl.String}
    manifests = pl.read_parquet(state.run.folder / "manifests.parquet").select(
        "job_id", "file", "error_message", manifest_success="success_records", manifest_error="error_records"
    )
    frame = pl.DataFrame(created, schema, orient="row").join(lines, on="job_id", how="left", maintain_order="left")
    frame = frame.join(manifests, on="job_id", how="left", maintain_order="left")
    # A job whose lines are all lost has counts too: the worst disagreement.
    frame = frame.with_columns(pl.col("read_success", "read_error", "unreadable").fill_null(0))
    agrees = (pl.col("manifest_success") == pl.col("read_success")) & (pl.col("manifest_error") == pl.col("read_error"))
    return frame.with_columns(agrees=agrees)


def add_manifests(state: RunState, jobs: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """Add each job's status, the counts of its manifests, and whether they agree with its lines."""
    statuses = {job.key: latest.status for job, latest in state.pairs if latest.job_arn or latest.status == TAKEN}
    counts = ("manifest_success", "manifest_error")
    sums = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in counts]
    agrees = pl.when(pl.col("agrees").count() > 0).then(pl.col("agrees").all())
    frame = jobs.join(compared.group_by("job_key").agg(*sums, agrees=agrees), on="job_key", how="left")
    status = pl.col("job_key").replace_strict(statuses, default=None, return_dtype=pl.String).alias("status")
    counted = ("prepared", "answered", "failed", "missing", "unanswered", "why", "repeated", "unreadable")
    return sort_by_job(frame.select("job_key", status, *counted, *counts, "agrees"))
