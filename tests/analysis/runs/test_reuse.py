import shutil

import polars as pl
import pytest

import bedrock_local
from analysis import collect, invoke, load_answers, load_attempts, load_jobs, open_run, prepare, repair, submit
from analysis.aws.session import name_account, open_session
from analysis.errors import BudgetError, QuotaError, RunError
from analysis.metrics.costs import add_costs
from analysis.prompts import Expectations
from analysis.runs import confirm_cost, is_finished
from analysis.runs.answered import describe_answered
from analysis.runs.reuse import find_takeable, take_over
from analysis.runs.state import read_state

from .conftest import NOVA, make_calls, make_prompt

QUOTAS = {"min_records": 2}


@pytest.fixture
def small_jobs(set_up_emulator):
    """An account whose jobs may have two records."""
    return set_up_emulator(min_records=2)


@pytest.fixture
def ask(tmp_path, small_jobs):
    """Prepare, submit and collect a run."""

    def finish(name, calls, *prompts, **options):
        run = prepare(calls, [*prompts], into=tmp_path / "runs", name=name, quotas=QUOTAS)
        submit(run, **options)
        collect(run)
        return run

    return finish


@pytest.fixture
def first(ask):
    """A run that has answered four calls by two wordings."""
    return ask("tune-001", make_calls(4), make_prompt("short"), make_prompt("long", max_tokens=300))


def count_taken(run):
    """Count the answers of a run by variant and by the run that paid."""
    counts = load_answers(run).group_by("variant", "taken_from").len().sort("variant", "taken_from", nulls_last=True)
    return counts.rows()


def list_sent(run):
    """List how many records each job of a run has sent and taken over."""
    return load_jobs(run).select("job_key", "status", "records", "taken").rows()


def test_only_the_wording_that_changed_is_asked(first, ask, capsys):
    changed = make_prompt("long", max_tokens=301)
    second = ask("tune-002", make_calls(4), make_prompt("short"), changed)
    assert count_taken(second) == [("long", None, 4), ("short", "tune-001", 4)]
    assert list_sent(second) == [("job01", "Completed", 4, 4)]
    assert "4 of 8 records were answered in tune-001 and are taken from there." in capsys.readouterr().out


def test_what_was_taken_over_cost_this_run_nothing_and_has_its_price(first, ask):
    second = ask("tune-002", make_calls(4), make_prompt("short"), make_prompt("long", max_tokens=301))
    taken = add_costs(load_answers(second)).filter(variant="short")
    paid = add_costs(load_answers(first)).filter(variant="short")
    assert taken["cost_usd"].to_list() == [0.0] * 4
    assert taken["price_usd"].to_list() == paid["cost_usd"].to_list()


def test_the_answers_are_those_of_the_run_that_paid(first, ask):
    second = ask("tune-002", make_calls(4), make_prompt("short"), make_prompt("long", max_tokens=301))
    columns = ("call_id", "text", "stop", "output_tokens", "model_id", "job_id")
    of_runs = [load_answers(run).filter(variant="short").select(columns) for run in (first, second)]
    assert of_runs[0].equals(of_runs[1])


def test_a_run_of_which_all_is_answered_sends_nothing(first, ask, list_account):
    second = ask("again", make_calls(4), make_prompt("short"))
    assert list_sent(second) == [("job01", "taken", 0, 4)]
    assert len(list_account()) == 1
    assert is_finished(second)
    assert submit(second, budget_usd=0.0)["status"].to_list() == ["taken"]
    collected = collect(second)
    assert collected.select("status", "prepared", "answered", "missing").rows() == [("taken", 4, 4, 0)]


def test_a_call_that_was_renamed_keeps_its_answer(first, ask):
    renamed = make_calls(4).with_columns(pl.format("new-{}", "call_id").alias("call_id"))
    second = ask("renamed", renamed, make_prompt("brief"))
    assert count_taken(second) == [("brief", "tune-001", 4)]
    texts = [load_answers(run).filter(variant=name)["text"] for run, name in ((first, "short"), (second, "brief"))]
    assert texts[0].equals(texts[1])
    assert load_answers(second)["call_id"].to_list() == ["new-c0", "new-c1", "new-c2", "new-c3"]


def test_a_truncated_answer_is_an_answer(ask):
    cut = make_prompt("short", max_tokens=1)
    assert load_answers(ask("tune-001", make_calls(3), cut))["stop"].unique().to_list() == ["length"]
    assert count_taken(ask("tune-002", make_calls(3), cut)) == [("short", "tune-001", 3)]


def test_a_raised_repeat_asks_anew(first, ask):
    second = ask("tune-002", make_calls(4), make_prompt("short", repeat=2))
    assert count_taken(second) == [("short", None, 4)]


def test_what_failed_is_asked_again(ask, set_up_emulator):
    set_up_emulator(min_records=2, faults={"record-500": 0.5})
    first = ask("tune-001", make_calls(20), make_prompt())
    failed = load_answers(first).filter(pl.col("error_kind").is_not_null()).height
    assert 2 <= failed < 20
    set_up_emulator(min_records=2)
    second = ask("tune-002", make_calls(20), make_prompt())
    assert list_sent(second) == [("job01", "Completed", failed, 20 - failed)]
    assert load_answers(second)["error_kind"].null_count() == 20


@pytest.fixture
def repaired(ask, set_up_emulator):
    """A run of 200 answers of which some were cut off, and asked again with twice the room by a repair."""
    set_up_emulator(min_records=2, faults={"record-truncated": 0.1})
    run = ask("tune-001", make_calls(200), make_prompt("short"))
    set_up_emulator(min_records=2)
    assert 0 < load_answers(run).filter(stop="length").height < 100
    repair(run)
    return run


def test_the_winner_is_taken_over_where_a_repair_gave_more_room(repaired, ask):
    second = ask("tune-002", make_calls(200), make_prompt("short"))
    assert list_sent(second) == [("job01", "taken", 0, 200)]
    columns = ("call_id", "text", "stop", "output_tokens", "max_tokens")
    won, taken = load_answers(repaired), load_answers(second)
    assert taken.select(columns).equals(won.select(columns))
    assert set(taken["stop"]) == {"end"}
    # They answer the records of this run, and its own attempt.
    assert set(taken["record_id"]) == set(second.read_records()["record_id"])
    assert set(taken["attempt"]) == {1}
    assert add_costs(taken)["price_usd"].to_list() == add_costs(won)["price_usd"].to_list()
    assert count_taken(ask("tune-003", make_calls(200), make_prompt("short"))) == [("short", "tune-001", 200)]


def test_an_answer_with_more_room_is_that_of_the_record_that_asks_for_so_much(repaired, ask):
    (room,) = {*load_answers(repaired).filter(attempt=2)["max_tokens"]}
    cut = load_answers(repaired).filter(attempt=2).height
    second = ask("tune-002", make_calls(200), make_prompt("short"), make_prompt("long", max_tokens=room))
    assert count_taken(second) == [("long", "tune-001", cut), ("long", None, 200 - cut), ("short", "tune-001", 200)]
    stops = load_answers(second).group_by("variant", "stop").len().sort("variant", "stop").rows()
    assert stops == [("long", "end", 200), ("short", "end", 200 - cut), ("short", "length", cut)]


def test_an_answer_with_less_room_stands_for_no_other(ask):
    expects = Expectations(json_keys=("reason",))
    first = ask("tune-001", make_calls(3), make_prompt("short", max_tokens=2, expects=expects))
    repair(first)
    # Both attempts are cut off and none is as expected, so the first one wins. Who asks for more room takes the second.
    (room,) = {*load_attempts(first).filter(attempt=2)["max_tokens"]}
    assert set(load_answers(first)["max_tokens"]) == {2}
    second = ask("tune-002", make_calls(3), make_prompt("short", max_tokens=room))
    assert count_taken(second) == [("short", "tune-001", 3)]
    assert set(load_answers(second)["max_tokens"]) == {room}


def test_what_is_taken_over_stays_whatever_becomes_of_the_other_run(first, ask):
    second = ask("tune-002", make_calls(4), make_prompt("short"))
    shutil.rmtree(first.folder)
    collect(second)
    assert count_taken(second) == [("short", "tune-001", 4)]


def test_answers_are_named_by_the_run_that_paid_however_often_they_are_taken_over(first, ask):
    ask("tune-000", make_calls(4), make_prompt("short"))
    shutil.rmtree(first.folder)
    assert count_taken(ask("tune-002", make_calls(4), make_prompt("short"))) == [("short", "tune-001", 4)]


def test_a_run_takes_from_several(first, ask):
    ask("tune-002", make_calls(6)[4:], make_prompt("short"))
    third = ask("tune-003", make_calls(6), make_prompt("short"))
    assert count_taken(third) == [("short", "tune-001", 4), ("short", "tune-002", 2)]
    ids = load_answers(third)["call_id"].to_list()
    assert ids == [f"c{number}" for number in range(6)]


def test_answers_on_demand_are_taken_over_too_and_keep_their_own_lines(tmp_path, small_jobs):
    runs = [prepare(make_calls(3), make_prompt(name), into=tmp_path / "runs", name=name) for name in ("one", "two")]
    more = prepare(make_calls(5), make_prompt("all"), into=tmp_path / "runs", name="three")
    for run in [*runs, more]:
        invoke(run)
        collect(run)
    assert count_taken(runs[1]) == [("two", "one", 3)]
    assert count_taken(more) == [("all", "one", 3), ("all", None, 2)]
    answers = load_answers(more)
    assert answers["call_id"].to_list() == [f"c{number}" for number in range(5)]
    assert answers["error_kind"].null_count() == 5
    assert add_costs(answers)["cost_usd"].head(3).to_list() == [0.0] * 3


def test_answers_of_another_account_are_not_taken_over(first, tmp_path, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "other"))
    bedrock_local.open_session(tmp_path / "other", settings=bedrock_local.Settings(min_records=2))
    second = prepare(make_calls(4), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    submit(second)
    collect(second)
    assert count_taken(second) == [("short", None, 4)]


def test_a_run_is_not_sent_to_another_account_under_the_same_profile(first, tmp_path, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "other"))
    with pytest.raises(RunError, match=r"has been sent with account 'emulator:.*', not 'emulator:"):
        submit(first)


def test_the_plan_leaves_out_what_is_answered_in_the_account(first, tmp_path):
    second = prepare(make_calls(6), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    plan = second.plan(account=name_account(open_session("emulator")))
    assert plan.records == 2
    assert "4 of 6 records were answered in tune-001 and are taken from there; 2 are sent: 0.00" in str(plan)
    assert second.plan().records == 6
    told = "4 of 6 records were answered on the emulator in tune-001: sent there again, they are taken over"
    assert told in str(second)
    assert told in second._repr_html_()


def test_the_plan_of_a_run_of_which_all_is_answered_says_so(first, tmp_path):
    second = prepare(make_calls(4), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    plan = second.plan(account=name_account(open_session("emulator")))
    assert (plan.records, plan.is_too_small, plan.cost_usd_high) == (0, False, 0.0)
    assert str(plan).endswith("Nothing is sent.")
    assert "4 of 4 records were answered in tune-001" in plan._repr_html_()


def test_the_budget_is_for_what_is_left_to_send(first, tmp_path):
    second = prepare(make_calls(6), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    whole, rest = (second.plan(account=account).cost_usd_high for account in ("", find_account()))
    with pytest.raises(BudgetError, match="may cost up to"):
        confirm_cost(second, profile="emulator", budget_usd=rest * 0.9)
    # A record is reckoned as the dearest of its job, so the sum may be above the plan's, and is far below the whole.
    confirm_cost(second, profile="emulator", budget_usd=whole / 2)
    submit(second, budget_usd=whole / 2)


def find_account():
    return name_account(open_session("emulator"))


def test_what_is_left_below_the_minimum_is_refused_with_what_to_do(first, tmp_path):
    second = prepare(make_calls(5), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    assert second.plan(account=find_account()).is_too_small
    with pytest.raises(QuotaError, match=r"has 1 records left, .* at least 2; .*invoke\(run\)"):
        submit(second)
    invoke(second)
    collect(second)
    assert count_taken(second) == [("short", "tune-001", 4), ("short", None, 1)]


def test_another_model_is_asked(first, ask):
    assert count_taken(ask("tune-002", make_calls(4), make_prompt("short", NOVA))) == [("short", None, 4)]


def test_a_run_that_is_not_collected_gives_nothing(tmp_path, small_jobs, ask):
    submit(prepare(make_calls(4), make_prompt(), into=tmp_path / "runs", name="tune-001", quotas=QUOTAS))
    assert count_taken(ask("tune-002", make_calls(4), make_prompt())) == [("short", None, 4)]


@pytest.mark.parametrize("content", [b"PAR1", b"PA"])
def test_a_damaged_part_of_another_run_gives_nothing_and_is_named(first, ask, capsys, content):
    for part in (first.folder / "outputs").glob("*.parquet"):
        part.write_bytes(content)
    assert count_taken(ask("tune-002", make_calls(4), make_prompt("short"))) == [("short", None, 4)]
    assert "tune-001: nothing is taken over from it: " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["run.json", "sent.json"])
def test_a_run_that_cannot_be_read_gives_nothing_and_is_named(first, ask, capsys, name):
    (first.folder / name).write_text("{", encoding="utf-8")
    assert count_taken(ask("tune-002", make_calls(4), make_prompt("short"))) == [("short", None, 4)]
    assert "tune-001: nothing is taken over from it: " in capsys.readouterr().out


def test_what_was_taken_over_and_is_damaged_is_told(first, ask):
    second = ask("tune-002", make_calls(6), make_prompt("short"))
    (part,) = (second.folder / "outputs").glob("taken-*.parquet")
    part.write_bytes(part.read_bytes()[:-9] + b"123456789")
    with pytest.raises(RunError, match="has answers of another run, and is missing or damaged; put it back"):
        collect(second)


def test_a_run_whose_account_is_not_known_gives_nothing(first, tmp_path):
    (first.folder / "sent.json").write_text('{"profile": "emulator"}', encoding="utf-8")
    second = prepare(make_calls(4), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    assert second.find_answered().is_empty()


# Killed on the way


def test_a_process_that_ended_before_the_ledger_was_written_begins_again(first, ask, tmp_path):
    second = prepare(make_calls(6), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    (second.folder / "outputs").mkdir()
    (second.folder / "outputs" / "taken-tune-001.parquet").write_bytes(b"half of it")
    assert list_sent(ask("tune-002", make_calls(6), make_prompt("short"))) == [("job01", "Completed", 2, 4)]


def test_a_process_that_ended_before_the_rest_was_planned_goes_on(first, ask, tmp_path):
    second = prepare(make_calls(6), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    state = read_state(second)
    take_over(state, find_takeable(state, find_account()), find_account())
    assert list_sent(open_run(second.folder)) == [("job01", "planned", 2, 4)]
    assert list_sent(ask("tune-002", make_calls(6), make_prompt("short"))) == [("job01", "Completed", 2, 4)]


def test_a_further_try_sends_only_what_no_run_has_answered(first, tmp_path, small_jobs, set_up_emulator):
    set_up_emulator(min_records=2, faults={"job-failed": 1})
    second = prepare(make_calls(20), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    with pytest.raises(Exception, match="Failed"):
        submit(second)
    set_up_emulator(min_records=2)
    submit(second)
    collect(second)
    tries = load_jobs(second).select("job_try", "records", "taken").rows()
    assert tries[0] == (1, 16, 4)
    assert tries[1][1] < 16
    assert count_taken(second) == [("short", "tune-001", 4), ("short", None, 16)]


def test_jobs_that_the_ledger_lost_are_adopted_before_anything_is_taken_over(ask, tmp_path, list_account):
    first = ask("tune-001", make_calls(4), make_prompt("short"))
    copied = tmp_path / "runs" / "copy"
    shutil.copytree(first.folder, copied)
    for name in ("ledger.jsonl", "sent.json", "parts.json", "manifests.parquet"):
        (copied / name).unlink()
    submit(open_run(copied))
    assert load_jobs(open_run(copied)).select("status", "records", "taken").rows() == [("Completed", 4, 0)]
    assert len(list_account()) == 1


def test_files_are_private(first, ask):
    second = ask("tune-002", make_calls(4), make_prompt("short"))
    (part,) = (second.folder / "outputs").glob("taken-*.parquet")
    assert part.stat().st_mode & 0o077 == 0


def test_the_rest_is_copied_from_input_that_is_as_it_was_prepared(first, ask, tmp_path, capsys):
    second = prepare(make_calls(6), make_prompt("short"), into=tmp_path / "runs", name="tune-002", quotas=QUOTAS)
    (file,) = second.folder.glob("input/job01/*.jsonl")
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:5]))
    assert list_sent(ask("tune-002", make_calls(6), make_prompt("short"))) == [("job01", "Completed", 2, 4)]
    assert "the input of job01 is not as it was prepared, and is written anew" in capsys.readouterr().out


# Sentences


@pytest.mark.parametrize(
    ("runs", "records", "sentence"),
    [
        (["a"], 2, "1 of 2 records was answered in a and is taken from there"),
        (["a", "a"], 2, "2 of 2 records were answered in a and are taken from there"),
        (
            ["a", "b", "c", "d", "e"],
            9,
            "5 of 9 records were answered in a, b, c and 2 more runs and are taken from these",
        ),
    ],
)
def test_the_runs_that_have_answers_are_named(runs, records, sentence):
    assert describe_answered(pl.DataFrame({"run": runs}), records) == sentence


def test_no_run_beside_it_has_answers_of_a_first_run(first):
    assert first.find_answered().schema == dict.fromkeys(("record_id", "job_key", "run", "account"), pl.String)
    assert first.find_answered().is_empty()
