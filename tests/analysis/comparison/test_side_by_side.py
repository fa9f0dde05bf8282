import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import find_unsupported_claims, list_flips, show_pairs
from analysis.comparison.side_by_side import find_own_words
from analysis.errors import ColumnError

CALL = "Customer: I paid $45. Agent: I see."
OWN, CLAIM = 'style="background: #d9eefa; color: #000">', 'title="not in the call">'


def answers(*texts, call=CALL):
    rows = [("c1", variant, 1, text, call) for variant, text in zip(("long", "short"), texts, strict=True)]
    return pl.DataFrame(rows, ["call_id", "variant", "sample", "text", "transcript"], orient="row")


PAIR = pl.DataFrame({"call_id": ["c1"], "variant": ["short"], "baseline": ["long"]})


def page(some, pairs=PAIR, claims=None):
    return show_pairs(some, pairs, claims)._repr_html_()


def test_the_call_and_both_answers_stand_side_by_side(kind):
    shown = show_pairs(kind.make(answers("Paid a bill.", "Paid.")), kind.make(PAIR))._repr_html_()
    places = [shown.index(part) for part in ("call c1", CALL, "long", "short")]
    assert places == sorted(places)


def test_words_that_one_alone_has_are_marked():
    shown = page(answers("A fee was paid.", "A late fee was Paid."))
    assert f"A <mark {OWN}late</mark> fee was Paid." in shown
    assert "A fee was paid." in shown


def test_claims_that_the_call_does_not_say_are_marked_above_all_else():
    some = answers("Paid $45 once.", "Paid $54 once.")
    shown = page(some, claims=find_unsupported_claims(some))
    assert f"{CLAIM}$54</mark>" in shown
    assert f"Paid <mark {OWN}$45</mark> once." in shown


def test_what_flipped_is_said():
    some = answers("Yes.", "No.").with_columns(kept=pl.col("variant") == "long")
    flips = list_flips(some, "kept", ("short", "long")).with_columns(metric=pl.lit("kept"))
    assert "call c1 (kept, lost)" in page(some, flips)


def test_an_answer_that_is_missing_is_said():
    assert "<em>no answer</em>" in page(answers(None, "Paid."))
    assert page(answers(None, "Paid.").head(0)).count("<em>no answer</em>") == 3


def test_the_first_sample_is_shown():
    some = answers("Yes.", "Yes.")
    more = some.with_columns(sample=pl.lit(2, pl.Int64), text=pl.lit("Second."))
    assert "Second." not in page(pl.concat([more, some]))


HOSTILE = "<script>alert(1)</script> </div> & \" ' {0} $x$ \x1b[31m \u202e"


def test_hostile_texts_names_and_ids_are_escaped():
    some = answers(HOSTILE, "Fine.", call=HOSTILE).with_columns(call_id=pl.lit(HOSTILE))
    some = some.with_columns(variant=pl.col("variant").replace({"long": HOSTILE}))
    pair = pl.DataFrame({"call_id": [HOSTILE], "variant": ["short"], "baseline": [HOSTILE], "metric": [HOSTILE]})
    shown = page(some, pair)
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") >= 4
    assert not set("\x1b\u202e") & set(shown)
    # Only the divisions that the page itself makes.
    assert shown.count("<div") == shown.count("</div>") == 8


def test_amounts_in_dollars_are_no_formula():
    assert page(answers("$4 and $5", "$4")).startswith('<div class="mathjax_ignore tex2jax_ignore">')


def test_a_long_text_is_cut_and_a_very_long_one_is_not_compared():
    shown = page(answers("a " * 5_000, "b " * 5_000))
    assert (OWN in shown, shown.count(" …")) == (False, 2)


def test_a_terminal_names_no_text():
    assert (
        repr(show_pairs(answers("secret", "other"), PAIR)) == "1 pair of answers, which a notebook shows side by side"
    )


def test_a_missing_column_is_named():
    with pytest.raises(ColumnError, match="pairs: no column 'baseline'"):
        show_pairs(answers("a", "b"), PAIR.drop("baseline"))
    with pytest.raises(ColumnError, match="answers: no column 'text'"):
        show_pairs(answers("a", "b").drop("text"), PAIR)


TEXTS = st.text(st.sampled_from("ab \n\u00a0"), max_size=40)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_without_their_own_words_two_texts_are_equal(one, other):
    own = find_own_words(one, other)
    left = []
    for text, places in zip((one, other), own, strict=True):
        kept = "".join(char for place, char in enumerate(text) if not any(a <= place < b for a, b in places))
        left.append(kept.split())
    assert left[0] == left[1]
