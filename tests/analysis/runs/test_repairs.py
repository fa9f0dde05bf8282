import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from analysis import (
    add_costs,
    collect,
    invoke,
    list_notices,
    list_runs,
    load_answers,
    load_attempts,
    load_jobs,
    open_run,
    prepare,
    read_json_answers,
    repair,
    scan_answers,
    stop,
    submit,
    sum_run_costs,
)
from analysis.errors import BudgetError, JobError, RunError
from analysis.prompts import Expectations
from analysis.runs import is_finished, plan_repair
from analysis.runs.invocation import claim_sent
from analysis.runs.repairs import write_attempt
from analysis.runs.state import read_state

from .conftest import make_calls, make_prompt

COUNTS = ("prepared", "answered", "failed", "missing")


@pytest.fixture
def make_holes(set_up_emulator, tmp_path):
    """Send a run of 200 records to a batch job with faults, and collect it; later jobs have no fault."""

    def make(number=200, *prompts, **faults):
        set_up_emulator(faults={name.replace("_", "-"): rate for name, rate in faults.items()})
        run = prepare(make_calls(number), prompts or make_prompt(), into=tmp_path / "runs", name="demo")
        submit(run)
        collect(run)
        set_up_emulator()
        return run

    return make


def sum_counts(counts):
    return counts.select(COUNTS).sum().row(0)


CAUSES = {
    "record_429": "failed",
    "record_500": "failed",
    "record_503": "failed",
    "record_408": "failed",
    "record_424": "failed",
    "record_403": "failed",
    "record_lost": "missing",
    "line_unreadable": "missing",
    "line_cut": "missing",
    "job_partial": "missing",
    "job_stopped": "missing",
    "record_truncated": "cut_off",
}


@pytest.mark.parametrize("fault", CAUSES)
def test_each_cause_is_repaired_by_one_call(make_holes, fault, capsys):
    run = make_holes(**{fault: 1 if fault.startswith("job") else 0.1})
    planned = plan_repair(run)
    holes = len(planned.causes)
    assert 0 < holes <= 100
    assert set(planned.causes["cause"]) == {CAUSES[fault]}
    assert sum_counts(repair(run)) == (200, 200, 0, 0)
    assert f"{holes} of 200 records have no good answer" in capsys.readouterr().out
    assert set(load_answers(run)["stop"]) == {"end"}
    assert is_finished(run)


def test_what_was_cut_off_is_asked_with_more_room_and_the_longer_answer_wins(make_holes):
    run = make_holes(number=200, record_truncated=0.1)
    before = load_answers(run).filter(stop="length")
    repair(run)
    after = load_answers(run).join(before.select("call_id"), on="call_id", how="semi")
    assert set(after["attempt"]) == {2}
    assert set(after["max_tokens"]) == {2 * before["max_tokens"][0]}
    assert (after["text"].str.len_bytes() > before["text"].str.len_bytes()).all()
    # Both answers of each call were paid for.
    assert len(run.read_outputs()) == 200 + len(before)


def test_a_request_that_is_refused_for_its_body_is_not_asked_again(make_holes, capsys):
    run = make_holes(record_400=0.1)
    refused = len(plan_repair(run).causes)
    assert sum_counts(repair(run)) == (200, 200 - refused, refused, 0)
    assert not (run.folder / "attempts").exists()
    out = capsys.readouterr().out
    assert f"{refused} refused (400: " in out
    assert "none is asked again" in out


def test_an_answer_that_is_not_as_expected_is_asked_for_once_more(make_holes, capsys):
    prompt = make_prompt(expects=Expectations(json_keys=("reason",)))
    run = make_holes(100, prompt)
    assert set(plan_repair(run).causes["cause"]) == {"not_as_expected"}
    repair(run)
    assert len(run.read_outputs()) == 200
    capsys.readouterr()
    repair(run)  # the answers are what they were
    assert len(run.read_outputs()) == 200
    assert "not asked again, it was asked again once" in capsys.readouterr().out


def test_an_answer_that_its_schema_does_not_accept_is_asked_for_once_more(make_holes, capsys):
    # The emulator keeps types and not lengths.
    schema = {
        "type": "object",
        "properties": {"reason": {"type": "string", "minLength": 5_000}},
        "required": ["reason"],
    }
    run = make_holes(100, make_prompt(schema=schema, schema_by="words"))
    causes = plan_repair(run).causes
    assert set(causes.select("cause", "detail").rows()) == {
        ("not_as_expected", "schema: reason: value is shorter than 5000 characters")
    }
    repair(run)
    assert len(run.read_outputs()) == 200
    repair(run)
    assert len(run.read_outputs()) == 200
    assert "not asked again, it was asked again once" in capsys.readouterr().out


def test_answers_that_their_schema_accepts_need_no_repair(make_holes):
    schema = {"type": "object", "properties": {"reason": {"type": "string"}}, "additionalProperties": False}
    run = make_holes(100, make_prompt(schema=schema))
    assert plan_repair(run).causes.is_empty()
    assert read_json_answers(load_answers(run), schema)["reason"].null_count() == 0


def test_a_second_repair_with_nothing_to_do_says_so_and_sends_nothing(make_holes, list_account, capsys):
    run = make_holes(record_429=0.1)
    repair(run)
    files = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    repair(run)
    assert "nothing to repair, each of the 200 records has a good answer" in capsys.readouterr().out
    assert len(list_account()) == 1
    sent = {path: content for path, content in files.items() if "output/" in str(path) or path.suffix == ".jsonl"}
    assert {path: path.read_bytes() for path in sent} == sent


def test_as_many_records_as_a_batch_job_takes_go_to_a_batch_job(make_holes, list_account):
    run = make_holes(job_partial=1)
    counts = repair(run)
    assert {name.rsplit("-", 2)[0] for name in list_account()} == {"demo-job01", "demo-a2-job01"}
    assert counts.select("job_key", "prepared", "answered").rows() == [("job01", 200, 200), ("a2-job01", 0, 0)]
    assert counts["agrees"].to_list() == [True, True]
    assert load_jobs(run).select("job_key", "records", "status").rows() == [
        ("job01", 200, "PartiallyCompleted"),
        ("a2-job01", 100, "Completed"),
    ]


def test_a_repair_that_asks_for_the_very_same_makes_a_job_of_its_own(make_holes, list_account):
    run = make_holes(100, record_429=1)
    assert sum_counts(repair(run)) == (100, 100, 0, 0)
    assert len(list_account()) == 2


def test_a_repair_with_holes_of_its_own_is_repaired_as_well(make_holes, set_up_emulator):
    run = make_holes(record_429=0.5, job_partial=1)
    set_up_emulator(faults={"record-503": 0.3})
    _, answered, failed, _ = sum_counts(repair(run))
    assert answered < 200
    set_up_emulator()
    assert sum_counts(repair(run)) == (200, 200, 0, 0)
    assert failed
    assert set(load_answers(run)["attempt"]) == {1, 2, 3}


def list_on_demand(run):
    return sorted((run.folder / "output" / "on-demand").rglob("*.out"))


def test_a_copy_of_a_run_that_was_repaired_on_demand_is_not_repaired_too(make_holes, tmp_path):
    run = make_holes(record_429=0.1)
    shutil.copytree(run.folder, tmp_path / "copy" / "demo")
    copy = open_run(tmp_path / "copy" / "demo")
    repair(run)
    assert list_on_demand(run)
    with pytest.raises(RunError, match=rf"is answered on demand from \S+{run.folder} since .*; copy the answers from"):
        repair(copy)
    assert not copy.list_attempts()
    assert not list_on_demand(copy)


def test_a_repair_that_was_planned_before_the_other_copy_answered_is_refused(make_holes, tmp_path):
    run = make_holes(record_429=0.1)
    shutil.copytree(run.folder, tmp_path / "copy" / "demo")
    copy = open_run(tmp_path / "copy" / "demo")
    write_attempt(plan_repair(copy))
    repair(run)
    with pytest.raises(RunError, match="is answered on demand from"):
        repair(copy)
    assert not list_on_demand(copy)


def test_a_folder_that_was_renamed_keeps_its_claim_and_a_copy_has_none(make_holes):
    run = make_holes(record_429=0.1)
    repair(run)
    moved = run.folder.rename(run.folder.with_name("elsewhere"))
    claim_sent(read_state(open_run(moved)), "", "")
    with pytest.raises(RunError, match="is answered on demand from"):
        claim_sent(read_state(open_run(shutil.copytree(moved, moved.with_name("copy")))), "", "")


def test_a_copy_on_a_host_of_the_same_name_has_no_claim(make_holes, tmp_path):
    """On another machine the folder of the first one is not there either, and many containers have one name."""
    run = make_holes(record_429=0.1)
    copy = shutil.copytree(run.folder, tmp_path / "elsewhere" / "demo")
    claim_sent(read_state(run), "", "")
    run.folder.rename(run.folder.with_name("not-seen-from-there"))
    with pytest.raises(RunError, match="is answered on demand from"):
        claim_sent(read_state(open_run(copy)), "", "")


def test_a_bucket_that_was_given_once_is_claimed_by_the_repair(emulator, tmp_path):
    emulator.client("s3").create_bucket(Bucket="claims")
    run = prepare(make_calls(20), make_prompt(max_tokens=5), into=tmp_path / "runs", name="demo")
    invoke(run, bucket="claims", prefix="ours")
    collect(run)
    shutil.copytree(run.folder, tmp_path / "copy" / "demo")
    with pytest.raises(RunError, match=r"is answered on demand from .* delete s3://claims/ours/demo/on-demand\.json"):
        repair(tmp_path / "copy" / "demo")
    repair(run)
    assert set(load_answers(run)["max_tokens"]) == {10}


def test_a_run_on_demand_is_repaired_on_demand(set_up_emulator, tmp_path):
    run = prepare(make_calls(20), make_prompt(max_tokens=5), into=tmp_path / "runs", name="demo")
    invoke(run)
    collect(run)
    cut = load_answers(run).filter(stop="length")
    assert len(cut) == 20
    repair(run)
    assert set(load_answers(run)["max_tokens"]) == {10}
    invoke(run)  # nothing of the first attempt is asked once more
    collect(run)
    assert len(run.read_outputs()) == 40


def test_the_budget_counts_what_was_spent_before(make_holes):
    run = make_holes(record_429=0.1)
    with pytest.raises(BudgetError, match=r"may cost up to .* for what was sent, .* for the rest"):
        repair(run, budget_usd=0.0001)
    assert not (run.folder / "attempts").exists()
    repair(run, budget_usd=100)
    assert len(run.read_outputs()) > 200


def test_what_a_killed_repair_left_on_demand_is_asked_within_the_budget(make_holes):
    run = make_holes(record_429=0.1)
    write_attempt(plan_repair(run))
    with pytest.raises(BudgetError, match="for the rest"):
        repair(run, budget_usd=1e-6)
    assert not (run.folder / "output" / "on-demand").exists()
    repair(run, budget_usd=100)
    assert load_answers(run)["error_kind"].null_count() == 200


def test_the_budget_counts_a_record_that_failed_on_demand_once(emulator, tmp_path, answer_by_hand):
    run = prepare(make_calls(50), make_prompt(), into=tmp_path / "runs", name="demo")
    error = {"errorCode": 403, "errorMessage": "No access", "retryable": False}
    answer_by_hand(run, lambda _: {"error": error})
    run.ledger.append("sending", invocation="on_demand", profile="emulator", region="us-east-1", versions={})
    collect(run)
    planned = plan_repair(run)
    assert len(planned.asked) == 50
    repair(run, budget_usd=planned.most_usd)  # errors cost nothing
    assert load_answers(run)["error_kind"].null_count() == 50


def test_a_run_that_was_not_sent_cannot_be_repaired(run):
    with pytest.raises(RunError, match="nothing has been sent"):
        repair(run)


def test_samples_and_variants_keep_their_own_answers(make_holes):
    prompts = [make_prompt("one", samples=2), make_prompt("two")]
    run = make_holes(100, *prompts, record_429=0.1, record_truncated=0.1)
    first = load_answers(run).filter(pl.col("error_kind").is_null(), pl.col("stop") == "end")
    repair(run)
    answers = load_answers(run)
    keys = ["call_id", "variant", "sample"]
    assert answers.select(keys).is_unique().all()
    assert len(answers) == 300
    kept = first.select(*keys, "record_id", "text")
    assert answers.select(kept.columns).join(kept, on=kept.columns, how="inner").height == len(kept)
    asked = run.read_records().filter(attempt=2)
    assert len(asked) == 300 - len(first)
    (file,) = run.folder.glob("attempts/2/input/*/*.jsonl")
    ids = [json.loads(line)["recordId"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert ids == asked["record_id"].to_list()


def test_costs_count_each_attempt_and_prices_the_winner(make_holes):
    run = make_holes(record_truncated=0.2)
    before = sum_run_costs(run).bill.row(0, named=True)
    repair(run)
    bill = sum_run_costs(run).bill.row(0, named=True)
    answers = load_answers(run)
    outputs = run.read_outputs()
    assert bill["outputs"] == len(outputs) > 200
    assert bill["cost_usd"] > before["cost_usd"]
    price = add_costs(answers.select(outputs.columns))["price_usd"].sum()
    assert bill["cost_usd_per_1000_calls"] == pytest.approx(price / 200 * 1000)


def test_a_repaired_run_is_listed_with_each_record_once_and_the_answers_that_won(make_holes, tmp_path):
    run = make_holes(record_truncated=0.1)
    cut = load_answers(run).filter(stop="length").height
    before = list_runs(tmp_path / "runs")
    assert before.select("records", "truncated_share").row(0) == (200, cut / 200)
    repair(run)
    after = list_runs(tmp_path / "runs")
    assert after.select("records", "jobs", "truncated_share").row(0) == (200, 2, 0)
    assert after["cost_usd"][0] > before["cost_usd"][0]


def test_scanned_answers_are_those_that_are_loaded(make_holes):
    prompt = make_prompt(expects=Expectations(max_words=3))
    run = make_holes(100, prompt, make_prompt("other"), record_truncated=0.1)
    repair(run)
    loaded, scanned = load_answers(run), scan_answers(run).collect()
    assert scanned.equals(loaded.select(scanned.columns))
    assert loaded["attempt"].n_unique() == 2


def test_an_answer_as_expected_wins_over_a_later_one_that_is_not(emulator, tmp_path, answer_by_hand, make_answer):
    prompt = make_prompt(expects=Expectations(max_words=2))
    run = prepare(make_calls(2), prompt, into=tmp_path / "runs", name="demo")
    answer_by_hand(run, lambda number: make_answer("Two words.", stop="max_tokens" if number else "end_turn"))
    run.ledger.append("sending", invocation="on_demand", profile="emulator", region="us-east-1", versions={})
    collect(run)
    repair(run)  # the emulator answers with a sentence of the call
    assert run.read_outputs().filter(attempt=2)["call_id"].to_list() == ["c1"]
    assert set(load_answers(run).select("attempt", "text").rows()) == {(1, "Two words.")}


def test_notices_say_that_a_job_was_repaired(make_holes):
    run = make_holes(job_partial=1)
    assert "repair(run) asks for them again" in list_notices(run)[0]
    repair(run)
    assert list_notices(run) == [
        "job01 ended PartiallyCompleted after 100 of 200 records. "
        "What it left without an answer was asked again by a repair."
    ]


def test_attempts_say_what_came_back_each_time_and_why_it_was_asked(make_holes):
    run = make_holes(record_429=0.1, record_lost=0.1)
    assert load_attempts(run).is_empty()
    repair(run)
    attempts = load_attempts(run)
    assert set(attempts.select("attempt", "cause", "won", "error_kind").rows()) == {
        (1, None, False, "service"),
        (1, None, False, "missing"),
        (2, "failed", True, None),
        (2, "missing", True, None),
    }
    assert attempts["attempt"].value_counts()["count"].n_unique() == 1


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("{}")])
def test_input_of_a_repair_that_is_damaged_is_written_anew(make_holes, set_up_emulator, damage, capsys):
    run = make_holes(job_partial=1, record_truncated=0.1)
    set_up_emulator(seconds={"Submitted": 10**6})
    repair(run, wait_hours=0)
    (file,) = run.folder.glob("attempts/2/input/*/*.jsonl")
    before = file.read_bytes()
    stop(run)
    damage(file)
    set_up_emulator()
    assert sum_counts(repair(run)) == (200, 200, 0, 0)  # whose input is copied from that of the one before
    assert "is not as it was prepared, and is written anew" in capsys.readouterr().out
    assert file.read_bytes() == before


def test_what_was_cut_off_is_one_reason_whatever_else_it_lacks(make_holes):
    prompt = make_prompt(expects=Expectations(headings=("Reason", "Outcome")))
    planned = plan_repair(make_holes(100, prompt, record_truncated=0.3))
    cut = planned.summary.filter(cause="cut_off")
    assert cut.select("detail", "room").rows() == [(None, 2_048)]
    assert "cut off by max_tokens: asked again with max_tokens 2,048" in str(planned)


@pytest.mark.parametrize("fault", ["job-expired", "job-failed"])
def test_a_job_that_has_tries_left_is_gone_on_with_by_one_call(set_up_emulator, tmp_path, fault):
    set_up_emulator(faults={fault: 1})
    run = prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(JobError):
        submit(run)
    set_up_emulator()
    assert sum_counts(repair(run)) == (200, 200, 0, 0)
    assert load_jobs(run)["job_try"].to_list() == [1, 2]
    assert not (run.folder / "attempts").exists()
