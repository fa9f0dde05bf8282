"""A judge as a run of its own on the emulator, answered by a function whose bias is known."""

import re
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from analysis import (
    Metric,
    Prompt,
    add_verdicts,
    collect,
    compare_variants,
    correct_scores,
    invoke,
    load_answers,
    measure_position,
    pair_answers,
    prepare,
    present_answers,
    read_prompts,
    read_verdicts,
    submit,
)
from bedrock_local import serve
from bedrock_local.inference import make_reply
from bedrock_local.settings import Settings

ROOT = Path(__file__).parents[3]
JUDGES = ROOT / "notebooks/prompts/judges"
HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
CALLS, RATED = 200, 110
pytestmark = pytest.mark.filterwarnings("ignore:No call was rated:analysis.errors.ComparisonNotice")
PLACES = re.compile(r"<(summary\w*)>\s*(.*?)\s*</summary", re.DOTALL)


def chance(*parts):
    """A number from 0 to 1 that looks random and is the same each time."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:4]) / 2**32


def find_quality(text):
    """How good an answer is: 1 to 5, as it says itself."""
    return int(re.search(r"quality (\d)", text)[1])


def answer(question):
    """Sum up a call with a quality that is random; `better` has one more in most calls.

    As a judge of pairs, take the first one unless the second is better by 2; as a judge of scores, give `short` answers
    one less than they deserve.
    """
    texts = [text for _, text in PLACES.findall(question.text)]
    if len(texts) == 2:
        first, second = map(find_quality, texts)
        return make_reply(question, f'{{"reason": "As it reads.", "winner": "{2 if second - first >= 2 else 1}"}}')
    if texts:
        seen = find_quality(texts[0]) + round(chance(texts[0], "noise") - 0.5) - ("short" in texts[0])
        return make_reply(question, f'{{"reason": "As it reads.", "score": {min(5, max(1, seen))}}}')
    kind = question.system
    quality = 1 + int(4 * chance(question.text, kind)) + (kind == "better" and chance(question.text) < 0.7)
    return make_reply(question, f"A {'short' if kind == 'equal' else 'long'} summary of quality {quality}.")


answer.is_quick = True  # asked without threads


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The answers of three prompts, and those of both judges about them, each in a batch job of its own."""
    folder = tmp_path_factory.mktemp("judged")
    calls = pl.DataFrame({"call_id": [f"c{call:03}" for call in range(CALLS)]})
    calls = calls.with_columns(transcript=pl.format("Customer: My bill {} is wrong.", "call_id"))
    prompts = [
        Prompt(name=name, model_id=HAIKU, system=name, template="Sum up.\n\n{{ transcript }}")
        for name in ("base", "equal", "better")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEDROCK_LOCAL", str(folder / "emulator"))

        def ask(calls, prompts, name):
            run = prepare(calls, prompts, into=folder / "runs", name=name)
            submit(run)
            collect(run)
            return load_answers(run)

        with serve(folder / "emulator", settings=Settings(responder="worker"), responder=answer):
            answers = ask(calls, prompts, "demo")
            pairs = ask(pair_answers(answers, ["equal", "better", "base"]), JUDGES / "pair.md", "pairs")
            scores = ask(present_answers(answers), JUDGES / "score.md", "scores")
    return answers, read_verdicts(pairs), read_verdicts(scores)


@pytest.fixture
def ratings(judged):
    """What a person who sees the quality says of the first calls: a score of each answer."""
    answers = judged[0].filter(pl.col("call_id") < f"c{RATED:03}")
    return answers.select("call_id", "variant", "sample", score="text").with_columns(
        pl.col("score").map_elements(find_quality, pl.Int64),
        rater=pl.lit("ada"),
        kind=pl.lit("score"),
        other_variant=pl.lit(None, pl.String),
        preferred=pl.lit(None, pl.String),
        picked=pl.lit("random"),
    )


def find_true_difference(answers, variant):
    wide = answers.select("call_id", "variant", quality=pl.col("text").map_elements(find_quality, pl.Int64))
    means = dict(wide.group_by("variant").agg(pl.col("quality").mean()).rows())
    return means[variant] - means["base"]


def compare(judged, verdicts, metric, ratings=None):
    measured = add_verdicts(judged[0].select("call_id", "variant", "sample"), verdicts, ratings, baseline="base")
    return {row["variant"]: row for row in compare_variants(measured, metric, baseline="base").iter_rows(named=True)}


def test_every_verdict_is_read(judged):
    _, pairs, scores = judged
    # 100 pairs of each two variants are presented in both orders, and a verdict has two rows.
    assert (len(pairs), len(scores)) == (2 * 2 * (CALLS + 100), 3 * CALLS)
    assert pairs["error_kind"].null_count() == len(pairs)
    assert scores["error_kind"].null_count() == len(scores)


def test_the_position_bias_of_the_judge_is_seen(judged):
    row = measure_position(judged[1]).row(0, named=True)
    assert row["low"] > 0.6  # it takes the first one unless the second is better by 2
    assert row["both_orders"] == 200
    assert row["changed"] > 0.4


def test_a_judge_that_likes_the_first_makes_no_difference_between_equal_prompts(judged):
    rows = compare(judged, judged[1], "judge_wins")
    assert rows["equal"]["verdict"] == "undecided"
    assert rows["better"]["verdict"] == "better"


def test_a_judge_that_dislikes_a_prompt_is_corrected_by_people(judged, ratings):
    truth = find_true_difference(judged[0], "equal")
    alone = compare(judged, judged[2], "judge_score")["equal"]
    corrected = compare(judged, judged[2], Metric("rated_score", judged_by="judge_score"), ratings)["equal"]
    assert alone["high"] < truth
    assert corrected["low"] < truth < corrected["high"]


def test_the_judge_is_worth_more_ratings_than_there_are(judged, ratings):
    corrected = correct_scores(judged[2], ratings, baseline="base").filter(variant="better").row(0, named=True)
    assert corrected["rated_calls"] == RATED
    assert corrected["worth"] > 1.5 * RATED


def test_the_built_in_responder_prefers_nobody_where_all_pairs_are_in_both_orders(account, make_calls, tmp_path):
    prompts = [Prompt(name=name, model_id=HAIKU, system=name, template="{{ transcript }}") for name in "ab"]
    run = prepare(make_calls(60), prompts, into=tmp_path / "runs", name="demo")
    invoke(run)
    collect(run)
    pairs = pair_answers(load_answers(run), ["a", "b"], both_orders=60)
    run = prepare(pairs, read_prompts(JUDGES / "pair.md"), into=tmp_path / "runs", name="judge")
    submit(run)
    collect(run)
    verdicts = read_verdicts(load_answers(run))
    # It answers with the first of the words that the schema allows.
    assert measure_position(verdicts).select("first_wins", "both_orders", "changed").row(0) == (1, 60, 1)
    measured = add_verdicts(load_answers(tmp_path / "runs" / "demo"), verdicts)
    assert compare_variants(measured, "judge_wins")["difference"].to_list()[-1] == 0


@pytest.mark.parametrize(("file", "seen"), [("pair.md", {"answer_1", "answer_2"}), ("score.md", {"answer"})])
def test_a_judge_sees_call_and_answers_and_no_name_of_a_variant(file, seen):
    (prompt,) = read_prompts(JUDGES / file)
    assert set(re.findall(r"{{ (\w+) ", prompt.template)) == {"transcript", *seen}
