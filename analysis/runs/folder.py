"""The run folder: the files of a run, and how to open it again."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from analysis.aws.storage import is_s3_uri
from analysis.display import usd
from analysis.errors import RunError, describe_passed
from analysis.facts.quotas import Quotas
from analysis.files import explain_file_errors, make_folder
from analysis.jobs.keys import read_attempt
from analysis.jobs.ledger import Ledger
from analysis.outputs import OUTPUT_SCHEMA, scan_parts
from analysis.prompts import Prompt, PromptList
from analysis.requests.input_files import describe_files, group_prompts
from analysis.runs.answered import (
    TAKEN_SCHEMA,
    Source,
    describe_answered,
    describe_reusable,
    find_answered,
    pass_over,
)
from analysis.runs.place import RUN_FILE, Place, read_place
from analysis.runs.plan import Plan, make_plan
from analysis.runs.stored import open_stored
from analysis.runs.tables import is_whole, list_table, read_table

RUNS = "runs"
SENT_FILE = "sent.json"  # invocation, profile and region that the run was sent with
PARTS_FILE = "parts.json"  # the parts in outputs/ that collect has made, each with its jobs
WRITTEN = (RUN_FILE, "ledger.jsonl", "manifests.parquet")  # when a run is prepared, sent and collected
ATTEMPTS = "attempts"  # has a folder for each repair, by its number from 2
JUDGE = re.compile(r".+-judge-[0-9]{3,}")  # names of the runs in which answers of others were judged
FORMAT = 1  # of the run folder; each later one has to open those before


@dataclass(frozen=True, repr=False)
class Run:
    """A folder with what was asked, what was sent and what came back; printing it shows the plan.

    Attributes
    ----------
    folder
        Has `run.json`, `calls.parquet`, `records.parquet`, `files.parquet` and `input/` from `prepare`; `ledger.jsonl`
        and `sent.json` from `submit`; `output/`, `outputs/`, `parts.json` and `manifests.parquet` from `collect`. Of a
        run in S3 the calls, the records and the input and output files are there, and `place.json` says where.
    """

    folder: Path

    @cached_property
    def name(self) -> str:
        """The name in `run.json`, part of job names and S3 keys: it stays when the folder is renamed or copied."""
        # Before the first release the folder's name was the run's.
        return str(self.read_request().get("name", self.folder.name))

    @cached_property
    def place(self) -> Place | None:
        """Where in S3 the large files of the run lie; None where all of it is in the folder."""
        return read_place(self.folder)

    @property
    def profile(self) -> str:
        """The AWS profile by which a run in S3 is reached, or any other was last sent; empty before that."""
        return self.place.profile if self.place else str(self.read_sending().get("profile", ""))

    @property
    def is_early(self) -> bool:
        """Whether the run was prepared before the first release: it can be collected, but gets no further jobs."""
        return "format" not in self.read_request()

    @property
    def ledger(self) -> Ledger:
        """The log of what was planned, created, seen and ended; each has to be read from its start once."""
        return Ledger(self.folder / "ledger.jsonl")

    @property
    def is_collected(self) -> bool:
        """Whether outputs have been read, by a version that writes runs as this one does."""
        return self.read_request().get("format") == FORMAT and (self.folder / PARTS_FILE).exists()

    def find_answered(self, account: str = "") -> pl.DataFrame:
        """Find the records that other runs in the same folder of runs have answered.

        Parameters
        ----------
        account
            Account that these were sent to, from `name_account`; empty for any.

        Returns
        -------
        frame
            One row per record that has an answer without an error, truncated or not: `record_id`, `job_key` of this
            run, `run` (the folder that has the answer; of several the first by name) and its `account`. The id of a
            record is made of all that its model is asked, so the answer is one to the very same input.
        """
        return find_answered(lambda: self.read_records("record_id", "job_key"), self.list_sources(account))

    def list_sources(self, account: str) -> Iterator[Source]:
        """Yield the collected runs beside this one that asked one of its models in an account, or in any."""
        models = self.list_models()
        for other in self.list_beside():
            try:
                # Not by its ledger, which may be of ten thousand jobs.
                owner = other.read_target().get("account", "")
                is_source = other.is_collected and owner == (account or owner) and bool(models & other.list_models())
            except (RunError, msgspec.DecodeError) as error:
                pass_over(other.folder.name, error)
                continue
            if owner and is_source:
                yield Source(other.folder.name, owner, other.scan_outputs)

    def list_models(self) -> set[tuple[str, str]]:
        """List the models that the run asks, each with the way of asking it."""
        return {(prompt.model_id, prompt.invocation_type) for prompt in self.read_prompts()}

    def list_beside(self) -> list[Run]:
        """List the other runs in the folder of runs, by name."""
        own = self.folder.resolve()
        return [Run(file.parent) for file in sorted(own.parent.glob(f"*/{RUN_FILE}")) if file.parent != own]

    def read_request(self) -> dict[str, Any]:
        """Read `run.json`: the format, the run's name, and calls, prompts and quotas of the request."""
        try:
            return msgspec.json.decode((self.folder / RUN_FILE).read_bytes(), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise RunError(
                self.folder / RUN_FILE, str(error), "put the file back, or prepare under another name"
            ) from error

    def read_prompts(self) -> PromptList:
        """Read the prompts as they were when the run was prepared; a notebook shows their texts."""
        return PromptList(msgspec.convert(self.read_request()["prompts"], list[Prompt]))

    def read_regions(self) -> dict[str, str]:
        """Read the Region that each prompt names, by variant; empty where it is the one that the run is sent to."""
        return {prompt.name: prompt.region for prompt in self.read_prompts()}

    def read_quotas(self) -> dict[str, Quotas]:
        """Read the quotas that the input files were made to fit, by model id."""
        return msgspec.convert(self.read_request()["quotas"], dict[str, Quotas])

    def read_calls(self) -> pl.DataFrame:
        """Read the calls, one row each."""
        return read_table(self.list_calls())

    def scan_calls(self) -> pl.LazyFrame:
        """Scan the calls lazily."""
        return pl.scan_parquet(self.list_calls(), glob=False)

    def list_calls(self) -> list[Path]:
        """List the files with the calls; in parts they stand beside the input files of the first prompt's jobs."""
        first = next(iter(group_prompts(self.read_prompts()).values()))
        return self.list_parts_of("calls", {prompt.name for prompt in first})

    def list_attempts(self) -> dict[int, Path]:
        """List the folders of the repairs by their numbers, in order: 2, 3, ..."""
        folders = (self.folder / ATTEMPTS).glob("[0-9]*")
        return {int(folder.name): folder for folder in sorted(folders, key=lambda folder: int(folder.name))}

    def find_input(self, job_key: str) -> Path:
        """Return the folder of the input files of a planned job."""
        number = read_attempt(job_key)
        return (self.list_attempts()[number] if number > 1 else self.folder) / "input" / job_key

    def scan_records(self) -> pl.LazyFrame:
        """Scan the records lazily; those of repairs come last."""
        return pl.scan_parquet(self.list_records(), glob=False)

    def scan_first_records(self) -> pl.LazyFrame:
        """Scan the records that `prepare` wrote lazily."""
        return pl.scan_parquet(self.list_first_records(), glob=False)

    def read_records(self, *columns: str) -> pl.DataFrame:
        """Read the records, one row each, with all columns or some; those of repairs come last."""
        return read_table(self.list_records(), columns)

    def list_records(self) -> list[Path]:
        """List the files with the records; those of repairs come last."""
        repairs = [list_table(folder, "records") for folder in self.list_attempts().values()]
        return [*self.list_first_records(), *chain.from_iterable(repairs)]

    def list_first_records(self) -> list[Path]:
        """List the files with the records that `prepare` wrote."""
        return self.list_parts_of("records")

    def list_parts_of(self, table: str, variants: Collection[str] = ()) -> list[Path]:
        """List the files of a table that `prepare` wrote; those that are in S3 alone are downloaded, and kept."""
        if self.place is None:
            return list_table(self.folder, table, variants=variants)
        make_folder(self.folder / table)
        files = list_table(self.folder, table, variants=variants)
        self.place.keep(files)
        return files

    @contextmanager
    def borrow(self, file: Path) -> Iterator[Path]:
        """Find a file of the run to read it; one that is in S3 alone is downloaded for as long as it is read."""
        if self.place is None or file.exists():
            yield file
            return
        with self.place.borrow(self.place.find(file)) as copy:
            yield Path(copy.uri)

    def read_files(self) -> pl.DataFrame:
        """Read the input files, one row each, with the sums over their records; those of repairs come last."""
        repairs = [read_table([folder / "files.parquet"]) for folder in self.list_attempts().values()]
        return pl.concat([self.read_first_files(), *repairs], how="diagonal")

    def read_first_files(self) -> pl.DataFrame:
        """Read the input files that `prepare` wrote, one row each, with the sums over their records."""
        file = self.folder / "files.parquet"
        if file.exists():
            return read_table([file])
        # A run that was prepared before there was such a file; its digests are taken where they are needed.
        records = read_table(self.list_first_records())
        parts = records.partition_by("job_key", "file", maintain_order=True)
        return describe_files(parts, [None] * len(parts))

    def read_outputs(self) -> pl.DataFrame:
        """Read the outputs that have been collected, one row each; no rows before that."""
        return self.scan_outputs().collect()

    def scan_outputs(self) -> pl.LazyFrame:
        """Scan the outputs lazily: only the columns and rows that a query uses are read.

        Raises
        ------
        RunError
            A part of the outputs is missing or damaged.
        """
        parts = self.list_parts()
        for part in parts:
            if not is_whole(part):
                raise RunError(part, "is missing or damaged", "call collect(run), which makes it again from output/")
        return scan_parts(parts) if parts else pl.LazyFrame(schema=OUTPUT_SCHEMA)

    def list_parts(self) -> list[Path]:
        """List the Parquet parts that `collect` made of output files; other files in `outputs/` are not counted."""
        return [self.folder / "outputs" / name for name in self.read_listing()]

    def read_listing(self) -> dict[str, list[str]]:
        """Read the names of the parts, each with its jobs; none for answers taken over, and in earlier versions."""
        listing = self.folder / PARTS_FILE
        if listing.exists():
            parts = msgspec.json.decode(listing.read_bytes(), type=dict[str, list[str]] | list[str])
        else:
            parts = sorted(path.name for path in (self.folder / "outputs").glob("*.parquet"))
        return parts if isinstance(parts, dict) else {name: [] for name in parts}

    def read_sending(self) -> dict[str, Any]:
        """Read how the run was last sent: `invocation`, `profile`, `region`, `versions`; empty before that."""
        ledger = self.ledger
        ledger.replay()
        return ledger.sending

    @property
    def region(self) -> str:
        """The AWS region that the run was last sent to; empty for the profile's own, and before that."""
        return str(self.read_sending().get("region", ""))

    def read_sent(self) -> dict[str, str]:
        """Read with which invocation, profile and region the run was sent, if its ledger is lost; else empty."""
        return {} if self.read_sending() else self.read_target()

    def read_target(self) -> dict[str, str]:
        """Read, beside the ledger, with which invocation, profile, region and account the run was sent; else empty."""
        file = self.folder / SENT_FILE
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}

    def plan(self, *, invocation: str = "", region: str = "", account: str = "") -> Plan:
        """Build the plan of sending the run: records, jobs, tokens, USD and limits.

        Parameters
        ----------
        invocation
            Prices to use: `batch` or `on_demand`; by default batch, unless a job is below the minimum.
        region
            AWS region of the jobs; some prices are known for one region only.
        account
            Account that the run is sent to, from `name_account`: records that runs beside this one have answered there
            are left out. Without it the plan has all records, and says for each account how many these are. Of a run
            that has been sent it has all.
        """
        calls, files = self.read_request()["calls"], self.read_first_files()
        # What was sent is what it was, whichever answers others have got meanwhile.
        found = self.find_answered(account) if not self.read_sending() else pl.DataFrame(schema=TAKEN_SCHEMA)
        records = int(files["records"].sum())
        is_part = bool(account and len(found))
        plan = make_plan(
            self.name,
            calls=calls["rows"],
            equal_calls=calls["equal"],
            files=self.describe_rest(found) if is_part else files,
            read_records=self.read_records,
            prompts=self.read_prompts(),
            quotas=self.read_quotas(),
            invocation=invocation,
            region=region or self.region,
        )
        if not is_part:
            return replace(plan, notes=[f"{sentence}." for sentence in describe_reusable(found, records)])
        cost = f": {usd(plan.cost_usd)}" if plan.records else ""
        return replace(plan, notes=[f"{describe_answered(found, records)}; {plan.records:,} are sent{cost}."])

    def describe_rest(self, answered: pl.DataFrame) -> pl.DataFrame:
        """Describe the input files without some records: rows of `read_files`."""
        rest = self.read_records().join(answered, on="record_id", how="anti", maintain_order="left")
        parts = rest.partition_by("job_key", "file", maintain_order=True)
        return describe_files(parts, [None] * len(parts))

    def __repr__(self) -> str:
        return str(self.plan())

    def _repr_html_(self) -> str:
        return self.plan()._repr_html_()


RunSource = Run | str | Path


@explain_file_errors()
def open_run(run: RunSource = "", *, profile: str = "", region: str = "", bucket_owner: str = "") -> Run:
    """Open a run that has been prepared.

    Parameters
    ----------
    run
        Its folder, or its name: a text without a separator is a folder in the project's `runs`, the one that is nearest
        upwards from the working directory. Without one, the run there that was last prepared, sent or collected, but
        for those of judges. Or the `s3://` address of a run that `prepare` has put there: it gets a small folder in
        `runs`, and has its name from then on. A Run is returned as it is, so a function of a run takes folders, names
        and addresses as well.
    profile, region, bucket_owner
        As in `prepare`, for an address that this machine does not know yet; a folder remembers them. An empty profile
        is the emulator.

    Raises
    ------
    RunError
        The folder is not a run, and the message lists the runs beside it; or a later version has prepared it.
    """
    if isinstance(run, Run):
        return run
    if not isinstance(run, str | Path):
        cure = "pass the run that prepare(calls, prompts) returned, its folder, or its name"
        raise RunError("run", f"{describe_passed(run)} is not a run", cure)
    folder = find_folder(run, profile=profile, region=region, bucket_owner=bucket_owner) if str(run) else find_latest()
    if not (folder / RUN_FILE).exists():
        others = [path.parent.name for path in sorted(folder.parent.glob(f"*/{RUN_FILE}"))]
        cure = f"there are {', '.join(others)}" if others else "prepare it first"
        raise RunError(folder, "not a run", cure)
    run = Run(folder)
    written = run.read_request().get("format", FORMAT)
    if written != FORMAT:
        raise RunError(folder, f"has format {written}, and this version knows {FORMAT}", "update batchbook")
    return run


def find_folder(run: str | Path, *, profile: str = "", region: str = "", bucket_owner: str = "") -> Path:
    """Return the folder of a run that is given as such, by its name, or by its address in S3."""
    if is_s3_uri(run):
        return open_stored(str(run), find_runs(), profile=profile, region=region, bucket_owner=bucket_owner)
    is_name = isinstance(run, str) and run not in {".", ".."} and not {"/", os.sep, os.altsep} & {*run}
    # Resolved, since an early run is named as its folder, and "." has no name.
    return (find_runs() / run if is_name else Path(run)).resolve()


def find_latest() -> Path:
    """Return the folder of the project's run that was last prepared, sent or collected; a judge's is not meant."""
    runs = find_runs()
    listed = [file.parent for file in sorted(runs.glob(f"*/{RUN_FILE}"))]
    folders = [folder for folder in listed if not JUDGE.fullmatch(folder.name)] or listed
    if not folders:
        raise RunError(runs, "there is no run", "prepare one first")
    written = {folder: [file for name in WRITTEN if (file := folder / name).exists()] for folder in folders}
    return max(folders, key=lambda folder: max(file.stat().st_mtime_ns for file in written[folder]))


def find_runs() -> Path:
    """Return the folder `runs` of the project: the nearest one upwards from the working directory."""
    here = Path.cwd()
    return next((place / RUNS for place in (here, *here.parents) if (place / RUNS).is_dir()), here / RUNS)
