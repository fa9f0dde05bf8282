"""Winners: which of the outputs of a call, variant and sample is its answer, over all attempts."""

from __future__ import annotations

from collections.abc import Iterator

import narwhals as nw
import polars as pl

from analysis.metrics.json_answers import list_bodies
from analysis.metrics.quality import check_expectations, expects_something
from analysis.metrics.stop_reasons import TRUNCATED
from analysis.outputs import OUTPUT_SCHEMA, scan_parts
from analysis.outputs.answers import KEYS
from analysis.runs.folder import Run

OUTPUT = ["file", "line"]  # which name an output
UNMET_SCHEMA = {"file": pl.String, "line": pl.Int64, "unmet": pl.String}


def scan_winners(run: Run) -> pl.LazyFrame:
    """Scan the winning output of each call, variant and sample: one with an error only where no other came back.

    It is that of the latest attempt which meets what its prompt expects; else of the latest that is not cut off; else
    of the earliest. Within an attempt it is the first by file and line. An output of no call is none.
    """
    outputs = run.scan_outputs().filter(pl.col("call_id").is_not_null())
    beaten = find_beaten(run)
    return outputs.join(beaten.lazy(), on=OUTPUT, how="anti") if len(beaten) else outputs


def rank_outputs(run: Run, keys: pl.DataFrame | None = None) -> pl.LazyFrame:
    """Scan which outputs there are of each call, variant and sample, or of some of them, the best first."""
    outputs = run.scan_outputs()
    if keys is not None:
        outputs = outputs.join(keys.lazy(), on=KEYS, how="semi")
    # Only these columns are sorted, never the texts; file and line name an output.
    ranked = outputs.select(*KEYS, *OUTPUT, "attempt", "stop", _failed=pl.col("error_kind").is_not_null())
    unmet = find_unmet(run, scan_contested(run)) if run.list_attempts() else pl.DataFrame(schema=UNMET_SCHEMA)
    ranked = ranked.join(unmet.lazy(), on=OUTPUT, how="left").with_columns(
        _is_unmet=pl.col("unmet").is_not_null(), _is_cut=pl.col("unmet").is_not_null() & (pl.col("stop") == TRUNCATED)
    )
    order = pl.when("_is_cut").then("attempt").otherwise(-pl.col("attempt"))
    return ranked.sort("_failed", "_is_unmet", "_is_cut", order, *OUTPUT, nulls_last=True)


def scan_contested(run: Run) -> pl.LazyFrame:
    """Scan the calls, variants and samples that have been asked again."""
    return run.scan_outputs().filter(pl.col("attempt") > 1).select(KEYS).unique()


def find_losers(run: Run) -> pl.DataFrame:
    """Find the answers that are not the winner of their call, variant and sample: `file` and `line` of each.

    These are answers of other attempts, and lines of a record that is in the output more than once.
    """
    return find_beaten(run).filter(~pl.col("_failed")).select(OUTPUT)


def find_beaten(run: Run) -> pl.DataFrame:
    """Find the outputs that are not the winner of their call, variant and sample, and which of them have an error."""
    several = find_several(run)
    if several.is_empty():
        return pl.DataFrame(schema={name: UNMET_SCHEMA[name] for name in OUTPUT} | {"_failed": pl.Boolean})
    is_beaten = pl.int_range(pl.len()).over(KEYS) > 0
    return rank_outputs(run, several).filter(is_beaten).select(*OUTPUT, "_failed").collect()


def find_several(run: Run) -> pl.DataFrame:
    """Find the calls, variants and samples that have more than one output."""
    outputs = run.scan_outputs().filter(pl.col("call_id").is_not_null()).select(KEYS)
    # Nearly all runs have none: eight bytes for each output tell so, where their names would take a hundred.
    digest = pl.struct(KEYS).hash()
    digests = outputs.select(digest=digest).collect(engine="streaming")["digest"].sort()
    repeated = digests.filter(digests == digests.shift()).unique()
    if repeated.is_empty():
        return pl.DataFrame(schema={name: OUTPUT_SCHEMA[name] for name in KEYS})
    maybe = outputs.filter(digest.is_in(repeated.implode()))
    return maybe.group_by(KEYS).len().filter(pl.col("len") > 1).select(KEYS).collect()


def find_unmet(run: Run, keys: pl.LazyFrame | None = None) -> pl.DataFrame:
    """Find the answers that do not meet what their prompts expect, among all or those of some calls and variants.

    Returns
    -------
    frame
        One row per such output: `file`, `line`, and `unmet` as `measure_answers` has it.
    """
    return pl.concat([pl.DataFrame(schema=UNMET_SCHEMA), *check_parts(run, keys)])


def check_parts(run: Run, keys: pl.LazyFrame | None) -> Iterator[pl.DataFrame]:
    """Yield, part by part, the answers that do not meet what their prompts expect."""
    expected = {prompt.name: prompt for prompt in run.read_prompts() if expects_something(prompt)}
    for part in run.list_parts() if expected else []:
        answers = scan_parts([part]).filter(pl.col("variant").is_in(list(expected)), pl.col("error_kind").is_null())
        if keys is not None:
            answers = answers.join(keys, on=KEYS, how="semi")
        read = answers.select(*OUTPUT, "variant", "text", "tool_calls").collect()
        bodies = list_bodies(nw.from_native(read, eager_only=True))
        unmet = check_expectations(read["text"].to_list(), bodies, read["variant"].to_list(), expected)
        yield read.select(OUTPUT).with_columns(unmet=unmet).filter(pl.col("unmet") != "")
