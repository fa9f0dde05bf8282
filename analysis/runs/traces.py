"""Traces: what the account of a run has of it, by the jobs that Bedrock lists and the objects that S3 does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from analysis.aws.session import EMULATOR, EMULATOR_BUCKET, make_client, name_account, open_session
from analysis.aws.storage import open_bucket, parse_s3_uri
from analysis.display import count
from analysis.errors import AnalysisError, RunError, show_path
from analysis.jobs.batch import bedrock_errors, index_by_prefix, list_jobs, read_job, read_try
from analysis.jobs.ledger import JobState
from analysis.jobs.statuses import INTENDED
from analysis.runs.accounts import check_account
from analysis.runs.contents import Objects, find_objects, find_roots, join_objects, list_copies
from analysis.runs.regions import name_bucket
from analysis.runs.sending import explain_outage
from analysis.runs.state import ON_DEMAND, RunState

if TYPE_CHECKING:
    from types_boto3_bedrock import BedrockClient
    from types_boto3_s3 import S3Client

PREFIX = "batchbook"
# After which Bedrock lists a job whose request it has got; one that is not listed then was never created.
INTENT_S = 600
SHOWN = 3  # names of foreign objects in a message
LOCAL = "local_only=True (--local-only) deletes what is on this machine alone"


@dataclass(frozen=True)
class Access:
    """How the account of a run is reached, as `delete` is told; what is empty is as the run was sent."""

    profile: str
    region: str
    bucket: str
    prefix: str
    bucket_owner: str


def describe_left(state: RunState) -> Iterator[str]:
    """Describe what stays in an account that is left alone."""
    roots = find_roots(state.run, state.tries)
    if state.run.place is not None:
        yield f"What is in S3 stays, the calls too: {state.run.place.uri}."
    elif roots:
        yield f"What is in S3 stays: {', '.join(roots)}."
    elif state.sending or state.run.read_target():
        yield "What is in S3 stays, if the run has put anything there."
    running = [f"{each.job_key} ({each.status})" for each in list_running(state)]
    if running:
        yield f"Jobs that were running when last seen go on, and are charged: {', '.join(running)}."


def find_remote(
    state: RunState, access: Access, now: Callable[[], float]
) -> tuple[Objects, dict[str, S3Client], list[str]]:
    """Find what the account of a run has of it, with a client for each bucket, and sentences on what stays there.

    Raises
    ------
    AnalysisError
        The account cannot be reached, is another one, or is still working on the run.
    """
    run, sent = state.run, {**state.run.read_target(), **state.sending}
    place = run.place
    if not sent and not access.bucket and place is None:
        note = "Nothing says that it was sent: if it was, its objects are in S3 still, and --bucket NAME finds them."
        return Objects([], [], [], []), {}, [note]
    clients: dict[str, S3Client] = {}
    roots: list[str] = []
    found: list[Objects] = []
    try:
        with explain_outage(run):
            profile, home = access.profile or sent.get("profile", ""), access.region or sent.get("region", "")
            if place is not None:
                profile, home = access.profile or place.profile, home or place.region
            parts = state.split_by_region(home)
            sessions = {there: open_session(profile, region=there) for there in parts}
            check_account(run, sent, name_account(next(iter(sessions.values()))))
            parts = {there: refresh(part, sent, sessions[there], now) for there, part in parts.items()}
            state = replace(state, tries=tuple(each for part in parts.values() for each in part.tries))
            for there, part in parts.items():
                s3 = open_bucket(sessions[there], owner=access.bucket_owner or str(sent.get("bucket_owner", "")))
                # One bucket for several Regions is that of a run on demand.
                own = [root for root in list_roots(part, sent, access, there) if root not in roots]
                found.append(find_objects(own, state, s3))
                clients |= {parse_s3_uri(root)[0]: s3 for root in own}
                roots += own
            if not roots and not state.sending:
                reason = "its ledger is lost, and the account lists no job of it, so its objects in S3 cannot be found"
                raise RunError(run.folder, reason, "give --bucket NAME, or put ledger.jsonl back")
    except AnalysisError as error:
        if LOCAL in error.cure or "batchbook stop" in error.cure:
            raise
        raise type(error)(error.where, error.reason, f"{error.cure}; {LOCAL}") from error
    objects, copies = join_objects(found), list_copies(run, state.tries)
    if copies:
        note = f"{', '.join(copies)} is a copy of this run with the same jobs: their objects in S3 stay."
        return Objects([], [], [], []), {}, [note]
    return objects, clients, [*describe_remote(state, objects, roots)]


def refresh(state: RunState, sent: dict[str, Any], session: Any, now: Callable[[], float]) -> RunState:
    """Ask Bedrock how the jobs of a run are, those too that its ledger lost.

    Raises
    ------
    RunError
        Jobs are running, or one may have been created a moment ago.
    """
    if sent.get("invocation") != ON_DEMAND:
        state = replace(state, tries=tuple(find_tries(state, make_client(session, "bedrock"))))
    folder = state.run.folder
    running = [each for each in list_running(state) if each.job_arn]
    if running:
        reason = f"{count(len(running), 'job')} still at work, such as {running[0].job_key} ({running[0].status})"
        raise RunError(folder, reason, f"end them first, by `batchbook stop {folder.name}`, or wait for them")
    fresh = [each for each in list_running(state) if now() - find_intent(state, each) < INTENT_S]
    if fresh:
        reason = f"Bedrock may have got {fresh[0].job_key} a moment ago, and does not list it yet"
        cure = f"delete it in {INTENT_S // 60} minutes, or end it by `batchbook stop {folder.name}`"
        raise RunError(folder, reason, cure)
    return state


def find_tries(state: RunState, bedrock: BedrockClient) -> Iterator[JobState]:
    """Yield the tries of the ledger and those of the account by the names of the jobs, as the account has them now."""
    known = {(each.job_key, each.job_try): each for each in state.tries}
    prefix = state.planned[0].run_prefix if state.planned else ""
    listed = index_by_prefix(list_jobs(bedrock, nameContains=prefix)) if prefix else {}
    found = {}
    for job in state.planned:
        # The name has a digest of the input, which of an early run only its files tell.
        if job.sha256 or all(file.exists() for file in job.files):
            for summary in listed.get(job.prefix, []):
                key = (job.key, read_try(summary["jobName"], job))
                found[key] = replace(known.get(key, JobState(*key)), **read_job(summary))
    yield from (each for key, each in found.items() if key[1])  # other names are of runs with another content
    for key, each in known.items():
        if key not in found:
            yield fetch_state(each, bedrock) if each.job_arn and not each.is_finished else each


def fetch_state(state: JobState, bedrock: BedrockClient) -> JobState:
    """Ask Bedrock for a job that it does not list."""
    with bedrock_errors(state.job_arn):
        return replace(state, **read_job(bedrock.get_model_invocation_job(jobIdentifier=state.job_arn)))


def list_running(state: RunState) -> list[JobState]:
    """List the tries that Bedrock has, or may have, and that have not ended as far as the ledger says."""
    return [each for each in state.tries if not each.is_finished and (each.job_arn or each.status == INTENDED)]


def find_intent(state: RunState, each: JobState) -> float:
    """Find when the request for a job was noted, in seconds; 0 where no line says so."""
    key = (each.job_key, each.job_try)
    times = [
        datetime.fromisoformat(event["at"]).timestamp()
        for event in state.ledger.read()
        if event["event"] == INTENDED and (event.get("job_key"), event.get("job_try")) == key
    ]
    return max(times, default=0)


def list_roots(state: RunState, sent: dict[str, Any], access: Access, region: str) -> list[str]:
    """List the folders in S3 that the run wrote to in a Region, or may have written to."""
    if state.run.place is not None:
        return [state.run.place.uri]
    options, profile = sent.get("options", {}), str(sent.get("profile", ""))
    places = [(access.bucket, access.prefix), (options.get("bucket", ""), options.get("prefix", PREFIX))]
    if profile == EMULATOR:
        places.append((EMULATOR_BUCKET, PREFIX))
    given = {
        "s3://" + "/".join(part for part in (name, folder.strip("/"), state.run.name) if part) + "/"
        for bucket, folder in places
        if bucket and (name := name_bucket(bucket, region, profile=profile))
    }
    return sorted(given.union(find_roots(state.run, state.tries)))


def describe_remote(state: RunState, objects: Objects, roots: Sequence[str]) -> Iterator[str]:
    """Describe what stays in the account, and what cannot be seen there."""
    if objects.foreign:
        names = ", ".join(show_path(uri) for uri in sorted({each.uri for each in objects.foreign})[:SHOWN])
        yield f"{count(len(objects.foreign), 'object')} beside these that no job of this run wrote will stay: {names}."
    if objects.hidden:
        what = "earlier versions and unfinished uploads, if there are any, cannot be seen and may stay"
        yield f"Without {', '.join(objects.hidden)} {what}."
    if not roots:
        yield "Where it may have written in S3 is not known: --bucket NAME looks there."
    jobs = len(state.job_keys)
    if jobs:
        yield f"Bedrock keeps the {'name' if jobs == 1 else 'names'} of {count(jobs, 'job')}, without any text."
        yield "The same run, prepared again under its name, finds these without answers: `batchbook repair` asks again."
