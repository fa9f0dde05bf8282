import polars as pl
import pytest

from analysis import Prompt, prepare, submit
from analysis.aws.session import open_session
from analysis.errors import JobError
from bedrock_local.settings import Settings, write_settings

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"


@pytest.fixture(autouse=True)
def production(tmp_path_factory, monkeypatch):
    """A profile called `production`, of an account that cannot be reached."""
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text("[profile production]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.fixture
def set_up_emulator(emulator, tmp_path):
    """Change the settings of the account."""

    def change(**settings):
        write_settings(tmp_path / "emulator", Settings(**settings))
        return open_session("emulator")

    return change


def make_calls(number):
    texts = [f"Agent: Hello.\nCustomer: Line {index} is down since Monday." for index in range(number)]
    return pl.DataFrame({"call_id": [f"c{index}" for index in range(number)], "transcript": texts})


def make_prompt(name="short", model_id=HAIKU, **fields):
    return Prompt(name=name, model_id=model_id, template="Summarize.\n\n{{ transcript }}", **fields)


@pytest.fixture
def run(tmp_path):
    """A run of 100 records in one job."""
    return prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="demo")


@pytest.fixture
def half_done(set_up_emulator, tmp_path):
    """A run of 200 records whose job failed after 100, on an account that has no faults any more."""
    set_up_emulator(faults={"job-failed": 1})
    run = prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(JobError):
        submit(run)
    set_up_emulator()
    return run


@pytest.fixture
def list_account(emulator):
    """List the names of the account's jobs, the first one first."""
    return lambda: sorted(
        job["jobName"] for job in emulator.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]
    )
