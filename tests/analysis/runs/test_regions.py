"""A run whose prompts name Regions: where its jobs, its objects and its prices are."""

import json
from datetime import date

import polars as pl
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError

from analysis import (
    collect,
    delete,
    diagnose,
    invoke,
    list_runs,
    load_answers,
    load_jobs,
    load_outputs,
    prepare,
    preview,
    repair,
    stop,
    submit,
    sum_lost_costs,
    sum_run_costs,
    try_variants,
)
from analysis.aws.session import open_session
from analysis.errors import BudgetError, ColumnError, JobError, PromptError, RunError, StorageError
from analysis.facts import read_facts, write_own_facts
from analysis.metrics.costs import add_costs
from analysis.runs import find_run_prices, plan_repair, read_state, update_jobs
from analysis.runs.doctor.trial import find_highest
from analysis.runs.spending import find_spending

from .conftest import NOVA, make_calls, make_prompt

EAST, WEST = "us-east-1", "us-west-2"
TOKYO = "ap-northeast-1"


def prepare_two(folder, number=100, *, name="demo", regions=("", WEST), **quotas):
    """A run of two prompts that ask the same, each in its Region."""
    prompts = [make_prompt(f"p{place}", region=region) for place, region in enumerate(regions)]
    return prepare(make_calls(number), prompts, into=folder / "runs", name=name, quotas=quotas)


@pytest.fixture
def two(tmp_path, emulator):
    return prepare_two(tmp_path)


def list_names(region):
    listed = open_session("emulator", region=region).client("bedrock").list_model_invocation_jobs()
    return [job["jobName"] for job in listed["invocationJobSummaries"]]


def list_keys(bucket):
    return [each["Key"] for each in open_session("emulator").client("s3").list_objects_v2(Bucket=bucket)["Contents"]]


def read_regions(run):
    return {arn.split(":")[3] for arn in load_jobs(run)["job_arn"]}


def test_a_prompt_may_name_its_region(tmp_path):
    assert make_prompt(region=WEST).region == WEST
    with pytest.raises(PromptError, match="region 'Oregon' is not the name of a Region"):
        make_prompt(region="Oregon")


def test_a_region_changes_no_request_and_no_id(tmp_path):
    """An answer from one Region is one to the same request in another, so it is taken over there."""
    plain, west = (prepare_two(tmp_path, name=name, regions=[region]) for name, region in (("a", ""), ("b", WEST)))
    assert plain.read_records().equals(west.read_records())
    assert make_prompt().digest == make_prompt(region=WEST).digest


def test_a_run_without_regions_says_nothing_of_them(run):
    request = json.loads((run.folder / "run.json").read_bytes())
    assert "region" not in request["prompts"][0]
    assert "region" not in {*run.read_records().columns, *run.read_files().columns}


def test_prompts_of_two_regions_share_no_job(two):
    files = two.read_files().explode("variants").unnest("variants", separator="_")
    assert files.select("job_key", "variants_variant").rows() == [("job01", "p0"), ("job02", "p1")]
    assert two.read_records()["record_id"].n_unique() == 200


def test_the_ids_of_equal_prompts_are_those_of_one_region(tmp_path):
    one, two = (
        prepare_two(tmp_path, name=name, regions=regions) for name, regions in (("a", ("", "")), ("b", ("", WEST)))
    )
    key = ["variant", "call_id"]
    assert one.read_records().sort(key)["record_id"].equals(two.read_records().sort(key)["record_id"])


def test_each_job_and_its_objects_are_in_the_region_of_its_prompt(two):
    jobs = submit(two)
    assert jobs["status"].to_list() == ["Completed", "Completed"]
    assert [arn.split(":")[3] for arn in jobs["job_arn"]] == [EAST, WEST]
    assert [len(list_names(EAST)), len(list_names(WEST))] == [1, 1]
    assert any("input/job01" in key for key in list_keys("batchbook"))
    assert not any("job02" in key for key in list_keys("batchbook"))
    assert any("input/job02" in key for key in list_keys(f"batchbook-{WEST}"))


def test_all_comes_back_from_both(two):
    submit(two)
    assert collect(two)["answered"].to_list() == [100, 100]
    assert load_answers(two)["text"].null_count() == 0
    assert submit(two)["job_try"].to_list() == [1, 1]


def test_a_run_may_be_in_other_regions_than_that_of_its_account(tmp_path, emulator):
    run = prepare_two(tmp_path, regions=("eu-west-1", WEST))
    submit(run)
    assert read_regions(run) == {"eu-west-1", WEST}
    assert not list_names(EAST)
    assert collect(run)["answered"].sum() == 200


def test_the_region_of_a_run_is_that_of_its_jobs_on_the_emulator_too(run, emulator):
    submit(run, region="eu-west-1")
    assert read_regions(run) == {"eu-west-1"}
    assert collect(run)["answered"].to_list() == [100]
    assert delete(run, ask=lambda question: "yes")["where"].str.contains("s3://batchbook-eu-west-1/").any()


def test_a_bucket_may_be_named_for_each_region(two):
    for region in (EAST, WEST):
        place = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        open_session("emulator", region=region).client("s3").create_bucket(Bucket=f"calls-{region}", **place)
    submit(two, bucket="calls-{region}")
    assert list_keys("calls-us-east-1")
    assert list_keys("calls-us-west-2")
    assert two.read_sending()["options"]["bucket"] == "calls-{region}"


def test_one_bucket_for_two_regions_is_refused_before_anything_is_sent(two):
    with pytest.raises(JobError, match=r"'calls' is one bucket: .* us-east-1, us-west-2, .* bucket='calls-\{region\}'"):
        submit(two, bucket="calls")
    assert not two.ledger.file.exists()


def test_a_prefix_has_no_place_for_the_region(two):
    with pytest.raises(
        JobError, match=r"the prefix 'calls-\{region\}' has \{region\}; write \{region\} into the bucket"
    ):
        submit(two, prefix="calls-{region}")
    assert not two.ledger.file.exists()


def test_the_region_that_refuses_is_named(two, monkeypatch):
    real = BaseClient._make_api_call

    def refuse(self, operation, parameters):
        if operation == "ListModelInvocationJobs" and self.meta.region_name == WEST:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        return real(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    with pytest.raises(JobError, match=f"the account's jobs in {WEST}: AccessDeniedException"):
        submit(two)


def test_a_region_that_cannot_be_reached_does_not_keep_another_from_going_on(two, monkeypatch):
    real, refused = BaseClient._make_api_call, []

    def fail(self, name, given):
        if self.meta.region_name == EAST and name == "GetModelInvocationJob" and len(refused) < 3:
            refused.append(name)
            raise EndpointConnectionError(endpoint_url="https://bedrock")
        return real(self, name, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", fail)
    assert submit(two)["status"].to_list() == ["Completed", "Completed"]
    assert len(refused) == 3


def test_a_lost_ledger_is_found_again_in_each_region(two):
    submit(two)
    two.ledger.file.unlink()
    submit(two)
    assert [len(list_names(EAST)), len(list_names(WEST))] == [1, 1]
    assert collect(two)["answered"].to_list() == [100, 100]


def test_the_quota_of_unfinished_jobs_is_that_of_a_region(set_up_emulator, tmp_path):
    set_up_emulator(seconds={"Submitted": 3600})
    run = prepare_two(tmp_path, 200, records_per_job=100, unfinished_jobs=1)
    assert run.plan().limits["detail"].to_list() == [
        f"2 jobs in {where}; at most 1 may be unfinished at a time, the others wait"
        for where in ("the Region of the run", WEST)
    ]
    assert submit(run, wait=False)["status"].to_list() == ["Submitted", "planned", "Submitted", "planned"]


def test_status_and_stop_reach_both(set_up_emulator, tmp_path):
    set_up_emulator(seconds={"Submitted": 3600})
    run = prepare_two(tmp_path)
    submit(run, wait=False)
    assert update_jobs(run)["status"].to_list() == ["Submitted", "Submitted"]
    assert set(stop(run)["status"]) <= {"Stopping", "Stopped"}


def test_jobs_are_stopped_where_they_can_be_although_a_region_refuses(set_up_emulator, tmp_path, monkeypatch):
    set_up_emulator(seconds={"Submitted": 3600})
    run = prepare_two(tmp_path)
    submit(run, wait=False)
    real = BaseClient._make_api_call

    def refuse(self, name, given):
        if self.meta.region_name == EAST and name == "StopModelInvocationJob":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)
        return real(self, name, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    with pytest.raises(JobError, match="AccessDeniedException: no"):
        stop(run)
    east, west = update_jobs(run)["status"]
    assert east == "Submitted"
    assert west in ("Stopping", "Stopped")


def test_a_failed_job_is_tried_again_where_it_was(set_up_emulator, tmp_path):
    set_up_emulator(faults={"job-failed": 1})
    run = prepare_two(tmp_path, 200)
    with pytest.raises(JobError, match="Failed"):
        submit(run)
    set_up_emulator()
    submit(run)
    assert [len(list_names(EAST)), len(list_names(WEST))] == [2, 2]
    assert collect(run)["answered"].to_list() == [200, 200]


def test_repairs_go_where_the_records_were_asked(set_up_emulator, tmp_path):
    set_up_emulator(faults={"record-500": 1}, min_records=1)
    run = prepare_two(tmp_path, 20, min_records=1)
    submit(run)
    assert collect(run)["answered"].sum() == 0
    set_up_emulator(min_records=1)
    assert repair(run)["answered"].sum() == 40
    again = load_jobs(run).filter(pl.col("job_key").str.starts_with("a2-"))
    assert [arn.split(":")[3] for arn in again["job_arn"]] == [EAST, WEST]


def test_a_misspelt_region_of_a_prompt_is_told_before_the_price_is_confirmed(tmp_path):
    run = prepare_two(tmp_path, 100, regions=("", "us-wset-2"))
    given = {"region": EAST, "bucket": "calls-{region}", "role_arn": "arn:aws:iam::111122223333:role/batch"}
    with pytest.raises(StorageError, match=r"us-wset-2.*did you mean us-west-2"):
        submit(run, profile="", **given, ask=lambda _: pytest.fail("asked"))


def test_records_too_few_for_a_job_of_their_region_are_repaired_on_demand(set_up_emulator, tmp_path):
    set_up_emulator(faults={"record-500": 0.8})
    run = prepare_two(tmp_path, 100)
    submit(run)
    collect(run)
    set_up_emulator()
    # Together they would be enough for one job.
    assert "records on demand" in str(plan_repair(run))
    assert repair(run)["answered"].sum() == 200
    assert load_outputs(run.folder / "output" / "on-demand").height > 0


@pytest.fixture
def note_requests(emulator, monkeypatch):
    """The operation and the Region of each request that asks a model or writes an object, as they are made."""
    real, asked = BaseClient._make_api_call, []

    def note(self, name, given):
        if name in ("InvokeModel", "PutObject"):
            asked.append((name, self.meta.region_name))
        return real(self, name, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", note)
    return asked


def test_on_demand_each_prompt_is_asked_in_its_region(tmp_path, note_requests):
    run = prepare_two(tmp_path, 3)
    invoke(run, bucket="batchbook")
    assert collect(run)["answered"].to_list() == [3, 3]
    asked = [("InvokeModel", EAST)] * 3 + [("InvokeModel", WEST)] * 3
    assert note_requests == [("PutObject", WEST), *asked]


@pytest.mark.parametrize("region", [EAST, "eu-west-1"])
def test_who_answers_on_demand_is_noted_in_one_place_whatever_the_region_of_the_account(region, tmp_path, emulator):
    run = prepare_two(tmp_path, 3)
    invoke(run, bucket="batchbook", region=region)
    assert list_keys(f"batchbook-{WEST}") == ["batchbook/demo/on-demand.json"]


def test_a_run_is_deleted_in_each_region(two):
    submit(two)
    collect(two)
    gone = delete(two, ask=lambda question: "yes")
    places = [where.split("/")[2] for where in gone["where"] if where.startswith("s3://")]
    assert set(places) == {"batchbook", f"batchbook-{WEST}"}
    left = open_session("emulator").client("s3")
    assert all(left.list_objects_v2(Bucket=name)["KeyCount"] == 0 for name in ("batchbook", f"batchbook-{WEST}"))


def test_a_run_with_a_running_job_in_another_region_is_not_deleted(set_up_emulator, tmp_path):
    set_up_emulator(seconds={"Submitted": 3600})
    run = prepare_two(tmp_path)
    submit(run, wait=False)
    with pytest.raises(RunError, match="still at work"):
        delete(run, ask=lambda question: "yes")


NOVA_LITE = "apac.amazon.nova-lite-v1:0"


@pytest.fixture
def dear_tokyo(tmp_path, monkeypatch):
    """Prices of one model: in Tokyo 8 and 16 dollars per million tokens, in any other Region 1 and 2."""
    rows = [
        {
            "model": "amazon.nova-lite-v1:0",
            "profile": "geo",
            "region": region,
            "invocation": invocation,
            "input_usd_per_million": rate * times,
            "output_usd_per_million": 2 * rate * times,
            "source": "a test",
            "read_on": date(2026, 11, 30),
        }
        for region, rate in (("ap-northeast-1", 8.0), (None, 1.0))
        for invocation, times in (("batch", 1), ("on_demand", 2))
    ]
    monkeypatch.setenv("BATCHBOOK_FACTS", str(tmp_path / "facts"))
    write_own_facts("prices", pl.DataFrame(rows, schema=read_facts("prices").schema))


@pytest.fixture
def priced(dear_tokyo, tmp_path, emulator):
    prompts = [make_prompt(name, NOVA_LITE, region=region) for name, region in (("x", "ap-south-1"), ("y", TOKYO))]
    return prepare(make_calls(100), prompts, into=tmp_path / "runs", name="demo")


def test_each_prompt_is_priced_in_its_region(priced):
    cheap, dear = priced.plan().estimate["cost_usd"]
    assert dear == pytest.approx(8 * cheap)


def test_the_budget_counts_each_job_at_the_prices_of_its_region(priced):
    cheap, dear = priced.plan().estimate["cost_usd_high"]
    with pytest.raises(BudgetError, match="may cost up to"):
        submit(priced, budget_usd=0.99 * (cheap + dear))
    submit(priced, budget_usd=1.01 * (cheap + dear))
    collect(priced)
    state = read_state(priced)
    assert find_spending(state, "batch", EAST).spent_usd == pytest.approx(
        sum_run_costs(priced).total["cost_usd"].item()
    )


def test_what_came_back_is_priced_in_its_region(priced):
    submit(priced)
    collect(priced)
    tokens = load_answers(priced).group_by("variant").agg(pl.col("input_tokens", "output_tokens").sum()).sort("variant")
    expected = [rate * (sent + 2 * got) / 1e6 for rate, (_, sent, got) in zip((1, 8), tokens.iter_rows(), strict=True)]
    costs = sum_run_costs(priced)
    assert costs.bill["cost_usd"].to_list() == pytest.approx(expected)
    assert costs.invocations["on_demand_usd"].to_list() == pytest.approx([2 * usd for usd in expected])
    assert costs.total["cost_usd"].item() == pytest.approx(sum(expected))
    assert list_runs(priced.folder.parent)["cost_usd"].to_list() == pytest.approx(expected)
    answers = add_costs(load_answers(priced), find_run_prices(priced))
    assert answers["cost_usd"].sum() == pytest.approx(sum(expected))


def test_answers_whose_lines_are_lost_are_priced_in_their_region(priced):
    submit(priced)
    for file in (priced.folder / "output").rglob("*.jsonl.out"):
        file.unlink()
    collect(priced)
    whole = sum_run_costs(priced).bill["cost_usd"].to_list()
    for file in (priced.folder / "output").rglob("*.jsonl.out"):
        file.write_bytes(b"")
    for bucket in ("batchbook-ap-south-1", f"batchbook-{TOKYO}"):
        s3 = open_session("emulator").client("s3")
        for key in list_keys(bucket):
            if key.endswith(".jsonl.out"):
                s3.put_object(Bucket=bucket, Key=key, Body=b"")
    collect(priced)
    assert sum_lost_costs(priced)["cost_usd"].to_list() == pytest.approx(whole)


def test_prices_by_variant_need_the_variant(priced):
    with pytest.raises(ColumnError, match="no column 'variant'"):
        add_costs(priced.read_outputs().drop("variant"), find_run_prices(priced))


def test_prices_of_one_region_are_by_model_alone(dear_tokyo, tmp_path):
    prompts = [make_prompt(name, NOVA_LITE, region=TOKYO) for name in ("x", "y")]
    prices = find_run_prices(prepare(make_calls(2), prompts, into=tmp_path / "runs", name="demo"))
    assert prices.select("model_id", "invocation", "input_usd_per_million").rows() == [
        (NOVA_LITE, "batch", 8.0),
        (NOVA_LITE, "on_demand", 16.0),
    ]


def test_an_answer_of_one_region_is_taken_over_in_another(tmp_path, emulator):
    first, second = (prepare_two(tmp_path, name=name, regions=[region]) for name, region in (("a", ""), ("b", WEST)))
    submit(first)
    collect(first)
    assert submit(second)["status"].to_list() == ["taken"]
    assert not list_names(WEST)


def test_a_doctor_looks_into_each_region(emulator):
    prompts = [make_prompt("x"), make_prompt("y", NOVA, region=WEST)]
    found = diagnose(make_calls(100), prompts)
    regions = found.filter(check="region")["detail"].to_list()
    batch = found.filter(check="batch")["detail"].to_list()
    buckets = found.filter(check="bucket")["detail"].to_list()
    assert regions == [EAST, WEST]
    assert [detail.split(": ")[0] for detail in batch] == regions
    assert buckets == [f"{EAST}: s3://batchbook can be reached", f"{WEST}: s3://batchbook-{WEST} can be reached"]
    assert not found.filter(status="error").height


def test_a_doctor_finds_one_bucket_for_two_regions(emulator):
    found = diagnose(None, [make_prompt("x"), make_prompt("y", region=WEST)], bucket="calls")
    (row,) = found.filter(check="bucket").to_dicts()
    assert row["status"] == "error"
    assert "'calls' is one bucket: its prompts name the Regions us-east-1, us-west-2" in row["detail"]


def test_each_variant_is_tried_in_its_region_at_its_price(dear_tokyo, note_requests):
    prompts = [make_prompt(name, NOVA_LITE, region=region) for name, region in (("x", "ap-south-1"), ("y", TOKYO))]
    dear = find_highest(prompts[1:], [1000], EAST)
    assert find_highest(prompts, [1000, 1000], EAST) == pytest.approx(dear * 9 / 8)
    try_variants(make_calls(1), prompts)
    assert note_requests == [("InvokeModel", "ap-south-1"), ("InvokeModel", TOKYO)]


def test_a_preview_asks_in_the_region_of_its_prompt(emulator, note_requests):
    call = make_calls(1).row(0, named=True)
    preview(make_prompt(region=WEST), call, profile="emulator")
    preview(make_prompt(), call, profile="emulator", region="eu-west-1")
    assert note_requests == [("InvokeModel", WEST), ("InvokeModel", "eu-west-1")]
