import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from analysis import (
    add_costs,
    collect,
    count_stop_reasons,
    find_run_prices,
    load_answers,
    prepare,
    repair,
    submit,
    sum_costs,
)
from analysis.errors import ColumnError, RunError
from analysis.runs import answers
from analysis.runs.collection import write_parts
from analysis.runs.state import read_state
from analysis.spark import (
    count_stop_reasons_on_spark,
    prepare_on_spark,
    preparing,
    read_outputs_on_spark,
    sum_costs_on_spark,
)
from bedrock_local.settings import change_settings
from tests.spark.conftest import PROMPTS, QUOTAS, make_calls

PLACE = ["job_id", "file", "line"]


@pytest.fixture(scope="module")
def sent(load, environment, tmp_path_factory):
    """A run that was prepared on Spark and sent, some of whose records failed; nothing is collected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "PARTITION_CALLS", 100)
        into = tmp_path_factory.mktemp("runs")
        run = prepare_on_spark(load(make_calls()), PROMPTS, into=into, name="demo", quotas=QUOTAS)
    change_settings(environment, faults={"record-429": 0.05}, seed=3)
    submit(run)
    change_settings(environment, faults={})
    return run


def load_table(table):
    """Load a table of Spark as a frame."""
    batches = table._collect_as_arrow()
    return pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches)) if batches else {})


def price(run):
    return add_costs(run.read_outputs(), find_run_prices(run), records=run.read_records())


def test_outputs_are_read_where_the_jobs_have_put_them(spark, sent):
    there = load_table(read_outputs_on_spark(spark, sent))
    collect(sent)
    assert_frame_equal(there.sort(PLACE), price(sent).sort(PLACE))
    assert there["error_kind"].is_not_null().any()


@pytest.fixture(scope="module")
def collected(sent):
    """The same run with lines that are torn, and lines that are there twice."""
    collect(sent)
    for file in sorted(sent.folder.glob("output/*/*.out"))[:4]:
        if file.name != "manifest.json.out":
            lines = file.read_bytes().splitlines(keepends=True)
            file.write_bytes(b"".join([*lines, lines[3], lines[5], lines[7][:-20] + b"\n"]))
    write_parts(read_state(sent))  # not collect, which downloads what is damaged once more
    return sent


def test_rows_are_those_of_one_machine_also_where_lines_are_torn_or_doubled(spark, collected):
    outputs = load_table(read_outputs_on_spark(spark, collected))
    assert_frame_equal(outputs.sort(PLACE), price(collected).sort(PLACE))
    assert "unreadable" in outputs["error_kind"].to_list()


@pytest.mark.parametrize("by", ["variant", [], ["variant", "model_id"], "error_kind"])
def test_sums_are_those_of_one_machine(spark, collected, by):
    outputs, costed = read_outputs_on_spark(spark, collected), price(collected)
    for found, wanted in [
        (sum_costs_on_spark(outputs, by=by), sum_costs(costed, by=by)),
        (count_stop_reasons_on_spark(outputs, by=by), count_stop_reasons(costed, by=by)),
    ]:
        rows = pl.DataFrame([tuple(row) for row in found.collect()], wanted.schema, orient="row")
        assert found.columns == wanted.columns
        assert_frame_equal(rows, wanted)


def test_what_a_repair_got_is_read_as_well(spark, collected):
    repair(collected)
    outputs = load_table(read_outputs_on_spark(spark, collected))
    assert_frame_equal(outputs.sort(PLACE), price(collected).sort(PLACE))
    assert outputs["attempt"].max() == 2


def test_a_run_of_one_machine_is_read_as_well(spark, environment, tmp_path):
    run = prepare(make_calls(150), PROMPTS[:1], into=tmp_path, name="demo")
    assert load_table(read_outputs_on_spark(spark, run)).is_empty()
    assert sum_costs_on_spark(read_outputs_on_spark(spark, run), by=[]).collect()[0]["outputs"] == 0
    submit(run)
    collect(run)
    assert_frame_equal(load_table(read_outputs_on_spark(spark, run)).sort(PLACE), price(run).sort(PLACE))


def test_a_column_that_is_missing_is_named(spark, collected):
    outputs = read_outputs_on_spark(spark, collected)
    with pytest.raises(ColumnError, match="no column 'queue'"):
        sum_costs_on_spark(outputs, by="queue")
    with pytest.raises(ColumnError, match="no column 'stop'"):
        count_stop_reasons_on_spark(outputs.drop("stop"))


def test_answers_that_do_not_fit_into_memory_name_the_cluster(collected, monkeypatch):
    monkeypatch.setattr(answers, "find_available_memory", lambda: 1)
    with pytest.raises(RunError, match="or read_outputs_on_spark"):
        load_answers(collected)
