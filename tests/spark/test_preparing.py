import json

import boto3
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import Prompt, open_run, prepare
from analysis.errors import CallsError, PromptError, QuotaError, RunError, StorageError
from analysis.runs.state import read_state
from analysis.spark import prepare_on_spark, preparing
from tests.spark.conftest import HAIKU, PROMPTS, QUOTAS, make_calls


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Sort calls into partitions of a hundred."""
    monkeypatch.setattr(preparing, "PARTITION_CALLS", 100)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The run that one machine prepares."""
    return prepare(make_calls(), PROMPTS, into=tmp_path_factory.mktemp("single"), name="demo", quotas=QUOTAS)


def read_input(run):
    return {str(path.relative_to(run.folder)): path.read_bytes() for path in (run.folder / "input").rglob("*.jsonl")}


def name_jobs(run):
    return [(job.key, job.digest, job.name(1), job.token(1)) for job in read_state(run).planned]


def assert_same_tables(run, single):
    assert_frame_equal(run.read_records(), single.read_records())
    assert_frame_equal(run.read_files(), single.read_files())
    assert_frame_equal(run.read_calls(), single.read_calls().sort("call_id"))
    assert name_jobs(run) == name_jobs(single)
    assert str(run) == str(single)


def assert_same_runs(run, single):
    assert read_input(run) == read_input(single)
    assert_same_tables(run, single)


@pytest.mark.parametrize("seed", [None, 1])
def test_the_run_is_that_of_one_machine_in_any_order_of_the_rows(load, single, tmp_path, seed):
    calls = make_calls() if seed is None else make_calls().sample(fraction=1, shuffle=True, seed=seed)
    table = load(calls) if seed is None else load(calls).repartition(5)
    run = prepare_on_spark(table, PROMPTS, into=tmp_path, name="demo", quotas=QUOTAS)
    assert len(read_input(run)) > len(name_jobs(run)) > 3
    assert_same_runs(run, single)
    request, of_one = json.loads((run.folder / "run.json").read_text()), single.read_request()
    del request["calls"]["row_digests"], of_one["calls"]["digest"]
    assert request == of_one
    assert {path.name for path in run.folder.iterdir()} == {"calls", "files.parquet", "input", "records", "run.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def fail_first(work):
    """Let each task fail at its first try, after it has written a file; workers get the function whole."""

    def fragile(*args, **named):
        from pyspark import TaskContext

        for found in work(*args, **named):
            if TaskContext.get().attemptNumber() == 0:
                raise ValueError("lost")
            yield found

    fragile.__module__ = "__main__"
    return fragile


def test_tasks_that_fail_at_their_first_try_write_the_same(load, single, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "spool_calls", fail_first(preparing.spool_calls))
    monkeypatch.setattr(preparing, "write_files", fail_first(preparing.write_files))
    run = prepare_on_spark(load(make_calls()), PROMPTS, into=tmp_path, name="demo", quotas=QUOTAS)
    assert_same_runs(run, single)
    assert not list(run.folder.rglob("*.part"))


def test_bytes_decide_where_files_end_as_on_one_machine(load, tmp_path):
    calls, quotas = make_calls(120), {"file_bytes": 9_000, "job_bytes": 20_000}
    single = prepare(calls, PROMPTS[:1], into=tmp_path / "single", name="demo", quotas=quotas)
    run = prepare_on_spark(load(calls), PROMPTS[:1], into=tmp_path / "spark", name="demo", quotas=quotas)
    assert len(read_input(run)) > 3
    assert_same_runs(run, single)


def test_ids_that_are_numbers_become_text(load, tmp_path):
    calls = make_calls(30).with_columns(call_id=pl.int_range(30) * 3)
    single = prepare(calls, PROMPTS[:1], into=tmp_path / "single", name="demo")
    assert_same_runs(prepare_on_spark(load(calls), PROMPTS[:1], into=tmp_path / "spark", name="demo"), single)


def test_preparing_the_same_again_returns_the_run_wherever_it_was_prepared(load, tmp_path):
    calls = make_calls(150)
    there = prepare_on_spark(load(calls), PROMPTS, into=tmp_path / "spark", name="demo")
    changed = calls.with_columns(minutes=pl.col("minutes") + 1)
    assert prepare(calls, PROMPTS, into=tmp_path / "spark", name="demo") == there
    assert prepare_on_spark(load(calls.reverse()), PROMPTS, into=tmp_path / "spark", name="demo") == there
    with pytest.raises(RunError, match=r"was prepared for something else .*row_digests"):
        prepare_on_spark(load(changed), PROMPTS, into=tmp_path / "spark", name="demo")
    with pytest.raises(RunError, match=r"was prepared for something else .*row_digests"):
        prepare(changed, PROMPTS, into=tmp_path / "spark", name="demo")
    here = prepare(calls, PROMPTS, into=tmp_path / "one", name="demo")
    assert prepare_on_spark(load(calls), PROMPTS, into=tmp_path / "one", name="demo") == here


IS_LATE = pl.col("minutes") > 1  # all calls but five


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda calls: calls.drop("transcript"), "no column 'transcript'"),
        (lambda calls: calls.with_columns(call_id=pl.when(IS_LATE).then("call_id")), "'call_id' is missing in 5 rows"),
        (
            lambda calls: calls.with_columns(transcript=pl.when(IS_LATE).then("transcript")),
            "'transcript' is missing in 5 rows",
        ),
        (
            lambda calls: calls.with_columns(transcript=pl.when(IS_LATE).then("transcript").otherwise(pl.lit(" "))),
            "5 transcripts are empty, such as",
        ),
        (
            lambda calls: calls.with_columns(call_id=pl.when(IS_LATE).then("call_id").otherwise(pl.lit("x"))),
            "1 ids occur more than once, such as x; make them unique",
        ),
        (lambda calls: calls.with_columns(call_id="minutes"), "'call_id' has the type double"),
        (lambda calls: calls.with_columns(transcript="minutes"), "'transcript' has the type double, not text"),
    ],
)
def test_rows_that_are_no_calls_are_refused(load, tmp_path, change, message):
    with pytest.raises(CallsError, match=message):
        prepare_on_spark(load(change(make_calls(150))), PROMPTS[:1], into=tmp_path, name="demo")
    assert not list(tmp_path.iterdir())


def test_a_table_without_rows_and_what_is_no_table_are_refused(load, tmp_path):
    with pytest.raises(CallsError, match="no rows"):
        prepare_on_spark(load(make_calls(5).clear()), PROMPTS, into=tmp_path, name="demo")
    with pytest.raises(CallsError, match=r"is not a table of Spark; .* use prepare"):
        prepare_on_spark(make_calls(5), PROMPTS, into=tmp_path, name="demo")


def test_a_table_that_changes_while_it_is_read_is_refused(spark, tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    place = str(folder)

    def change(batches):
        """Give other ids each time."""
        from pathlib import Path

        import pyarrow as pa

        number = len(list(Path(place).iterdir()))
        (Path(place) / str(number)).touch()
        for _ in batches:
            ids = [f"{number}-{row}" for row in range(5)]
            yield pa.RecordBatch.from_pydict({"call_id": ids, "transcript": ["x"] * 5})

    change.__module__ = "__main__"
    table = spark.range(0, 1, 1, 1).mapInArrow(change, "call_id string, transcript string")
    with pytest.raises(CallsError, match=r"the table changed while it was read.*checkpoint"):
        prepare_on_spark(table, PROMPTS[:1], into=tmp_path / "runs", name="demo")


def test_an_error_in_a_task_is_that_of_one_machine(load, tmp_path):
    wrong = Prompt(name="wrong", model_id=HAIKU, template="{% if minutes > 2 %}{{ transcript }}{% endif %}")
    calls = make_calls(6)
    with pytest.raises(PromptError, match="makes an empty text of call") as single:
        prepare(calls, [wrong], into=tmp_path / "single", name="demo")
    with pytest.raises(PromptError) as found:
        prepare_on_spark(load(calls), [wrong], into=tmp_path / "spark", name="demo")
    assert str(found.value) == str(single.value)


def test_a_record_larger_than_a_file_is_refused_as_on_one_machine(load, tmp_path):
    is_long = pl.col("minutes") == 50
    calls = make_calls(250).with_columns(transcript=pl.when(is_long).then(pl.lit("x" * 5_000)).otherwise("transcript"))
    quotas = {"file_bytes": 4_000}
    with pytest.raises(QuotaError, match="an input file may have 4,000") as single:
        prepare(calls, PROMPTS[:2], into=tmp_path / "single", name="demo", quotas=quotas)
    with pytest.raises(QuotaError) as found:
        prepare_on_spark(load(calls), PROMPTS[:2], into=tmp_path / "spark", name="demo", quotas=quotas)
    assert str(found.value) == str(single.value)


def test_more_jobs_than_one_process_can_watch_are_refused(load, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "MOST_JOBS", 14)
    with pytest.raises(QuotaError, match="need 15 jobs, and a run may have 14; split the calls"):
        prepare_on_spark(load(make_calls(150)), PROMPTS[:1], into=tmp_path, name="demo", quotas={"records_per_job": 10})


def test_too_few_records_are_told_by_the_plan(load, tmp_path):
    run = prepare_on_spark(load(make_calls(5)), PROMPTS[:1], into=tmp_path, name="demo")
    assert "minimum, job01" in str(run)


@pytest.mark.parametrize("name", ["Demo", "a b", "", "x" * 41])
def test_a_name_that_bedrock_refuses_is_refused(load, tmp_path, name):
    with pytest.raises(RunError, match="the run's name"):
        prepare_on_spark(load(make_calls(5)), PROMPTS, into=tmp_path, name=name)


def test_batches_of_calls_are_small_and_the_session_keeps_its_setting(spark, load, tmp_path, monkeypatch):
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before, seen, run_tasks = spark.conf.get(setting), [], preparing.run_tasks
    monkeypatch.setattr(preparing, "run_tasks", lambda *args: seen.append(spark.conf.get(setting)) or run_tasks(*args))
    prepare_on_spark(load(make_calls(5)), PROMPTS[:1], into=tmp_path, name="demo")
    assert seen[0] == "500"
    assert seen[-1] == spark.conf.get(setting) == before


@pytest.fixture
def bucket(environment, tmp_path, monkeypatch):
    """A new bucket behind the door, and a folder with runs, in which the machine works that submits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    name = f"calls-{abs(hash(tmp_path))}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def test_tasks_write_to_s3_through_the_door(load, single, bucket):
    s3, into = boto3.client("s3"), f"s3://{bucket}/runs"
    run = prepare_on_spark(load(make_calls()), PROMPTS, into=into, name="demo", quotas=QUOTAS, profile="")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert not [key for key in keys if ".spool" in key]
    for name, content in read_input(single).items():
        assert s3.get_object(Bucket=bucket, Key=f"runs/demo/{name}")["Body"].read() == content
    assert_same_tables(run, single)
    assert open_run("demo") == run
    with pytest.raises(RunError, match="was prepared for something else"):
        prepare_on_spark(load(make_calls(150)), PROMPTS, into=into, name="demo", quotas=QUOTAS, profile="")


def test_a_folder_that_bedrock_refuses_is_refused(load, bucket):
    with pytest.raises(RunError, match="Bedrock takes no '='"):
        prepare_on_spark(load(make_calls(5)), PROMPTS, into=f"s3://{bucket}/day=2026-08-01", name="demo", profile="")


def test_another_run_that_is_prepared_at_the_same_place_is_not_overwritten(load, bucket):
    s3, there = boto3.client("s3"), {"Bucket": bucket, "Key": "runs/half/input/job01/00000.jsonl"}
    s3.put_object(**there, Body=b"{}")
    with pytest.raises(StorageError, match="another run is being prepared under this name"):
        prepare_on_spark(load(make_calls(150)), PROMPTS[:1], into=f"s3://{bucket}/runs", name="half", profile="")
    assert s3.get_object(**there)["Body"].read() == b"{}"
