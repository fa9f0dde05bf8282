"""Costs: what the tokens of each output cost, and which costs are not known."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import TEXT, WHOLE, aggregate, finish_frame, read_columns
from analysis.errors import ColumnError
from analysis.facts.prices import find_prices
from analysis.facts.tokens import BYTES_PER_TOKEN

MILLION = 1_000_000
RATE_KEYS = ("model_id", "invocation")
VARIANT = "variant"  # a further key of prices that differ between the variants of a run, which are in several Regions
RATES = ("input_usd_per_million", "output_usd_per_million")
TOKENS = ("model_id", "invocation", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
COST_COLUMNS = ("record_id", "call_id", "variant", *TOKENS, "stop", "error_kind", "taken_from")
PRICES = ("cost_usd", "price_usd", "tokens_estimated")  # columns that are added
PRICED_TOKENS = ("_input_tokens", "_output_tokens")  # those that are priced; no column of an output begins so
INPUT_USD, OUTPUT_USD = (f"_{name}" for name in RATES)
UNREADABLE = "unreadable"  # the error kind of a line that cannot be read
UNPRICED = {"model_id": TEXT, "cause": TEXT, "outputs": WHOLE}


def add_costs(
    outputs: IntoDataFrameT, prices: IntoDataFrame | None = None, *, records: IntoDataFrame | None = None
) -> IntoDataFrameT:
    """Price the tokens of every output.

    Parameters
    ----------
    outputs
        One row per output, from `load_outputs`; `model_id`, `invocation`, `input_tokens`, `output_tokens` and the
        cache counters are read, and `taken_from` where it is there.
    prices
        One row per model id and invocation, from `find_prices` or `read_prices`; or per `variant`, model id and
        invocation, from `find_run_prices`: `variant` of the outputs is read then as well.
        Without it the prices that come with the package, as far as they hold in any Region.
    records
        One row per record, `run.read_records()`, for models that do not report the tokens of their answers (Mistral
        Small 24.02, Cohere Command): `record_id` and `input_tokens_estimate` are read, and `record_id`, `text` and
        `error_kind` of `outputs`.

    Returns
    -------
    frame
        The rows of `outputs` with three columns last. `cost_usd` is what the run paid: 0 for an answer that was taken
        over from another run. `price_usd` is the price of the same tokens in a batch job, whoever paid for them and
        however they were asked for. Each is missing where tokens or price are not known, so for failed outputs, where
        an answer has neither tokens nor text (a call of a tool), and where tokens were read from or written to a cache,
        which has no published batch rate. `tokens_estimated` says that tokens which the answer does not give were
        priced as bytes of text / 4; the columns of tokens stay as they are.

    Raises
    ------
    ColumnError
        `outputs` lacks a column, or has one of the three already.
    """
    needed = TOKENS if records is None else (*TOKENS, "record_id", "text", "error_kind")
    frame = read_columns(outputs, needed, of="outputs")
    for name in PRICES:
        if name in frame.columns:
            raise ColumnError("outputs", f"there is a column {name!r} already", "drop it to price the outputs again")
    rates, counted = list_rates(frame, prices), count_tokens(frame, records)
    priced = add_price(counted, "cost_usd", rates)
    batch = priced.with_columns(invocation=nw.lit("batch"))
    priced = priced.with_columns(add_price(batch, "price_usd", rates)["price_usd"])
    if "taken_from" in frame.columns:
        is_own = nw.col("taken_from").is_null()
        priced = priced.with_columns(cost_usd=nw.when(is_own).then(nw.col("cost_usd")).otherwise(0.0))
    finished: IntoDataFrameT = nw.maybe_reset_index(priced.select(*frame.columns, *PRICES)).to_native()
    return finished


def add_price(frame: nw.DataFrame[Any], column: str, rates: pl.DataFrame) -> nw.DataFrame[Any]:
    """Add the price of the counted tokens of each row by its model and invocation."""
    return add_rates(frame, rates).with_columns(price_tokens(*PRICED_TOKENS).alias(column)).drop(INPUT_USD, OUTPUT_USD)


def read_cost_columns(outputs: pl.LazyFrame, *others: str) -> pl.DataFrame:
    """Read from scanned outputs what costs need: texts only where tokens have to be estimated from them.

    Parameters
    ----------
    outputs
        One row per output, from `run.scan_outputs()` or `scan_outputs`.
    others
        Further columns to read.

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
    return outputs.select(*COST_COLUMNS, *others, text.alias("text")).collect(engine="streaming")


def count_unpriced(costed: IntoDataFrameT, prices: IntoDataFrame) -> IntoDataFrameT:
    """Count the outputs that may have been charged and whose cost is not known.

    Parameters
    ----------
    costed
        One row per output, from `add_costs`.
    prices
        From `find_prices`: the prices that were passed to `add_costs`.

    Returns
    -------
    frame
        One row per model and cause, in that order: `model_id` (missing where an output does not tell), `cause` and
        `outputs`. The cause is `cache` (a cache was used, which has no published batch price), `unreadable` (the line
        cannot be read), `tokens` (the answer has none, and no text to estimate them from), or `price` (none is known
        for the model and invocation). No rows where every cost is known.
    """
    frame = read_columns(costed, (*TOKENS, "error_kind", "cost_usd"), of="costed outputs")
    unpriced = frame.filter(may_be_charged() & nw.col("cost_usd").is_null())
    priced = add_rates(unpriced, list_rates(unpriced, prices))
    has_price = ~(nw.col(INPUT_USD).is_null() | nw.col(OUTPUT_USD).is_null())
    causes = nw.when(has_price).then(nw.lit("tokens")).otherwise(nw.lit("price"))
    causes = nw.when(is_unreadable()).then(nw.lit(UNREADABLE)).otherwise(causes)
    causes = nw.when(used_cache()).then(nw.lit("cache")).otherwise(causes)
    keys = ["model_id", "cause"]
    counts = aggregate(priced.with_columns(cause=causes), keys, nw.len().alias("outputs"))
    return finish_frame(counts, [], UNPRICED)


def may_be_charged() -> nw.Expr:
    """Return whether an output may have been charged: an answer, an error with tokens, or a line nobody can read."""
    has_tokens = ~(nw.col("input_tokens").is_null() & nw.col("output_tokens").is_null())
    return nw.col("error_kind").is_null() | has_tokens | is_unreadable()


def is_unreadable() -> nw.Expr:
    """Return whether the line of an output cannot be read."""
    return (nw.col("error_kind") == UNREADABLE).fill_null(value=False)


def used_cache() -> nw.Expr:
    """Return whether tokens of an output were read from or written to a cache."""
    used = (nw.col("cache_read_tokens") > 0) | (nw.col("cache_write_tokens") > 0)
    return used.fill_null(value=False)


def list_rates(frame: nw.DataFrame[Any], prices: IntoDataFrame | None) -> pl.DataFrame:
    """Look up the prices of the models in a frame, one row per key of the prices; the first known one wins."""
    models = sorted(frame["model_id"].drop_nulls().unique().to_list())
    table = read_columns(find_prices(models) if prices is None else prices, (*RATE_KEYS, *RATES), of="prices")
    keys = (VARIANT, *RATE_KEYS) if VARIANT in table.columns else RATE_KEYS
    read_columns(frame.to_native(), keys[: len(keys) - len(RATE_KEYS)], of="outputs")
    # polars, so that a price missing in pandas is null here, not NaN.
    rates = table.select(*keys, *RATES).to_polars()
    rates = rates.filter(pl.col("model_id").is_in(models)).cast(dict.fromkeys(keys, pl.String))
    known = (pl.col(name).cast(pl.Float64).drop_nulls().first().alias(f"_{name}") for name in RATES)
    return rates.group_by(keys).agg(*known)


def add_rates(frame: nw.DataFrame[IntoDataFrameT], rates: pl.DataFrame) -> nw.DataFrame[IntoDataFrameT]:
    """Add the USD per million tokens of each row by the keys of the rates; missing where they are not known."""
    # Only the keys are joined: in a join of the whole frame pandas would match missing keys, and change dtypes.
    names = rates.drop(INPUT_USD, OUTPUT_USD).columns
    keys = frame.select(*names).to_polars().cast(dict.fromkeys(names, pl.String))
    found = keys.join(rates, on=names, how="left", maintain_order="left").select(INPUT_USD, OUTPUT_USD)
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
    estimates = find_estimates(sent, frame.filter(is_silent)["record_id"].to_list())
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


def find_estimates(sent: nw.DataFrame[Any], record_ids: list[Any]) -> dict[str, float]:
    """Look up the estimates of some records; those of all would take ten times as much memory as the frame."""
    few = sent.select("record_id", "input_tokens_estimate").filter(nw.col("record_id").is_in(record_ids))
    return dict(zip(few["record_id"].to_list(), few["input_tokens_estimate"].to_list(), strict=True))


def price_tokens(of_input: str = "input_tokens", of_output: str = "output_tokens") -> nw.Expr:
    """Price the tokens of each output at the rates of its row; missing where a cache was used."""
    cost = nw.col(of_input) * nw.col(INPUT_USD) + nw.col(of_output) * nw.col(OUTPUT_USD)
    return nw.when(~used_cache()).then(cost / MILLION).cast(nw.Float64)
