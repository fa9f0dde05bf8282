"""Events of jobs: one for each change of a status, and what rules of moto's EventBridge make of them."""

from __future__ import annotations

import json

import pytest
from moto.events.models import events_backends

from bedrock_local.batch.events import JobEvents, write_moment
from bedrock_local.emulator import Emulator
from bedrock_local.other_services.event_bus import put_event
from bedrock_local.other_services.moto import answer_by_moto

NAME = "Batch Inference Job State Change"
PATTERN = json.dumps({"source": ["aws.bedrock"], "detail-type": [NAME]})
ENDED = ["Submitted", "Validating", "Scheduled", "InProgress", "Completed"]


@pytest.fixture
def events(folder, clock):
    """Events of the folder's jobs; `statuses` lists what the last look found."""
    found = []
    events = JobEvents(Emulator(folder, now=clock), found.append)
    events.begin()

    def statuses():
        found.clear()
        events.look()
        return [event["detail"]["status"] for event in found]

    events.statuses, events.found = statuses, found
    return events


def test_a_job_has_an_event_for_each_status_once(jobs, record, events):
    jobs.put([record(number) for number in range(3)])
    arn = jobs.create()
    assert events.statuses() == ["Submitted"]
    jobs.finish(arn)
    assert events.statuses() == ENDED[1:]
    assert events.statuses() == []


def test_a_job_that_began_and_ended_between_two_looks_has_all_its_events(jobs, record, events):
    jobs.run([record(number) for number in range(3)])
    assert events.statuses() == ENDED


def test_a_job_that_fails_says_why_in_its_last_event(jobs, events):
    jobs.run([b"no json\n"])
    assert events.statuses() == ["Submitted", "Validating", "Failed"]
    messages = [event["detail"]["failureMessage"] for event in events.found]
    assert messages[:2] == ["", ""]
    assert "line 1" in messages[2]


def test_a_stopped_job_is_stopping_before(jobs, record, events):
    jobs.put([record(number) for number in range(3)])
    arn = jobs.create()
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    jobs.finish(arn)
    assert events.statuses()[-2:] == ["Stopping", "Stopped"]


def test_a_clock_that_goes_on_while_a_job_is_stopping_makes_no_second_event(jobs_at, record, events, clock):
    jobs = jobs_at(seconds={"Submitted": 10, "Validating": 0, "Scheduled": 0, "InProgress": 0, "Stopping": 60})
    jobs.put([record(number) for number in range(3)])
    arn = jobs.create()
    jobs.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert events.statuses() == ["Submitted", "Stopping"]
    clock.move(30)
    jobs.get(arn)
    assert events.statuses() == []
    clock.move(60)
    jobs.finish(arn)
    assert events.statuses() == ["Stopped"]


def test_what_happened_before_has_no_events(jobs, record, folder, clock):
    jobs.run([record(number) for number in range(3)])
    arn = jobs.create(jobName="second")
    found = []
    events = JobEvents(Emulator(folder, now=clock), found.append)
    events.begin()
    jobs.finish(arn)
    events.look()
    assert [event["detail"]["batchJobName"] for event in found] == ["second"] * 4


def test_an_event_has_the_fields_of_the_sample(jobs, record, events, clock):
    arn = jobs.run([record(number) for number in range(3)])["jobArn"]
    events.statuses()
    event = events.found[-1]
    assert event.pop("id")
    # 1,790,000,000 s are 20,717 days and 51,200 s.
    assert event == {
        "version": "0",
        "detail-type": NAME,
        "source": "aws.bedrock",
        "account": "123456789012",
        "time": clock(),
        "region": "us-east-1",
        "resources": [arn],
        "detail": {
            "version": "0.0",
            "accountId": "123456789012",
            "batchJobName": "summaries-1",
            "batchJobArn": arn,
            "batchModelId": jobs.get(arn)["modelId"],
            "status": "Completed",
            "failureMessage": "",
            "creationTime": "Sep 21, 2026, 2:13:20 PM",
        },
    }


def test_a_moment_at_midnight_is_twelve():
    assert write_moment(0) == "Jan 1, 1970, 12:00:00 AM"


@pytest.fixture
def client(client_of, server):
    """Make a client, of moto too, whose rules are gone after the test."""
    server.answer_others = answer_by_moto
    yield client_of
    for backends in events_backends.values():
        for backend in backends.values():
            backend.event_buses["default"].rules.clear()


def make_rule(client, *targets, pattern=PATTERN):
    """Make a rule on events, and give its name."""
    events = client("events")
    events.put_rule(Name="ends", EventPattern=pattern)
    events.put_targets(Rule="ends", Targets=[{"Id": str(number), **target} for number, target in enumerate(targets)])


def make_queue(client, name):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def take_all(client, url):
    found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


EVENT = {
    "version": "0",
    "id": "1",
    "detail-type": NAME,
    "source": "aws.bedrock",
    "account": "123456789012",
    "time": 1_790_000_000.0,
    "region": "us-east-1",
    "resources": ["arn"],
    "detail": {"status": "Completed", "batchJobName": 'a "b"'},
}


def test_a_queue_gets_the_event_as_it_is(client):
    url, arn = make_queue(client, "whole")
    make_rule(client, {"Arn": arn})
    put_event(EVENT)
    assert take_all(client, url) == [EVENT | {"time": "2026-09-21T14:13:20Z"}]


def test_a_pattern_chooses(client):
    url, arn = make_queue(client, "chosen")
    make_rule(client, {"Arn": arn}, pattern=json.dumps({"detail": {"status": ["Failed", "Completed"]}}))
    put_event(EVENT)
    put_event(EVENT | {"detail": {"status": "Validating"}})
    client("events").disable_rule(Name="ends")
    put_event(EVENT)
    assert [event["detail"]["status"] for event in take_all(client, url)] == ["Completed"]


def test_a_topic_gets_the_event_for_its_subscribers(client):
    url, arn = make_queue(client, "subscribed")
    sns = client("sns")
    topic = sns.create_topic(Name="ends")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    template = {"InputTemplate": '{"job": "<name>"}', "InputPathsMap": {"name": "$.detail.status"}}
    make_rule(client, {"Arn": topic}, {"Arn": topic, "InputTransformer": template})
    put_event(EVENT)
    messages = [json.loads(message["Message"]) for message in take_all(client, url)]
    assert messages == [EVENT | {"time": "2026-09-21T14:13:20Z"}, {"job": "Completed"}]


def test_a_target_that_moto_does_not_deliver_to_keeps_no_other_from_the_event(client, capsys):
    url, arn = make_queue(client, "after")
    function = "arn:aws:lambda:us-east-1:123456789012:function:ends"
    make_rule(client, {"Arn": function}, {"Arn": arn})
    put_event(EVENT)
    assert len(take_all(client, url)) == 1
    assert f"no event to {function}: NotImplementedError" in capsys.readouterr().err
