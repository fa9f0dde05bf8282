"""Job keys: the names of planned jobs within a run, `job01`, and `a2-job01` in its second attempt."""

from __future__ import annotations

import re

KEY = r"(?:a[0-9]+-)?job[0-9]+"  # what names of parts, and of answers on demand, begin with
REPAIR = re.compile(r"a([0-9]+)-")


def make_job_key(number: int, attempt: int = 1) -> str:
    """Make the key of a job from its number in its attempt."""
    return f"job{number:02}" if attempt == 1 else f"a{attempt}-job{number:02}"


def read_attempt(job_key: str) -> int:
    """Read the number of the attempt from the key of a job."""
    found = REPAIR.match(job_key)
    return int(found[1]) if found else 1


def find_key(name: str) -> str:
    """Find the key of a job with which the name of a file begins; empty where there is none."""
    found = re.match(KEY, name)
    return found[0] if found else ""


def name_table_part(job_key: str, file: str) -> str:
    """Name the part of a table that has the rows of one input file: `job01-00000.parquet`."""
    return f"{job_key}-{file.removesuffix('.jsonl')}.parquet"
