"""What the client refuses by itself, the emulator refuses too: other clients may not."""

from __future__ import annotations

import pytest

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.shapes import check_request


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"jobName": None}, "Value null at 'jobName' failed to satisfy constraint: Member must not be null"),
        ({"jobName": 7}, "Value '7' at 'jobName' failed to satisfy constraint: Member must be of type string"),
        ({"timeoutDurationInHours": 23}, "Member must have value greater than or equal to 24"),
        ({"timeoutDurationInHours": 24.5}, "Member must be of type integer"),
        ({"timeoutDurationInHours": True}, "Member must be of type integer"),
        ({"tags": {}}, "Member must be of type list"),
        ({"inputDataConfig": {}}, "Member must have exactly one of its members set"),
        ({"vpcConfig": {"subnetIds": [], "securityGroupIds": ["sg"]}}, "Member must have length greater than"),
    ],
)
def test_a_member_that_violates_its_shape_is_named(request_of, wrong, fault):
    with pytest.raises(ServiceError) as caught:
        check_request("bedrock", "CreateModelInvocationJob", request_of(**wrong))
    assert fault in caught.value.message


def test_every_violation_is_named(request_of):
    with pytest.raises(ServiceError, match=r"2 validation errors detected: .*'jobName'.*; .*'roleArn'"):
        check_request("bedrock", "CreateModelInvocationJob", request_of(jobName="a b", roleArn="x"))


def test_a_proper_request_passes(request_of):
    assert check_request("bedrock", "CreateModelInvocationJob", request_of(timeoutDurationInHours=24)) is None
