import boto3
import moto
import pytest

import bedrock_local


@pytest.fixture
def s3(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with moto.mock_aws():
        client = boto3.Session(region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="calls")
        yield client


@pytest.fixture
def put():
    """Put objects with these keys, and the keys as content, into the bucket `calls` of a client."""

    def put_keys(s3, *keys):
        for key in keys:
            s3.put_object(Bucket="calls", Key=key, Body=key.encode())

    return put_keys


@pytest.fixture
def emulated_s3(tmp_path):
    """A client of an emulator with a bucket `calls`."""
    client = bedrock_local.open_session(tmp_path / "account").client("s3")
    client.create_bucket(Bucket="calls")
    return client
