"""Parts: what they have from the records of their job, and what each of their columns takes."""

import polars as pl
from polars.testing import assert_frame_equal

from analysis.outputs import OUTPUT_SCHEMA, index_records

RECORDS = pl.DataFrame(
    {
        "record_id": ["r1", "r2", "r1"],
        "call_id": ["c1", "c2", "c1"],
        "variant": ["short", "short", "short"],
        "sample": [1, 1, 1],
        "attempt": [2, 1, 1],
    },
    schema_overrides={"sample": pl.Int64},
)


def make_outputs(*record_ids, model_id=None):
    rows = [{"record_id": record_id, "model_id": model_id} for record_id in record_ids]
    return pl.DataFrame(rows, OUTPUT_SCHEMA)


def test_outputs_get_the_call_of_their_record_and_the_last_attempt():
    joined = index_records(RECORDS).add_to(make_outputs("r2", "r1", None, "nobodys"))
    assert joined.schema == OUTPUT_SCHEMA
    found = joined.select("record_id", "call_id", "variant", "sample", "attempt").rows()
    nothing = (None, None, None, None)
    assert found == [("r2", "c2", "short", 1, 1), ("r1", "c1", "short", 1, 2), (None, *nothing), ("nobodys", *nothing)]


def test_records_that_are_all_different_are_indexed_alike():
    different = RECORDS.head(2)
    again = pl.concat([different, different])
    outputs = make_outputs("r1", "r2")
    assert_frame_equal(index_records(different).add_to(outputs), index_records(again).add_to(outputs))


def test_the_model_of_a_record_fills_in_for_that_of_the_output():
    index = index_records(RECORDS.head(2).with_columns(model_id=pl.Series(["asked", None])))
    outputs = pl.concat([make_outputs("r1", "r2"), make_outputs("r1", model_id="given")])
    assert index.add_to(outputs)["model_id"].to_list() == ["asked", None, "given"]


def test_a_job_without_records_leaves_the_columns_missing():
    joined = index_records(RECORDS.clear()).add_to(make_outputs("r1"))
    assert joined.schema == OUTPUT_SCHEMA
    assert joined["call_id"].to_list() == [None]
