import polars as pl
import pytest

from analysis import (
    collect,
    compare_round,
    invoke,
    load_answers,
    load_jobs,
    measure_run,
    plan_round,
    prepare_confirmation,
    prepare_round,
    send_round,
)
from analysis.errors import BudgetError, CallsError, ColumnError, WaitError
from analysis.tuning import list_rounds
from bedrock_local.settings import Settings, write_settings

pytestmark = pytest.mark.whole


@pytest.fixture(autouse=True)
def own_account(tmp_path, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "account"))


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def play(runs, make_calls):
    """Play a round of 60 of 70 calls by two wordings: fewer records than a job takes in a further round."""

    def finish(*prompts, calls=None, prepare=prepare_round, **options):
        frame = make_calls(70) if calls is None else calls
        run = prepare(frame, [*prompts], into=runs, **{"calls_per_round": 60} | options)
        send_round(run)
        return run

    return finish


@pytest.fixture
def wordings(make_prompt):
    return [make_prompt("short"), make_prompt("long", max_tokens=300)]


def ids_of(run):
    return run.read_calls()["call_id"].to_list()


def count_taken(run):
    return load_answers(run).group_by("variant", "taken_from").len().sort("variant", "taken_from").rows()


def test_rounds_are_numbered_and_only_what_changed_is_asked(play, wordings, make_prompt):
    first = play(*wordings)
    second = play(wordings[0], make_prompt("long", max_tokens=301))
    assert [run.folder.name for run in (first, second)] == ["tune-001", "tune-002"]
    assert count_taken(second) == [("long", None, 60), ("short", "tune-001", 60)]
    assert ids_of(first) == ids_of(second)


def test_a_first_round_goes_to_a_job_and_a_rest_below_its_minimum_is_answered_now(play, wordings, make_prompt):
    first = play(*wordings)
    assert first.read_sending()["invocation"] == "batch"
    second = play(wordings[0], make_prompt("long", max_tokens=301))
    assert second.read_sending()["invocation"] == "on_demand"
    assert measure_run(second).filter(variant="short")["cost_usd"].sum() == 0


def test_the_plan_has_what_is_left_at_the_price_of_how_it_is_asked(runs, play, wordings, make_prompt, make_calls):
    play(*wordings)
    prompts = [wordings[0], make_prompt("long", max_tokens=301)]
    second = prepare_round(make_calls(70), prompts, into=runs, calls_per_round=60)
    plan = plan_round(second)
    assert (plan.records, plan.is_too_small) == (60, True)
    assert plan.estimate["invocation"].to_list() == ["on_demand"]
    assert "60 of 120 records were answered in tune-001 and are taken from there; 60 are sent: 0.0" in str(plan)


def test_with_nothing_changed_the_latest_round_is_opened(play, wordings, make_prompt):
    play(*wordings)
    second = play(make_prompt("short"), make_prompt("long", max_tokens=301))
    assert play(make_prompt("short"), make_prompt("long", max_tokens=301)).folder == second.folder
    assert not (second.folder.parent / "tune-003").exists()


def test_a_wording_of_before_is_a_new_round_that_costs_nothing(play, wordings, make_prompt):
    play(*wordings)
    play(wordings[0], make_prompt("long", max_tokens=301))
    third = play(*wordings)
    assert third.folder.name == "tune-003"
    assert load_jobs(third)["status"].to_list() == ["taken"]


def test_calls_are_kept_when_the_file_grows(play, wordings, make_calls, make_prompt):
    first = play(*wordings)
    grown = make_calls(200).sample(fraction=1, shuffle=True, seed=1)
    second = play(wordings[0], make_prompt("long", max_tokens=301), calls=grown)
    assert sorted(ids_of(second)) == sorted(ids_of(first))


@pytest.mark.parametrize(("number", "shared"), [(65, 60), (1000, 60), (20, 20)])
def test_more_calls_are_picked_beside_those_of_before_and_fewer_among_them(play, wordings, number, shared):
    first = play(*wordings)
    second = play(*wordings, calls_per_round=number)
    assert len(ids_of(second)) == min(number, 70)
    assert len({*ids_of(first)} & {*ids_of(second)}) == shared


def test_calls_that_are_gone_are_named(play, wordings, make_calls):
    first = play(*wordings)
    gone = ids_of(first)[0]
    with pytest.raises(CallsError, match=rf"1 call of the round before missing here, such as '{gone}'; give them"):
        play(*wordings, calls=make_calls(70).filter(pl.col("call_id") != gone))


def test_there_may_be_fewer_calls_than_a_round_takes(play, wordings, make_calls):
    assert len(ids_of(play(*wordings, calls=make_calls(50), calls_per_round=300))) == 50


def test_the_text_of_a_call_that_changed_is_asked_anew(play, wordings, make_calls):
    first = play(*wordings)
    changed = make_calls(70).with_columns(
        transcript=pl.when(call_id=ids_of(first)[0]).then(pl.lit("Agent: Other.")).otherwise("transcript")
    )
    second = play(*wordings, calls=changed)
    assert load_answers(second).filter(pl.col("taken_from").is_null())["call_id"].unique().to_list() == [
        ids_of(first)[0]
    ]


def test_rounds_of_another_name_are_others(play, wordings):
    play(*wordings)
    assert play(*wordings, name="other").folder.name == "other-001"


def test_rounds_are_in_the_order_of_their_numbers(runs, wordings, make_calls):
    from analysis import prepare

    for number in ("0999", "1000", "001"):
        prepare(make_calls(2), wordings, into=runs, name=f"tune-{number}")
    prepare(make_calls(2), wordings, into=runs, name="tune-notes")
    assert [run.folder.name for run in list_rounds(runs)] == ["tune-001", "tune-0999", "tune-1000"]


# On fresh calls


def test_a_confirmation_is_on_calls_that_no_round_has_seen(play, wordings):
    first = play(*wordings)
    fresh = play(*wordings, prepare=prepare_confirmation)
    assert fresh.folder.name == "tune-confirm-001"
    assert len(ids_of(fresh)) == 10
    assert not {*ids_of(first)} & {*ids_of(fresh)}


def test_a_confirmation_is_opened_again_and_is_no_round(play, wordings):
    play(*wordings)
    fresh = play(*wordings, prepare=prepare_confirmation)
    assert play(*wordings, prepare=prepare_confirmation).folder == fresh.folder
    assert play(*wordings).folder.name == "tune-001"


def test_a_second_confirmation_has_other_calls(play, wordings, make_prompt):
    play(*wordings)
    fresh = play(*wordings, prepare=prepare_confirmation, calls_per_round=4)
    changed = [wordings[0], make_prompt("long", max_tokens=301)]
    again = play(*changed, prepare=prepare_confirmation, calls_per_round=4)
    assert again.folder.name == "tune-confirm-002"
    assert not {*ids_of(fresh)} & {*ids_of(again)}


def test_without_fresh_calls_nothing_can_be_confirmed(play, wordings):
    play(*wordings, calls_per_round=70)
    with pytest.raises(CallsError, match="all 70 calls have been in a round; give more calls"):
        play(*wordings, prepare=prepare_confirmation)


# Sending


def test_a_round_that_was_answered_is_not_sent_again(play, wordings, tmp_path):
    run = play(*wordings)
    write_settings(tmp_path / "account", Settings(faults={"unavailable:CreateModelInvocationJob": 1.0}))
    send_round(run)
    assert len(load_jobs(run)) == 1


def test_an_answered_round_is_measured_and_a_running_one_is_not(runs, make_calls, wordings, tmp_path):
    run = prepare_round(make_calls(60), wordings, into=runs)
    (tmp_path / "account").mkdir()
    write_settings(tmp_path / "account", Settings(seconds={"Submitted": 3600}))
    with pytest.raises(WaitError, match="its jobs have not ended; do the same again later"):
        send_round(run, wait_hours=0)


def test_the_budget_is_of_the_round(runs, play, wordings, make_prompt, make_calls):
    play(*wordings)
    second = prepare_round(make_calls(70), [wordings[0], make_prompt("long", max_tokens=301)], into=runs)
    with pytest.raises(BudgetError):
        send_round(second, budget_usd=0.0)


def test_a_round_that_was_begun_on_demand_goes_on_so(runs, wordings, make_calls):
    run = prepare_round(make_calls(60), wordings, into=runs)
    invoke(run)
    collect(run)
    send_round(run)
    assert run.read_sending()["invocation"] == "on_demand"


# Comparing


def test_what_decides_are_the_measures_of_answers_and_their_price(play, wordings):
    comparisons = compare_round(measure_run(play(*wordings)))
    assert comparisons["metric"].to_list() == ["answered", "truncated", "has_unsupported", "kept_all", "price_usd"]
    assert comparisons["variant"].unique().to_list() == ["long"]
    assert comparisons["baseline"].unique().to_list() == ["short"]
    assert comparisons["margin"].to_list() == [0.02, 0.02, 0.02, 0.02, None]


def test_own_columns_decide_and_shares_have_the_margin(play, wordings):
    measured = measure_run(play(*wordings))
    comparisons = compare_round(measured, decide_by=["words", "kept_all"], margin_points=5, baseline="long")
    assert comparisons.select("metric", "variant", "margin").rows() == [
        ("answered", "short", None),
        ("words", "short", None),
        ("kept_all", "short", 0.05),
    ]


def test_a_column_that_is_not_there_is_named(play, wordings):
    measured = measure_run(play(*wordings))
    with pytest.raises(ColumnError, match=r"decide_by: no column 'quality'; there are .*kept_all"):
        compare_round(measured, decide_by=["quality"])


def test_one_wording_has_nothing_to_be_compared_with(runs, make_prompt, make_calls):
    run = prepare_round(make_calls(20), make_prompt("short"), into=runs)
    send_round(run)
    assert compare_round(measure_run(run)).is_empty()
