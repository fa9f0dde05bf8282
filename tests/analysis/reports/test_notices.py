import polars as pl
import pytest

from analysis import add_costs, collect, prepare, submit
from analysis.aws.session import open_session
from analysis.errors import JobError
from analysis.facts.prices import PRICE_SCHEMA, find_prices
from analysis.reports.notices import list_notices, list_unpriced
from bedrock_local.settings import Settings, write_settings

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
COMMAND_R = "cohere.command-r-v1:0"
OWN = pl.DataFrame([(COMMAND_R, "batch", 0.25, 0.75, "ours", None)], PRICE_SCHEMA, orient="row")
REFUSED = "100 answers were refused by the model or a content filter (stop: filtered), and charged."


@pytest.fixture
def finish(emulator, tmp_path, make_calls, make_prompt):
    """Run 100 calls to their end on an account with faults, and return the run."""

    def run_with(number=100, **faults):
        write_settings(tmp_path / "emulator", Settings(faults={name.replace("_", "-"): 1 for name in faults}))
        run = prepare(make_calls(number), make_prompt(), into=tmp_path / "runs", name="demo")
        submit(run, pause_s=0.01)
        collect(run)
        return run

    return run_with


@pytest.mark.parametrize("fault", ["manifest_unknown_keys", "record_truncated"])
def test_there_is_no_notice_where_nothing_is_unusual(finish, fault):
    assert list_notices(finish(**{fault: 1})) == []


@pytest.mark.parametrize(
    ("faults", "notices"),
    [
        (
            ["line_unreadable", "manifest_missing"],
            [
                "100 lines of the output cannot be read: the answer is lost, and may be charged.",
                "Bedrock wrote no manifest for job01: the counts are those of its lines.",
            ],
        ),
        (
            ["record_repeated", "manifest_missing"],
            [
                "100 lines of the output are repeated lines of their records: the first answer is used, and every line "
                "is charged.",
                "Bedrock wrote no manifest for job01: the counts are those of its lines.",
            ],
        ),
        (["record_filtered"], [REFUSED]),
        (
            ["manifest_wrong"],
            [
                "Bedrock's manifest of job01 counts 90 answers and 0 errors, but its lines are 100 answers, 0 errors: "
                "the counts here are those of the lines."
            ],
        ),
        (
            ["job_stopped"],
            [
                "job01 ended Stopped after 50 of 100 records. The other records have no answer and are not sent "
                "again; `batchbook repair` or repair(run) asks for them again."
            ],
        ),
        (
            ["job_partial"],
            [
                "job01 ended PartiallyCompleted after 50 of 100 records. The other records have no answer and are not "
                "sent again; `batchbook repair` or repair(run) asks for them again."
            ],
        ),
        (
            ["job_failed"],
            [
                "job01 ended Failed: The job failed due to an internal error. Try again. 50 of its 100 records have no "
                "answer and are not sent again: a batch job needs at least 100 records; `batchbook repair` "
                "or repair(run) asks for them again."
            ],
        ),
    ],
)
def test_each_notice_is_one_sentence_with_its_count(finish, faults, notices):
    assert list_notices(finish(**dict.fromkeys(faults, 1))) == notices


def test_one_line_is_one_line(finish):
    run = finish()
    (output,) = (run.folder / "output").glob("*/*.jsonl.out")
    output.write_bytes(output.read_bytes() + b"\x00\n" + b'{"recordId":"nobodys","modelOutput":null}\n')
    rewrite_outputs(run)
    assert [notice.split(":")[0] for notice in list_notices(run)[:1]] == ["2 lines of the output cannot be read"]


def rewrite_outputs(run):
    """Read the output files again without downloading them."""
    from analysis.runs.collection import write_parts
    from analysis.runs.state import read_state

    write_parts(read_state(run))


def test_a_broken_manifest_is_named(finish):
    run = finish()
    manifests = pl.read_parquet(run.folder / "manifests.parquet")
    broken = manifests.with_columns(error_message=pl.lit("not JSON"), success_records=pl.lit(None, pl.Int64))
    broken.write_parquet(run.folder / "manifests.parquet")
    assert list_notices(run) == ["Bedrock's manifest of job01 cannot be read: the counts are those of its lines."]


def test_lines_of_no_record_are_named(finish):
    run = finish()
    (part,) = (run.folder / "outputs").glob("*.parquet")
    outputs = pl.read_parquet(part)
    stranger = outputs.head(1).with_columns(record_id=pl.lit("stranger"), call_id=pl.lit(None, pl.String))
    pl.concat([outputs, stranger]).write_parquet(part)
    assert "1 line of the output belongs to no record of this run: its cost is included." in list_notices(run)


def test_a_job_that_failed_and_was_answered_by_its_retry_has_no_notice(emulator, tmp_path, make_calls, make_prompt):
    write_settings(tmp_path / "emulator", Settings(faults={"job-failed": 1, "record-429": 0.1}))
    run = prepare(make_calls(300), make_prompt(), into=tmp_path / "runs", name="demo")
    with pytest.raises(JobError):
        submit(run, pause_s=0.01)
    write_settings(tmp_path / "emulator", Settings())
    submit(run, pause_s=0.01)
    assert collect(run).select("answered", "repeated", "agrees").row(0) == (300, 0, True)
    assert list_notices(run) == []


def priced(*rows):
    """Price some outputs, given by model, text and tokens, and those of a cache."""
    names = ("model_id", "text", "input_tokens", "cache_read_tokens", "error_kind")
    kinds = (pl.String, pl.String, pl.Int64, pl.Int64, pl.String)
    outputs = pl.DataFrame(rows, dict(zip(names, kinds, strict=True)), orient="row").with_columns(
        pl.lit("batch").alias("invocation"),
        pl.lit("r1").alias("record_id"),
        output_tokens=pl.col("input_tokens"),
        cache_write_tokens=pl.lit(None, pl.Int64),
    )
    prices = find_prices(outputs["model_id"].unique(), own=OWN)
    records = pl.DataFrame({"record_id": ["r1"], "input_tokens_estimate": [100]})
    return list_unpriced(add_costs(outputs, prices, records=records), prices)


def test_priced_answers_and_failures_are_not_named():
    assert priced((HAIKU, "Yes.", 10, None, None), (HAIKU, None, None, None, "service")) == []


def test_a_model_without_a_price_is_named_once():
    (notice,) = priced(*[("anthropic.claude-nobody-knows-v1:0", "Yes.", 10, None, None)] * 3)
    assert notice.startswith("No price is known for anthropic.claude-nobody-knows-v1:0: its costs are missing here;")


def test_tool_calls_of_command_r_have_no_tokens_to_price():
    answer = (COMMAND_R, "A refund.", None, None, None)
    tool_calls = [(COMMAND_R, text, None, None, None) for text in ("", None)]
    assert priced(answer, *tool_calls) == [
        f"2 answers of {COMMAND_R} have no token counts and no text to estimate them from: "
        "their costs are missing here."
    ]


def test_answers_that_used_a_cache_are_named():
    assert priced((HAIKU, "Yes.", 10, 7, None)) == [
        f"1 answer of {HAIKU} used a cache, which has no published batch price: its cost is missing here."
    ]


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    """An account in a folder of its own."""
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    return open_session("emulator")
