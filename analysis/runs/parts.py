"""Parts: which Parquet file in `outputs/` has the rows of which output files, and the jobs that each part is of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from analysis.aws.storage import StoredFile
from analysis.jobs.keys import find_key, read_attempt
from analysis.runs.folder import Run
from analysis.runs.status import ON_DEMAND

PART_RECORDS = 20_000  # of the jobs that share a part; to write one takes as long as to read some 200 records
PART_BYTES = 1 << 26  # of their input, most of which comes back: when one file changes, all of its part are read again


def name_shared_parts(run: Run) -> dict[str, str]:
    """Name the part of each job that shares one with its neighbours; a large job has a part for each of its files.

    It depends on what was prepared alone, never on what has come back, so further output changes no other part.
    """
    # Neighbours in the order of their input have neighbouring calls; the ids of their jobs are in no order.
    jobs = run.read_files().group_by("job_key", maintain_order=True).agg(pl.col("records", "input_bytes").sum())
    names: dict[str, str] = {}
    name, records, size, attempt = "", 0, 0, 1
    for key, its_records, its_bytes in jobs.iter_rows():
        records, size = records + its_records, size + its_bytes
        if not name or records > PART_RECORDS or size > PART_BYTES or read_attempt(key) != attempt:
            name, records, size, attempt = f"from-{key}.parquet", its_records, its_bytes, read_attempt(key)
        if records <= PART_RECORDS and size <= PART_BYTES:
            names[key] = name
    return names


def name_part(file: StoredFile) -> str:
    """Return the name of the part of an output file that shares its part with no other."""
    return f"{file.name.removesuffix('.out').replace('/', '-')}.parquet"


def group_by_part(
    outputs: Iterable[tuple[str, StoredFile]], shared: Mapping[str, str]
) -> dict[str, list[tuple[str, StoredFile]]]:
    """Group output files by the part that their rows are in, in the order of their names."""
    parts: dict[str, list[tuple[str, StoredFile]]] = defaultdict(list)
    for key, file in outputs:
        parts[shared.get(key) or name_part(file)].append((key, file))
    return parts


def list_jobs_by_part(
    parts: Mapping[str, Sequence[tuple[str, StoredFile]]], shared: Mapping[str, str]
) -> dict[str, list[str]]:
    """List the jobs of each part, in their order: all that share it, also where no output of one has come back."""
    sharing: dict[str, list[str]] = defaultdict(list)
    for key, name in shared.items():
        sharing[name].append(key)
    return {name: sharing.get(name) or [outputs[0][0]] for name, outputs in parts.items()}


def delete_parts(folder: Path, names: Collection[str]) -> None:
    """Delete the parts of files whose rows are in shared parts now; an earlier version made a part for each file."""
    for path in folder.glob("*.parquet"):
        if path.name in names:
            path.unlink(missing_ok=True)  # another process may collect as well


def list_parts_by_job(run: Run, keys: Mapping[str, str]) -> dict[str, list[Path]]:
    """List the parts that have outputs of each planned job; `keys` has the planned job of each job id."""
    parts: dict[str, list[Path]] = defaultdict(list)
    for name, jobs in run.read_listing().items():
        for key in jobs or [find_job_of_part(name, keys)]:
            parts[key].append(run.folder / "outputs" / name)
    return parts


def find_job_of_part(name: str, keys: Mapping[str, str]) -> str:
    """Find the planned job of a part that an earlier version made: its name is that of its file, with "-" for "/"."""
    rest = name.removeprefix(f"{ON_DEMAND}-")
    return find_key(rest) if name != rest else keys.get(rest.split("-")[0], "")
