import datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.facts import read_facts
from analysis.facts.aws_price_list import read_price_list

DAY = datetime.date(2026, 11, 23)
NOVA, NOVA_2, OPUS = "amazon.nova-pro-v1:0", "amazon.nova-2-lite-v1:0", "anthropic.claude-opus-5"
SONNET, NEXT, GPT = "anthropic.claude-sonnet-4-6", "qwen.qwen3-next-80b-a3b", "openai.gpt-oss-120b-1:0"


@pytest.fixture
def read(aws):
    """Read a list of products; returns the prices as rows, and what could not be read."""

    def read(*products, service="AmazonBedrock"):
        aws.products[service] = list(products)
        prices, unread = read_price_list(aws.client("pricing"), "us-east-1", today=DAY)
        return prices.drop("region", "source", "read_on").rows(), unread

    return read


@pytest.mark.parametrize(
    ("usage_type", "usd", "row"),
    [
        ("USE1-NovaPro-input-tokens", "0.0008", (NOVA, "geo", "on_demand", 0.8, None)),
        ("USE1-NovaPro-output-tokens-batch", "0.0016", (NOVA, "geo", "batch", None, 1.6)),
        ("USE1-NovaPro-output-tokens-Batch", "0.0016", (NOVA, "geo", "batch", None, 1.6)),
        ("USE1-Nova2.0Lite-input-tokens-cross-region-global", "0.0003", (NOVA_2, "global", "on_demand", 0.3, None)),
        (
            "USE1-Nova2.0Lite-output-tokens-cross-region-global-batch",
            "0.00125",
            (NOVA_2, "global", "batch", None, 1.25),
        ),
        ("USE1-gpt-oss-120b-input-tokens-batch", "0.000075", (GPT, "geo", "batch", 0.075, None)),
    ],
)
def test_a_model_of_amazon_or_with_open_weights_is_named_in_the_usage_type(read, make_product, usage_type, usd, row):
    assert read(make_product(usage_type, usd)) == ([row], [])


@pytest.mark.parametrize(
    ("usage", "row"),
    [
        ("InputTokenCount", (SONNET, "geo", "on_demand", 3.3, None)),
        ("OutputTokenCount_Global", (SONNET, "global", "on_demand", None, 3.3)),
        ("InputTokenCount_Batch", (SONNET, "geo", "batch", 3.3, None)),
        ("OutputTokenCount_Global_Batch", (SONNET, "global", "batch", None, 3.3)),
        ("MillionBatchInputTokens", (SONNET, "geo", "batch", 3.3, None)),
        ("input_tokens_standard", (SONNET, "geo", "on_demand", 3.3, None)),
        ("output_tokens_global_standard", (SONNET, "global", "on_demand", None, 3.3)),
        ("input_tokens_batch", (SONNET, "geo", "batch", 3.3, None)),
        ("output_tokens_global_batch", (SONNET, "global", "batch", None, 3.3)),
    ],
)
def test_a_model_of_the_marketplace_is_named_by_its_edition(read, make_product, usage, row):
    product = make_product(f"USE1-MP:USE1_{usage}-Units", "3.3000000000", sold="Claude Sonnet 4.6")
    assert read(product, service="AmazonBedrockFoundationModels") == ([row], [])


@pytest.mark.parametrize(
    "about",
    [
        {"feature": "Batch Inference", "inferenceType": "Input tokens"},
        {"service_tier": "batch"},
        {"inferenceType": "input tokens batch"},
    ],
    ids=str,
)
def test_batch_may_be_in_another_attribute_than_the_usage_type(read, make_product, about):
    ((_, _, invocation, *_),), _ = read(make_product("USE1-NovaPro-input-tokens", "0.0004", **about))
    assert invocation == "batch"


@pytest.mark.parametrize("unit", ["1K tokens", "1k tokens", "1K Tokens", "1000 tokens"])
def test_thousand_tokens_are_spelt_in_any_case(read, make_product, unit):
    assert read(make_product("USE1-NovaPro-input-tokens", "0.0008", unit=unit))[0][0][3] == 0.8


def test_the_model_attribute_is_read_where_the_usage_type_has_no_name(read, make_product):
    product = make_product("USE1-Claude4.6Sonnet-input-tokens", "0.0033", model="Claude Sonnet 4.6")
    assert read(product, service="AmazonBedrockService")[0] == [(SONNET, "geo", "on_demand", 3.3, None)]


@pytest.mark.parametrize(
    "usage_type",
    [
        "USE1-NovaPro-input-tokens-flex",
        "USE1-NovaPro-input-tokens-priority",
        "USE1-NovaPro-input-tokens-latency-optimized",
        "USE1-NovaPro-input-tokens-custom-model",
        "USE1-NovaPro-cache-read-input-token-count",
        "USE1-NovaPro-cache-write-input-token-count",
        "USE1-NovaPro-Customization-Training",
        "USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units",
        "USE1-MP:USE1_Reserved_1Month_InputTPM_Geo-Units",
        "USE1-MP:USE1_InputTokenCount_LatencyOptimized-Units",
        "USE1-MP:USE1_input_tokens_long_ctx_standard-Units",
        "USE1-MP:USE1_cache_read_tokens_standard-Units",
        "USE1-NovaPro-ProvisionedThroughput-ModelUnits",
    ],
)
def test_other_tiers_are_skipped(read, make_product, usage_type):
    assert read(make_product(usage_type, "0.0009", model="Nova Pro")) == ([], [])


def test_both_sides_of_a_price_make_one_row_with_source_and_day(aws, make_product):
    sides = [make_product("USE1-NovaPro-input-tokens-batch", "0.0004")]
    aws.products["AmazonBedrock"] = [*sides, make_product("USE1-NovaPro-output-tokens-batch", "0.0016")]
    prices, _ = read_price_list(aws.client("pricing"), "us-east-1", today=DAY)
    row = (NOVA, "geo", "us-east-1", "batch", 0.4, 1.6, "AWS Price List, published 2026-11-20", DAY)
    assert_frame_equal(prices, pl.DataFrame([row], read_facts("prices").schema, orient="row"))


def test_all_pages_of_all_services_are_read_for_one_region(aws, make_product):
    aws.products["AmazonBedrock"] = [
        make_product(f"USE1-Nova{name}-input-tokens", "0.001")
        for name in ("Micro", "Lite", "Pro", "2.0Lite", "Premier")
    ]
    aws.products["AmazonBedrock"].append(make_product("USW2-NovaPro-input-tokens-batch", "0.1", region="us-west-2"))
    sold = make_product("USE1-MP:USE1_input_tokens_standard-Units", "5.5", sold="Claude Opus 5")
    aws.products["AmazonBedrockFoundationModels"] = [sold]
    prices, _ = read_price_list(aws.client("pricing"), "us-east-1", today=DAY)
    assert len(prices) == 6
    assert prices.filter(model=OPUS)["input_usd_per_million"].item() == 5.5


def test_a_batch_rate_that_only_the_mantle_endpoint_has_is_used_and_marked(aws, make_product):
    only = make_product("USE1-qwen.qwen3-next-80b-a3b-mantle-input-tokens-batch", "0.00007")
    aws.products["AmazonBedrock"] = [only, make_product("USE1-Qwen3-Next-80B-A3B-input-tokens", "0.00014")]
    prices, _ = read_price_list(aws.client("pricing"), "us-east-1", today=DAY)
    assert prices.select("model", "invocation", "input_usd_per_million").rows() == [
        (NEXT, "batch", 0.07),
        (NEXT, "on_demand", 0.14),
    ]
    assert "row of the mantle endpoint" in prices["source"][0]


def test_rates_of_the_mantle_endpoint_never_replace_others_and_are_never_on_demand(read, make_product):
    plain = make_product("USE1-gpt-oss-120b-input-tokens-batch", "0.000075")
    other = make_product("USE1-openai.gpt-oss-120b-mantle-input-tokens-batch", "0.00009")
    standard = make_product("USE1-openai.gpt-oss-120b-mantle-input-tokens-standard", "0.00015")
    assert read(plain, other, standard) == ([(GPT, "geo", "batch", 0.075, None)], [])


@pytest.mark.parametrize(
    ("usage_type", "options", "unread"),
    [
        ("USE1-Palmyra-X9-input-tokens", {"model": "Palmyra X9"}, ("Palmyra X9", "not a model that is known here")),
        ("USE1-NovaPro-input-tokens", {"model": "Nova Lite"}, ("Nova Lite", "names two models")),
        ("USE1-NovaPro-input-tokens-turbo", {}, ("USE1-NovaPro-input-tokens-turbo", "unknown words: turbo")),
        (
            "USE1-NovaPro-text-tokens",
            {},
            ("USE1-NovaPro-text-tokens", "neither input nor output tokens"),
        ),
        ("USE1-NovaPro-input-tokens", {"unit": "each"}, ("USE1-NovaPro-input-tokens", "does not have one price")),
        ("USE1-NovaPro-input-tokens", {"terms": {}}, ("USE1-NovaPro-input-tokens", "does not have one price")),
    ],
)
def test_what_cannot_be_read_is_listed(read, make_product, usage_type, options, unread):
    prices, ((name, reason),) = read(make_product(usage_type, "0.0008", **options))
    assert prices == []
    assert (name, reason[: len(unread[1])]) == unread


def test_a_price_of_zero_is_not_used(read, make_product):
    assert read(make_product("USE1-NovaPro-input-tokens", "0.0000000000"))[0] == []


def test_two_prices_for_the_same_tokens_are_both_left_out(read, make_product):
    twice = [
        make_product(f"USE1-NovaPro-{word}input-tokens", usd) for word, usd in (("", "0.0008"), ("text-", "0.0009"))
    ]
    prices, ((name, reason),) = read(*twice)
    assert (prices, name) == ([], NOVA)
    assert reason == "two prices: USE1-NovaPro-input-tokens 0.8, USE1-NovaPro-text-input-tokens 0.9"


def test_products_not_sold_by_the_token_are_skipped(read, make_product):
    assert read(make_product("USE1-NovaCanvas-T2I-1024-Standard", "0.04", unit="image")) == ([], [])
    assert read(make_product("USE1-MP:USE1_search_units-Units", "2", unit="Units", sold="Cohere Rerank 3.5")) == (
        [],
        [],
    )


def test_the_latest_terms_are_used(read, make_product):
    def term(day, usd):
        dimension = {"unit": "1K tokens", "pricePerUnit": {"USD": usd}}
        return {"effectiveDate": day, "priceDimensions": {"D": dimension}}

    terms = {"OnDemand": {"B": term("2026-11-01T00:00:00Z", "0.0007"), "A": term("2025-01-01T00:00:00Z", "0.0008")}}
    assert read(make_product("USE1-NovaPro-input-tokens", "", terms=terms))[0][0][3] == 0.7


def test_an_empty_list_has_the_columns_of_the_facts(aws):
    prices, unread = read_price_list(aws.client("pricing"), "us-east-1", today=DAY)
    assert_frame_equal(prices, read_facts("prices").clear())
    assert unread == []
