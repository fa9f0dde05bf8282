import boto3

from analysis.jobs import statuses


def read_service_statuses():
    """What botocore's model of the service says that a job's status can be."""
    service = boto3.client("bedrock", region_name="us-east-1").meta.service_model
    return service.shape_for("ModelInvocationJobStatus").enum


def test_every_status_of_the_service_is_unfinished_or_finished():
    known = {*statuses.UNFINISHED, *statuses.FINISHED} - {statuses.REFUSED, statuses.TAKEN}
    assert known == set(read_service_statuses())


def test_no_status_is_in_two_groups():
    groups = [statuses.UNFINISHED, statuses.PRODUCTIVE, statuses.UNPRODUCTIVE]
    every = [statuses.PLANNED, statuses.INTENDED, *(status for group in groups for status in group)]
    assert len(every) == len(set(every)) == 14


def test_a_status_that_bedrock_does_not_have_is_written_in_lower_case():
    own = (statuses.PLANNED, statuses.INTENDED, statuses.REFUSED, statuses.TAKEN)
    assert all(status.islower() for status in own)
    assert not any(status.islower() for status in read_service_statuses())
