"""Sending: one process at a time, to one account, with errors of the network that say how to go on."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import msgspec
from botocore.exceptions import ClientError, ProxyConnectionError

from analysis.aws.cures import PROXY
from analysis.aws.session import EMULATOR, NETWORK_ERRORS, emulator_folder, is_passing, read_answering
from analysis.errors import JobError, RunError
from analysis.files import replace_when_whole
from analysis.runs.budget import check_target
from analysis.runs.folder import SENT_FILE, Run
from analysis.runs.sharing import hold_run
from analysis.runs.state import RunState


@contextmanager
def lock_sending(run: Run, *, wait_s: float) -> Iterator[None]:
    """Allow one process at a time to send a run, and of a run in S3 one machine: two would pay for it twice."""
    with lock_folder(run, wait_s=wait_s), hold_run(run):
        yield


@contextmanager
def lock_folder(run: Run, *, wait_s: float) -> Iterator[None]:
    """Allow one process of this machine at a time to send a run."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(run.folder / "sending.lock", timeout=wait_s):
            yield
    except Timeout as error:
        raise RunError(run.folder, "another process is sending this run", "wait for it, or stop it") from error


@contextmanager
def explain_outage(run: Run) -> Iterator[None]:
    """Raise a JobError that says how to continue when there is no network, or Bedrock has been too busy for minutes."""
    try:
        yield
    except (*NETWORK_ERRORS, ClientError) as error:
        if not is_passing(error):
            raise
        network = PROXY if isinstance(error, ProxyConnectionError) else "check the network and the region's name"
        cause = "the service is busy" if isinstance(error, ClientError) else network
        raise JobError(run.name, str(error), f"{cause}; do the same again later, nothing is sent twice") from error


def write_sending(
    state: RunState, target: Mapping[str, str], *, bucket_owner: str = "", options: Mapping[str, Any] | None = None
) -> None:
    """Write to the ledger how, where and with which versions the run is sent, and who answers; once per change.

    The options are those of `submit` that a repair sends again.
    """
    check_target(state, target)
    target = {**target, "account": target["account"] or str(state.sending.get("account", ""))}
    versions = {name: version(name) for name in ("batchbook", "boto3")} | {"python": platform.python_version()}
    sending: dict[str, Any] = {**target, "bucket_owner": bucket_owner, "options": options or {}, "versions": versions}
    if target["profile"] == EMULATOR:
        sending["answering"] = read_answering()  # its settings may be others when the report is read
        sending["emulator"] = str(emulator_folder().resolve())
    if any(state.sending.get(name) != value for name, value in sending.items()):
        # Beside the ledger, so that one that is lost is not taken for one of a run that was never sent.
        with replace_when_whole(state.run.folder / SENT_FILE) as unfinished:
            unfinished.write_bytes(msgspec.json.encode(target))
        state.ledger.append("sending", **sending)
