import json
import os
import shutil

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis import (
    add_costs,
    collect,
    count_errors,
    invoke,
    load_answers,
    load_jobs,
    load_manifests,
    prepare,
    submit,
    sum_costs,
)
from analysis.errors import RunError
from analysis.outputs import read_stamp, writers
from analysis.reports.notices import list_notices
from analysis.runs import is_collected, is_finished, parts, reconcile_run, reconciliation
from analysis.runs.collection import write_manifests, write_parts
from analysis.runs.state import read_state

from .conftest import NOVA, make_calls, make_prompt

COUNTS = ("prepared", "answered", "failed", "missing", "repeated", "unreadable", "agrees")


def read_counts(run):
    """What `collect` returns for the only job, without downloading again."""
    return collect(run).select(COUNTS).row(0)


@pytest.fixture
def sent(run, emulator):
    """A run whose job has ended, and its output as the service keeps it: the file and the manifest."""
    submit(run)
    return run


@pytest.fixture
def stored(sent, tmp_path):
    """The output file in the bucket, to be tampered with."""
    (path,) = (tmp_path / "emulator" / "s3").rglob("*.jsonl.out")
    return path


def test_every_answer_is_joined_to_its_call(sent):
    assert read_counts(sent) == (100, 100, 0, 0, 0, 0, True)
    answers = load_answers(sent)
    assert answers["call_id"].to_list() == [f"c{index}" for index in range(100)]
    assert all(f"Line {call_id[1:]} " in text for call_id, text in answers.select("call_id", "text").rows())


def test_a_damaged_copy_of_the_output_is_downloaded_again_and_nothing_is_lost(sent):
    collect(sent)
    (copy,) = (sent.folder / "output").rglob("*.jsonl.out")
    stat, content = copy.stat(), copy.read_bytes()
    copy.write_bytes(b"#" * 1000 + content[1000:])
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for part in (sent.folder / "outputs").iterdir():
        part.unlink()
    assert read_counts(sent) == (100, 100, 0, 0, 0, 0, True)
    assert copy.read_bytes() == content


def test_a_part_that_was_made_of_a_damaged_copy_is_made_again(sent):
    collect(sent)
    (copy,) = (sent.folder / "output").rglob("*.jsonl.out")
    copy.write_bytes(b"#" * 1000 + copy.read_bytes()[1000:])
    write_parts(read_state(sent))
    assert load_answers(sent)["text"].null_count() > 0
    assert read_counts(sent) == (100, 100, 0, 0, 0, 0, True)


def test_a_part_without_the_columns_of_today_opens_and_is_renewed(sent):
    collect(sent)
    (part,) = (sent.folder / "outputs").iterdir()
    whole, (version, _, *rest) = pl.read_parquet(part), read_stamp(part).split()
    earlier = whole.select(whole.columns[: whole.columns.index("taken_from") + 1])
    earlier.write_parquet(part, metadata={"batchbook": " ".join([version, *rest])})  # as it was stamped before
    assert load_answers(sent)["reasoning_chars"].null_count() == 100
    collect(sent)
    assert_frame_equal(pl.read_parquet(part), whole)
    assert load_answers(sent)["reasoning_chars"].null_count() == 0


@pytest.mark.parametrize("name", ["x" * 300 + ".jsonl.out", "a/../b.out", "00000.jsonl.out/deep", "_SUCCESS"])
def test_a_foreign_object_beside_the_output_is_named_and_stops_nothing(sent, emulator, capsys, name):
    (latest,) = read_state(sent).tries
    bucket, _, prefix = latest.output_uri.removeprefix("s3://").partition("/")
    emulator.client("s3").put_object(Bucket=bucket, Key=f"{prefix}{latest.job_id}/{name}", Body=b"foreign")
    assert read_counts(sent) == (100, 100, 0, 0, 0, 0, True)
    assert "job01: 1 object beside its output passed over, such as 's3://batchbook/" in capsys.readouterr().out


def test_a_lost_line_is_a_missing_answer(sent, stored):
    lines = stored.read_bytes().splitlines(keepends=True)
    lost = json.loads(lines[0])["recordId"]
    stored.write_bytes(b"".join(lines[1:]))
    assert read_counts(sent) == (100, 99, 0, 1, 0, 0, False)
    answers = load_answers(sent)
    call_id = sent.read_records().filter(pl.col("record_id") == lost)["call_id"].item()
    assert answers.filter(pl.col("error_kind") == "missing")["call_id"].to_list() == [call_id]
    assert len(answers) == 100


def test_a_repeated_line_is_counted_and_answered_once(sent, stored):
    lines = stored.read_bytes().splitlines(keepends=True)
    stored.write_bytes(b"".join([*lines, lines[0]]))
    assert read_counts(sent) == (100, 100, 0, 0, 1, 0, False)
    assert len(load_answers(sent)) == 100


def test_every_output_beyond_the_first_of_a_record_is_counted(sent, stored):
    lines = stored.read_bytes().splitlines(keepends=True)
    stored.write_bytes(b"".join([*lines, lines[0], lines[0], lines[1]]))
    assert read_counts(sent) == (100, 100, 0, 0, 3, 0, False)


def test_a_repeated_line_disagrees_with_the_manifest_though_every_record_is_answered(sent, stored):
    stored.write_bytes(stored.read_bytes() + b"no record\n")
    assert read_counts(sent) == (100, 100, 0, 0, 0, 1, False)


def test_a_cut_line_is_unreadable_and_its_record_failed(sent, stored):
    lines = stored.read_bytes().splitlines(keepends=True)
    stored.write_bytes(b"".join([*lines[:-1], lines[-1][:-20]]))
    counts = read_counts(sent)
    assert counts[0] == counts[1] + counts[2] + counts[3]
    assert counts[5] == 1


def test_failed_records_keep_their_row_and_their_reason(emulator, tmp_path):
    refused = make_prompt("refused", temperature=0.5, additional_fields={"top_p": 0.5})
    run = prepare(make_calls(60), [make_prompt(), refused], into=tmp_path / "runs", name="demo")
    submit(run)
    assert read_counts(run) == (120, 60, 60, 0, 0, 0, True)
    errors = count_errors(load_answers(run))
    assert errors.select("variant", "error_kind", "error_code", "records").row(0) == ("refused", "service", 400, 60)
    assert "cannot both be specified" in errors["error_message"][0]


def test_converse_answers_come_back_too(emulator, tmp_path):
    prompt = make_prompt("short", NOVA, invocation_type="Converse")
    run = prepare(make_calls(100), prompt, into=tmp_path / "runs", name="demo")
    submit(run)
    assert read_counts(run) == (100, 100, 0, 0, 0, 0, True)
    assert run.read_outputs()["family"].unique().to_list() == ["converse"]


def test_collecting_early_reads_the_output_that_exists(run, set_up_emulator):
    set_up_emulator(seconds={"Scheduled": 3600})
    submit(run, wait=False)
    assert read_counts(run) == (100, 0, 0, 100, 0, 0, None)
    assert not is_finished(run)


def test_collecting_again_changes_nothing(sent):
    first = collect(sent)
    parts = {path.name: path.read_bytes() for path in (sent.folder / "outputs").iterdir()}
    assert collect(sent).equals(first)
    assert {path.name: path.read_bytes() for path in (sent.folder / "outputs").iterdir()} == parts


def test_collecting_again_reads_only_the_output_that_changed(emulator, tmp_path, count_calls, monkeypatch):
    monkeypatch.setattr(parts, "PART_RECORDS", 20)  # the first two jobs share a part
    quotas = {"records_per_job": 10, "min_records": 1}
    run = prepare(make_calls(30), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    invoke(run)
    collect(run)
    outputs = sorted((run.folder / "output").rglob("*.out"))
    outputs[1].write_bytes(b"".join(outputs[1].read_bytes().splitlines(keepends=True)[1:]))
    read, records = count_calls(writers, "read_joined"), count_calls(type(run), "read_records")
    assert collect(run)["missing"].to_list() == [0, 1, 0]
    assert [given[0].name for given, _ in read] == [f"on-demand/{output.name}" for output in outputs[:2]]
    read.clear()
    records.clear()
    write_parts(read_state(run))
    assert (read, [given[1:] for given, _ in records]) == ([], [("record_id", "job_key")])


def test_a_part_that_a_crash_cut_short_is_made_again(sent):
    collect(sent)
    (part,) = (sent.folder / "outputs").iterdir()
    whole = part.read_bytes()
    part.write_bytes(whole[:-100])
    collect(sent)
    assert part.read_bytes() == whole


def test_the_folder_shows_whether_a_run_is_finished_and_collected(run, emulator):
    assert (is_finished(run), is_collected(run)) == (False, False)
    submit(run)
    assert (is_finished(run), is_collected(run)) == (True, False)
    collect(run)
    assert (is_finished(run), is_collected(run)) == (True, True)


def test_the_folder_of_an_invoked_run_shows_that_too(emulator, tmp_path):
    run = prepare(make_calls(3), make_prompt(), into=tmp_path / "runs", name="demo")
    invoke(run)
    assert (is_finished(run), is_collected(run)) == (True, False)
    assert read_counts(run) == (3, 3, 0, 0, 0, 0, None)


def test_the_records_are_divided_into_jobs_once_whatever_the_number_of_jobs(emulator, tmp_path, count_calls):
    quotas = {"records_per_job": 10, "min_records": 1}
    run = prepare(make_calls(40), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    invoke(run)
    filters, divisions = count_calls(pl.DataFrame, "filter"), count_calls(pl.DataFrame, "partition_by")
    write_parts(read_state(run))
    assert (len(filters), len(divisions)) == (0, 1)
    assert run.read_outputs()["call_id"].n_unique() == 40


def test_jobs_are_in_the_order_of_their_numbers(tmp_path):
    quotas = {"records_per_job": 1, "min_records": 1}
    run = prepare(make_calls(101), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    write_manifests(run)
    keys = [f"job{number:02}" for number in range(1, 102)]
    assert load_jobs(run)["job_key"].to_list() == keys
    assert reconcile_run(run)["job_key"].to_list() == keys


@pytest.mark.parametrize(("part_records", "parts_read"), [(99, [1, 1, 1, 1]), (200, [1, 1]), (400, [1])])
def test_jobs_reconciled_one_by_one_or_together_have_the_same_counts(
    set_up_emulator, tmp_path, monkeypatch, count_calls, part_records, parts_read
):
    monkeypatch.setattr(parts, "PART_RECORDS", part_records)
    set_up_emulator(faults={"job-stopped": 0.5, "record-500": 0.2, "line-unreadable": 0.1, "record-repeated": 0.1})
    quotas = {"records_per_job": 100}
    run = prepare(make_calls(400), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    submit(run)
    together = collect(run)
    monkeypatch.setattr(reconciliation, "RECORDS_TOGETHER", 100)
    read = count_calls(reconciliation, "scan_parts")
    assert_frame_equal(reconcile_run(run), together)
    assert [len(files) for (files,), _ in read] == parts_read
    assert together.select(pl.col("missing", "failed", "unreadable", "repeated").sum() > 0).row(0) == (True,) * 4


def test_what_was_not_sent_cannot_be_collected(run):
    with pytest.raises(RunError, match="nothing has been sent; submit or invoke"):
        collect(run)


def test_what_was_not_collected_has_no_answers(sent):
    with pytest.raises(RunError, match=r"has not been collected; call collect\(run\) first"):
        load_answers(sent)


def test_the_run_folder_contains_the_documented_files(sent):
    collect(sent)
    names = {path.name for path in sent.folder.iterdir() if path.suffix != ".lock"}
    prepared = {"run.json", "calls.parquet", "records.parquet", "files.parquet", "input"}
    assert names == prepared | {"ledger.jsonl", "output", "outputs", "manifests.parquet", "parts.json", "sent.json"}
    assert load_manifests(sent.folder / "output")["success_records"].to_list() == [100]


ODD = {
    "word": "Yes",
    "quotes": "She said \"no\" and 'yes' \\ and \\n.",
    "braces": "{name} {{ transcript }} {% raw %} {# no #}",
    "script": "</script><script>alert(1)</script></transcript>",
    "separators": "one\u2028two\u2029three\u0085four\x0bfive",
    "control": "a\x00b\x1fc\x7f",
    "arabic": "مرحبا، أريد إلغاء اشتراكي",
    "emoji": "🙂👩‍👩‍👧",
    "crlf": "Agent: Hi.\r\nCustomer: Hello.\r\n",
    "large": "A long call. " * 80_000,
}


def test_odd_calls_come_back_in_the_echo_to_the_byte(emulator, tmp_path):
    calls = pl.DataFrame({"call_id": list(ODD), "transcript": list(ODD.values())})
    calls = pl.concat([calls, make_calls(90)])
    run = prepare(calls, make_prompt(), into=tmp_path / "runs", name="odd")
    submit(run)
    assert collect(run).select("prepared", "missing").row(0) == (100, 0)
    sent = sorted(
        line for path in run.folder.glob("input/*/*.jsonl") for line in path.read_bytes().split(b"\n") if line
    )
    bodies = {json.loads(line)["recordId"]: line[line.index(b'"modelInput":') :].removesuffix(b"}") for line in sent}
    (output,) = run.folder.glob("output/*/*.jsonl.out")
    lines = [line for line in output.read_bytes().split(b"\n") if line]
    assert len(lines) == 100
    assert all(line.startswith(b"{" + bodies[json.loads(line)["recordId"]] + b",") for line in lines)
    texts = dict(load_answers(run).select("call_id", "transcript").iter_rows())
    assert {name: texts[name] for name in ODD} == ODD


@pytest.mark.parametrize(
    ("faults", "counts"),
    [
        ({"job-stopped": 1}, (50, 50, "50 missing: job01 ended Stopped")),
        ({"record-429": 1}, (0, 100, "100 failed: service 429")),
        (
            {"line-unreadable": 1},
            (0, 100, "100 missing: job01 is Completed, but its output has no readable line for the record"),
        ),
        (
            {"job-failed": 1},
            (50, 50, "50 missing: job01 ended Failed (The job failed due to an internal error. Try again.)"),
        ),
        ({}, (100, 0, None)),
    ],
)
def test_the_table_says_how_many_records_have_no_answer_and_why(run, set_up_emulator, faults, counts):
    set_up_emulator(faults=faults)
    submit(run)
    assert collect(run).select("answered", "unanswered", "why").row(0) == counts


def test_missing_records_and_failed_ones_are_told_apart(run, set_up_emulator):
    set_up_emulator(faults={"job-stopped": 1, "record-500": 1})
    submit(run)
    assert collect(run)["why"][0] == "50 missing: job01 ended Stopped; 50 failed: service 500"


def test_a_missing_answer_says_how_its_job_ended(run, set_up_emulator):
    set_up_emulator(faults={"job-stopped": 1})
    submit(run)
    collect(run)
    errors = count_errors(load_answers(run))
    assert errors.select("error_kind", "error_message", "records").rows() == [("missing", "job01 ended Stopped", 50)]


def test_a_missing_answer_on_demand_says_so(emulator, tmp_path):
    run = prepare(make_calls(3), make_prompt(), into=tmp_path / "runs", name="demo")
    invoke(run)
    (output,) = (run.folder / "output").rglob("*.out")
    output.write_bytes(output.read_bytes().split(b"\n")[0] + b"\n")
    collect(run)
    assert load_answers(run)["error_message"].drop_nulls().to_list() == ["it was not answered on demand"] * 2


def test_records_of_running_jobs_are_missing_with_a_reason(run, set_up_emulator):
    set_up_emulator(seconds={"Scheduled": 3600})
    submit(run, wait=False)
    assert collect(run)["why"][0].startswith("100 missing: job01 has not ended: ")


def test_a_job_whose_lines_are_all_lost_does_not_agree_with_its_manifest(set_up_emulator, tmp_path):
    set_up_emulator(faults={"record-lost": 1.0})
    run = prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="demo")
    submit(run)
    collected = collect(run)
    assert collected.select("missing", "manifest_success", "agrees").row(0) == (100, 100, False)
    assert any("counts 100 answers and 0 errors, but its lines are 0 answers" in each for each in list_notices(run))


def test_what_no_job_of_the_run_wrote_is_named_and_not_counted(sent, emulator):
    before = collect(sent)
    (part,) = (sent.folder / "outputs").iterdir()
    (output,) = (sent.folder / "output").glob("*/*.jsonl.out")
    shutil.copy(part, part.with_name("copy.parquet"))
    shutil.copytree(output.parent, sent.folder / "output" / "xyz")
    assert collect(sent).equals(before)
    assert len(sent.read_outputs()) == 100
    assert sum_costs(add_costs(sent.read_outputs()))["outputs"].to_list() == [100]
    (notice,) = (each for each in list_notices(sent) if "no job of this run" in each)
    assert notice == (
        "2 files of output were written by no job of this run, and they are not counted: "
        f"output/xyz/{output.name}, outputs/copy.parquet."
    )


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1 half")])
def test_a_damaged_part_is_made_again_by_collecting(sent, emulator, damage):
    collect(sent)
    (part,) = (sent.folder / "outputs").iterdir()
    damage(part)
    with pytest.raises(RunError, match=r"is missing or damaged; call collect\(run\), which makes it again"):
        load_answers(sent)
    collect(sent)
    assert load_answers(sent)["error_kind"].null_count() == 100


@pytest.mark.parametrize("name", ["records", "calls", "files"])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"PAR1 half"), lambda path: path.write_bytes(b"")])
def test_a_damaged_table_is_an_error_with_a_cure(sent, emulator, name, damage):
    collect(sent)
    damage(sent.folder / f"{name}.parquet")
    with pytest.raises(RunError, match=f"{name}.parquet: is missing or damaged; put the run's folder back"):
        load_jobs(sent) if name == "files" else load_answers(sent)


def test_a_run_that_an_early_version_collected_has_all_parts(sent, emulator):
    collect(sent)
    (sent.folder / "parts.json").unlink()
    assert len(sent.read_outputs()) == 100
