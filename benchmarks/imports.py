"""How long `import analysis` and its names take, beside what it cannot do without: prints Markdown.

    python benchmarks/imports.py [--runs 21]

Each import is a process of its own, with everything compiled before.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from measuring import cpu_seconds, describe_machine, find_ratio, table, take_turns

FIRST = "import polars"
CASES = (
    "pass",
    FIRST,
    "import polars, narwhals, msgspec",
    "import analysis",
    "from analysis import load_outputs",
    "from analysis import prepare, submit, collect",
    "from analysis import *",
    "import pandas",
    "import boto3",
)


def main():
    """Import in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=21, help="of everything, in turns; medians are printed")
    runs = parser.parse_args().runs
    with TemporaryDirectory() as folder:
        for case in CASES:
            run_python(case, folder)
        seen = take_turns(CASES, runs, lambda case: run_python(case, folder))
    print(describe_machine("polars", "narwhals", "msgspec", "pandas", "boto3"))
    print(f"\n{table(['a process that runs', 'ms', 'CPU ms', f'times `{FIRST}`', 'CPU times'], list_rows(seen))}")


def run_python(code, folder):
    """Run a line in a process of its own; give its seconds and processor seconds."""
    # Where PYTHONDONTWRITEBYTECODE is set, a checkout would be compiled again at every start.
    environment = os.environ | {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
    begin, begin_cpu = time.perf_counter(), cpu_seconds()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[1])
    return time.perf_counter() - begin, cpu_seconds() - begin_cpu


def list_rows(seen):
    """Write a row for each case."""
    first = list(zip(*seen[FIRST], strict=True))
    for case, facts in seen.items():
        both = list(zip(*facts, strict=True))
        medians = [f"{median(some) * 1000:,.0f}" for some in both]
        ratios = [f"{find_ratio(some, others):.2f}" for some, others in zip(both, first, strict=True)]
        yield [f"`{case}`", *medians, *ratios]


if __name__ == "__main__":
    main()
