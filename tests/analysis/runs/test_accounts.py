import pytest

from analysis import collect, load_jobs, repair, stop, submit
from analysis.errors import RunError
from analysis.runs import invoke, plan_repair, update_jobs

COMMANDS = {"collect": collect, "repair": repair, "stop": stop, "submit": submit, "update_jobs": update_jobs}


def list_files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def leave(monkeypatch, tmp_path):
    """Go on with the emulator of another folder."""
    return lambda: monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "other folder"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_that_was_sent_is_not_looked_for_in_another_account(run, set_up_emulator, leave, tmp_path, name):
    set_up_emulator(faults={"job-slow": 1})
    submit(run, wait=False)
    leave()
    before = load_jobs(run)
    with pytest.raises(RunError, match=f"account.*set BEDROCK_LOCAL={tmp_path / 'emulator'}.* now"):
        COMMANDS[name](run)
    assert load_jobs(run).equals(before)


def test_a_repair_asks_nothing_of_another_account(run, set_up_emulator, leave):
    set_up_emulator(faults={"record-429": 0.1})
    submit(run)
    collect(run)
    assert len(plan_repair(run).asked) > 0
    leave()
    before = list_files(run.folder)
    with pytest.raises(RunError, match=r"has been sent with account 'emulator:.*', not 'emulator:.*set BEDROCK_LOCAL="):
        repair(run)
    assert list_files(run.folder) == before


def test_a_repair_asks_nothing_in_another_region(run, set_up_emulator):
    set_up_emulator(faults={"record-429": 0.1})
    submit(run)
    collect(run)
    before = list_files(run.folder)
    with pytest.raises(RunError, match="has been sent with region 'us-east-1', not 'eu-west-1'"):
        repair(run, region="eu-west-1")
    assert list_files(run.folder) == before


def test_a_repair_on_demand_asks_nothing_of_another_account(set_up_emulator, leave, run):
    set_up_emulator(faults={"record-429": 0.1})
    invoke(run)
    leave()
    with pytest.raises(RunError, match="set BEDROCK_LOCAL="):
        repair(run)


def test_an_account_that_cannot_be_asked_for_its_number_may_be_the_same(run, emulator, monkeypatch):
    submit(run)
    monkeypatch.setattr("analysis.runs.accounts.name_account", lambda session: "")
    assert collect(run)["answered"].sum() == 100
