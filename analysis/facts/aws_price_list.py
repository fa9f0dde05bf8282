"""AWS Price List: today's prices of each model's tokens in one Region, read from AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from analysis.facts import read_facts
from analysis.facts.model_names import Unread, find_named

if TYPE_CHECKING:
    from types_boto3_pricing import PricingClient
    from types_boto3_pricing.type_defs import FilterTypeDef

# Claude and other models sold through AWS Marketplace are in the second; the third has the rest.
SERVICE_CODES = ("AmazonBedrock", "AmazonBedrockFoundationModels", "AmazonBedrockService")
EDITION = " (Amazon Bedrock Edition)"
# Rates of other service tiers, of other modalities, and of anything but a base model's answers.
OTHER = re.compile(
    r"flex|priority|latency|cache|reserved|tpm|custom|provisioned|training|evaluation|guardrail|embed"
    r"|long[-_ ]?(?:context|ctx)|image|video|audio|speech",
    re.IGNORECASE,
)
REGION = re.compile(r"[A-Z]{2,4}\d?-")  # USE1-, EU-, APN1-
MARKETPLACE = re.compile(r"MP:[A-Z0-9]+_(.+?)(?:-Units)?$")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
TOKENS = re.compile(r"(?:^|[-_])(?:text[-_])?(input|output)[-_](?:text[-_])?tokens?(?:[-_]count)?(?=$|[-_])")
MANTLE = re.compile(r"[-_]mantle$")
WORDS = {"", "batch", "cross", "global", "million", "region", "standard"}
THOUSAND = re.compile(r"(1k|1000) tokens?", re.IGNORECASE)
MILLION = re.compile(r"(1m|1000000) tokens?|million\w*tokens", re.IGNORECASE)
KEY = ("model", "profile", "region", "invocation")


class UsageType(NamedTuple):
    """The parts of a usage type: the model's name, input or output, and the words about tier, batch and profile."""

    name: str
    side: str
    words: frozenset[str]
    is_mantle: bool = False


class Rate(NamedTuple):
    """The price of one kind of tokens."""

    model: str
    profile: str
    region: str
    invocation: str
    side: str
    usd_per_million: float
    usage_type: str
    published: str
    is_mantle: bool


def read_price_list(client: PricingClient, region: str, *, today: date) -> tuple[pl.DataFrame, list[Unread]]:
    """Read the prices of tokens, in batch jobs and on demand.

    Parameters
    ----------
    client
        boto3 client of `pricing`, made for `us-east-1`: few Regions offer it, and each lists the prices of all.
    region
        The Region whose prices are read.
    today
        The day that is written to `read_on`.

    Returns
    -------
    prices
        The columns of `facts/prices.csv`, one row per model, profile and invocation. The profile is `global`, or `geo`
        for the model in its own Region and behind geographic profiles, which have one rate. An input or output price
        that is not listed is missing.
    unread
        Products that look like prices of tokens but cannot be read, and models that the package does not know.

    Notes
    -----
    Usage types are spelled in several ways: `USE1-NovaPro-input-tokens-batch`,
    `USE1-MP:USE1_InputTokenCount_Batch-Units`, `USE1-MP:USE1_input_tokens_batch-Units`.
    Any case of `batch` in them means batch.
    The products of the mantle endpoint repeat the others; a batch rate that only they have is taken from them.
    Source: AWS Price List of 2026-09, and public code that reads it.
    """
    read = [read_product(product) for product in list_products(client, region)]
    unread = {one for one in read if isinstance(one, Unread)}
    rates = [one for one in read if isinstance(one, Rate)]
    plain = {rate[:5] for rate in rates if not rate.is_mantle}
    chosen = [rate for rate in rates if not rate.is_mantle or (rate.invocation == "batch" and rate[:5] not in plain)]
    agreed, doubtful = check_rates(chosen)
    return make_prices(agreed, today), sorted(unread | doubtful)


def list_products(client: PricingClient, region: str) -> Iterator[dict[str, Any]]:
    """Yield the products of Amazon Bedrock in a Region; the API returns each as a string of JSON."""
    pages = client.get_paginator("get_products")
    only: list[FilterTypeDef] = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
    for code in SERVICE_CODES:
        for page in pages.paginate(ServiceCode=code, Filters=only, FormatVersion="aws_v1"):
            yield from (json.loads(product) for product in page["PriceList"])


def read_product(product: dict[str, Any]) -> Rate | Unread | None:
    """Read the price of a product; None if it is not a rate for the tokens of a base model."""
    about = product["product"]["attributes"]
    usage_type = about.get("usagetype", "")
    hints = [about.get(name) or "" for name in ("feature", "service_tier", "inferenceType")]
    if OTHER.search(" ".join([usage_type, about.get("model") or "", *hints])):
        return None
    prices = list_prices(product)
    usage = read_usage(usage_type)
    if usage is None:
        is_tokens = any(convert_to_million(dimension) is not None for dimension in prices)
        return Unread(usage_type, "neither input nor output tokens") if is_tokens else None
    names = list_names(about, usage)
    models = {find_named(name) for name in names} - {""}
    if len(models) != 1:
        reason = "names two models" if models else "not a model that is known here"
        return Unread(names[0] if names else usage_type, reason)
    if strange := usage.words - WORDS:
        return Unread(usage_type, f"unknown words: {', '.join(sorted(strange))}")
    usd = convert_to_million(prices[0]) if len(prices) == 1 else None
    if not usd:
        return Unread(usage_type, "does not have one price in USD per thousand or million tokens")
    asked = " ".join([*usage.words, *hints]).lower()
    return Rate(
        model=models.pop(),
        profile="global" if "global" in asked else "geo",
        region=about.get("regionCode", ""),
        invocation="batch" if "batch" in asked else "on_demand",
        side=usage.side,
        usd_per_million=usd,
        usage_type=usage_type,
        published=product.get("publicationDate", "")[:10],
        is_mantle=usage.is_mantle,
    )


def read_usage(usage_type: str) -> UsageType | None:
    """Parse a usage type; None if it is not about input or output tokens."""
    body = REGION.sub("", usage_type, count=1)
    sold = MARKETPLACE.match(body)
    text = (HUMP.sub("_", sold[1]) if sold else body).lower()
    tokens = TOKENS.search(text)
    if tokens is None:
        return None
    before, after = text[: tokens.start()], text[tokens.end() :]
    words = frozenset(re.split(r"[-_]", f"{before}_{after}" if sold else after))
    name = MANTLE.sub("", before)
    return UsageType("" if sold else name, tokens[1], words, is_mantle=not sold and name != before)


def list_names(about: dict[str, Any], usage: UsageType) -> list[str]:
    """List the names that a product has for its model; some products have it only in the usage type."""
    sold_as = about.get("servicename") or ""
    names = [sold_as.removesuffix(EDITION) if sold_as.endswith(EDITION) else "", about.get("model") or "", usage.name]
    return [name for name in names if name]


def list_prices(product: dict[str, Any]) -> list[dict[str, Any]]:
    """List the price dimensions of the latest terms; a withdrawn price has none."""
    terms = sorted(
        product.get("terms", {}).get("OnDemand", {}).values(), key=lambda term: term.get("effectiveDate", "")
    )
    return list(terms[-1]["priceDimensions"].values()) if terms else []


def convert_to_million(dimension: dict[str, Any]) -> float | None:
    """Convert a price to USD per million tokens; None if it is not per token, or not in USD."""
    unit, usd = dimension.get("unit", "").strip(), dimension.get("pricePerUnit", {}).get("USD")
    tokens = 1000 if THOUSAND.fullmatch(unit) else 1_000_000 if MILLION.fullmatch(unit) else None
    return None if tokens is None or usd is None else float(Decimal(usd) * 1_000_000 / tokens)


def check_rates(rates: Iterable[Rate]) -> tuple[list[Rate], set[Unread]]:
    """Separate the rates with one price from those that are listed with two."""
    by_place: dict[tuple[Any, ...], list[Rate]] = {}
    for rate in rates:
        by_place.setdefault(rate[:5], []).append(rate)
    agreed, doubtful = [], set()
    for place in by_place.values():
        if len({rate.usd_per_million for rate in place}) == 1:
            agreed.append(place[0])
        else:
            prices = ", ".join(sorted(f"{rate.usage_type} {rate.usd_per_million:g}" for rate in place))
            doubtful.add(Unread(place[0].model, f"two prices: {prices}"))
    return agreed, doubtful


def make_prices(rates: Iterable[Rate], today: date) -> pl.DataFrame:
    """Build one row of each pair of input and output price."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rate in rates:
        row = rows.setdefault(rate[:4], dict(zip(KEY, rate[:4], strict=True)) | {"read_on": today})
        row[f"{rate.side}_usd_per_million"] = rate.usd_per_million
        where = ", row of the mantle endpoint" if rate.is_mantle else ""
        row["source"] = f"AWS Price List, published {rate.published}{where}"
    schema = read_facts("prices").schema
    return pl.DataFrame(list(rows.values()), schema=schema).sort(KEY)
