import gzip
import json
from functools import partial

import boto3
import moto
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.columns import as_pandas
from analysis.errors import StorageError
from analysis.outputs import (
    OUTPUT_SCHEMA,
    index_records,
    list_outputs,
    load_outputs,
    read_joined,
    scan_outputs,
    write_part,
)

JOB = "abcdefghijkl"
HAIKU = "anthropic.claude-haiku-4-5"


def answer(record_id: str, text: str = "Hi.") -> str:
    line = {
        "recordId": record_id,
        "modelInput": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 400, "temperature": 0.5, "top_k": 5},
        "modelOutput": {
            "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 210, "output_tokens": 9},
        },
    }
    return json.dumps(line)


FAILED = '{"recordId":"r2","modelInput":{},"error":{"errorCode":400,"errorMessage":"bad request"}}'


def write(path, *lines: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def job(tmp_path):
    folder = tmp_path / "output" / JOB
    write(folder / "00000.jsonl.out", answer("r1"), FAILED)
    write(folder / "manifest.json.out", '{"totalRecordCount":2}')
    return folder


def row(**values) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(OUTPUT_SCHEMA) | values], schema=OUTPUT_SCHEMA)


ANSWERED = row(
    record_id="r1",
    job_id=JOB,
    file=f"{JOB}/00000.jsonl.out",
    line=1,
    model="claude-haiku-4-5",
    family="anthropic",
    invocation="batch",
    text="Hi.",
    stop_reason="end_turn",
    stop="end",
    input_tokens=210,
    output_tokens=9,
    max_tokens=400,
    skipped_blocks=0,
    reasoning_chars=0,
    top_k=5,
    temperature=0.5,
)
FAILED_ROW = row(
    record_id="r2",
    job_id=JOB,
    file=f"{JOB}/00000.jsonl.out",
    line=2,
    invocation="batch",
    error_kind="service",
    error_code=400,
    error_message="bad request",
)
RECORD = {"record_id": "r1", "call_id": "call-1", "variant": "short", "sample": 1, "attempt": 2, "model_id": HAIKU}
RECORDS = pl.DataFrame([RECORD])


def test_outputs_have_one_row_per_line_and_the_manifest_none(job):
    assert_frame_equal(load_outputs(job.parent), pl.concat([ANSWERED, FAILED_ROW]))


def test_the_model_that_was_asked_is_the_callers_word(job):
    assert load_outputs(job, model_id=HAIKU)["model_id"].to_list() == [HAIKU, HAIKU]


@pytest.mark.parametrize("place", ["", "00000.jsonl.out", "*.out", "../*/*.out"])
def test_a_folder_a_file_and_a_glob_name_the_same_job(job, place):
    outputs = load_outputs(job / place)
    assert outputs["job_id"].to_list() == [JOB, JOB]
    assert outputs["record_id"].to_list() == ["r1", "r2"]


def test_files_of_several_jobs_are_found_at_any_depth(tmp_path):
    for name in ("a/bcdefghijklm/x.jsonl.out", "on-demand-1/y.jsonl.out", "elsewhere/z.jsonl.out"):
        write(tmp_path / "jobs" / name, answer("r1"))
    outputs = load_outputs(tmp_path / "jobs").select("file", "job_id", "invocation")
    assert outputs.rows() == [
        ("a/bcdefghijklm/x.jsonl.out", "bcdefghijklm", "batch"),
        ("elsewhere/z.jsonl.out", None, "batch"),
        ("on-demand-1/y.jsonl.out", "on-demand-1", "on_demand"),
    ]


def test_the_job_of_a_nested_file_is_the_nearest_folder_named_like_one(tmp_path):
    write(tmp_path / "zyxwvutsrqpo" / JOB / "2026" / "x.jsonl.out", answer("r1"))
    assert load_outputs(tmp_path)["job_id"].to_list() == [JOB]


def test_other_line_separators_do_not_cut_a_line(tmp_path):
    text = "a\u2028b\u2029c\x85d\x0be"
    line = json.dumps(json.loads(answer("r1", text)), ensure_ascii=False)
    path = write(tmp_path / "x.jsonl.out", line, line)
    assert load_outputs(path)["text"].to_list() == [text, text]


def test_an_unreadable_line_leaves_the_others_alone(job):
    write(job / "00000.jsonl.out", answer("r1"), '{"recordId":"r3","modelInput"', FAILED)
    outputs = load_outputs(job.parent)
    assert outputs["error_kind"].to_list() == [None, "unreadable", "service"]
    assert outputs["record_id"].to_list() == ["r1", "r3", "r2"]
    assert outputs["error_message"][1].startswith(f"{JOB}/00000.jsonl.out, line 2: ")


@pytest.fixture
def bucket(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with moto.mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="calls")
        yield partial(s3.put_object, Bucket="calls")


def test_an_s3_prefix_is_read_like_a_folder(bucket, job):
    bucket(Key=f"output/{JOB}/00000.jsonl.out", Body=(job / "00000.jsonl.out").read_bytes())
    bucket(Key=f"output/{JOB}/manifest.json.out", Body=b"{}")
    local = load_outputs(job.parent)
    assert_frame_equal(load_outputs("s3://calls/output/"), local)
    assert_frame_equal(scan_outputs("s3://calls/output").collect(), local)


def test_a_prefix_with_nothing_below_it_is_named(bucket):
    with pytest.raises(StorageError, match="s3://calls/nowhere: no such object, and nothing below it"):
        load_outputs("s3://calls/nowhere")


@pytest.mark.parametrize("load", [load_outputs, lambda where: scan_outputs(where).collect()])
def test_without_outputs_the_columns_are_there(tmp_path, load):
    write(tmp_path / "empty.jsonl.out")
    assert_frame_equal(load(tmp_path), pl.DataFrame(schema=OUTPUT_SCHEMA))
    (tmp_path / "empty.jsonl.out").unlink()
    assert_frame_equal(load(tmp_path), pl.DataFrame(schema=OUTPUT_SCHEMA))


@pytest.mark.parametrize("load", [load_outputs, scan_outputs])
def test_a_place_that_is_not_there_is_named(tmp_path, load):
    with pytest.raises(StorageError, match=r"nowhere: no such file or folder"):
        load(tmp_path / "nowhere")


def test_chunks_follow_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.outputs.frames.ROWS_PER_FRAME", 2)
    path = write(tmp_path / "x.jsonl.out", *(answer(f"r{number}") for number in range(5)))
    assert load_outputs(path)["line"].to_list() == [1, 2, 3, 4, 5]
    assert scan_outputs(path).head(3).collect()["line"].to_list() == [1, 2, 3]


def test_a_scan_gives_the_rows_of_a_load(job):
    assert_frame_equal(scan_outputs(job.parent, model_id=HAIKU).collect(), load_outputs(job.parent, model_id=HAIKU))


def test_a_scan_takes_queries(job):
    outputs = scan_outputs(job.parent)
    answered = outputs.filter(pl.col("error_kind").is_null())
    assert answered.select(pl.col("input_tokens").sum(), answers=pl.len()).collect().rows() == [(210, 1)]
    assert outputs.select("error_code").tail(1).collect().rows() == [(400,)]
    assert outputs.collect_schema() == OUTPUT_SCHEMA


def test_a_part_says_which_record_of_the_run_came_back(job, tmp_path):
    (file,) = list_outputs(job.parent)
    write_part(read_joined(file, records=index_records(RECORDS)), tmp_path / "outputs" / "part.parquet")
    expected = ANSWERED.with_columns(pl.lit(value, OUTPUT_SCHEMA[name]).alias(name) for name, value in RECORD.items())
    assert_frame_equal(pl.read_parquet(tmp_path / "outputs" / "part.parquet"), pl.concat([expected, FAILED_ROW]))
    assert list((tmp_path / "outputs").iterdir()) == [tmp_path / "outputs" / "part.parquet"]


def test_a_part_without_records_is_what_a_load_gives(job, tmp_path):
    (file,) = list_outputs(job.parent)
    write_part(read_joined(file, model_id=HAIKU), tmp_path / "part.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "part.parquet"), load_outputs(job.parent, model_id=HAIKU))


def test_records_that_do_not_say_their_model_leave_it_missing(job, tmp_path):
    (file,) = list_outputs(job.parent)
    write_part(read_joined(file, records=index_records(RECORDS.drop("model_id"))), tmp_path / "part.parquet")
    part = pl.read_parquet(tmp_path / "part.parquet")
    assert part.select("call_id", "model_id").rows() == [("call-1", None), (None, None)]


def test_attempts_with_the_same_record_are_joined_once(job, tmp_path):
    (file,) = list_outputs(job.parent)
    records = pl.concat([RECORDS, RECORDS.with_columns(attempt=pl.lit(1, pl.Int64))])
    write_part(read_joined(file, records=index_records(records)), tmp_path / "part.parquet")
    assert pl.read_parquet(tmp_path / "part.parquet")["attempt"].to_list() == [2, None]


def test_an_empty_file_gives_an_empty_part(tmp_path):
    write(tmp_path / JOB / "x.jsonl.out")
    (file,) = list_outputs(tmp_path)
    write_part(read_joined(file, records=index_records(RECORDS)), tmp_path / "part.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "part.parquet"), pl.DataFrame(schema=OUTPUT_SCHEMA))


def test_a_file_that_is_gone_is_named_and_leaves_no_part(job, tmp_path):
    (file,) = list_outputs(job.parent)
    (job / "00000.jsonl.out").unlink()
    with pytest.raises(StorageError, match=r"00000\.jsonl\.out: cannot be read"):
        write_part(read_joined(file), tmp_path / "outputs" / "part.parquet")
    assert list((tmp_path / "outputs").iterdir()) == []


def test_pandas_keeps_whole_numbers_whole(job):
    outputs = as_pandas(load_outputs(job.parent))
    text = pd.StringDtype("pyarrow", na_value=float("nan"))
    dtypes = {pl.String: text, pl.Int16: "Int16", pl.Int32: "Int32", pl.Int64: "Int64", pl.Float64: "float64"}
    expected = pd.DataFrame(
        {name: pd.array([None, None], dtypes.get(kind, "object")) for name, kind in OUTPUT_SCHEMA.items()}
    )
    for frame, place in ((ANSWERED, 0), (FAILED_ROW, 1)):
        for name, value in frame.row(0, named=True).items():
            if value is not None:
                expected.loc[place, name] = value
    pd.testing.assert_frame_equal(outputs, expected)


def test_pandas_has_the_same_dtypes_without_rows(job):
    outputs = load_outputs(job.parent)
    pd.testing.assert_series_equal(as_pandas(outputs.head(0)).dtypes, as_pandas(outputs).dtypes)


def test_pandas_keeps_dates_and_truths():
    frame = pl.DataFrame({"day": ["2026-11-01", None], "agrees": [True, None]}).with_columns(
        pl.col("day").str.to_date()
    )
    assert as_pandas(frame).dtypes.astype(str).to_dict() == {"day": "datetime64[ms]", "agrees": "boolean"}


def test_a_folder_of_something_else_is_not_an_empty_job(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x\n")
    with pytest.raises(StorageError, match=r"2 files and no \*\.out among them, such as a\.csv; give the output"):
        load_outputs(tmp_path)


# The files of a folder, and how many of them are outputs.
RENAMED = {
    "renamed": (["results.jsonl"], 1),
    "renamed, beside a manifest": (["results.jsonl", "manifest.json.out"], 1),
    "several": (["results-1.jsonl", "results-2.jsonl"], 2),
    "in the folder of a job": ([f"{JOB}/results.jsonl", f"{JOB}/manifest.json.out"], 1),
    "packed": (["00000.jsonl.out.gz"], 1),
    "packed, beside a manifest": (["00000.jsonl.out.gz", "manifest.json.out"], 1),
    "packed with its manifest": (["00000.jsonl.out.gz", "manifest.json.out.gz"], 1),
    "renamed and packed": (["results.jsonl.gz"], 1),
    "packed and as it was": (["00000.jsonl.out", "00000.jsonl.out.gz"], 1),
    "outputs beside their input": (["00000.jsonl.out", "00000.jsonl"], 1),
    "some packed": (["00000.jsonl.out", "00001.jsonl.out.gz"], 2),
}


def write_files(folder, names):
    """Write an answer into each file; one of a packed name is packed."""
    for name in names:
        content = (answer("r1") + "\n").encode()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.mark.parametrize("load", [load_outputs, lambda where: scan_outputs(where).collect()], ids=["load", "scan"])
@pytest.mark.parametrize(("names", "outputs"), RENAMED.values(), ids=RENAMED)
def test_outputs_that_were_renamed_or_packed_are_read_once(tmp_path, names, outputs, load):
    write_files(tmp_path, names)
    assert load(tmp_path)["text"].to_list() == ["Hi."] * outputs


@pytest.mark.parametrize("name", ["results.jsonl", "x.jsonl.out.gz", "results.jsonl.gz", "x.txt", "manifest.json.out"])
def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path, name):
    write_files(tmp_path, [name])
    assert load_outputs(tmp_path / name)["text"].to_list() == ["Hi."]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["results.csv"], r"1 file and no \*\.out, such as results\.csv; give the output folder"),
        (["results.json"], r"1 file and no \*\.out, such as results\.json"),
        (["manifest.json.out"], r"manifest\.json\.out and no output of a job beside it; load_manifests"),
        (["manifest.json.out", "results.txt"], r"2 files and no \*\.out among them, such as results\.txt"),
        (["results.jsonl", "calls.parquet"], r"2 files and no \*\.out among them, such as calls\.parquet"),
    ],
)
def test_a_folder_of_something_else_names_it(tmp_path, names, reason):
    write_files(tmp_path, names)
    for load in (load_outputs, scan_outputs):
        with pytest.raises(StorageError, match=reason):
            load(tmp_path)


@pytest.mark.parametrize(("begin", "end"), [(b"", -10), (b"x" * 40, 0), (b"", 20)], ids=["cut", "other", "cut early"])
def test_a_packed_file_that_is_damaged_is_named(tmp_path, begin, end):
    packed = gzip.compress((answer("r1") + "\n").encode() * 50)
    (tmp_path / "a.jsonl.out.gz").write_bytes(begin + packed[:end])
    with pytest.raises(StorageError, match=r"a\.jsonl\.out\.gz: cannot be unpacked \(.*\); copy it again"):
        load_outputs(tmp_path)


def test_packed_outputs_are_read_from_s3(bucket):
    bucket(Key="output/x.jsonl.out.gz", Body=gzip.compress((answer("r1") + "\n").encode()))
    assert load_outputs("s3://calls/output/")["text"].to_list() == ["Hi."]
