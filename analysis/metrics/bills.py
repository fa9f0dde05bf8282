"""Bills: what outputs cost together, how much of it was wasted, and what more calls would cost.

Each is a sum over calls and then over groups, and both can be taken part by part: a run's outputs may be more than
memory holds, and what is summed of two parts can be added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import FRACTION, WHOLE, aggregate, count_where, finish_frame, list_keys, read_columns
from analysis.metrics.costs import TOKENS, add_rates, is_unreadable, list_rates, may_be_charged, price_tokens

# A call is named by its id; outputs of no run have none, and those of one record are taken for one call.
CALL = ("_call", "_record")
FLAGS = (
    "outputs",
    "answered",
    "failed",
    "truncated",
    "unpriced",
    "estimated",
    "without_tokens",
    "priced",
    "truncated_unknown",
    "truncated_priced",
    "failed_unknown",
    "failed_priced",
    "input_tokens_known",
    "output_tokens_known",
)
PARTS = ("truncated", "failed")  # of the outputs, whose part of the cost is given
OF_CALL = ("answered", "unpriced", "priced", "price_usd")
SUMS = (*FLAGS, "input_tokens", "output_tokens", "cost_usd", *(f"{kind}_cost_usd" for kind in PARTS))
CALL_SUMS = ("calls", "answered_calls", "answered_usd", "calls_seen", "seen_usd", "squares")
SUMMARY = {
    "calls": WHOLE,
    "outputs": WHOLE,
    "answered": WHOLE,
    "failed": WHOLE,
    "truncated": WHOLE,
    "unpriced": WHOLE,
    "estimated": WHOLE,
    "without_tokens": WHOLE,
    "input_tokens": WHOLE,
    "output_tokens": WHOLE,
    "cost_usd": FRACTION,
    "cost_usd_per_1000_calls": FRACTION,
    "truncated_cost_usd": FRACTION,
    "failed_cost_usd": FRACTION,
}
PROJECTION = {
    "calls_seen": WHOLE,
    "cost_usd_per_call": FRACTION,
    "calls": WHOLE,
    "cost_usd": FRACTION,
    "cost_usd_low": FRACTION,
    "cost_usd_high": FRACTION,
}
USD = ("batch_usd", "on_demand_usd")
INVOCATION_COSTS = {
    "outputs": WHOLE,
    "compared": WHOLE,
    "batch_usd": FRACTION,
    "on_demand_usd": FRACTION,
    "saved_usd": FRACTION,
    "saved_share": FRACTION,
}


def sum_costs(costed: IntoDataFrameT, *, by: str | Sequence[str] = "variant") -> IntoDataFrameT:
    """Add up what was paid, and what bought no answer.

    Parameters
    ----------
    costed
        One row per output, from `add_costs`. Outputs, not answers: what a repair replaced was paid for as well.
    by
        Columns that make the groups; none, `[]`, for the whole bill in one row.

    Returns
    -------
    frame
        One row per group, in the order of `by`, missing last:

        - `calls` (distinct; outputs of no run count by record id), `outputs`, `answered`, `failed`,
          `truncated` (ended by max_tokens), `unpriced` (may have been charged, but the cost is not known: an answer,
          an error with tokens, or a line that cannot be read), `estimated` (a cost that rests on estimated tokens),
          `without_tokens` (may have been charged, and does not say all of its tokens);
        - `input_tokens`, `output_tokens` that the outputs say, so lower bounds where `without_tokens` is not 0;
        - `cost_usd` of the outputs whose cost is known, so a lower bound where `unpriced` is not 0;
        - `cost_usd_per_1000_calls`: the batch price of the answers to 1,000 calls that got one, whoever paid for them
          and however they were asked for. Further samples are in it, what bought no answer is not; calls with an
          unpriced output are left out. Missing where no call is left;
        - `truncated_cost_usd`, `failed_cost_usd`: the parts of `cost_usd` that bought a truncated answer or none.
          Missing where there are no outputs, where such an output is unpriced, where a line cannot be read, and where
          none of the failed ones has a cost; the first also where an answer does not say how it ended.

        A sum is missing when nothing that belongs to it is known. What has no output is in none of them:
        `sum_lost_costs` tells what a run's manifests say of that.
    """
    keys = list_keys(by)
    outputs = sum_outputs(costed, keys)
    return finish_bill(add_groups([outputs, sum_calls(sum_by_call(costed, keys), keys)], keys), keys)


def project_costs(
    costed: IntoDataFrameT, calls: int, *, by: str | Sequence[str] = "variant", confidence: float = 0.95
) -> IntoDataFrameT:
    """Project the cost of the calls seen to more calls of the same kind.

    Parameters
    ----------
    costed
        One row per output, from `add_costs`.
    calls
        How many calls there will be.
    by
        Columns that make the groups; none, `[]`, for all in one row.
    confidence
        Chance that the bill lies between low and high, if the calls to come are like those seen.

    Returns
    -------
    frame
        One row per group, in the order of `by`: `calls_seen` (whose cost is known), `cost_usd_per_call`,
        `calls`, `cost_usd` with `cost_usd_low` and `cost_usd_high`; the interval is missing below two calls.

    Notes
    -----
    The cost of a call is the batch price of its answers, samples included. Calls without a known price are left out,
    and so are those of which an output is unpriced: their sum would be too low.
    The interval is normal, N mean ± z s √(N²/n + N) for N calls after n:
    the mean is uncertain, and the calls to come differ among themselves.
    """
    keys = list_keys(by)
    return finish_projection(sum_calls(sum_by_call(costed, keys), keys), keys, calls, confidence)


def compare_invocations(
    outputs: IntoDataFrameT, prices: IntoDataFrame | None = None, *, by: str | Sequence[str] = "variant"
) -> IntoDataFrameT:
    """Price the same tokens in a batch job and on demand.

    Parameters
    ----------
    outputs
        One row per output, from `load_outputs`, however it was invoked.
    prices
        As in `add_costs`.
    by
        Columns that make the groups; none, `[]`, for all in one row.

    Returns
    -------
    frame
        One row per group, in the order of `by`: `outputs`, `compared` (those whose tokens and both prices are known),
        `batch_usd`, `on_demand_usd` and `saved_usd` of the compared ones, `saved_share` (of `on_demand_usd`, 0 to 1).
        The last four are missing where none is compared.
    """
    keys = list_keys(by)
    return finish_comparison(sum_invocations(outputs, prices, keys), keys)


def sum_outputs(costed: IntoDataFrameT, keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Sum the outputs of each group, whatever their calls."""
    needed = ("input_tokens", "output_tokens", "tokens_estimated", "error_kind", "stop", "cost_usd")
    frame = read_columns(costed, [*keys, *needed], of="costed outputs")
    return aggregate(mark_outputs(frame), keys, nw.col(*SUMS).sum())


def sum_by_call(costed: IntoDataFrameT, keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Sum the outputs of each group and call; those that nobody asked for are one row of their group."""
    needed = ("call_id", "record_id", "input_tokens", "output_tokens", "error_kind", "price_usd")
    frame = read_columns(costed, [*keys, *needed], of="costed outputs")
    is_answer, has_price = nw.col("error_kind").is_null(), ~nw.col("price_usd").is_null()
    marked = frame.select(
        *keys,
        price_usd=nw.when(is_answer).then(nw.col("price_usd")),
        _call=nw.col("call_id"),
        _record=nw.when(nw.col("call_id").is_null()).then(nw.col("record_id")),
        answered=count_where(is_answer),
        unpriced=count_where(may_be_charged() & ~has_price),
        priced=count_where(is_answer & has_price),
    )
    return add_calls(marked, keys)


def add_calls(rows: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Add up the rows of each group and call."""
    return rows.group_by(*keys, *CALL).agg(nw.col(*OF_CALL).sum())


def sum_calls(by_call: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Sum the calls of each group, all of whose outputs have to be in `by_call`."""
    is_call = ~(nw.col("_call").is_null() & nw.col("_record").is_null())
    is_known = nw.col("unpriced") == 0
    # A call without an answer tells nothing of what answers cost.
    is_seen = is_call & is_known & (nw.col("priced") > 0)
    rows = by_call.with_columns(
        calls=count_where(is_call),
        answered_calls=count_where(is_call & is_known & (nw.col("answered") > 0)),
        answered_usd=nw.when(is_known | ~is_call).then(nw.col("price_usd")),
        calls_seen=count_where(is_seen),
        seen_usd=nw.when(is_seen).then(nw.col("price_usd")),
    )
    sums, variance = nw.col(*CALL_SUMS[:-1]).sum(), nw.col("seen_usd").var().alias("squares")
    squares = nw.when(nw.col("calls_seen") > 1).then(nw.col("squares") * (nw.col("calls_seen") - 1)).otherwise(0.0)
    # Cast, since pandas makes an object of the variance of nothing.
    return aggregate(rows, keys, sums, variance).with_columns(squares=squares.cast(nw.Float64))


def add_groups(parts: Iterable[nw.DataFrame[IntoDataFrameT]], keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Add up sums of outputs and of calls."""
    return aggregate(nw.concat(list(parts), how="diagonal"), keys, nw.col(*SUMS, *CALL_SUMS).sum())


def join_squares(parts: Iterable[nw.DataFrame[pl.DataFrame]], keys: Sequence[str]) -> nw.DataFrame[pl.DataFrame]:
    """Concatenate what `sum_calls` says of parts that share no call, with squares that can be added up."""
    rows = nw.concat(list(parts))
    seen, usd = nw.col("calls_seen"), nw.col("seen_usd")
    all_seen, all_usd = (column.sum().over(*keys) if keys else column.sum() for column in (seen, usd))
    # From those around the mean of each part to those around the mean of all (Chan, Golub, LeVeque 1979).
    between = seen * (usd / seen - all_usd / all_seen) ** 2
    return rows.with_columns(squares=nw.col("squares") + nw.when(seen > 0).then(between).otherwise(0.0))


def finish_bill(groups: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> IntoDataFrameT:
    """Make each sum missing that nothing known was added to, and divide by the calls."""
    known = {"input_tokens": "input_tokens_known", "output_tokens": "output_tokens_known", "cost_usd": "priced"}
    sums = {name: nw.when(nw.col(count) > 0).then(nw.col(name)) for name, count in known.items()}
    parts = {f"{kind}_cost_usd": nw.when(is_part_known(kind)).then(nw.col(f"{kind}_cost_usd")) for kind in PARTS}
    per_1000 = nw.col("answered_usd") / nw.col("answered_calls") * 1000
    per_1000 = nw.when(nw.col("answered_calls") > 0).then(per_1000)
    return finish_frame(groups.with_columns(**sums, **parts, cost_usd_per_1000_calls=per_1000), keys, SUMMARY)


def is_part_known(kind: str) -> nw.Expr:
    """Return whether it is known what the truncated or the failed outputs of a group cost."""
    is_told = (nw.col("outputs") > 0) & (nw.col(f"{kind}_unknown") == 0)
    return is_told & ((nw.col(kind) == 0) | (nw.col(f"{kind}_priced") > 0))


def finish_projection(
    groups: nw.DataFrame[IntoDataFrameT], keys: Sequence[str], calls: int, confidence: float
) -> IntoDataFrameT:
    """Project the mean of the calls seen, with the interval of its spread."""
    seen = nw.col("calls_seen")
    cost = nw.when(seen > 0).then(nw.col("seen_usd") / seen)
    spread = nw.when(seen > 1).then(nw.col("squares") / (seen - 1)).sqrt()
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    projected = groups.with_columns(
        cost_usd_per_call=cost,
        cost_usd=cost * calls,
        half=z * spread * (calls**2 / seen + calls).sqrt(),
        calls=nw.lit(calls),
    )
    ends = {"cost_usd_low": (nw.col("cost_usd") - nw.col("half")).clip(lower_bound=0)}
    ends["cost_usd_high"] = nw.col("cost_usd") + nw.col("half")
    return finish_frame(projected.with_columns(**ends), keys, PROJECTION)


def sum_invocations(
    outputs: IntoDataFrameT, prices: IntoDataFrame | None, keys: Sequence[str]
) -> nw.DataFrame[IntoDataFrameT]:
    """Sum what the outputs of each group cost by either invocation; sums of parts can be added up."""
    frame = read_columns(outputs, [*keys, *TOKENS], of="outputs")
    rates, costs = list_rates(frame, prices), frame
    for invocation, column in zip(("batch", "on_demand"), USD, strict=True):
        asked = add_rates(costs.with_columns(invocation=nw.lit(invocation)), rates)
        costs = asked.with_columns(price_tokens().alias(column))
    is_fair = ~(nw.col(USD[0]).is_null() | nw.col(USD[1]).is_null())
    fair = costs.with_columns(
        *(nw.when(is_fair).then(nw.col(name)).alias(name) for name in USD),
        outputs=nw.lit(1),
        compared=count_where(is_fair),
    )
    return add_invocations([fair], keys)


def add_invocations(parts: Iterable[nw.DataFrame[IntoDataFrameT]], keys: Sequence[str]) -> nw.DataFrame[IntoDataFrameT]:
    """Add up what `sum_invocations` says of parts."""
    return aggregate(nw.concat(list(parts)), keys, nw.col("outputs", "compared", *USD).sum())


def finish_comparison(groups: nw.DataFrame[IntoDataFrameT], keys: Sequence[str]) -> IntoDataFrameT:
    """Subtract the sums, which are missing where nothing was compared."""
    known = groups.with_columns(nw.when(nw.col("compared") > 0).then(nw.col(name)).alias(name) for name in USD)
    saved = known.with_columns(saved_usd=nw.col("on_demand_usd") - nw.col("batch_usd"))
    share = nw.when(nw.col("on_demand_usd") > 0).then(nw.col("saved_usd") / nw.col("on_demand_usd"))
    return finish_frame(saved.with_columns(saved_share=share), keys, INVOCATION_COSTS)


def mark_outputs(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Add a 0 or 1 for each count, and the parts of the cost."""
    cost = nw.col("cost_usd")
    is_priced, is_charged = ~cost.is_null(), may_be_charged()
    has_failed = ~nw.col("error_kind").is_null()
    is_truncated = (nw.col("stop") == "length").fill_null(value=False)
    has_input, has_output = (~nw.col(name).is_null() for name in ("input_tokens", "output_tokens"))
    is_unpriced = is_charged & ~is_priced
    flags = {
        "answered": ~has_failed,
        "failed": has_failed,
        "truncated": is_truncated,
        "unpriced": is_unpriced,
        "estimated": nw.col("tokens_estimated") & is_priced,
        "without_tokens": is_charged & ~(has_input & has_output),
        "priced": is_priced,
        "truncated_unknown": is_unreadable() | (is_truncated & is_unpriced) | (~has_failed & nw.col("stop").is_null()),
        "truncated_priced": is_truncated & is_priced,
        "failed_unknown": has_failed & is_unpriced,
        "failed_priced": has_failed & is_priced,
        "input_tokens_known": has_input,
        "output_tokens_known": has_output,
    }
    return frame.with_columns(
        outputs=nw.lit(1),
        truncated_cost_usd=nw.when(is_truncated).then(cost),
        failed_cost_usd=nw.when(has_failed).then(cost),
        **{name: count_where(condition) for name, condition in flags.items()},
    )
