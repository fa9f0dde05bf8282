"""Estimates: what records will cost before they are sent, and how close that came to the bill."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import FRACTION, TEXT, TRUTH, WHOLE, aggregate, finish_frame, read_columns
from analysis.metrics.costs import INPUT_USD, MILLION, OUTPUT_USD, add_rates, list_rates

TOKEN_FACTORS = {"low": 0.75, "": 1.0, "high": 1.25}
SHARES_OF_MAX_TOKENS = {"low": 0.10, "": 0.50, "high": 1.0}
PLACE = "_place"  # of a variant in the estimate
ESTIMATE = {
    "records": WHOLE,
    "invocation": TEXT,
    "input_tokens": WHOLE,
    "input_tokens_low": WHOLE,
    "input_tokens_high": WHOLE,
    "output_tokens": WHOLE,
    "output_tokens_low": WHOLE,
    "output_tokens_high": WHOLE,
    "cost_usd": FRACTION,
    "cost_usd_low": FRACTION,
    "cost_usd_high": FRACTION,
}
COMPARISON = {
    "records": WHOLE,
    "outputs": WHOLE,
    "input_tokens_estimate": WHOLE,
    "input_tokens": WHOLE,
    "input_ratio": FRACTION,
    "output_tokens_estimate": WHOLE,
    "output_tokens": WHOLE,
    "output_ratio": FRACTION,
    "cost_usd_estimate": FRACTION,
    "cost_usd_low": FRACTION,
    "cost_usd_high": FRACTION,
    "cost_usd": FRACTION,
    "cost_ratio": FRACTION,
    "was_within": TRUTH,
}


def estimate_costs(
    records: IntoDataFrameT,
    prices: IntoDataFrame | None = None,
    *,
    output_tokens: Mapping[str, float] | None = None,
    invocation: str = "batch",
) -> IntoDataFrameT:
    """Estimate what records will cost before they are sent.

    Parameters
    ----------
    records
        One row per record; `variant`, `model_id`, `input_tokens_estimate` and `max_tokens` are read.
    prices
        One row per model id and invocation, from `find_prices` or `read_prices`.
        Without it the prices that come with the package, as far as they hold in any Region.
    output_tokens
        Mean tokens of an answer by variant, where an earlier run or a preview has shown it.
    invocation
        `batch` or `on_demand`.

    Returns
    -------
    frame
        One row per variant, by name: `records`, `invocation`, and `input_tokens`, `output_tokens`, `cost_usd`,
        each also as `_low` and `_high`. Costs are missing unless the price of every record is known, and tokens unless
        its text and `max_tokens` are.

    Notes
    -----
    Input: the estimate is bytes of text / 4, taken ± 25 %.
    Output: unknown before the first run, so 50 % of `max_tokens`, low 10 %, high all of it;
    a mean that was seen is taken ± 25 %, at most `max_tokens`.
    Low and high cost take the low or high of both at once, so the bill should lie well between.
    """
    needed = ("variant", "model_id", "input_tokens_estimate", "max_tokens")
    frame = read_columns(records, needed, of="records")
    columns = {"records": nw.lit(1)}
    for end in TOKEN_FACTORS:
        sent = nw.col("input_tokens_estimate") * TOKEN_FACTORS[end]
        answer = estimate_output(output_tokens or {}, end)
        columns[name_column("input_tokens", end)] = sent
        columns[name_column("output_tokens", end)] = answer
        columns[name_column("cost_usd", end)] = (sent * nw.col(INPUT_USD) + answer * nw.col(OUTPUT_USD)) / MILLION
    priced = add_rates(frame.with_columns(invocation=nw.lit(invocation)), list_rates(frame, prices))
    estimated = priced.with_columns(**columns)
    counts = nw.col(*columns).count().name.suffix("_known")
    sums = aggregate(estimated, ["variant"], nw.col(*columns).sum(), counts)
    # A sum that leaves a record out is too low, and does not look it.
    known = {name: nw.when(nw.col(f"{name}_known") == nw.col("records")).then(nw.col(name)) for name in columns}
    rounded = {name: total.round() if "tokens" in name else total for name, total in known.items()}
    return finish_frame(sums.with_columns(**rounded, invocation=nw.lit(invocation)), ["variant"], ESTIMATE)


def compare_estimate(estimate: IntoDataFrameT, bill: IntoDataFrameT) -> IntoDataFrameT:
    """Compare the estimate with the bill.

    Parameters
    ----------
    estimate
        One row per variant, from `estimate_costs`.
    bill
        One row per variant, from `sum_costs`; of the same kind (pandas or polars) as `estimate`.

    Returns
    -------
    frame
        One row per variant of either, in the order of `estimate`, then of the bill by name: `records` and `outputs`;
        tokens and cost as estimated and as billed;
        `input_ratio`, `output_ratio`, `cost_ratio` (billed / estimated, so above 1 is more than estimated);
        `was_within`, whether the bill lies between `cost_usd_low` and `cost_usd_high`.
        What one side does not have is missing. Where the bill is a lower bound nothing is compared with it: the ratios
        of tokens are missing where outputs are `without_tokens`, that of the cost where any is `unpriced`; there, and
        where there are fewer outputs than records, `was_within` is missing, or false where the bill is above all.
    """
    shared = ("input_tokens", "output_tokens", "cost_usd")
    needed = ("variant", "records", *shared, "cost_usd_low", "cost_usd_high")
    billed_columns = ("variant", "outputs", "unpriced", "without_tokens", *shared)
    estimated = read_columns(estimate, needed, of="estimate").select(*needed).with_row_index(PLACE)
    billed = read_columns(bill, billed_columns, of="bill").select(*billed_columns)
    both = estimated.rename({name: f"{name}_estimate" for name in shared}).join(
        billed.rename({"variant": "billed_variant"}), left_on="variant", right_on="billed_variant", how="full"
    )
    cost, low, high = (nw.col(name) for name in ("cost_usd", "cost_usd_low", "cost_usd_high"))
    is_priced, has_tokens = nw.col("unpriced") == 0, nw.col("without_tokens") == 0
    whole = {"input_tokens": has_tokens, "output_tokens": has_tokens, "cost_usd": is_priced}
    ratios = {
        f"{name.split('_')[0]}_ratio": nw.when(is_whole).then(nw.col(name) / nw.col(f"{name}_estimate"))
        for name, is_whole in whole.items()
    }
    is_whole_bill = is_priced & (nw.col("outputs") >= nw.col("records"))
    is_known = ~(cost.is_null() | low.is_null()) & (is_whole_bill | (cost > high))
    compared = both.with_columns(
        **ratios,
        variant=nw.coalesce("variant", "billed_variant"),
        was_within=nw.when(is_known).then((cost >= low) & (cost <= high)),
    )
    return finish_frame(compared.sort(PLACE, "variant", nulls_last=True), ["variant"], COMPARISON)


def name_column(name: str, end: str) -> str:
    """Return the name of a column, or of an end of its interval."""
    return f"{name}_{end}" if end else name


def estimate_output(seen: Mapping[str, float], end: str) -> nw.Expr:
    """Estimate the output tokens of each answer: the mean seen of its variant, else a share of max_tokens."""
    most = nw.col("max_tokens")
    tokens = most * SHARES_OF_MAX_TOKENS[end]
    for variant, mean in seen.items():
        tokens = nw.when(nw.col("variant") == variant).then(nw.lit(mean * TOKEN_FACTORS[end])).otherwise(tokens)
    return nw.when(tokens > most).then(most).otherwise(tokens)
