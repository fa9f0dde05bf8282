"""Parts: small output files share one, and the rows are those of a part for each file."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis.jobs.ledger import JobState
from analysis.outputs import load_outputs, writers
from analysis.requests.input_files import describe_files
from analysis.runs import Run, collection, parts, reconciliation
from analysis.runs.collection import JOINED, list_strange_files, write_manifests, write_parts
from analysis.runs.parts import name_shared_parts
from analysis.runs.reconciliation import reconcile_records
from analysis.runs.state import RunState, plan_jobs

RECORD = {"variant": "short", "sample": 1, "attempt": 1, "model_id": "nova", "invocation_type": "InvokeModel"}
PROMPT = {"name": "short", "model_id": "nova", "template": "{{ transcript }}"}
TOKENS = {"input_tokens_estimate": 5, "input_bytes": 100}
ANSWER = {"content": [{"type": "text", "text": "Done."}], "usage": {"input_tokens": 5, "output_tokens": 2}}
JOB = {"records": st.integers(1, 6), "tries": st.integers(0, 2), "files": st.integers(1, 2), "lines": st.integers(0, 5)}


def make_run(folder, jobs):
    """Write the folder of a run whose jobs have some records each, and output of some tries; return its state."""
    (folder / "run.json").write_text(json.dumps({"name": "demo", "prompts": [PROMPT]}))
    keys = [f"job{number:02}" for number, job in enumerate(jobs, 1) for _ in range(job["records"])]
    rows = [
        {"record_id": f"r{place}", "call_id": f"c{place:03}", "job_key": key, "file": "0.jsonl"} | RECORD | TOKENS
        for place, key in enumerate(keys)
    ]
    records = pl.DataFrame(rows)
    records.write_parquet(folder / "records.parquet")
    sent = records.partition_by("job_key", maintain_order=True)
    describe_files(sent, ["0" * 64] * len(sent)).write_parquet(folder / "files.parquet")
    tries = []
    for place, (job, of_job) in enumerate(zip(jobs, sent, strict=True)):
        for number in range(job["tries"]):
            # The service's ids are in no order.
            arn = f"job/{(place * 7 + number * 5) % 97:012}"
            tries.append(JobState(of_job["job_key"][0], number + 1, status="Completed", job_arn=arn))
            write_output(folder, tries[-1].job_id, of_job["record_id"], job)
    run = Run(folder)
    return RunState(run, run.ledger, {"nova": 1}, tuple(plan_jobs(run)), tuple(tries), {})


def write_output(folder, job_id, record_ids, job):
    """Write output files: each record in turn, with repetitions, then a line of no record and one that is cut."""
    for file in range(job["files"]):
        ids = [record_ids[(file + line) % len(record_ids)] for line in range(job["lines"])]
        lines = [json.dumps({"modelInput": {}, "modelOutput": ANSWER, "recordId": each}) for each in [*ids, "nobodys"]]
        path = folder / "output" / job_id / f"{file}.jsonl.out"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines[: job["lines"]], *([lines[-1], '{"recordId":'] * (job["lines"] > 3)), ""]))
    counts = {"successRecordCount": job["lines"] * job["files"], "errorRecordCount": 0}
    path.with_name("manifest.json.out").write_text(json.dumps(counts))


def collect(state, **limits):
    """Collect what is in the folder, with other limits of parts, and return the outputs and the table of jobs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(reconciliation if name == "RECORDS_TOGETHER" else parts, name, value)
        records = write_parts(state)
        write_manifests(state.run)
        return state.run.read_outputs(), reconcile_records(state, records)


def list_names(state):
    """List the names of what is in the folder of parts."""
    return sorted(path.name for path in (state.run.folder / "outputs").glob("*"))


@settings(max_examples=25)
@given(
    jobs=st.lists(st.fixed_dictionaries(JOB), min_size=1, max_size=8),
    limit=st.integers(1, 20),
    size=st.sampled_from([200, 500, 1 << 26]),
    together=st.integers(1, 12),
)
def test_shared_parts_have_the_rows_of_a_part_for_each_file(jobs, limit, size, together, tmp_path_factory):
    state = make_run(tmp_path_factory.mktemp("run"), jobs)
    limits = {"PART_RECORDS": limit, "PART_BYTES": size, "RECORDS_TOGETHER": together}
    apart, counted = collect(state, PART_RECORDS=0)
    shared, counted_shared = collect(state, **limits)
    assert_frame_equal(shared.sort("file", "line"), apart)
    assert_frame_equal(counted_shared, counted)
    if apart.height:
        read = load_outputs(state.run.folder / "output")
        assert_frame_equal(apart.drop(JOINED[1:]), read.drop(JOINED[1:]))
    assert list_strange_files(state) == []
    assert list_names(state) == sorted(state.run.read_listing())


def jobs_of(*records, **about):
    """Make jobs of some records, each with one output file of an answer for each."""
    return [{"records": each, "tries": 1, "files": 1, "lines": each} | about for each in records]


def test_neighbours_share_a_part_up_to_a_limit_and_a_large_job_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 5)
    run = make_run(tmp_path, jobs_of(2, 3, 1, 6, 4, 2)).run
    assert name_shared_parts(run) == {
        "job01": "from-job01.parquet",
        "job02": "from-job01.parquet",
        "job03": "from-job03.parquet",
        "job05": "from-job05.parquet",
        "job06": "from-job06.parquet",
    }


def test_the_bytes_of_the_input_are_a_limit_too(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 300)  # of records of 100 bytes
    run = make_run(tmp_path, jobs_of(2, 1, 1, 4)).run
    assert [*name_shared_parts(run).values()] == ["from-job01.parquet"] * 2 + ["from-job03.parquet"]


def test_rows_follow_file_and_line_in_a_shared_part(tmp_path):
    outputs, _ = collect(make_run(tmp_path, jobs_of(3, 2, 4, tries=2, files=2)))
    assert outputs.select("file", "line").rows() == sorted(outputs.select("file", "line").rows())
    assert outputs["file"].n_unique() == 12


def test_output_that_comes_later_changes_the_part_of_its_job_alone(tmp_path, count_calls):
    state = make_run(tmp_path, jobs_of(2, 2, 2, 2, 2, 2))
    first = state.tries[3]
    late = state.run.folder / "output" / first.job_id / "0.jsonl.out"
    content = late.read_bytes()
    late.write_bytes(content.splitlines(keepends=True)[0])  # the job still runs
    collect(state, PART_RECORDS=4)
    written = count_calls(writers, "write_part")
    late.write_bytes(content)
    outputs, jobs = collect(state, PART_RECORDS=4)
    assert [Path(given[1]).name for given, _ in written] == ["from-job03.parquet"]
    assert (len(outputs), jobs["missing"].sum()) == (12, 0)


def test_a_job_without_output_among_others_counts_none_of_them_twice(tmp_path):
    state = make_run(tmp_path, [*jobs_of(2), *jobs_of(2, tries=0), *jobs_of(2)])
    _, jobs = collect(state, RECORDS_TOGETHER=1)
    counts = jobs.select("job_key", "answered", "missing", "manifest_success").rows()
    assert counts == [("job01", 2, 0, 2), ("job02", 0, 2, None), ("job03", 2, 0, 2)]


@pytest.fixture
def collected_before(tmp_path):
    """A run that an earlier version collected: a part for each file, and no jobs in the listing."""
    state = make_run(tmp_path, jobs_of(2, 3, 4, tries=2))
    collect(state, PART_RECORDS=0)
    listing = state.run.folder / "parts.json"
    listing.write_text(json.dumps([*json.loads(listing.read_bytes())]))
    return SimpleNamespace(state=state, outputs=state.run.read_outputs(), names=list_names(state))


def test_a_folder_that_an_earlier_version_collected_opens(collected_before):
    state = collected_before.state
    counted = reconcile_records(state, state.run.read_records("record_id", "job_key"))
    assert counted.select("job_key", "answered", "missing").rows() == [
        ("job01", 2, 0),
        ("job02", 3, 0),
        ("job03", 4, 0),
    ]
    assert list_strange_files(state) == []


def test_collecting_a_folder_of_an_earlier_version_shares_its_parts_and_loses_no_row(collected_before):
    outputs, _ = collect(collected_before.state)
    assert_frame_equal(outputs, collected_before.outputs)
    assert list_names(collected_before.state) == ["from-job01.parquet"]


def test_a_crash_between_parts_and_listing_doubles_no_row(collected_before, monkeypatch):
    state = collected_before.state
    monkeypatch.setattr(collection, "list_jobs_by_part", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_parts(state)
    assert list_names(state) == [*collected_before.names, "from-job01.parquet"]
    assert_frame_equal(state.run.read_outputs(), collected_before.outputs)
    assert list_strange_files(state) == []


def test_several_collect_at_once(tmp_path):
    state = make_run(tmp_path, jobs_of(*[3] * 12))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write_parts(state), range(8)))
    assert len(state.run.read_outputs()) == 36
    assert list_names(state) == ["from-job01.parquet"]
