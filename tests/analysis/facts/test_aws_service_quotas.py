import datetime

import polars as pl
import pytest
from botocore.exceptions import ClientError
from polars.testing import assert_frame_equal

from analysis.facts import read_facts
from analysis.facts.aws_service_quotas import read_service_quotas

DAY = datetime.date(2026, 11, 23)
HAIKU, NOVA, QWEN = "anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-pro-v1:0", "qwen.qwen3-32b-v1:0"


@pytest.fixture
def read(aws):
    """Read the listed quotas; returns the rows without source and day, and what could not be read."""

    def read():
        quotas, unread = read_service_quotas(aws.client("service-quotas"), today=DAY)
        return [drop_missing(row) for row in quotas.drop("quotas", "source", "read_on").to_dicts()], unread

    return read


def drop_missing(row):
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize(
    ("name", "value", "row"),
    [
        ("Minimum number of records per batch inference job for Claude 3 Haiku", 100, {"min_records": 100}),
        ("Records per input file per batch inference job for Claude 3 Haiku", 50_000, {"records_per_file": 50_000}),
        ("Records per batch inference job for Claude 3 Haiku", 60_000, {"records_per_job": 60_000}),
        ("Batch inference input file size (in GB) for Claude 3 Haiku", 1, {"file_bytes": 1_000_000_000}),
        ("Batch inference job size (in GB) for Claude 3 Haiku", 5, {"job_bytes": 5_000_000_000}),
        ("Batch inference job size for Claude 3 Haiku (in GB)", 5, {"job_bytes": 5_000_000_000}),
        (
            "Sum of in-progress and submitted batch inference jobs using a base model for Claude 3 Haiku.",
            20,
            {"unfinished_jobs": 20},
        ),
    ],
)
def test_a_quota_is_found_by_its_name_in_either_spelling(aws, read, make_quota, name, value, row):
    aws.quotas = [make_quota(name, value)]
    assert read() == ([{"model": HAIKU} | row], [])


def test_all_pages_make_one_row_per_model(aws, read, make_quota):
    names = ["Records per batch inference job for", "Records per input file per batch inference job for"]
    models = ["Claude 3 Haiku", "Nova Pro V1", "Qwen3 32B"]
    aws.quotas = [make_quota(f"{name} {model}", 7) for name in names for model in models]
    rows, _ = read()
    assert rows == [{"model": model, "records_per_job": 7, "records_per_file": 7} for model in (NOVA, HAIKU, QWEN)]


def test_the_value_of_the_account_replaces_the_default(aws, read, make_quota):
    name = "Records per batch inference job for Nova Pro V1"
    aws.defaults = [make_quota(name, 100_000, account="")]
    aws.quotas = [make_quota(name, 20_000)]
    assert read() == ([{"model": NOVA, "records_per_job": 20_000}], [])


def test_defaults_fill_in_what_the_account_does_not_list(aws, read, make_quota):
    aws.defaults = [make_quota("Minimum number of records per batch inference job for Nova Pro V1", 100, account="")]
    aws.quotas = [make_quota("Records per batch inference job for Nova Pro V1", 20_000)]
    assert read() == ([{"model": NOVA, "min_records": 100, "records_per_job": 20_000}], [])


def test_the_account_is_read_when_the_defaults_may_not_be(aws, read, make_quota):
    aws.denied = {"ListAWSDefaultServiceQuotas"}
    aws.quotas = [make_quota("Records per batch inference job for Nova Pro V1", 20_000)]
    assert read() == ([{"model": NOVA, "records_per_job": 20_000}], [])


def test_refused_quotas_of_the_account_are_an_error(aws, read):
    aws.denied = {"ListServiceQuotas"}
    with pytest.raises(ClientError, match="not authorized to perform: ListServiceQuotas"):
        read()


@pytest.mark.parametrize(
    ("name", "value", "unread"),
    [
        ("Records per batch inference job for GLM 9", 9, ("GLM 9", "not a model that is known here")),
        (
            "Batch inference colour for Nova Pro V1",
            9,
            ("Batch inference colour for Nova Pro V1", "an unknown quota"),
        ),
        (
            "Records per batch inference job for Nova Pro V1",
            0,
            ("Records per batch inference job for Nova Pro V1", "the value is 0.0"),
        ),
        (
            "Batch inference job size for Nova Pro V1",
            5,
            ("Batch inference job size for Nova Pro V1", "the value is 5.0"),
        ),
    ],
)
def test_what_cannot_be_read_is_listed(aws, read, make_quota, name, value, unread):
    aws.quotas = [make_quota(name, value)]
    assert read() == ([], [unread])


@pytest.mark.parametrize(
    "name",
    [
        "On-demand model inference tokens per minute for Anthropic Claude 3 Haiku",
        "Sum of in-progress and submitted batch inference jobs using a custom model for Titan Text Embeddings V2",
    ],
)
def test_other_quotas_are_skipped(aws, read, make_quota, name):
    aws.quotas = [make_quota(name, 3)]
    assert read() == ([], [])


@pytest.mark.parametrize(
    "more", [{"ErrorReason": {"ErrorCode": "SERVICE_QUOTA_NOT_AVAILABLE_ERROR"}}, {"QuotaAppliedAtLevel": "RESOURCE"}]
)
def test_a_value_of_one_resource_or_with_an_error_is_skipped(aws, read, make_quota, more):
    aws.quotas = [make_quota("Records per batch inference job for Nova Pro V1", 3, **more)]
    assert read() == ([], [])


def test_the_source_of_a_row_names_region_and_account(aws, make_quota):
    aws.quotas = [make_quota("Records per batch inference job for Nova Pro V1", 3)]
    quotas, _ = read_service_quotas(aws.client("service-quotas"), today=DAY)
    row = (2026, NOVA, None, None, 3, None, None, None, "Service Quotas, us-east-1, account 123456789012", DAY)
    assert_frame_equal(quotas, pl.DataFrame([row], read_facts("quotas").schema, orient="row"))
