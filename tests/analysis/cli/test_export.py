import csv
import re

import polars as pl
import pytest

from analysis import Prompt, collect, invoke, load_answers, prepare
from analysis.errors import ColumnError, RunError, StorageError

from .conftest import call


@pytest.fixture
def run(folder, emulator):
    """A run of two calls, one of which begins like a formula, that was answered and collected."""
    calls = pl.DataFrame({"call_id": ["a", "=b"], "transcript": ["Agent: Hello.", "Agent: Bye."], "minutes": [-5, 5]})
    prompt = Prompt(name="short", model_id="us.amazon.nova-micro-v1:0", template="{{ transcript }}", max_tokens=50)
    run = prepare(calls, prompt, into="runs", name="demo")
    invoke(run)
    collect(run)
    return run


def test_help_explains_the_command():
    said = call("export", "--help").stdout
    assert re.search(r"FILE <path> +The file to write, by its end: \.csv, \.xlsx or \.parquet\.", said)
    assert re.search(r"--replace +Replace FILE if it is there; otherwise it stays", said)


@pytest.mark.parametrize("end", ["csv", "xlsx", "parquet"])
def test_a_run_is_exported_by_its_name(run, folder, end):
    said = call("export", "demo", f"out/answers.{end}").stdout
    columns = load_answers(run).width
    assert said.startswith(f"out/answers.{end}: 2 answers, {columns} columns, ")
    assert ("An apostrophe stands before 1 text" in said) == (end == "csv")
    assert (folder / "out" / f"answers.{end}").exists()


def test_parquet_has_the_answers_of_the_run(run, folder):
    call("export", "runs/demo", "x.parquet")
    pl.testing.assert_frame_equal(pl.read_parquet("x.parquet"), load_answers(run))


def test_columns_are_chosen_in_their_order(run, folder):
    assert call("export", "demo", "x.csv", "--column", "minutes", "--column", "call_id").exit_code == 0
    with (folder / "x.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [*csv.reader(file)] == [["minutes", "call_id"], ["-5", "a"], ["5", "'=b"]]


def test_a_column_that_is_not_there_is_named(run):
    error = call("export", "demo", "x.csv", "--column", "minute").exception
    assert isinstance(error, ColumnError)
    assert "--column: no column 'minute'; there are call_id, variant, sample" in str(error)


def test_a_file_is_replaced_only_when_asked(run, folder):
    (folder / "x.csv").write_text("mine", encoding="utf-8")
    error = call("export", "demo", "x.csv").exception
    assert isinstance(error, StorageError)
    assert "--replace" in str(error)
    assert (folder / "x.csv").read_text(encoding="utf-8") == "mine"
    assert call("export", "demo", "x.csv", "--replace").exit_code == 0


def test_what_is_no_run_or_not_collected_is_an_error(run, folder):
    assert isinstance(call("export", "other", "x.csv").exception, RunError)
    (run.folder / "manifests.parquet").unlink()
    assert "has not been collected" in str(call("export", "demo", "x.csv").exception)
