from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from analysis import load_ratings, plan_disagreements, plan_ratings
from analysis.errors import AnalysisError, StorageError
from analysis.judging.ratings import RATINGS, Rating, add_ratings, read_ratings, write_rating

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PLAN = {"call_id": pl.String, "variant": pl.String, "sample": pl.Int16, "other_variant": pl.String, "picked": pl.String}


@pytest.fixture(scope="module")
def answers():
    """Twenty calls that two wordings answered; of the last one answer is missing."""
    rows = [(f"c{call:02}", name, f"{name} {call}") for call in range(20) for name in ("short", "long")]
    rows[-1] = ("c19", "long", None)
    return pl.DataFrame(rows, ["call_id", "variant", "text"], orient="row")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ratings"


def rate(call="c1", **fields):
    return Rating(**{"call_id": call, "variant": "short", "rater": "ada", "score": 4.0, "rated_at": NOON} | fields)


def rate_pair(first="short", second="long", **fields):
    return rate(variant=first, other_variant=second, score=None, **{"preferred": "long"} | fields)


def test_every_answer_to_the_picked_calls_is_rated_in_random_order(answers):
    planned = plan_ratings(answers, 15)
    assert planned.schema == PLAN
    assert planned.select("call_id", "variant").is_unique().all()
    assert planned["call_id"].n_unique() == 15
    assert planned["call_id"].to_list() != sorted(planned["call_id"])
    assert set(planned["picked"]) == {"random"}


def test_a_call_with_a_missing_answer_is_not_picked(answers):
    assert "c19" not in plan_ratings(answers, 19)["call_id"]


def test_the_order_is_that_of_the_seed_alone(answers, kind):
    planned = plan_ratings(answers, 5, seed=3)
    assert plan_ratings(kind.make(answers.reverse()), 5, seed=3)["call_id"].to_list() == planned["call_id"].to_list()
    assert not planned.equals(plan_ratings(answers, 5, seed=4))


def test_a_plan_is_of_the_kind_of_the_answers(answers, kind):
    rows = plan_ratings(answers, 3, pair=("short", "long")).rows()
    kind.check(plan_ratings(kind.make(answers), 3, pair=("short", "long")), rows, PLAN)


def test_each_variant_stands_first_about_as_often(answers):
    many = pl.concat([answers.with_columns(call_id=pl.col("call_id") + f"-{copy}") for copy in range(20)])
    first = plan_ratings(many, 380, pair=("long", "short"))["variant"]
    assert 160 < (first == "long").sum() < 220  # 380 throws of a coin: 190, give or take three times 10


def test_calls_whose_answers_differ_most_in_words_are_picked_as_disagreements():
    texts = {"c1": ("The fee is back.", "the fee is back."), "c2": ("A refund.", "No money."), "c3": ("A b c", "A b d")}
    rows = [(call, name, text) for call, both in texts.items() for name, text in zip("ab", both, strict=True)]
    answers = pl.DataFrame(rows, ["call_id", "variant", "text"], orient="row")
    planned = plan_disagreements(answers, 2, pair=("a", "b"))
    assert sorted(planned["call_id"]) == ["c2", "c3"]
    assert set(planned["picked"]) == {"disagreement"}


def test_of_several_samples_the_first_is_rated(answers):
    two = pl.concat([answers.with_columns(sample=pl.lit(sample)) for sample in (2, 1)])
    assert plan_ratings(two, 19)["sample"].to_list() == [1] * 38


def test_a_pair_is_of_one_sample(answers):
    second = answers.with_columns(sample=pl.when(call_id="c03", variant="long").then(2).otherwise(1))
    assert "c03" not in plan_ratings(second, 18, pair=("short", "long"))["call_id"]
    assert "c03" in plan_ratings(second, 19)["call_id"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 20}, "cannot pick 20 of 19 calls of which each variant has an answer; give n from 1 to 19"),
        ({"n": 0}, "cannot pick 0 of 19"),
        ({"n": 1, "pair": ("short",)}, "is not two variants; give two names"),
        ({"n": 1, "pair": ("short", "shrt")}, "no variant 'shrt' has an answer; there are short, long"),
        ({"n": 1, "variants": ["shrt"]}, "no variant 'shrt' has an answer"),
    ],
)
@pytest.mark.parametrize("plan", [plan_ratings, plan_disagreements])
def test_what_cannot_be_planned_is_explained(answers, plan, arguments, message):
    with pytest.raises(AnalysisError, match=message):
        plan(answers, **arguments)


def test_one_variant_cannot_disagree(answers):
    with pytest.raises(AnalysisError, match="one alone cannot disagree"):
        plan_disagreements(answers, 1, variants=["short"])


def test_a_variant_cannot_be_called_as_the_verdict_that_none_is_better(answers):
    with pytest.raises(AnalysisError, match="'tie' is the name of a variant"):
        plan_ratings(answers.with_columns(variant=pl.lit("tie")), 1)


def test_ratings_are_read_as_they_were_given(folder):
    write_rating(folder, rate(comment="Wrong <b>name</b>.\n$20"))
    write_rating(folder, rate_pair(rater="bob", rated_at=NOON - timedelta(hours=1), picked="disagreement"))
    first = ("c1", "short", 1, "bob", "pair", None, "long", "long", "", "disagreement", NOON - timedelta(hours=1))
    second = ("c1", "short", 1, "ada", "score", 4.0, None, None, "Wrong <b>name</b>.\n$20", "random", NOON)
    ratings = read_ratings(folder)
    assert ratings.rows() == [first, second]
    assert ratings.schema == RATINGS


def test_nobody_has_rated_a_new_run(make_run, make_prompt):
    ratings = load_ratings(make_run(1, make_prompt()))
    assert len(ratings) == 0
    assert ratings.schema == RATINGS


def test_the_last_rating_of_an_answer_by_a_rater_counts(folder):
    for rating in (rate(score=1.0), rate("c2"), rate(score=5.0), rate(rater="bob", score=2.0)):
        write_rating(folder, rating)
    assert sorted(read_ratings(folder).select("call_id", "rater", "score").rows()) == [
        ("c1", "ada", 5.0),
        ("c1", "bob", 2.0),
        ("c2", "ada", 4.0),
    ]


def test_a_pair_the_other_way_round_is_the_same_pair(folder):
    write_rating(folder, rate_pair())
    write_rating(folder, rate_pair("long", "short", preferred="tie"))
    write_rating(folder, rate())
    assert read_ratings(folder).select("kind", "preferred").rows() == [("pair", "tie"), ("score", None)]


def test_raters_who_write_at_a_time_lose_nothing(folder):
    ratings = [rate(f"c{call}", rater=rater) for call in range(20) for rater in ("ada", "bob")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda rating: write_rating(folder, rating), ratings))
    assert len(read_ratings(folder)) == 40
    assert sorted(path.name for path in folder.glob("*.parquet")) == ["ada.parquet", "bob.parquet"]


def test_a_rating_that_cannot_be_written_leaves_the_earlier_ones(folder, monkeypatch):
    write_rating(folder, rate())
    monkeypatch.setattr(pl.DataFrame, "write_parquet", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "part")))
    with pytest.raises(StorageError, match="free some space"):
        write_rating(folder, rate("c2"))
    assert read_ratings(folder)["call_id"].to_list() == ["c1"]


@pytest.mark.parametrize("use", [read_ratings, lambda folder: write_rating(folder, rate())])
def test_a_damaged_file_is_named_and_left_alone(folder, use):
    folder.mkdir()
    (folder / "ada.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"ada\.parquet: is damaged; put it back"):
        use(folder)
    assert (folder / "ada.parquet").read_bytes() == b"PAR1"


def test_what_a_rater_has_said_stands_beside_the_plan(answers, folder):
    planned = plan_ratings(answers, 3, pair=("short", "long"))
    call, first, sample, second, _ = planned.row(1)
    write_rating(folder, rate_pair(second, first, call_id=call, sample=sample))
    ratings = read_ratings(folder)
    assert add_ratings(planned, ratings, "ada")["preferred"].to_list() == [None, "long", None]
    assert add_ratings(planned, ratings, "bob").select("preferred", "comment").null_count().row(0) == (3, 3)


@pytest.mark.parametrize("rater", ["", "Ada", "../ada", "a" * 41, None, 3])
def test_a_rater_is_named_as_a_file_can_be(rater):
    with pytest.raises(AnalysisError, match="cannot name a rater; use small letters"):
        rate(rater=rater)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"score": None}, "one answer needs a score"),
        ({"score": float("nan")}, "one answer needs a score"),
        ({"preferred": "short"}, "one answer needs a score"),
        ({"other_variant": "long"}, "preferred is None, and score 4.0"),
        ({"other_variant": "long", "score": None, "preferred": "lng"}, "one of short, long, tie"),
        ({"picked": "chosen"}, "it can be 'random' or 'disagreement'"),
        ({"rated_at": NOON.replace(tzinfo=None)}, "has no time zone"),
    ],
)
def test_a_rating_that_says_nothing_is_refused(fields, message):
    with pytest.raises(AnalysisError, match=message):
        rate(**fields)
