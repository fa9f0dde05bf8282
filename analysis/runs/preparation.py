"""Preparing: write calls and prompts to a run folder; nothing is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from narwhals.typing import IntoDataFrame

from analysis.aws.session import EMULATOR, find_region
from analysis.aws.storage import is_s3_uri
from analysis.engines import sum_row_digests
from analysis.errors import PromptError, RunError
from analysis.facts.models import find_model
from analysis.facts.quotas import LATEST, Quotas, find_quotas
from analysis.files import explain_file_errors, flush_folder, flush_path, make_draft, make_private, sweep_drafts
from analysis.prompts import Prompt, PromptSource, check_name, check_template, read_prompts
from analysis.requests.records import write_records
from analysis.runs.folder import FORMAT, Run, find_runs
from analysis.runs.place import RUN_FILE, Place, make_place
from analysis.runs.state import read_state
from analysis.runs.status import has_on_demand_output
from analysis.runs.stored import find_stored, move_into_place, store_run, write_calls
from analysis.runs.tables import read_table
from analysis.transcripts.digests import digest_calls, format_sum
from analysis.transcripts.frames import check_frame, read_frame

SHOWN, LEAD = 40, 12  # characters of a changed value in an error, and how many of them precede the change


@explain_file_errors()
def prepare(
    calls: IntoDataFrame,
    prompts: PromptSource,
    *,
    into: str | Path = "runs",
    name: str = "",
    quota_year: str = LATEST,
    quotas: Mapping[str, int] | None = None,
    profile: str = EMULATOR,
    region: str = "",
    bucket_owner: str = "",
) -> Run:
    """Write the run: every call with every prompt as records in files that fit the quotas. Nothing is sent.

    Preparing the same again, in any order of the calls, returns the run that is there; the files have the same bytes
    wherever they are made. Records and lines follow `call_id` by bytes; `calls.parquet` has the calls as they came.
    A run that was sent keeps its files, also when the quotas have changed.

    Parameters
    ----------
    calls
        One row per call: `call_id`, `transcript` and whatever the templates use; pandas or polars.
    prompts
        The variants, each with a name of its own: of `read_prompts`, or their files or folders.
    into
        The folder of runs; the run gets a folder in it. Or one in S3, as `s3://bucket/runs`, for what is too large for
        this machine or shared with others: calls, records and input are put there, and a small folder in the project's
        `runs` is what the run is worked on by. Jobs read and write there as well.
    name
        Of the run and its folder, and part of job names, also after the folder was renamed: lower-case letters, digits
        and `-`, at most 40; without one, the prompts' names and a digest of the request.
    quota_year
        `2026`, or `2024` for the smaller quotas of older accounts.
    quotas
        Your account's own values, by the names of `Quotas`.
    profile, region, bucket_owner
        AWS profile (`emulator`: an account in a folder; empty: boto3's default), region (empty: the profile's) and the
        account that the bucket belongs to (empty: the caller's own), where `into` is in S3.

    Returns
    -------
    run
        Printing it shows the plan.

    Raises
    ------
    CallsError
        A column is missing or has another type than text, a row has no id or transcript, or two rows have the same id.
    PromptError
        A template does not fit the calls, a prompt asks for what its model refuses, or two prompts have one name.
    ModelError
        A model whose request format is not known here.
    RunError
        The name cannot be used, or belongs to a run that was prepared for something else: the error lists what differs.
        Or Bedrock would refuse the address in S3, or its prompts name several Regions, each of which needs a bucket.
    QuotaError
        One record is larger than an input file may be.
    """
    frame = check_frame(read_frame(calls))
    # Ids, names and files come from the calls in this order, so that they depend on the set of calls alone.
    by_id = frame.sort("call_id")
    variants = read_prompts(prompts)
    for prompt in variants:
        check_template(prompt)
    request = build_request(describe_calls(by_id), variants, quota_year, quotas or {})
    name = name or name_request(request)
    check_name(name, "the run's name", error=RunError)
    request = {"format": FORMAT, "name": name} | request
    if isinstance(into, Path) and into.parts[:1] == ("s3:",):
        cure = "give into= as text, as 's3://bucket/runs'; `batchbook run` takes a folder of this machine alone"
        raise RunError(into, "is an address that was made a path", cure)
    place = find_place(str(into), name, variants, profile, region, bucket_owner) if is_s3_uri(into) else None
    run = Run(place.folder if place else Path(into) / name)
    if place is not None:
        find_stored(place)
    if run.folder.exists():
        return check_same(run, request, by_id)
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and renamed, so that no other process sees half a run.
    sweep_drafts(run.folder.parent)
    with make_draft(run.folder.parent, name) as unfinished:
        draft = unfinished / name
        write_run(draft, frame, by_id, variants, request)
        if place is not None:
            store_run(draft, place, by_id, variants)
        if not move_into_place(draft, run.folder):
            return check_same(run, request, by_id)
    flush_path(run.folder.parent)
    return run


def find_place(into: str, name: str, prompts: Sequence[Prompt], profile: str, region: str, bucket_owner: str) -> Place:
    """Find the place of a run in S3, beside its folder in the project's `runs`.

    Raises
    ------
    RunError
        Bedrock takes no input from such an address, or the jobs would be in several Regions.
    """
    place = make_place(find_runs() / name, into, profile=profile, region=region, bucket_owner=bucket_owner)
    regions = {prompt.region or find_region(profile, region) for prompt in prompts}
    if len(regions) > 1:
        reason = f"the prompts name the Regions {', '.join(sorted(regions))}, and a bucket is in one alone"
        raise RunError(place.uri, reason, "prepare a run for each, or all as one on this machine, as into='runs'")
    return place


def write_run(
    folder: Path, calls: pl.DataFrame, by_id: pl.DataFrame, prompts: Sequence[Prompt], request: Mapping[str, Any]
) -> None:
    """Write all files that a run has before it is sent; the calls stay in their own order, records follow their ids."""
    limits = msgspec.convert(request["quotas"], dict[str, Quotas])
    by_base = {find_model(model_id).base: values for model_id, values in limits.items()}
    folder.mkdir()
    write_calls(folder / "calls.parquet", calls)
    tables = write_records(by_id, prompts, into=folder / "input", find_quotas=by_base.__getitem__)
    tables.records.write_parquet(folder / "records.parquet")
    tables.files.write_parquet(folder / "files.parquet")
    write_request(folder / RUN_FILE, request)
    make_private(folder, folder.parents[1])
    # Before the rename, since files.parquet vouches for the input files, and the calls may be nowhere else.
    flush_folder(folder)


def write_request(path: Path, request: Mapping[str, Any]) -> None:
    """Write `run.json`: the same request gives the same bytes."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(request), indent=2) + b"\n")


def describe_calls(calls: pl.DataFrame) -> dict[str, Any]:
    """Describe the calls, in the order of their ids, as `run.json` does."""
    return {
        "rows": len(calls),
        "equal": len(calls) - calls["transcript"].n_unique(),
        "columns": calls.columns,
        "digest": digest_calls(calls),
    }


def build_request(
    calls: Mapping[str, Any], prompts: Sequence[Prompt], quota_year: str, own: Mapping[str, int]
) -> dict[str, Any]:
    """Build the content of `run.json`, without times and versions: the same request gives the same bytes."""
    names = [prompt.name for prompt in prompts]
    if len(set(names)) < len(names) or not names:
        raise PromptError("prompts", f"the names are {names}", "give at least one prompt, each with its own name")
    models = {prompt.model_id: find_model(prompt.model_id).base for prompt in prompts}
    return {
        "calls": dict(calls),
        "prompts": [describe_prompt(prompt) for prompt in prompts],
        "quotas": {
            model_id: msgspec.to_builtins(find_quotas(base, year=quota_year, **own))
            for model_id, base in models.items()
        },
    }


def describe_prompt(prompt: Prompt) -> dict[str, Any]:
    """Convert a prompt to builtins; without what is newer than the first runs where it is not used."""
    fields: dict[str, Any] = msgspec.to_builtins(prompt)
    newer = ("expects", "schema", "schema_by", "region")
    return {name: value for name, value in fields.items() if value or name not in newer}


def name_request(request: Mapping[str, Any]) -> str:
    """Build the name of a run: its prompts' names and a digest of calls and prompts, but not of the quotas."""
    names = "-".join(prompt["name"] for prompt in request["prompts"])
    asked = msgspec.json.encode({name: request[name] for name in ("calls", "prompts")})
    # 31 characters, a hyphen and 8 hex digits make the 40 that a name may have.
    return f"{names[:31].rstrip('-')}-{hashlib.sha256(asked).hexdigest()[:8]}"


def check_same(run: Run, request: Mapping[str, Any], calls: pl.DataFrame | None = None) -> Run:
    """Return the run if it was prepared for the same request; else raise with a list of what differs.

    Without `calls` the request has the digests of their rows.
    """
    if not (run.folder / RUN_FILE).exists():
        raise RunError(run.folder, "this folder is not a run", "choose another name, or move the folder away")
    before, now = run.read_request(), msgspec.json.decode(msgspec.json.encode(request))
    if run.is_early:
        cure = "give the request another run name, or open the run to collect it"
        raise RunError(run.folder, "was prepared before the first release", cure)
    align_digests(run, before["calls"], now["calls"], calls)
    now["name"] = run.name  # another one than the folder's where that has been renamed
    if read_state(run).has_jobs or has_on_demand_output(run):
        now["quotas"] = before["quotas"]  # its files have been sent, whatever the quotas are today
    changes = list_changes(list_settings(before), list_settings(now))
    if changes:
        reason = f"was prepared for something else ({'; '.join(changes[:8])})"
        raise RunError(run.folder, reason, "give the new request another run name")
    return run


def align_digests(run: Run, before: dict[str, Any], now: dict[str, Any], calls: pl.DataFrame | None) -> None:
    """Digest calls in the way in which the others were, where one machine prepared the run and a cluster the other."""
    if "row_digests" in before and calls is not None:
        now.pop("digest")
        now["row_digests"] = format_sum(sum_row_digests(calls))
    elif "row_digests" in now and "digest" in before:
        before.pop("digest")
        before["row_digests"] = format_sum(sum(sum_row_digests(read_table([file])) for file in run.list_calls()))


def list_settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return every value of a request by its dotted path; prompts are keyed by name, so their order does not count."""
    by_name = {prompt["name"]: prompt for prompt in request["prompts"]}
    return {"prompts": sorted(by_name)} | dict(flatten({**request, "prompts": by_name}))


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of nested dicts with its dotted path."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for name, child in value.items():
        yield from flatten(child, f"{path}.{name}" if path else name)


def list_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """List the settings that changed; a prompt that only one side has is not listed field by field."""
    names = set(before["prompts"]) ^ set(now["prompts"])
    unmatched = tuple(f"prompts.{name}." for name in names)
    paths = [path for path in before | now if not path.startswith(unmatched)]
    return [
        f"{path}: {show_change(before.get(path), now.get(path))}" for path in paths if before.get(path) != now.get(path)
    ]


def show_change(before: Any, now: Any) -> str:
    """Format two values, long ones from where they differ, so that no prompt is printed whole."""
    texts = ["nothing" if value is None else repr(value) for value in (before, now)]
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False)))
    start = max(0, same - LEAD) if max(map(len, texts)) > SHOWN else 0
    return " -> ".join(shorten(text, start) for text in texts)


def shorten(text: str, start: int) -> str:
    """Cut a text to 40 characters, with dots where something is left out."""
    end = start + SHOWN
    return ("..." if start else "") + text[start:end] + ("..." if len(text) > end else "")
