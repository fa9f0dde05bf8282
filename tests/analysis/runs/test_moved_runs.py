"""A run keeps its name, and so its jobs, when its folder is renamed or copied."""

import json
import shutil

import pytest

from analysis import (
    collect,
    list_runs,
    load_answers,
    load_ratings,
    open_run,
    prepare,
    repair,
    submit,
    sum_run_costs,
)
from analysis.errors import RunError
from analysis.judging.ratings import Rating, write_rating
from analysis.runs.ratings import find_ratings

from .conftest import make_calls, make_prompt


def rename(folder, name):
    return folder.rename(folder.with_name(name))


def copy(folder, name):
    return shutil.copytree(folder, folder.with_name(name))


def cut_ledger(folder, events):
    """Leave the first events, as a process that was killed then."""
    ledger = open_run(folder).ledger.file
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:events]))


def count_paid(session):
    """Count the records of each job of the account."""
    bedrock = session.client("bedrock")
    jobs = bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    return [bedrock.get_model_invocation_job(jobIdentifier=job["jobArn"])["totalRecordCount"] for job in jobs]


def test_a_copy_from_any_point_of_a_run_finds_its_job(run, emulator):
    submit(run)
    for events in range(len(run.ledger.read()) + 1):
        folder = copy(run.folder, f"copy-{events}")
        cut_ledger(folder, events)
        assert submit(open_run(folder))["status"].to_list() == ["Completed"]
        assert collect(open_run(folder))["answered"].to_list() == [100]
    assert count_paid(emulator) == [100]


@pytest.mark.parametrize("events", [0, 1, 2, 3])
def test_a_folder_that_is_renamed_after_a_kill_finds_its_job(run, emulator, events):
    submit(run, wait=False)
    folder = rename(run.folder, "other")
    cut_ledger(folder, events)
    assert submit(open_run(folder))["status"].to_list() == ["Completed"]
    assert count_paid(emulator) == [100]


def test_a_copy_of_a_prepared_run_shares_its_job(run, emulator):
    twin = open_run(copy(run.folder, "twin"))
    submit(run, wait=False)
    submit(twin)
    submit(run)
    assert count_paid(emulator) == [100]


def test_a_run_of_the_same_name_with_other_calls_has_jobs_of_its_own(run, emulator):
    submit(run)
    other = prepare(make_calls(101), make_prompt(), into=run.folder.parent / "more", name="demo")
    submit(other)
    assert sorted(count_paid(emulator)) == [100, 101]


def test_a_renamed_folder_is_listed_by_its_own_name_and_keeps_that_of_its_jobs(run):
    folder = rename(run.folder, "other")
    assert open_run(folder).name == "demo"
    assert list_runs(folder.parent)["run"].to_list() == ["other"]


def test_a_folder_whose_name_is_a_pattern_is_that_folder(set_up_emulator, tmp_path):
    """A path such as `[old] runs` names no other files."""
    set_up_emulator(min_records=1)
    prompt, runs = make_prompt(max_tokens=5), tmp_path / "[old] runs"
    run = prepare(make_calls(3), prompt, into=runs, name="demo", quotas={"min_records": 1})
    submit(run)
    assert collect(run)["answered"].to_list() == [3]
    repair(run)
    assert load_answers(run)["max_tokens"].to_list() == [10] * 3
    assert sum_run_costs(run).bill["outputs"].to_list() == [6]
    write_rating(find_ratings(run), Rating("c0", "short", "ada", score=4))
    assert load_ratings(run)["score"].to_list() == [4]
    other = prepare(make_calls(3), prompt, into=runs, name="other", quotas={"min_records": 1})
    assert submit(other)["taken"].to_list() == [3]
    assert collect(other)["answered"].to_list() == [3]
    assert list_runs(runs)["run"].to_list() == ["demo", "other"]


def test_preparing_again_under_the_new_name_of_a_folder_returns_the_run(run):
    rename(run.folder, "other")
    again = prepare(make_calls(100), make_prompt(), into=run.folder.parent, name="other")
    assert (again.folder.name, again.name) == ("other", "demo")


def test_a_run_of_a_later_format_is_refused(run):
    request = json.loads((run.folder / "run.json").read_bytes())
    (run.folder / "run.json").write_text(json.dumps(request | {"format": 2}))
    with pytest.raises(RunError, match="has format 2, and this version knows 1; update batchbook"):
        open_run(run.folder)


def test_two_copies_of_a_run_send_one_retry(half_done, tmp_path, list_account):
    copies = [half_done]
    for name in ("b", "c"):
        shutil.copytree(half_done.folder, tmp_path / name / "demo")
        copies.append(open_run(tmp_path / name / "demo"))
    for each in copies:
        submit(each)
        assert collect(each)["answered"].to_list() == [200]
    assert len(list_account()) == 2
