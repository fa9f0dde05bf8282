"""The costs of a run, summed part by part, against those of all its outputs at once."""

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import analysis.runs.costs as run_costs
from analysis import (
    add_costs,
    collect,
    compare_estimate,
    count_unpriced,
    invoke,
    prepare,
    submit,
    sum_costs,
    sum_lost_costs,
    sum_run_costs,
)
from analysis.errors import RunError
from analysis.facts.prices import PRICE_SCHEMA
from analysis.metrics.bills import compare_invocations, project_costs
from analysis.outputs import OUTPUT_SCHEMA
from analysis.runs import Run, open_run
from bedrock_local.settings import Settings, write_settings

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"  # batch 0.50 / 2.50
PRICES = pl.DataFrame(
    [("haiku", "batch", 0.5, 2.5), ("haiku", "on_demand", 1.0, 5.0), ("nova", "batch", 0.25, None)],
    dict(list(PRICE_SCHEMA.items())[:4]),
    orient="row",
)
# A record and the call that it is of; the last are of no record of the run.
WHO = [("r1", "c1"), ("r2", "c3"), ("r3", "c2"), ("r4", "c10"), ("r5", "ä"), ("s1", None), ("s2", None), (None, None)]
TOKENS = st.one_of(st.none(), st.integers(0, 5_000))
OUTPUTS = st.fixed_dictionaries(
    {
        "who": st.sampled_from(WHO),
        "variant": st.sampled_from(["long", "short", None]),
        "model_id": st.sampled_from(["haiku", "haiku", "nova", "tomorrow", None]),
        "invocation": st.sampled_from(["batch", "batch", "on_demand"]),
        "text": st.sampled_from(["Done.", None]),
        "stop": st.sampled_from(["end", "length", None]),
        "input_tokens": TOKENS,
        "output_tokens": TOKENS,
        "cache_read_tokens": st.sampled_from([None, 0, 7]),
        "error_kind": st.sampled_from([None, None, "service", "unreadable"]),
    }
)
RECORDS = pl.DataFrame({"record_id": ["r1", "r2"], "call_id": ["c1", "c3"], "input_tokens_estimate": [400, 80]})


def make_folder(folder, parts):
    """Write the parts of a run, its records, and a request of no prompts, so that variants stay in order of name."""
    (folder / "outputs").mkdir(parents=True)
    (folder / "run.json").write_text('{"prompts": []}')
    RECORDS.write_parquet(folder / "records.parquet")
    for number, rows in enumerate(parts):
        rows = [dict(zip(("record_id", "call_id"), row.get("who", (None, None)), strict=True)) | row for row in rows]
        pl.DataFrame(rows, OUTPUT_SCHEMA).write_parquet(folder / "outputs" / f"job-{number:05}.parquet")
    return Run(folder)


@settings(max_examples=15)
@given(parts=st.lists(st.lists(OUTPUTS, max_size=5), max_size=5), together=st.integers(1, 9), priced=st.integers(1, 9))
def test_the_costs_of_parts_are_those_of_all_outputs_at_once(parts, together, priced, tmp_path_factory):
    run = make_folder(tmp_path_factory.mktemp("run"), parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_costs, "ROWS_TOGETHER", together)
        patch.setattr(run_costs, "ROWS_PRICED", priced)
        costs = sum_run_costs(run, PRICES)
    outputs = run.read_outputs()
    costed = add_costs(outputs, PRICES, records=RECORDS)
    assert_frame_equal(costs.bill, sum_costs(costed))
    assert_frame_equal(costs.total, sum_costs(costed, by=[]))
    assert_frame_equal(costs.project(1_000), project_costs(costed, 1_000), abs_tol=1e-9)
    assert_frame_equal(costs.invocations, compare_invocations(outputs, PRICES))
    assert_frame_equal(costs.unpriced, count_unpriced(costed, PRICES))


def test_only_calls_that_a_later_file_may_have_wait_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(run_costs, "ROWS_TOGETHER", 1)
    calls = [["b2", "a1"], ["c1", "b2"], [None, "d1"], [None]]
    run = make_folder(tmp_path, [[{"call_id": call} for call in part] for part in reversed(calls)])
    every = nw.from_native(pl.DataFrame({"_call": ["a1", "b2", "c1", "d1", None]}), eager_only=True)
    closed = [every.filter(condition)["_call"].to_list() for _, condition in run_costs.list_batches(run)]
    # The second file begins with b2, the third with d1; the last has no call, and then none is left.
    assert closed == [["a1"], ["a1", "b2", "c1"], ["a1", "b2", "c1", "d1"], ["a1", "b2", "c1", "d1"]]


@pytest.fixture
def finish(emulator, tmp_path, make_calls, make_prompt):
    """Run calls to their end on an account with faults, and return the run."""

    def run_with(faults, number=100):
        write_settings(tmp_path / "emulator", Settings(faults=faults))
        run = prepare(make_calls(number), make_prompt(), into=tmp_path / "runs", name="demo")
        submit(run, pause_s=0)
        collect(run)
        return run

    return run_with


def test_nothing_is_lost_where_every_line_came_back(finish):
    run = finish({})
    assert sum_lost_costs(run).height == 0
    assert sum_run_costs(run).bill["calls"].to_list() == [100]


def test_a_part_that_collect_did_not_make_costs_nothing(finish):
    run = finish({})
    (part,) = (run.folder / "outputs").glob("*.parquet")
    (part.parent / "foreign.parquet").write_bytes(part.read_bytes())
    assert sum_run_costs(run).bill["outputs"].to_list() == [100]


def test_a_damaged_part_is_named(finish):
    run = finish({})
    (part,) = (run.folder / "outputs").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(RunError, match="is missing or damaged; call collect"):
        sum_run_costs(run)


@pytest.mark.parametrize(("fault", "unreadable"), [("record-lost", 0), ("line-unreadable", 100)])
def test_answers_whose_lines_are_lost_cost_what_the_manifest_says(finish, fault, unreadable):
    run = finish({fault: 1})
    manifest = pl.read_parquet(run.folder / "manifests.parquet").row(0, named=True)
    tokens = [manifest["input_tokens"], manifest["output_tokens"]]
    assert min(tokens) > 0
    (lost,) = sum_lost_costs(run).rows(named=True)
    assert lost["job_key"] == "job01"
    assert [lost["answers"], lost["unreadable"]] == [100, unreadable]
    assert [lost["input_tokens"], lost["output_tokens"]] == tokens
    assert lost["cost_usd"] == pytest.approx((tokens[0] * 0.5 + tokens[1] * 2.5) / 1e6)


def test_only_the_tokens_of_the_lost_lines_are_theirs(finish):
    run = finish({})
    (part,) = (run.folder / "outputs").glob("*.parquet")
    outputs = pl.read_parquet(part)
    outputs.tail(60).write_parquet(part)
    (lost,) = sum_lost_costs(run).rows(named=True)
    gone = add_costs(outputs.head(40))
    assert lost["answers"] == 40
    assert lost["output_tokens"] == gone["output_tokens"].sum()
    assert lost["cost_usd"] == pytest.approx(gone["cost_usd"].sum())


def test_tokens_that_no_manifest_and_no_line_gives_are_missing(finish):
    run = finish({"record-lost": 1})
    manifests = pl.read_parquet(run.folder / "manifests.parquet")
    manifests.with_columns(output_tokens=pl.lit(None, pl.Int64)).write_parquet(run.folder / "manifests.parquet")
    (lost,) = sum_lost_costs(run).rows(named=True)
    assert lost["input_tokens"] == manifests["input_tokens"][0]
    assert [lost["output_tokens"], lost["cost_usd"]] == [None, None]


def test_a_run_has_to_be_collected_to_know_what_is_lost(emulator, tmp_path, make_calls, make_prompt):
    run = prepare(make_calls(2), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(RunError, match="has not been collected"):
        sum_lost_costs(run)
    assert sum_run_costs(open_run(run.folder)).total["outputs"].to_list() == [0]


def say(call_id, output_tokens, *, line, sample=1, **fields):
    own = {"record_id": f"{call_id}-{sample}", "call_id": call_id, "variant": "short", "sample": sample, "attempt": 1}
    known = {"model_id": "haiku", "invocation": "batch", "text": "Done.", "stop": "end", "input_tokens": 1000}
    return own | known | {"file": "a.jsonl.out", "line": line, "output_tokens": output_tokens} | fields


def test_a_record_with_two_lines_is_paid_twice_and_priced_once(tmp_path):
    # Each answer costs 1,000 * 0.50 + 200 * 2.50 = 1,000 USD per million, which is 0.001 USD.
    lines = [say("c1", 200, line=1), say("c1", 200, line=2), say("c2", 200, line=3), say("c2", 200, line=4, sample=2)]
    again = [say("c1", 200, line=1, file="b.jsonl.out")]
    costs = sum_run_costs(make_folder(tmp_path / "run", [lines, again]), PRICES)
    (bill,) = costs.bill.to_dicts()
    assert (bill["calls"], bill["outputs"], bill["answered"]) == (2, 5, 5)
    assert bill["cost_usd"] == pytest.approx(0.005)
    # The two calls have one answer and two samples: 0.003 USD, so 1.50 USD for 1,000 calls.
    assert bill["cost_usd_per_1000_calls"] == pytest.approx(1.5)
    assert costs.project(1000)["cost_usd"].to_list() == [pytest.approx(1.5)]


def test_an_error_beside_the_answer_of_a_record_changes_no_price(tmp_path):
    failed = {"error_kind": "service", "text": None, "input_tokens": None, "stop": None}
    lines = [say("c1", None, line=1, **failed), say("c1", 200, line=2), say("c1", 200, line=3)]
    (bill,) = sum_run_costs(make_folder(tmp_path / "run", [lines]), PRICES).bill.to_dicts()
    assert (bill["cost_usd"], bill["cost_usd_per_1000_calls"]) == (pytest.approx(0.002), pytest.approx(1.0))


def test_repeated_lines_of_the_service_leave_the_price_of_a_call(finish):
    costs = sum_run_costs(finish({"record-repeated": 1.0}))
    (bill,) = costs.bill.to_dicts()
    assert (bill["calls"], bill["outputs"]) == (100, 200)
    assert bill["cost_usd_per_1000_calls"] == pytest.approx(bill["cost_usd"] / 200 * 1000)


def test_variants_are_in_the_order_in_which_they_were_asked(account, tmp_path, make_calls, make_prompt):
    run = prepare(make_calls(2), [make_prompt("short"), make_prompt("long")], into=tmp_path, name="demo")
    invoke(run)
    collect(run)
    costs, estimate = sum_run_costs(run), run.plan().estimate
    for frame in (costs.bill, costs.invocations, costs.project(10), estimate, compare_estimate(estimate, costs.bill)):
        assert frame["variant"].to_list() == ["short", "long"]
