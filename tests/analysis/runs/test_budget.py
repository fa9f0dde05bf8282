import pytest

from analysis import collect, invoke, prepare, submit
from analysis.errors import BudgetError, JobError, RunError
from analysis.runs import confirm_cost

from .conftest import make_calls, make_prompt


@pytest.mark.parametrize("answer", ["n", "", " ", "no", "yes please", "j"])
def test_anything_but_a_yes_is_a_no(run, answer):
    with pytest.raises(BudgetError, match="the plan was not confirmed; nothing was sent"):
        confirm_cost(run, profile="production", ask=lambda question: answer)


@pytest.mark.parametrize("answer", ["y", "Y", " yes\n", "YES"])
def test_a_yes_is_a_yes_however_it_is_written(run, answer):
    confirm_cost(run, profile="production", ask=lambda question: answer)


@pytest.mark.parametrize("error", [EOFError, OSError, RuntimeError, NotImplementedError])
def test_a_kernel_without_input_raises_a_budget_error(run, error):
    def ask(question):
        raise error

    with pytest.raises(BudgetError, match="the cost cannot be confirmed here: no input; give budget_usd"):
        confirm_cost(run, profile="production", ask=ask)


@pytest.mark.parametrize("invocation", ["batch", "on_demand"])
def test_a_budget_is_checked_on_the_emulator_too(run, emulator, invocation):
    with pytest.raises(BudgetError, match="may cost up to"):
        confirm_cost(run, invocation=invocation, profile="emulator", budget_usd=0.0)


def test_a_budget_is_checked_against_the_prices_of_the_region(tmp_path):
    prompt = make_prompt(model_id="openai.gpt-oss-20b-1:0")  # has a price in Oregon, and none elsewhere
    run = prepare(make_calls(100), prompt, into=tmp_path / "runs", name="demo")
    options = {"invocation": "on_demand", "profile": "production", "budget_usd": 0.0}
    with pytest.raises(BudgetError, match="may cost up to"):
        confirm_cost(run, region="us-west-2", **options)
    with pytest.raises(BudgetError, match="no price is known"):
        confirm_cost(run, region="us-east-1", **options)


def test_a_run_with_a_waiting_job_is_checked_against_the_budget(set_up_emulator, tmp_path):
    set_up_emulator(seconds={"Submitted": 3600})
    quotas = {"records_per_job": 100, "unfinished_jobs": 1}
    run = prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    assert submit(run, wait=False)["status"].to_list() == ["Submitted", "planned"]
    with pytest.raises(BudgetError, match="may cost up to"):
        confirm_cost(run, profile="emulator", budget_usd=0.0)


def test_a_retry_is_checked_against_the_budget(emulator, tmp_path):
    run = prepare(make_calls(60), make_prompt(), into=tmp_path / "runs", name="demo", quotas={"min_records": 1})
    with pytest.raises(JobError, match="Failed"):
        submit(run)
    with pytest.raises(BudgetError, match="may cost up to"):
        submit(run, budget_usd=0.0)


def test_a_run_that_was_sent_to_a_region_is_not_sent_to_another(run, emulator):
    submit(run, region="us-east-1")
    for send in (submit, confirm_cost):
        with pytest.raises(RunError, match="has been sent with region 'us-east-1', not 'eu-west-1'"):
            send(run, profile="emulator", region="eu-west-1")


def test_a_run_whose_job_may_exist_is_not_sent_to_another_account(run, emulator):
    submit(run, wait=False)
    lines = run.ledger.file.read_bytes().splitlines(keepends=True)
    run.ledger.file.write_bytes(b"".join(line for line in lines if b'"sending"' in line or b'"intended"' in line))
    with pytest.raises(RunError, match="has been sent with profile 'emulator', not 'production'"):
        confirm_cost(run, profile="production", budget_usd=100.0)


def test_on_demand_the_plan_has_to_be_confirmed_too(run):
    with pytest.raises(BudgetError, match="not confirmed"):
        invoke(run, profile="production", ask=lambda question: "n")
    assert not run.ledger.file.exists()


def test_invoke_checks_the_budget_against_on_demand_prices(run):
    with pytest.raises(BudgetError, match="may cost up to"):
        invoke(run, profile="production", budget_usd=run.plan().cost_usd_high * 1.1)


def test_what_was_answered_on_demand_costs_nothing_more(run, emulator):
    invoke(run)
    invoke(run, budget_usd=0.0)


def test_a_run_whose_ledger_is_lost_is_not_sent_to_another_region(run, emulator):
    """A job is found by its name in its own region alone: in another one it would be paid for again."""
    submit(run, region="us-east-1")
    run.ledger.file.unlink()
    with pytest.raises(RunError, match="has been sent with region 'us-east-1', not 'eu-west-1'; send it as before"):
        submit(run, region="eu-west-1")
    with pytest.raises(RunError, match=r"its ledger is lost; put ledger\.jsonl back, or send the run as before"):
        collect(run)
    submit(run, region="us-east-1")
    assert len(emulator.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]) == 1
    assert collect(run)["answered"].to_list() == [100]
