"""Tests of input files that are damaged after `prepare`, before they are sent."""

import shutil

import polars as pl
import pytest

from analysis import collect, invoke, load_jobs, prepare, submit
from analysis.errors import RunError

from .conftest import make_calls, make_prompt

COUNTS = ("prepared", "answered", "failed", "missing", "repeated")


def cut(file):
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: len(lines) // 2]))


def empty(file):
    file.write_bytes(b"")


def double(file):
    file.write_bytes(file.read_bytes() * 2)


def edit(file):
    """Change a text and keep the size."""
    file.write_bytes(file.read_bytes().replace(b"Monday", b"Sunday"))


def delete(file):
    file.unlink()


def delete_folder(file):
    shutil.rmtree(file.parent)


def delete_all(file):
    shutil.rmtree(file.parents[1])


@pytest.mark.parametrize("damage", [cut, empty, double, edit, delete, delete_folder, delete_all])
def test_a_damaged_input_file_is_written_anew_before_it_is_sent(run, emulator, capsys, damage):
    (file,) = (run.folder / "input").rglob("*.jsonl")
    before = file.read_bytes()
    damage(file)
    submit(run)
    assert file.read_bytes() == before
    assert collect(run).select(COUNTS).row(0) == (100, 100, 0, 0, 0)
    assert "demo: the input of job01 is not as it was prepared, and is written anew." in capsys.readouterr().out


@pytest.mark.parametrize("damage", [cut, empty, double, edit, delete, delete_folder, delete_all])
def test_a_damaged_input_file_is_written_anew_before_it_is_answered_on_demand(run, emulator, capsys, damage):
    (file,) = (run.folder / "input").rglob("*.jsonl")
    before = file.read_bytes()
    damage(file)
    invoke(run)
    assert file.read_bytes() == before
    assert collect(run).select(COUNTS).row(0) == (100, 100, 0, 0, 0)
    assert "demo: the input of job01 is not as it was prepared, and is written anew." in capsys.readouterr().out


def test_only_the_damaged_file_is_written(set_up_emulator, tmp_path):
    set_up_emulator(min_records=1)
    quotas = {"records_per_job": 10, "min_records": 1}
    run = prepare(make_calls(20), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    first, second = sorted((run.folder / "input").rglob("*.jsonl"))
    before = second.stat().st_ino
    cut(first)
    submit(run)
    assert second.stat().st_ino == before
    assert collect(run)["answered"].to_list() == [10, 10]


def test_damaged_input_of_which_the_calls_have_changed_too_is_not_sent(run, emulator, list_account):
    (file,) = (run.folder / "input").rglob("*.jsonl")
    edit(file)
    changed = run.read_calls().with_columns(pl.col("transcript").str.replace("Monday", "Friday"))
    changed.write_parquet(run.folder / "calls.parquet")
    with pytest.raises(RunError, match="the calls or prompts have changed as well; put the run's folder back"):
        submit(run)
    assert list_account() == []
    assert not list((run.folder / "input").glob(".*"))


@pytest.mark.parametrize("damage", [cut, empty, double, edit, delete, delete_folder])
def test_damaged_input_of_a_further_try_is_written_anew(half_done, emulator, damage, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("analysis.runs.submission.take_first_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            submit(half_done)
    (file,) = (half_done.folder / "input" / "job01-2").iterdir()
    before = file.read_bytes()
    damage(file)
    # The plan of the next call finds the try that was planned, and its step the damage.
    submit(half_done)
    assert (half_done.folder / "input" / "job01-2" / file.name).read_bytes() == before
    assert load_jobs(half_done)["records"].to_list() == [200, 100]
    assert collect(half_done).select(COUNTS).row(0) == (200, 200, 0, 0, 0)


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_damage_that_comes_while_other_jobs_are_waited_for_is_found(set_up_emulator, tmp_path):
    set_up_emulator(min_records=1, max_unfinished_jobs=1)
    quotas = {"records_per_job": 10, "min_records": 1, "unfinished_jobs": 1}
    run = prepare(make_calls(20), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    submit(run, wait=False)
    for file in (run.folder / "input" / "job02").iterdir():
        edit(file)
    submit(run)
    assert collect(run).select(COUNTS).sum().row(0) == (20, 20, 0, 0, 0)


def test_the_ledger_has_the_digest_of_the_input_of_a_further_try(half_done, emulator):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("analysis.runs.submission.take_first_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            submit(half_done)
    (planned,) = (event for event in half_done.ledger.read() if event["event"] == "planned")
    assert (planned["folder"], planned["records"], len(planned["digest"])) == ("job01-2", 100, 64)
