"""The settings of an emulator folder, in `settings.json`: clock, quotas, faults, and what Bedrock leaves open."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec

from bedrock_local.faults import check_faults
from bedrock_local.files import read_file, write_file
from bedrock_local.protocol.errors import SettingsError
from bedrock_local.protocol.job_status import UnfinishedStatus
from bedrock_local.responders.process_state import PROCESS
from bedrock_local.responders.selection import find_kind

# Least seconds of each status. `realistic` adds up to the 8 minutes that users of "Monitor batch inference jobs"
# report for a small job: about 5 in the queue, then a few of work.
PRESETS: dict[str, dict[UnfinishedStatus, float]] = {
    "instant": {"Submitted": 0.05, "Validating": 0.05, "Scheduled": 0.05, "InProgress": 0.0, "Stopping": 0.05},
    "realistic": {"Submitted": 60, "Validating": 60, "Scheduled": 180, "InProgress": 180, "Stopping": 30},
}
# "Amazon Bedrock endpoints and quotas" of 2026 and of 2024.
QUOTAS: dict[str, dict[str, int]] = {
    "2026": {
        "min_records": 100,
        "max_file_records": 100_000,
        "max_job_records": 100_000,
        "max_file_bytes": 1_000_000_000,
        "max_job_bytes": 5_000_000_000,
        "max_unfinished_jobs": 100,
    },
    "2024": {
        "min_records": 1_000,
        "max_file_records": 50_000,
        "max_job_records": 50_000,
        "max_file_bytes": 200_000_000,
        "max_job_bytes": 1_000_000_000,
        "max_unfinished_jobs": 3,
    },
}

Quota = Literal[
    "min_records", "max_file_records", "max_job_records", "max_file_bytes", "max_job_bytes", "max_unfinished_jobs"
]
# The account number that AWS uses in its own examples.
ACCOUNT = "123456789012"
NEW_NS = 10**9
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


# Unknown fields are errors: a misspelt setting must not be ignored.
class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the emulator behaves in one folder.

    Attributes
    ----------
    clock
        Preset of the least time of each status.
    seconds
        Seconds by status, in place of the preset's.
    records_per_second
        How many records of a job run in a second of its clock at most; no limit when missing.
    speed
        How many times faster than the wall clock a job's time runs, 0.001 to 1,000,000; timeouts run with it.
    work_seconds
        How long a request about a job works on it.
    quotas
        Year of the quotas: `2026` or `2024`.
    min_records, max_file_records, max_job_records, max_file_bytes, max_job_bytes, max_unfinished_jobs
        Quotas in place of that year's; the last one limits the jobs of a model that have not ended.
    account
        Number of the account, 12 digits; jobs that exist keep the ARNs that they were given.
    responder
        Responder: `extract`; the URL of an OpenAI-compatible endpoint (`http://127.0.0.1:8080/v1`); the path of a file
        of recorded answers (`answers.jsonl`); or `worker`, for processes that have a responder of their own.
    responder_model
        Name of the model at the endpoint; when empty, the model id of the request.
    responder_workers
        How many requests the endpoint gets at once.
    over_quota
        Whether jobs beyond `max_unfinished_jobs` are refused at Create, or queued as Submitted.
    input_check
        Where invalid input is found: in validation, which ends as a Failed job, or at Create already.
    strict
        Whether rules that nobody has confirmed refuse what may be wrong, so that a program which works here works on
        AWS; otherwise they let pass what may be right, so that a program which works on AWS works here.
    reused_token
        What a `clientRequestToken` with other parameters gives: the `first` job, a `new` one, or a refusal (`refuse`);
        by default the first, and a refusal where `strict`.
    roles
        Whose roles jobs may have: of `any` account, or the account's `own`; by default of any, and its own where
        `strict`.
    ended_models
        What becomes of models that have left Bedrock by the emulator's clock: `keep` or `refuse`; by default they are
        kept, since published programs name them, and refused where `strict`.
    name_error, stop_error
        Class of the error for a job name in use, and for a stop of a job that has ended.
    head_seconds
        How long the head of a request over HTTP may take to arrive, from its first byte on.
    body_seconds
        How long the body of a request over HTTP is waited for, and one second more for each 1,000 bytes of it.
    page_jobs
        Jobs per page of List when the request has no `maxResults`.
    unprocessed_records
        Records that a stopped or partial job did not process: `absent`, or error lines marked `expired`.
    faults
        Rate of each fault, 0 to 1, by its name in `faults.py`; one of a request may name an operation, as in
        `throttled:GetModelInvocationJob`.
    seed
        Chooses the targets of the faults.
    """

    clock: Literal["instant", "realistic"] = "instant"
    seconds: dict[UnfinishedStatus, NotNegative] = {}
    records_per_second: Annotated[float, msgspec.Meta(gt=0)] | None = None
    speed: Annotated[float, msgspec.Meta(ge=0.001, le=1e6)] = 1.0
    work_seconds: NotNegative = 0.2
    quotas: Literal["2026", "2024"] = "2026"
    min_records: int | None = None
    max_file_records: int | None = None
    max_job_records: int | None = None
    max_file_bytes: int | None = None
    max_job_bytes: int | None = None
    max_unfinished_jobs: int | None = None
    account: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{12}\Z")] = ACCOUNT
    responder: str = "extract"
    responder_model: str = ""
    responder_workers: Annotated[int, msgspec.Meta(ge=1)] = 8
    over_quota: Literal["refuse", "queue"] = "refuse"
    input_check: Literal["validation", "create"] = "validation"
    strict: bool = False
    reused_token: Literal["first", "new", "refuse"] | None = None
    roles: Literal["any", "own"] | None = None
    ended_models: Literal["keep", "refuse"] | None = None
    name_error: Literal["ConflictException", "ValidationException"] = "ConflictException"
    stop_error: Literal["ConflictException", "ValidationException"] = "ValidationException"
    head_seconds: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    body_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    page_jobs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    unprocessed_records: Literal["absent", "expired"] = "absent"
    faults: dict[str, Rate] = {}
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse unknown faults and responders."""
        check_faults(self.faults)
        find_kind(self.responder)

    def choose_reused_token(self) -> str:
        """Return what a token with other parameters gives: `first`, `new` or `refuse`."""
        return self.reused_token or ("refuse" if self.strict else "first")

    def choose_roles(self) -> str:
        """Return whose roles jobs may have: `any` or `own`."""
        return self.roles or ("own" if self.strict else "any")

    def choose_ended_models(self) -> str:
        """Return what becomes of models that have ended: `keep` or `refuse`."""
        return self.ended_models or ("refuse" if self.strict else "keep")

    def minimum_seconds(self, status: UnfinishedStatus) -> float:
        """Seconds of the job's clock that a status lasts at least."""
        return self.seconds.get(status, PRESETS[self.clock][status])

    def quota(self, name: Quota) -> int:
        """Return a quota: the folder's own number, or that of its year."""
        own: int | None = getattr(self, name)
        return QUOTAS[self.quotas][name] if own is None else own


def read_settings(folder: Path) -> Settings:
    """Read the settings of a folder; what is missing in the file has its default.

    A file that has not changed is not read again, since every request asks for its settings.
    """
    path = f"{folder}/settings.json"
    try:
        stat = os.stat(path)  # noqa: PTH116 -- `Path` takes as long as all the rest
        state, known = (stat.st_ino, stat.st_size, stat.st_mtime_ns), PROCESS.settings.get(path)
        if known and known[0] == state:
            return cast("Settings", known[1])
        settings = msgspec.json.decode(read_file(path), type=Settings)
    except FileNotFoundError:
        return Settings()
    except msgspec.DecodeError as error:
        reason = f"{path}: {explain(error)}; correct it, or delete the file for the defaults"
        raise SettingsError(reason) from error
    # A file may change twice within a tick of the file system's clock: a new one is read each time.
    if time.time_ns() - stat.st_mtime_ns > NEW_NS:
        PROCESS.settings[path] = state, settings
    return settings


def write_settings(folder: Path, settings: Settings) -> None:
    """Write the settings of a folder for every process that uses it; raise a SettingsError for invalid values."""
    check_fields(msgspec.structs.asdict(settings))
    write_file(folder / "settings.json", msgspec.json.format(msgspec.json.encode(settings)) + b"\n")


def change_settings(folder: Path, **changes: Any) -> Settings:
    """Change some settings of a folder, and keep the others; raise a SettingsError for invalid values."""
    settings = check_fields(msgspec.structs.asdict(read_settings(folder)) | changes)
    write_settings(folder, settings)
    return settings


def check_fields(fields: dict[str, Any]) -> Settings:
    """Build settings, and check the type of each value, which the constructor of a struct does not."""
    try:
        return msgspec.convert(fields, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(explain(error)) from error


def report_once(error: SettingsError) -> None:
    """Print what is wrong with the settings to stderr, once in a process: every request and every job meets it."""
    if str(error) not in PROCESS.reported:
        PROCESS.reported.add(str(error))
        print(f"bedrock_local: {error}", file=sys.stderr, flush=True)


def explain(error: msgspec.DecodeError) -> str:
    """Describe which setting is invalid and why, with the choices where it has some."""
    reason, _, place = str(error).partition(" - at ")
    found = re.search(r"\$\.(\w+)", place)
    if "unknown field" in reason:
        return f"{reason}; choose from {', '.join(Settings.__struct_fields__)}"
    if not found:
        return reason
    if "enum value" in reason:
        kind = get_type_hints(Settings)[found[1]]
        # In a dictionary the choice is among its keys; where there may be none, in the first of two types.
        inside = [each for each in (kind, *get_args(kind)) if get_origin(each) is Literal]
        reason += f"; choose from {', '.join(get_args(inside[0]))}"
    return f"{found[1]}: {reason}"
