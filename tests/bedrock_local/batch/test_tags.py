from __future__ import annotations

import threading

import pytest


@pytest.fixture
def arn(bedrock, request_of):
    tags = [{"key": "team", "value": "calls"}, {"key": "run", "value": "7"}]
    return bedrock.create_model_invocation_job(**request_of(tags=tags))["jobArn"]


@pytest.fixture
def tags_of(bedrock):
    def ask(arn):
        found = bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
        return {tag["key"]: tag["value"] for tag in found}

    return ask


def make_tags(count, start=0):
    return [{"key": f"k{number}", "value": ""} for number in range(start, start + count)]


def test_a_job_has_the_tags_it_was_created_with(arn, tags_of):
    assert tags_of(arn) == {"team": "calls", "run": "7"}


def test_tags_are_added_replaced_and_removed(arn, bedrock, tags_of):
    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "run", "value": "8"}, {"key": "new", "value": ""}])
    bedrock.untag_resource(resourceARN=arn, tagKeys=["team", "never was"])
    assert tags_of(arn) == {"run": "8", "new": ""}


def test_no_change_of_many_writers_is_lost(arn, bedrock, tags_of):
    bedrock.tag_resource(resourceARN=arn, tags=make_tags(20))
    start = threading.Barrier(4)

    def change(first):
        start.wait()
        for number in range(first, 20, 4):
            bedrock.untag_resource(resourceARN=arn, tagKeys=[f"k{number}"])
            bedrock.tag_resource(resourceARN=arn, tags=make_tags(1, start=20 + number))

    writers = [threading.Thread(target=change, args=[first]) for first in range(4)]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    assert tags_of(arn).keys() == {"team", "run", *(f"k{number}" for number in range(20, 40))}


@pytest.mark.parametrize(("count", "code"), [(50, None), (51, "ValidationException"), (201, "ValidationException")])
def test_a_job_is_created_with_fifty_tags_at_most(bedrock, request_of, error_of, count, code):
    request = request_of(tags=make_tags(count))
    if code is None:
        assert bedrock.create_model_invocation_job(**request)["jobArn"]
    else:
        assert error_of(bedrock.create_model_invocation_job, **request)[0] == code


def test_a_job_has_fifty_tags_at_most(arn, bedrock, error_of):
    bedrock.tag_resource(resourceARN=arn, tags=make_tags(48))
    error = error_of(bedrock.tag_resource, resourceARN=arn, tags=make_tags(1, start=48))
    assert error == ("TooManyTagsException", 400, "A resource can have 50 tags, and not 51.")


def test_a_key_of_a_tag_is_unique(arn, bedrock, request_of, error_of):
    twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]
    for call, request in (
        (bedrock.create_model_invocation_job, request_of(jobName="other", tags=twice)),
        (bedrock.tag_resource, {"resourceARN": arn, "tags": twice}),
    ):
        assert error_of(call, **request) == ("ValidationException", 400, "Duplicate tag keys found: a")


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghijkl", "ResourceNotFoundException"),
        ("arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", "ResourceNotFoundException"),
        ("arn:aws:s3:::calls-and-more-calls", "ValidationException"),
    ],
)
def test_tags_of_what_does_not_exist_are_refused(bedrock, error_of, resource, code):
    assert error_of(bedrock.list_tags_for_resource, resourceARN=resource)[0] == code
