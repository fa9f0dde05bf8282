"""Records: every call with every prompt as one line for Bedrock, in files that fit the quotas."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, repeat
from operator import attrgetter
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
    BodyTemplate,
    BodyValues,
    CallBatch,
    ValueSource,
    count_bytes,
    count_columns,
    count_fixed_bytes,
    digest_prompts,
    make_body_template,
    write_request,
    write_text,
)
from analysis.requests.input_files import (
    InputFile,
    add_file_columns,
    check_sizes,
    describe_files,
    read_blocks,
    split_records,
    write_files,
)
from analysis.requests.prompt_checks import check_settings
from analysis.requests.schemas import add_schema

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 11  # of Bedrock's own ids until 2025; two of a million records get one id in one of 97 million runs
LETTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
BATCH_BYTES = 1 << 20  # smaller batches cost time each, larger ones make the system map memory repeatedly
REQUEST_BYTES = 500  # of a line without its text, roughly
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


class RecordTables(NamedTuple):
    """What was written: one row per record, and one row per input file, both in the order of the lines."""

    records: pl.DataFrame
    files: pl.DataFrame


class VariantRecords(NamedTuple):
    """The records of one variant and some calls: ids, sizes of the lines, estimated tokens, parts of the lines."""

    ids: list[bytes]
    sizes: list[int]
    tokens: list[int]
    lines: Iterable[tuple[bytes, ...]]


def write_records(
    calls: pl.DataFrame, prompts: Sequence[Prompt], *, into: Path, find_quotas: Callable[[str], Quotas]
) -> RecordTables:
    """Write the input files of a run.

    Prompts of one model, invocation type and Region share jobs, which helps small runs over the minimum.
    Call by call, so that whatever comes back of a job that ends early can be compared between prompts.
    Each job has a folder of its own, so that a prefix never takes in another job's files.
    Calls follow their ids by bytes, so any order of the rows gives the same records, lines and files.

    Parameters
    ----------
    calls
        One row per call, in any order; `call_id` and whatever the templates use.
    prompts
        The variants, in order.
    into
        The folder that gets `<job key>/00000.jsonl`, ...
    find_quotas
        Returns the quotas of a base model id.

    Returns
    -------
    records
        One row per record, in the order of the lines: `record_id`, `call_id`, `variant`, `sample` and `attempt`
        (from 1), `model_id`, `invocation_type`, `job_key`, `file` (name in the job's folder), `line` (from 1),
        `input_bytes` (of the line), `input_tokens_estimate` (bytes of text / 4), `max_tokens`.
    files
        One row per input file, in the same order: `job_key`, `file`, `model_id`, `invocation_type`, `records`,
        `input_bytes`, `sha256` (hex digits, taken while writing), `variants` (of each its `variant`, `records`,
        `input_tokens_estimate` and `longest_input_tokens`, that of its longest record).

    Raises
    ------
    PromptError
        A template does not fit the calls, or a prompt has settings that its model refuses.
    ModelError
        A model whose requests this package cannot write.
    QuotaError
        One record is larger than an input file may be.
    """
    for prompt in prompts:
        check_settings(prompt)
    calls = calls.sort("call_id")
    # Of all prompts at once: those that ask the same in two Regions are told apart as in one.
    digests = digest_prompts(prompts)
    groups: dict[tuple[str, str, str], list[tuple[Prompt, bytes]]] = {}
    for prompt, digest in zip(prompts, digests, strict=True):
        groups.setdefault((prompt.model_id, prompt.invocation_type, prompt.region), []).append((prompt, digest))
    tables: list[RecordTables] = []
    jobs = 0
    into.mkdir(parents=True, exist_ok=True)
    for (model_id, *_), group in groups.items():
        quotas = find_quotas(find_model(model_id).base)
        members = [prompt for prompt, _ in group]
        batches = make_record_batches(calls, members, [digest for _, digest in group])
        tables.append(write_jobs(list_keys(calls, members), batches, quotas, first_job=jobs + 1, into=into))
        jobs += tables[-1].files["job_key"].n_unique()
    return RecordTables(*map(pl.concat, zip(*tables, strict=True)))


def write_jobs(
    keys: pl.DataFrame,
    batches: Iterable[tuple[pl.DataFrame, bytes]],
    quotas: Quotas,
    *,
    first_job: int,
    into: Path,
    attempt: int = 1,
) -> RecordTables:
    """Write the jobs of records that share a model.

    `keys` has the columns of the records that do not depend on their lines, and `batches` the others with the lines;
    both are in the order of the lines.
    """
    spool = into / ".spool"
    # Sizes are known once all is written. Mostly counts alone decide, and then the files are only moved.
    expected = split_records(pl.zeros(len(keys), pl.Int64, eager=True), quotas, first_job=first_job, attempt=attempt)
    frames: list[pl.DataFrame] = []
    digests = write_files(collect_frames(batches, frames, len(keys)), expected, spool)
    # In one piece: where the pieces of columns differ, every query first copies them.
    records = keys.hstack(pl.concat(frames, rechunk=True))
    frames.clear()
    check_sizes(records, quotas)
    files = split_records(records["input_bytes"], quotas, first_job=first_job, attempt=attempt)
    check_ids(records, files)
    if files == expected:
        for folder in spool.iterdir():
            folder.rename(into / folder.name)
    else:
        digests = write_files(read_blocks(records["input_bytes"], expected, spool), files, into)
    rmtree(spool)
    records = add_file_columns(records, files).select(list(RECORD_SCHEMA))
    return RecordTables(records, describe_files((records[each.start : each.end] for each in files), digests))


def describe_record(prompt: Prompt, call: Mapping[str, Any]) -> tuple[str, int, dict[str, Any]]:
    """Return the user's text of a call, the estimated input tokens, and the model input.

    Raises
    ------
    PromptError
        The template does not fit the call, or makes a text of white space only, which every model refuses.
    """
    text = write_text(prompt, call)
    tokens = estimate_tokens(count_bytes(text) + count_fixed_bytes(prompt))
    return add_schema(prompt, text)[1], tokens, write_request(prompt, text)


def collect_frames(
    batches: Iterable[tuple[pl.DataFrame, bytes]], frames: list[pl.DataFrame], total: int
) -> Iterator[tuple[pl.Series, bytes]]:
    """Yield sizes and lines, append the frames of the records to `frames`, and show progress."""
    from tqdm import tqdm

    with tqdm(desc="writing records", total=total, unit="record", delay=2, file=sys.stdout) as bar:
        for frame, lines in batches:
            frames.append(frame)
            yield frame["input_bytes"], lines
            bar.update(len(frame))


def list_keys(calls: pl.DataFrame, prompts: Sequence[Prompt]) -> pl.DataFrame:
    """List the records of prompts that share a model, in the order of their lines, without what depends on these."""
    return calls.select("call_id").join(list_variants(prompts), how="cross", maintain_order="left_right")


def list_variants(prompts: Sequence[Prompt]) -> pl.DataFrame:
    """List the records that every call gets, with the columns that do not depend on the call."""
    rows = [
        (prompt.name, sample, 1, prompt.model_id, prompt.invocation_type, prompt.max_tokens)
        for prompt in prompts
        for sample in range(1, prompt.samples + 1)
    ]
    names = ("variant", "sample", "attempt", "model_id", "invocation_type", "max_tokens")
    return pl.DataFrame(rows, {name: RECORD_SCHEMA[name] for name in names}, orient="row")


def make_record_batches(
    calls: pl.DataFrame, prompts: Sequence[Prompt], keys: Sequence[bytes]
) -> Iterator[tuple[pl.DataFrame, bytes]]:
    """Make the records of prompts that share a model, some calls at a time: ids, sizes, tokens, and the lines.

    The keys are those of `digest_prompts`, which the ids are made of.
    """
    columns = count_columns(calls)
    templates = [make_body_template(prompt, columns) for prompt in prompts]
    seen: dict[ValueSource, dict[bytes, int]] = {template.source: {} for template in templates}
    for batch in split_calls(calls, sum(prompt.samples for prompt in prompts)):
        texts = {source: source.read(batch) for source in seen}
        before = {source: count_equal(texts[source].digests, counts) for source, counts in seen.items()}
        yield make_records(templates, keys, texts, before)


def make_records(
    templates: Sequence[BodyTemplate],
    keys: Sequence[bytes],
    texts: Mapping[ValueSource, BodyValues],
    before: Mapping[ValueSource, Sequence[int]],
) -> tuple[pl.DataFrame, bytes]:
    """Make the records of some calls from their values, and from how many calls before each have the same values."""
    batches = (
        make_variant_records(template, key, texts[template.source], before[template.source])
        for template, key in zip(templates, keys, strict=True)
    )
    return interleave_records(list(chain.from_iterable(batches)))


def split_calls(calls: pl.DataFrame, lines: int) -> Iterator[CallBatch]:
    """Split the calls into batches that make about equally many bytes of lines."""
    text_bytes = pl.sum_horizontal(pl.col(pl.String).str.len_bytes().cast(pl.Int64))
    sizes = calls.select((text_bytes + REQUEST_BYTES) * lines).to_series()
    start = 0
    for length in (sizes.cum_sum() // BATCH_BYTES).rle().struct.field("len"):
        yield CallBatch(calls.slice(start, length))
        start += length


def count_equal(digests: Sequence[bytes], seen: dict[bytes, int]) -> list[int]:
    """Count for each call the earlier ones with the same values, and add this one to `seen`."""
    before = []
    for digest in digests:
        number = seen.get(digest, 0)
        seen[digest] = number + 1
        before.append(number)
    return before


def make_variant_records(
    template: BodyTemplate, key: bytes, texts: BodyValues, before: Sequence[int]
) -> Iterator[VariantRecords]:
    """Make the records of one prompt and some calls, sample by sample."""
    samples = template.prompt.samples
    pieces = [HEAD, MIDDLE + template.pieces[0], *template.pieces[1:]]
    pieces[-1] += TAIL
    fixed = count_line_bytes(template)
    sizes = [fixed + size for size in texts.value_bytes]
    tokens = [estimate_tokens(template.text_bytes + size) for size in texts.text_bytes]
    for sample in range(1, samples + 1):
        numbers = [number * samples + sample for number in before]
        ids = make_ids(key, list(map(digest_occurrence, texts.digests, numbers)))
        # A line is piece, id, piece, value, ..., piece, and here nothing after the last piece.
        variable = (ids, *texts.values, repeat(b""))
        parts = chain.from_iterable(zip(map(repeat, pieces), variable, strict=True))
        # Not strict, since the repeated pieces have no end.
        yield VariantRecords(ids, sizes, tokens, zip(*parts, strict=False))


def count_line_bytes(template: BodyTemplate) -> int:
    """Count the bytes of a line without the values of its call."""
    return ID_LENGTH + len(HEAD) + len(MIDDLE) + len(TAIL) + sum(map(len, template.pieces))


def digest_occurrence(digest: bytes, number: int) -> bytes:
    """Return the digest of the first of equal requests, and another one for each further occurrence."""
    return digest if number == 1 else hashlib.sha256(digest + number.to_bytes(4, "big")).digest()


def make_ids(key: bytes, digests: Sequence[bytes]) -> list[bytes]:
    """Make an id for each digest of values: XOR with the prompt's digest, then letters for the first bytes."""
    # All digests are one large integer here: one XOR and one translate for a batch instead of one for each record.
    mixed = int.from_bytes(b"".join(digests)) ^ int.from_bytes(key * len(digests))
    letters = mixed.to_bytes(len(key) * len(digests)).translate(LETTERS)
    return [letters[start : start + ID_LENGTH] for start in range(0, len(letters), len(key))]


def interleave_records(batches: Sequence[VariantRecords]) -> tuple[pl.DataFrame, bytes]:
    """Interleave the records of the variants, so that those of one call follow each other."""
    ids, sizes, tokens, lines = (chain.from_iterable(zip(*lists, strict=True)) for lists in zip(*batches, strict=True))
    frame = pl.DataFrame(
        {
            "record_id": pl.Series(list(ids)).cast(pl.String),
            "input_bytes": pl.Series(list(sizes), dtype=pl.Int64),
            "input_tokens_estimate": pl.Series(list(tokens), dtype=pl.Int64),
        }
    )
    return frame, b"".join(chain.from_iterable(lines))


def check_ids(records: pl.DataFrame, files: Sequence[InputFile]) -> None:
    """Raise a QuotaError if two records of one job have one id, by which its output is joined to them."""
    # Not over all jobs: among a billion records one run of a hundred has such a pair, and hardly ever in one job.
    for job, of_job in groupby(files, attrgetter("job_key")):
        parts = list(of_job)
        sent = records[parts[0].start : parts[-1].end]
        if sent["record_id"].n_unique() < len(sent):
            clash = sent.filter(pl.col("record_id").is_duplicated()).sort("record_id", maintain_order=True)
            names = " and ".join(repr(call_id) for call_id in clash["call_id"][:2])
            raise QuotaError(job, f"calls {names} have the same record id by chance", "leave one of them out")
