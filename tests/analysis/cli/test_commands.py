import json
import os
import re
import shutil
import sys
from importlib.metadata import version

import polars as pl
import pytest

from analysis import read_prompts
from analysis.cli import main
from analysis.cli.sending import repeat_option
from analysis.errors import StorageError
from analysis.reports.notebooks import find_notebooks

from .conftest import call

COMMANDS = ["doctor", "emulator", "iam", "make-calls", "run", "tune"]


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
    assert said.startswith("11 notebooks and 5 prompts in my calls/notebooks\n\nNext:\n    cd 'my calls'\n")
    own = find_notebooks()
    patterns = ("*.ipynb", "prompts/*.md", "prompts/judges/*.md")
    files = {path.relative_to(own): path.read_bytes() for pattern in patterns for path in own.glob(pattern)}
    copies = folder / "my calls" / "notebooks"
    assert {path.relative_to(copies): path.read_bytes() for path in copies.rglob("*.*")} == files
    assert set(re.findall(r"^    batchbook (\S+)", said, re.MULTILINE)) == {"make-calls", "run", "lab"}


def test_a_new_folder_gets_the_schemas_that_the_prompts_name(folder, monkeypatch):
    own = shutil.copytree(find_notebooks(), folder / "own")
    prompts = own / "prompts"
    (prompts / "schemas").mkdir()
    schema = '{"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]}'
    for name in ("schemas/call.json", "schemas/not-named.json"):
        (prompts / name).write_text(schema, encoding="utf-8")
    text = re.sub(
        r"\nschema:.*?\n---", "\nschema: schemas/call.json\n---", (prompts / "json.md").read_text(), flags=re.S
    )
    for name in ("json.md", "again.md"):
        (prompts / name).write_text(text.replace("name: json\n", ""), encoding="utf-8")
    monkeypatch.setattr("analysis.reports.notebooks.find_own_notebooks", lambda: own)
    assert call("new", "mine").stdout.startswith("11 notebooks and 6 prompts in mine/notebooks\n")
    copies = folder / "mine" / "notebooks" / "prompts"
    assert [path.name for path in (copies / "schemas").iterdir()] == ["call.json"]
    assert {prompt.name for prompt in read_prompts(copies) if prompt.schema == json.loads(schema)} == {"json", "again"}


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


@pytest.mark.parametrize("tag", ["team", "=calls"])
def test_a_tag_without_name_or_value_is_refused(folder, tag):
    result = call("run", "--calls", "x", "--prompts", "y", "--tag", tag)
    assert str(result.exception) == f"--tag: {tag!r} is no tag; write it as team=calls"


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
    (folder / name).write_text("call_id\x1b[31m,spoken\na,b\n", encoding="utf-8")
    said = fail(monkeypatch, capsys, "run", "--calls", name, "--prompts", "p.md")
    assert r"x\x1b]0;t\x07\u202e\n.csv: no column of ids or of transcripts" in said
    assert r"it has call_id\x1b[31m, spoken" in said


def test_a_cure_is_the_command_that_was_typed_with_further_options(folder, monkeypatch, capsys):
    (folder / "my calls.csv").write_text("Kontakt,speakr,Inhalt\nk,agent,Hi.\n", encoding="utf-8")
    typed = ["run", "--calls", "my calls.csv", "--prompts", "p.md", "--column", "text=Inhalt"]
    said = fail(monkeypatch, capsys, *typed)
    options = "--column call_id=COLUMN --column turn= --column speaker=speakr"
    assert said.endswith(f": batchbook run --calls 'my calls.csv' --prompts p.md --column text=Inhalt {options}\n")
    said = fail(monkeypatch, capsys, *typed, *options.replace("COLUMN", "Kontakt").split())
    assert "p.md" in said
    assert "column" not in said


def test_the_command_never_speaks_python(folder, monkeypatch, capsys):
    (folder / "c.csv").write_text("call_id,transcript\na,Hi.\nb,\n", encoding="utf-8")
    said = fail(monkeypatch, capsys, "run", "--calls", "c.csv", "--prompts", "p.md")
    assert said.endswith("(b); leave them out: batchbook run --calls c.csv --prompts p.md --empty drop\n")
    for command, flags in (("t.csv", ["--column", "turn="]),):
        (folder / command).write_text("call_id,turn,speaker,text\na,,x,Hi.\n", encoding="utf-8")
        said = fail(monkeypatch, capsys, "run", "--calls", command, "--prompts", "p.md")
        assert said.endswith(f"--calls {command} --prompts p.md {' '.join(flags)}\n")
        assert "read_calls" not in said


def test_a_pipe_of_calls_is_refused_in_a_sentence(folder, monkeypatch, capsys):
    os.mkfifo(folder / "calls.csv")
    assert "a pipe or a device" in fail(monkeypatch, capsys, "run", "--calls", "calls.csv", "--prompts", "p.md")


@pytest.mark.parametrize("out", ["/proc/nowhere/calls.parquet", ".", "x" * 300])
def test_calls_that_cannot_be_written_are_a_sentence(folder, monkeypatch, capsys, out):
    said = fail(monkeypatch, capsys, "make-calls", "--calls", "2", "--out", out)
    assert "cannot be written" in said
    assert said.endswith("; give another file as --out\n")
