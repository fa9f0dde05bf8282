import re
from pathlib import Path

import pytest

from analysis import collect, invoke, load_answers, make_calls, plan_ratings, prepare, prepare_judge
from analysis.judging.ratings import Rating, write_rating
from analysis.runs.ratings import find_ratings

from .conftest import call

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]
JUDGES = ROOT / "notebooks/prompts/judges"
PROMPTS = [ROOT / "notebooks/prompts" / f"{name}.md" for name in ("paragraph", "headings")]


def show_text(page):
    return " ".join(re.sub("<[^>]*>", " ", page.read_text().partition("</style>")[2]).split())


def rate(run):
    """Let somebody prefer `headings` in 110 pairs picked at random."""
    for row in plan_ratings(load_answers(run), 110, pair=("headings", "paragraph")).to_dicts():
        write_rating(find_ratings(run), Rating(rater="ada", preferred="headings", **row))


@pytest.fixture
def demo(account, folder):
    """120 calls that two prompts have answered, without a report."""
    run = prepare(make_calls(120), PROMPTS, into=folder / "runs", name="demo")
    invoke(run)
    collect(run)
    return run


def test_a_judge_is_asked_and_people_make_it_count(demo, folder):
    rate(demo)
    asked = call("judge", "demo", "--judge", JUDGES / "pair.md")
    assert asked.exit_code == 0, asked.output
    assert "Run demo-judge-001: 220 calls" in asked.stdout
    page = folder / "reports" / "demo" / "index.html"
    assert 'href="judge.html"' in page.read_text()
    text = show_text(page)
    assert "compared pairs of answers in a run of its own, demo-judge-001 ." in text
    assert re.search(r"The judge cost 0\.\d+ USD: 0\.\d+ USD with the answers\.", text)
    assert "first in 100 % of pairs; 100 % of 100 pairs in both orders changed with the order." in text
    assert "People rated 110 calls of those it judged." in text
    # All 110 say so; the judge, which takes the first one each time, is of no use, and people stand alone.
    assert "answers preferred by people and judge (100.0 % against 50.0 %: +50.0 points, +46.6 to +50.0; 110" in text


def test_a_judge_that_was_asked_is_not_asked_again(demo, folder, answer_by_hand, make_answer):
    prepared = prepare_judge(demo, JUDGES / "pair.md")
    answer_by_hand(prepared, lambda _: make_answer('{"winner": "2"}'))
    collect(prepared)
    assert (
        "demo-judge-001 has judged these answers, and nothing is sent."
        in call("judge", "demo", "--judge", JUDGES / "pair.md").stdout
    )
    assert {path.name for path in (folder / "runs").iterdir()} == {"demo", "demo-judge-001"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--judge", "none.md"], "none.md"),
        (["--judge", JUDGES / "pair.md", "--baseline", "brief"], "no prompt 'brief'; there are paragraph, headings"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_prepared(demo, folder, arguments, error):
    assert error in str(call("judge", "demo", *arguments).exception)
    assert [path.name for path in (folder / "runs").iterdir()] == ["demo"]
