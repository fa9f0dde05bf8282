import math

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.errors import ColumnError
from analysis.facts.prices import PRICE_SCHEMA
from analysis.metrics.bills import compare_invocations, project_costs, sum_costs
from analysis.metrics.costs import add_costs, count_unpriced, read_cost_columns

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"  # batch 0.55 / 2.75, on demand 1.10 / 5.50
OUTPUTS = {
    "record_id": pl.String,
    "call_id": pl.String,
    "variant": pl.String,
    "model_id": pl.String,
    "invocation": pl.String,
    "stop": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cache_read_tokens": pl.Int64,
    "cache_write_tokens": pl.Int64,
    "error_kind": pl.String,
    "taken_from": pl.String,
}
PRICES = ["cost_usd", "price_usd", "tokens_estimated"]
SUMMARY = {
    "variant": pl.String,
    "calls": pl.Int64,
    "outputs": pl.Int64,
    "answered": pl.Int64,
    "failed": pl.Int64,
    "truncated": pl.Int64,
    "unpriced": pl.Int64,
    "estimated": pl.Int64,
    "without_tokens": pl.Int64,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cost_usd": pl.Float64,
    "cost_usd_per_1000_calls": pl.Float64,
    "truncated_cost_usd": pl.Float64,
    "failed_cost_usd": pl.Float64,
}
PROJECTION = {
    "variant": pl.String,
    "calls_seen": pl.Int64,
    "cost_usd_per_call": pl.Float64,
    "calls": pl.Int64,
    "cost_usd": pl.Float64,
    "cost_usd_low": pl.Float64,
    "cost_usd_high": pl.Float64,
}
INVOCATIONS = {
    "variant": pl.String,
    "outputs": pl.Int64,
    "compared": pl.Int64,
    "batch_usd": pl.Float64,
    "on_demand_usd": pl.Float64,
    "saved_usd": pl.Float64,
    "saved_share": pl.Float64,
}


def output(call_id="c1", variant="short", **values):
    answered = {"record_id": f"r-{call_id}", "call_id": call_id, "variant": variant, "model_id": HAIKU}
    answered |= {"invocation": "batch", "stop": "end", "input_tokens": 1000, "output_tokens": 100}
    return dict.fromkeys(OUTPUTS) | answered | values


# 200 letters of two bytes: 400 bytes, 100 tokens.
SILENT = {"input_tokens": None, "output_tokens": None, "text": 200 * "é"}
FAILED = {"stop": None, "input_tokens": None, "output_tokens": None, "error_kind": "service"}
NOBODYS = {"record_id": None, "call_id": None, "variant": None, "model_id": None}


def frame(*outputs):
    return pl.DataFrame(list(outputs), OUTPUTS)


def frame_with_texts(*outputs):
    return pl.DataFrame([{"text": "Yes."} | each for each in outputs], OUTPUTS | {"text": pl.String})


def records(**estimates):
    return pl.DataFrame({"record_id": list(estimates), "input_tokens_estimate": list(estimates.values())})


def price(kind, *outputs):
    costs = add_costs(kind.make(frame(*outputs)))["cost_usd"].to_list()
    return [None if pd.isna(cost) else cost for cost in costs]


def test_tokens_are_priced_at_the_rate_of_their_invocation(kind):
    # (1000 x 0.55 + 100 x 2.75) / 1,000,000 and twice that.
    costs = price(kind, output(), output(invocation="on_demand"))
    assert costs == pytest.approx([0.000825, 0.00165])


@pytest.mark.parametrize(
    "unknown",
    [
        FAILED,
        {"output_tokens": None},
        {"model_id": "vendor.model-of-tomorrow"},
        {"model_id": None},
        {"invocation": "flex"},
        {"cache_read_tokens": 5},
        {"cache_write_tokens": 5},
    ],
    ids=str,
)
def test_a_cost_that_cannot_be_known_is_missing(kind, unknown):
    assert price(kind, output(), output(**unknown)) == [pytest.approx(0.000825), None]


def test_a_cache_that_was_not_used_changes_nothing(kind):
    assert price(kind, output(cache_read_tokens=0, cache_write_tokens=0)) == pytest.approx([0.000825])


def test_no_price_at_all_makes_every_cost_missing(kind):
    costed = add_costs(kind.make(frame(output(model_id="a.b"))))
    assert price(kind, output(model_id="a.b")) == [None]
    assert str(costed["cost_usd"].dtype).lower() == "float64"


@pytest.mark.parametrize("convert", [pl.DataFrame.clone, pl.DataFrame.to_pandas], ids=["polars", "pandas"])
def test_prices_of_either_kind_fit_outputs_of_either_kind(kind, convert):
    own = convert(pl.DataFrame([(HAIKU, "batch", 1.0, 2.0, "contract", None)], PRICE_SCHEMA, orient="row"))
    costed = add_costs(kind.make(frame(output())), own)
    assert costed["cost_usd"].to_list() == pytest.approx([0.0012])


def test_a_price_missing_in_pandas_stays_missing():
    own = pl.DataFrame([(HAIKU, "batch", 1.0, None, "contract", None)], PRICE_SCHEMA, orient="row").to_pandas()
    assert add_costs(frame(output()), own)["cost_usd"].to_list() == [None]


def price_list(*rows):
    return pl.DataFrame([(*row, "contract", None) for row in rows], PRICE_SCHEMA, orient="row")


def test_the_first_known_of_several_prices_wins(kind):
    own = price_list((HAIKU, "batch", None, 2.0), (HAIKU, "batch", 1.0, 9.0), (HAIKU, "batch", 9.0, 9.0))
    # (1000 x 1 + 100 x 2) / 1,000,000
    assert add_costs(kind.make(frame(output())), own)["cost_usd"].to_list() == pytest.approx([0.0012])


def test_costs_stay_beside_their_outputs_whatever_the_order_and_the_index(kind):
    own = price_list(*(("m", "batch", 1.0, 0.0), ("n", "batch", 2.0, 0.0), ("m", "on_demand", 3.0, 0.0)))
    rows = [output(model_id=model, invocation=way) for model, way in [("n", "batch"), ("m", "on_demand")] * 50]
    outputs = kind.make(frame(*rows, output(model_id="m")))
    if isinstance(outputs, pd.DataFrame):
        outputs.index = outputs.index[::-1]
    costs = add_costs(outputs, own)["cost_usd"].to_list()
    assert costs == pytest.approx([0.002, 0.003] * 50 + [0.001])


def test_a_price_of_no_invocation_is_that_of_no_output(kind):
    own = price_list((HAIKU, None, 1.0, 2.0))
    costs = add_costs(kind.make(frame(output(invocation=None))), own)["cost_usd"].to_list()
    assert [cost for cost in costs if not pd.isna(cost)] == []


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum([HAIKU, "batch"])], ids=["categorical", "enum"])
def test_models_can_be_categories(dtype):
    outputs = frame(output()).cast({"model_id": dtype, "invocation": dtype})
    costed = add_costs(outputs)
    assert costed["cost_usd"].to_list() == pytest.approx([0.000825])
    assert costed["model_id"].dtype == outputs["model_id"].dtype


def test_categories_of_pandas_are_priced_and_kept():
    outputs = frame(output()).to_pandas().astype({"model_id": "category"})
    costed = add_costs(outputs)
    assert costed["cost_usd"].to_list() == pytest.approx([0.000825])
    assert costed["model_id"].dtype == outputs["model_id"].dtype


def test_the_outputs_come_back_as_they_were_with_the_cost_last(kind):
    outputs = kind.make(frame(output(), output("c2", **FAILED)))
    before = outputs.copy() if isinstance(outputs, pd.DataFrame) else outputs.clone()
    costed = add_costs(outputs)
    assert list(costed.columns) == [*OUTPUTS, *PRICES]
    assert before.equals(outputs)
    if isinstance(outputs, pd.DataFrame):
        pd.testing.assert_frame_equal(costed.drop(columns=PRICES), before.reset_index(drop=True))
    else:
        assert_frame_equal(costed.drop(PRICES), before)


def test_an_answer_that_was_taken_over_is_paid_by_the_run_that_asked(kind):
    costed = add_costs(kind.make(frame(output(), output("c2", taken_from="tune-001"))))
    assert costed["cost_usd"].to_list() == pytest.approx([0.000825, 0.0])
    assert costed["price_usd"].to_list() == pytest.approx([0.000825, 0.000825])
    # Half of it was paid here, and a thousand more calls cost the price of both.
    bill = sum_costs(costed)
    assert [bill["cost_usd"][0], bill["cost_usd_per_1000_calls"][0]] == pytest.approx([0.000825, 0.825])


def test_answers_on_demand_have_the_price_of_a_batch_job(kind):
    costed = add_costs(kind.make(frame(output(invocation="on_demand"))))
    assert costed["cost_usd"].to_list() == pytest.approx([0.00165])
    assert costed["price_usd"].to_list() == pytest.approx([0.000825])


def test_outputs_from_before_there_was_taking_over_are_priced_as_paid(kind):
    outputs = frame(output()).drop("taken_from")
    assert add_costs(kind.make(outputs))["cost_usd"].to_list() == pytest.approx([0.000825])


def test_pricing_twice_is_refused(kind):
    with pytest.raises(ColumnError, match="'cost_usd' already; drop it"):
        add_costs(add_costs(kind.make(frame(output()))))


def test_a_missing_column_is_named(kind):
    with pytest.raises(ColumnError, match="costed outputs: no column 'tokens_estimated'; there are record_id, call_id"):
        sum_costs(kind.make(frame(output())))


def test_costs_of_the_columns_that_are_read_for_them_are_those_of_all_columns():
    outputs = frame_with_texts(output(**SILENT), output("c2"), output("c3", **FAILED), output("c4", stop="length"))
    estimates = records(**{"r-c1": 1000})
    read = read_cost_columns(outputs.with_columns(top_k=pl.lit(5)).lazy())
    assert read["text"].to_list() == [SILENT["text"], None, None, None]
    assert "top_k" not in read.columns
    assert_frame_equal(sum_costs(add_costs(read, records=estimates)), sum_costs(add_costs(outputs, records=estimates)))


def test_no_text_is_read_where_every_answer_gives_its_tokens():
    def fail(text):
        raise AssertionError(text)

    text = pl.col("text").map_elements(fail, return_dtype=pl.String)
    outputs = frame_with_texts(output(), output("c2", **FAILED)).lazy().with_columns(text)
    assert read_cost_columns(outputs)["text"].to_list() == [None, None]


def list_costs(costed):
    """Give costs and marks as lists, missing as None."""
    costs = [None if pd.isna(cost) else cost for cost in costed["cost_usd"].to_list()]
    return costs, costed["tokens_estimated"].to_list()


def test_an_answer_that_says_no_tokens_is_priced_by_its_bytes_and_marked(kind):
    outputs = kind.make(frame_with_texts(output(**SILENT) | {"record_id": "r1"}, output("c2")))
    costed = add_costs(outputs, records=kind.make(records(r1=1000)))
    assert list_costs(costed) == (pytest.approx([0.000825, 0.000825]), [True, False])
    assert [pd.isna(tokens) for tokens in costed["input_tokens"].to_list()] == [True, False]


def test_the_tokens_that_an_answer_does_say_are_kept():
    outputs = frame_with_texts(output(**SILENT | {"input_tokens": 2000}) | {"record_id": "r1"})
    costed = add_costs(outputs, records=records(r1=1000))
    assert list_costs(costed) == (pytest.approx([0.001375]), [True])  # 2000 x 0.55 + 100 x 2.75


@pytest.mark.parametrize(
    "unknown", [FAILED | {"text": None}, SILENT | {"record_id": "another"}, SILENT | {"text": None}], ids=str
)
def test_what_cannot_be_estimated_has_no_cost_and_no_mark(kind, unknown):
    outputs = kind.make(frame_with_texts(output(**unknown)))
    assert list_costs(add_costs(outputs, records=records(r1=1000))) == ([None], [False])


def test_records_of_either_kind_fit_outputs_of_either_kind(kind):
    outputs = kind.make(frame_with_texts(output(**SILENT)))
    costed = add_costs(outputs, records=records(**{"r-c1": 1000}).to_pandas())
    assert list_costs(costed) == (pytest.approx([0.000825]), [True])


def test_records_need_their_estimates(kind):
    with pytest.raises(ColumnError, match="records: no column 'input_tokens_estimate'; there are record_id"):
        add_costs(kind.make(frame_with_texts(output())), records=pl.DataFrame({"record_id": ["r1"]}))


def test_the_bill_says_how_many_costs_are_estimated(kind):
    outputs = kind.make(frame_with_texts(output(**SILENT), output("c2")))
    bill = sum_costs(add_costs(outputs, records=records(**{"r-c1": 1000})))
    rows = [("short", 2, 2, 2, 0, 0, 0, 1, 1, 1000, 100, 0.00165, 0.825, 0.0, 0.0)]
    kind.check(bill, rows, SUMMARY)


def test_an_answer_without_tokens_or_cost_is_unpriced(kind):
    bill = sum_costs(add_costs(kind.make(frame(output(input_tokens=None, output_tokens=None)))))
    rows = [("short", 1, 1, 1, 0, 0, 1, 0, 1, None, None, None, None, 0.0, 0.0)]
    kind.check(bill, rows, SUMMARY)


def test_the_bill_counts_and_adds_by_variant(kind):
    costed = add_costs(
        kind.make(
            frame(
                output("c1", "long"),
                output("c2", "long", stop="length", input_tokens=2000, output_tokens=300),
                output("c3", "long", **FAILED),
                output("c1"),
            )
        )
    )
    # 2000 x 0.55 + 300 x 2.75 = 1925 millionths; (825 + 1925) / 2 calls with an answer x 1000.
    rows = [
        ("long", 3, 3, 2, 1, 1, 0, 0, 0, 3000, 400, 0.00275, 1.375, 0.001925, None),
        ("short", 1, 1, 1, 0, 0, 0, 0, 0, 1000, 100, 0.000825, 0.825, 0.0, 0.0),
    ]
    kind.check(sum_costs(costed), rows, SUMMARY)


def test_what_bought_no_answer_is_paid_for_but_is_no_price_of_answers(kind):
    paid_for_nothing = FAILED | {"input_tokens": 1000, "output_tokens": 100}
    costed = add_costs(kind.make(frame(output(), output("c2"), output("c3", **paid_for_nothing))))
    # 3 x 825 millionths paid; 2 x 825 / 2 calls x 1000
    rows = [("short", 3, 3, 2, 1, 0, 0, 0, 0, 3000, 300, 0.002475, 0.825, 0.0, 0.000825)]
    kind.check(sum_costs(costed), rows, SUMMARY)


def test_repairs_are_paid_for_but_are_no_further_calls(kind):
    costed = add_costs(kind.make(frame(output(stop="length"), output(record_id="r-again"))))
    rows = [("short", 1, 2, 2, 0, 1, 0, 0, 0, 2000, 200, 0.00165, 1.65, 0.000825, 0.0)]
    kind.check(sum_costs(costed), rows, SUMMARY)


def test_without_a_price_the_bill_is_missing_and_says_how_many(kind):
    costed = add_costs(kind.make(frame(output(model_id="a.b", stop="length"), output("c2", model_id="a.b"))))
    kind.check(sum_costs(costed), [("short", 2, 2, 2, 0, 1, 2, 0, 0, 2000, 200, None, None, None, 0.0)], SUMMARY)


def test_a_bill_of_failures_has_no_tokens_rather_than_none(kind):
    costed = add_costs(kind.make(frame(output(**FAILED), output("c2", **FAILED))))
    kind.check(sum_costs(costed), [("short", 2, 2, 0, 2, 0, 0, 0, 0, None, None, None, None, 0.0, None)], SUMMARY)


def test_outputs_of_no_run_are_calls_by_record_id(kind):
    nobodys = output(variant=None) | {"call_id": None}
    costed = add_costs(kind.make(frame(nobodys, nobodys | {"record_id": "other"}, output(**FAILED | NOBODYS))))
    rows = [(None, 2, 3, 2, 1, 0, 0, 0, 0, 2000, 200, 0.00165, 0.825, 0.0, None)]
    kind.check(sum_costs(costed), rows, SUMMARY)


def test_without_groups_the_whole_bill_is_one_row(kind):
    costed = add_costs(kind.make(frame(output(), output("c1", "long"))))
    whole = {name: dtype for name, dtype in SUMMARY.items() if name != "variant"}
    kind.check(sum_costs(costed, by=[]), [(1, 2, 2, 0, 0, 0, 0, 0, 2000, 200, 0.00165, 1.65, 0.0, 0.0)], whole)


def test_the_bill_can_be_made_by_several_columns(kind):
    costed = add_costs(kind.make(frame(output(), output("c2", invocation="on_demand"))))
    bill = sum_costs(costed, by=["variant", "invocation"])
    assert bill["invocation"].to_list() == ["batch", "on_demand"]
    assert bill["cost_usd"].to_list() == pytest.approx([0.000825, 0.00165])


def test_a_projection_multiplies_the_mean_and_widens_with_the_spread(kind):
    costed = add_costs(kind.make(frame(output(), output("c2", input_tokens=2000, output_tokens=300))))
    # Mean 1375 and s = 1100 / sqrt(2) millionths; 1.959964 is the normal quantile of 0.975.
    half = 1.959964 * math.sqrt(100**2 / 2 + 100) * 0.0011 / math.sqrt(2)
    rows = [("short", 2, 0.001375, 100, 0.1375, 0.1375 - half, 0.1375 + half)]
    kind.check(project_costs(costed, 100), rows, PROJECTION)


def test_a_projection_adds_the_outputs_of_a_call_first(kind):
    costed = add_costs(kind.make(frame(output(stop="length"), output(record_id="again"))))
    kind.check(project_costs(costed, 10), [("short", 1, 0.00165, 10, 0.0165, None, None)], PROJECTION)


def test_a_projection_leaves_out_calls_without_a_cost_but_no_variant(kind):
    costed = add_costs(kind.make(frame(output(), output("c2", **FAILED), output("c3", "long", **FAILED))))
    rows = [("long", 0, None, 10, None, None, None), ("short", 1, 0.000825, 10, 0.00825, None, None)]
    kind.check(project_costs(costed, 10), rows, PROJECTION)


def test_no_projection_is_below_nothing(kind):
    costed = add_costs(kind.make(frame(output(input_tokens=1, output_tokens=1), output("c2"))))
    assert project_costs(costed, 1)["cost_usd_low"].to_list() == [0.0]


def test_the_same_tokens_cost_half_in_batch(kind):
    outputs = kind.make(frame(output(), output("c2", invocation="on_demand"), output("c3", **FAILED)))
    rows = [("short", 3, 2, 0.00165, 0.0033, 0.00165, 0.5)]
    kind.check(compare_invocations(outputs), rows, INVOCATIONS)


def test_only_outputs_with_both_prices_are_compared(kind):
    own = pl.DataFrame([("a.b", "batch", 1.0, 1.0, "contract", None)], PRICE_SCHEMA, orient="row")
    outputs = kind.make(frame(output(model_id="a.b")))
    kind.check(compare_invocations(outputs, own), [("short", 1, 0, None, None, None, None)], INVOCATIONS)


def test_no_outputs_give_the_columns_with_their_dtypes(kind):
    costed = add_costs(kind.make(frame()))
    assert list(costed.columns)[-3:] == PRICES
    kind.check(sum_costs(costed), [], SUMMARY)
    kind.check(project_costs(costed, 10), [], PROJECTION)
    kind.check(compare_invocations(kind.make(frame())), [], INVOCATIONS)


def test_the_whole_bill_of_nothing_is_one_row(kind):
    costed = add_costs(kind.make(frame()))
    whole = {name: dtype for name, dtype in SUMMARY.items() if name != "variant"}
    kind.check(sum_costs(costed, by=[]), [(0, 0, 0, 0, 0, 0, 0, 0, None, None, None, None, None, None)], whole)


def test_outputs_of_several_variants_are_projected_together(kind):
    costed = add_costs(kind.make(frame(output(), output("c1", "long"))))
    whole = {name: dtype for name, dtype in PROJECTION.items() if name != "variant"}
    kind.check(project_costs(costed, 10, by=[]), [(1, 0.00165, 10, 0.0165, None, None)], whole)
    nothing = add_costs(kind.make(frame()))
    kind.check(project_costs(nothing, 10, by=[]), [(0, None, 10, None, None, None)], whole)


UNPRICED = {"cache_read_tokens": 980}
UNREADABLE = NOBODYS | {"stop": None, "input_tokens": None, "output_tokens": None, "error_kind": "unreadable"}


def bill_of(kind, *outputs):
    """Give the whole bill as a row of plain values, missing as None."""
    bill = sum_costs(add_costs(kind.make(frame(*outputs))), by=[])
    row = bill.to_dict("records")[0] if isinstance(bill, pd.DataFrame) else bill.row(0, named=True)
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def test_what_is_known_is_divided_by_the_calls_it_is_known_for(kind):
    calls = [output(f"c{number}", **UNPRICED) for number in range(8)]
    bill = bill_of(kind, output("c8"), output("c9"), *calls)
    # Two calls of 825 millionths; eight more would make 0.165 of it.
    assert [bill["cost_usd"], bill["cost_usd_per_1000_calls"]] == pytest.approx([0.00165, 0.825])
    assert [bill["calls"], bill["answered"], bill["unpriced"]] == [10, 10, 8]


def test_a_call_with_an_unpriced_output_is_none_whose_cost_is_known(kind):
    outputs = [output("c1"), output("c1", record_id="again", **UNPRICED), output("c2", input_tokens=2000)]
    # c2: 2000 x 0.55 + 100 x 2.75 = 1375 millionths.
    assert bill_of(kind, *outputs)["cost_usd_per_1000_calls"] == pytest.approx(1.375)
    projected = project_costs(add_costs(kind.make(frame(*outputs))), 10)
    kind.check(projected, [("short", 1, 0.001375, 10, 0.01375, None, None)], PROJECTION)


def test_no_call_of_known_cost_gives_no_cost_of_calls(kind):
    assert bill_of(kind, output(), output(record_id="again", **UNPRICED))["cost_usd_per_1000_calls"] is None


def test_a_projection_is_of_calls_and_of_nothing_that_nobody_asked_for(kind):
    costed = add_costs(kind.make(frame(output(), output(call_id=None, record_id=None))))
    kind.check(project_costs(costed, 10), [("short", 1, 0.000825, 10, 0.00825, None, None)], PROJECTION)


@pytest.mark.parametrize(
    ("outputs", "truncated", "failed"),
    [
        ([], None, None),
        ([output(), output("c2", stop="length")], 0.000825, 0.0),
        ([output(stop="length"), output("c2", stop="length", **UNPRICED)], None, 0.0),
        ([output(), output("c2", stop=None)], None, 0.0),
        ([output(stop="length"), UNREADABLE], None, None),
        ([output(), output("c2", **FAILED | {"input_tokens": 5})], 0.0, None),
        ([output(), output("c2", **FAILED | {"input_tokens": 1000, "output_tokens": 100})], 0.0, 0.000825),
        ([output(), output("c2", **FAILED)], 0.0, None),
    ],
    ids=["nothing", "known", "truncated-unpriced", "no-stop", "unreadable", "failed-unpriced", "failed", "not-charged"],
)
def test_a_part_of_the_cost_that_cannot_be_known_is_missing(kind, outputs, truncated, failed):
    bill = bill_of(kind, *(dict.fromkeys(OUTPUTS) | each for each in outputs))
    assert [bill["truncated_cost_usd"], bill["failed_cost_usd"]] == [truncated, pytest.approx(failed)]


def test_a_line_that_cannot_be_read_may_have_been_charged(kind):
    bill = bill_of(kind, output(), dict.fromkeys(OUTPUTS) | UNREADABLE)
    assert [bill["outputs"], bill["unpriced"], bill["without_tokens"]] == [2, 1, 1]
    assert bill["cost_usd"] == pytest.approx(0.000825)


def test_unpriced_outputs_are_counted_by_model_and_cause(kind):
    own = price_list((HAIKU, "batch", 0.55, 2.75), ("known", "on_demand", 1.0, 1.0), ("half", "batch", 1.0, None))
    unpriced = [
        output(**UNPRICED),
        output(input_tokens=None),
        output(model_id="known"),
        output(model_id="half"),
        output(model_id="half", input_tokens=None),
        dict.fromkeys(OUTPUTS) | UNREADABLE,
    ]
    costed = add_costs(kind.make(frame(output(), output("c2", **FAILED), *unpriced)), own)
    rows = [("half", "price", 2), ("known", "price", 1), (HAIKU, "cache", 1), (HAIKU, "tokens", 1)]
    rows.append((None, "unreadable", 1))
    kind.check(count_unpriced(costed, own), rows, {"model_id": pl.String, "cause": pl.String, "outputs": pl.Int64})
    kind.check(
        count_unpriced(add_costs(kind.make(frame(output())), own), own),
        [],
        {"model_id": pl.String, "cause": pl.String, "outputs": pl.Int64},
    )
