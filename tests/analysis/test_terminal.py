"""What reaches a terminal: bytes read back from a pseudo-terminal, with hostile calls, names, answers and messages."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import polars as pl
import pytest

from analysis.reports.notebooks import find_notebooks
from bedrock_local import serve
from bedrock_local.settings import Settings, write_settings

pytestmark = pytest.mark.whole

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
termios = pytest.importorskip("termios")

# Clears the screen, writes to the clipboard, hides a link, sets the title, moves up, deletes, resets, and the same by
# one character of C1; carriage return, backspace, bell; controls of direction; line ends that some programs know.
HOSTILE = (
    "\x1b[2J", "\x1b]52;c;cHduZWQ=\x07", "\x1b]8;;http://x.example\x07", "\x1b]0;title\x07", "\x1b[5A", "\x1b[1K",
    "\x1bc", "\x9b2J", "\x9d0;title\x9c", "\r", "\b\b\b", "\x07", "\x7f", "\u202e", "\u2066", "\u200f",
    "\u2028", "\u0085",
)  # fmt: skip
MARK = "pwned"
TEXT = " ".join(f"{sequence}{MARK}" for sequence in HOSTILE)
NAME = "".join(f"{sequence}{MARK}" for sequence in HOSTILE if "/" not in sequence)
CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
# Bars go back to the begin of their line, and the line of another bar is reached by a line feed and "one up".
ALLOWED = re.compile(rf"\r(?!{MARK})|\x1b\[A(?!{MARK})")


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Run Python on a terminal of 100 columns in a folder of its own, where something may have been typed.

    Returns all that the terminal was sent.
    """
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "account"))

    def run(code, *arguments, typed=b""):
        master, slave = pty.openpty()
        settings = termios.tcgetattr(slave)
        settings[1] &= ~termios.OPOST  # or the terminal would add carriage returns
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        termios.tcsetwinsize(slave, (40, 100))
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.write(master, typed)
        os.close(slave)
        with os.fdopen(master, "rb", buffering=0) as screen:
            sent = b"".join(iter(lambda: read_some(screen), b""))
        process.wait()
        return sent.decode()

    return run


def read_some(screen):
    """Read what has come; empty when no process has the terminal any more, which Linux says by an error."""
    try:
        return screen.read(65_536)
    except OSError:
        return b""


def find_controls(sent):
    """List what a terminal would obey, but what progress bars send."""
    return re.findall(f"{CONTROL}.{{0,12}}", ALLOWED.sub("", sent))


COMMAND = "from analysis.cli import main; main()"
PROMPT = "---\nname: p\nmodel_id: us.amazon.nova-micro-v1:0\nmax_tokens: 400\n---\n# User\n\n{{ transcript }}\n"


@pytest.fixture
def folder(tmp_path):
    """A user's folder: a good table of calls whose texts, ids and columns are hostile, and a good prompt."""
    rows = [
        {"call_id": f"{number}{NAME}", "transcript": f"Agent: Line {number}. {TEXT}", f"a{NAME}": TEXT}
        for number in range(12)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "calls.parquet")
    (tmp_path / "prompt.md").write_text(PROMPT, encoding="utf-8")
    return tmp_path


def write_file(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize(
    "give",
    [
        lambda folder: ["--calls", f"{NAME}.csv", "--prompts", "prompt.md"],
        lambda folder: ["--calls", write_file(folder, f"{NAME}.csv", "a,b\n1,2\n"), "--prompts", "prompt.md"],
        lambda folder: ["--calls", write_file(folder, "x.csv", f'call_id,transcript,"{NAME}"\n'), "--prompts", "x.md"],
        lambda folder: ["--calls", write_file(folder, "x.csv", f'id,"{NAME}"\n1,2\n'), "--prompts", "prompt.md"],
        lambda folder: ["--calls", write_file(folder, "x.jsonl", f'{{"{MARK}": \n{TEXT}'), "--prompts", "prompt.md"],
        lambda folder: ["--calls", "calls.parquet", "--prompts", f"{NAME}.md"],
        lambda folder: ["--calls", "calls.parquet", "--prompts", write_file(folder, f"{NAME}.md", "---\nname: p\n")],
        lambda folder: [
            "--calls", "calls.parquet", "--prompts", write_file(folder, "x.md", PROMPT.replace("transcript", "b"))
        ],
        lambda folder: [
            "--calls", "calls.parquet", "--prompts",
            write_file(folder, "x.md", PROMPT.replace("name: p", f'name: "{NAME.encode("unicode_escape").decode()}"')),
        ],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", "--run", NAME],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", "--profile", NAME],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", "--tag", NAME.replace("=", "")],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", "--column", f"{NAME}=x"],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", "--empty", NAME],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", f"--{NAME}"],
        lambda folder: ["--calls", "calls.parquet", "--prompts", "prompt.md", NAME],
    ],
    ids=[
        "no file", "no columns", "no rows", "columns", "broken JSON", "no prompt", "half a header", "variable",
        "name of prompt", "name of run", "profile", "tag", "column", "choice", "option", "argument",
    ],
)  # fmt: skip
def test_an_error_of_the_command_cannot_command_the_terminal(show, folder, give):
    sent = show(COMMAND, "run", *give(folder))
    assert find_controls(sent) == []
    assert re.search(r"^(batchbook|Error): .", sent, re.MULTILINE)


@pytest.mark.parametrize(
    "options",
    [
        ["--calls", "calls.parquet", "--prompts", "prompt.md"],
        ["--bucket", NAME, "--role-arn", NAME, "--bucket-owner", NAME],
        ["--profile", NAME],
        ["--region", NAME, "--profile", ""],
    ],
    ids=["calls", "bucket and role", "profile", "region"],
)
def test_findings_cannot_command_the_terminal(show, folder, options):
    sent = show(COMMAND, "doctor", *options)
    assert find_controls(sent) == []
    assert re.search(r"^Findings: ", sent, re.MULTILINE)


@pytest.mark.parametrize(("typed", "status"), [(b"y\n", "ok"), (b"n\n", "unknown"), (b"\x04", "unknown")])
def test_the_price_of_a_record_is_shown_and_what_is_typed_decides(show, folder, monkeypatch, typed, status):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    options = ("--calls", "calls.parquet", "--prompts", "prompt.md", "--profile", "", "--region", "us-east-1")
    with serve(folder / "served") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        sent = show(COMMAND, "doctor", *options, typed=typed)
    # Nova Micro by us.: 400 tokens out at 0.14 USD per million are 0.000056 USD; under 80 in, at 0.035, below 0.000003.
    assert re.search(r"Ask 1 record now, one per variant, on demand, for at most 0\.00005[6-9] USD\? \[y/N\] ", sent)
    assert re.search(rf"{status} +answer ", sent)
    assert find_controls(sent) == []


def test_equal_ids_are_named_without_their_controls(show, folder):
    pl.DataFrame({"call_id": ["x\x1b[2J"] * 2, "transcript": ["a", "b"]}).write_parquet(folder / "x.parquet")
    sent = show(COMMAND, "run", "--calls", "x.parquet", "--prompts", "prompt.md")
    assert find_controls(sent) == []
    assert r"x\x1b[2J" in sent


def test_files_that_are_passed_over_are_named_without_their_controls(show, folder):
    (folder / "texts").mkdir()
    write_file(folder / "texts", f"{NAME}.dat", "?")
    write_file(folder / "texts", f".{NAME}.txt", "?")
    write_file(folder / "texts", "call.txt", "Agent: Hello.")
    sent = show("from analysis import read_calls; print(read_calls('texts'))")
    assert find_controls(sent) == []
    assert r"\x1b[2Jpwned" in sent


def test_a_run_of_hostile_calls_ends_on_a_screen_that_nothing_was_done_to(show, folder):
    shutil.copytree(find_notebooks(), folder / "notebooks")
    sent = show(COMMAND, "run", "--calls", "calls.parquet", "--prompts", "prompt.md", "--run", "demo")
    assert find_controls(sent) == []
    assert "Records: 12 prepared, 12 answered, 0 failed, 0 missing" in sent
    assert "Report: reports/demo/index.html" in sent


LOOK = r"""
import polars as pl
from analysis import *
prompt, calls = read_prompts("prompt.md"), read_calls("calls.parquet")
print(preview(prompt[0], calls.row(0, named=True)))
run = prepare(calls, prompt, name="demo")
print(run)
print(run.plan())
invoke(run)
collect(run)
answers = load_answers(run)
outputs = load_outputs("runs/demo/output", model_id=prompt[0].model_id)
for frame in (answers, as_pandas(answers), load_jobs(run), outputs):
    print(show_table(frame))
print(repr(show_table(answers)))
"""


def test_tables_plans_and_previews_in_a_terminal_are_text(show, folder):
    sent = show(LOOK)
    assert find_controls(sent) == []
    assert r"\x1b[2Jpwned" in sent
    assert "Traceback" not in sent


ANSWER = r"""
from analysis import *
run = prepare(read_calls("calls.parquet"), read_prompts("prompt.md"), name="demo")
invoke(run)
collect(run)
"""


def test_an_export_to_a_file_with_a_hostile_name_says_so_in_text(show, folder):
    show(ANSWER)
    name = NAME.replace("\x00", "") + ".csv"
    sent = show(COMMAND, "export", "demo", name) + show(COMMAND, "export", "demo", name)
    sent += show(COMMAND, "export", "demo", "x.xlsx", "--column", NAME) + show(COMMAND, "export", "demo", NAME)
    assert find_controls(sent) == []
    assert re.search(r"pwned\.csv: 12 answers, \d+ columns, [\d,]+ bytes\.$", sent, re.MULTILINE)
    assert re.search(r"^batchbook: .*pwned\.csv: is there already", sent, re.MULTILINE)
    assert "Traceback" not in sent


DELETE = r"""
import os, sys
from analysis.aws.session import open_session
s3 = open_session("emulator").client("s3")
s3.put_object(Bucket="batchbook", Key="batchbook/demo/" + sys.argv[1].replace("\\x00", ""), Body=b"x")
from analysis import delete
delete("demo", ask=lambda question: print(question) or "n")
"""


def test_the_list_of_what_would_be_deleted_is_text(show, folder):
    show(ANSWER)
    sent = show(DELETE, NAME)
    assert find_controls(sent) == []
    assert r"\x1b[2Jpwned" in sent
    sent = show(COMMAND, "delete", "demo", "--yes") + show(COMMAND, "delete", NAME, "--yes")
    assert find_controls(sent) == []
    assert re.search(r"^Deleted: \d+ files and objects", sent, re.MULTILINE)
    assert "not a run" in sent


MESSAGE = r"""
import sys
from analysis import *
from analysis.runs.outcomes import check_outcomes
from analysis.runs.state import read_state
from analysis.runs.submission import print_outcomes
prompt, calls = read_prompts("prompt.md"), read_calls("calls.parquet")
run = prepare(calls, prompt, name="demo", quotas={"min_records": 1})
name = {"job_key": "job01", "job_try": 3, "job_arn": "arn:aws:bedrock:us-east-1:1:model-invocation-job/abcabcabcabc"}
run.ledger.append("sending", invocation="batch", profile="emulator", region="us-east-1")
run.ledger.append("ended", **name, status="Failed", left=12, message=sys.argv[1])
print(show_table(load_jobs(run).select("status", "message")))
state = read_state(run)
print_outcomes(state)
check_outcomes(state)
"""


def test_a_message_of_the_service_cannot_command_the_terminal(show, folder):
    sent = show(MESSAGE, TEXT)
    assert find_controls(sent) == []
    assert r"\x1b[2Jpwned" in sent


def test_a_control_that_reaches_the_terminal_is_found(show):
    for sequence in HOSTILE:
        assert find_controls(show("import sys; print(sys.argv[1])", f"a{sequence}{MARK}")) != [], repr(sequence)


HOLES = """
import math
from analysis import *
from analysis.aws.session import EMULATOR_BUCKET, EMULATOR_ROLE, open_session
open_session("").client("s3").create_bucket(Bucket=EMULATOR_BUCKET)
run = prepare(read_calls("calls.parquet"), read_prompts("prompt.md"), name="demo", quotas={"min_records": 12})
submit(run, profile="", bucket=EMULATOR_BUCKET, role_arn=EMULATOR_ROLE, budget_usd=math.inf, pause_s=0.1)
"""


def test_a_repair_shows_its_price_and_what_is_typed_decides(show, folder, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = Settings(faults={"record-500": 0.5}, min_records=1, speed=100)
    with serve(folder / "served", settings=settings) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        show(HOLES)
        write_settings(folder / "served", Settings(min_records=1, speed=100))
        status = show(COMMAND, "status", "--follow")
        refused, repaired = (show(COMMAND, "repair", "demo", typed=typed) for typed in (b"n\n", b"y\n"))
    assert "demo: 1 job (1 Completed); 12 of 12 records processed." in status
    assert "batchbook: demo: the plan was not confirmed; nothing was sent" in refused
    assert re.search(r"p: \d+ failed \(500: .*\): asked again", repaired)
    assert re.search(r"^Ask these \d+ records again\? \[y/N\] ", repaired, re.MULTILINE)
    assert "without an answer" not in repaired
    assert find_controls(status + refused + repaired) == []
