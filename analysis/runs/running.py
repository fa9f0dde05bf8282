"""Running jobs: ask Bedrock how those of a run are, and stop them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import polars as pl
from botocore.exceptions import BotoCoreError, ClientError

from analysis.aws.session import make_client
from analysis.errors import AnalysisError
from analysis.files import explain_file_errors
from analysis.jobs import steps
from analysis.jobs.batch import PlannedJob, refresh_jobs
from analysis.runs.accounts import open_sent
from analysis.runs.folder import RunSource, open_run
from analysis.runs.sending import explain_outage
from analysis.runs.sharing import read_copy, share_ledger
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
    run = open_run(run, profile=profile, region=region)
    read_copy(run)
    state = read_state(run)

    def refresh(planned: Sequence[PlannedJob], bedrock: BedrockClient) -> None:
        with state.ledger.lock():
            refresh_jobs(planned, state.ledger, bedrock)

    do_in_each_region(state, profile, region, refresh if state.has_jobs else lambda *_: None)
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
    run = open_run(run, profile=profile, region=region)
    read_copy(run)
    state = read_state(run)
    do_in_each_region(state, profile, region, lambda planned, bedrock: steps.stop_jobs(planned, state.ledger, bedrock))
    share_ledger(run)
    return tabulate_jobs(state.read_on())


def do_in_each_region(
    state: RunState, profile: str, region: str, work: Callable[[Sequence[PlannedJob], BedrockClient], None]
) -> None:
    """Do something with the jobs of each Region; what is raised in one does not keep it from the others."""
    _, home = state.find_account(profile, region)
    sessions = open_sent(state, profile, region)
    errors: list[Exception] = []
    for there, part in state.split_by_region(home).items():
        try:
            with explain_outage(state.run):
                work(part.planned, make_client(sessions[there], "bedrock"))
        except (AnalysisError, BotoCoreError, ClientError) as error:
            errors.append(error)
    if errors:
        raise errors[0]
