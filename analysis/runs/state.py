"""The state of a run: what it has planned and every try of it, read once for all that one step decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from analysis.aws.session import EMULATOR
from analysis.errors import RunError
from analysis.jobs.batch import MOST_TRIES, PlannedJob, hash_file
from analysis.jobs.ledger import JobState, Ledger
from analysis.jobs.statuses import PLANNED, PRODUCTIVE, REFUSED, TAKEN
from analysis.outputs import scan_parts
from analysis.runs.folder import Run

ON_DEMAND = "on_demand"  # the invocation of a run that is answered now


@dataclass(frozen=True)
class RunState:
    """What a run has planned and every try of it, as its folder had it at one moment.

    Attributes
    ----------
    run
        The run.
    ledger
        Where the tries were read, and where what follows is written.
    min_records
        The fewest records that a batch job may have, by model id.
    planned
        The jobs that the run needs.
    tries
        Every try of every job, in the order of their first events.
    sending
        How the run was last sent: `invocation`, `profile`, `region`, `versions`; empty before that.
    on_demand
        Planned jobs of repairs that are too small for a batch job, in a run that was sent to batch jobs: their records
        are answered on demand. All jobs of a run on demand are in `planned`.
    """

    run: Run
    ledger: Ledger
    min_records: Mapping[str, int]
    planned: tuple[PlannedJob, ...]
    tries: tuple[JobState, ...]
    sending: Mapping[str, Any]
    on_demand: tuple[PlannedJob, ...] = ()

    @property
    def all_jobs(self) -> tuple[PlannedJob, ...]:
        """The planned jobs, and those that are answered on demand instead."""
        return (*self.planned, *self.on_demand)

    @property
    def latest_attempt(self) -> int:
        """The number of the latest attempt: 1, or more after a repair."""
        return max((job.attempt for job in self.all_jobs), default=1)

    @property
    def latest_jobs(self) -> list[PlannedJob]:
        """The planned jobs of the latest attempt."""
        return [job for job in self.planned if job.attempt == self.latest_attempt]

    def read_on(self) -> RunState:
        """Return the state with what has been added to the ledger since."""
        tries = tuple(self.ledger.replay())
        return replace(self, tries=tries, sending=self.ledger.sending)

    @cached_property
    def pairs(self) -> list[tuple[PlannedJob, JobState]]:
        """Each planned job with its latest try; one that the ledger does not have is `planned`."""
        latest = {state.job_key: state for state in sorted(self.tries, key=lambda state: state.job_try)}
        return [(job, latest.get(job.key, JobState(job.key))) for job in self.planned]

    @cached_property
    def created(self) -> dict[str, list[JobState]]:
        """The tries that Bedrock has created, by the key of their job; an absent job has none."""
        created: dict[str, list[JobState]] = defaultdict(list)
        for state in self.tries:
            if state.job_arn:
                created[state.job_key].append(state)
        return created

    @cached_property
    def job_keys(self) -> dict[str, str]:
        """The planned job of each job id, earlier tries included."""
        return {state.job_id: state.job_key for state in self.tries if state.job_arn}

    @property
    def has_jobs(self) -> bool:
        """Whether Bedrock has, or may have, a job of the run."""
        # The request of an intended job may have arrived although no answer came back.
        return any(state.job_arn or state.status not in {PLANNED, REFUSED, TAKEN} for state in self.tries)

    @property
    def taken_parts(self) -> dict[str, str]:
        """The Parquet parts that were taken over from other runs, by name, each with its SHA-256."""
        return dict(self.ledger.last.get("taken", {}).get("parts", {}))

    @cached_property
    def taken_ids(self) -> frozenset[str]:
        """The ids of the records whose answers were taken over.

        Raises
        ------
        RunError
            What was taken over is missing or damaged.
        """
        parts = self.list_taken_parts()
        return frozenset(scan_parts(parts).select("record_id").collect()["record_id"]) if parts else frozenset()

    def list_taken_parts(self) -> list[Path]:
        """List the parts that were taken over, each compared with its SHA-256 from when it was written.

        Raises
        ------
        RunError
            One is missing or damaged.
        """
        folder = self.run.folder / "outputs"
        if self.run.place is not None:
            self.run.place.keep([folder / name for name in self.taken_parts])
        for name, digest in self.taken_parts.items():
            if not (folder / name).exists() or hash_file(folder / name) != digest:
                cure = "put it back from a copy, or prepare the same under another name: that takes the answers over"
                raise RunError(folder / name, "has answers of another run, and is missing or damaged", cure)
        return [folder / name for name in self.taken_parts]

    def split_by_region(self, region: str) -> dict[str, RunState]:
        """Return by Region what is planned and tried there; the one that is given has what no prompt names another for.

        There is always one part, also where nothing is planned.
        """
        regions = {job.key: job.region or region for job in self.all_jobs}
        return {
            name: replace(
                self,
                planned=tuple(job for job in self.planned if regions[job.key] == name),
                tries=tuple(each for each in self.tries if regions.get(each.job_key, region) == name),
                on_demand=tuple(job for job in self.on_demand if regions[job.key] == name),
            )
            for name in dict.fromkeys(regions.values()) or [region]
        }

    def with_tries(self, tries: Iterable[JobState]) -> RunState:
        """Return the state with further tries."""
        return replace(self, tries=(*self.tries, *tries))

    def is_settled(self, job: PlannedJob, state: JobState) -> bool:
        """Whether a job has ended and is not tried again.

        A job that ended Failed or Expired is tried again while tries are left and enough records have no answer.
        """
        if not state.is_unproductive:
            return state.status in PRODUCTIVE
        if state.status == REFUSED or state.left is None:
            return False
        return state.job_try >= MOST_TRIES or state.left < max(1, self.min_records[job.model_id])

    def find_account(self, profile: str, region: str) -> tuple[str, str]:
        """Return profile and region, an empty one replaced by what the run was last sent with.

        Raises
        ------
        RunError
            Nothing has been sent, or one of the two profiles is the emulator and the other is not.
        """
        folder, sent = self.run.folder, self.sending
        if sent and self.run.place:
            # Another machine may have another name for the account.
            sent = {**sent, "profile": self.run.place.profile}
        if not sent and self.run.read_sent():
            cure = "put ledger.jsonl back, or send the run as before, which finds its jobs"
            raise RunError(folder, "its ledger is lost", cure)
        if not sent:
            raise RunError(folder, "nothing has been sent", "submit or invoke the run first")
        # Two profiles of AWS may belong to one account; the emulator never has the jobs of AWS, nor AWS the emulator's.
        if profile and EMULATOR in {profile, sent["profile"]} and profile != sent["profile"]:
            reason = f"was sent with profile {sent['profile']!r}, not {profile!r}"
            raise RunError(folder, reason, "leave the profile out")
        return profile or sent["profile"], region or sent["region"]


def read_state(run: Run) -> RunState:
    """Read what a run has planned and, from its ledger, every try of it."""
    minima = {model_id: quotas.min_records for model_id, quotas in run.read_quotas().items()}
    ledger = run.ledger
    tries, jobs = tuple(ledger.replay()), plan_jobs(run)
    is_batch = ledger.sending.get("invocation") != ON_DEMAND
    small = tuple(job for job in jobs if is_batch and job.attempt > 1 and job.records < minima[job.model_id])
    planned = tuple(job for job in jobs if job not in small)
    return RunState(run, ledger, minima, planned, tries, ledger.sending, small)


def plan_jobs(run: Run) -> list[PlannedJob]:
    """List the jobs that a run needs, from the table of its input files."""
    # The order of the files is that of the table, since the digest of a job depends on it.
    variant = pl.col("variants").list.first().struct.field("variant")
    jobs = (
        run.read_files()
        .group_by("job_key", maintain_order=True)
        .agg(
            pl.col("model_id", "invocation_type").first(),
            pl.col("records").sum(),
            pl.col("file", "sha256", "input_bytes"),
            variant.first().alias("variant"),  # all variants of a job are of one Region
        )
    )
    regions = run.read_regions()
    planned = []
    for key, model_id, invocation_type, records, names, digests, sizes, of in jobs.rows():
        folder = run.find_input(key)
        paths = tuple(folder / name for name in names)
        known = () if None in digests else tuple(digests)
        there = f"{run.place.find_uri(folder)}/" if run.place else ""
        planned.append(
            PlannedJob(
                key, run.name, model_id, invocation_type, paths, records, known, regions[of], there, tuple(sizes)
            )
        )
    return planned
