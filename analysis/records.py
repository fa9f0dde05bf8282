"""Records: every call with every prompt as one line for Bedrock, in files that fit the quotas."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from analysis.errors import PromptError, QuotaError
from analysis.families import find_family
from analysis.models import find_model
from analysis.prompts import Prompt, render
from analysis.quotas import Quotas
from analysis.refusals import check_settings

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 11  # what Bedrock's own ids had until 2025; 62^11, so a million records clash once in 104 million runs
BYTES_PER_TOKEN = 4  # rule of thumb for English text; the plan takes it as plus or minus a quarter
COPY_BYTES = 1 << 20
SLAB_RECORDS = 2000

RECORD_SCHEMA = {
    "record_id": pl.String,
    "call_id": pl.String,
    "variant": pl.String,
    "sample": pl.Int16,
    "attempt": pl.Int16,
    "model_id": pl.String,
    "invocation_type": pl.String,
    "job_key": pl.String,
    "file": pl.String,
    "line": pl.Int64,
    "input_bytes": pl.Int64,
    "input_tokens_estimate": pl.Int64,
    "max_tokens": pl.Int64,
}

Row = tuple[Any, ...]


def write_records(
    calls: pl.DataFrame, prompts: Sequence[Prompt], *, into: Path, find_quotas: Callable[[str], Quotas]
) -> pl.DataFrame:
    """Write the input files of a run.

    Prompts of one model and invocation type share jobs, which helps small runs over the minimum.
    Each job has a folder of its own, so that a prefix never takes in another job's files.

    Parameters
    ----------
    calls
        One row per call; `call_id` and whatever the templates use.
    prompts
        The variants, in order.
    into
        The folder that gets `<job key>/00000.jsonl`, ...
    find_quotas
        Gives the quotas of a base model id.

    Returns
    -------
    frame
        One row per record, in the order of the lines: `record_id`, `call_id`, `variant`, `sample` and `attempt`
        (from 1), `model_id`, `invocation_type`, `job_key`, `file` (name in the job's folder), `line` (from 1),
        `input_bytes` (of the line), `input_tokens_estimate` (bytes of text / 4), `max_tokens`.

    Raises
    ------
    PromptError
        A template does not fit the calls, or a prompt asks for what its model refuses.
    ModelError
        A model whose requests nobody writes here.
    QuotaError
        One record is larger than an input file may be.
    """
    for prompt in prompts:
        check_settings(prompt)
    groups: dict[tuple[str, str], list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault((prompt.model_id, prompt.invocation_type), []).append(prompt)
    frames: list[pl.DataFrame] = []
    jobs = 0
    into.mkdir(parents=True, exist_ok=True)
    for (model_id, _), members in groups.items():
        spool = into / ".spool"
        records = spool_records(calls, members, spool)
        records = assign_files(records, find_quotas(find_model(model_id).base), first_job=jobs + 1)
        cut_spool(spool, records, into)
        jobs += records["job_key"].n_unique()
        frames.append(records)
    return check_ids(pl.concat(frames))


def make_lines(calls: pl.DataFrame, prompts: Sequence[Prompt]) -> Iterator[tuple[Row, bytes]]:
    """Make each record of prompts that share a model: its row, short of where it goes, and its line."""
    seen: dict[bytes, int] = {}
    for prompt in prompts:
        for call in calls.iter_rows(named=True):
            _, tokens, request = describe_record(prompt, call)
            body = msgspec.json.encode(request)
            for sample in range(1, prompt.samples + 1):
                record_id = make_record_id(prompt.model_id, prompt.invocation_type, body, seen)
                line = b'{"recordId":"' + record_id.encode() + b'","modelInput":' + body + b"}\n"
                row = (record_id, call["call_id"], prompt.name, sample, 1, prompt.model_id, prompt.invocation_type)
                yield (*row, len(line), tokens, prompt.max_tokens), line


def describe_record(prompt: Prompt, call: Mapping[str, Any]) -> tuple[str, int, dict[str, Any]]:
    """Give the user's text of a call, the estimated input tokens, and the model input.

    Raises
    ------
    PromptError
        The template does not fit the call, or makes a text of white space only, which every model refuses.
    """
    text = render(prompt, call)
    if not text.strip():
        raise PromptError(prompt.name, f"makes an empty text of call {call['call_id']!r}", "leave empty calls out")
    tokens = -(-(len(text.encode()) + len(prompt.system.encode())) // BYTES_PER_TOKEN)
    family = find_family(find_model(prompt.model_id), prompt.invocation_type)
    return text, tokens, family.write_request(prompt, text)


def make_record_id(model_id: str, invocation_type: str, body: bytes, seen: dict[bytes, int]) -> str:
    """Digest what is asked into an id; the n-th equal request gets another, and `seen` counts them."""
    request = hashlib.sha256(f"{model_id}\0{invocation_type}\0".encode() + body).digest()
    seen[request] = occurrence = seen.get(request, 0) + 1
    number = int.from_bytes(hashlib.sha256(request + occurrence.to_bytes(4, "big")).digest()[:16], "big")
    letters = []
    for _ in range(ID_LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)


def spool_records(calls: pl.DataFrame, prompts: Sequence[Prompt], spool: Path) -> pl.DataFrame:
    """Write the lines one after the other into one file; how they are cut depends on their sizes."""
    from tqdm import tqdm

    total = len(calls) * sum(prompt.samples for prompt in prompts)
    schema = {name: kind for name, kind in RECORD_SCHEMA.items() if name not in {"job_key", "file", "line"}}
    slabs = []
    bar = tqdm(desc="writing records", total=total, unit="record", delay=2, file=sys.stdout)
    with spool.open("wb") as file, bar:
        lines = make_lines(calls, prompts)
        # As Python objects the rows of a million records would take gigabytes, so they are kept as frames.
        while slab := list(islice(lines, SLAB_RECORDS)):
            file.writelines(line for _, line in slab)
            slabs.append(pl.DataFrame([row for row, _ in slab], schema=schema, orient="row"))
            bar.update(len(slab))
    return pl.concat(slabs)


def assign_files(records: pl.DataFrame, quotas: Quotas, *, first_job: int) -> pl.DataFrame:
    """Cut the records evenly into jobs, and each job evenly into files."""
    sizes = records["input_bytes"].to_list()
    check_sizes(records, quotas)
    parts: list[pl.DataFrame] = []
    jobs = cut_evenly(sizes, quotas.records_per_job, quotas.job_bytes)
    for number, (start, end) in enumerate(pairwise(jobs), first_job):
        files = cut_evenly(sizes[start:end], quotas.records_per_file, quotas.file_bytes)
        for index, (first, last) in enumerate(pairwise(files)):
            part = records.slice(start + first, last - first).with_columns(
                job_key=pl.lit(f"job{number:02}"),
                file=pl.lit(f"{index:05}.jsonl"),
                line=pl.int_range(1, last - first + 1),
            )
            parts.append(part.select(pl.col(name).cast(kind) for name, kind in RECORD_SCHEMA.items()))
    return pl.concat(parts)


def cut_evenly(sizes: Sequence[int], most: int, most_bytes: int) -> list[int]:
    """Find the cuts of the fewest pieces of equal count that all fit: [0, ..., len(sizes)]."""
    ends = [0, *accumulate(sizes)]
    count = len(sizes)
    pieces = max(1, -(-count // most), -(-ends[-1] // most_bytes))
    while True:
        cuts = [count * piece // pieces for piece in range(pieces + 1)]
        if all(ends[end] - ends[start] <= most_bytes for start, end in pairwise(cuts)):
            return cuts
        pieces += 1


def check_sizes(records: pl.DataFrame, quotas: Quotas) -> None:
    """Refuse a record that no file could hold."""
    most = min(quotas.file_bytes, quotas.job_bytes)
    large = records.filter(pl.col("input_bytes") > most)
    if len(large):
        call_id, variant, size = large.select("call_id", "variant", "input_bytes").row(0)
        reason = f"{size:,} bytes with prompt {variant!r}, and an input file may have {most:,}"
        raise QuotaError(f"call {call_id!r}", reason, f"shorten or leave out {len(large)} such records")


def cut_spool(spool: Path, records: pl.DataFrame, into: Path) -> None:
    """Move the lines to the files that `records` says; the usual single file is only renamed."""
    files = records.group_by("job_key", "file", maintain_order=True).agg(pl.col("input_bytes").sum()).rows()
    for job_key, _, _ in files:
        (into / job_key).mkdir(exist_ok=True)
    if len(files) == 1:
        spool.replace(into / files[0][0] / files[0][1])
        return
    with spool.open("rb") as source:
        for job_key, name, size in files:
            with (into / job_key / name).open("wb") as target:
                target.writelines(read_pieces(source, size))
    spool.unlink()


def read_pieces(source: Any, size: int) -> Iterable[bytes]:
    """Read exactly `size` bytes, some at a time."""
    while size:
        piece = source.read(min(size, COPY_BYTES))
        size -= len(piece)
        yield piece


def check_ids(records: pl.DataFrame) -> pl.DataFrame:
    """Give the records back if every id is unique: answers are joined by it."""
    clash = records.filter(pl.col("record_id").is_duplicated())
    if len(clash):
        names = " and ".join(repr(call_id) for call_id in clash["call_id"][:2])
        raise QuotaError("records", f"calls {names} got the same id by chance", "leave one of them out")
    return records
