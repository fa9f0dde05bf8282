from dataclasses import asdict

import pytest

from analysis.errors import QuotaError
from analysis.facts import read_facts
from analysis.facts.models import list_models
from analysis.facts.quotas import Quotas, find_quotas

GB = 10**9


def test_most_models_share_the_quotas_of_2026():
    assert find_quotas("anthropic.claude-haiku-4-5-20251001-v1:0") == Quotas(
        min_records=100,
        records_per_file=100_000,
        records_per_job=100_000,
        file_bytes=GB,
        job_bytes=5 * GB,
        unfinished_jobs=100,
    )


def test_a_model_can_have_quotas_of_its_own():
    assert find_quotas("amazon.nova-pro-v1:0").job_bytes == 100 * GB


@pytest.mark.parametrize("model", ["anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-pro-v1:0"])
def test_an_older_account_may_have_the_quotas_of_2024(model):
    assert find_quotas(model, year="2024") == Quotas(1_000, 50_000, 50_000, GB // 5, GB, 3)


def test_values_of_the_account_replace_the_published_ones():
    quotas = find_quotas("amazon.nova-pro-v1:0", min_records=1, unfinished_jobs=20)
    assert (quotas.min_records, quotas.unfinished_jobs, quotas.records_per_job) == (1, 20, 100_000)


def test_the_error_for_an_unknown_year_lists_the_known_ones():
    with pytest.raises(QuotaError, match="no values for '2023'; known years are 2024, 2026"):
        find_quotas("amazon.nova-pro-v1:0", year="2023")


def test_the_error_for_an_unknown_quota_lists_the_known_ones():
    with pytest.raises(QuotaError, match="unknown quota 'max_records'; the quotas are min_records, records_per_file"):
        find_quotas("amazon.nova-pro-v1:0", max_records=5)


@pytest.mark.parametrize("value", [0, -1, 1.5, "100", None])
def test_a_quota_is_a_whole_number_from_1(value):
    with pytest.raises(QuotaError, match=r"min_records is .*; give a whole number of 1 or more"):
        find_quotas("amazon.nova-pro-v1:0", min_records=value)


def test_every_quota_has_a_source_and_a_day():
    assert read_facts("quotas").drop("model").null_count().row(0) == (0,) * 9


@pytest.mark.parametrize("model", list_models())
def test_every_model_with_batch_support_has_all_quotas(model):
    assert all(isinstance(value, int) for value in asdict(find_quotas(model)).values())
