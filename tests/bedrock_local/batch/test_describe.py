from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bedrock_local import open_session


@pytest.fixture
def create(bedrock, request_of):
    return lambda **more: bedrock.create_model_invocation_job(**request_of(**more))["jobArn"]


@pytest.fixture
def names_of(bedrock):
    def ask(**query):
        return [job["jobName"] for job in bedrock.list_model_invocation_jobs(**query)["invocationJobSummaries"]]

    return ask


@pytest.fixture
def three(create, clock):
    for name in ("first", "second", "third"):
        create(jobName=name)
        clock.move(60)


@pytest.mark.usefixtures("three")
def test_jobs_are_listed_newest_first_by_default(names_of):
    assert names_of() == names_of(sortBy="CreationTime", sortOrder="Descending") == ["third", "second", "first"]
    assert names_of(sortOrder="Ascending") == ["first", "second", "third"]


@pytest.mark.usefixtures("three")
def test_jobs_are_listed_by_name_time_and_status(names_of, clock):
    now = datetime.fromtimestamp(clock(), UTC)
    assert names_of(nameContains="ir") == ["third", "first"]
    assert names_of(submitTimeAfter=now - timedelta(seconds=121)) == ["third", "second"]
    assert names_of(submitTimeBefore=now - timedelta(seconds=119)) == ["second", "first"]
    assert names_of(statusEquals="Failed") == ["third", "second", "first"]
    assert names_of(statusEquals="Completed") == []


@pytest.mark.usefixtures("three")
def test_pages_have_each_job_once(bedrock):
    pages = bedrock.get_paginator("list_model_invocation_jobs").paginate(PaginationConfig={"PageSize": 2})
    assert [[job["jobName"] for job in page["invocationJobSummaries"]] for page in pages] == [
        ["third", "second"],
        ["first"],
    ]


@pytest.mark.parametrize(
    "query", [{"maxResults": 1001}, {"statusEquals": "Done"}, {"nameContains": "a b"}, {"nextToken": "none"}]
)
def test_a_wrong_query_is_refused(bedrock, error_of, query):
    assert error_of(bedrock.list_model_invocation_jobs, **query)[:2] == ("ValidationException", 400)


def test_settings_or_requests_change_the_size_of_a_page(jobs_at):
    jobs = jobs_at(page_jobs=3)
    for number in range(5):
        jobs.create(jobName=f"job-{number}")
    sizes = [
        len(jobs.bedrock.list_model_invocation_jobs(**more)["invocationJobSummaries"])
        for more in ({}, {"maxResults": 5})
    ]
    assert sizes == [3, 5]


def test_a_hundred_jobs_are_a_page(create, bedrock):
    for number in range(101):
        create(jobName=f"job-{number}")
    page = bedrock.list_model_invocation_jobs()
    assert len(page["invocationJobSummaries"]) == 100
    assert len(bedrock.list_model_invocation_jobs(nextToken=page["nextToken"])["invocationJobSummaries"]) == 1


def test_jobs_of_one_moment_are_listed_in_the_order_of_their_creation(create, names_of):
    for number in range(5):
        create(jobName=f"job-{number}")
    assert names_of() == [f"job-{number}" for number in (4, 3, 2, 1, 0)]


def test_a_full_last_page_has_no_token(create, bedrock):
    create()
    assert "nextToken" not in bedrock.list_model_invocation_jobs(maxResults=1)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("order", "seen"),
    [("Descending", ["third", "second", "first"]), ("Ascending", ["first", "second", "third", "new"])],
)
def test_jobs_created_between_two_pages_do_not_shift_them(bedrock, create, order, seen):
    names, more = [], {}
    while page := bedrock.list_model_invocation_jobs(sortOrder=order, maxResults=1, **more):
        names += [job["jobName"] for job in page["invocationJobSummaries"]]
        if "new" not in names and len(names) == 1:
            create(jobName="new")
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert names == seen


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "other", [{"nameContains": "t"}, {"statusEquals": "Failed"}, {"sortOrder": "Ascending"}, {"submitTimeAfter": 0}]
)
def test_a_strict_emulator_refuses_a_token_of_another_list(open_at, bedrock, error_of, other):
    token = bedrock.list_model_invocation_jobs(maxResults=1)["nextToken"]
    bedrock = open_at(strict=True).client("bedrock")
    code, _, message = error_of(bedrock.list_model_invocation_jobs, nextToken=token, **other)
    assert (code, "other filters" in message) == ("ValidationException", True)


@pytest.mark.usefixtures("three")
def test_a_page_goes_on_where_a_filter_moves_with_the_clock(bedrock, names_of, clock):
    token = bedrock.list_model_invocation_jobs(maxResults=1)["nextToken"]
    clock.seconds += 1
    past = datetime.fromtimestamp(clock() - 3600, UTC)
    assert names_of(nextToken=token, submitTimeAfter=past) == ["second", "first"]


@pytest.mark.usefixtures("three")
def test_a_token_of_another_region_shows_nothing_of_it(bedrock, folder, clock):
    token = bedrock.list_model_invocation_jobs(maxResults=1)["nextToken"]
    elsewhere = open_session(folder, region_name="eu-west-1", now=clock).client("bedrock")
    assert elsewhere.list_model_invocation_jobs(nextToken=token)["invocationJobSummaries"] == []


def test_a_stop_changes_the_time_of_the_last_change(jobs_at, clock):
    jobs = jobs_at(seconds={"Submitted": 60, "Stopping": 60})
    arn = jobs.create()
    clock.move(10)
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    clock.move(10)
    job = jobs.get(arn)
    assert job["lastModifiedTime"] - job["submitTime"] == timedelta(seconds=10)


@pytest.mark.usefixtures("three")
def test_pages_may_differ_in_size(bedrock):
    token = bedrock.list_model_invocation_jobs(maxResults=1)["nextToken"]
    assert len(bedrock.list_model_invocation_jobs(maxResults=2, nextToken=token)["invocationJobSummaries"]) == 2


def test_the_submit_time_of_a_job_finds_it_exactly(create, bedrock, clock):
    clock.move(0.123456)
    create()
    (job,) = bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    moment = {"submitTimeAfter": job["submitTime"], "submitTimeBefore": job["submitTime"]}
    assert len(bedrock.list_model_invocation_jobs(**moment)["invocationJobSummaries"]) == 1


def test_list_and_get_describe_a_job_alike(jobs, record):
    job = jobs.run([record(1)])
    (listed,) = jobs.bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    assert listed == {name: value for name, value in job.items() if name != "ResponseMetadata"}


def test_a_list_advances_all_jobs_that_have_not_ended(jobs, record):
    jobs.put([record(1)])
    for number in range(4):
        jobs.create(jobName=f"job-{number}")
    for _ in range(100):
        listed = jobs.bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    assert {job["status"] for job in listed} == {"Completed"}
