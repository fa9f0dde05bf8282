"""How fast outputs are read, and in how much memory, beside other ways to read them: prints Markdown.

    python benchmarks/reading.py [--runs 5] [--small]

Everything is made up from a fixed seed, and lies in a temporary folder (4 GB; 0.7 GB with --small) that is gone
afterwards.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from generate import write_outputs
from measuring import processor, table, tell
from odd_lines import count_right

HERE = Path(__file__).parent
PACKAGES = ("duckdb", "msgspec", "pandas", "polars", "pyarrow")
NAMES = {
    "blog": "json.loads of each line, one DataFrame of all",
    "pandas": "pandas `read_json(lines=True)`",
    "polars": "polars `read_ndjson`, schema of what is needed",
    "pyarrow": "pyarrow.json, schema of what is needed",
    "duckdb": "DuckDB `read_json`, columns of what is needed, to polars",
    "alone": "`load_outputs`, one process: msgspec, typed, one thread",
    "load": "**`load_outputs`**",
    "parts": "**Parquet parts, as `collect` writes them**",
    "sums": "**`scan_outputs`, sums of tokens by stop reason**",
}
# pandas takes minutes and all memory for the large input.
LARGE = [name for name in NAMES if name != "pandas"]
HEAD = ["seconds", "x the blog's loop", "x DuckDB", "peak MB", "odd lines right"]
DETAILS = ["MB/s", "CPU seconds", "MB over imports"]


def main():
    """Measure input by input, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of everything, in turns; medians are printed")
    parser.add_argument("--small", action="store_true", help="leave out the input of 3.3 GB")
    given = parser.parse_args()
    inputs = [(4, 50_000, list(NAMES)), (10, 500_000, LARGE)][: 1 if given.small else 2]
    print(describe_machine())
    tell("odd lines")
    right = {way: "{} of {}".format(*count_right(way)) for way in NAMES}
    for files, records, ways in inputs:
        with TemporaryDirectory() as folder:
            print(f"\n{measure(Path(folder), files, records, ways, given.runs, right)}", flush=True)
    with TemporaryDirectory() as folder:
        print(f"\n{measure_small_files(Path(folder), given.runs)}")


def describe_machine():
    """Name the machine, the versions and the day."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    versions = [f"{name} {find_version(name)}" for name in PACKAGES]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}: {processor()}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{', '.join(versions)}"
    )


def find_version(name):
    """Find the version of a package; DuckDB is an extra: pip install 'batchbook[bench]'."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def measure(folder, files, records, ways, runs, right):
    """Read one input in all ways, and make the table, and that of the details."""
    tell(f"an input of {records:,} records")
    write_outputs(folder, files=files, records=records)
    size = size_of(folder)
    seen = {way: [] for way in ways}
    for run in range(runs):
        for way in ways:
            tell(f"run {run + 1}: {way}, {records:,} records")
            seen[way].append(read(way, folder))
    title = f"{records:,} records in {files} files, {size / 1e6:,.0f} MB"
    rows = [[NAMES[way], *describe(facts, seen), right[way]] for way, facts in seen.items()]
    details = [[NAMES[way], *describe_details(facts, size)] for way, facts in seen.items()]
    return f"{table([title, *HEAD], rows)}\n\n{table([title, *DETAILS], details)}"


def describe(facts, seen):
    """Write the numbers of one way; a ratio is the median of the ratios of single runs."""
    ratios = [find_ratio(seen[other], facts) for other in ("blog", "duckdb")]
    peak = max(fact["own"] + fact["worker"] for fact in facts)
    return [f"{median(fact['seconds'] for fact in facts):.2f}", *ratios, f"{peak / 1e6:,.0f}"]


def describe_details(facts, size):
    """Write what else was measured of one way."""
    seconds, cpu = (median(fact[name] for fact in facts) for name in ("seconds", "cpu"))
    over = max(fact["own"] - fact["imports"] for fact in facts)
    return [f"{size / seconds / 1e6:,.0f}", f"{cpu:.2f}", f"{over / 1e6:,.0f}"]


def find_ratio(others, facts):
    """Say how many times as fast as another way this one is."""
    return f"{median(one['seconds'] / fact['seconds'] for one, fact in zip(others, facts, strict=True)):.2f}"


def measure_small_files(folder, runs):
    """Read the same records from few files and from many."""
    seconds = {}
    for files in (4, 5_000):
        write_outputs(folder / str(files), files=files, records=50_000)
    for run in range(runs):
        for files in (4, 5_000):
            tell(f"run {run + 1}: {files:,} files")
            seconds.setdefault(files, []).append(read("load", folder / str(files))["seconds"])
    ratio = median(many / few for few, many in zip(*seconds.values(), strict=True))
    rows = [[f"{files:,} files", f"{median(some):.2f}"] for files, some in seconds.items()]
    return table(["`load_outputs`, 50,000 records", "seconds"], [*rows, ["ratio", f"{ratio:.2f}"]])


def read(way, folder):
    """Read in a process of its own, once the files are in the system's cache."""
    size_of(folder)
    command = [sys.executable, "-W", "ignore", str(HERE / "readers.py"), way, str(folder)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def size_of(folder):
    """Read all files to the end, and say how many bytes they have."""
    size = 0
    for path in folder.glob("*.out"):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                size += len(block)
    return size


if __name__ == "__main__":
    main()
