import polars as pl
import pytest

from analysis import collect, measure_run, prepare, submit
from analysis.errors import RunError

from .conftest import make_calls, make_prompt

ADDED = ["cost_usd", "price_usd", "tokens_estimated", "words", "kept_all", "truncated"]


@pytest.fixture
def collect_run(set_up_emulator, tmp_path):
    """Answer and collect a run of some calls."""
    set_up_emulator(min_records=1)

    def finish(calls, *prompts):
        run = prepare(calls, [*prompts], into=tmp_path / "runs", name="demo", quotas={"min_records": 1})
        submit(run)
        collect(run)
        return run

    return finish


def test_answers_have_their_measures_and_their_price(collect_run):
    run = collect_run(make_calls(3), make_prompt("short", max_tokens=1), make_prompt("long", max_tokens=300))
    measured = measure_run(run)
    assert set(ADDED) <= {*measured.columns}
    cut = measured.group_by("variant").agg(pl.col("truncated").sum()).sort("variant")
    assert cut.rows() == [("long", 0), ("short", 3)]
    assert measured["price_usd"].to_list() == measured["cost_usd"].to_list()


def test_columns_of_the_calls_with_names_of_measures_are_kept_beside_them(collect_run):
    calls = make_calls(2).with_columns(
        cost_usd=pl.lit(7.0), truncated=pl.lit("no"), words=pl.lit(1), kept_all=pl.lit(2)
    )
    measured = measure_run(collect_run(calls, make_prompt()))
    assert measured.select("cost_usd_call", "truncated_call", "words_call", "kept_all_call").row(0) == (7.0, "no", 1, 2)
    assert measured["cost_usd"][0] < 1


def test_a_run_is_measured_by_its_folder(collect_run):
    run = collect_run(make_calls(2), make_prompt())
    assert measure_run(run.folder).equals(measure_run(run))


def test_what_was_not_collected_cannot_be_measured(run):
    with pytest.raises(RunError, match="has not been collected"):
        measure_run(run)
