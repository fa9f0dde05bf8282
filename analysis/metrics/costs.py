"""Costs: what the tokens of a run cost, how much of it was wasted, and what more calls would cost."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import FRACTION, WHOLE, aggregate, finish_frame, list_keys, read_columns
from analysis.errors import ColumnError
from analysis.facts.prices import find_prices
from analysis.facts.tokens import BYTES_PER_TOKEN

MILLION = 1_000_000
RATE_KEYS = ("model_id", "invocation")
RATES = ("input_usd_per_million", "output_usd_per_million")
TOKENS = ("model_id", "invocation", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
COST_COLUMNS = ("record_id", "call_id", "variant", *TOKENS, "stop", "error_kind")
PRICED_TOKENS = ("_input_tokens", "_output_tokens")  # those that are priced; no column of an output begins so
INPUT_USD, OUTPUT_USD = (f"_{name}" for name in RATES)
COUNTS = ("outputs", "answered", "failed", "truncated", "unpriced", "estimated", "priced_truncated", "priced_failed")
SUMS = ("input_tokens", "output_tokens", "cost_usd")
PARTS = {"truncated_cost_usd": "truncated", "failed_cost_usd": "failed"}  # of the cost, with the outputs they are of
SUMMARY = {
    "calls": WHOLE,
    "outputs": WHOLE,
    "answered": WHOLE,
    "failed": WHOLE,
    "truncated": WHOLE,
    "unpriced": WHOLE,
    "estimated": WHOLE,
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
INVOCATION_COSTS = {
    "outputs": WHOLE,
    "compared": WHOLE,
    "batch_usd": FRACTION,
    "on_demand_usd": FRACTION,
    "saved_usd": FRACTION,
    "saved_share": FRACTION,
}


def add_costs(
    outputs: IntoDataFrameT, prices: IntoDataFrame | None = None, *, records: IntoDataFrame | None = None
) -> IntoDataFrameT:
    """Price the tokens of every output.

    Parameters
    ----------
    outputs
        One row per output, from `load_outputs`; `model_id`, `invocation`, `input_tokens`, `output_tokens` and the
        cache counters are read.
    prices
        One row per model id and invocation, from `find_prices` or `read_prices`.
        Without it the prices that come with the package, as far as they hold in any Region.
    records
        One row per record, `run.read_records()`, for models that do not report the tokens of their answers (Mistral
        Small 24.02, Cohere Command): `record_id` and `input_tokens_estimate` are read, and `record_id`, `text` and
        `error_kind` of `outputs`.

    Returns
    -------
    frame
        The rows of `outputs` with `cost_usd` and `tokens_estimated` last. A cost is missing where tokens or price are
        not known, so for failed outputs, where an answer has neither tokens nor text (a call of a tool), and where
        tokens were read from or written to a cache, which has no published batch rate. `tokens_estimated` says that
        tokens which the answer does not give were priced as bytes of text / 4; the columns of tokens stay as they are.

    Raises
    ------
    ColumnError
        `outputs` lacks a column, or has `cost_usd` or `tokens_estimated` already.
    """
    needed = TOKENS if records is None else (*TOKENS, "record_id", "text", "error_kind")
    frame = read_columns(outputs, needed, of="outputs")
    for name in ("cost_usd", "tokens_estimated"):
        if name in frame.columns:
            raise ColumnError("outputs", f"there is a column {name!r} already", "drop it to price the outputs again")
    counted = add_rates(count_tokens(frame, records), list_rates(frame, prices))
    priced = counted.with_columns(cost_usd=price_tokens(*PRICED_TOKENS))
    return nw.maybe_reset_index(priced.select(*frame.columns, "cost_usd", "tokens_estimated")).to_native()


def read_cost_columns(outputs: pl.LazyFrame) -> pl.DataFrame:
    """Read from scanned outputs what costs need: texts only where tokens have to be estimated from them.

    Parameters
    ----------
    outputs
        One row per output, from `run.scan_outputs()` or `scan_outputs`.

    Returns
    -------
    frame
        The same rows, for `add_costs`, `sum_costs`, `project_costs` and `compare_invocations`; `text` is missing
        where the answer gives its tokens.
    """
    is_silent = pl.col("error_kind").is_null() & pl.any_horizontal(pl.col("input_tokens", "output_tokens").is_null())
    # Asked first: most runs have no such answer, and then no text is read at all.
    any_silent = outputs.select(is_silent.any()).collect().item()
    text = pl.when(is_silent).then("text") if any_silent else pl.lit(None, pl.String)
    return outputs.select(*COST_COLUMNS, text.alias("text")).collect(engine="streaming")


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
          `truncated` (ended by max_tokens), `unpriced` (an answer or tokens, but no known cost),
          `estimated` (a cost that rests on estimated tokens);
        - `input_tokens`, `output_tokens`;
        - `cost_usd` of the outputs whose cost is known, so a lower bound when `unpriced` is not 0;
        - `cost_usd_per_1000_calls`: all that was paid, for 1,000 calls that got an answer, so further samples, repairs
          and what bought no answer are in it; missing when no call got one;
        - `truncated_cost_usd`, `failed_cost_usd`: the parts of `cost_usd` that bought a truncated answer or none.

        A sum is missing when nothing that belongs to it is known.
    """
    keys = list_keys(by)
    tokens = ("input_tokens", "output_tokens", "tokens_estimated")
    needed = ("call_id", "record_id", *tokens, "error_kind", "stop", "cost_usd")
    marked = mark_outputs(read_columns(costed, [*keys, *needed], of="costed outputs"))
    grouped = aggregate(
        marked,
        keys,
        nw.col("call", "answered_call").n_unique(),
        nw.col("nameless", "without_answer").max(),
        nw.col(*COUNTS, *SUMS, *PARTS).sum(),
        nw.col(*SUMS).count().name.suffix("_known"),
    )
    return finish_frame(hide_unknown(grouped), keys, SUMMARY)


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
    The cost of a call is the sum of its outputs, repairs and samples included; calls without a known cost are left out.
    The interval is normal, N mean ± z s √(N²/n + N) for N calls after n:
    the mean is uncertain, and the calls to come differ among themselves.
    """
    keys = list_keys(by)
    frame = read_columns(costed, [*keys, "call_id", "record_id", "cost_usd"], of="costed outputs")
    named = frame.with_columns(call=nw.coalesce("call_id", "record_id"), known=nw.col("cost_usd"))
    per_call = aggregate(named, [*keys, "call"], nw.col("cost_usd").sum(), nw.col("known").count())
    per_call = per_call.with_columns(cost_usd=nw.when(nw.col("known") > 0).then(nw.col("cost_usd")))
    cost = nw.col("cost_usd")
    means = aggregate(per_call, keys, cost.count().alias("calls_seen"), cost.mean(), cost.std().alias("spread"))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * nw.col("spread") * (calls**2 / nw.col("calls_seen") + calls).sqrt()
    projected = means.with_columns(cost_usd_per_call=cost, cost_usd=cost * calls, calls=nw.lit(calls)).with_columns(
        cost_usd_low=(cost - half).clip(lower_bound=0), cost_usd_high=cost + half
    )
    return finish_frame(projected, keys, PROJECTION)


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
    """
    keys = list_keys(by)
    frame = read_columns(outputs, [*keys, *TOKENS], of="outputs")
    rates, costs = list_rates(frame, prices), frame
    for invocation, column in (("batch", "batch_usd"), ("on_demand", "on_demand_usd")):
        asked = add_rates(costs.with_columns(invocation=nw.lit(invocation)), rates)
        costs = asked.with_columns(price_tokens().alias(column))
    usd = ("batch_usd", "on_demand_usd")
    is_fair = ~(nw.col("batch_usd").is_null() | nw.col("on_demand_usd").is_null())
    fair = costs.with_columns(
        *(nw.when(is_fair).then(nw.col(name)).alias(name) for name in usd),
        compared=nw.when(is_fair).then(1).otherwise(0),
    )
    sums = aggregate(fair, keys, nw.len().alias("outputs"), nw.col("compared", *usd).sum())
    known = sums.with_columns(nw.when(nw.col("compared") > 0).then(nw.col(name)).alias(name) for name in usd)
    saved = known.with_columns(saved_usd=nw.col("on_demand_usd") - nw.col("batch_usd"))
    share = nw.when(nw.col("on_demand_usd") > 0).then(nw.col("saved_usd") / nw.col("on_demand_usd"))
    return finish_frame(saved.with_columns(saved_share=share), keys, INVOCATION_COSTS)


def list_rates(frame: nw.DataFrame[Any], prices: IntoDataFrame | None) -> pl.DataFrame:
    """Look up the prices of the models in a frame, one row per model id and invocation; the first known one wins."""
    models = sorted(frame["model_id"].drop_nulls().unique().to_list())
    table = find_prices(models) if prices is None else prices
    # polars, so that a price missing in pandas is null here, not NaN.
    rates = read_columns(table, (*RATE_KEYS, *RATES), of="prices").select(*RATE_KEYS, *RATES).to_polars()
    rates = rates.filter(pl.col("model_id").is_in(models)).cast(dict.fromkeys(RATE_KEYS, pl.String))
    known = (pl.col(name).cast(pl.Float64).drop_nulls().first().alias(f"_{name}") for name in RATES)
    return rates.group_by(RATE_KEYS).agg(*known)


def add_rates(frame: nw.DataFrame[IntoDataFrameT], rates: pl.DataFrame) -> nw.DataFrame[IntoDataFrameT]:
    """Add the USD per million tokens of each row's model and invocation; missing where they are not known."""
    # Only the keys are joined: in a join of the whole frame pandas would match missing keys, and change dtypes.
    keys = frame.select(*RATE_KEYS).to_polars().cast(dict.fromkeys(RATE_KEYS, pl.String))
    found = keys.join(rates, on=RATE_KEYS, how="left", maintain_order="left").select(INPUT_USD, OUTPUT_USD)
    same_kind = nw.from_native(found.to_pandas() if frame.implementation.is_pandas() else found, eager_only=True)
    return frame.with_columns(same_kind[INPUT_USD], same_kind[OUTPUT_USD])


def count_tokens(frame: nw.DataFrame[IntoDataFrameT], records: IntoDataFrame | None) -> nw.DataFrame[IntoDataFrameT]:
    """Add the tokens to be priced: those that the answer reports, else estimates from record and text."""
    of_input, of_output = PRICED_TOKENS
    given = {of_input: nw.col("input_tokens"), of_output: nw.col("output_tokens")}
    if records is None:
        return frame.with_columns(**given, tokens_estimated=nw.lit(value=False))
    sent = read_columns(records, ("record_id", "input_tokens_estimate"), of="records")
    # An answer without text may be a tool call, whose tokens cannot be estimated.
    is_answer = nw.col("error_kind").is_null() & ~nw.col("text").is_null() & (nw.col("text") != "")
    is_silent = is_answer & (nw.col("input_tokens").is_null() | nw.col("output_tokens").is_null())
    if not frame.select(is_silent.any().alias("any")).item():
        return frame.with_columns(**given, tokens_estimated=nw.lit(value=False))
    estimates = dict(zip(sent["record_id"].to_list(), sent["input_tokens_estimate"].to_list(), strict=True))
    guesses = {
        of_input: [estimates.get(record_id) for record_id in frame["record_id"].to_list()],
        of_output: [len(text.encode()) / BYTES_PER_TOKEN if isinstance(text, str) else None for text in frame["text"]],
    }
    guessed = frame.with_columns(
        nw.new_series(name, values, nw.Float64(), backend=frame.implementation) for name, values in guesses.items()
    )
    counted = {
        name: nw.when(is_answer).then(nw.coalesce(tokens, nw.col(name))).otherwise(tokens)
        for name, tokens in given.items()
    }
    is_known = ~(nw.col(of_input).is_null() | nw.col(of_output).is_null())
    return guessed.with_columns(**counted, tokens_estimated=is_silent & is_known)


def price_tokens(of_input: str = "input_tokens", of_output: str = "output_tokens") -> nw.Expr:
    """Price the tokens of each output at the rates of its row; missing where a cache was used."""
    used_cache = (nw.col("cache_read_tokens") > 0) | (nw.col("cache_write_tokens") > 0)
    cost = nw.col(of_input) * nw.col(INPUT_USD) + nw.col(of_output) * nw.col(OUTPUT_USD)
    return nw.when(~used_cache.fill_null(value=False)).then(cost / MILLION).cast(nw.Float64)


def hide_unknown(grouped: nw.DataFrame[IntoDataFrameT]) -> nw.DataFrame[IntoDataFrameT]:
    """Make each sum missing that nothing known was added to, and count the calls of each group."""
    sums = (nw.when(nw.col(f"{name}_known") > 0).then(nw.col(name)).alias(name) for name in SUMS)
    parts = (
        nw.when((nw.col(kind) == 0) | (nw.col(f"priced_{kind}") > 0)).then(nw.col(name)).alias(name)
        for name, kind in PARTS.items()
    )
    # n_unique counts the missing name as one; of no rows at all the largest is missing.
    calls = nw.col("call") - nw.col("nameless").fill_null(0)
    answered_calls = nw.col("answered_call") - nw.col("without_answer").fill_null(0)
    known = grouped.with_columns(*sums, *parts, calls=calls, answered_calls=answered_calls)
    per_1000 = nw.col("cost_usd") / nw.col("answered_calls") * 1000
    return known.with_columns(cost_usd_per_1000_calls=nw.when(nw.col("answered_calls") > 0).then(per_1000))


def mark_outputs(frame: nw.DataFrame[IntoDataFrameT]) -> nw.DataFrame[IntoDataFrameT]:
    """Add a 0 or 1 for each count of the summary, and the parts of the cost."""
    cost = nw.col("cost_usd")
    is_priced = ~cost.is_null()
    has_failed = ~nw.col("error_kind").is_null()
    is_truncated = nw.col("stop") == "length"
    has_tokens = ~(nw.col("input_tokens").is_null() & nw.col("output_tokens").is_null())
    call = nw.coalesce("call_id", "record_id")
    flags = {
        "nameless": call.is_null(),
        "without_answer": has_failed | call.is_null(),
        "answered": ~has_failed,
        "failed": has_failed,
        "truncated": is_truncated,
        "unpriced": (has_tokens | ~has_failed) & ~is_priced,
        "estimated": nw.col("tokens_estimated") & is_priced,
        "priced_truncated": is_truncated & is_priced,
        "priced_failed": has_failed & is_priced,
    }
    return frame.with_columns(
        call=call,
        answered_call=nw.when(~has_failed).then(call),
        outputs=nw.lit(1),
        truncated_cost_usd=nw.when(is_truncated).then(cost),
        failed_cost_usd=nw.when(has_failed).then(cost),
        **{name: nw.when(condition).then(1).otherwise(0) for name, condition in flags.items()},
    )
