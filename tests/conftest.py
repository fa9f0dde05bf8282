"""What tests of notebooks, reports and pages share: an account of their own, short calls, and runs of them."""

import json
import os

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from analysis import Prompt, prepare

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"

# The time that an example takes depends on what else the machine does.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


# Files that run notebooks and commands for minutes: begun last, one worker would wait for the other.
LONG = ("tests/notebooks/", "tests/analysis/cli/", "tests/analysis/test_terminal.py", "tests/reliability/")


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest; all others keep their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(scope="session")
def give_up():
    """Skip the test that lacks a tool; fail it where CI is set, since .ci/run installs every tool."""
    return pytest.fail if os.environ.get("CI") else pytest.skip


@pytest.fixture(scope="session", autouse=True)
def no_own_facts(tmp_path_factory):
    """Reckon with the facts of the package alone, whatever the one who runs the tests has read from AWS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHBOOK_FACTS", str(tmp_path_factory.mktemp("facts")))
        yield


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """The emulator of one test file, for its process and every kernel that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(tmp_path_factory.mktemp("account")))
        # Kernels keep their history in one file of the home folder, and wait for each other there.
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield


@pytest.fixture(scope="session")
def make_calls():
    """Make short calls; `{}` in the text is the number of the call."""

    def make(number, text="Agent: Hello.\nCustomer: Line {} is down since Monday, and I want my 20 euros back."):
        texts = [text.format(index) for index in range(number)]
        return pl.DataFrame({"call_id": [f"c{index}" for index in range(number)], "transcript": texts})

    return make


@pytest.fixture(scope="session")
def make_prompt():
    """Make a prompt, for Haiku when no model is named."""

    def make(name="short", model_id=HAIKU, **fields):
        return Prompt(name=name, model_id=model_id, template="Summarize.\n\n{{ transcript }}", **fields)

    return make


@pytest.fixture
def make_run(account, tmp_path, make_calls):
    """Prepare a run of short calls."""

    def make(number, *prompts, name="demo"):
        return prepare(make_calls(number), prompts, into=tmp_path / "runs", name=name)

    return make


@pytest.fixture(scope="session")
def answer_by_hand():
    """Leave the answers of a run as `invoke` does; `answer` gives the end of a line from its number."""

    def write(run, answer):
        for file in (run.folder / "input").rglob("*.jsonl"):
            records = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
            lines = [json.dumps(record | answer(number)) + "\n" for number, record in enumerate(records)]
            target = run.folder / "output" / "on-demand" / f"{file.parent.name}-{file.name}.out"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines), encoding="utf-8")
        run.ledger.append("sending", invocation="on_demand", profile="emulator", region="", versions={"python": "3"})

    return write


@pytest.fixture(scope="session")
def make_answer():
    """Make the end of a line that holds an answer of Claude."""

    def make(text="A refund.", stop="end_turn", input_tokens=10, output_tokens=5):
        usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        content = [{"type": "text", "text": text}]
        return {"modelOutput": {"role": "assistant", "content": content, "stop_reason": stop, "usage": usage}}

    return make


@pytest.fixture(scope="session")
def choose_parameters():
    """Choose values for the parameters of the notebooks of a run."""

    def choose(run_folder, calls, prompts, **submit):
        asked = {"calls": str(calls), "prompts": [str(prompts)]}
        made = {"runs": str(run_folder.parent), "run": run_folder.name, "run_folder": str(run_folder)}
        return asked | made | submit

    return choose
