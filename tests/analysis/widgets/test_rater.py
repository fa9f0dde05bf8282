import polars as pl
import pytest

from analysis import load_ratings, plan_disagreements, plan_ratings
from analysis.errors import AnalysisError, ColumnError
from analysis.widgets import rate_answers

HOSTILE = "<script>alert(1)</script> \x1b[31m \u202e"


@pytest.fixture(scope="module")
def answers():
    rows = [(f"c{call}", name, f"{HOSTILE} {call}", HOSTILE) for call in range(4) for name in ("alpha", "beta")]
    return pl.DataFrame(rows, ["call_id", "variant", "text", "transcript"], orient="row")


@pytest.fixture
def run(make_run, make_prompt):
    return make_run(4, make_prompt())


@pytest.fixture
def rate(answers, run):
    """Show the rater, who goes on where the last one stopped."""
    planned = plan_ratings(answers, 3)
    return lambda planned=planned, rater="ada": rate_answers(answers, planned, run=run, rater=rater)


@pytest.fixture
def pairs(answers):
    return plan_disagreements(answers, 3, pair=("alpha", "beta"))


def give(widget, choice, comment="", position=None):
    widget.given = {"position": widget.position if position is None else position, "choice": choice, "comment": comment}


def test_a_score_is_written_and_the_next_answer_shown(rate, run, answers):
    widget = rate()
    before = widget.texts
    give(widget, "4", "Fine.")
    row = plan_ratings(answers, 3).row(0, named=True)
    (rating,) = load_ratings(run).drop("rated_at").to_dicts()
    said = {"score": 4.0, "comment": "Fine.", "rater": "ada", "kind": "score", "preferred": None}
    assert rating == row | said
    assert (widget.position, widget.told) == (1, "Answer 2; 1 of 6 answers rated.")
    assert widget.texts != before


@pytest.mark.parametrize("choice", ["first", "second", "tie"])
def test_a_preference_is_written_by_the_name_of_the_variant(rate, run, pairs, choice):
    give(rate(pairs), choice)
    rating = load_ratings(run).row(0, named=True)
    row = pairs.row(0, named=True)
    assert rating["preferred"] == {"first": row["variant"], "second": row["other_variant"], "tie": "tie"}[choice]
    assert (rating["kind"], rating["picked"], rating["score"]) == ("pair", "disagreement", None)


def test_the_page_is_not_told_whose_answers_it_shows(rate, pairs):
    for widget in (rate(), rate(pairs)):
        sent = str({name: value for name, value in widget.get_state().items() if name not in ("_esm", "_css")})
        assert "alpha" not in sent
        assert "beta" not in sent


def test_a_rater_goes_on_where_they_stopped_and_another_begins(rate):
    for choice in "12":
        give(rate(), choice)
    assert rate().position == 2
    assert rate(rater="bob").position == 0


def test_a_rating_is_shown_again_and_can_be_changed(rate, run, pairs):
    give(rate(pairs), "second", "Longer.")
    widget = rate(pairs)
    assert widget.position == 1
    widget.position = 0
    assert widget.said == {"choice": "second", "comment": "Longer."}
    give(widget, "tie")
    assert load_ratings(run)["preferred"].to_list() == ["tie"]
    assert widget.position == 1


def test_a_key_that_was_meant_for_the_last_answer_rates_nothing(rate, run):
    widget = rate()
    give(widget, "5")
    give(widget, "1", position=0)
    assert load_ratings(run)["score"].to_list() == [5.0]


def test_what_was_skipped_comes_again_at_the_end(rate):
    widget = rate()
    widget.position = 1
    for _ in range(5):
        give(widget, "3")
    assert widget.position == 0
    give(widget, "3")
    assert (widget.position, widget.texts, widget.told) == (6, [], "6 of 6 answers rated.")
    assert rate().told == "6 of 6 answers rated."


def test_a_rating_that_cannot_be_written_is_said_and_stays(rate, run):
    widget = rate()
    (run.folder / "ratings").mkdir()
    (run.folder / "ratings" / "ada.parquet").write_bytes(b"PAR1")
    give(widget, "4")
    assert "ada.parquet: is damaged" in widget.problem
    assert widget.position == 0


@pytest.mark.parametrize("choice", ["", "6", "0", "4.5", "first"])
def test_what_is_not_on_the_scale_is_refused(rate, run, choice):
    widget = rate()
    give(widget, choice)
    assert "is not on the scale; give 1 to 5" in widget.problem
    assert len(load_ratings(run)) == 0


def test_texts_are_escaped(rate, pairs):
    for widget in (rate(), rate(pairs)):
        for html in (widget.call, *widget.texts):
            assert "&lt;script&gt;" in html
            assert "<script" not in html
            assert not set("\x1b\u202e") & set(html)


def test_pandas_is_taken_as_well(answers, run, kind):
    planned = plan_ratings(kind.make(answers), 2)
    assert rate_answers(kind.make(answers), planned, run=run, rater="ada").total == 4


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rater": "Ada B."}, AnalysisError, "cannot name a rater"),
        ({"scale": (5, 1)}, AnalysisError, "5 to 1 is not a scale"),
        ({"scale": (0, 10)}, AnalysisError, "is not a scale"),
        ({"planned": pl.DataFrame({"call_id": []})}, ColumnError, "no column 'variant'"),
    ],
)
def test_what_cannot_be_rated_is_explained(answers, run, arguments, error, message):
    with pytest.raises(error, match=message):
        rate_answers(
            **{"answers": answers, "planned": plan_ratings(answers, 1), "run": run, "rater": "ada"} | arguments
        )


def test_answers_and_pairs_are_not_mixed(answers, run, pairs):
    mixed = pl.concat([pairs, plan_ratings(answers, 1)])
    with pytest.raises(AnalysisError, match="has answers and pairs"):
        rate_answers(answers, mixed, run=run, rater="ada")
