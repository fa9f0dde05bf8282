import json
import os
import re
import stat
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis import Prompt, invoke, list_runs, load_jobs, open_run, prepare
from analysis.errors import CallsError, PromptError, QuotaError, RunError
from analysis.prompts import Expectations
from analysis.runs import preparation

from .conftest import make_calls

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
CALLS = pl.DataFrame(
    {
        "call_id": ["c1", "c2", "c3"],
        "transcript": ["Hello.", "مرحبا\u2028 🙂", "yes"],
        "agent": ["Ann", None, "Bob"],
        "duration_s": [61.5, None, 3.0],
        "started_at": [datetime(2026, 1, 2, 3, 4, 5), None, datetime(2026, 1, 2)],
    }
)


def make_prompt(name="short", template="Summarize.\n{{ transcript }}", model_id=HAIKU, **fields):
    return Prompt(name=name, model_id=model_id, template=template, **fields)


def read_files(folder, *but):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in but
    }


def test_a_run_is_a_folder_of_calls_records_requests_and_what_was_asked(tmp_path):
    run = prepare(CALLS, [make_prompt(), make_prompt("nova", model_id=NOVA, invocation_type="Converse")], into=tmp_path)
    assert read_files(run.folder).keys() == {
        "run.json",
        "calls.parquet",
        "records.parquet",
        "files.parquet",
        "input/job01/00000.jsonl",
        "input/job02/00000.jsonl",
    }
    assert_frame_equal(run.read_calls(), CALLS)
    assert run.read_records()["call_id"].to_list() == ["c1", "c2", "c3"] * 2
    assert list(tmp_path.iterdir()) == [run.folder]


def test_a_run_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(preparation, "flush_folder", lambda folder: flushed.append((*tmp_path.glob("trial"), folder)))
    monkeypatch.setattr(preparation, "flush_path", lambda path: flushed.append((*tmp_path.glob("trial"), path)))
    run = prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    assert [(len(there), there[-1].name) for there in flushed] == [(1, "trial"), (2, tmp_path.name)]
    assert flushed[1][0] == run.folder


def test_plans_and_lists_of_runs_read_no_records(tmp_path):
    run = prepare(CALLS, [make_prompt(), make_prompt("long", max_tokens=9)], into=tmp_path)
    shown = (str(run), list_runs(tmp_path).rows(), load_jobs(run).rows())
    (run.folder / "records.parquet").rename(run.folder / "away.parquet")
    assert (str(run), list_runs(tmp_path).rows(), load_jobs(run).rows()) == shown


def test_preparing_again_returns_the_existing_run(tmp_path):
    first = prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    assert prepare(CALLS, [make_prompt()], into=str(tmp_path), name="trial") == first
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before


def test_the_same_request_gives_the_same_bytes_in_two_folders(tmp_path):
    prompts = [make_prompt(), make_prompt("nova", model_id=NOVA, invocation_type="Converse", samples=2)]
    one, two = (prepare(CALLS, prompts, into=tmp_path / into) for into in "12")
    assert one.name == two.name
    assert read_files(one.folder) == read_files(two.folder)


def test_what_is_expected_of_answers_changes_no_record_and_no_byte_that_is_sent(tmp_path):
    expects = Expectations(max_words=90, headings=("Reason",), json_keys=("reason",), forbidden_openings=("Sure",))
    one = prepare(CALLS, make_prompt(), into=tmp_path / "1", name="trial")
    two = prepare(CALLS, make_prompt(expects=expects), into=tmp_path / "2", name="trial")
    assert read_files(one.folder, "run.json") == read_files(two.folder, "run.json")
    assert two.read_prompts()[0].expects == expects


def test_a_prompt_that_expects_nothing_is_written_as_before_there_was_expects(tmp_path):
    run = prepare(CALLS, make_prompt(), into=tmp_path)
    (prompt,) = run.read_request()["prompts"]
    assert not {"expects", "schema", "schema_by"} & prompt.keys()
    assert run.read_prompts() == [make_prompt()]


def test_the_schema_of_a_prompt_is_part_of_run_json_and_of_the_ids(tmp_path):
    schema = {"type": "object", "properties": {"reason": {"type": "string"}}, "additionalProperties": False}
    prompts = [
        make_prompt(),
        make_prompt("schema", schema=schema),
        make_prompt("in-words", schema=schema, schema_by="words"),
    ]
    run = prepare(CALLS, prompts, into=tmp_path)
    ids = run.read_records().group_by("variant").agg("record_id")["record_id"].to_list()
    assert len(set().union(*ids)) == 9
    assert open_run(run.folder).read_prompts() == prompts
    assert prepare(CALLS, prompts, into=tmp_path).folder == run.folder
    assert run.plan().limits.filter(limit="schema")["where"].to_list() == ["schema"]


def test_pandas_and_polars_give_the_same_run(tmp_path):
    frame = CALLS.to_pandas()
    frame.index = [7, 7, 9]
    one = prepare(CALLS, make_prompt(), into=tmp_path / "1")
    two = prepare(frame, make_prompt(), into=tmp_path / "2")
    assert one.name == two.name
    assert read_files(one.folder, "calls.parquet") == read_files(two.folder, "calls.parquet")


@given(st.permutations(range(3)))
def test_any_order_of_the_calls_gives_the_same_run(order):
    with TemporaryDirectory() as folder:
        one = prepare(CALLS, make_prompt(), into=Path(folder, "1"))
        two = prepare(CALLS[order], make_prompt(), into=Path(folder, "2"))
        assert one.name == two.name
        assert read_files(one.folder, "calls.parquet") == read_files(two.folder, "calls.parquet")
        assert_frame_equal(two.read_calls(), CALLS[order])
        assert prepare(CALLS, make_prompt(), into=Path(folder, "2"), name=two.name) == two


def test_the_calls_are_left_alone(tmp_path):
    frame = CALLS.with_columns(call_id=pl.Series([1, 2, 3])).to_pandas()
    before = frame.copy(deep=True)
    prepare(frame, make_prompt(), into=tmp_path)
    pd.testing.assert_frame_equal(frame, before)


def test_ids_that_are_numbers_become_text(tmp_path):
    run = prepare(CALLS.with_columns(call_id=pl.Series([1, 2, 3])), make_prompt(), into=tmp_path)
    assert run.read_calls()["call_id"].to_list() == ["1", "2", "3"]
    assert run.read_records()["call_id"].to_list() == ["1", "2", "3"]


def test_a_run_without_a_name_is_named_for_its_prompts_and_its_request(tmp_path):
    run = prepare(CALLS, [make_prompt(), make_prompt("long", max_tokens=9)], into=tmp_path)
    assert re.fullmatch(r"short-long-[0-9a-f]{8}", run.name)
    other = prepare(CALLS, [make_prompt(), make_prompt("long", max_tokens=8)], into=tmp_path)
    assert other.name != run.name


def test_a_made_name_is_at_most_40_characters(tmp_path):
    run = prepare(CALLS, [make_prompt("a" * 30), make_prompt("b" * 30)], into=tmp_path)
    assert re.fullmatch(r"a{30}-[0-9a-f]{8}", run.name)


@pytest.mark.parametrize(
    ("prompt", "difference"),
    [
        (make_prompt(max_tokens=9), "prompts.short.max_tokens: 1024 -> 9"),
        (make_prompt(temperature=0.5), "prompts.short.temperature: nothing -> 0.5"),
        (make_prompt(stop_sequences=["END"]), "prompts.short.stop_sequences: [] -> ['END']"),
        (make_prompt("long"), "prompts: ['short'] -> ['long']"),
        (
            make_prompt(template="{{ transcript }}"),
            r"prompts.short.template: 'Summarize.\n{{ transcript }}' -> '{{ transcript }}'",
        ),
        (
            make_prompt(additional_fields={"tools": [{"name": "a"}]}),
            "prompts.short.additional_fields: {} -> nothing; "
            "prompts.short.additional_fields.tools: nothing -> [{'name': 'a'}]",
        ),
        (
            make_prompt(additional_fields={"thinking": {}}),
            "prompts.short.additional_fields: {} -> nothing; prompts.short.additional_fields.thinking: nothing -> {}",
        ),
    ],
)
def test_an_edited_prompt_is_another_request(tmp_path, prompt, difference):
    prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    with pytest.raises(RunError) as raised:
        prepare(CALLS, prompt, into=tmp_path, name="trial")
    assert raised.value.reason == f"was prepared for something else ({difference})"
    assert raised.value.cure == "give the new request another run name"


def test_long_texts_are_shown_from_where_they_differ(tmp_path):
    ask = (
        "Here is the transcript of one call. {{ transcript }}\nWrite a paragraph of at most %d words. "
        + "Be kind. " * 9
    )
    prepare(CALLS, make_prompt(template=ask % 90), into=tmp_path, name="trial")
    with pytest.raises(RunError) as raised:
        prepare(CALLS, make_prompt(template=ask % 60), into=tmp_path, name="trial")
    assert raised.value.reason == (
        "was prepared for something else (prompts.short.template: "
        "... of at most 90 words. Be kind. Be kind. ... -> ... of at most 60 words. Be kind. Be kind. ...)"
    )


def test_lists_of_equal_names_are_compared_whole(tmp_path):
    def ask(second):
        tools = [{"name": "a", "n": 1}, {"name": "a", "n": second}, {"name": "a", "n": 3}]
        return prepare(CALLS, make_prompt(additional_fields={"tools": tools}), into=tmp_path, name="trial")

    ask(second=2)
    with pytest.raises(RunError, match=r"additional_fields\.tools"):
        ask(second=4)


@pytest.mark.parametrize(
    ("calls", "difference"),
    [
        (CALLS.head(2), r"calls\.rows: 3 -> 2; calls\.digest"),
        (CALLS.with_columns(agent=pl.lit("Eve")), r"\(calls\.digest: "),
        (CALLS.drop("agent"), r"calls\.columns: .* -> "),
    ],
)
def test_other_calls_are_another_request(tmp_path, calls, difference):
    prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    with pytest.raises(RunError, match=difference):
        prepare(calls, make_prompt(), into=tmp_path, name="trial")


def test_other_quotas_are_another_request(tmp_path):
    prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    with pytest.raises(RunError, match=r"min_records: 100 -> 1000"):
        prepare(CALLS, make_prompt(), into=tmp_path, name="trial", quota_year="2024")


def test_a_run_that_was_sent_stays_when_the_quotas_of_the_account_change(tmp_path, emulator):
    run = prepare(CALLS, make_prompt(), into=tmp_path)
    invoke(run, profile="emulator")
    before = read_files(run.folder)
    assert prepare(CALLS, make_prompt(), into=tmp_path, quotas={"records_per_file": 2}) == run
    assert read_files(run.folder) == before


def test_a_run_that_was_sent_is_not_accepted_for_another_request(tmp_path, emulator):
    invoke(prepare(CALLS, make_prompt(), into=tmp_path, name="trial"), profile="emulator")
    with pytest.raises(RunError, match="max_tokens: 1024 -> 9"):
        prepare(CALLS, make_prompt(max_tokens=9), into=tmp_path, name="trial", quota_year="2024")


def test_the_order_of_variants_does_not_matter(tmp_path):
    prompts = [make_prompt("a"), make_prompt("b", max_tokens=9)]
    first = prepare(CALLS, prompts, into=tmp_path, name="trial")
    assert prepare(CALLS, prompts[::-1], into=tmp_path, name="trial") == first


@pytest.mark.parametrize("name", ["Trial", "a/b", "..", ".a", "a b", "a" * 41, "ä"])
def test_a_name_that_job_names_cannot_contain_is_refused(tmp_path, name):
    with pytest.raises(RunError, match=r"the run's name: .* cannot be used in job names and S3 keys"):
        prepare(CALLS, make_prompt(), into=tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_a_run_is_left_alone(tmp_path):
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="this folder is not a run; choose another name"):
        prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    assert read_files(tmp_path) == {"trial/notes.txt": b"mine"}


@pytest.mark.parametrize(
    ("prompt", "own", "error"),
    [
        (make_prompt(template="{{ 6 // (transcript|length - 3) }}"), {}, PromptError),
        (make_prompt(template="{{ transcrip }}"), {}, PromptError),
        (make_prompt(template="{{ transcript * 99 }}"), {"file_bytes": 700}, QuotaError),
    ],
    ids=["at the third call", "at the first call", "when the files are cut"],
)
def test_a_failed_prepare_leaves_nothing(tmp_path, prompt, own, error):
    with pytest.raises(error):
        prepare(CALLS, prompt, into=tmp_path / "runs", name="trial", quotas=own)
    assert list((tmp_path / "runs").iterdir()) == []


def test_leftovers_of_a_killed_prepare_are_ignored(tmp_path):
    (tmp_path / ".trial-x" / "trial" / "input").mkdir(parents=True)
    (tmp_path / ".trial-x" / "trial" / "run.json").write_text("{")
    assert len(list_runs(tmp_path)) == 0
    run = prepare(CALLS, make_prompt(), into=tmp_path, name="trial")
    assert open_run(run.folder).read_records().height == 3


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        (CALLS.drop("call_id"), "no column 'call_id'; it has transcript, agent"),
        (CALLS.rename({"transcript": "text"}), "no column 'transcript'; it has .*; rename one"),
        (CALLS.clear(), "no rows; prepare at least one call"),
        (CALLS.with_columns(transcript=pl.Series(["x", None, None])), "'transcript' is missing in 2 rows"),
        (CALLS.with_columns(call_id=pl.Series(["c1", None, "c2"])), "'call_id' is missing in 1 row"),
        (
            CALLS.with_columns(call_id=pl.Series(["c1", "c2", "c1"])),
            "1 ids occur more than once, such as c1; make them unique",
        ),
        (
            CALLS.with_columns(call_id=pl.Series(["a", "b", "a"], dtype=pl.Categorical)),
            "occur more than once, such as a",
        ),
    ],
)
@pytest.mark.parametrize("convert", [pl.DataFrame.clone, pl.DataFrame.to_pandas], ids=["polars", "pandas"])
def test_a_frame_without_usable_calls_is_refused(tmp_path, calls, reason, convert):
    with pytest.raises(CallsError, match=reason):
        prepare(convert(calls), make_prompt(), into=tmp_path)


@pytest.mark.parametrize("prompts", [[], [make_prompt(), make_prompt()]])
def test_prompts_need_names_of_their_own(tmp_path, prompts):
    with pytest.raises(PromptError, match="give at least one prompt, each with its own name"):
        prepare(CALLS, prompts, into=tmp_path)


def test_the_request_contains_no_time_no_version_and_no_path(tmp_path):
    run = prepare(CALLS, make_prompt(), into=tmp_path)
    asked = json.loads((run.folder / "run.json").read_bytes())
    assert asked.keys() == {"format", "name", "calls", "prompts", "quotas"}
    assert (asked["format"], asked["name"]) == (1, run.name)
    assert asked["calls"].keys() == {"rows", "equal", "columns", "digest"}
    assert str(tmp_path) not in json.dumps(asked)


def test_what_the_model_would_refuse_leaves_no_run(tmp_path):
    refused = Prompt(name="short", model_id="us.anthropic.claude-opus-5", template="{{ transcript }}", temperature=0)
    with pytest.raises(PromptError, match=r"short: .* refuses temperature"):
        prepare(CALLS, refused, into=tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_template_that_uses_no_column_is_refused(tmp_path):
    prompt = make_prompt(template="Summarize { transcript }.")
    with pytest.raises(PromptError, match="uses no column of a call, so every call would get the same request"):
        prepare(CALLS, prompt, into=tmp_path)


def test_empty_transcripts_are_named(tmp_path):
    calls = CALLS.with_columns(transcript=pl.Series(["Hello.", " \n", "Bye."]))
    with pytest.raises(CallsError, match=r"1 transcripts are empty, such as that of call '.*'; leave them out by drop"):
        prepare(calls, make_prompt(), into=tmp_path)


def test_long_calls_are_written_to_parquet_a_few_at_a_time(tmp_path):
    calls = pl.DataFrame({"call_id": list("abc"), "transcript": ["word " * 600_000] * 3})
    run = prepare(calls, make_prompt(), into=tmp_path)
    assert pq.read_metadata(run.folder / "calls.parquet").num_row_groups == 3
    assert_frame_equal(run.read_calls(), calls)


def test_the_error_for_a_lone_surrogate_gives_its_call(tmp_path):
    calls = pd.DataFrame({"call_id": ["a", "b"], "transcript": ["Hello.", "half \ud83d"]}, dtype=object)
    with pytest.raises(CallsError, match="halves of surrogate pairs, which are no characters, in transcript of call b"):
        prepare(calls, make_prompt(), into=tmp_path)


def test_ids_that_pandas_made_floats_become_whole_numbers(tmp_path):
    calls = CALLS.with_columns(call_id=pl.Series([1.0, 2.0, 3.0]))
    assert prepare(calls, make_prompt(), into=tmp_path).read_calls()["call_id"].to_list() == ["1", "2", "3"]


def test_the_folder_of_a_run_is_its_user_s_alone(tmp_path):
    before = os.umask(0o022)
    try:
        run = prepare(make_calls(3), make_prompt(), into=tmp_path / "runs", name="demo")
    finally:
        os.umask(before)
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in [run.folder, *run.folder.rglob("*")]}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_the_draft_of_a_killed_process_is_deleted_by_the_next_prepare(tmp_path):
    draft = tmp_path / "runs" / ".demo-a1b2c3.draft"
    draft.mkdir(parents=True)
    (draft / "draft.lock").touch()
    (draft / "calls.parquet").write_bytes(b"secret")
    run = prepare(make_calls(3), make_prompt(), into=tmp_path / "runs", name="demo")
    assert list((tmp_path / "runs").iterdir()) == [run.folder]
