"""How often comparisons are wrong, by simulation on made-up calls whose truth is known: prints Markdown.

    python benchmarks/calibration.py [--runs 4000] [--seed 1] [--only equal coverage ...]

Nothing here was answered by a model. A goal is met within two errors of the simulation, which in 1,000 runs are 1.4
points at 5 %. Last, the processor time of comparing 100,000 calls, 5 variants and 6 metrics.
"""

import argparse
import time
import warnings

import numpy as np
import polars as pl
from measuring import describe_machine, find_ratio, table, take_turns, tell
from simulations import (
    measure_clusters,
    measure_coverage,
    measure_equal,
    measure_holm,
    measure_judges,
    measure_looks,
    measure_losers,
    measure_not_worse,
    measure_power,
)

from analysis import Metric, compare_variants
from analysis.errors import ComparisonNotice

SECTIONS = {
    "equal": ("two equal prompts called different", measure_equal),
    "coverage": ("the interval holds the truth", measure_coverage),
    "clusters": ("the interval of clustered calls holds the truth", measure_clusters),
    "holm": ("any difference found among equal prompts, by Holm", measure_holm),
    "power": ("a difference is found on the calls that were planned", measure_power),
    "not_worse": ("worse by just the margin, called not worse", measure_not_worse),
    "looks": ("two equal prompts called different at any of three looks", measure_looks),
    "judges": ("a judge corrected by ratings", measure_judges),
    "losers": ("five prompts, three looks", measure_losers),
}
CALLS, VARIANTS, AGENTS = 100_000, 5, 400
METRICS = {"price_usd": "lower", "output_tokens": "lower", "score": "higher", "kept": "higher", "bad": "lower"}
METRICS |= {"rare": "lower"}
SPEED_RUNS = 5
MOST_TIMES = 3  # the group-by of the same table


def main():
    """Run the simulations that are asked for, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=4_000, help="of each row; fewer where a run has many calls")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[*SECTIONS, "speed"], default=[*SECTIONS, "speed"])
    options = parser.parse_args()
    print(f"{describe_machine('numpy', 'scipy', 'polars')}; simulated with seed {options.seed}")
    for name in options.only:
        tell(name)
        if name == "speed":
            print(f"\n{measure_speed()}")
            continue
        title, measure = SECTIONS[name]
        rows = [write_row(row) for row in measure(np.random.default_rng(options.seed), options.runs)]
        print(f"\n{table([title, 'measured', 'goal', 'met', 'runs'], rows)}", flush=True)


def write_row(row):
    """Write a row of a table, in percent."""
    low, high = (f"{100 * end:g}" for end in (row.low, row.high))
    goal = f"at most {high}" if row.low == 0 else f"at least {low}" if row.high == 1 else f"{low} to {high}"
    return [row.name, f"{100 * row.measured:.1f} %", goal, "yes" if row.meets_goal() else "no", f"{row.runs:,}"]


def measure_speed():
    """Write a table of the processor seconds of the group-by of a table, and of its comparison."""
    measured = make_table()
    metrics = [Metric(name, better) for name, better in METRICS.items()]
    cases = {
        "`group_by` call and variant, means": lambda: measured.group_by("call_id", "variant").agg(
            pl.col(METRICS).mean()
        ),
        "`compare_variants`": lambda: compare_variants(measured, metrics),
        "`compare_variants`, clustered": lambda: compare_variants(measured, metrics, cluster="agent"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ComparisonNotice)
        for case in cases.values():
            case()  # imports scipy
        seen = take_turns(cases, SPEED_RUNS, lambda name: time_processor(cases[name]))
    first = next(iter(seen.values()))
    rows = [
        [name, f"{np.median(seconds):.2f}", f"{find_ratio(seconds, first):.2f}", str(MOST_TIMES)]
        for name, seconds in seen.items()
    ]
    head = f"{CALLS:,} calls, {VARIANTS} variants, {len(METRICS)} metrics"
    return table([head, "CPU seconds", "times the first", "at most"], rows)


def make_table():
    """Make a table of answers of shuffled calls, 400 agents."""
    random = np.random.default_rng(1)
    calls = pl.DataFrame(
        {
            "call_id": [f"call-{number:06}" for number in range(CALLS)],
            "agent": [f"agent-{number}" for number in random.integers(0, AGENTS, CALLS)],
        }
    )
    variants = [
        calls.with_columns(
            variant=pl.lit(f"variant-{number}"),
            price_usd=pl.Series(random.lognormal(0, 0.5, CALLS)),
            output_tokens=pl.Series(random.integers(20, 400, CALLS)),
            score=pl.Series(random.integers(1, 6, CALLS)),
            kept=pl.Series(random.random(CALLS) < 0.9),
            bad=pl.Series(random.random(CALLS) < 0.03),
            rare=pl.Series(random.random(CALLS) < 0.005),
        )
        for number in range(VARIANTS)
    ]
    return pl.concat(variants).sample(fraction=1, shuffle=True, seed=1)


def time_processor(work):
    """Give the processor seconds that a piece of work takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
