import boto3
import pytest

from analysis.aws import make_client


@pytest.mark.parametrize(("service", "seconds"), [("bedrock-runtime", 3600), ("bedrock", 60), ("s3", 60)])
def test_only_a_model_may_be_silent_for_an_hour(service, seconds):
    client = make_client(boto3.Session(region_name="us-east-1"), service)
    assert client.meta.config.read_timeout == seconds
