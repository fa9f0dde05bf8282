from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis import Prompt, add_costs, collect, find_run_prices, prepare, submit
from analysis.aws.storage import list_files
from analysis.engines import (
    OutputFile,
    Requests,
    add_counts,
    count_earlier,
    cut_files,
    digest_calls,
    read_output_file,
    scan_columns,
    sum_row_digests,
    write_batch,
    write_input_file,
)
from analysis.errors import QuotaError
from analysis.facts.quotas import find_quotas
from analysis.requests.records import write_records

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
PROMPTS = (
    Prompt(name="plain", model_id=HAIKU, template="Sum up: {{ transcript }} {{ minutes }}"),
    Prompt(name="logic", model_id=HAIKU, template="{% if queue %}{{ queue }}{% endif %} {{ transcript }}", samples=2),
    Prompt(name="other", model_id=NOVA, template="{{ transcript }}"),
)
OWN = {"records_per_job": 40, "records_per_file": 16}  # so that files begin within a call


def make_calls(texts):
    number = len(texts)
    return pl.DataFrame(
        {
            "call_id": [f"c{index}" for index in range(number)],
            "transcript": texts,
            "queue": [None if index % 3 else "billing" for index in range(number)],
            "minutes": [index / 2 for index in range(number)],
        }
    ).sort("call_id")


def split(calls, rows=7):
    """Split calls as engines do, into batches of some rows."""
    return [write_batch(part) for part in calls.iter_slices(rows)]


def write_as_engines_do(calls, prompts, into, **own):
    """Write all input files batch by batch and file by file, and return the rows of the files."""
    counts = add_counts(scan_columns(batch) for batch in split(calls))
    requests = Requests(tuple(prompts), counts)
    digests = pl.concat(pl.DataFrame(pl.from_arrow(digest_calls(batch, requests))) for batch in split(calls))
    numbered = calls.hstack(count_earlier(digests, requests))
    sizes = [digests[f"bytes_{source}"].to_numpy() for source in range(len(requests.sources))]
    quotas = {prompt.model_id: find_quotas(prompt.model_id.split(".", 1)[1], **own) for prompt in prompts}
    cuts = cut_files(sizes, requests, quotas, calls["call_id"].to_list())
    # In any order: each file is written by a task of its own.
    rows = {
        cut: write_input_file(split(numbered[cut.first : cut.last]), requests, cut, into=into) for cut in reversed(cuts)
    }
    return pl.concat(pl.DataFrame(pl.from_arrow(rows[cut])) for cut in cuts)


def list_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jsonl")}


def assert_same(calls, prompts, folder, **own):
    files = write_as_engines_do(calls, prompts, folder / "engine", **own)
    single = write_records(calls, prompts, into=folder / "one", find_quotas=partial(find_quotas, **own))
    assert list_bytes(folder / "engine" / "input") == list_bytes(folder / "one")
    assert_frame_equal(files, single.files)
    parts = [f"{job}-{file.removesuffix('.jsonl')}.parquet" for job, file in files.select("job_key", "file").rows()]
    records = pl.concat(pl.read_parquet(folder / "engine" / "records" / part) for part in parts)
    assert_frame_equal(records, single.records)


def test_files_and_records_are_those_of_prepare(tmp_path):
    texts = [f'"{index % 9}" \\ \u2028 \x00 🙂' for index in range(60)]
    assert_same(make_calls(texts), PROMPTS, tmp_path, **OWN)
    assert len(list_bytes(tmp_path / "engine")) > 10


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["yes", "no", "é 🙂", "x" * 50]), min_size=1, max_size=25), st.integers(1, 30))
def test_any_calls_and_any_size_of_files_give_the_files_of_prepare(tmp_path_factory, texts, records):
    assert_same(make_calls(texts), PROMPTS, tmp_path_factory.mktemp("any"), records_per_file=records)


def test_bytes_decide_where_files_end(tmp_path):
    calls = make_calls([f"{index} " * (index % 5 + 1) * 40 for index in range(40)])
    assert_same(calls, PROMPTS[:1], tmp_path, file_bytes=4_000, job_bytes=9_000)
    assert len(list_bytes(tmp_path / "engine")) > 3


def test_a_file_that_is_written_again_is_the_same(tmp_path):
    calls = make_calls([f"text {index}" for index in range(30)])
    write_as_engines_do(calls, PROMPTS, tmp_path, **OWN)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_as_engines_do(calls, PROMPTS, tmp_path, **OWN)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_record_larger_than_a_file_is_named(tmp_path):
    calls = make_calls(["short", "long " * 1_000, "short"])
    with pytest.raises(QuotaError, match=r"call 'c1': .* bytes with prompt 'plain', .* 2,000; .* leave out 1 such"):
        write_as_engines_do(calls, PROMPTS[:1], tmp_path, file_bytes=2_000)


def test_digests_of_rows_add_up_in_any_order():
    calls = make_calls(["one", "two", "one"])
    parts = [sum_row_digests(part) for part in calls.reverse().iter_slices(1)]
    assert sum(parts) % 2**256 == sum_row_digests(calls)
    assert sum_row_digests(calls.with_columns(minutes=pl.col("minutes") + 1)) != sum_row_digests(calls)
    assert sum_row_digests(calls.with_columns(transcript=pl.lit("one"))) != sum_row_digests(calls)


def test_an_output_file_is_joined_to_its_records_and_priced(tmp_path, emulator):
    calls = make_calls([f"Agent: Hello.\nCustomer: Line {index} is down." for index in range(100)])
    run = prepare(calls, PROMPTS[2:], into=tmp_path / "runs", name="demo")
    submit(run)
    collect(run)
    (file,) = [file for file in list_files(run.folder / "output") if file.name.endswith(".jsonl.out")]
    output = OutputFile(file, "job01", NOVA, (str(run.folder / "records.parquet"),))
    prices = find_run_prices(run)
    rows = pl.concat(pl.DataFrame(pl.from_arrow(batch)) for batch in read_output_file(output, prices))
    assert_frame_equal(rows, add_costs(run.read_outputs(), prices))
    assert np.isfinite(rows["cost_usd"].to_numpy()).all()
