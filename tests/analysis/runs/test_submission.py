import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import polars as pl
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from filelock import FileLock

from analysis import collect, invoke, load_jobs, open_run, prepare, submit
from analysis.aws.session import EMULATOR_ROLE as ROLE
from analysis.errors import BudgetError, JobError, QuotaError, RunError, StorageError
from analysis.jobs.steps import take_step
from analysis.runs import confirm_cost, is_finished, stop
from analysis.runs.state import read_state
from analysis.runs.submission import open_account
from analysis.runs.waiting import wait_for_jobs
from bedrock_local.settings import Settings, write_settings

from .conftest import HAIKU, NOVA, make_calls, make_prompt

KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


def list_account(session):
    return session.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]


def test_every_record_is_answered_once(run, emulator):
    jobs = submit(run)
    assert jobs["status"].to_list() == ["Completed"]
    assert jobs["success_records"].to_list() == [100]
    assert len(list_account(emulator)) == 1


def test_submitting_again_sends_nothing(run, emulator):
    submit(run)
    submit(run)
    assert len(list_account(emulator)) == 1


def test_a_lost_ledger_does_not_pay_twice(run, emulator):
    first = submit(run)
    run.ledger.file.unlink()
    second = submit(run)
    assert second["job_arn"].to_list() == first["job_arn"].to_list()
    assert len(list_account(emulator)) == 1


def test_a_ledger_cut_before_the_answer_does_not_pay_twice(run, emulator):
    submit(run, wait=False)
    lines = run.ledger.file.read_bytes().splitlines(keepends=True)
    intended = next(index for index, line in enumerate(lines) if b'"intended"' in line)
    run.ledger.file.write_bytes(b"".join(lines[: intended + 1]) + b'{"event":"crea')
    assert submit(run)["status"].to_list() == ["Completed"]
    assert len(list_account(emulator)) == 1


def test_the_same_run_prepared_elsewhere_adopts_the_job(run, emulator, tmp_path):
    submit(run)
    twin = prepare(make_calls(100), make_prompt(), into=tmp_path / "elsewhere", name="demo")
    assert submit(twin)["job_arn"].to_list() == load_jobs(run)["job_arn"].to_list()
    assert len(list_account(emulator)) == 1


def test_one_step_does_not_wait(run, set_up_emulator):
    set_up_emulator(seconds={"Submitted": 3600})
    assert submit(run, wait=False)["status"].to_list() == ["Submitted"]


def test_a_job_has_the_given_options(run, emulator):
    submit(
        run,
        timeout_hours=48,
        kms_key_id=KEY,
        bucket_owner="123456789012",
        subnet_ids=["subnet-1"],
        security_group_ids=["sg-1"],
        tags={"team": "calls"},
    )
    arn = load_jobs(run)["job_arn"][0]
    job = emulator.client("bedrock").get_model_invocation_job(jobIdentifier=arn)
    target = job["outputDataConfig"]["s3OutputDataConfig"]
    assert job["timeoutDurationInHours"] == 48
    assert job["vpcConfig"] == {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    assert (target["s3EncryptionKeyId"], target["s3BucketOwner"]) == (KEY, "123456789012")
    assert job["inputDataConfig"]["s3InputDataConfig"]["s3BucketOwner"] == "123456789012"
    assert job["jobName"].startswith("demo-job01-1-")
    s3 = emulator.client("s3")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="batchbook")["Contents"]]
    heads = [s3.head_object(Bucket="batchbook", Key=name) for name in keys]
    assert {head["SSEKMSKeyId"] for head in heads} == {KEY}
    assert {name.split("/")[2] for name in keys} == {"input", "output"}


def test_output_under_a_key_is_collected_once_and_again_where_a_copy_is_damaged(run, emulator):
    submit(run, kms_key_id=KEY)
    collect(run)
    for copy in (run.folder / "output").rglob("*.out"):
        copy.write_bytes(b"#" + copy.read_bytes()[1:])
    assert collect(run)["answered"].to_list() == [100]


def test_a_bucket_of_another_account_than_said_is_refused_before_a_job_is_created(run, emulator):
    with pytest.raises(StorageError, match=r"access denied; .*give bucket_owner"):
        submit(run, bucket_owner="210987654321")
    assert list_account(emulator) == []


def test_collect_expects_the_owner_that_the_run_was_sent_with(run, emulator):
    submit(run, bucket_owner="123456789012")
    assert read_state(run).sending["bucket_owner"] == "123456789012"
    with pytest.raises(StorageError, match=r"access denied; .*give bucket_owner"):
        collect(run, bucket_owner="210987654321")
    assert collect(run)["answered"].to_list() == [100]


def test_two_models_make_two_jobs(emulator, tmp_path):
    prompts = [make_prompt(), make_prompt("other", NOVA, invocation_type="Converse")]
    run = prepare(make_calls(100), prompts, into=tmp_path / "runs", name="demo")
    jobs = submit(run)
    assert jobs.select("job_key", "model_id", "status").rows() == [
        ("job01", HAIKU, "Completed"),
        ("job02", NOVA, "Completed"),
    ]


def test_jobs_wait_while_the_quota_is_used_up(emulator, tmp_path):
    quotas = {"records_per_job": 100, "unfinished_jobs": 1}
    run = prepare(make_calls(300), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    assert submit(run)["status"].to_list() == ["Completed"] * 3
    third, second, first = list_account(emulator)
    assert first["endTime"] <= second["submitTime"] <= second["endTime"] <= third["submitTime"]


def test_jobs_of_others_count_towards_the_quota(set_up_emulator, tmp_path):
    set_up_emulator(seconds={"Submitted": 3600})
    quotas = {"unfinished_jobs": 1}
    first = prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="first", quotas=quotas)
    second = prepare(make_calls(100), make_prompt("other"), into=tmp_path / "runs", name="second", quotas=quotas)
    submit(first, wait=False)
    assert submit(second, wait=False)["status"].to_list() == ["planned"]


def test_too_few_records_are_refused_and_the_error_says_what_helps(emulator, tmp_path):
    run = prepare(make_calls(60), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(QuotaError, match=r"has 60 records, and a batch job takes at least 100; .*invoke\(run\)"):
        submit(run)
    assert list_account(emulator) == []


def test_a_failed_job_says_why_and_is_tried_again(emulator, tmp_path, capsys):
    run = prepare(make_calls(60), make_prompt(), into=tmp_path / "runs", name="demo", quotas={"min_records": 1})
    for _ in range(2):
        with pytest.raises(JobError, match=r"demo-job01-\d-.*: Failed: .*100.*submit again"):
            submit(run)
    for _ in range(2):
        submit(run)
        assert "60 of its 60 records have no answer" in capsys.readouterr().out
    assert [job["jobName"][11] for job in list_account(emulator)] == ["3", "2", "1"]
    assert load_jobs(run)["status"].to_list() == ["Failed"] * 3


def test_a_refused_job_gives_the_reason_and_a_cure(emulator, tmp_path):
    prompt = make_prompt(model_id="anthropic.claude-nobody-knows-v1:0")
    run = prepare(make_calls(100), prompt, into=tmp_path / "runs", name="demo")
    with pytest.raises(JobError, match=r"ValidationException: Batch inference .*docs/aws\.md.*nothing was sent"):
        submit(run)
    assert load_jobs(run)["status"].to_list() == ["refused"]


def test_the_same_content_for_another_place_is_not_paid_twice(run, emulator, tmp_path):
    submit(run, prefix="one")
    twin = prepare(make_calls(100), make_prompt(), into=tmp_path / "elsewhere", name="demo")
    submit(twin, prefix="two")
    assert collect(twin)["answered"].to_list() == [100]
    assert len(list_account(emulator)) == 1


def test_a_stopped_run_keeps_what_was_finished(run, set_up_emulator):
    set_up_emulator(seconds={"Scheduled": 3600})
    submit(run, wait=False)
    stop(run)
    assert submit(run)["status"].to_list() == ["Stopped"]
    assert collect(run).select("prepared", "answered", "missing").row(0) == (100, 0, 100)


def test_a_bucket_in_another_region_is_named_before_anything_is_sent(run, emulator):
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="europe", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(StorageError, match="is in region eu-west-1, and the jobs would be in us-east-1; give region="):
        submit(run, bucket="europe")
    assert list_account(emulator) == []
    assert "Contents" not in s3.list_objects_v2(Bucket="europe")
    assert not run.ledger.file.exists()
    submit(run)


@pytest.mark.parametrize("given", [{}, {"bucket": "calls"}, {"role_arn": "r"}])
def test_off_the_emulator_bucket_and_role_are_needed(run, given):
    with pytest.raises(JobError, match="demo: no bucket or no role_arn; give both"):
        submit(run, profile="production", **given)


def test_a_waiting_job_is_not_created_after_a_stop(set_up_emulator, emulator, tmp_path):
    set_up_emulator(seconds={"Scheduled": 3600})
    quotas = {"records_per_job": 100, "unfinished_jobs": 1}
    run = prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    submit(run, wait=False)
    stop(run)
    assert submit(run)["status"].to_list() == ["Stopped", "Stopped"]
    assert len(list_account(emulator)) == 1


def test_a_refused_job_does_not_hold_up_the_others(emulator, tmp_path):
    prompts = [make_prompt(model_id="anthropic.claude-nobody-knows-v1:0"), make_prompt("known")]
    run = prepare(make_calls(100), prompts, into=tmp_path / "runs", name="demo")
    with pytest.raises(JobError, match="refused: ValidationException"):
        submit(run)
    assert load_jobs(run)["status"].to_list() == ["refused", "Completed"]


def test_answers_without_a_ledger_are_not_mixed_with_another_account(run, emulator):
    invoke(run)
    run.ledger.file.unlink()
    with pytest.raises(RunError, match="has been sent with invocation 'on_demand', not 'batch'"):
        submit(run)
    (run.folder / "sent.json").unlink()  # as of a run that an early version sent
    with pytest.raises(RunError, match="has answers on demand but no ledger that says with which profile"):
        submit(run)


def test_an_emulated_run_is_not_looked_for_on_aws(run, emulator):
    submit(run)
    with pytest.raises(RunError, match="was sent with profile 'emulator', not 'production'"):
        collect(run, profile="production")


def test_what_was_never_sent_cannot_be_stopped(run):
    with pytest.raises(RunError, match="nothing has been sent"):
        stop(run)


def test_off_the_emulator_the_plan_has_to_be_confirmed(run):
    with pytest.raises(BudgetError, match="not confirmed"):
        submit(run, profile="production", bucket="calls", role_arn="r", ask=lambda question: "n")
    assert not run.ledger.file.exists()


def test_the_question_shows_the_plan(run):
    asked = []
    confirm_cost(run, profile="production", ask=lambda question: asked.append(question) or "yes")
    assert str(run.plan()) in asked[0]


def test_without_input_nothing_is_confirmed(run):
    def nobody(question):
        raise EOFError

    with pytest.raises(BudgetError, match="give budget_usd"):
        confirm_cost(run, profile="production", ask=nobody)


def test_a_budget_below_the_estimate_stops_the_run(run):
    with pytest.raises(BudgetError, match=r"may cost up to 0\.26 USD, and the budget is 0\.10 USD"):
        confirm_cost(run, profile="production", budget_usd=0.10)


def test_an_unknown_price_cannot_be_checked_against_a_budget(tmp_path):
    prompt = make_prompt(model_id="anthropic.claude-3-opus-20240229-v1:0")
    run = prepare(make_calls(100), prompt, into=tmp_path / "runs", name="demo")
    with pytest.raises(BudgetError, match="no price is known"):
        confirm_cost(run, profile="production", budget_usd=1.0)


def test_a_run_that_was_sent_costs_nothing_more(run, emulator):
    submit(run)
    confirm_cost(run, profile="emulator", budget_usd=0.0)


def test_a_run_that_was_sent_is_not_sent_to_another_account(run, emulator):
    submit(run)
    with pytest.raises(RunError, match=r"has been sent with profile 'emulator', not 'production'; .*another name"):
        submit(run, profile="production", bucket="calls", role_arn="r", ask=lambda question: "y")


def test_a_submitted_run_is_not_invoked_too(run, emulator):
    submit(run)
    with pytest.raises(RunError, match="has been sent with invocation 'batch', not 'on_demand'"):
        invoke(run)


def test_an_invoked_run_is_not_submitted_too(run, emulator):
    invoke(run)
    with pytest.raises(RunError, match="has been sent with invocation 'on_demand', not 'batch'"):
        submit(run)


def test_a_run_that_is_invoked_during_the_question_is_not_submitted_too(run, emulator):
    def answer_meanwhile(question):
        invoke(run)
        return "yes"

    with pytest.raises(RunError, match="has been sent with invocation 'on_demand', not 'batch'"):
        submit(run, profile="production", bucket="calls", role_arn="r", ask=answer_meanwhile)


def test_on_demand_the_budget_is_checked_against_on_demand_prices(run):
    batch = run.plan().cost_usd_high
    confirm_cost(run, profile="production", budget_usd=batch * 1.1)
    with pytest.raises(BudgetError, match="may cost up to"):
        confirm_cost(run, invocation="on_demand", profile="production", budget_usd=batch * 1.1)


def test_a_budget_of_nan_is_refused(run):
    with pytest.raises(BudgetError, match="the budget is nan USD"):
        confirm_cost(run, profile="production", budget_usd=float("nan"))


def test_two_runs_of_one_name_keep_apart(set_up_emulator, tmp_path):
    set_up_emulator(seconds={"Submitted": 1.0})
    runs = [
        prepare(make_calls(100), make_prompt(max_tokens=tokens), into=tmp_path / str(tokens), name="demo")
        for tokens in (100, 200)
    ]
    for run in runs:
        submit(run, wait=False)
    for run in runs:
        submit(run)
        assert collect(run).select("prepared", "answered").row(0) == (100, 100)


def test_a_job_that_the_ledger_lost_is_stopped_too(run, set_up_emulator, emulator):
    set_up_emulator(seconds={"Scheduled": 3600})
    submit(run, wait=False)
    lines = run.ledger.file.read_bytes().splitlines(keepends=True)
    run.ledger.file.write_bytes(b"".join(line for line in lines if b'"created"' not in line and b'"seen"' not in line))
    stop(run)
    while (statuses := [job["status"] for job in list_account(emulator)]) == ["Stopping"]:
        pass
    assert statuses == ["Stopped"]


def test_refusals_do_not_use_up_the_tries(emulator, tmp_path):
    prompt = make_prompt(model_id="anthropic.claude-nobody-knows-v1:0")
    run = prepare(make_calls(100), prompt, into=tmp_path / "runs", name="demo")
    for _ in range(5):
        with pytest.raises(JobError, match="Batch inference is not supported"):
            submit(run)


def test_small_runs_are_answered_on_demand(emulator, tmp_path):
    run = prepare(make_calls(7), make_prompt(samples=2), into=tmp_path / "runs", name="demo")
    invoke(run)
    assert collect(run).select("prepared", "answered", "missing").row(0) == (14, 14, 0)
    outputs = run.read_outputs()
    assert outputs["invocation"].unique().to_list() == ["on_demand"]
    assert outputs["model_id"].unique().to_list() == [HAIKU]


def test_invoking_again_sends_nothing(emulator, tmp_path):
    run = prepare(make_calls(7), make_prompt(), into=tmp_path / "runs", name="demo")
    invoke(run)
    before = [path.read_bytes() for path in run.folder.rglob("*.out")]
    invoke(run)
    assert [path.read_bytes() for path in run.folder.rglob("*.out")] == before


class Flaky:
    """A client whose every second call fails: no network, or a service that is too busy."""

    def __init__(self, client):
        self.client, self.calls = client, 0

    def __getattr__(self, name):
        return getattr(self.client, name)

    def get_model_invocation_job(self, **request):
        self.calls += 1
        if self.calls % 3 == 1:
            raise EndpointConnectionError(endpoint_url="https://bedrock.us-east-1.amazonaws.com")
        if self.calls % 3 == 2:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Slow down."}}, "Get")
        return self.client.get_model_invocation_job(**request)


def test_waiting_survives_a_network_outage(run, emulator):
    state, target = read_state(run), {"profile": "emulator", "region": ""}
    account = open_account(run, target, bucket="batchbook", prefix="p", fields={"shared": {"roleArn": ROLE}})
    flaky = replace(account, bedrock=Flaky(account.bedrock))
    first = take_step(state.planned, state.ledger, account)
    states = wait_for_jobs(state, flaky, first, pause=0.1, sleep=time.sleep)
    assert [state.status for state in states] == ["Completed"]
    assert flaky.bedrock.calls >= 3


def test_a_second_process_does_not_answer_the_same_run(emulator, tmp_path):
    run = prepare(make_calls(7), make_prompt(), into=tmp_path / "runs", name="demo")
    with FileLock(run.folder / "sending.lock"), pytest.raises(RunError, match="another process is sending"):
        invoke(run)


SUBMIT = "import sys; from analysis import open_run, submit; submit(open_run(sys.argv[1]))"


def test_killing_the_kernel_anywhere_and_running_again_continues(emulator, tmp_path):
    write_settings(tmp_path / "emulator", Settings(work_seconds=0.01))
    run = prepare(make_calls(400), make_prompt(), into=tmp_path / "runs", name="demo")
    for _ in range(5):
        written = len(run.ledger.read())
        process = subprocess.Popen([sys.executable, "-c", SUBMIT, str(run.folder)], stderr=subprocess.DEVNULL)
        while len(run.ledger.read()) == written and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    submit(run)
    row = collect(run).select("prepared", "answered", "missing", "repeated", "agrees").row(0)
    assert row == (400, 400, 0, 0, True)
    assert len(list_account(emulator)) == 1


def test_two_processes_make_one_job(run, emulator):
    processes = [subprocess.Popen([sys.executable, "-c", SUBMIT, str(run.folder)]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list_account(emulator)) == 1


def test_the_ledger_contains_no_transcript(run, emulator):
    submit(run)
    events = [json.loads(line) for line in run.ledger.file.read_bytes().splitlines()]
    assert {event["event"] for event in events} >= {"sending", "intended", "created", "ended"}
    assert b"Monday" not in run.ledger.file.read_bytes()


def test_jobs_are_planned_before_they_are_sent(run):
    jobs = load_jobs(open_run(run.folder))
    assert jobs.select("job_key", "status", "records", "processed_records", "job_arn").rows() == [
        ("job01", "planned", 100, None, None)
    ]
    assert jobs.schema["processed_records"] == pl.Int64


def test_a_lost_ledger_does_not_pay_again_on_demand(run, emulator):
    submit(run)
    collect(run)
    run.ledger.file.unlink()
    with pytest.raises(RunError, match="has been sent with invocation 'batch', not 'on_demand'"):
        invoke(run)
    (run.folder / "sent.json").unlink()  # as of a run that an early version sent
    with pytest.raises(RunError, match=r"has the output of batch jobs but no ledger of them; put ledger\.jsonl back"):
        invoke(run)


def test_a_run_that_was_stopped_before_it_was_sent_is_finished(set_up_emulator, run):
    set_up_emulator(max_unfinished_jobs=0)
    submit(run, wait=False)
    stop(run)
    assert is_finished(run)
    assert submit(run, budget_usd=0.0)["status"].to_list() == ["Stopped"]


def test_a_full_account_is_reported_once_and_gets_the_input_once(set_up_emulator, run, capsys):
    s3, moments = set_up_emulator(max_unfinished_jobs=0).client("s3"), []

    def sleep(seconds):
        moments.append(list(s3.list_objects_v2(Bucket="batchbook")["Contents"]))
        if len(moments) == 5:
            set_up_emulator()

    assert submit(run, pause_s=0, sleep=sleep)["status"].to_list() == ["Completed"]
    assert capsys.readouterr().out.count("demo is waiting until the account has room for another job: ") == 1
    assert [each["LastModified"] for each in moments[0]] == [each["LastModified"] for each in moments[4]]


def test_a_job_that_may_exist_is_not_recorded_as_stopped(run, emulator, monkeypatch):
    run.ledger.append("sending", invocation="batch", profile="emulator", region="us-east-1")
    run.ledger.append("intended", job_key="job01", job_try=1, status="intended", job_name="demo-job01-1-0")
    with pytest.raises(JobError, match="Bedrock may have received this job but does not list it yet; look again"):
        stop(run)
    assert submit(run)["status"].to_list() == ["Completed"]


@pytest.mark.parametrize(
    ("bucket", "cure"),
    [
        ("s3://calls", "give bucket='calls'$"),
        ("s3://calls/runs/a/", "give bucket='calls' and prefix='runs/a'$"),
        ("calls/runs", "give bucket='calls' and prefix='runs'$"),
        ("Calls", "a bucket's name has 3 to 63 of a-z"),
        ("arn:aws:s3:::calls", "a bucket's name has 3 to 63 of a-z"),
    ],
)
def test_an_address_in_place_of_a_buckets_name_is_refused(run, emulator, bucket, cure):
    with pytest.raises(JobError, match=f"is not the name of a bucket; {cure}"):
        submit(run, bucket=bucket)
    assert run.ledger.read() == []


def test_jobs_that_are_refused_for_one_reason_say_it_once(emulator, tmp_path):
    prompt = make_prompt(model_id="anthropic.claude-nobody-knows-v1:0")
    quotas = {"records_per_job": 100}
    run = prepare(make_calls(1000), prompt, into=tmp_path / "runs", name="demo", quotas=quotas)
    with pytest.raises(
        JobError, match=r"^demo-job01-.*, demo-job02-.*, demo-job03-\S* and 7 more: .*of 10 jobs"
    ) as caught:
        submit(run)
    assert str(caught.value).count("Batch inference is not supported") == 1
