import pytest
from polars.testing import assert_frame_equal

from analysis import collect, load_answers, load_jobs, prepare, submit
from analysis.runs import sum_run_costs
from analysis.runs.state import read_state

from .conftest import HAIKU, NOVA, make_calls, make_prompt

INTO = "s3://batchbook/runs"
PROMPTS = [make_prompt("first", samples=2), make_prompt("second", HAIKU), make_prompt("other", NOVA)]
# 300 calls: 900 records of one model in three jobs of two files, a call in two of them, and 300 of another.
QUOTAS = {"records_per_job": 400, "records_per_file": 170}
ACCOUNT = ("job_id", "file", "job_arn", "submitted_at", "ended_at")  # columns of what another account has otherwise


@pytest.fixture(autouse=True)
def place(tmp_path, emulator, monkeypatch):
    """Work in a folder of its own, with an account of its own."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Go to the folder of another machine."""

    def go(name="theirs"):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)

    return go


@pytest.fixture
def s3(emulator):
    return emulator.client("s3")


@pytest.fixture
def list_keys(s3):
    """List the keys below the run's folder, without its name."""

    def list_them(prefix="runs/demo/"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="batchbook", Prefix=prefix)
        return [entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", [])]

    return list_them


def store(calls=None, prompts=PROMPTS, **fields):
    calls = make_calls(300) if calls is None else calls
    return prepare(calls, prompts, into=INTO, name="demo", **{"quotas": QUOTAS, **fields})


def read_key(s3, key):
    return s3.get_object(Bucket="batchbook", Key=f"runs/demo/{key}")["Body"].read()


def name_jobs(run):
    return [(job.key, job.name(1), job.token(1), job.name(2)) for job in read_state(run).planned]


def test_a_run_in_s3_has_the_files_of_one_here(tmp_path, s3, list_keys):
    stored, local = store(), prepare(make_calls(300), PROMPTS, into=tmp_path / "runs", name="demo", quotas=QUOTAS)
    files = [path.relative_to(local.folder).as_posix() for path in sorted(local.folder.glob("input/*/*"))]
    assert [key for key in list_keys() if key.startswith("input/")] == files
    assert len(files) == 3 * 2 + 2
    for name in [*files, "run.json", "files.parquet"]:
        assert read_key(s3, name) == (local.folder / name).read_bytes()
    assert sorted(path.name for path in stored.folder.iterdir()) == [
        "calls",
        "files.parquet",
        "place.json",
        "records",
        "run.json",
    ]
    assert_frame_equal(stored.read_records(), local.read_records())
    assert_frame_equal(stored.read_calls(), local.read_calls().sort("call_id"))
    assert name_jobs(stored) == name_jobs(local)
    assert str(stored) == str(local)


def test_a_run_in_s3_ends_as_one_here(tmp_path, emulator, monkeypatch):
    stored = store()
    submit(stored)
    counts = collect(stored)
    assert load_jobs(stored)["status"].to_list() == ["Completed"] * 4
    jobs = emulator.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]
    sources = {job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"] for job in jobs}
    assert sources == {f"{INTO}/demo/input/job0{number}/" for number in (1, 2, 3, 4)}
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "other"))
    local = prepare(make_calls(300).sort("call_id"), PROMPTS, into=tmp_path / "runs", name="demo", quotas=QUOTAS)
    submit(local)
    assert_frame_equal(collect(local), counts)
    same = load_answers(local).drop(ACCOUNT, strict=False)
    assert_frame_equal(load_answers(stored).drop(ACCOUNT, strict=False), same)
    assert_frame_equal(load_jobs(local).drop(ACCOUNT, strict=False), load_jobs(stored).drop(ACCOUNT, strict=False))
    assert_frame_equal(sum_run_costs(local).bill, sum_run_costs(stored).bill)
    assert sum_run_costs(stored).bill["cost_usd"].sum() > 0
