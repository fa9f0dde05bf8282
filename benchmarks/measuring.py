"""What the benchmarks share: whose turn it is, what a process took, and tables in Markdown."""

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median


def tell(text):
    """Say what is being measured."""
    print(text, file=sys.stderr, flush=True)


def take_turns(cases, runs, measure):
    """Measure every case in every run, so that a slow minute of the machine strikes all alike; lists by case."""
    seen = {case: [] for case in cases}
    for run in range(runs):
        for case in cases:
            tell(f"run {run + 1}: {case}")
            seen[case].append(measure(case))
    return seen


def find_ratio(some, others):
    """Give the median of the ratios of single runs."""
    return median(one / other for one, other in zip(some, others, strict=True))


def peak_bytes():
    """Give the most memory that this process had at once."""
    # On Linux `ru_maxrss` begins with what the process was forked from; this number is the program's own.
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().split("\n")
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_seconds():
    """Give the processor time of this process and of those that it started and that have ended."""
    users = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in users)


def describe_machine(*packages):
    """Name the machine, the versions and the day."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}: {processor()}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{', '.join(f'{name} {find_version(name)}' for name in packages)}"
    )


def processor():
    """Name the processor as the system does."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().split("\n") if facts.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def find_version(name):
    """Find the version of a package; some are an extra: pip install 'batchbook[bench]'."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def spread(rates):
    """Write a median and what lies around it."""
    return [f"{median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}"]


def table(head, rows):
    """Write a table in Markdown; numbers to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))
