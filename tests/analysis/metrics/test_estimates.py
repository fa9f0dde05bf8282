import pandas as pd
import polars as pl
import pytest

from analysis.errors import ColumnError
from analysis.facts.prices import PRICE_SCHEMA
from analysis.metrics.estimates import compare_estimate, estimate_costs

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"  # batch 0.55 / 2.75, on demand 1.10 / 5.50
RECORDS = {"variant": pl.String, "model_id": pl.String, "input_tokens_estimate": pl.Int64, "max_tokens": pl.Int64}
TOKENS = ("input_tokens", "input_tokens_low", "input_tokens_high")
ESTIMATE = {"variant": pl.String, "records": pl.Int64, "invocation": pl.String}
ESTIMATE |= {name.replace("input", which): pl.Int64 for which in ("input", "output") for name in TOKENS}
ESTIMATE |= dict.fromkeys(["cost_usd", "cost_usd_low", "cost_usd_high"], pl.Float64)
BILL = {"variant": pl.String, "outputs": pl.Int64, "unpriced": pl.Int64, "without_tokens": pl.Int64}
BILL |= {"input_tokens": pl.Int64, "output_tokens": pl.Int64}
BILL |= {"cost_usd": pl.Float64}
COMPARISON = {
    "variant": pl.String,
    "records": pl.Int64,
    "outputs": pl.Int64,
    "input_tokens_estimate": pl.Int64,
    "input_tokens": pl.Int64,
    "input_ratio": pl.Float64,
    "output_tokens_estimate": pl.Int64,
    "output_tokens": pl.Int64,
    "output_ratio": pl.Float64,
    "cost_usd_estimate": pl.Float64,
    "cost_usd_low": pl.Float64,
    "cost_usd_high": pl.Float64,
    "cost_usd": pl.Float64,
    "cost_ratio": pl.Float64,
    "was_within": pl.Boolean,
}


def records(*rows):
    return pl.DataFrame(rows, RECORDS, orient="row")


TWO = records(("short", HAIKU, 1000, 400), ("short", HAIKU, 3000, 400))


def test_input_is_taken_within_a_quarter_and_output_as_parts_of_max_tokens(kind):
    # Input 4000, 3000 to 5000; output 400, 80 to 800; x 0.55 and 2.75 / 1,000,000.
    rows = [("short", 2, "batch", 4000, 3000, 5000, 400, 80, 800, 0.0033, 0.00187, 0.00495)]
    kind.check(estimate_costs(kind.make(TWO)), rows, ESTIMATE)


def test_on_demand_is_estimated_at_its_own_price(kind):
    rows = [("short", 2, "on_demand", 4000, 3000, 5000, 400, 80, 800, 0.0066, 0.00374, 0.0099)]
    kind.check(estimate_costs(kind.make(TWO), invocation="on_demand"), rows, ESTIMATE)


def test_an_answer_length_that_was_seen_narrows_the_estimate(kind):
    # 100 per answer within a quarter: 200, 150 to 250.
    rows = [("short", 2, "batch", 4000, 3000, 5000, 200, 150, 250, 0.00275, 0.0020625, 0.0034375)]
    kind.check(estimate_costs(kind.make(TWO), output_tokens={"short": 100, "other": 7}), rows, ESTIMATE)


def test_no_answer_is_longer_than_max_tokens(kind):
    estimate = estimate_costs(kind.make(TWO), output_tokens={"short": 380})
    assert estimate["output_tokens"].to_list() == [760]
    assert estimate["output_tokens_high"].to_list() == [800]


def test_one_record_without_a_price_leaves_the_cost_of_its_variant_open(kind):
    some = records(("a", "vendor.model", 10, 20), ("a", HAIKU, 10, 20), ("b", HAIKU, 1000, 200))
    estimate = estimate_costs(kind.make(some))
    assert pd.isna(estimate["cost_usd"].to_list()).tolist() == [True, False]
    assert pd.isna(estimate["cost_usd_high"].to_list()).tolist() == [True, False]


def test_own_prices_are_used(kind):
    own = pl.DataFrame([(HAIKU, "batch", 1.0, 0.0, "contract", None)], PRICE_SCHEMA, orient="row")
    assert estimate_costs(kind.make(TWO), own)["cost_usd"].to_list() == pytest.approx([0.004])


def test_no_records_give_the_columns_with_their_dtypes(kind):
    kind.check(estimate_costs(kind.make(records())), [], ESTIMATE)
    bill = kind.make(pl.DataFrame(schema=BILL))
    kind.check(compare_estimate(estimate_costs(kind.make(records())), bill), [], COMPARISON)


def test_the_bill_is_held_against_the_estimate(kind):
    bill = pl.DataFrame([("short", 2, 0, 0, 5000, 100, 0.0030)], BILL, orient="row")
    rows = [("short", 2, 2, 4000, 5000, 1.25, 400, 100, 0.25, 0.0033, 0.00187, 0.00495, 0.003, 0.003 / 0.0033, True)]
    kind.check(compare_estimate(estimate_costs(kind.make(TWO)), kind.make(bill)), rows, COMPARISON)


@pytest.mark.parametrize(("cost", "within"), [(0.0018, False), (0.0019, True), (0.0049, True), (0.0050, False)])
def test_a_bill_outside_the_interval_is_marked(kind, cost, within):
    bill = pl.DataFrame([("short", 2, 0, 0, 5000, 100, cost)], BILL, orient="row")
    compared = compare_estimate(estimate_costs(kind.make(TWO)), kind.make(bill))
    assert compared["was_within"].to_list() == [within]


@pytest.mark.parametrize(
    ("outputs", "unpriced", "without_tokens", "cost", "ratios", "within"),
    [
        (2, 1, 0, 0.0030, [1.25, 0.25, None], None),
        (2, 1, 0, 0.0050, [1.25, 0.25, None], False),
        (2, 0, 1, 0.0030, [None, None, 0.003 / 0.0033], True),
        (1, 0, 0, 0.0030, [1.25, 0.25, 0.003 / 0.0033], None),
    ],
    ids=["unpriced", "above-already", "estimated", "line-lost"],
)
def test_nothing_is_compared_with_a_lower_bound(kind, outputs, unpriced, without_tokens, cost, ratios, within):
    bill = pl.DataFrame([("short", outputs, unpriced, without_tokens, 5000, 100, cost)], BILL, orient="row")
    compared = compare_estimate(estimate_costs(kind.make(TWO)), kind.make(bill))
    found = [compared[f"{name}_ratio"].to_list()[0] for name in ("input", "output", "cost")]
    assert [None if pd.isna(ratio) else pytest.approx(ratio) for ratio in found] == ratios
    assert [None if pd.isna(value) else value for value in compared["was_within"].to_list()] == [within]


def test_tokens_are_missing_where_a_record_does_not_tell_them(kind):
    unknown = records(("short", HAIKU, 1000, None), ("short", HAIKU, 3000, 400))
    estimate = estimate_costs(kind.make(unknown))
    found = [estimate[name].to_list()[0] for name in ("input_tokens", "output_tokens", "cost_usd", "cost_usd_high")]
    assert [None if pd.isna(value) else value for value in found] == [4000, None, None, None]


def test_what_one_side_lacks_is_missing_and_the_estimate_comes_first(kind):
    bill = pl.DataFrame([("extra", 1, 1, 0, 10, 5, None)], BILL, orient="row")
    rows = [
        ("short", 2, None, 4000, None, None, 400, None, None, 0.0033, 0.00187, 0.00495, None, None, None),
        ("extra", None, 1, None, 10, None, None, 5, None, None, None, None, None, None, None),
    ]
    kind.check(compare_estimate(estimate_costs(kind.make(TWO)), kind.make(bill)), rows, COMPARISON)


def test_a_missing_column_is_named(kind):
    with pytest.raises(ColumnError, match="records: no column 'max_tokens'"):
        estimate_costs(kind.make(TWO.drop("max_tokens")))
