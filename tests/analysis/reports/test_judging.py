"""What the first page says of a judge, and the calls that people rated in its sample."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from analysis import collect, load_verdicts, prepare_judge, read_prompts
from analysis.display import MISSING
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
    assert describe_judging(judged, {"cost_usd": 2.5})[-1] == ["The judge cost 40.00 USD: 42.50 USD with the answers."]
    assert describe_judging(judged, {"cost_usd": None})[-1] == ["The judge cost 40.00 USD."]


def test_what_is_missing_and_the_preference_for_the_first_are_said(judged):
    sentences, _ = describe_judging(judged, {"cost_usd": None})
    assert sentences[1].startswith("An emulator answered in place of that model")
    assert sentences[2] == "25.0 % of its verdicts are missing or cannot be read, and none was guessed."
    assert sentences[3] == "It preferred the answer that stood first in 100 % of pairs."
    assert sentences[4] == "Nobody has rated what it judged, so it decides nothing: people have to rate 100 calls."


@pytest.fixture
def score(answer_by_hand, make_answer):
    """Let a judge score the answers of a run; `said` gives the text for each variant and number of the record."""

    def ask(run, said, judge=JUDGES / "score.md"):
        scoring = prepare_judge(run, judge)
        asked = scoring.read_calls().sort("call_id")["judged_variant"].to_list()
        answer_by_hand(scoring, lambda number: make_answer(said(asked[number], number), input_tokens=1_000_000))
        collect(scoring)
        return scoring

    return ask


def test_of_scores_it_is_said_whose_verdicts_are_missing(judged, score):
    score(judged, lambda variant, _: '{"score": 4}' if variant == "short" else "Four.")
    sentence = describe_judging(judged, {"cost_usd": None})[1][2]
    lost = "50.0 % of its verdicts are missing or cannot be read (0.0 % of `short`, 100.0 % of `long`)"
    assert sentence == f"{lost}, and none was guessed."


def test_judges_of_both_kinds_count_and_of_each_kind_the_latest(judged, score):
    score(judged, lambda *_: '{"score": 2}')
    (prompt,) = read_prompts(JUDGES / "score.md")
    score(judged, lambda *_: '{"score": 5}', prompt.replace(name="kind"))
    pairs, scores, replaced, bill = describe_judging(judged, {"cost_usd": None})
    assert pairs[0].endswith("compared pairs of answers in a run of its own, `demo-judge-001`.")
    assert scores[0].startswith("`kind` (")
    assert scores[0].endswith("scored each answer by itself in a run of its own, `demo-judge-003`.")
    assert replaced[0].startswith("`score` in `demo-judge-002` no longer counts")
    assert bill[0].startswith("The 3 judges cost ")
    verdicts = load_verdicts(judged)
    assert {*verdicts.drop_nulls("score")["score"]} == {5.0}
    assert {*verdicts["judge"]} == {"pair", "kind"}


def find_cells(run):
    return {row["prompt"].name: row["cells"] for row in compute_findings(run)["rows"]}


def test_without_ratings_the_judge_stands_alone_on_the_page(judged, score):
    score(judged, lambda variant, _: '{"score": 4}' if variant == "short" else '{"score": 2}')
    cells = find_cells(judged)
    assert (cells["short"]["judge_score"].text, cells["short"]["judge_score"].interval) == ("4.00", "")
    assert cells["short"]["judge_score"].note == "40 calls judged, none corrected"
    assert cells["short"]["rated_score"].text == MISSING
    assert cells["short"]["judge_score"].verdict == ""


@pytest.fixture
def alone(account, make_run, make_prompt, answer_by_hand, make_answer, score):
    """A run of one prompt and 200 calls, of which a judge scored every other one 2 and the others 4."""
    run = make_run(200, make_prompt("short"))
    answer_by_hand(run, lambda number: make_answer(f"Answer {number}."))
    collect(run)
    score(run, lambda _, number: '{"score": 4}' if number % 2 else '{"score": 2}')
    return run


def test_a_run_of_one_prompt_shows_the_mean_of_its_judge(alone, tmp_path):
    cell = find_cells(alone)["short"]["judge_score"]
    # The mean of 2 and 4 is 3; 1.972 (of t with 199 degrees of freedom) * sqrt(200 / 199) / sqrt(200) is 0.14.
    assert (cell.text, cell.interval, cell.note) == ("3.00", "2.86 to 3.14", "200 calls judged, none corrected")
    page = write_index(compute_findings(alone), tmp_path).read_text(encoding="utf-8")
    assert "score, by the judge alone 3.00" in page
    assert "Who judged the answers" in page


def test_a_run_of_one_prompt_shows_the_mean_that_people_correct(alone):
    judged = load_verdicts(alone).sort("call_id").head(120)
    for call, said in judged.select("call_id", "score").iter_rows():
        rated = {"call_id": call, "variant": "short", "score": said - 1, "rater": "ada"}
        write_rating(find_ratings(alone), Rating(**rated, rated_at=datetime(2026, 11, 30, tzinfo=UTC)))
    cells = find_cells(alone)["short"]
    # People say 1 less than the judge on each call, so that the mean over all calls is 3 - 1, if both vary alike.
    mean, spread = float(judged["score"].mean()), 200 / 199
    slope = float(judged["score"].var()) / spread
    assert cells["rated_score"].text == f"{slope * 3 + (mean - 1) - slope * mean:.2f}"
    assert cells["rated_score"].note == "200 calls judged, 120 of them rated"
    assert cells["judge_score"].text == MISSING


def test_how_judge_and_people_agree_is_said(judged):
    rate(judged, [f"c{number}" for number in range(20)])
    sentence = describe_judging(judged, {"cost_usd": None})[0][-1]
    assert sentence.startswith("People rated ")
    # People always prefer `short`, so that they agree as by chance.
    assert "Agreement (weighted kappa): judge and people 0.00 (" in sentence


def test_the_page_shows_it_and_says_that_it_does_not_count(judged, tmp_path):
    rate(judged, ["c1"])
    page = write_index(compute_findings(judged), tmp_path).read_text(encoding="utf-8")
    assert "<b>pair</b> (global.anthropic.claude-haiku-4-5-20251001-v1:0) compared pairs of answers" in page
    assert "1 call was rated by people, picked at random, and it takes 100" in page
    assert "by people and judge</th>" not in page


def test_rated_calls_are_in_the_sample_of_a_large_run(judged):
    rate(judged, ["c39"])
    sample = measure_sample(judged, find_run_prices(judged), most=10)
    without = [call for call in {*sample.answers["call_id"]} if call != "c39"]
    assert len(without) in (4, 5)  # 5 are picked, which may have c39
    assert sample.calls == len(without) + 1
    assert sample.answers.drop_nulls("rated_wins")["call_id"].unique().to_list() == ["c39"]
