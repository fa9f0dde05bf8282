"""Prices: USD per million tokens of a model, in batch jobs and on demand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from analysis.errors import ColumnError, ModelError, StorageError, describe_passed
from analysis.facts import read_facts, read_own_facts
from analysis.facts.models import find_model
from analysis.files import check_path

INVOCATIONS = ("batch", "on_demand")
PRICE_SCHEMA = {
    "model_id": pl.String,
    "invocation": pl.String,
    "input_usd_per_million": pl.Float64,
    "output_usd_per_million": pl.Float64,
    "source": pl.String,
    "read_on": pl.Date,
}
OWN_COLUMNS = ("model_id", "invocation", "input_usd_per_million", "output_usd_per_million")
RATES = ("input_usd_per_million", "output_usd_per_million")


def find_prices(model_ids: str | Iterable[str], *, region: str = "", own: pl.DataFrame | None = None) -> pl.DataFrame:
    """Look up the prices of the tokens of some models.

    Parameters
    ----------
    model_ids
        Model ids, profile ids or ARNs, as they are sent to Bedrock; one as text.
    region
        The AWS Region that is called, `us-east-1`; an ARN's own Region wins.
        Some prices are known for one Region only, and found only when that Region is given.
    own
        Your prices, from `read_prices`; they replace those of the package.

    Returns
    -------
    frame
        One row per model id and invocation whose price is known, in the order of `model_ids`, `batch` first:
        `model_id`, `invocation` (`batch`, `on_demand`), `input_usd_per_million`, `output_usd_per_million`
        (either may be missing), `source`, `read_on`. A model without a known price has no row.

    Notes
    -----
    Rows of `facts/prices.csv` name the profile that they apply to: a prefix (`global`, `us`), `geo` (every geographic
    profile, and the model in its own Region: the price list has one rate for both), or nothing (own Region).
    A model id takes the row of its own profile, else that of `geo`;
    among these the row of its Region, else one for any Region. An input or output price that a row does not have is
    taken from the next row.
    In the Region for which `batchbook facts update` read prices from AWS, these precede those of the package.
    The price of `global.` is never used for other profiles, which cost 10 % more since Claude 4.5, nor that of `geo`
    for `us-gov.`.
    Source: Amazon Bedrock pricing page and AWS Price List, as given for each row in `source`.
    """
    asked = list_model_ids(model_ids)
    tables = [table.with_columns(pl.col("profile", "region").fill_null("")) for table in list_tables()]
    matched = [match_model(table, model_id, region) for table in tables for model_id in asked]
    found = pl.concat([pl.DataFrame(schema=PRICE_SCHEMA), *matched])
    if own is not None:
        found = pl.concat([own.filter(pl.col("model_id").is_in(asked)).select(*PRICE_SCHEMA), found])
    order = pl.col("model_id").cast(pl.Enum(asked))
    return merge_rows(found).sort(order, "invocation")


def list_model_ids(model_ids: Any) -> list[str]:
    """List each model id once; one as text is not taken for its letters."""
    is_one = isinstance(model_ids, str) or not isinstance(model_ids, Iterable)
    asked = [model_ids] if is_one else list(model_ids)
    for model_id in asked:
        if not isinstance(model_id, str):
            cure = "pass the model_id of each prompt, as find_prices({prompt.model_id for prompt in prompts})"
            raise ModelError("model_ids", f"{describe_passed(model_id)} is not the id of a model", cure)
    return list(dict.fromkeys(asked))


def read_prices(path: str | Path) -> pl.DataFrame:
    """Read your own prices, one row per model id and invocation.

    Parameters
    ----------
    path
        A CSV file with the columns `model_id` (as it is sent), `invocation` (`batch` or `on_demand`),
        `input_usd_per_million` and `output_usd_per_million`; `source` and `read_on` (2026-11-30) may be left out.

    Returns
    -------
    frame
        As from `find_prices`; a `source` that was left out is the file.

    Raises
    ------
    StorageError
        The file cannot be read, or a line is not a price; the error names the line.
    ColumnError
        A column is missing.
    """
    check_path(path)
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StorageError(path, f"cannot be read ({error})") from error
    for name in OWN_COLUMNS:
        if name not in table.columns:
            raise ColumnError(path, f"no column {name!r}", f"prices have {', '.join(OWN_COLUMNS)}")
    optional = [pl.lit(None, pl.String).alias(name) for name in ("source", "read_on") if name not in table.columns]
    prices = table.with_columns(optional).with_columns(
        pl.col(RATES).cast(pl.Float64, strict=False),
        pl.col("source").fill_null(str(path)),
        pl.col("read_on").str.to_date("%Y-%m-%d", strict=False),
    )
    return check_prices(prices.select(*PRICE_SCHEMA), path)


def list_tables() -> list[pl.DataFrame]:
    """List the tables of known prices, your own first, without the rows whose price is not known."""
    is_known = pl.any_horizontal(pl.col(RATES).is_not_null())
    return [table.filter(is_known) for table in (read_own_facts("prices"), read_facts("prices"))]


def match_model(table: pl.DataFrame, model_id: str, region: str) -> pl.DataFrame:
    """Find the rows that apply to one model id, the most specific first."""
    model = find_model(model_id)
    profiles = [model.profile] if model.profile in {"global", "us-gov"} else [model.profile, "geo"]
    regions = ["", find_region(model_id) or region]
    rows = table.filter(
        pl.col("model") == model.price_key, pl.col("profile").is_in(profiles), pl.col("region").is_in(regions)
    )
    # False sorts before True: a row of the profile before `geo`, a row of the Region before one for any.
    closest = rows.sort(pl.col("profile") == "geo", pl.col("region") == "", maintain_order=True)
    return closest.select(pl.lit(model_id).alias("model_id"), pl.col(*list(PRICE_SCHEMA)[1:]))


def merge_rows(found: pl.DataFrame) -> pl.DataFrame:
    """Merge the rows of each price: input and output price are the first known, and `source` names both origins."""
    input_source, output_source = (pl.col("source").filter(pl.col(rate).is_not_null()).first() for rate in RATES)
    both = pl.concat_str(input_source, pl.lit("; output: "), output_source)
    source = pl.when(input_source != output_source).then(both).otherwise(pl.coalesce(input_source, output_source))
    by_price = found.group_by("model_id", "invocation", maintain_order=True)
    firsts = by_price.agg(pl.col(RATES).drop_nulls().first(), source=source, read_on=pl.col("read_on").first())
    return firsts.select(*PRICE_SCHEMA)


def find_region(model_id: str) -> str:
    """Return the Region of an ARN; empty for a plain id."""
    return model_id.split(":")[3] if model_id.startswith("arn:") else ""


def check_prices(prices: pl.DataFrame, path: str | Path) -> pl.DataFrame:
    """Return the prices unchanged, or raise an error for the first line that is not a price."""
    is_price = pl.all_horizontal(pl.col(RATES).is_finite() & (pl.col(RATES) >= 0)).fill_null(value=False)
    is_known = pl.col("invocation").is_in(INVOCATIONS).fill_null(value=False)
    is_twice = pl.struct("model_id", "invocation").is_duplicated()
    for wrong, reason, cure in (
        (pl.col("model_id").is_null(), "no model_id", "write the id that is sent to Bedrock"),
        (~is_known, "unknown invocation", f"write {' or '.join(INVOCATIONS)}"),
        (~is_price, "a price is not a number of 0 or more", "write USD per million tokens, 0.55"),
        (is_twice, "one model and invocation have two prices", "keep one of the lines"),
    ):
        lines = prices.select(pl.arg_where(wrong)).to_series() + 2  # line 1 has the column names
        if len(lines):
            raise StorageError(f"{path}, line {lines[0]}", reason, cure)
    return prices
