"""Accounts: the one that a run was sent to is opened again, and any other one is refused."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.aws.session import EMULATOR, emulator_folder, name_account, open_session
from analysis.errors import RunError
from analysis.runs.folder import Run
from analysis.runs.state import RunState

if TYPE_CHECKING:
    import boto3


def open_sent(state: RunState, profile: str, region: str) -> dict[str, boto3.Session]:
    """Open a session of the account that a run was sent to in each Region of its jobs, by the names of these.

    An empty profile or region is as it was sent.

    Raises
    ------
    RunError
        Nothing has been sent, or profile or emulator are of another account.
    """
    profile, region = state.find_account(profile, region)
    sessions = {there: open_session(profile, region=there) for there in state.split_by_region(region)}
    check_account(state.run, state.sending, name_account(next(iter(sessions.values()))))
    return sessions


def check_account(run: Run, sent: Mapping[str, Any], account: str) -> None:
    """Raise where an account is another one than a run was sent to; it may be the same where either is not known."""
    # Another account knows neither jobs nor objects of the run: all would be missing, and be paid for again.
    before = str(sent.get("account", ""))
    if before and account and before != account:
        reason = f"was sent to the account {before}, and this is {account}"
        raise RunError(run.folder, reason, find_way_back(sent))


def find_way_back(sent: Mapping[str, Any]) -> str:
    """Return what to do to reach the account that a run was sent to."""
    if sent.get("profile") != EMULATOR:
        return "give profile and region of that account"
    here = shlex.quote(str(emulator_folder()))
    if folder := sent.get("emulator"):
        return f"set BEDROCK_LOCAL={shlex.quote(folder)}, the emulator's folder then; it is {here} now"
    return f"set BEDROCK_LOCAL to the emulator's folder then; it is {here} now"
