"""Tests of the budget: tries that exist count, at the upper end where their cost is not known."""

import shutil

import pytest

from analysis import collect, load_jobs, prepare, submit
from analysis.errors import BudgetError, JobError
from analysis.jobs.ledger import JobState
from analysis.runs import read_state
from analysis.runs.budget import Budget
from analysis.runs.spending import find_spending

from .conftest import NOVA, make_calls, make_prompt


@pytest.fixture
def two_jobs(set_up_emulator, tmp_path):
    """A run of two jobs of 100 records, on an account that has room for one at a time."""
    set_up_emulator(max_unfinished_jobs=1)
    quotas = {"records_per_job": 100, "unfinished_jobs": 1}
    prompt = make_prompt(model_id=NOVA, max_tokens=100)
    return prepare(make_calls(200), prompt, into=tmp_path / "runs", name="demo", quotas=quotas)


def find(run):
    return find_spending(read_state(run), "batch", "us-east-1")


def test_before_anything_is_sent_all_is_left(two_jobs):
    assert find(two_jobs).spent_usd == 0
    assert find(two_jobs).left_usd == pytest.approx(two_jobs.plan().cost_usd_high)


def test_a_job_that_runs_counts_at_its_upper_end(two_jobs):
    submit(two_jobs, wait=False)
    assert find(two_jobs).spent_usd == pytest.approx(two_jobs.plan().cost_usd_high / 2, rel=0.01)
    assert find(two_jobs).most_usd == pytest.approx(two_jobs.plan().cost_usd_high)


def test_a_job_whose_manifest_is_here_counts_by_its_tokens(two_jobs):
    submit(two_jobs)
    collect(two_jobs)
    by_lines = two_jobs.read_outputs().select("input_tokens", "output_tokens").sum().row(0)
    # USD per million tokens in batch of Nova Micro in the US, from the price list: 0.0175 in, 0.07 out.
    assert find(two_jobs).spent_usd == pytest.approx((by_lines[0] * 0.0175 + by_lines[1] * 0.07) / 1e6)
    assert find(two_jobs).left_usd == 0


def test_the_plan_s_upper_end_is_budget_enough_from_the_first_job_to_the_last(two_jobs):
    most = two_jobs.plan().cost_usd_high
    for _ in range(3):
        submit(two_jobs, budget_usd=most)
    assert collect(two_jobs)["answered"].to_list() == [100, 100]


def test_what_a_failed_try_cost_counts_when_its_records_are_sent_again(half_done, list_account):
    """A hundred of the job's two hundred records were answered, which its manifest says."""
    spending = find(half_done)
    whole = half_done.plan().cost_usd_high
    assert 0 < spending.spent_usd < whole / 2
    assert spending.left_usd == pytest.approx(whole / 2, rel=0.01)
    with pytest.raises(BudgetError, match="for what was sent"):
        submit(half_done, budget_usd=spending.left_usd)
    assert len(list_account()) == 1
    submit(half_done, budget_usd=spending.most_usd)
    assert load_jobs(half_done)["status"].to_list() == ["Failed", "Completed"]


def test_a_failed_try_without_a_manifest_counts_at_its_upper_end(half_done, emulator, list_account):
    shutil.rmtree(half_done.folder / "output")
    s3, bucket = emulator.client("s3"), "batchbook"
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix="batchbook/demo/output/")["Contents"]:
        s3.delete_object(Bucket=bucket, Key=entry["Key"])
    most = half_done.plan().cost_usd_high
    assert find(half_done).spent_usd == pytest.approx(most)
    with pytest.raises(BudgetError, match="may cost up to"):
        submit(half_done, budget_usd=most)
    assert len(list_account()) == 1


def test_three_tries_cost_no_more_than_the_budget(set_up_emulator, tmp_path):
    set_up_emulator(faults={"job-failed": 1, "record-lost": 0.5})
    run = prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="demo", quotas={"min_records": 1})
    budget = run.plan().cost_usd_high * 1.5
    errors = []
    for _ in range(4):
        try:
            submit(run, budget_usd=budget)
        except (JobError, BudgetError) as error:
            errors.append(type(error))
    assert find(run).spent_usd <= budget
    assert BudgetError in errors or load_jobs(run)["job_try"].max() == 3


def test_tries_that_are_found_in_the_account_count_before_another_job_is_created(two_jobs, list_account):
    """The ledger is lost, and has a try of the first job that failed and cost its upper end."""
    most = two_jobs.plan().cost_usd_high
    submit(two_jobs, wait=False)
    arn = two_jobs.ledger.latest()["job01"].job_arn
    for job_try in (1, 2):
        two_jobs.ledger.append(
            "ended", job_key="job01", job_try=job_try, status="Completed", job_arn=arn.replace("job/", f"job/{job_try}")
        )
    with pytest.raises(BudgetError, match="may cost up to"):
        submit(two_jobs, budget_usd=most)
    assert len(list_account()) == 1


def test_tries_that_a_step_finds_count_before_its_jobs_are_created(two_jobs):
    """As where the ledger was lost: the account has two tries of the first job, and the second is to be created."""
    state, most = read_state(two_jobs), two_jobs.plan().cost_usd_high
    (first, _), second = state.pairs
    tries = [JobState(first.key, number, status="Failed", job_arn=f"job/{number}") for number in (1, 2)]
    Budget(most, "us-east-1").check_jobs(state, tries[:1], [second])
    with pytest.raises(BudgetError, match="may cost up to"):
        Budget(most, "us-east-1").check_jobs(state, tries, [second])
