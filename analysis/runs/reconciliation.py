"""Reconciliation: what was prepared compared with what came back, over all tries and attempts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from analysis.files import explain_file_errors
from analysis.jobs.keys import KEY, make_job_key, read_attempt
from analysis.jobs.statuses import TAKEN
from analysis.outputs import OUTPUT_SCHEMA, scan_parts
from analysis.outputs.answers import KEYS
from analysis.runs.folder import Run
from analysis.runs.outcomes import explain_missing
from analysis.runs.parts import list_parts_by_job
from analysis.runs.state import RunState, read_state
from analysis.runs.status import ON_DEMAND, sort_by_job

RECORD_KEYS = ("record_id", "job_key")
RECONCILED = ("record_id", "job_id", "file", "attempt", "error_kind", "error_code")  # what reconciling needs of outputs
COUNTED = ("prepared", "answered", "failed", "missing", "unanswered", "repeated")
FIRST = make_job_key(1)[:-2]  # what the keys of jobs of the first attempt begin with, and no others
RECORDS_TOGETHER = 100_000  # reconciled at once


@explain_file_errors()
def reconcile_run(run: Run) -> pl.DataFrame:
    """Compare what was prepared with what came back.

    Returns
    -------
    frame
        One row per job: `job_key`, `status` (as last seen; missing before it was sent), `prepared` (records; 0 for a
        job of a repair, whose answers count in the job that asked first), `answered`, `failed` (only errors came back)
        and `missing` (nothing came back), over all attempts, which add up to `prepared`;
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
    repairs = sorted({part for key, own in parts.items() if read_attempt(key) > 1 for part in own})
    first = records.filter(pl.col("job_key").str.starts_with(FIRST))
    counted = [
        count_records(
            sent,
            pl.concat([read_parts(parts, sent), read_taken(taken, sent), read_repairs(state.run, repairs, sent)]),
            keys,
        )
        for sent in split_by_job(first, parts)
    ]
    counted.append(count_repairs(records, repairs, keys))
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
    own = outputs.filter(pl.col("attempt").fill_null(1) == 1)  # lines of repairs are counted once, by themselves
    unreadable = own.filter(error_kind="unreadable").group_by(select_job_key(keys)).agg(unreadable=pl.len())
    jobs = jobs.join(unreadable, on="job_key", how="left", maintain_order="left")
    jobs = jobs.with_columns(pl.exclude("job_key").fill_null(0).cast(pl.Int64))
    failed = matched.filter(~answered & returned).select("record_id", "job_key")
    return jobs, explain_failures(failed, outputs), count_by_try(own.lazy()).collect()


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


def read_repairs(run: Run, repairs: list[Path], records: pl.DataFrame) -> pl.DataFrame:
    """Read what reconciling needs of the outputs of repairs, each under the id of the record that was asked first."""
    if not repairs:
        return pl.DataFrame(schema={name: OUTPUT_SCHEMA[name] for name in RECONCILED})
    asked = run.scan_first_records().select(*KEYS, first_id="record_id", job_key="job_key")
    asked = asked.join(records.lazy(), left_on=["first_id", "job_key"], right_on=list(RECORD_KEYS), how="semi")
    outputs = scan_parts(repairs).filter(pl.col("attempt") > 1).select(*RECONCILED, *KEYS)
    found = outputs.join(asked, on=KEYS, how="inner").with_columns(record_id="first_id")
    return found.select(RECONCILED).collect(engine="streaming")


def count_repairs(records: pl.DataFrame, repairs: list[Path], keys: dict[str, str]) -> tuple[pl.DataFrame, ...]:
    """Count the lines of the jobs of repairs that cannot be read, and the lines of each of their tries."""
    jobs = records.filter(~pl.col("job_key").str.starts_with(FIRST)).select("job_key").unique(maintain_order=True)
    outputs = pl.DataFrame(schema={name: OUTPUT_SCHEMA[name] for name in RECONCILED})
    if repairs:
        outputs = scan_parts(repairs).select(RECONCILED).collect(engine="streaming")
    unreadable = outputs.filter(error_kind="unreadable").group_by(select_job_key(keys)).agg(unreadable=pl.len())
    counted = jobs.join(unreadable, on="job_key", how="left", maintain_order="left")
    zeros = {name: pl.lit(0, pl.Int64) for name in COUNTED}
    counted = counted.with_columns(pl.col("unreadable").fill_null(0).cast(pl.Int64), **zeros)
    failures = pl.DataFrame(schema={"job_key": pl.String, "failures": pl.String})
    return counted.select("job_key", *COUNTED, "unreadable"), failures, count_by_try(outputs.lazy()).collect()


def add_why(state: RunState, jobs: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame:
    """Add to each job, in words, why records have no answer; missing where all have one."""
    jobs = jobs.join(failures, on="job_key", how="left", maintain_order="left")
    reason = pl.col("job_key").replace_strict(explain_missing(state), default=None, return_dtype=pl.String)
    missing = pl.when(pl.col("missing") > 0).then(pl.format("{} missing: {}", "missing", reason))
    why = pl.concat_str(missing, "failures", separator="; ", ignore_nulls=True)
    return jobs.with_columns(why=why.replace("", None))


def count_lines(outputs: pl.DataFrame) -> pl.DataFrame:
    """Count the lines of each record: answers, all, and repeated ones (not an answer after a failed try)."""
    # Two answers within a job, or from two of its tries, are charged twice; an error before an answer is no repetition,
    # nor is what a repair asked for once more.
    by_job = outputs.group_by("record_id", "attempt", "job_id").agg(
        answers=pl.col("error_kind").is_null().sum(), outputs=pl.len()
    )
    repeated = (pl.col("outputs") - 1).sum() + ((pl.col("answers") > 0).sum().cast(pl.Int64) - 1).clip(0)
    by_attempt = by_job.group_by("record_id", "attempt").agg(
        pl.col("answers").sum(), pl.col("outputs").sum(), repeated=repeated.cast(pl.Int64)
    )
    return by_attempt.group_by("record_id").agg(pl.col("answers", "outputs", "repeated").sum())


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
    on_demand = pl.col("file").str.extract(f"^{ON_DEMAND}/({KEY})-")
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
    manifests = pl.read_parquet(state.run.folder / "manifests.parquet", glob=False).select(
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
