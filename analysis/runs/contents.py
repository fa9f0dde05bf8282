"""Contents: all that there is of a run, in its folder, beside it and in S3, and what beside that is not its own."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from analysis.aws.cures import s3_errors
from analysis.aws.versions import Listing, StoredVersion, list_versions
from analysis.errors import RunError
from analysis.files import DRAFT, LOCK
from analysis.jobs.batch import PlannedJob
from analysis.jobs.ledger import JobState
from analysis.runs.folder import Run
from analysis.runs.invocation import Claim
from analysis.runs.place import RUN_FILE
from analysis.runs.state import RunState

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CLAIM = "on-demand.json"
# What else a stored run has in S3.
STORED = {
    "run.json": "run",
    "files.parquet": "run",
    "ledger.jsonl": "ledger",
    "calls/": "calls",
    "records/": "records",
    "outputs/": "answers taken over",
    "attempts/": "repairs",
}
# What a run has in S3: a folder for the input of each try, named by its content, and one with a folder for each job.
INPUT = re.compile(r"(?P<root>s3://[^/]+/(?:.+/)?)input/[^/]+-[0-9a-f]{8}/")
OUTPUT = re.compile(r"(?P<root>s3://[^/]+/(?:.+/)?)output/")
JOB_ID = re.compile(r"[0-9A-Za-z]+")
RANDOM = "[a-z0-9_]{8}"  # what the names of drafts have, so that those of run `a` are not those of `a-b`


@dataclass(frozen=True)
class Part:
    """One place with something of a run: `what` it is, `where`, and how many files and bytes it has."""

    what: str
    where: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Objects:
    """What is in S3 below the folder of a run.

    Attributes
    ----------
    parts
        One for each folder of the run's own.
    own, foreign
        Versions and uploads that this run, or a job of it, wrote; and those beside them that it did not.
    hidden
        Rights that are missing, so that there may be more.
    """

    parts: list[Part]
    own: list[StoredVersion]
    foreign: list[StoredVersion]
    hidden: list[str]


def measure_folder(what: str, folder: Path) -> Part:
    """Count the files below a folder and their bytes; what a link leads to is not counted."""
    files = size = 0
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]  # noqa: PTH114, PTH118
        for name in [*names, *links]:
            files, size = files + 1, size + os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118
    return Part(what, str(folder), files, size)


def find_drafts(folder: Path) -> list[Path]:
    """List the unfinished folders beside a run: of preparing it, or of deleting it, when a process was killed."""
    name = re.compile(rf"\.{re.escape(folder.name)}-{RANDOM}{re.escape(DRAFT)}")
    beside = sorted(folder.parent.iterdir()) if folder.parent.is_dir() else []
    found = [path for path in beside if name.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    return [path for path in found if not is_in_use(path)]


def is_in_use(draft: Path) -> bool:
    """Whether a process that runs holds the lock of a draft."""
    from filelock import FileLock, Timeout

    if (draft / LOCK).exists():
        try:
            FileLock(draft / LOCK, timeout=0).acquire().lock.release()
        except Timeout:
            return True
    return False


def find_reports(folder: Path, reports: Path) -> Path | None:
    """Find the reports of a run: a folder of its name with notebooks or pages; None where there is none."""
    place = reports / folder.name
    if place.is_symlink() or not place.is_dir() or place.resolve() == folder.resolve():
        return None
    return place if any(path.suffix in {".ipynb", ".html"} for path in place.iterdir()) else None


def find_roots(run: Run, tries: Iterable[JobState]) -> list[str]:
    """Find the folders in S3 that hold what tries of jobs read and wrote; each has the name of its run."""
    matches = [OUTPUT.fullmatch(each.output_uri) or INPUT.fullmatch(each.input_uri) for each in tries]
    roots = {found["root"] for found in matches if found}
    return sorted(root for root in roots if root.endswith(f"/{run.name}/"))


def list_own_folders(root: str, planned: Sequence[PlannedJob], tries: Sequence[JobState]) -> dict[str, str]:
    """List the folders, and of a run in S3 the files, below a root that are the run's own, each with what it is.

    The name of a folder of input has a digest of its content, so one that was uploaded by a process that was killed
    before it noted so is known as well; a folder of output is named by its job.
    """
    folders = {each.input_uri: "input" for each in tries if INPUT.fullmatch(each.input_uri)}
    folders |= {f"{root}input/{job.key}-{job.digest[:8]}/": "input" for job in planned if job.sha256}
    folders |= {
        f"{root}input/{each.folder}-{each.digest[:8]}/": "input" for each in tries if each.folder and each.digest
    }
    folders |= {f"{root}input/{name}/": "input" for name in name_further_inputs(planned)}
    jobs = [each.job_id for each in tries if JOB_ID.fullmatch(each.job_id)]
    folders |= {f"{root}output/{job_id}/": "output" for job_id in jobs}
    stored = [job.uri for job in planned if job.uri and job.attempt == 1]
    if stored:
        folders |= dict.fromkeys(stored, "input") | {f"{root}{name}": what for name, what in STORED.items()}
    return {folder: what for folder, what in folders.items() if folder.startswith(root)}


def name_further_inputs(planned: Sequence[PlannedJob]) -> Iterator[str]:
    """Yield the names in S3 of the input of further tries, from what the run's folder has of it."""
    jobs = {job.key: job for job in planned}
    for place in sorted({job.files[0].parents[1] for job in planned if job.files}):
        for folder in sorted(place.iterdir()) if place.is_dir() else []:
            job = jobs.get(folder.name.rpartition("-")[0])
            if job is not None and folder.is_dir():
                yield f"{folder.name}-{job.digest_files(sorted(folder.glob('*.jsonl')))[:8]}"


def find_objects(roots: Sequence[str], state: RunState, s3: S3Client) -> Objects:
    """Find what a run has in S3, and what beside that is not its own.

    Raises
    ------
    StorageError
        S3 cannot be reached, or refuses to list.
    """
    parts: list[Part] = []
    own: list[StoredVersion] = []
    foreign: list[StoredVersion] = []
    hidden: list[str] = []
    for root in roots:
        listing: Listing = list_versions(root, s3=s3)
        folders = list_own_folders(root, state.planned, state.tries)
        groups: dict[str, list[StoredVersion]] = {folder: [] for folder in folders}
        for each in listing.found:
            folder = find_folder(each.uri, root, folders)
            if each.uri == f"{root}{CLAIM}" and is_own_claim(each, state.run, s3):
                groups.setdefault(each.uri, []).append(each)
            elif folder in groups:
                groups[folder].append(each)
            else:
                foreign.append(each)
        for where, versions in groups.items():
            parts += describe_versions(folders.get(where, "note of who answers"), where, versions)
            own += versions
        hidden += listing.hidden
    return Objects(parts, own, foreign, sorted({*hidden}))


def join_objects(found: Sequence[Objects]) -> Objects:
    """Join what was found in several Regions."""
    return Objects(
        parts=[part for each in found for part in each.parts],
        own=[version for each in found for version in each.own],
        foreign=[version for each in found for version in each.foreign],
        hidden=sorted({right for each in found for right in each.hidden}),
    )


def find_folder(uri: str, root: str, folders: Container[str]) -> str:
    """Return which of some folders has an object: `input/<job>/` or `output/<job id>/` below a root, or `records/`."""
    names = uri.removeprefix(root).split("/")
    places = [f"{root}{'/'.join(names[:depth])}/" for depth in (1, 2) if depth < len(names)]
    return next((place for place in [uri, *places] if place in folders), "")


def describe_versions(what: str, where: str, versions: Sequence[StoredVersion]) -> Iterator[Part]:
    """Yield a part each for the objects of a folder, for earlier versions of them, and for unfinished uploads."""
    kinds = {
        f"{what} in S3": [each for each in versions if not each.upload_id and each.is_latest],
        f"{what} in S3, earlier versions": [each for each in versions if not each.upload_id and not each.is_latest],
        f"{what} in S3, unfinished uploads": [each for each in versions if each.upload_id],
    }
    for kind, group in kinds.items():
        if group:
            yield Part(kind, where, len(group), sum(each.bytes for each in group))


def is_own_claim(note: StoredVersion, run: Run, s3: S3Client) -> bool:
    """Whether the note of who answers a run on demand names this folder on this machine."""
    own = Claim(platform.node(), str(run.folder.resolve()))
    with s3_errors(note.uri):
        try:
            body = s3.get_object(Bucket=note.bucket, Key=note.key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return False
            raise
    try:
        return msgspec.json.decode(body, type=Claim).place == own.place
    except msgspec.DecodeError:
        return False


def list_copies(run: Run, tries: Sequence[JobState]) -> list[str]:
    """List the folders beside a run that are copies of it: they have jobs, and so objects in S3, together."""
    own = {each.job_arn for each in tries if each.job_arn}
    copies = []
    for other in run.list_beside():
        try:
            is_copy = other.name == run.name and any(each.job_arn in own for each in other.ledger.replay())
        except (RunError, msgspec.DecodeError):
            continue  # what cannot be read is no run that could be collected again
        if is_copy:
            copies.append(other.folder.name)
    return copies


def list_takers(run: Run) -> list[str]:
    """List the runs beside this one that have copies of its answers."""
    taken = run.folder.resolve().parent.glob(f"*/outputs/taken-{run.folder.name}.parquet")
    return sorted(path.parents[1].name for path in taken if (path.parents[1] / RUN_FILE).exists())
