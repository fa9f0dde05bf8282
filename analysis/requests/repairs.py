"""Records that are asked again: the lines of before, or new ones with more room for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from pathlib import Path

import msgspec
import polars as pl

from analysis.facts.models import find_model
from analysis.facts.quotas import Quotas
from analysis.prompts import Prompt
from analysis.requests.body_templates import digest_prompts
from analysis.requests.prompt_checks import check_settings
from analysis.requests.records import RecordTables, list_keys, make_record_batches, write_jobs

LINES_TOGETHER = 2_000  # copied at once
KEYS = ("call_id", "variant", "sample", "attempt", "model_id", "invocation_type", "max_tokens")
JOB = ("model_id", "invocation_type", "region")  # what the records of a job share
OF_LINE = ("record_id", "input_bytes", "input_tokens_estimate")

Batch = tuple[pl.DataFrame, bytes]


def write_repairs(
    asked: pl.DataFrame,
    calls: pl.DataFrame,
    prompts: Sequence[Prompt],
    *,
    attempt: int,
    borrow_input: Callable[[str, str], AbstractContextManager[Path]],
    into: Path,
    find_quotas: Callable[[str], Quotas],
) -> RecordTables:
    """Write the input files of a further attempt.

    A record that is asked as it was has the line and the id of before. One that gets more room is written anew among
    all calls, so that it has the id that it would have in any run with such a prompt.

    Parameters
    ----------
    asked
        One row per record, as `write_records` gave it when it was last asked, and `room`: its new `max_tokens`, missing
        where it is asked as it was.
    calls, prompts
        Those of the run.
    attempt
        Its number, from 2.
    borrow_input
        Finds an input file by job key and name, for as long as it is read.
    into, find_quotas
        As in `write_records`.

    Returns
    -------
    tables
        As from `write_records`; the files have `max_tokens` as well, the largest of their records.
    """
    tables: list[RecordTables] = []
    jobs = 0
    into.mkdir(parents=True, exist_ok=True)
    regions, widened_prompts = {prompt.name: prompt.region for prompt in prompts}, widen_prompts(asked, prompts)
    asked = asked.with_columns(region=pl.col("variant").replace_strict(regions, return_dtype=pl.String))
    for (model_id, *_), sent in asked.partition_by(JOB, as_dict=True, maintain_order=True).items():
        same, wider = sent.filter(pl.col("room").is_null()), sent.filter(pl.col("room").is_not_null())
        same = same.sort("job_key", "file", "line")
        widened, batches = write_wider(wider, calls, widened_prompts)
        keys = pl.concat([same.select(KEYS), widened]).with_columns(attempt=pl.lit(attempt, pl.Int16))
        lines = chain(copy_lines(same, borrow_input), batches)
        quotas = find_quotas(find_model(str(model_id)).base)
        tables.append(write_jobs(keys, lines, quotas, first_job=jobs + 1, into=into, attempt=attempt))
        jobs += tables[-1].files["job_key"].n_unique()
    records, files = map(pl.concat, zip(*tables, strict=True))
    largest = records.group_by("job_key", "file").agg(pl.col("max_tokens").max())
    return RecordTables(records, files.join(largest, on=["job_key", "file"], how="left", maintain_order="left"))


def copy_lines(
    asked: pl.DataFrame, borrow_input: Callable[[str, str], AbstractContextManager[Path]]
) -> Iterator[Batch]:
    """Yield the lines of records as they were asked before; the rows are in the order of files and lines."""
    for (key, name), rows in asked.partition_by("job_key", "file", as_dict=True, maintain_order=True).items():
        with borrow_input(str(key), str(name)) as file:
            lines = read_lines(file, rows["line"])
            for batch in rows.iter_slices(LINES_TOGETHER):
                yield batch.select(OF_LINE), b"".join(islice(lines, len(batch)))


def read_lines(file: Path, numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield the lines of some numbers, from 1 and ascending."""
    with file.open("rb") as lines:
        before = 0
        for number in numbers:
            yield next(islice(lines, number - before - 1, None))
            before = number


def widen_prompts(asked: pl.DataFrame, prompts: Sequence[Prompt]) -> dict[tuple[str, int], tuple[Prompt, bytes]]:
    """Return each prompt with each room that some record of it gets, with the digest that its ids are made of."""
    by_name = {prompt.name: prompt for prompt in prompts}
    rooms = asked.select("variant", "room").drop_nulls().unique(maintain_order=True).sort("variant", "room").rows()
    wider = [msgspec.structs.replace(by_name[variant], max_tokens=room) for variant, room in rooms]
    for prompt in wider:
        check_settings(prompt)
    return dict(zip(rooms, zip(wider, digest_prompts(wider), strict=True), strict=True))


def write_wider(
    asked: pl.DataFrame, calls: pl.DataFrame, prompts: Mapping[tuple[str, int], tuple[Prompt, bytes]]
) -> tuple[pl.DataFrame, Iterable[Batch]]:
    """Return the keys of records that get more room, and their lines."""
    if asked.is_empty():
        return asked.select(KEYS), []
    rooms = asked.select("variant", "room").unique(maintain_order=True).sort("variant", "room").rows()
    wider, digests = [prompts[room][0] for room in rooms], [prompts[room][1] for room in rooms]
    calls = calls.sort("call_id")
    keys = list_keys(calls, wider)
    wanted = asked.select("call_id", "variant", "sample", max_tokens="room", is_asked=pl.lit(value=True))
    joined = keys.join(wanted, on=["call_id", "variant", "sample", "max_tokens"], how="left", maintain_order="left")
    is_asked = joined["is_asked"].fill_null(value=False)
    return keys.filter(is_asked), keep_records(make_record_batches(calls, wider, digests), is_asked)


def keep_records(batches: Iterable[Batch], is_kept: pl.Series) -> Iterator[Batch]:
    """Yield the records of batches for which `is_kept` is true, with their lines."""
    start = 0
    for frame, lines in batches:
        here = is_kept.slice(start, len(frame))
        start += len(frame)
        if here.any():
            ends = frame.select(end=pl.col("input_bytes").cum_sum(), size="input_bytes").filter(here)
            yield frame.filter(here), b"".join(lines[end - size : end] for end, size in ends.iter_rows())
