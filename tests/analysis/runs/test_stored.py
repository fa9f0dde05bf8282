import math
import re
from contextlib import ExitStack, nullcontext
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from analysis import (
    add_costs,
    collect,
    delete,
    find_prices,
    invoke,
    list_runs,
    load_answers,
    load_jobs,
    open_run,
    plan_repair,
    prepare,
    repair,
    stop,
    submit,
)
from analysis.aws.session import EMULATOR_ROLE, open_session
from analysis.cli.app import app
from analysis.errors import JobError, RunError, StorageError
from analysis.runs import sending, sharing, stored, submission, sum_run_costs, update_jobs, waiting
from analysis.runs.repairs import write_attempt
from analysis.runs.sharing import hold_on, hold_run, read_copy, share_ledger
from analysis.runs.state import read_state
from bedrock_local import serve

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


def store_two_jobs():
    return store(make_calls(200), make_prompt(), quotas={"records_per_job": 100})


def read_key(s3, key):
    return s3.get_object(Bucket="batchbook", Key=f"runs/demo/{key}")["Body"].read()


def name_jobs(run):
    return [(job.key, job.name(1), job.token(1), job.name(2)) for job in read_state(run).planned]


def test_a_run_in_s3_has_the_files_of_one_here(tmp_path, s3, list_keys):
    run, local = store(), prepare(make_calls(300), PROMPTS, into=tmp_path / "runs", name="demo", quotas=QUOTAS)
    files = [path.relative_to(local.folder).as_posix() for path in sorted(local.folder.glob("input/*/*"))]
    assert [key for key in list_keys() if key.startswith("input/")] == files
    assert len(files) == 3 * 2 + 2
    for name in [*files, "run.json", "files.parquet"]:
        assert read_key(s3, name) == (local.folder / name).read_bytes()
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "calls",
        "files.parquet",
        "place.json",
        "records",
        "run.json",
    ]
    assert_frame_equal(run.read_records(), local.read_records())
    assert_frame_equal(run.read_calls(), local.read_calls().sort("call_id"))
    assert name_jobs(run) == name_jobs(local)
    assert str(run) == str(local)


def test_a_run_in_s3_ends_as_one_here(tmp_path, emulator, monkeypatch):
    run = store()
    submit(run)
    counts = collect(run)
    assert load_jobs(run)["status"].to_list() == ["Completed"] * 4
    jobs = emulator.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]
    sources = {job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"] for job in jobs}
    assert sources == {f"{INTO}/demo/input/job0{number}/" for number in (1, 2, 3, 4)}
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "other"))
    local = prepare(make_calls(300).sort("call_id"), PROMPTS, into=tmp_path / "runs", name="demo", quotas=QUOTAS)
    submit(local)
    assert_frame_equal(collect(local), counts)
    same = load_answers(local).drop(ACCOUNT, strict=False)
    assert_frame_equal(load_answers(run).drop(ACCOUNT, strict=False), same)
    assert_frame_equal(load_jobs(local).drop(ACCOUNT, strict=False), load_jobs(run).drop(ACCOUNT, strict=False))
    assert_frame_equal(sum_run_costs(local).bill, sum_run_costs(run).bill)
    assert sum_run_costs(run).bill["cost_usd"].sum() > 0


def test_a_run_in_s3_over_http_has_the_same_files_and_answers(tmp_path, emulator, monkeypatch, s3, list_keys):
    calls, fields = make_calls(100), {"profile": "", "budget_usd": math.inf}
    with serve(tmp_path / "served") as server:
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {"AWS_ENDPOINT_URL": server.url, **keys}.items():
            monkeypatch.setenv(name, value)
        there = open_session("").client("s3")
        there.create_bucket(Bucket="batchbook")
        run = prepare(calls, make_prompt(), into=INTO, name="demo", profile="")
        submit(run, role_arn=EMULATOR_ROLE, pause_s=0.1, **fields)
        collect(run)
        files = {key: read_key(there, key) for key in ("run.json", "files.parquet", "input/job01/00000.jsonl")}
        answers = load_answers(run)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.chdir(tmp_path)
    again = prepare(calls, make_prompt(), into=INTO, name="demo")
    assert {key: read_key(s3, key) for key in files} == files
    submit(again)
    collect(again)
    same = load_answers(again).drop(ACCOUNT, strict=False)
    assert_frame_equal(answers.drop(ACCOUNT, strict=False), same)


def test_the_ledger_in_s3_is_that_of_the_driver(s3):
    run = store_two_jobs()
    submit(run)
    assert read_key(s3, "ledger.jsonl") == run.ledger.file.read_bytes()


def test_a_second_driver_is_refused_while_the_first_one_sends(elsewhere):
    run = store_two_jobs()
    seen = []

    def look(_):
        if not seen:
            elsewhere()
            other = open_run(f"{INTO}/demo")
            assert other.folder != run.folder
            with pytest.raises(RunError, match=r"another process sends this run: .*; wait for it; if it was stopped"):
                submit(other)
            seen.append(load_jobs(other)["status"].to_list())

    submit(run, sleep=look)
    assert seen == [["Submitted"] * 2]
    assert load_jobs(run)["status"].to_list() == ["Completed"] * 2


def test_of_two_drivers_that_begin_at_once_one_is_refused(elsewhere):
    run = store_two_jobs()
    elsewhere()
    other = open_run(f"{INTO}/demo")
    read_copy(run)
    with hold_run(other), pytest.raises(RunError, match="another process sends this run"):
        hold_on(run, run.ledger, 600)
    with hold_run(run):
        pass


def test_a_driver_that_slept_does_not_send_beside_the_one_that_went_on(elsewhere):
    run, held = store_two_jobs(), ExitStack()

    def sleep(_):
        hold_on(run, run.ledger, 0)
        elsewhere()
        held.enter_context(hold_run(open_run(f"{INTO}/demo")))

    with held, pytest.raises(RunError, match="another process sends this run"):
        submit(run, sleep=sleep)


def test_what_another_machine_looked_at_does_not_keep_the_driver_from_sending(elsewhere):
    run = store_two_jobs()

    def look(_):
        elsewhere()
        update_jobs(f"{INTO}/demo")
        collect("demo")

    submit(run, sleep=look)
    assert load_jobs(run)["status"].to_list() == ["Completed"] * 2


def test_another_machine_goes_on_from_the_copy(elsewhere, list_account, s3):
    mine = store_two_jobs()
    submit(mine, wait=False)
    elsewhere()
    run = open_run(f"{INTO}/demo")
    assert run.read_request() == mine.read_request()
    submit(run)
    assert collect(run)["answered"].to_list() == [100, 100]
    assert load_jobs(run)["job_arn"].to_list() == load_jobs(mine)["job_arn"].to_list()
    elsewhere("mine")
    submit("demo")
    assert collect("demo")["answered"].to_list() == [100, 100]
    assert len(list_account()) == 2
    assert {*read_key(s3, "ledger.jsonl").splitlines()} == {*mine.ledger.file.read_bytes().splitlines()}


def test_a_driver_that_was_killed_before_it_wrote_the_copy_pays_nothing_twice(elsewhere, list_account, monkeypatch):
    run = store_two_jobs()
    with monkeypatch.context() as patch:
        # The jobs are created; then neither their events are copied nor is the run let go.
        patch.setattr(sharing, "put_over", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(submission, "hold_run", lambda _: nullcontext())
        patch.setattr(sending, "hold_run", lambda _: nullcontext())
        patch.setattr(waiting, "keep_hold", lambda run, _: share_ledger(run))
        with pytest.raises(KeyboardInterrupt):
            submit(run)
    assert len(list_account()) == 2
    elsewhere()
    other = open_run(f"{INTO}/demo")
    submit(other)
    assert collect(other)["answered"].to_list() == [100, 100]
    elsewhere("mine")
    submit(run)
    assert len(list_account()) == 2
    assert collect(run)["answered"].to_list() == [100, 100]


def test_a_job_that_failed_is_tried_again_by_another_machine(elsewhere, set_up_emulator, list_keys):
    set_up_emulator(faults={"job-failed": 1})
    run = store(make_calls(200), make_prompt())
    with pytest.raises(JobError, match="answers 100 of 200 records"):
        submit(run)
    set_up_emulator()
    elsewhere()
    run = open_run(f"{INTO}/demo")
    submit(run)
    assert load_jobs(run).select("job_try", "status", "records").rows() == [(1, "Failed", 200), (2, "Completed", 100)]
    assert collect(run).select("answered", "repeated").rows() == [(200, 0)]
    folders = {key.split("/")[1] for key in list_keys() if key.startswith("input/")}
    assert [folder[:8] for folder in sorted(folders)] == ["job01", "job01-2-"]
    # Lines are read in S3, and only those of the further try are here.
    assert [path.name for path in run.folder.glob("input/*")] == ["job01-2"]
    assert not list(run.folder.glob("output/*/0*"))


@pytest.mark.parametrize("change", ["lost", "other bytes", "other size"])
def test_input_that_is_not_as_it_was_prepared_is_written_anew(s3, capsys, change):
    run = store_two_jobs()
    key, whole = "runs/demo/input/job02/00000.jsonl", read_key(s3, "input/job02/00000.jsonl")
    if change == "lost":
        s3.delete_object(Bucket="batchbook", Key=key)
    else:
        body = whole.replace(b"Monday", b"Friday") if change == "other bytes" else whole[:-9]
        s3.put_object(Bucket="batchbook", Key=key, Body=body, ChecksumAlgorithm="SHA256")
    submit(run)
    assert "demo: the input of job02 is not as it was prepared, and is written anew." in capsys.readouterr().out
    assert read_key(s3, "input/job02/00000.jsonl") == whole
    assert collect(run)["answered"].to_list() == [100, 100]


def test_input_without_a_sha256_is_known_by_its_size(s3, capsys):
    run = store_two_jobs()
    whole = read_key(s3, "input/job02/00000.jsonl")
    s3.put_object(Bucket="batchbook", Key="runs/demo/input/job02/00000.jsonl", Body=whole)
    submit(run)
    assert "written anew" not in capsys.readouterr().out


def test_a_lost_table_is_named_by_its_address(s3):
    run = store_two_jobs()
    s3.delete_object(Bucket="batchbook", Key="runs/demo/records/job02-00000.parquet")
    with pytest.raises(RunError, match=r"s3://batchbook/runs/demo/records/job02-00000.parquet: is missing; put it ba"):
        run.read_records()


@pytest.mark.parametrize(
    ("into", "like"),
    [
        ("s3://batchbook/day=2026-08-01", "s3://batchbook/day-2026-08-01/demo/"),
        ("s3://batchbook/my runs", "s3://batchbook/my-runs/demo/"),
        ("s3://batchbook/at 12:30+1%/x", "s3://batchbook/at-12-30-1-/x/demo/"),
        ("s3://batchbook/a//b", "s3://batchbook/a/b/demo/"),
    ],
)
def test_a_folder_that_bedrock_refuses_is_refused_at_once(into, like):
    with pytest.raises(RunError, match=re.escape(f"between single slashes, as {like}")):
        prepare(make_calls(100), make_prompt(), into=into, name="demo")


def test_an_address_that_was_made_a_path_is_refused():
    with pytest.raises(RunError, match="s3:/batchbook/runs: is an address that was made a path; give into= as text"):
        prepare(make_calls(100), make_prompt(), into=Path(INTO))


def test_prompts_of_two_regions_have_no_bucket_in_common():
    prompts = [make_prompt(), make_prompt("far", region="eu-central-1")]
    with pytest.raises(RunError, match="name the Regions eu-central-1, us-east-1, and a bucket is in one alone"):
        store(prompts=prompts)


def test_a_run_can_lie_at_the_top_of_a_bucket(emulator, list_keys):
    run = prepare(make_calls(100), make_prompt(), into="s3://batchbook", name="demo")
    submit(run)
    (job,) = emulator.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]
    assert job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"] == "s3://batchbook/demo/input/job01/"
    assert job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"] == "s3://batchbook/demo/output/"
    assert collect(run)["answered"].to_list() == [100]
    delete(run, ask=lambda _: "yes")
    assert list_keys("demo/") == []


def test_a_bucket_that_is_not_there_is_named():
    with pytest.raises(StorageError, match=r"s3://nothing/.*: no such bucket"):
        prepare(make_calls(100), make_prompt(), into="s3://nothing/runs")


def test_the_same_prepared_again_is_the_run_that_is_there(elsewhere, list_keys):
    run, keys = store_two_jobs(), list_keys()
    assert store_two_jobs().folder == run.folder
    elsewhere()
    again = store_two_jobs()
    assert again.folder != run.folder
    assert again.read_request() == run.read_request()
    assert list_keys() == keys


def test_something_else_prepared_under_the_name_is_refused(elsewhere):
    store_two_jobs()
    elsewhere()
    with pytest.raises(RunError, match="was prepared for something else"):
        store(make_calls(300), make_prompt())


def test_two_that_prepare_at_once_do_not_mix(s3, list_keys):
    s3.put_object(Bucket="batchbook", Key="runs/demo/input/job01/00000.jsonl", Body=b"{}")
    with pytest.raises(RunError, match=r"another run is being prepared under this name.*choose another name"):
        store_two_jobs()
    assert read_key(s3, "input/job01/00000.jsonl") == b"{}"
    assert "run.json" not in list_keys()
    assert not Path("runs/demo").exists()


def test_preparing_goes_on_where_it_was_broken_off(list_keys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(stored, "write_place", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store_two_jobs()
    assert "run.json" in list_keys()
    run = store_two_jobs()
    submit(run)
    assert collect(run)["answered"].to_list() == [100, 100]


def test_what_a_killed_prepare_left_here_is_swept_when_the_run_is_found_in_s3(elsewhere):
    store_two_jobs()
    elsewhere()
    Path("runs/.demo-killed12.draft").mkdir(parents=True)
    Path("runs/.demo-killed12.draft/draft.lock").touch()
    open_run(f"{INTO}/demo")
    assert [path.name for path in Path("runs").iterdir()] == ["demo"]


def test_a_folder_of_the_name_that_is_another_run_is_refused():
    prepare(make_calls(100), make_prompt(), name="demo")
    with pytest.raises(RunError, match="is that of a run on this machine alone, not of s3://batchbook/runs/demo/"):
        store_two_jobs()


def test_a_run_that_is_not_there_lists_those_beside_it():
    store_two_jobs()
    with pytest.raises(RunError, match="s3://batchbook/runs/june/: not a run; there are demo"):
        open_run(f"{INTO}/june")


def test_a_run_that_was_copied_in_s3_is_not_taken_for_another(s3):
    store_two_jobs()
    source = {"Bucket": "batchbook", "Key": "runs/demo/run.json"}
    s3.copy_object(Bucket="batchbook", Key="runs/july/run.json", CopySource=source)
    with pytest.raises(RunError, match='was prepared as "demo"'):
        open_run(f"{INTO}/july")


def test_a_bucket_beside_that_of_the_run_is_refused():
    with pytest.raises(JobError, match="lies in s3://batchbook/runs/demo/, and its jobs cannot use 'other'"):
        submit(store_two_jobs(), bucket="other")


def test_a_repair_is_gone_on_with_by_another_machine(elsewhere, set_up_emulator, list_keys):
    set_up_emulator(faults={"record-500": 0.6}, seed=1)
    run = store(make_calls(300), make_prompt())
    submit(run)
    failed = 300 - collect(run)["answered"].sum()
    assert 120 < failed < 240
    set_up_emulator()
    planned = plan_repair(run)
    with sending.lock_sending(run, wait_s=0):
        write_attempt(planned)
    assert not (run.folder / "attempts/2/input").exists()
    assert {key for key in list_keys() if key.startswith("attempts/")} == {
        "attempts/2/causes.parquet",
        "attempts/2/files.parquet",
        "attempts/2/input/a2-job01/00000.jsonl",
        "attempts/2/records.parquet",
    }
    elsewhere()
    other = open_run(f"{INTO}/demo")
    assert repair(other)["answered"].to_list() == [300, 0]
    assert load_jobs(other).select("job_key", "records").rows() == [("job01", 300), ("a2-job01", failed)]
    elsewhere("mine")
    assert collect(run)["answered"].to_list() == [300, 0]


def test_a_repair_with_more_room_has_the_records_of_one_here(tmp_path, list_keys, s3):
    stored = store(make_calls(300), make_prompt(max_tokens=3))
    submit(stored)
    collect(stored)
    repair(stored)
    calls = make_calls(300).sort("call_id")
    local = prepare(calls, make_prompt(max_tokens=3), into=tmp_path / "runs", name="demo", quotas=QUOTAS)
    submit(local)  # adopts the jobs that there are
    collect(local)
    repair(local)
    files = [path.relative_to(local.folder).as_posix() for path in sorted(local.folder.glob("attempts/*/input/*/*"))]
    assert [key for key in list_keys("runs/demo/") if key.startswith("attempts/2/input")] == files
    for name in files:
        assert read_key(s3, name) == (local.folder / name).read_bytes()
    assert_frame_equal(stored.read_records(), local.read_records())
    assert_frame_equal(
        load_answers(stored).drop(ACCOUNT, strict=False), load_answers(local).drop(ACCOUNT, strict=False)
    )


def test_answers_of_another_run_in_s3_are_taken_over_and_not_paid_for_again(elsewhere, list_account, s3):
    theirs = store(make_calls(200), make_prompt())
    submit(theirs)
    elsewhere()
    collect(f"{INTO}/demo")  # a colleague's run, opened and collected here
    mine = prepare(make_calls(350), make_prompt(), into=INTO, name="more")
    submit(mine)
    assert load_jobs(mine).select("records", "taken").rows() == [(150, 200)]
    counts = collect(mine)
    assert counts["answered"].to_list() == [350]
    assert sum_run_costs(mine).bill["cost_usd"][0] == pytest.approx(sum_output_costs(mine, taken=False))
    elsewhere("third")
    again = open_run(f"{INTO}/more")
    assert_frame_equal(collect(again), counts)
    assert load_answers(again)["taken_from"].drop_nulls().to_list() == ["demo"] * 200
    assert len(list_account()) == 2


def sum_output_costs(run, *, taken):
    """Price the outputs that were taken over, or the others, by the table of prices."""
    outputs = run.read_outputs().filter(pl.col("taken_from").is_not_null() == taken)
    return add_costs(outputs, find_prices(HAIKU))["cost_usd"].sum()


def test_a_run_in_s3_is_listed_and_deleted(s3, list_keys, elsewhere):
    run = store_two_jobs()
    assert list_runs()["run"].to_list() == ["demo"]
    submit(run)
    collect(run)
    s3.put_object(Bucket="batchbook", Key="runs/demo/notes.txt", Body=b"mine")
    asked = []

    def ask(question):
        asked.append(question)
        return "yes"

    elsewhere()
    done = delete(f"{INTO}/demo", ask=ask)
    listed = dict(done.filter(pl.col("where").str.starts_with("s3")).group_by("what").agg(pl.col("files").sum()).rows())
    assert listed == {
        "calls in S3": 2,
        "records in S3": 2,
        "input in S3": 2,
        "output in S3": 4,
        "run in S3": 2,
        "ledger in S3": 1,
    }
    assert "s3://batchbook/runs/demo/notes.txt" in asked[0]
    assert list_keys() == ["notes.txt"]
    assert not Path("runs/demo").exists()


def test_a_run_in_s3_that_was_never_sent_is_deleted_there_too(list_keys):
    run = store_two_jobs()
    delete(run, ask=lambda _: "yes")
    assert list_keys() == []


def test_what_is_here_of_a_run_in_s3_can_be_deleted_alone(list_keys):
    run, asked = store_two_jobs(), []
    keys = list_keys()
    delete(run, local_only=True, ask=lambda question: asked.append(question) or "yes")
    assert "What is in S3 stays, the calls too: s3://batchbook/runs/demo/." in asked[0]
    assert list_keys() == keys
    assert open_run(f"{INTO}/demo/").folder == run.folder


def test_a_part_that_was_cut_here_is_downloaded_again():
    run = store_two_jobs()
    records = run.read_records()
    part = run.folder / "records" / "job02-00000.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    assert_frame_equal(run.read_records(), records)


def test_a_run_that_another_machine_sends_is_not_deleted(elsewhere, list_keys):
    run = store_two_jobs()
    with hold_run(run):
        elsewhere()
        with pytest.raises(RunError, match="another process sends this run"):
            delete(f"{INTO}/demo", ask=lambda _: "yes")
    assert "run.json" in list_keys()


def test_a_run_in_s3_is_answered_on_demand(elsewhere):
    run = store(make_calls(5), make_prompt())
    invoke(run)
    assert collect(run)["answered"].to_list() == [5]
    elsewhere()
    with pytest.raises(RunError, match="is answered on demand from"):
        invoke(f"{INTO}/demo")


def test_jobs_are_stopped_by_another_machine(elsewhere, set_up_emulator):
    set_up_emulator(clock="realistic")
    submit(store_two_jobs(), wait=False)
    elsewhere()
    assert {*stop(f"{INTO}/demo")["status"]} <= {"Stopping", "Stopped", "Completed"}


def test_all_commands_take_a_run_by_its_address_or_its_name(elsewhere):
    store_two_jobs()
    elsewhere()
    for command in (
        ["submit", f"{INTO}/demo"],
        ["status", f"{INTO}/demo"],
        ["collect", f"{INTO}/demo"],
        ["collect", "demo"],
        ["stop", "demo"],
        ["repair", f"{INTO}/demo"],
        ["export", f"{INTO}/demo", "answers.csv"],
        ["export", "demo", "answers.parquet"],
        ["list"],
        ["delete", f"{INTO}/demo", "--yes"],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    assert pl.read_csv("answers.csv").height == 200
    assert pl.read_parquet("answers.parquet").height == 200
    assert not Path("runs/demo").exists()
