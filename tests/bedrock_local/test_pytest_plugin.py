"""The fixture `bedrock_local`, as other projects use it."""

from __future__ import annotations

import os
import subprocess
import sys

import boto3
import pytest


def test_a_test_talks_to_an_emulator_by_plain_boto3(bedrock_local):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="calls")
    s3.put_object(Bucket="calls", Key="a.txt", Body=b"hello")
    assert (bedrock_local.folder / "s3" / "calls" / "a.txt").read_bytes() == b"hello"
    s3.close()


def test_settings_can_be_changed(bedrock_local, request_of):
    bedrock_local.settings(clock="realistic", min_records=1)
    bedrock = boto3.client("bedrock")
    arn = bedrock.create_model_invocation_job(**request_of())["jobArn"]
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "Submitted"
    bedrock.close()


@pytest.fixture
def own_account(monkeypatch):
    """What a developer's machine may say of AWS."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")


def test_a_developers_own_account_is_out_of_reach(own_account, bedrock_local):
    assert "AWS_PROFILE" not in os.environ
    bedrock = boto3.client("bedrock")
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []
    bedrock.close()


OTHER_PROJECT = """
import os
import boto3
import pytest

@pytest.fixture(autouse=True)
def check_that_all_is_as_before():
    session, environment = boto3.DEFAULT_SESSION, dict(os.environ)
    yield
    assert boto3.DEFAULT_SESSION is session
    assert {k: v for k, v in os.environ.items() if k[:6] != "PYTEST"} == {
        k: v for k, v in environment.items() if k[:6] != "PYTEST"}

@pytest.mark.parametrize("number", [1, 2])
def test_mine(bedrock_local, number):
    s3 = boto3.client("s3")
    assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="calls")
    assert s3.meta.endpoint_url == bedrock_local.url
"""


def test_another_project_needs_no_line_of_set_up(tmp_path):
    (tmp_path / "test_other.py").write_text(OTHER_PROJECT)
    others = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "nbval", "xdist")]  # these take seconds
    command = [sys.executable, "-m", "pytest", "-q", *others, "test_other.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].startswith("2 passed"), done.stdout


def test_a_project_that_does_not_use_it_pays_nothing():
    heavy = ("boto3", "botocore", "msgspec")
    script = f"import sys, bedrock_local.pytest_plugin; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"
