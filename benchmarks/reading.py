"""How fast outputs are read, and in how much memory, beside other ways to read them: prints Markdown.

    python benchmarks/reading.py [--runs 5] [--small]

Everything is made up from a fixed seed, and lies in a temporary folder (4 GB; 0.7 GB with --small) that is gone
afterwards.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from generate import write_outputs
from measuring import describe_machine, find_ratio, table, take_turns, tell
from odd_lines import count_right

HERE = Path(__file__).parent
PACKAGES = ("duckdb", "msgspec", "pandas", "polars", "pyarrow")
NAMES = {
    "blog": "json.loads of each line, one DataFrame of all",
    "pandas": "pandas `read_json(lines=True)`",
    "polars": "polars `read_ndjson`, schema of what is needed",
    "pyarrow": "pyarrow.json, schema of what is needed",
    "duckdb": "DuckDB `read_json`, columns of what is needed, to polars",
    "copy": "DuckDB, `COPY` of the same to Parquet",
    "alone": "`load_outputs`, one process: msgspec, typed, one thread",
    "load": "**`load_outputs`**",
    "parts": "**Parquet parts, as `collect` writes them**",
    "sums": "**`scan_outputs`, sums of tokens by stop reason**",
}
# pandas takes minutes and all memory for the large input.
LARGE = [name for name in NAMES if name != "pandas"]
FEW_AND_MANY = (4, 5_000)
HEAD = ["seconds", "x the blog's loop", "x DuckDB", "x its `COPY`", "peak MB", "odd lines right"]
DETAILS = ["MB/s", "CPU seconds", "MB over imports"]


def main():
    """Measure input by input, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of everything, in turns; medians are printed")
    parser.add_argument("--small", action="store_true", help="leave out the input of 3.3 GB")
    given = parser.parse_args()
    inputs = [(4, 50_000, list(NAMES)), (10, 500_000, LARGE)][: 1 if given.small else 2]
    print(describe_machine(*PACKAGES))
    tell("odd lines")
    right = {way: "{} of {}".format(*count_right(way)) for way in NAMES}
    for files, records, ways in inputs:
        with TemporaryDirectory() as folder:
            print(f"\n{measure(Path(folder), files, records, ways, given.runs, right)}", flush=True)
    with TemporaryDirectory() as folder:
        print(f"\n{measure_small_files(Path(folder), given.runs)}")


def measure(folder, files, records, ways, runs, right):
    """Read one input in all ways, and make the table, and that of the details."""
    tell(f"an input of {records:,} records")
    write_outputs(folder, files=files, records=records)
    size = size_of(folder)
    seen = take_turns(ways, runs, lambda way: read(way, folder))
    title = f"{records:,} records in {files} files, {size / 1e6:,.0f} MB"
    rows = [[NAMES[way], *describe(facts, seen), right[way]] for way, facts in seen.items()]
    details = [[NAMES[way], *describe_details(facts, size)] for way, facts in seen.items()]
    return f"{table([title, *HEAD], rows)}\n\n{table([title, *DETAILS], details)}"


def describe(facts, seen):
    """Write the numbers of one way."""
    ratios = [
        f"{find_ratio(list_seconds(seen[other]), list_seconds(facts)):.2f}" for other in ("blog", "duckdb", "copy")
    ]
    peak = max(fact["own"] + fact["worker"] for fact in facts)
    return [f"{median(list_seconds(facts)):.2f}", *ratios, f"{peak / 1e6:,.0f}"]


def list_seconds(facts):
    """List how long each run took."""
    return [fact["seconds"] for fact in facts]


def describe_details(facts, size):
    """Write what else was measured of one way."""
    seconds, cpu = (median(fact[name] for fact in facts) for name in ("seconds", "cpu"))
    over = max(fact["own"] - fact["imports"] for fact in facts)
    return [f"{size / seconds / 1e6:,.0f}", f"{cpu:.2f}", f"{over / 1e6:,.0f}"]


def measure_small_files(folder, runs):
    """Read the same records from few files and from many."""
    for files in FEW_AND_MANY:
        write_outputs(folder / str(files), files=files, records=50_000)
    seconds = take_turns(FEW_AND_MANY, runs, lambda files: read("load", folder / str(files))["seconds"])
    few, many = seconds.values()
    ratio = find_ratio(many, few)
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
