import datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.errors import ColumnError, StorageError
from analysis.facts import read_facts
from analysis.facts.batch_models import read_batch_models
from analysis.facts.models import find_model
from analysis.facts.prices import INVOCATIONS, PRICE_SCHEMA, RATES, find_prices, read_prices

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
PRICED = pl.DataFrame([("m", "batch", 1.65, 8.25, "contract", None)], PRICE_SCHEMA, orient="row")
HEADER = "model_id,invocation,input_usd_per_million,output_usd_per_million\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "prices.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def rates(*model_ids, **options):
    found = find_prices(model_ids, **options)
    return found.select("model_id", "invocation", pl.col("^.*_per_million$")).rows()


def test_batch_comes_before_on_demand_in_the_order_asked():
    nova = "us.amazon.nova-micro-v1:0"
    assert rates(nova, f"global.{HAIKU}") == [
        (nova, "batch", 0.0175, 0.07),
        (nova, "on_demand", 0.035, 0.14),
        (f"global.{HAIKU}", "batch", 0.5, 2.5),
        (f"global.{HAIKU}", "on_demand", 1.0, 5.0),
    ]


@pytest.mark.parametrize("model_id", [HAIKU, f"us.{HAIKU}", f"eu.{HAIKU}", f"jp.{HAIKU}"])
def test_geographic_profiles_and_the_own_region_share_the_dearer_rate(model_id):
    assert rates(model_id) == [(model_id, "batch", 0.55, 2.75), (model_id, "on_demand", 1.1, 5.5)]


def test_an_arn_is_priced_like_the_profile_in_it():
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.{HAIKU}"
    assert rates(arn)[0] == (arn, "batch", 0.5, 2.5)


def test_a_price_of_other_profiles_is_not_used_for_govcloud():
    assert rates(f"us-gov.{HAIKU}") == []


def test_a_global_price_is_not_used_for_another_profile():
    assert rates("eu.moonshotai.kimi-k3") == []
    assert rates("eu.amazon.nova-2-lite-v1:0") == [("eu.amazon.nova-2-lite-v1:0", "on_demand", 0.33, 2.75)]


def test_a_price_of_one_region_is_found_only_there():
    assert rates("openai.gpt-oss-20b-1:0") == []
    assert rates("openai.gpt-oss-20b-1:0", region="eu-west-1") == []
    assert rates("openai.gpt-oss-20b-1:0", region="us-west-2")[0][2:] == (0.035, 0.15)


def test_the_region_of_an_arn_wins_over_the_one_named():
    arn = "arn:aws:bedrock:us-west-2::foundation-model/openai.gpt-oss-20b-1:0"
    assert rates(arn, region="eu-west-1")[0] == (arn, "batch", 0.035, 0.15)


def test_an_input_price_is_found_without_an_output_price():
    own = PRICED.with_columns(output_usd_per_million=pl.lit(None, pl.Float64))
    assert rates("m", own=own) == [("m", "batch", 1.65, None)]


def test_an_unknown_model_has_no_row_and_a_repeated_one_has_its_rows_once():
    assert len(rates("vendor.model-of-tomorrow", f"us.{HAIKU}", f"us.{HAIKU}")) == 2


def test_no_models_give_the_columns_with_their_dtypes():
    assert_frame_equal(find_prices([]), pl.DataFrame(schema=PRICE_SCHEMA))


def test_own_prices_replace_one_invocation_and_leave_the_other(write):
    own = read_prices(write(HEADER + f"us.{HAIKU},batch,0.4,2\nanother.model,batch,1,1\n"))
    assert rates(f"us.{HAIKU}", own=own) == [(f"us.{HAIKU}", "batch", 0.4, 2.0), (f"us.{HAIKU}", "on_demand", 1.1, 5.5)]


def test_a_file_of_prices_is_read_with_fixed_dtypes_and_names_itself_as_source(write):
    path = write(HEADER + "m,batch,1,2.5\n")
    wanted = [("m", "batch", 1.0, 2.5, str(path), None)]
    assert_frame_equal(read_prices(path), pl.DataFrame(wanted, PRICE_SCHEMA, orient="row"))


def test_source_and_day_of_own_prices_are_kept(write):
    path = write(HEADER.rstrip() + ",source,read_on\nm,batch,1,2,our contract,2026-11-30\n")
    assert read_prices(path).row(0)[4:] == ("our contract", datetime.date(2026, 11, 30))


@pytest.mark.parametrize(
    ("line", "helps"),
    [
        ("m,flex,1,2", "line 3: unknown invocation; write batch or on_demand"),
        ("m,on_demand,-1,2", "line 3: a price is not a number of 0 or more"),
        ("m,on_demand,1,cheap", "line 3: a price is not a number of 0 or more"),
        ("m,on_demand,nan,2", "line 3: a price is not a number of 0 or more"),
        ("m,on_demand,,2", "line 3: a price is not a number of 0 or more"),
        (",on_demand,1,2", "line 3: no model_id"),
        ("m,batch,3,4", "line 2: one model and invocation have two prices"),
    ],
)
def test_a_line_that_is_not_a_price_is_named(write, line, helps):
    with pytest.raises(StorageError, match=helps):
        read_prices(write(f"{HEADER}m,batch,1,2\n{line}\n"))


def test_a_missing_column_is_named(write):
    with pytest.raises(ColumnError, match="no column 'invocation'; prices have model_id, invocation"):
        read_prices(write("model_id,input_usd_per_million,output_usd_per_million\n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"none\.csv: cannot be read"):
        read_prices(tmp_path / "none.csv")


def test_every_known_price_has_one_row_a_source_and_a_day():
    facts = read_facts("prices")
    assert not facts.select("model", "profile", "region", "invocation").is_duplicated().any()
    assert set(facts["invocation"]) == set(INVOCATIONS)
    assert facts.select("source", "read_on").null_count().row(0) == (0, 0)
    assert facts["read_on"].dtype == pl.Date


def test_a_batch_price_is_half_of_on_demand():
    # "50 % of the on-demand price": Amazon Bedrock pricing page.
    facts = read_facts("prices").fill_null("")
    pairs = facts.pivot("invocation", index=["model", "profile", "region"], values=RATES).drop_nulls()
    halves = {name: pl.col(f"{name}_on_demand") / pl.col(f"{name}_batch") for name in RATES}
    # Nobody pays for the output of an embedding.
    pairs = pairs.filter(pl.col("output_usd_per_million_on_demand") > 0)
    not_half = pairs.filter(pl.any_horizontal((half - 2).abs() > 1e-9 for half in halves.values()))
    assert len(pairs) > 25
    # As the pricing page has it in Ohio; the input price is odd as well.
    assert not_half.select("model", "profile").rows() == [("amazon.nova-2-lite-v1:0", "us")]


def test_every_model_with_batch_support_has_a_row_for_batch():
    takes = {support.model for support in read_batch_models().values() if support.takes_batch}
    assert set(read_facts("prices").filter(invocation="batch")["model"]) == takes


def test_a_row_without_a_price_is_not_found():
    assert rates("anthropic.claude-3-haiku-20240307-v1:0") == []


@pytest.mark.parametrize(
    ("model_id", "batch", "on_demand"),
    [
        # Amazon Bedrock pricing page and price tables, summer and autumn 2026
        ("us.anthropic.claude-opus-5", (2.75, 13.75), (5.5, 27.5)),
        ("global.anthropic.claude-opus-4-6-v1", (2.5, 12.5), (5, 25)),
        ("eu.anthropic.claude-opus-4-6-v1", (2.75, 13.75), (5.5, 27.5)),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", (2.5, 12.5), (5, 25)),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", (2.75, 13.75), (5.5, 27.5)),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", (1.5, 7.5), (3, 15)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", (1.65, 8.25), (3.3, 16.5)),
        ("us.amazon.nova-lite-v1:0", (0.03, 0.12), (0.06, 0.24)),
        ("us.amazon.nova-2-lite-v1:0", (0.1595, 1.342), (0.33, 2.75)),
        ("us.meta.llama3-3-70b-instruct-v1:0", (0.36, 0.36), (0.72, 0.72)),
        ("us.meta.llama3-1-8b-instruct-v1:0", (0.11, 0.11), (0.22, 0.22)),
        ("qwen.qwen3-next-80b-a3b", (0.075, 0.6), (0.15, 1.2)),
        ("mistral.ministral-3-8b-instruct", (0.075, 0.075), (0.15, 0.15)),
        ("google.gemma-3-12b-it", (0.045, 0.145), (0.09, 0.29)),
        ("google.gemma-3-27b-it", (0.115, 0.19), (0.23, 0.38)),
        ("amazon.titan-embed-text-v2:0", (0.01, 0), (0.02, 0)),
        ("amazon.nova-2-multimodal-embeddings-v1:0", (0.0675, 0), (0.135, 0)),
    ],
)
def test_published_prices_are_known(model_id, batch, on_demand):
    assert rates(model_id) == [(model_id, "batch", *batch), (model_id, "on_demand", *on_demand)]


def test_embeddings_without_batch_have_a_price_on_demand():
    assert rates("cohere.embed-english-v3") == [("cohere.embed-english-v3", "on_demand", 0.1, 0)]


def test_prices_are_kept_by_base_model_id():
    assert all(find_model(model).base == model for model in read_facts("prices")["model"])
