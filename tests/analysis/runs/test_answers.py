import re

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import collect, load_answers, prepare, scan_answers, submit
from analysis.errors import RunError
from analysis.runs import answers
from analysis.runs.winners import scan_winners

from .conftest import make_calls, make_prompt

FAULTS = {
    "job-stopped": 0.5,
    "record-500": 0.2,
    "line-unreadable": 0.1,
    "record-repeated": 0.1,
}


@pytest.fixture
def collected(set_up_emulator, tmp_path):
    """A run of two prompts of which some answers failed, are missing or repeated; a column of its calls clashes."""
    set_up_emulator(faults=FAULTS)
    calls = make_calls(150).with_columns(line=pl.int_range(150), queue=pl.lit("billing")).reverse()
    prompts = [make_prompt(), make_prompt("long", samples=2)]
    quotas = {"records_per_job": 150}
    run = prepare(calls, prompts, into=tmp_path / "runs", name="demo", quotas=quotas)
    submit(run)
    collect(run)
    return run


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_answers_are_the_same_loaded_and_scanned(collected, engine):
    loaded = load_answers(collected)
    assert {"missing", "service", None} <= set(loaded["error_kind"])
    assert_frame_equal(scan_answers(collected).collect(engine=engine), loaded)


def test_each_call_has_one_winner_and_lines_of_no_call_are_none(collected):
    outputs, keys = collected.read_outputs(), ["call_id", "variant", "sample"]
    of_calls = outputs.drop_nulls("call_id")
    assert len(of_calls.unique(keys)) < len(of_calls) < len(outputs)
    best = of_calls.sort(pl.col("error_kind").is_not_null(), "file", "line").unique(keys, keep="first")
    assert_frame_equal(scan_winners(collected).collect(), best.sort("file", "line"))


def test_answers_keep_the_order_of_the_calls(collected):
    call_ids = load_answers(collected)["call_id"].unique(maintain_order=True)
    assert call_ids.to_list() == collected.read_calls()["call_id"].to_list() == [f"c{n}" for n in reversed(range(150))]


def test_a_scan_reads_only_the_columns_that_a_query_uses(collected):
    plan = scan_answers(collected).group_by("variant", "stop").len().explain()
    columns = [int(used) for used in re.findall(r"PROJECT (\d+)/", plan)]
    assert len(columns) == plan.count("Parquet SCAN")
    assert max(columns) < 10


def test_what_was_not_collected_cannot_be_scanned(run):
    with pytest.raises(RunError, match=r"has not been collected; call collect\(run\) first"):
        scan_answers(run)


def test_answers_that_do_not_fit_into_memory_are_not_read(collected, monkeypatch, count_calls):
    reads = count_calls(type(collected), "read_outputs")
    needed = answers.estimate_memory(collected)
    assert needed > 450 * answers.ROW_BYTES
    monkeypatch.setattr(answers, "find_available_memory", lambda: needed - 1)
    with pytest.raises(RunError, match=r"need about .* GB of memory, .* take what you need of scan_answers\(run\)"):
        load_answers(collected)
    assert not reads
    monkeypatch.setattr(answers, "find_available_memory", lambda: needed)
    assert len(load_answers(collected)) == 450


def test_a_system_that_does_not_tell_its_memory_is_not_in_the_way(collected, monkeypatch):
    monkeypatch.setattr(answers, "find_available_memory", lambda: None)
    assert len(load_answers(collected)) == 450


def test_this_system_has_memory():
    assert (answers.find_available_memory() or 1) > 0
