"""The command, where a run is sent as batch jobs."""

import shutil
from pathlib import Path

import pytest

from analysis.aws.session import open_session
from analysis.cli.app import UNANSWERED
from analysis.reports.notebooks import find_notebooks
from bedrock_local.settings import Settings, write_settings

from .conftest import call

pytestmark = pytest.mark.whole

KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
OPTIONS = {
    "--timeout-hours": ["48"],
    "--kms-key-id": [KEY],
    "--bucket-owner": ["123456789012"],
    "--tag": ["team=calls", "x="],
    "--subnet-id": ["subnet-1", "subnet-2"],
    "--security-group-id": ["sg-1"],
}


@pytest.fixture(scope="module")
def run_hundred(account, make_calls, tmp_path_factory):
    """Run the command on 100 calls against an account of its own with these settings."""
    with pytest.MonkeyPatch.context() as patch:

        def run(*options, **settings):
            folder = tmp_path_factory.mktemp("user")
            patch.chdir(folder)
            patch.setenv("BEDROCK_LOCAL", str(folder / "account"))
            (folder / "account").mkdir()
            write_settings(folder / "account", Settings(**settings))
            make_calls(100).write_parquet("calls.parquet")
            prompt = find_notebooks() / "prompts" / "paragraph.md"
            return call("run", "--calls", "calls.parquet", "--prompts", prompt, "--run", "demo", *options)

        yield run


def test_a_job_that_failed_half_way_is_reported_and_a_copy_of_its_run_repaired_with_a_report_anew(run_hundred):
    result = run_hundred(faults={"job-failed": 1})
    assert result.exit_code == UNANSWERED
    assert "50 answered, 0 failed, 50 missing; " in result.stdout
    assert "job01 ended Failed: The job failed due to an internal error. Try again. 50 of its 100" in result.stdout
    assert "Without an answer: 50 missing of `paragraph`. `batchbook repair demo` asks again." in result.stdout

    write_settings(Path("account"), Settings())
    for kind in ("runs", "reports"):
        shutil.copytree(f"{kind}/demo", f"{kind}/copy")
    before = Path("reports/demo/index.html").read_bytes()
    result = call("repair", "copy")
    assert result.exit_code == 0, result.output
    assert "Records: 100 prepared, 100 answered, 0 failed, 0 missing; " in result.stdout
    assert "[3/6] collect" in result.stdout
    assert "Report: reports/copy/index.html" in result.stdout
    assert "Every record has an answer." in Path("reports/copy/index.html").read_text(encoding="utf-8")
    assert Path("reports/demo/index.html").read_bytes() == before


@pytest.fixture(scope="module")
def unfinished(run_hundred):
    """How the command ended that did not wait for its job, and the client of the account that has the job."""
    options = [each for name, values in OPTIONS.items() for value in values for each in (name, value)]
    # Not waited for: the job has all options as soon as it is created.
    result = run_hundred(*options, "--wait-hours", 0.0001, seconds={"Submitted": 10**6})
    return result, open_session("emulator").client("bedrock")


def test_jobs_that_have_not_ended_in_time_end_the_command_with_a_code_of_their_own(unfinished):
    result, _ = unfinished
    assert result.exit_code == 3, result.output
    assert "Run the same command again later to continue; nothing is sent twice." in result.stdout


def test_every_option_of_a_job_can_be_given(unfinished):
    _, bedrock = unfinished
    (summary,) = bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    job = bedrock.get_model_invocation_job(jobIdentifier=summary["jobArn"])
    assert job["timeoutDurationInHours"] == 48
    assert job["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    target = job["outputDataConfig"]["s3OutputDataConfig"]
    assert (target["s3EncryptionKeyId"], target["s3BucketOwner"]) == (KEY, "123456789012")
    tags = bedrock.list_tags_for_resource(resourceARN=summary["jobArn"])["tags"]
    assert tags == [{"key": "team", "value": "calls"}, {"key": "x", "value": ""}]
