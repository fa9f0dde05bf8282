"""Running jobs: ask Bedrock how those of a run are, and stop them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from analysis.aws.session import make_client
from analysis.files import explain_file_errors
from analysis.jobs import steps
from analysis.jobs.batch import refresh_jobs
from analysis.runs.accounts import open_sent
from analysis.runs.folder import RunSource, open_run
from analysis.runs.sending import explain_outage
from analysis.runs.state import RunState, read_state
from analysis.runs.status import tabulate_jobs

if TYPE_CHECKING:
    from types_boto3_bedrock import BedrockClient


@explain_file_errors()
def update_jobs(run: RunSource, *, profile: str = "", region: str = "") -> pl.DataFrame:
    """Ask Bedrock how the jobs of a run are, and return them; none is created.

    Parameters
    ----------
    run
        A run that has been sent, or its folder or name; of one on demand there is nothing to ask.
    profile, region
        As in `submit`; empty for those that the run was sent with.

    Returns
    -------
    frame
        One row per job and try, as `load_jobs`.

    Raises
    ------
    RunError
        Nothing has been sent, or profile or emulator are of another account.
    JobError
        Bedrock refuses to tell, or cannot be reached.
    """
    run = open_run(run)
    state = read_state(run)
    bedrock = open_bedrock(state, profile, region)
    if state.has_jobs:
        with explain_outage(run), state.ledger.lock():
            refresh_jobs(state.planned, state.ledger, bedrock)
    return tabulate_jobs(state.read_on())


@explain_file_errors()
def stop(run: RunSource, *, profile: str = "", region: str = "") -> pl.DataFrame:
    """Stop the jobs of a run that have not ended; what was processed until then is charged, and can be collected.

    Parameters
    ----------
    run
        A run that has been submitted.
    profile, region
        As in `submit`; empty for those that the run was sent with.

    Returns
    -------
    frame
        One row per job, as `load_jobs`.

    Raises
    ------
    RunError
        Nothing has been sent, or profile or emulator are of another account.
    """
    run = open_run(run)
    state = read_state(run)
    bedrock = open_bedrock(state, profile, region)
    with explain_outage(run):
        steps.stop_jobs(state.planned, state.ledger, bedrock)
    return tabulate_jobs(state.read_on())


def open_bedrock(state: RunState, profile: str, region: str) -> BedrockClient:
    """Open the client of the account that the run was sent to."""
    return make_client(open_sent(state, profile, region), "bedrock")
