from datetime import date

import pytest

from analysis.facts import read_facts
from analysis.facts.batch_models import find_batch_support, read_batch_models
from analysis.facts.lifecycle import describe_end, find_successor

OLD_HAIKU, NEW_HAIKU = "anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS_41 = "anthropic.claude-opus-4-1-20250805-v1:0"
# "Model lifecycle" and model cards, Amazon Bedrock User Guide, autumn 2026
ENDS = {
    "anthropic.claude-3-7-sonnet-20250219-v1:0": date(2026, 4, 28),
    "anthropic.claude-3-5-haiku-20241022-v1:0": date(2026, 6, 19),
    "meta.llama3-2-1b-instruct-v1:0": date(2026, 7, 7),
    "meta.llama3-1-405b-instruct-v1:0": date(2026, 7, 7),
    "anthropic.claude-3-5-sonnet-20241022-v2:0": date(2026, 7, 30),
    "cohere.command-r-plus-v1:0": date(2026, 8, 19),
    OLD_HAIKU: date(2026, 9, 10),
    "amazon.nova-premier-v1:0": date(2026, 9, 14),
    "anthropic.claude-sonnet-4-20250514-v1:0": date(2026, 10, 14),
    "ai21.jamba-1-5-large-v1:0": date(2026, 11, 26),
    OPUS_41: date(2027, 1, 8),
}


@pytest.mark.parametrize("base", ENDS)
def test_a_model_that_left_or_leaves_has_its_day(base):
    assert find_batch_support(base).ends == ENDS[base]


def test_the_source_of_an_end_is_named():
    ended = read_facts("batch_models").drop_nulls("ends")
    assert all("end: " in source for source in ended["source"])


@pytest.mark.parametrize(
    ("today", "kind"),
    [
        (date(2026, 6, 11), None),  # 91 days before
        (date(2026, 6, 12), "ends"),
        (date(2026, 9, 9), "ends"),
        (date(2026, 9, 10), "ended"),
        (date(2027, 9, 10), "ended"),
    ],
)
def test_an_end_is_told_90_days_before(today, kind):
    end = describe_end(OLD_HAIKU, today)
    assert (end and end.kind) == kind


def test_an_end_says_what_to_do():
    assert describe_end(OLD_HAIKU, date(2026, 11, 30)) == (
        "ended",
        f"{OLD_HAIKU} left Amazon Bedrock on 2026-09-10, and its requests are refused",
        f"set model_id to a newer model, such as {NEW_HAIKU}",
    )
    assert describe_end(OPUS_41, date(2026, 12, 1))[1:] == (
        f"{OPUS_41} leaves Amazon Bedrock on 2027-01-08, in 38 days",
        "set model_id to a newer model, such as anthropic.claude-opus-5",
    )
    assert "in 1 day" in describe_end(OPUS_41, date(2027, 1, 7)).what


def test_a_model_without_a_newer_one_of_its_name_names_none():
    assert describe_end("amazon.nova-premier-v1:0", date(2026, 11, 30)).cure == "set model_id to a model that stays"


@pytest.mark.parametrize("base", [NEW_HAIKU, "acme.parrot-v1:0", "imported-model/a1b2c3"])
def test_a_model_without_a_known_end_has_none(base):
    assert describe_end(base, date(2030, 1, 1)) is None


def test_a_successor_takes_batch_jobs_and_stays():
    supports = read_batch_models()
    for support in supports.values():
        if newer := find_successor(support, date(2026, 11, 30)):
            assert supports[newer].takes_batch
            assert supports[newer].ends is None
