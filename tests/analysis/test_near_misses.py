"""Calls with the wrong argument, as people make them: the error says what was passed, and what to pass."""

import polars as pl
import pytest

import analysis
from analysis import Prompt, collect, find_prices, invoke, load_answers, prepare
from analysis.errors import AnalysisError, CallsError, ColumnError, ModelError, PromptError, RunError, StorageError

CALLS = pl.DataFrame({"call_id": ["c1", "c2"], "transcript": ["Hello.", "Goodbye."]})
PROMPT = Prompt(name="short", model_id="global.anthropic.claude-haiku-4-5-20251001-v1:0", template="{{ transcript }}")
OF_A_RUN = (
    "collect",
    "invoke",
    "list_notices",
    "load_answers",
    "load_jobs",
    "measure_run",
    "open_run",
    "plan_round",
    "scan_answers",
    "send_round",
    "stop",
    "submit",
    "sum_lost_costs",
    "sum_run_costs",
)
OF_A_FRAME = {
    "add_costs": r"load_outputs\(where\) or load_answers\(run\)",
    "count_errors": r"load_answers\(run\)",
    "compare_round": r"measure_run\(run\)",
    "count_stop_reasons": r"load_answers\(run\)",
    "decide": r"measure_run\(run\)",
    "describe_comparison": r"compare_variants\(",
    "drop_empty_calls": r"read_calls\(where\)",
    "estimate_costs": r"run\.read_records\(\)",
    "find_unsupported_claims": r"load_answers\(run\)",
    "measure_answers": r"load_answers\(run\)",
    "rank_variants": r"compare_variants\(",
    "share_truncated": r"load_answers\(run\)",
    "suggest_max_tokens": r"load_answers\(run\)",
    "sum_costs": r"add_costs\(outputs\)",
}
OF_A_PATH = ("list_runs", "load_manifests", "load_outputs", "read_calls", "read_prices", "scan_outputs")


@pytest.fixture(scope="module")
def run(account, tmp_path_factory):
    run = prepare(CALLS, PROMPT, into=tmp_path_factory.mktemp("runs"), name="demo")
    invoke(run)
    collect(run)
    return run


@pytest.mark.parametrize("name", OF_A_RUN)
@pytest.mark.parametrize(
    ("value", "said"),
    [(PROMPT, "a Prompt"), (CALLS, "a frame with the columns call_id, transcript"), (None, "None")],
    ids=["prompt", "frame", "none"],
)
def test_a_function_of_a_run_says_what_it_got(name, value, said):
    with pytest.raises(RunError, match=rf"run: {said} is not a run.*; pass .* prepare\(calls, prompts\) returned"):
        getattr(analysis, name)(value)


@pytest.mark.parametrize("name", OF_A_FRAME)
def test_a_function_of_a_frame_says_where_such_a_frame_comes_from(name, run):
    with pytest.raises(ColumnError, match=f"a Run is not a DataFrame; pass what {OF_A_FRAME[name]}"):
        getattr(analysis, name)(run)
    with pytest.raises(ColumnError, match=r"a LazyFrame is not a DataFrame; .* its collect\(\) returns"):
        getattr(analysis, name)(CALLS.lazy())


@pytest.mark.parametrize("name", OF_A_PATH)
def test_a_reader_says_that_it_wants_a_path(name, run):
    with pytest.raises(StorageError, match="path: a Run is not a path; pass a file or folder"):
        getattr(analysis, name)(run)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (
            lambda run: analysis.sum_costs(load_answers(run)),
            ColumnError,
            r"; pass what add_costs\(outputs\)",
        ),
        (lambda run: analysis.compare_variants(load_answers(run), "cost_usd"), ColumnError, r"or add_costs\(answers\)"),
        (lambda _: prepare([PROMPT], CALLS), CallsError, "a list that begins with a Prompt is not a table of calls"),
        (lambda _: prepare(CALLS, CALLS), PromptError, "a frame with the columns .* is neither a prompt nor the path"),
        (lambda _: analysis.preview(CALLS.row(0, named=True), PROMPT), PromptError, "a dict is neither a prompt"),
        (lambda _: analysis.preview(PROMPT, CALLS), PromptError, "a DataFrame is not one call; give a row"),
        (lambda run: analysis.show_table(run), ColumnError, "a Run is not a DataFrame; pass a pandas or polars frame"),
        (lambda _: analysis.as_pandas(CALLS.lazy()), ColumnError, r"what its collect\(\) returns"),
        (lambda _: find_prices([PROMPT]), ModelError, "a Prompt is not the id of a model; pass the model_id"),
    ],
)
def test_a_near_miss_is_told(run, make, error, said):
    with pytest.raises(error, match=said):
        make(run)


def test_no_near_miss_quotes_what_a_call_says(run):
    with pytest.raises(AnalysisError) as caught:
        collect(load_answers(run))
    assert "Goodbye" not in str(caught.value)


def test_one_model_id_is_no_list_of_letters():
    assert find_prices(PROMPT.model_id).equals(find_prices([PROMPT.model_id]))
