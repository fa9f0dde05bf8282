"""Records: every call with every prompt as one line for Bedrock, in files that fit the quotas."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import polars as pl

from analysis.errors import QuotaError
from analysis.facts.models import find_model
from analysis.facts.quotas import Quotas
from analysis.facts.tokens import estimate_tokens
from analysis.prompts import Prompt
from analysis.requests.body_templates import (
    Form,
    Slab,
    Source,
    Texts,
    count_bytes,
    digest_prompts,
    make_form,
    write_request,
    write_text,
)
from analysis.requests.input_files import Cut, add_cuts, check_sizes, cut_records, read_blocks, write_files
from analysis.requests.prompt_checks import check_settings

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 11  # what Bedrock's own ids had until 2025; a million records clash once in 97 million runs
LETTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
SLAB_BYTES = 1 << 20  # less costs time for each slab, more makes the system fetch memory again and again
REQUEST_BYTES = 500  # of a line without its text
HEAD, MIDDLE, TAIL = b'{"recordId":"', b'","modelInput":', b"}\n"

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


class Batch(NamedTuple):
    """The records of one variant and some calls: ids, sizes of the lines, estimated tokens, parts of the lines."""

    ids: list[bytes]
    sizes: list[int]
    tokens: list[int]
    lines: Iterable[tuple[bytes, ...]]


def write_records(
    calls: pl.DataFrame, prompts: Sequence[Prompt], *, into: Path, find_quotas: Callable[[str], Quotas]
) -> pl.DataFrame:
    """Write the input files of a run.

    Prompts of one model and invocation type share jobs, which helps small runs over the minimum.
    Call by call, so that whatever comes back of a job that ends early can be compared between prompts.
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
        quotas = find_quotas(find_model(model_id).base)
        records, cuts = write_jobs(calls, members, quotas, first_job=jobs + 1, into=into)
        frames.append(add_cuts(records, cuts).select(list(RECORD_SCHEMA)))
        jobs = cuts[-1].job
    return check_ids(pl.concat(frames))


def write_jobs(
    calls: pl.DataFrame, prompts: Sequence[Prompt], quotas: Quotas, *, first_job: int, into: Path
) -> tuple[pl.DataFrame, list[Cut]]:
    """Write the jobs of prompts that share a model."""
    variants, spool = list_variants(prompts), into / ".spool"
    # Whether the bytes fit too is known when all is written; most often they do.
    expected = cut_records(pl.zeros(len(calls) * len(variants), pl.Int64, eager=True), quotas, first_job=first_job)
    frames: list[pl.DataFrame] = []
    write_files(keep_frames(make_slabs(calls, prompts), frames, expected[-1].end), expected, spool)
    records = calls.select("call_id").join(variants, how="cross", maintain_order="left_right").hstack(pl.concat(frames))
    check_sizes(records, quotas)
    cuts = cut_records(records["input_bytes"], quotas, first_job=first_job)
    if cuts == expected:
        for folder in spool.iterdir():
            folder.rename(into / folder.name)
    else:
        write_files(read_blocks(records["input_bytes"], expected, spool), cuts, into)
    rmtree(spool)
    return records, cuts


def describe_record(prompt: Prompt, call: Mapping[str, Any]) -> tuple[str, int, dict[str, Any]]:
    """Give the user's text of a call, the estimated input tokens, and the model input.

    Raises
    ------
    PromptError
        The template does not fit the call, or makes a text of white space only, which every model refuses.
    """
    text = write_text(prompt, call)
    return text, estimate_tokens(count_bytes(text) + count_bytes(prompt.system)), write_request(prompt, text)


def keep_frames(
    slabs: Iterable[tuple[pl.DataFrame, bytes]], frames: list[pl.DataFrame], total: int
) -> Iterator[tuple[pl.Series, bytes]]:
    """Pass on sizes and lines, keep what is known of the records, and show how far it is."""
    from tqdm import tqdm

    with tqdm(desc="writing records", total=total, unit="record", delay=2, file=sys.stdout) as bar:
        for frame, lines in slabs:
            frames.append(frame)
            yield frame["input_bytes"], lines
            bar.update(len(frame))


def list_variants(prompts: Sequence[Prompt]) -> pl.DataFrame:
    """List the records that every call gets, and what does not depend on the call."""
    rows = [
        (prompt.name, sample, 1, prompt.model_id, prompt.invocation_type, prompt.max_tokens)
        for prompt in prompts
        for sample in range(1, prompt.samples + 1)
    ]
    names = ("variant", "sample", "attempt", "model_id", "invocation_type", "max_tokens")
    return pl.DataFrame(rows, {name: RECORD_SCHEMA[name] for name in names}, orient="row")


def make_slabs(calls: pl.DataFrame, prompts: Sequence[Prompt]) -> Iterator[tuple[pl.DataFrame, bytes]]:
    """Make the records of prompts that share a model, some calls at a time: what is new of each, and the lines."""
    forms = [make_form(prompt, calls) for prompt in prompts]
    keys = digest_prompts(prompts)
    seen: dict[Source, dict[bytes, int]] = {form.source: {} for form in forms}
    for slab in cut_slabs(calls, sum(prompt.samples for prompt in prompts)):
        texts = {source: source.read(slab) for source in seen}
        before = {source: count_equal(texts[source].digests, counts) for source, counts in seen.items()}
        batches = (
            make_batches(form, key, texts[form.source], before[form.source])
            for form, key in zip(forms, keys, strict=True)
        )
        yield join_batches(list(chain.from_iterable(batches)))


def cut_slabs(calls: pl.DataFrame, lines: int) -> Iterator[Slab]:
    """Cut the calls into slabs of about equal bytes, however long they are and however many lines each makes."""
    text_bytes = pl.sum_horizontal(pl.col(pl.String).str.len_bytes().cast(pl.Int64))
    sizes = calls.select((text_bytes + REQUEST_BYTES) * lines).to_series()
    start = 0
    for length in (sizes.cum_sum() // SLAB_BYTES).rle().struct.field("len"):
        yield Slab(calls.slice(start, length))
        start += length


def count_equal(digests: Sequence[bytes], seen: dict[bytes, int]) -> list[int]:
    """Count for each call the ones before that put the same into the bodies."""
    before = []
    for digest in digests:
        number = seen.get(digest, 0)
        seen[digest] = number + 1
        before.append(number)
    return before


def make_batches(form: Form, key: bytes, texts: Texts, before: Sequence[int]) -> Iterator[Batch]:
    """Make the records of one prompt and some calls, one batch for each sample."""
    samples = form.prompt.samples
    pieces = [HEAD, MIDDLE + form.pieces[0], *form.pieces[1:]]
    pieces[-1] += TAIL
    fixed = ID_LENGTH + sum(map(len, pieces))
    sizes = [fixed + size for size in texts.value_bytes]
    tokens = [estimate_tokens(form.text_bytes + size) for size in texts.text_bytes]
    for sample in range(1, samples + 1):
        numbers = [number * samples + sample for number in before]
        ids = make_ids(key, list(map(number_digest, texts.digests, numbers)))
        variable = (ids, *texts.values, repeat(b""))
        parts = chain.from_iterable(zip(map(repeat, pieces), variable, strict=True))
        yield Batch(ids, sizes, tokens, zip(*parts, strict=False))


def number_digest(digest: bytes, number: int) -> bytes:
    """Give the second and later of equal requests digests of their own."""
    return digest if number == 1 else hashlib.sha256(digest + number.to_bytes(4, "big")).digest()


def make_ids(key: bytes, digests: Sequence[bytes]) -> list[bytes]:
    """Mix the digest of a prompt into those of its texts, and take letters from the first bytes of each."""
    mixed = int.from_bytes(b"".join(digests)) ^ int.from_bytes(key * len(digests))
    letters = mixed.to_bytes(len(key) * len(digests)).translate(LETTERS)
    return [letters[start : start + ID_LENGTH] for start in range(0, len(letters), len(key))]


def join_batches(batches: Sequence[Batch]) -> tuple[pl.DataFrame, bytes]:
    """Put the records of a call beside each other."""
    ids, sizes, tokens, lines = (chain.from_iterable(zip(*lists, strict=True)) for lists in zip(*batches, strict=True))
    frame = pl.DataFrame(
        {
            "record_id": pl.Series(list(ids)).cast(pl.String),
            "input_bytes": pl.Series(list(sizes), dtype=pl.Int64),
            "input_tokens_estimate": pl.Series(list(tokens), dtype=pl.Int64),
        }
    )
    return frame, b"".join(chain.from_iterable(lines))


def check_ids(records: pl.DataFrame) -> pl.DataFrame:
    """Give the records back if every id is unique: answers are joined by it."""
    if records["record_id"].n_unique() < len(records):
        clash = records.filter(pl.col("record_id").is_duplicated())
        names = " and ".join(repr(call_id) for call_id in clash["call_id"][:2])
        raise QuotaError("records", f"calls {names} got the same id by chance", "leave one of them out")
    return records
