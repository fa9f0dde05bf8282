import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import collect, invoke, load_answers, prepare, scan_answers
from analysis.errors import ColumnError, RunError

from .conftest import make_calls, make_prompt

ORIGIN = ["run", "prompt_digest"]


@pytest.fixture
def make_collected(account, tmp_path):
    """Prepare a run of two calls, answer it on demand, and collect it."""

    def make(name, *prompts, **columns):
        calls = make_calls(2).with_columns(**columns)
        run = prepare(calls, prompts or make_prompt(), into=tmp_path / "runs", name=name)
        invoke(run)
        collect(run)
        return run

    return make


def test_answers_of_several_runs_are_one_below_the_other(make_collected):
    first, second = make_collected("first"), make_collected("second", make_prompt(), make_prompt("long", max_tokens=9))
    answers = load_answers([first, second.folder])
    assert answers.columns[:8] == [*ORIGIN, *load_answers(first).columns[:6]]
    assert answers["run"].to_list() == ["first"] * 2 + ["second"] * 4
    short, long = (prompt.digest for prompt in second.read_prompts())
    assert answers["prompt_digest"].to_list() == [short, short, short, long, short, long]
    assert_frame_equal(answers.drop(ORIGIN), pl.concat([load_answers(first), load_answers(second)]))
    assert_frame_equal(scan_answers([first, second]).collect(), answers)


def test_a_list_of_one_run_has_the_same_columns(make_collected):
    run = make_collected("first")
    assert load_answers([run]).columns == [*ORIGIN, *load_answers(run).columns]


def test_a_column_that_some_calls_have_is_missing_in_the_others(make_collected):
    runs = [make_collected("first"), make_collected("second", queue=pl.lit("billing"), run=pl.lit("r1"))]
    answers = load_answers(runs)
    assert answers["queue"].to_list() == [None, None, "billing", "billing"]
    assert answers["run_call"].to_list() == [None, None, "r1", "r1"]


def test_a_column_of_other_types_is_told(make_collected):
    runs = [make_collected("first", size=pl.lit(1)), make_collected("second", size=pl.lit([1]))]
    with pytest.raises(ColumnError, match="a column has other types in other runs"):
        load_answers(runs)


def test_a_run_that_is_given_twice_is_told(make_collected):
    run = make_collected("first")
    with pytest.raises(RunError, match=r"the names are \['first', 'first'\]; give at least one run, each once"):
        load_answers([run, run.folder])
    with pytest.raises(RunError, match="give at least one run"):
        scan_answers([])


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"name": "other"}, True),
        ({"samples": 3}, True),
        ({"expects": {"max_words": 3}}, True),
        ({"max_tokens": 9}, False),
        ({"system": "Be brief."}, False),
        ({"template": "{{ transcript }}"}, False),
        ({"temperature": 0}, False),
        ({"repeat": 2}, False),
    ],
)
def test_a_digest_is_that_of_what_is_sent(changes, same):
    assert (make_prompt().replace(**changes).digest == make_prompt().digest) == same
