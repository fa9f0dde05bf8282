"""Flips: the calls on which two variants differ, to be read one by one."""

from __future__ import annotations

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import TEXT, read_columns
from analysis.comparison.call_values import read_call_values
from analysis.comparison.metric import name_metric
from analysis.comparison.rows import make_frame
from analysis.errors import AnalysisError, ColumnError

FLIPS = {"call_id": TEXT, "variant": TEXT, "baseline": TEXT, "change": TEXT}
HALF = 0.5  # of the samples of a call


def list_flips(measured: IntoDataFrameT, metric: str, variants: tuple[str, str]) -> IntoDataFrameT:
    """List the calls of which one of two variants has a property and the other has not.

    Parameters
    ----------
    measured
        One row per answer: `call_id`, `variant` and the metric are read.
    metric
        A Boolean column, or `answered` (see `compare_variants`), which lists calls that one of them did not answer.
        Of several samples most must have it; where half do, the call is left out.
    variants
        The variant and the baseline.

    Returns
    -------
    frame
        One row per call, in the order of `measured`: `call_id`, `variant`, `baseline` and `change`, `gained` where the
        variant alone has it and `lost` where the baseline alone has. Calls of which either has no value are left out.

    Raises
    ------
    ColumnError
        A column is missing, or the metric is not Boolean.
    AnalysisError
        `variants` is not two variants of the frame.

    Notes
    -----
    These calls differ by choice: read them to learn why, and take no share or mean of them.
    """
    frame = read_columns(measured, (), of="measured")
    values = read_call_values(measured, [metric])
    if metric not in values.shares:
        raise ColumnError("measured", f"column {metric!r} is not Boolean", "a flip is a call that has it or has not")
    variant, baseline = check_variants(variants, values.variants)
    ours, theirs = (values.select(metric, name) - HALF for name in (variant, baseline))
    # Where one is missing or half, the product is not below 0.
    flipped = values.calls.to_frame().with_columns(gained=pl.Series(ours > theirs)).filter(pl.Series(ours * theirs < 0))
    named = flipped.with_columns(
        variant=pl.lit(variant),
        baseline=pl.lit(baseline),
        change=pl.when("gained").then(pl.lit("gained")).otherwise(pl.lit("lost")),
    ).drop("gained")
    order = frame.select("call_id").to_polars()["call_id"].drop_nulls().unique(maintain_order=True).to_frame()
    listed = order.join(named, on="call_id", how="inner", maintain_order="left")
    return make_frame(listed.to_dicts(), FLIPS | {"call_id": nw.from_native(listed).schema["call_id"]}, like=frame)


def list_all_flips(measured: pl.DataFrame, comparisons: pl.DataFrame) -> pl.DataFrame:
    """List the calls on which variants differ from the baseline in a share that was compared.

    Parameters
    ----------
    measured
        One row per answer: what was compared.
    comparisons
        One row per metric and variant, from `compare_variants` with a baseline.

    Returns
    -------
    frame
        One row per metric, variant and call, from `list_flips`, and last `metric`, as people call it.
    """
    shares = comparisons.filter(pl.col("method").str.starts_with("share"))
    listed = [
        list_flips(measured, metric, (variant, baseline)).with_columns(metric=pl.lit(name_metric(metric)))
        for metric, variant, baseline in shares.select("metric", "variant", "baseline").rows()
    ]
    none = dict.fromkeys((*FLIPS, "metric"), pl.String) | {"call_id": measured.schema["call_id"]}
    return pl.concat([pl.DataFrame(schema=none), *listed])


def pick_pairs(measured: pl.DataFrame, comparisons: pl.DataFrame, n: int) -> pl.DataFrame:
    """Pick answers to read beside those of the baseline: flips first, some of each kind, then others.

    Parameters
    ----------
    measured, comparisons
        As in `list_all_flips`.
    n
        How many pairs, at most.

    Returns
    -------
    frame
        One row per pair, for `show_pairs`: `call_id`, `variant`, `baseline`, and `change` and `metric` of a flip.
    """
    turn = pl.int_range(pl.len()).over("metric", "variant", "change")
    flips = list_all_flips(measured, comparisons).sort(turn, maintain_order=True)
    compared = comparisons.select("variant", "baseline").unique(maintain_order=True)
    others = measured.select("call_id", "variant").join(compared, on="variant", maintain_order="left")
    pairs = pl.concat([flips, others], how="diagonal")
    return pairs.unique(["call_id", "variant"], keep="first", maintain_order=True).head(n)


def check_variants(variants: tuple[str, str], known: list[str]) -> tuple[str, str]:
    """Return two different variants after checking that there are both."""
    if isinstance(variants, str) or len(variants) != 2 or variants[0] == variants[1]:
        raise AnalysisError("variants", f"{variants!r} is not two variants", "give a variant and its baseline")
    for name in variants:
        if name not in known:
            raise AnalysisError("variants", f"no variant {name!r}", f"there are {', '.join(known) or 'none'}")
    return variants
