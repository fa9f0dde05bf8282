"""Tests of the command that checks before a run: what it prints, how it ends, and when it asks a model."""

import pytest

from analysis.cli.app import HAS_ERRORS
from analysis.reports.notebooks import find_notebooks

from .conftest import call

PROMPT = str(find_notebooks() / "prompts" / "paragraph.md")


@pytest.fixture
def calls(folder, monkeypatch):
    """A file of calls for one batch job, and an account of their own."""
    monkeypatch.setenv("BEDROCK_LOCAL", str(folder / "account"))
    lines = [f'{{"call_id": "c{number}", "transcript": "Agent: Hello {number}."}}\n' for number in range(100)]
    (folder / "calls.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder / "calls.jsonl"


def list_checks(said):
    """The status and the check of each printed finding."""
    rows = [line for line in said.splitlines() if line.split(" ")[0] in {"ok", "warning", "error", "unknown"}]
    return [(row[:9].strip(), row[9:28].strip()) for row in rows]


def test_on_the_emulator_all_is_well_and_each_prompt_is_answered(calls):
    result = call("doctor", "--calls", calls, "--prompts", PROMPT)
    checks = list_checks(result.stdout)
    assert result.exit_code == 0
    assert ("ok", "bucket write") in checks
    assert checks[-1] == ("ok", "answer")
    statuses = [status for status, _ in checks]
    counts = ", ".join(f"{statuses.count(name)} {name}" for name in ("ok", "warning", "error", "unknown"))
    assert result.stdout.endswith(f"\nFindings: {counts}.\n")


def test_an_error_has_an_exit_code_of_its_own_and_its_cure_below(calls):
    result = call("doctor", "--bucket", "nowhere")
    lines = result.stdout.splitlines()
    number = lines.index(f"{'error':<8} {'bucket':<18} no such bucket")
    assert lines[number + 1].lstrip() == "-> check the spelling and the account of the profile"
    assert result.exit_code == HAS_ERRORS == 4


def test_no_model_is_asked_before_the_errors_are_corrected(calls):
    result = call("doctor", "--calls", calls, "--prompts", PROMPT, "--bucket", "nowhere")
    assert "answer" not in {check for _, check in list_checks(result.stdout)}
    assert "No record is asked on demand before the errors are corrected." in result.stdout


def test_without_calls_account_and_prompts_are_checked(calls):
    checks = {check for _, check in list_checks(call("doctor", "--prompts", PROMPT).stdout)}
    assert {"credentials", "bucket", "batch", "prompt"} <= checks
    assert not {"calls", "answer"} & checks


def test_the_help_names_the_exit_code(folder):
    said = " ".join(call("doctor", "--help").stdout.split())
    assert f"Ends with exit code {HAS_ERRORS} when something is an error." in said


def test_options_are_those_of_run(folder):
    names = ("calls", "prompts", "profile", "region", "bucket", "role-arn", "bucket-owner", "kms-key-id", "budget-usd")
    of_run, own = (call(command, "--help").stdout for command in ("run", "doctor"))
    assert [name for name in names if f"--{name} " not in of_run or f"--{name} " not in own] == []
