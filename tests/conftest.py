"""What tests of notebooks, reports and pages share: an account of their own, short calls, and runs of them."""

import polars as pl
import pytest

from analysis import Prompt, prepare

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"


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
