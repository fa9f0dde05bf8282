import json
import re
from pathlib import Path

import boto3
import polars as pl
import pytest
from moto import mock_aws

from analysis import Prompt, collect, invoke, prepare
from analysis.errors import RunError
from analysis.reports.overview import write_overview

from .conftest import call

PAGE = Path(__file__).parents[3] / "docs" / "personal_data.md"


@pytest.fixture
def run(folder, emulator):
    """A run of two calls that was answered and collected, with a report and the page over all runs."""
    calls = pl.DataFrame({"call_id": ["a", "b"], "transcript": ["Agent: Hello.", "Agent: Bye."]})
    prompt = Prompt(name="short", model_id="us.amazon.nova-micro-v1:0", template="{{ transcript }}", max_tokens=50)
    run = prepare(calls, prompt, into="runs", name="demo")
    invoke(run)
    collect(run)
    (folder / "reports" / "demo").mkdir(parents=True)
    (folder / "reports" / "demo" / "index.html").write_text("demo", encoding="utf-8")
    write_overview(folder / "runs", folder / "reports")
    return run


def test_help_explains_the_command():
    said = re.sub(r"\s+", " ", call("delete", "--help").stdout)
    assert "--yes Delete without a question; the list is printed all the same." in said
    assert "--local-only Leave AWS alone" in said
    assert "batchbook stop ends them" in said


def test_a_run_is_deleted_by_its_name_and_is_on_no_page(run, folder):
    assert "demo" in (folder / "reports" / "index.html").read_text(encoding="utf-8")
    said = call("delete", "demo", "--yes").stdout
    assert "Of the run demo is deleted:" in said
    assert re.search(r"^Deleted: \d+ files and objects, [\d,]+ bytes\.$", said, re.MULTILINE)
    assert list((folder / "runs").iterdir()) == []
    assert [path.name for path in (folder / "reports").iterdir()] == ["index.html"]
    assert "demo" not in (folder / "reports" / "index.html").read_text(encoding="utf-8")


def test_the_judges_of_a_run_are_named_since_they_have_its_answers(run, folder):
    (folder / "runs" / "demo-judge-001").mkdir()  # damaged, as it may be
    said = call("delete", "demo", "--yes").stdout
    assert "demo-judge-001 judged its answers and has them still: batchbook delete demo-judge-001" in said
    assert (folder / "runs" / "demo-judge-001").exists()


def test_without_a_yes_the_list_is_shown_and_all_stays(run, folder):
    result = call("delete", "demo")
    assert isinstance(result.exception, RunError)
    assert "Of the run demo is deleted:" in result.stdout
    assert run.folder.exists()


def test_reports_in_another_folder_are_named(run, folder):
    (folder / "reports").rename(folder / "pages")
    call("delete", "runs/demo", "--yes", "--reports", "pages")
    assert [path.name for path in (folder / "pages").iterdir()] == ["index.html"]


def test_what_is_no_run_is_an_error(run, folder):
    (folder / "mine").mkdir()
    assert "not a run" in str(call("delete", "./mine", "--yes").exception)
    assert "not a run; there are demo" in str(call("delete", "other", "--yes").exception)
    assert (folder / "mine").exists()


def read_blocks():
    return [
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ]


def test_the_rule_of_the_page_is_one_that_s3_takes(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "example")
    _, rules = read_blocks()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="calls")
        s3.put_bucket_lifecycle_configuration(Bucket="calls", LifecycleConfiguration=rules)
        kept = s3.get_bucket_lifecycle_configuration(Bucket="calls")["Rules"]
    assert [rule["Expiration"] for rule in kept] == [{"Days": 14}, {"ExpiredObjectDeleteMarker": True}]


def test_the_rights_of_the_page_are_those_that_a_deletion_needs():
    policy, _ = read_blocks()
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    code = (Path(__file__).parents[3] / "analysis/aws/versions.py").read_text(encoding="utf-8")
    assert {*re.findall(r"s3:[A-Z]\w+", code)} <= allowed
