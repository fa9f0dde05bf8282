"""How fast the input of batch jobs is written, and in how much memory, beside other ways: prints Markdown.

    python benchmarks/writing.py [--runs 5] [--small]

Everything is made up from a fixed seed, and lies in a temporary folder (8 GB; 1 GB with --small) that is gone
afterwards.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import polars as pl
from inputs import DISTINCT_CALLS, SEED
from measuring import describe_machine, find_ratio, table, take_turns, tell

from analysis.synthetic import make_calls

HERE = Path(__file__).parent
PACKAGES = ("msgspec", "orjson", "pandas", "polars")
CALLS_PER_FILE = 50_000
NAMES = {
    "blog": "pandas `iterrows`, `json.dumps`, a list of lines",
    "json": "`iter_rows`, `json.dumps` to the file",
    "orjson": "`iter_rows`, orjson to the file",
    "msgspec": "`iter_rows`, msgspec to the file",
    "polars": "polars structs, `write_ndjson`",
    "records": "**`write_records`**",
    "prepare": "**`prepare`**, all of a run",
}
# A list of all lines would take 4 GB.
LARGE = [name for name in NAMES if name != "blog"]


def main():
    """Measure table by table, and print Markdown for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of everything, in turns; medians are printed")
    parser.add_argument("--small", action="store_true", help="leave out the table of 500,000 calls")
    given = parser.parse_args()
    inputs = [(50_000, list(NAMES))] if given.small else [(50_000, list(NAMES)), (500_000, LARGE)]
    print(describe_machine(*PACKAGES))
    for calls, ways in inputs:
        with TemporaryDirectory() as folder:
            print(f"\n{measure(Path(folder), calls, ways, given.runs)}", flush=True)


def measure(folder, calls, ways, runs):
    """Write one table of calls in all ways, and make the table of what was seen."""
    tell(f"a table of {calls:,} calls")
    write_calls(folder, calls)
    seen = take_turns(ways, runs, lambda way: write(way, folder))
    compared = [way for way in ("blog", "json", "orjson") if way in ways]
    rows = [[NAMES[way], *describe(facts, seen, compared)] for way, facts in seen.items()]
    head = [f"{calls:,} calls, 2 prompts", "seconds", "MB/s", "CPU seconds", *(f"times {way}" for way in compared)]
    return table([*head, "peak MB", "over the table"], rows)


def write_calls(folder, calls):
    """Write a table of calls of 600 words, no two of them equal."""
    made = make_calls(DISTINCT_CALLS, seed=SEED).select("transcript", "language", "duration_s")
    for start in range(0, calls, CALLS_PER_FILE):
        number = pl.int_range(start, start + min(CALLS_PER_FILE, calls - start), eager=True).cast(pl.String)
        several = pl.concat([made] * (len(number) // DISTINCT_CALLS + 1)).head(len(number))
        call_id, text = "call-" + number.str.zfill(7), "Call " + number + ".\n" + several["transcript"]
        frame = several.with_columns(call_id.alias("call_id"), text.alias("transcript"))
        frame.write_parquet(folder / f"calls-{start:07}.parquet")


def describe(facts, seen, compared):
    """Write the numbers of one way."""
    seconds, cpu, size = (median(fact[name] for fact in facts) for name in ("seconds", "cpu", "bytes"))
    ratios = [
        f"{find_ratio(*([one['seconds'] for one in some] for some in (seen[other], facts))):.2f}" for other in compared
    ]
    memory = [f"{max(fact[name] for fact in facts) / 1e6:,.0f}" for name in ("peak", "over")]
    return [f"{seconds:.2f}", f"{size / seconds / 1e6:,.0f}", f"{cpu:.2f}", *ratios, *memory]


def list_seconds(facts):
    """List how long each run took."""
    return [fact["seconds"] for fact in facts]


def write(way, folder):
    """Write in a process of its own, without a bar, once what was written before is on the disk."""
    os.sync()
    command = [sys.executable, "-W", "ignore", str(HERE / "writers.py"), way, str(folder)]
    quiet = os.environ | {"TQDM_DISABLE": "1"}
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=quiet, check=True).stdout)


if __name__ == "__main__":
    main()
