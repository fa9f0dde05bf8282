from dataclasses import replace

import polars as pl
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError, SSLError, SSOTokenLoadError

from analysis import Prompt, prepare
from analysis.aws.session import EMULATOR_ROLE
from analysis.errors import BudgetError, JobError
from analysis.jobs import batch
from analysis.jobs.steps import count_unfinished, stop_jobs, take_step
from analysis.runs.retries import plan_retries
from analysis.runs.sending import explain_outage
from analysis.runs.state import plan_jobs, read_state
from analysis.runs.submission import open_account
from analysis.runs.waiting import take_first_step, wait_for_jobs
from bedrock_local.settings import Settings, write_settings

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
HOUR = 3600


class Changed:
    """A real client with some of its operations changed."""

    def __init__(self, client, **operations):
        self.client, self.operations = client, operations

    def __getattr__(self, name):
        return self.operations.get(name) or getattr(self.client, name)


@pytest.fixture
def run(tmp_path, emulator):
    calls = pl.DataFrame({"call_id": [str(n) for n in range(100)], "transcript": [f"Call {n}." for n in range(100)]})
    prompt = Prompt(name="short", model_id=HAIKU, template="{{ transcript }}")
    return prepare(calls, prompt, into=tmp_path / "runs", name="demo")


@pytest.fixture
def account(run):
    shared = {"shared": {"roleArn": EMULATOR_ROLE}}
    return open_account(run, {"profile": "emulator", "region": ""}, bucket="batchbook", prefix="p", fields=shared)


def finish(run, account):
    planned = plan_jobs(run)
    states = take_step(planned, run.ledger, account)
    return wait_for_jobs(read_state(run), account, states, pause=0.05, sleep=lambda seconds: None)


def list_names(account):
    return [job["jobName"] for job in account.bedrock.list_model_invocation_jobs()["invocationJobSummaries"]]


def test_jobs_are_named_without_reading_their_files(run, account, monkeypatch):
    (job,) = plan_jobs(run)
    assert job.digest == replace(job, sha256=()).digest
    monkeypatch.setattr(batch, "hash_file", pytest.fail)
    assert job.name(1) == replace(job, files=()).name(1)
    monkeypatch.undo()
    finish(run, account)
    monkeypatch.setattr(batch, "hash_file", pytest.fail)
    take_step(plan_jobs(run), run.ledger, account)
    assert list_names(account) == [job.name(1)]


def test_a_name_that_is_in_use_is_our_job(run, account):
    """The token of a job is forgotten in time, its name is not; the listing may lag behind."""
    finish(run, account)
    run.ledger.file.unlink()
    bedrock, pages = account.bedrock, []

    def without_token(clientRequestToken, **request):  # noqa: N803
        return bedrock.create_model_invocation_job(**request)

    class Lagging:
        def paginate(self, **filters):
            pages.append(filters)
            late = [] if len(pages) == 1 else bedrock.list_model_invocation_jobs(**filters)["invocationJobSummaries"]
            return [{"invocationJobSummaries": late}]

    changed = Changed(bedrock, create_model_invocation_job=without_token, get_paginator=lambda name: Lagging())
    (state,) = take_step(plan_jobs(run), run.ledger, replace(account, bedrock=changed))
    assert state.status == "Completed"
    assert len(list_names(account)) == 1


def test_a_job_of_the_run_with_other_content_is_not_adopted(run, account, tmp_path):
    finish(run, account)
    other = Prompt(name="short", model_id=HAIKU, template="Again: {{ transcript }}")
    twin = prepare(run.read_calls(), other, into=tmp_path / "elsewhere", name="demo")
    finish(twin, account)
    assert len(set(list_names(account))) == 2


def test_jobs_without_counters_count_when_they_have_ended(run, account):
    def get(jobIdentifier):  # noqa: N803
        job = account.bedrock.get_model_invocation_job(jobIdentifier=jobIdentifier)
        return {name: value for name, value in job.items() if not name.endswith("RecordCount")}

    (state,) = finish(run, replace(account, bedrock=Changed(account.bedrock, get_model_invocation_job=get)))
    assert (state.status, state.counts) == ("Completed", {})


def test_a_status_that_nobody_knows_is_a_running_job(run, account):
    def get(jobIdentifier):  # noqa: N803
        return account.bedrock.get_model_invocation_job(jobIdentifier=jobIdentifier) | {"status": "Rebalancing"}

    changed = replace(account, bedrock=Changed(account.bedrock, get_model_invocation_job=get))
    take_step(plan_jobs(run), run.ledger, account)
    (state,) = take_step(plan_jobs(run), run.ledger, changed)
    assert (state.status, state.is_finished) == ("Rebalancing", False)


def test_a_running_job_is_written_down_when_a_tenth_of_it_has_moved(run, account):
    done = iter([0, 0, 3, 9, 10, 12, 19, 31, 31, 100])

    def get(jobIdentifier):  # noqa: N803
        job = account.bedrock.get_model_invocation_job(jobIdentifier=jobIdentifier)
        counts = {"totalRecordCount": 100, "processedRecordCount": next(done)}
        return {name: job[name] for name in job if not name.endswith(("Count", "Time"))} | counts | {"status": "New"}

    changed = replace(account, bedrock=Changed(account.bedrock, get_model_invocation_job=get))
    seen = [take_step(plan_jobs(run), run.ledger, changed)[0].counts.get("processed") for _ in range(11)]
    assert seen == [None, 0, 0, 3, 9, 10, 12, 19, 31, 31, 100]
    written = [event["counts"]["processed"] for event in run.ledger.read() if event["event"] == "seen"]
    assert written == [0, 10, 31, 100]


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        ({"Submitted": HOUR}, "Submitted"),
        ({"Validating": HOUR}, "Validating"),
        ({"Scheduled": HOUR}, "Scheduled"),
        ({"Scheduled": 0, "InProgress": HOUR}, "InProgress"),
    ],
)
def test_unfinished_jobs_of_every_status_count(run, account, tmp_path, seconds, status):
    write_settings(tmp_path / "emulator", Settings(seconds={"Submitted": 0, "Validating": 0} | seconds))
    take_step(plan_jobs(run), run.ledger, account)
    while (state := take_step(plan_jobs(run), run.ledger, account)[0]).status != status:
        pass
    assert not state.is_finished
    assert count_unfinished(account) == {"anthropic.claude-haiku-4-5-20251001-v1:0": 1}


def test_a_job_that_is_stopping_counts_as_unfinished(run, account, tmp_path):
    write_settings(tmp_path / "emulator", Settings(seconds={"Submitted": HOUR, "Stopping": HOUR}))
    take_step(plan_jobs(run), run.ledger, account)
    stop_jobs(plan_jobs(run), run.ledger, account.bedrock)
    assert count_unfinished(account) == {"anthropic.claude-haiku-4-5-20251001-v1:0": 1}


def test_a_refusal_that_made_the_job_after_all_is_one_job(run, account):
    """A refusal is tried again under its own number: the job that nobody could see yet is found, not made again."""
    bedrock = account.bedrock

    def create(**request):
        bedrock.create_model_invocation_job(**request)
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, "Create")

    class Late:
        def paginate(self, **filters):
            return [{"invocationJobSummaries": []}]

    changed = Changed(bedrock, create_model_invocation_job=create, get_paginator=lambda name: Late())
    planned = plan_jobs(run)
    assert take_step(planned, run.ledger, replace(account, bedrock=changed))[0].status == "refused"
    plan_retries(read_state(run), account.s3)
    (state,) = finish(run, account)
    assert (state.status, state.job_try) == ("Completed", 1)
    assert len(list_names(account)) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [("InternalFailure", 0), ("ServiceUnavailableException", 0), ("ServiceQuotaExceededException", 400), ("New", 503)],
)
def test_a_busy_answer_that_made_the_job_after_all_is_one_job(run, account, code, status):
    bedrock = account.bedrock
    answer = {"Error": {"Code": code, "Message": "Busy."}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def create(**request):
        bedrock.create_model_invocation_job(**request)
        raise ClientError(answer, "Create")

    changed = replace(account, bedrock=Changed(bedrock, create_model_invocation_job=create))
    assert take_step(plan_jobs(run), run.ledger, changed)[0].job_arn == ""
    (state,) = finish(run, account)
    assert state.status == "Completed"
    assert len(list_names(account)) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, "List"), "PassRole on the role"),
        (ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "Old."}}, "List"), "sign in to AWS again"),
        (SSOTokenLoadError(error_msg="expired"), "sign in to AWS again"),
        (SSLError(endpoint_url="https://bedrock", error="self-signed"), "self-signed.*AWS_CA_BUNDLE"),
    ],
)
def test_what_the_account_refuses_comes_with_a_cure(run, account, error, text):
    def refuse(name):
        raise error

    with pytest.raises(JobError, match=text):
        take_step(plan_jobs(run), run.ledger, replace(account, bedrock=Changed(account.bedrock, get_paginator=refuse)))


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("ExpiredTokenException", "sign in to AWS again"),
        ("AccessDeniedException", "see docs/aws.md"),
        ("ValidationException", "docs/aws.md has the usual causes"),
        ("ResourceNotFoundException", "check model id, profile and region"),
    ],
)
def test_a_question_that_is_refused_for_good_ends_the_waiting(run, account, code, cure):
    def get(jobIdentifier):  # noqa: N803
        raise ClientError({"Error": {"Code": code, "Message": "The service's own words."}}, "Get")

    with pytest.raises(JobError, match=f"{code}: The service's own words.; .*{cure}"):
        finish(run, replace(account, bedrock=Changed(account.bedrock, get_model_invocation_job=get)))


def busy_at_first(account, operation, times):
    """Answer an operation with a 503 that has no body some times, then as it is."""
    calls = []

    def answer(*arguments, **options):
        calls.append(operation)
        if len(calls) <= times:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": 503}, "Error": {"Code": "503"}}, operation)
        return getattr(account.bedrock, operation)(*arguments, **options)

    return replace(account, bedrock=Changed(account.bedrock, **{operation: answer}))


def test_a_service_that_is_busy_at_first_is_waited_for(run, account):
    busy = busy_at_first(account, "get_paginator", 3)
    (state,) = take_first_step(read_state(run), busy, wait_s=0, sleep=lambda seconds: None)
    assert state.job_arn
    assert len(list_names(account)) == 1


def test_nobody_waits_for_a_busy_service_in_a_single_step(run, account):
    with pytest.raises(ClientError):
        take_first_step(read_state(run), busy_at_first(account, "get_paginator", 1), wait_s=None, sleep=print)


def test_a_network_that_is_away_at_first_may_be_a_wrong_region(run, account):
    def fail(name):
        raise EndpointConnectionError(endpoint_url="https://bedrock.us-esat-1.amazonaws.com/")

    away = replace(account, bedrock=Changed(account.bedrock, get_paginator=fail))
    with pytest.raises(JobError, match=r"us-esat-1.*check the network and the region's name"), explain_outage(run):
        take_first_step(read_state(run), away, wait_s=0, sleep=lambda seconds: None)


def test_a_proxy_that_is_away_is_named(run, account):
    def fail(name):
        raise ProxyConnectionError(proxy_url="http://proxy:3128")

    away = replace(account, bedrock=Changed(account.bedrock, get_paginator=fail))
    with pytest.raises(JobError, match=r"proxy:3128.*; check HTTPS_PROXY.*nothing is sent twice"), explain_outage(run):
        take_first_step(read_state(run), away, wait_s=0, sleep=lambda seconds: None)


def test_a_listing_that_is_refused_for_a_while_is_waited_out(run, account):
    planned = plan_jobs(run)
    states = take_step(planned, run.ledger, account)
    run.ledger.file.unlink()  # so that the job has to be looked for
    busy = busy_at_first(account, "get_paginator", 3)
    (state,) = wait_for_jobs(read_state(run), busy, states, pause=0.05, sleep=lambda seconds: None)
    assert state.status == "Completed"


def count_listings(account):
    """Count the pages of jobs that an account is asked for, by the filter."""
    filters, paginator = [], account.bedrock.get_paginator("list_model_invocation_jobs")

    class Counted:
        def paginate(self, **given):
            filters.extend(given)
            return paginator.paginate(**given)

    return filters, replace(account, bedrock=Changed(account.bedrock, get_paginator=lambda name: Counted()))


def test_the_account_is_searched_in_the_first_step_alone(run, account):
    filters, counted = count_listings(replace(account, unfinished_jobs=lambda base: 0))
    planned = plan_jobs(run)
    for is_first in (True, False, False):
        take_step(planned, run.ledger, counted, is_first=is_first)
    assert filters.count("nameContains") == 1


def test_a_try_that_may_have_arrived_is_looked_for_at_every_step(run, account):
    filters, counted = count_listings(replace(account, unfinished_jobs=lambda base: 0))
    run.ledger.append("intended", job_key="job01", job_try=1, status="intended")
    for _ in range(2):
        take_step(plan_jobs(run), run.ledger, counted, is_first=False)
    assert filters.count("nameContains") == 2


def test_unfinished_jobs_are_counted_once_a_step_for_all_models(account, run, tmp_path):
    models = (HAIKU, "us.amazon.nova-micro-v1:0")
    prompts = [Prompt(name=f"p{n}", model_id=model, template="{{ transcript }}") for n, model in enumerate(models)]
    two = prepare(run.read_calls(), prompts, into=tmp_path / "two", name="two")
    filters, counted = count_listings(replace(account, unfinished_jobs=lambda base: 0))
    take_step(plan_jobs(two), two.ledger, counted)
    assert filters.count("statusEquals") == 5


def test_a_waiting_job_is_compared_only_with_those_of_its_own_name(run, account, tmp_path, count_calls):
    write_settings(tmp_path / "emulator", Settings(min_records=1))
    many = prepare_two(run, tmp_path / "many", records_per_job=20, min_records=1)
    finish(many, account)
    many.ledger.file.unlink()
    names = count_calls(batch, "read_try")
    take_step(plan_jobs(many), many.ledger, account)
    assert len(names) == len(list_names(account)) == 5


def refuse(code):
    """Make an operation that the account refuses."""

    def operation(**request):
        raise ClientError({"Error": {"Code": code, "Message": "No."}}, "Any")

    return operation


def test_a_job_without_room_is_known_not_to_be_there(run, account):
    full = Changed(account.bedrock, create_model_invocation_job=refuse("ServiceQuotaExceededException"))
    take_step(plan_jobs(run), run.ledger, replace(account, bedrock=full))
    assert [state.status for state in run.ledger.replay()] == ["planned"]


def prepare_two(run, into, last="Call 99.", **quotas):
    """Prepare the run again, in other files, and with another text of the last call."""
    calls = run.read_calls().with_columns(transcript=pl.col("transcript").replace("Call 99.", last))
    return prepare(calls, run.read_prompts(), into=into, name="demo", quotas=quotas)


def test_jobs_that_differ_in_their_last_file_alone_are_two(run, account, tmp_path):
    for name in ("first", "other"):
        finish(prepare_two(run, tmp_path / name, f"The {name}.", records_per_file=60), account)
    assert len(set(list_names(account))) == 2


def test_runs_of_two_names_that_ask_the_same_are_both_answered(run, account, tmp_path):
    twin = prepare(run.read_calls(), run.read_prompts(), into=tmp_path / "twin", name="twin")
    assert [finish(each, account)[0].status for each in (run, twin)] == ["Completed", "Completed"]
    assert len(set(list_names(account))) == 2


def test_every_file_of_a_job_is_sent(run, account, tmp_path):
    (state,) = finish(prepare_two(run, tmp_path / "files", records_per_file=60), account)
    assert (state.status, state.counts["success"]) == ("Completed", 100)


def test_of_several_tries_that_the_ledger_lost_the_last_is_adopted(run, account, tmp_path):
    write_settings(tmp_path / "emulator", Settings(min_records=101))
    for _ in range(2):
        plan_retries(read_state(run), account.s3)
        finish(run, account)
    run.ledger.file.unlink()
    (state,) = finish(run, account)
    assert (state.status, state.job_try, len(list_names(account))) == ("Failed", 2, 2)


def test_a_job_that_cannot_be_stopped_does_not_keep_the_others_from_it(run, account, tmp_path):
    write_settings(tmp_path / "emulator", Settings(clock="realistic"))
    two = prepare_two(run, tmp_path / "two", records_per_job=50, min_records=1)
    first, _ = take_step(plan_jobs(two), two.ledger, account)
    operations = {first.job_arn: refuse("AccessDeniedException")}

    def stop(jobIdentifier):  # noqa: N803
        operations.get(jobIdentifier, account.bedrock.stop_model_invocation_job)(jobIdentifier=jobIdentifier)

    with pytest.raises(JobError, match="AccessDeniedException"):
        stop_jobs(plan_jobs(two), two.ledger, Changed(account.bedrock, stop_model_invocation_job=stop))
    assert [two.ledger.latest()[job.key].status for job in plan_jobs(two)] == ["Submitted", "Stopping"]


@pytest.mark.parametrize("code", ["ConflictException", "ValidationException"])
def test_a_job_that_ends_before_it_can_be_stopped_is_no_error(run, account, tmp_path, code):
    write_settings(tmp_path / "emulator", Settings(clock="realistic"))
    take_step(plan_jobs(run), run.ledger, account)
    stop_jobs(plan_jobs(run), run.ledger, Changed(account.bedrock, stop_model_invocation_job=refuse(code)))
    assert [state.status for state in run.ledger.replay()] == ["Submitted"]


@pytest.mark.parametrize(("fault", "end"), [("job-stopped", "Stopped"), ("job-partial", "PartiallyCompleted")])
def test_a_job_that_ended_with_output_is_not_sent_again(run, account, tmp_path, fault, end):
    write_settings(tmp_path / "emulator", Settings(faults={fault: 1}))
    for _ in range(2):
        plan_retries(read_state(run), account.s3)
        (state,) = finish(run, account)
        assert (state.status, len(list_names(account))) == (end, 1)


def test_no_job_of_a_step_is_created_that_costs_more_than_was_agreed_to(run, account):
    asked = []

    def refuse(tries, chosen):
        asked.append((list(tries), [job.key for job, _ in chosen]))
        raise BudgetError("demo", "too much")

    with pytest.raises(BudgetError):
        take_step(plan_jobs(run), run.ledger, replace(account, check_cost=refuse))
    assert (asked, list_names(account), run.ledger.read()) == ([([], ["job01"])], [], [])
