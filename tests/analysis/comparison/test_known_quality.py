"""Prompts whose quality is known: a function answers in the emulator, and drops amounts of the call on purpose."""

import re
from hashlib import sha256

import polars as pl
import pytest

from analysis import (
    Metric,
    Prompt,
    add_costs,
    collect,
    compare_variants,
    describe_comparison,
    list_flips,
    load_answers,
    prepare,
    submit,
)
from bedrock_local import serve
from bedrock_local.inference import make_reply
from bedrock_local.settings import Settings

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
CALLS = 200
AMOUNT = re.compile(r"\d+\.\d\d")
DROPPED = 0.3


def answer(question):
    """Repeat the amounts of the call, as the prompt's own kind of model does: `complete`, or without 30 % of them."""
    kind = question.system
    amounts = [amount for amount in AMOUNT.findall(question.text) if kind == "complete" or not is_dropped(kind, amount)]
    return make_reply(question, f"The caller and the agent spoke about {', '.join(amounts) or 'a bill'}.")


def is_dropped(kind, amount):
    """Choose 30 % of the amounts, other ones for each kind."""
    return int.from_bytes(sha256(f"{kind} {amount}".encode()).digest()[:4]) < DROPPED * 2**32


def make_calls():
    """Make calls with two amounts each, all different."""
    text = "Agent: Hello.\nCustomer: I paid {}.10 dollars and not {}.25.\nAgent: I see."
    texts = [text.format(call, 1000 + call) for call in range(CALLS)]
    return pl.DataFrame({"call_id": [f"c{call}" for call in range(CALLS)], "transcript": texts})


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One row per answer of one complete and two equally lossy prompts, with whether it keeps all amounts."""
    folder = tmp_path_factory.mktemp("known")
    prompts = [
        Prompt(name=name, model_id=HAIKU, system=name, template="Sum up.\n\n{{ transcript }}")
        for name in ("complete", "lossy", "lossy-too")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(folder / "emulator"))
        with serve(folder / "emulator", settings=Settings(responder="worker"), responder=answer):
            run = prepare(make_calls(), prompts, into=folder / "runs", name="known")
            submit(run)
        collect(run)
        answers = add_costs(load_answers(run))
    kept = [
        len(set(AMOUNT.findall(transcript)) & set(AMOUNT.findall(text))) / 2
        for transcript, text in answers.select("transcript", "text").iter_rows()
    ]
    return answers.with_columns(kept=pl.Series(kept), keeps_all=pl.Series(kept) == 1)


METRICS = [Metric("keeps_all"), Metric("kept"), "price_usd"]


def rows_by_metric(compared, variant, baseline):
    pair = compared.filter(variant=variant, baseline=baseline)
    return {row["metric"]: row for row in pair.iter_rows(named=True)}


def test_a_prompt_that_drops_amounts_loses(measured):
    compared = compare_variants(measured, METRICS, baseline="complete")
    rows = rows_by_metric(compared, "lossy", "complete")
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "answered": "undecided",
        "keeps_all": "worse",
        "kept": "worse",
        "price_usd": "better",
    }
    # What is known of them lies in the intervals: .7 of amounts, .7² of calls.
    assert rows["kept"]["low"] < -DROPPED < rows["kept"]["high"]
    assert rows["keeps_all"]["low"] < 0.7**2 - 1 < rows["keeps_all"]["high"]
    assert rows["keeps_all"]["calls"] == CALLS


def test_two_equal_prompts_are_not_told_apart(measured):
    rows = rows_by_metric(compare_variants(measured, METRICS), "lossy-too", "lossy")
    assert {row["verdict"] for row in rows.values()} == {"undecided"}
    assert rows["answered"]["difference"] == 0


def test_the_sentence_says_what_is_known(measured):
    first = describe_comparison(compare_variants(measured, METRICS, baseline="complete"))[0]
    assert first.startswith("`lossy` is worse than `complete` in keeps_all (")
    assert re.search(r", and costs [\d.]+ % less \([\d.]+ to [\d.]+\)\. On 200 calls\.$", first)


def test_the_calls_that_lost_an_amount_are_listed(measured):
    flips = list_flips(measured, "keeps_all", ("lossy", "complete"))
    lost = measured.filter(pl.col("variant") == "lossy", ~pl.col("keeps_all"))["call_id"].to_list()
    assert flips["call_id"].to_list() == lost
    assert flips["change"].unique().to_list() == ["lost"]
