import polars as pl
import pytest

from analysis.judging.ratings import RATINGS

RATING = {name: dtype for name, dtype in RATINGS.items() if name not in ("comment", "rated_at")}


@pytest.fixture(scope="session")
def make_answers():
    """Make one row per call and variant; each variant gives its texts, None where a call has no answer."""

    def make(**texts):
        rows = [
            {"call_id": f"c{place}", "variant": variant, "sample": 1, "text": text, "transcript": f"Call {place}."}
            for variant, own in texts.items()
            for place, text in enumerate(own)
        ]
        return pl.DataFrame(rows, schema_overrides={"sample": pl.Int16})

    return make


@pytest.fixture(scope="session")
def make_judged():
    """Make the answers of a judge: of pairs `a` and `b` in this order, or of `a` alone; calls are numbered."""

    def make(*texts, kind="pair", **columns):
        whose = {"first": "a", "second": "b"} if kind == "pair" else {"judged_variant": "a"}
        rows = [
            {"variant": "judge", "text": text, "judged_call": f"c{place}", "judged_sample": 1, **whose, **columns}
            for place, text in enumerate(texts)
        ]
        return pl.DataFrame(rows, schema_overrides={"text": pl.String})

    return make


@pytest.fixture(scope="session")
def make_ratings():
    """Make ratings; what a row leaves out is as for a score of `a` by `ada`, picked at random."""

    def make(*rows):
        usual = {"sample": 1, "variant": "a", "rater": "ada", "kind": "score", "picked": "random"}
        return pl.DataFrame([usual | row for row in rows], schema=RATING)

    return make


@pytest.fixture(scope="session")
def score():
    """Make a verdict on one answer, as `read_verdicts` does."""

    def make(call_id, variant, score, judge="judge"):
        return {"call_id": call_id, "variant": variant, "sample": 1, "kind": "score", "score": score, "judge": judge}

    return make


@pytest.fixture(scope="session")
def to_verdicts():
    """Make a frame of verdicts from rows that leave out what is missing."""
    from analysis.judging.verdicts import VERDICTS

    return lambda rows: pl.DataFrame(rows, schema=VERDICTS)
