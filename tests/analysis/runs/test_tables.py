import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import collect, load_answers, load_jobs, prepare, repair, scan_answers, submit
from analysis.errors import RunError
from tests.analysis.runs.conftest import HAIKU, NOVA, make_calls, make_prompt

PROMPTS = [make_prompt("first", max_tokens=5), make_prompt("second", HAIKU), make_prompt("other", NOVA, samples=2)]


def divide(run, folder=None):
    """Divide the tables of a run, or of a repair of it, into a part for each input file."""
    folder = folder or run.folder
    records = pl.read_parquet(folder / "records.parquet")
    parts = records.partition_by("job_key", "file", as_dict=True, maintain_order=True)
    (folder / "records").mkdir()
    for (job_key, file), part in parts.items():
        part.write_parquet(folder / "records" / f"{job_key}-{file.removesuffix('.jsonl')}.parquet")
    (folder / "records.parquet").unlink()
    if not (folder / "calls.parquet").exists():
        return
    calls = pl.read_parquet(folder / "calls.parquet").sort("call_id")
    (folder / "calls").mkdir()
    firsts = records.filter(pl.col("variant") != "other").unique("call_id", keep="first", maintain_order=True)
    for job_key, file in records.filter(pl.col("variant") != "other").select("job_key", "file").unique().iter_rows():
        begun = firsts.filter(job_key=job_key, file=file)["call_id"]
        part = calls.filter(pl.col("call_id").is_in(begun.implode()))
        part.write_parquet(folder / "calls" / f"{job_key}-{file.removesuffix('.jsonl')}.parquet")
    (folder / "calls.parquet").unlink()


@pytest.fixture
def divided(tmp_path):
    """A run of 350 calls, in their own order, with two jobs of two files and one of another model, in parts."""
    calls = make_calls(350).sort("call_id")
    quotas = {"records_per_job": 400, "records_per_file": 200}
    run = prepare(calls, PROMPTS, into=tmp_path / "runs", name="demo", quotas=quotas)
    whole = run.read_records(), run.read_calls()
    divide(run)
    return run, *whole


def test_tables_in_parts_have_the_same_rows(divided):
    run, records, calls = divided
    assert_frame_equal(run.read_records(), records)
    assert_frame_equal(run.scan_records().collect(), records)
    assert_frame_equal(run.read_records("record_id"), records.select("record_id"))
    assert_frame_equal(run.read_calls(), calls)


def test_parts_are_in_the_order_of_their_jobs_and_not_of_their_names(tmp_path):
    calls = make_calls(102)
    quotas = {"records_per_job": 1}
    run = prepare(calls, make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    records = run.read_records()
    divide(run)
    assert_frame_equal(run.read_records(), records)


@pytest.mark.parametrize("table", ["records", "calls"])
def test_a_part_that_is_lost_is_named(divided, table):
    run, *_ = divided
    (run.folder / table / "job02-00000.parquet").unlink()
    with pytest.raises(RunError, match=rf"{table}/job02-00000.parquet: is missing or damaged"):
        run.read_records() if table == "records" else run.read_calls()


def test_a_run_in_parts_is_sent_repaired_and_loaded(divided, emulator):
    run, *_ = divided
    submit(run)
    collect(run)
    assert load_answers(run).height == 4 * 350
    repair(run)
    divide(run, run.folder / "attempts" / "2")
    collect(run)
    answers = load_answers(run)
    assert_frame_equal(answers, scan_answers(run).collect(), check_row_order=False)
    assert answers["error_kind"].null_count() == answers.height == 4 * 350
    assert load_jobs(run)["records"].sum() == run.read_records("record_id").height
