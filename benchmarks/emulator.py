"""How fast the emulator is, and how much memory it takes: prints Markdown.

    python benchmarks/emulator.py [--runs 5]

Everything is made up from a fixed seed, and lies in a temporary folder that is gone afterwards.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import responders
import transfers
from inputs import write_records
from jobs import no_wait, put_input
from measuring import describe_machine, find_ratio, spread, table, tell

from bedrock_local import open_session

RECORDS = 100_000
MOST_BYTES = 300_000_000


def main():
    """Measure part by part, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of everything, in turns; medians are printed")
    runs = parser.parse_args().runs
    tables = [describe_machine("boto3", "botocore", "msgspec")]
    for part in (time_responders, time_transfers, time_large_job):
        with TemporaryDirectory() as folder:
            tables.append(part(Path(folder), runs))
    print("\n\n".join(tables))


def time_responders(folder, runs):
    """Say how many records a second a job runs through."""
    rows = [
        [name, *spread(rates), f"{1000 / median(rates):.2f}"]
        for name, rates in responders.measure(folder, runs, tell).items()
    ]
    return table(["who answers", "records a second", "slowest and fastest run", "ms a record"], rows)


def time_transfers(folder, runs):
    """Say how fast objects and small requests go, and how the doors compare run by run."""
    rates = transfers.measure(folder, runs, tell)
    rows = []
    for size in (*transfers.SIZES, transfers.SMALL_BYTES):
        for direction in ("put", "get"):
            ours, http = (rates[door, size, direction] for door in ("in the process", "over HTTP"))
            rows.append([f"{direction} {name_of(size)}", *in_units(size, ours, http), f"{find_ratio(ours, http):.1f}"])
    return table(["one client, one thread", "in the process", "over HTTP", "ratio"], rows)


def name_of(size):
    """Name an object by its size."""
    return f"{size // 1_000_000} MB, MB a second" if size >= 1_000_000 else f"{size // 1_000} kB, requests a second"


def in_units(size, *rates):
    """Write medians in MB or requests a second."""
    return [f"{median(some) / (1_000_000 if size >= 1_000_000 else 1):,.0f}" for some in rates]


def time_large_job(folder, runs):
    """Say how much memory a large job takes, and how its speed changes on the way."""
    tell(f"a job of {RECORDS:,} records: its input")
    session = open_session(folder / "emulator", settings=no_wait())
    put_input(session, write_records(folder / "calls.jsonl", RECORDS))
    (folder / "calls.jsonl").unlink()
    imports, jobs = [], []
    for run in range(runs):
        tell(f"run {run + 1}: a job of {RECORDS:,} records")
        imports.append(measure_process(folder / "emulator", "imports"))
        jobs.append(measure_process(folder / "emulator", "job"))
    return describe_large_job(imports, jobs)


def measure_process(folder, task):
    """Run `large_job.py` in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("large_job.py")), str(folder), task]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def describe_large_job(imports, jobs):
    """Write the table of the large job; too much memory ends the program."""
    peak = max(job["peak_bytes"] for job in jobs)
    if peak > MOST_BYTES:
        raise SystemExit(f"a job of {RECORDS:,} records took {peak:,} bytes of memory; {MOST_BYTES:,} are the limit")
    ratio = median(job["rates"][-1] / job["rates"][0] for job in jobs)
    rows = [
        ["most memory, imports and clients alone", f"{max(fact['peak_bytes'] for fact in imports) / 1e6:,.0f} MB"],
        ["most memory, with the job", f"{peak / 1e6:,.0f} MB"],
        ["from Create to Completed", f"{median(job['seconds'] for job in jobs):,.1f} s"],
        ["records a second, first tenth", f"{median(job['rates'][0] for job in jobs):,.0f}"],
        ["records a second, last tenth", f"{median(job['rates'][-1] for job in jobs):,.0f}"],
        ["last tenth to first", f"{ratio:.2f}"],
    ]
    return table([f"a job of {RECORDS:,} records, answered at once", ""], rows)


if __name__ == "__main__":
    main()
