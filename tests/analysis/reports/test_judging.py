"""What the first page says of a judge, and the calls that people rated in its sample."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from analysis import collect, prepare_judge
from analysis.judging.ratings import Rating, write_rating
from analysis.reports.front_page import compute_findings, write_index
from analysis.reports.judging import describe_judging
from analysis.reports.sample import measure_sample
from analysis.runs.costs import find_run_prices
from analysis.runs.ratings import find_ratings

JUDGES = Path(__file__).parents[3] / "notebooks/prompts/judges"


@pytest.fixture
def judged(account, make_run, make_prompt, answer_by_hand, make_answer):
    """A run of 40 calls and two prompts, and a judge of pairs that takes the first one but in every fourth case."""
    run = make_run(40, make_prompt("short"), make_prompt("long"))
    answer_by_hand(run, lambda number: make_answer(f"Answer {number}."))
    collect(run)
    judge = prepare_judge(run, JUDGES / "pair.md", both_orders=0)
    said = ['{"winner": "1"}', '{"winner": "1"}', '{"winner": "1"}', "The second."]
    answer_by_hand(judge, lambda number: make_answer(said[number % 4], "end_turn", 1_000_000, 0))
    collect(judge)
    return run


def rate(run, calls, rater="ada"):
    for call in calls:
        rated = {"call_id": call, "variant": "short", "other_variant": "long", "preferred": "short", "rater": rater}
        write_rating(find_ratings(run), Rating(**rated, rated_at=datetime(2026, 11, 30, tzinfo=UTC)))


def test_a_run_that_nobody_judged_says_nothing(account, make_run, make_prompt, answer_by_hand, make_answer):
    run = make_run(3, make_prompt("short"))
    answer_by_hand(run, lambda _: make_answer())
    collect(run)
    assert describe_judging(run, {"cost_usd": 1.0}) == []


def test_the_bill_of_the_judge_is_added_to_that_of_the_run(judged):
    # 40 answers of a million tokens each, on demand, at 1 USD a million.
    assert describe_judging(judged, {"cost_usd": 2.5})[0].endswith("for 40.00 USD: 42.50 USD with the answers.")
    assert describe_judging(judged, {"cost_usd": None})[0].endswith("for 40.00 USD.")


def test_what_is_missing_and_the_preference_for_the_first_are_said(judged):
    sentences = describe_judging(judged, {"cost_usd": None})
    assert sentences[1].startswith("An emulator answered in place of that model")
    assert sentences[2] == "25.0 % of its verdicts are missing or cannot be read, and none was guessed."
    assert sentences[3] == "It preferred the answer that stood first in 100 % of pairs."
    assert sentences[4] == "Nobody has rated what it judged, so it decides nothing: people have to rate 100 calls."


def test_of_scores_it_is_said_whose_verdicts_are_missing(judged, answer_by_hand, make_answer):
    judge = prepare_judge(judged, JUDGES / "score.md")
    asked = judge.read_calls().sort("call_id")["judged_variant"].to_list()
    said = {"short": '{"score": 4}', "long": "Four."}
    answer_by_hand(judge, lambda number: make_answer(said[asked[number]]))
    collect(judge)
    sentence = describe_judging(judged, {"cost_usd": None})[2]
    lost = "50.0 % of its verdicts are missing or cannot be read (0.0 % of `short`, 100.0 % of `long`)"
    assert sentence == f"{lost}, and none was guessed."


def test_how_judge_and_people_agree_is_said(judged):
    rate(judged, [f"c{number}" for number in range(20)])
    sentence = describe_judging(judged, {"cost_usd": None})[-1]
    assert sentence.startswith("People rated ")
    # People always prefer `short`, so that they agree as by chance.
    assert "Agreement (weighted kappa): judge and people 0.00 (" in sentence


def test_the_page_shows_it_and_says_that_it_does_not_count(judged, tmp_path):
    rate(judged, ["c1"])
    page = write_index(compute_findings(judged), tmp_path).read_text(encoding="utf-8")
    assert "<b>pair</b> (global.anthropic.claude-haiku-4-5-20251001-v1:0) judged the answers" in page
    assert "1 call was rated by people, picked at random, and it takes 100" in page
    assert "by people and judge</th>" not in page


def test_rated_calls_are_in_the_sample_of_a_large_run(judged):
    rate(judged, ["c39"])
    sample = measure_sample(judged, find_run_prices(judged), most=10)
    without = [call for call in {*sample.answers["call_id"]} if call != "c39"]
    assert len(without) in (4, 5)  # 5 are picked, which may have c39
    assert sample.calls == len(without) + 1
    assert sample.answers.drop_nulls("rated_wins")["call_id"].unique().to_list() == ["c39"]
