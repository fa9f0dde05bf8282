import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from analysis import load_answers, open_run
from analysis.aws.session import open_session
from analysis.cli import app, main
from analysis.cli.sending import repeat_option
from analysis.errors import StorageError
from analysis.reports.notebooks import find_notebooks
from analysis.reports.stages import STAGES
from bedrock_local.settings import Settings, write_settings

COMMANDS = ["emulator", "make-calls", "run", "tune"]
PARAGRAPH = "notebooks/prompts/paragraph.md"


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of a user."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished(account, make_calls, tmp_path_factory):
    """The command, run by a shell on a folder of 24 texts: the user's folder, and how it ended."""
    root = tmp_path_factory.mktemp("user")
    shutil.copytree(find_notebooks(), root / "notebooks")
    (root / "texts").mkdir()
    for call_id, text in make_calls(24).iter_rows():
        (root / "texts" / f"{call_id}.txt").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", "from analysis.cli import main; main()", "run", "--calls", "texts"]
    command += ["--prompts", PARAGRAPH, "--run", "demo"]
    return root, subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_help_names_the_commands_and_what_they_do():
    result = call("--help")
    assert result.exit_code == 0
    assert "Batch inference on call transcripts with Amazon Bedrock" in result.stdout
    for command in [*COMMANDS, "new"]:
        assert re.search(rf"^  {command}  +[A-Z].+\w\.?$", result.stdout, re.MULTILINE), "cut off"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(command):
    text = call(command, "--help").stdout
    options = re.findall(r"^  --\S+", text, re.MULTILINE)
    assert len(options) == len(re.findall(r"^  --\S+( [A-Z=]+| <[^>]+>)?\s+[A-Z]", text, re.MULTILINE)) >= 4


def test_the_version_is_that_of_the_installed_package():
    assert call("--version").stdout == f"batchbook {version('batchbook')}\n"


def test_a_new_folder_gets_the_notebooks_and_the_next_commands(folder):
    said = call("new", "my calls").stdout
    assert (folder / "my calls" / ".gitignore").read_text().splitlines()[:3] == ["/calls/", "/runs/", "/reports/"]
    assert said.startswith("7 notebooks and 3 prompts in my calls/notebooks\n\nNext:\n    cd 'my calls'\n")
    own = find_notebooks()
    files = {path.relative_to(own): path.read_bytes() for path in [*own.glob("*.ipynb"), *own.glob("prompts/*.md")]}
    copies = folder / "my calls" / "notebooks"
    assert {path.relative_to(copies): path.read_bytes() for path in copies.rglob("*.*")} == files
    assert set(re.findall(r"^    batchbook (\S+)", said, re.MULTILINE)) == {"make-calls", "run", "lab"}


def test_notebooks_that_are_there_are_left_alone(folder, capsys, monkeypatch):
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "prepare.ipynb").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["batchbook", "new", "."])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert (
        capsys.readouterr().err == "batchbook: notebooks: exists already; choose another folder; nothing was written\n"
    )
    assert [path.read_text(encoding="utf-8") for path in folder.rglob("*.*")] == ["mine"]


def test_a_folder_that_cannot_be_made_is_an_error(folder):
    (folder / "file").touch()
    assert isinstance(call("new", "file").exception, StorageError)


def test_without_a_command_the_help_is_shown():
    assert "Usage:" in call().output


def test_the_same_seed_makes_the_same_bytes(folder):
    for name, seed in (("first", 7), ("second", 7), ("third", 8)):
        assert call("make-calls", "--calls", 3, "--out", f"{name}.parquet", "--seed", seed).exit_code == 0
    first, second, third = ((folder / f"{name}.parquet").read_bytes() for name in ("first", "second", "third"))
    assert first == second != third


def test_calls_are_written_where_make_run_looks_for_them(folder):
    assert call("make-calls", "--calls", 3).stdout == "3 calls in calls/synthetic.parquet\n"
    assert len(pl.read_parquet("calls/synthetic.parquet")) == 3


def test_a_run_says_its_plan_its_stages_and_its_report(finished):
    _, result = finished
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stdout.splitlines() if line.startswith(("Run ", "[", "Report"))]
    assert said[0].startswith("Run demo: 24 calls, 1 variant, 24 records in 1 job")
    assert said[1:-1] == [f"[{number}/{len(STAGES)}] {stage.name}" for number, stage in enumerate(STAGES, 1)]
    assert said[-1:] == [f"Report: {Path('reports', 'demo', 'index.html')}"]


def test_a_run_answers_every_call_on_demand(finished):
    root, _ = finished
    answers = load_answers(open_run(root / "runs" / "demo"))
    assert answers["call_id"].n_unique() == 24
    assert answers["invocation"].to_list() == ["on_demand"] * 24


def test_a_run_writes_its_report(finished):
    report = finished[0] / "reports" / "demo"
    files = {f"{stage.name}.{kind}" for stage in STAGES for kind in ("ipynb", "html")}
    assert {path.name for path in report.iterdir()} == files | {"index.html"}
    text = (report / "index.html").read_text(encoding="utf-8")
    assert "24 records prepared = 24 answered + 0 failed + 0 missing." in text
    assert "Answered by the emulator" in text


def test_a_report_names_no_folder_of_the_machine(finished):
    root, _ = finished
    for file in (root / "reports" / "demo").iterdir():
        text = file.read_text(encoding="utf-8")
        assert [place for place in (root, Path.home(), Path(sys.prefix).parent) if str(place) in text] == [], file.name


def test_the_same_command_continues_where_it_stopped(finished, monkeypatch):
    monkeypatch.chdir(finished[0])
    result = call(
        "run", "--calls", "texts", "--prompts", find_notebooks() / "prompts" / "paragraph.md", "--run", "demo"
    )
    assert result.exit_code == 0
    assert result.stdout.count(": already done") == len(STAGES)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--prompts a.md", "--prompts a.md"),
        ("--prompts a.md b.md --run x", "--prompts a.md --prompts b.md --run x"),
        ("--run x --prompts a.md --prompts b.md c.md", "--run x --prompts a.md --prompts b.md --prompts c.md"),
        ("--prompts=a.md b.md --run=x", "--prompts=a.md --prompts b.md --run=x"),
        ("--prompts -a.md b.md", "--prompts -a.md --prompts b.md"),
        ("--run x y --prompts a.md", "--run x y --prompts a.md"),
        ("--prompts", "--prompts"),
    ],
)
def test_prompts_are_several_files_as_a_shell_writes_them(given, read):
    assert repeat_option("--prompts", given.split()) == read.split()


def test_some_calls_are_picked_and_several_prompts_given(account, folder, make_calls):
    make_calls(100).write_parquet("calls.parquet")
    prompts = [find_notebooks() / "prompts" / f"{name}.md" for name in ("paragraph", "headings")]
    for _ in range(2):  # the second time it picks the same calls, or the run would be another
        result = call(
            "run", "--calls", "calls.parquet", "--pick", 3, "--prompts", *prompts, "--runs", "r", "--run", "demo"
        )
        assert result.exit_code == 0, result.output
    run = open_run("r/demo")
    assert run.read_request()["calls"]["rows"] == len(run.read_calls()) == 3
    assert [prompt.name for prompt in run.read_prompts()] == ["paragraph", "headings"]
    result = call("run", "--calls", "calls.parquet", "--pick", 101, "--prompts", *prompts)
    assert str(result.exception) == "pick_calls: cannot pick 101 of 100 calls; give n from 1 to 100"


def test_a_job_that_failed_half_way_is_printed_and_reported(account, folder, make_calls, monkeypatch):
    monkeypatch.setenv("BEDROCK_LOCAL", str(folder / "account"))
    (folder / "account").mkdir()
    write_settings(folder / "account", Settings(faults={"job-failed": 1}))
    make_calls(100).write_parquet("calls.parquet")
    prompt = find_notebooks() / "prompts" / "paragraph.md"
    result = call("run", "--calls", "calls.parquet", "--prompts", prompt, "--run", "demo")
    assert result.exit_code == 0
    assert "50 answered, 0 failed, 50 missing (see docs/unanswered.md to send these)" in result.stdout
    assert "job01 ended Failed: The job failed due to an internal error. Try again. 50 of its 100" in result.stdout


@pytest.fixture
def run_hundred(folder, make_calls, monkeypatch):
    """Run the command on 100 calls against an account with these settings."""

    def run(*options, **settings):
        monkeypatch.setenv("BEDROCK_LOCAL", str(folder / "account"))
        (folder / "account").mkdir()
        write_settings(folder / "account", Settings(**settings))
        make_calls(100).write_parquet("calls.parquet")
        prompt = find_notebooks() / "prompts" / "paragraph.md"
        return call("run", "--calls", "calls.parquet", "--prompts", prompt, "--run", "demo", *options)

    return run


def test_every_option_of_a_job_can_be_given(run_hundred):
    key = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    owner, network = (
        "123456789012",
        ["--subnet-id", "subnet-1", "--subnet-id", "subnet-2", "--security-group-id", "sg-1"],
    )
    options = [
        "--timeout-hours",
        48,
        "--kms-key-id",
        key,
        "--bucket-owner",
        owner,
        "--tag",
        "team=calls",
        "--tag",
        "x=",
    ]
    # Not waited for: the job has all options as soon as it is created.
    result = run_hundred(*options, *network, "--wait-hours", 0, seconds={"Submitted": 10**6})
    assert result.exit_code == 3, result.output
    bedrock = open_session("emulator").client("bedrock")
    (summary,) = bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    job = bedrock.get_model_invocation_job(jobIdentifier=summary["jobArn"])
    assert job["timeoutDurationInHours"] == 48
    assert job["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    target = job["outputDataConfig"]["s3OutputDataConfig"]
    assert (target["s3EncryptionKeyId"], target["s3BucketOwner"]) == (key, owner)
    tags = bedrock.list_tags_for_resource(resourceARN=summary["jobArn"])["tags"]
    assert tags == [{"key": "team", "value": "calls"}, {"key": "x", "value": ""}]


def test_jobs_that_have_not_ended_in_time_end_the_command_with_a_code_of_their_own(run_hundred):
    result = run_hundred("--wait-hours", 0.0001, seconds={"Submitted": 10**6})
    assert result.exit_code == 3
    assert "Run the same command again later to continue; nothing is sent twice." in result.stdout


@pytest.mark.parametrize("tag", ["team", "=calls"])
def test_a_tag_without_name_or_value_is_refused(folder, tag):
    result = call("run", "--calls", "x", "--prompts", "y", "--tag", tag)
    assert str(result.exception) == f"--tag: {tag!r} is no tag; write it as team=calls"


def test_a_name_taken_by_another_run_is_refused_in_one_sentence(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished[0])
    command = ["run", "--calls", "texts", "--prompts", "notebooks/prompts/headings.md", "--run", "demo"]
    monkeypatch.setattr(sys, "argv", ["batchbook", *command])
    with pytest.raises(SystemExit, match="1"):
        main()
    said = capsys.readouterr()
    assert said.err.startswith("batchbook: ")
    assert "give the new request another run name" in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


@pytest.mark.parametrize(
    ("calls", "prompt", "reason"),
    [("nowhere.csv", "paragraph.md", "nowhere.csv"), ("calls.jsonl", "nowhere.md", "nowhere.md")],
)
def test_a_file_that_is_not_there_is_one_sentence_and_exit_code_1(folder, monkeypatch, capsys, calls, prompt, reason):
    (folder / "calls.jsonl").write_text('{"call_id": "a", "transcript": "Hello."}\n', encoding="utf-8")
    prompt = str(find_notebooks() / "prompts" / prompt)
    monkeypatch.setattr(sys, "argv", ["batchbook", "run", "--calls", calls, "--prompts", prompt])
    with pytest.raises(SystemExit, match="1"):
        main()
    said = capsys.readouterr().err
    assert re.fullmatch(rf"batchbook: .*{re.escape(reason)}: .+\n", said)


def fail(monkeypatch, capsys, *command):
    """The one sentence that a command ends with."""
    monkeypatch.setattr(sys, "argv", ["batchbook", *command])
    with pytest.raises(SystemExit, match="1"):
        main()
    said = capsys.readouterr().err
    assert said.startswith("batchbook: ")
    assert said.count("\n") == 1
    return said


def test_a_name_never_commands_the_terminal(folder, monkeypatch, capsys):
    name = "x\x1b]0;t\x07\u202e\n.csv"
    (folder / name).write_text("call_id\x1b[31m,words\na,b\n", encoding="utf-8")
    said = fail(monkeypatch, capsys, "run", "--calls", name, "--prompts", "p.md")
    assert r"x\x1b]0;t\x07\u202e\n.csv: no column 'transcript'" in said
    assert r"it has call_id\x1b[31m, words" in said


def test_a_pipe_of_calls_is_refused_in_a_sentence(folder, monkeypatch, capsys):
    os.mkfifo(folder / "calls.csv")
    assert "a pipe or a device" in fail(monkeypatch, capsys, "run", "--calls", "calls.csv", "--prompts", "p.md")


@pytest.mark.parametrize("out", ["/proc/nowhere/calls.parquet", ".", "x" * 300])
def test_calls_that_cannot_be_written_are_a_sentence(folder, monkeypatch, capsys, out):
    said = fail(monkeypatch, capsys, "make-calls", "--calls", "2", "--out", out)
    assert "cannot be written" in said
    assert said.endswith("; give another file as --out\n")


def test_a_round_is_asked_and_a_further_one_asks_what_changed(account, folder, make_calls):
    make_calls(60).write_parquet(folder / "calls.parquet")
    shutil.copytree(find_notebooks(), folder / "notebooks")
    prompt = folder / "notebooks" / "prompts" / "paragraph.md"
    arguments = ["tune", "--calls", "calls.parquet", "--prompts", prompt.parent, "--calls-per-round", 20]
    first = call(*arguments)
    assert first.exit_code == 0, first.output
    prompt.write_text(prompt.read_text().replace("90 words", "40 words"))
    second = call(*arguments).stdout
    assert "40 of 60 records were answered in tune-001 and are taken from there; 20 are sent: 0.0" in second
    assert "Report: reports/tune-002/index.html" in second
    again = call(*arguments).stdout
    assert "tune-002 has been answered with these prompts, and nothing is sent." in again
    assert {path.name for path in (folder / "runs").iterdir()} == {"tune-001", "tune-002"}
    assert 'href="tune.html"' in (folder / "reports" / "tune-002" / "index.html").read_text()
