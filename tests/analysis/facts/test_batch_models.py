from datetime import date

import pytest

from analysis.facts import read_facts
from analysis.facts.batch_models import find_batch_support
from bedrock_local.models import MODELS


@pytest.mark.parametrize("table", ["batch_models", "profile_regions"])
def test_every_row_has_its_source_and_day(table):
    facts = read_facts(table)
    assert facts.select("source", "read_on").null_count().row(0) == (0, 0)


def test_every_model_with_limits_is_known_to_take_batch_jobs_or_not():
    assert [model for model in read_facts("models")["model"] if find_batch_support(model) is None] == []


def test_the_emulator_takes_the_same_models():
    known = {base: find_batch_support(base) for base in MODELS}
    differ = [base for base, support in known.items() if support and support.takes_batch != MODELS[base].takes_batch]
    assert differ == []


def test_a_model_that_needs_a_profile_has_no_region_of_its_own():
    haiku = find_batch_support("anthropic.claude-haiku-4-5-20251001-v1:0")
    assert (haiku.regions, haiku.by_profile, haiku.ends) == ((), True, None)
    assert haiku.profiles == ("us", "eu", "au", "jp", "global")


def test_a_model_that_left_has_its_day():
    assert find_batch_support("anthropic.claude-3-haiku-20240307-v1:0").ends == date(2026, 9, 10)


def test_an_unknown_model_is_not_known():
    assert find_batch_support("acme.parrot-v1:0") is None
