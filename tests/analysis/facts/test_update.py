import datetime

import polars as pl
import pytest
from typer.testing import CliRunner

from analysis import estimate_costs, prepare
from analysis.cli import app
from analysis.errors import StorageError
from analysis.facts import find_facts_folder, read_own_facts
from analysis.facts.prices import find_prices
from analysis.facts.quotas import find_quotas
from analysis.facts.update import update_account, update_facts

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"  # batch 0.55 / 2.75 in any Region, by the package
NOVA = "amazon.nova-pro-v1:0"  # batch 0.40 / 1.60 in us-east-1, by the package
DAY = datetime.date(2026, 11, 23)
RECORDS = "Records per batch inference job for Claude Haiku 4.5"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty folder for the facts that a test reads."""
    monkeypatch.setenv("BATCHBOOK_FACTS", str(tmp_path / "facts"))
    return tmp_path / "facts"


@pytest.fixture
def update(aws, own):
    def update(day=DAY):
        return update_facts(aws.client("pricing"), aws.client("service-quotas"), region="us-east-1", today=day)

    return update


@pytest.fixture
def sell(aws, make_product):
    """List a price of Claude Haiku 4.5 in the Marketplace."""

    def sell(**usd):
        products = [
            make_product(f"USE1-MP:USE1_{usage}-Units", price, sold="Claude Haiku 4.5") for usage, price in usd.items()
        ]
        aws.products["AmazonBedrockFoundationModels"] = products

    return sell


def rates(model_id, region="us-east-1"):
    found = find_prices([model_id], region=region)
    return {row[1]: row[2:4] for row in found.rows()}


def test_a_new_price_is_shown_beside_the_old_one_and_is_found_from_then_on(update, sell):
    sell(InputTokenCount_Batch="0.60", OutputTokenCount_Batch="2.75")
    done = update()
    change = (HAIKU, "geo", "us-east-1", "batch", "input_usd_per_million", 0.55, 0.6, DAY)
    assert (done.changes.rows(), done.unchanged) == ([change], 1)
    assert rates(f"us.{HAIKU}")["batch"] == (0.6, 2.75)


def test_the_report_has_a_line_for_every_change(update, sell):
    sell(InputTokenCount_Batch="0.60")
    report = str(update())
    assert report.startswith("us-east-1, 2026-11-23: 1 number changed, 0 unchanged.")
    cells = [HAIKU, "geo", "us-east-1", "batch", "input_usd_per_million", "0.55", "0.6", "2026-11-23"]
    assert cells in [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines()]


def test_a_price_applies_only_in_the_region_that_it_was_read_for(update, sell):
    sell(InputTokenCount_Batch="0.60", OutputTokenCount_Batch="3")
    update()
    assert rates(f"eu.{HAIKU}", "eu-west-1")["batch"] == (0.55, 2.75)


def test_a_price_for_another_profile_or_on_demand_changes_nothing_else(update, sell):
    sell(InputTokenCount="1.20", InputTokenCount_Global="1.00")
    update()
    assert rates(f"us.{HAIKU}") == {"batch": (0.55, 2.75), "on_demand": (1.2, 5.5)}
    assert rates(f"global.{HAIKU}") == {"batch": (0.5, 2.5), "on_demand": (1.0, 5.0)}


def test_a_missing_output_price_is_filled_from_the_package(update, sell):
    sell(InputTokenCount_Batch="0.60")
    update()
    assert rates(HAIKU)["batch"] == (0.6, 2.75)
    source = find_prices([HAIKU], region="us-east-1").filter(invocation="batch")["source"].item()
    assert source.startswith("AWS Price List, published 2026-11-20; output: AWS Price List, October 2026")


def test_a_missing_output_price_is_filled_from_an_earlier_update_with_one_source(update, sell):
    sell(InputTokenCount_Batch="0.60", OutputTokenCount_Batch="3")
    update()
    sell(InputTokenCount_Batch="0.70")
    for _ in range(2):
        update()
    assert rates(HAIKU)["batch"] == (0.7, 3.0)
    source = "AWS Price List, published 2026-11-20"
    assert read_own_facts("prices")["source"].to_list() == [
        f"{source}; output_usd_per_million as before, from {source}"
    ]


def test_a_missing_output_price_is_filled_from_a_row_of_the_profile(update, aws, make_product):
    aws.products["AmazonBedrock"] = [make_product("USE1-Llama4-Scout-17B-input-tokens-batch", "0.00009")]
    done = update()
    assert done.changes.select("old", "new").rows() == [(0.085, 0.09)]
    assert rates("us.meta.llama4-scout-17b-instruct-v1:0")["batch"] == (0.09, 0.33)


def test_a_price_that_was_withdrawn_stays_as_it_was(update, sell, aws, make_product):
    sell(InputTokenCount_Batch="0.60", OutputTokenCount_Batch="3")
    update()
    withdrawn = make_product("USE1-MP:USE1_InputTokenCount_Batch-Units", "", sold="Claude Haiku 4.5", terms={})
    aws.products["AmazonBedrockFoundationModels"] = [withdrawn]
    done = update(DAY + datetime.timedelta(days=1))
    assert rates(HAIKU)["batch"] == (0.6, 3.0)
    assert "does not have one price in USD per thousand or million tokens: USE1-MP:USE1_InputTokenCount" in str(done)


def test_a_second_update_with_the_same_numbers_changes_nothing(update, sell, aws, make_quota):
    sell(InputTokenCount_Batch="0.60")
    aws.quotas = [make_quota(RECORDS, 20_000)]
    update()
    done = update()
    assert (len(done.changes), done.unchanged) == (0, 2)
    assert str(done).splitlines()[1].startswith("Written: ")


def test_a_lower_quota_of_the_account_is_found_from_then_on(update, aws, make_quota):
    aws.quotas = [make_quota(RECORDS, 20_000)]
    done = update()
    assert done.changes.rows() == [(HAIKU, None, None, None, "records_per_job", 100_000.0, 20_000.0, DAY)]
    quotas = find_quotas(HAIKU)
    assert (quotas.records_per_job, quotas.records_per_file) == (20_000, 100_000)
    assert find_quotas(NOVA).records_per_job == 100_000


def test_a_quota_that_is_no_longer_listed_stays_as_it_was(update, aws, make_quota):
    aws.quotas = [make_quota(RECORDS, 20_000)]
    update()
    aws.quotas = [make_quota("Minimum number of records per batch inference job for Claude Haiku 4.5", 50)]
    update()
    assert (find_quotas(HAIKU).records_per_job, find_quotas(HAIKU).min_records) == (20_000, 50)


def test_the_quotas_of_2024_and_those_that_a_caller_gives_are_not_replaced(update, aws, make_quota):
    aws.quotas = [make_quota(RECORDS, 20_000)]
    update()
    assert find_quotas(HAIKU, year="2024").records_per_job == 50_000
    assert find_quotas(HAIKU, records_per_job=7).records_per_job == 7


def test_prepare_divides_jobs_by_the_quota_of_the_account(update, aws, make_quota, make_calls, make_prompt, tmp_path):
    aws.quotas = [make_quota(RECORDS, 3)]
    update()
    run = prepare(make_calls(5), make_prompt(model_id=f"us.{HAIKU}"), into=tmp_path)
    assert run.read_records().group_by("job_key", maintain_order=True).len()["len"].to_list() == [2, 3]


def test_an_estimate_uses_the_new_price(update, sell):
    sell(InputTokenCount_Batch="1", OutputTokenCount_Batch="2")
    update()
    record = {"variant": "v", "model_id": HAIKU, "input_tokens_estimate": 1_000_000, "max_tokens": 1_000_000}
    estimate = estimate_costs(pl.DataFrame([record]), find_prices([HAIKU], region="us-east-1"))
    assert estimate["cost_usd"].to_list() == [2.0]  # 1 x 1 + half of 1 x 2


@pytest.mark.parametrize(
    ("denied", "permission", "written"),
    [
        ("GetProducts", "pricing:GetProducts", "quotas.csv"),
        ("ListServiceQuotas", "servicequotas:ListServiceQuotas", "prices.csv"),
    ],
)
def test_one_table_is_read_where_the_other_is_refused(update, sell, aws, make_quota, denied, permission, written):
    sell(InputTokenCount_Batch="0.60")
    aws.quotas = [make_quota(RECORDS, 20_000)]
    aws.denied = {denied}
    done = update()
    assert [file.name for file in done.files] == [written]
    assert f"Not read: the caller is not allowed {permission}." in str(done)


def test_what_could_not_be_read_is_listed_by_reason(update, aws, make_product):
    names = ("Palmyra X9", "Jamba 9 Large")
    aws.products["AmazonBedrock"] = [make_product("USE1-X-input-tokens", "1", model=name) for name in names]
    assert "  not a model that is known here: Jamba 9 Large; Palmyra X9" in str(update()).splitlines()


def test_an_error_other_than_a_refusal_is_raised(aws, own):
    aws.url = "http://127.0.0.1:9"  # the port of nobody
    with pytest.raises(StorageError, match=r"prices of us-east-1: .*Could not connect.*; check the credentials"):
        update_facts(aws.client("pricing"), aws.client("service-quotas"), region="us-east-1")


def test_a_damaged_table_is_named(own):
    own.mkdir()
    (own / "prices.csv").write_text("no,table\n1,2\n", encoding="utf-8")
    with pytest.raises(StorageError, match=r"prices\.csv: cannot be read .*; move it away"):
        find_prices([HAIKU])


def test_a_folder_that_cannot_be_written_is_named(update, sell, own):
    own.write_text("a file, not a folder", encoding="utf-8")
    sell(InputTokenCount_Batch="0.60")
    with pytest.raises(StorageError, match=r"prices\.csv: cannot be written .*; set BATCHBOOK_FACTS to another folder"):
        update()


def test_the_default_folder_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("BATCHBOOK_FACTS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_facts_folder() == tmp_path / ".batchbook"


@pytest.fixture
def shell(aws, own, monkeypatch):
    """A shell whose AWS endpoint is this test's server."""
    for name, value in {"ENDPOINT_URL": aws.url, "ACCESS_KEY_ID": "AKIDEXAMPLE", "SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return CliRunner()


def test_the_command_reads_writes_and_reports(shell, sell, own):
    sell(InputTokenCount_Batch="0.60")
    result = shell.invoke(app, ["facts", "update", "--region", "us-east-1"])
    assert result.exit_code == 0
    assert "1 number changed" in result.stdout
    assert f"Written: {own / 'prices.csv'}" in result.stdout


def test_the_command_fails_when_all_is_refused(shell, aws):
    aws.denied = {"GetProducts", "ListServiceQuotas"}
    result = shell.invoke(app, ["facts", "update", "--region", "us-east-1"])
    assert result.exit_code == 1
    assert "pricing:GetProducts" in result.stdout
    assert "servicequotas:ListServiceQuotas" in result.stdout


def test_the_emulator_has_no_prices():
    with pytest.raises(StorageError, match="the emulator has no prices and quotas of AWS; give an AWS profile"):
        update_account("emulator")


def test_without_a_region_one_is_asked_for(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="region: none is given, and the profile has none; give one: --region"):
        update_account()
