import os
import re
import shutil
import time

import polars as pl
import pytest
from filelock import FileLock

from analysis import collect, delete, invoke, list_runs, load_answers, open_run, prepare, repair, submit
from analysis.aws.session import EMULATOR_BUCKET, open_session
from analysis.errors import JobError, RunError, StorageError
from analysis.files import make_draft
from analysis.runs.traces import INTENT_S

from .conftest import make_calls, make_prompt

pytestmark = pytest.mark.usefixtures("emulator")


def say_yes(_):
    return "yes"


@pytest.fixture
def s3(emulator):
    return emulator.client("s3")


@pytest.fixture
def sent(run, s3):
    """A run that was answered in a batch job and collected, with a report."""
    submit(run)
    collect(run)
    report = run.folder.parent.parent / "reports" / "demo"
    report.mkdir(parents=True)
    (report / "index.html").write_text("<p>12345</p>", encoding="utf-8")
    return run


def list_keys(s3):
    return [each["Key"] for each in s3.list_objects_v2(Bucket=EMULATOR_BUCKET).get("Contents", [])]


def read_list(run, **given):
    """Read the list that is shown before the question, which is answered by no."""
    shown = []
    with pytest.raises(RunError, match="nothing was deleted, without a yes"):
        delete(run, ask=lambda question: shown.append(question) or "n", **given)
    return shown[0]


def test_all_of_a_run_is_deleted_after_a_yes(sent, s3, tmp_path):
    gone = delete(sent, ask=say_yes)
    assert list_keys(s3) == []
    assert list((tmp_path / "runs").iterdir()) == list((tmp_path / "reports").iterdir()) == []
    assert len(list_runs(tmp_path / "runs")) == 0
    assert gone["what"].to_list() == ["input in S3", "output in S3", "reports", "run"]
    assert gone["files"].to_list()[:3] == [1, 2, 1]
    assert gone["bytes"][2] == len("<p>12345</p>")
    assert gone.schema == {"what": pl.String, "where": pl.String, "files": pl.Int64, "bytes": pl.Int64}


def test_the_list_names_what_is_deleted_and_what_stays(sent, s3):
    s3.put_object(Bucket=EMULATOR_BUCKET, Key="batchbook/demo/notes\x1b[2J.txt", Body=b"mine")
    shown = read_list(sent)
    assert "Of the run demo is deleted:" in shown
    assert "input in S3  " in shown
    assert str(sent.folder) in shown
    assert (
        r"1 object beside these that no job of this run wrote will stay: s3://batchbook/batchbook/demo/notes\x1b[2J.txt."
        in shown
    )
    assert "Bedrock keeps the name of 1 job, without any text." in shown
    assert shown.endswith("Delete all of this? It cannot be undone. [y/N] ")
    assert "Customer" not in shown


@pytest.mark.parametrize("answer", ["", "n", "no", "yes please", "delete"])
def test_without_a_yes_nothing_is_deleted(sent, s3, answer):
    before = list_keys(s3)
    with pytest.raises(RunError, match="nothing was deleted, without a yes"):
        delete(sent, ask=lambda _: answer)
    assert list_keys(s3) == before
    assert len(load_answers(sent)) == 100


def test_where_nothing_can_be_typed_nothing_is_deleted(sent):
    with pytest.raises(RunError, match="no yes can be typed here, and nothing was deleted; give --yes"):
        delete(sent)
    assert len(load_answers(sent)) == 100


def test_objects_of_others_stay(sent, s3):
    keys = ["batchbook/demo-2/input/job01-00000000/00000.jsonl", "batchbook/demo/input/job01-00000000/00000.jsonl",
            "batchbook/demo/output/abcdefabcdef/00000.jsonl.out", "batchbook/demo/notes.txt", "demo/output/x",
            "batchbook/demo/input/x", "batchbook/demo/on-demand.json"]  # fmt: skip
    for key in keys:
        s3.put_object(Bucket=EMULATOR_BUCKET, Key=key, Body=b"theirs")
    delete(sent, ask=say_yes)
    assert list_keys(s3) == sorted(keys)


def test_a_ledger_that_names_a_whole_bucket_deletes_no_other_objects(sent, s3):
    s3.put_object(Bucket=EMULATOR_BUCKET, Key="other/input/job01-00000000/00000.jsonl", Body=b"theirs")
    for uri in ("s3://batchbook/", "s3://batchbook/other/", "s3://batchbook/other/input/job01-00000000/"):
        sent.ledger.append(
            "ended", job_key="job01", job_try=2, status="Completed", job_arn="a/", input_uri=uri, output_uri=uri
        )
    delete(sent, ask=say_yes)
    assert list_keys(s3) == ["other/input/job01-00000000/00000.jsonl"]


def test_input_that_was_uploaded_before_a_kill_is_found_by_its_digest(run, s3):
    submit(run)
    (uploaded,) = [key for key in list_keys(s3) if "/input/" in key]
    run.ledger.file.write_bytes(b"")  # as if killed before the intent was noted
    shutil.rmtree(run.folder / "output", ignore_errors=True)
    assert uploaded.rpartition("/")[0] in read_list(run)
    delete(run, ask=say_yes)
    assert list_keys(s3) == []


def test_a_run_that_was_never_sent_is_its_folder(run, s3):
    gone = delete(run, ask=say_yes)
    assert gone["what"].to_list() == ["run"]
    assert not run.folder.exists()


def test_a_run_on_demand_is_deleted_with_the_note_of_who_answers(run, s3):
    invoke(run, bucket=EMULATOR_BUCKET)
    collect(run)
    gone = delete(run, ask=say_yes)
    assert gone["where"][0] == "s3://batchbook/batchbook/demo/on-demand.json"
    assert list_keys(s3) == []


def test_while_a_job_is_running_nothing_is_deleted(run, set_up_emulator, s3):
    set_up_emulator(clock="realistic", speed=1)
    submit(run, wait=False)
    with pytest.raises(
        RunError, match=r"1 job still at work, such as job01 \(.*end them first, by `batchbook stop demo`"
    ):
        delete(run, ask=say_yes)
    assert run.folder.exists()
    assert list_keys(s3)


def test_what_runs_in_an_account_that_is_left_alone_is_told(run, set_up_emulator, s3):
    set_up_emulator(clock="realistic", speed=1)
    submit(run, wait=False)
    shown = read_list(run, local_only=True)
    assert "What is in S3 stays: s3://batchbook/batchbook/demo/." in shown
    assert "Jobs that were running when last seen go on, and are charged: job01 (" in shown
    delete(run, ask=say_yes, local_only=True)
    assert not run.folder.exists()
    assert list_keys(s3)


def test_an_intent_of_a_moment_ago_may_be_a_job(run, emulator):
    run.ledger.append("sending", invocation="batch", profile="emulator", region="us-east-1", account="")
    run.ledger.append("intended", job_key="job01", job_try=1, status="intended")
    with pytest.raises(RunError, match=r"Bedrock may have got job01 a moment ago.*delete it in 10 minutes"):
        delete(run, ask=say_yes)
    delete(run, ask=say_yes, now=lambda: time.time() + INTENT_S)
    assert not run.folder.exists()


def test_jobs_of_a_lost_ledger_are_found_by_their_names(sent, s3):
    sent.ledger.file.unlink()
    delete(sent, ask=say_yes)
    assert list_keys(s3) == []
    assert not sent.folder.exists()


def test_a_further_try_that_the_ledger_lost_is_found(half_done, s3):
    submit(half_done)
    lines = half_done.ledger.file.read_bytes().splitlines(keepends=True)
    first = [line for line in lines if b'"job_try":2' not in line]
    assert len(first) < len(lines)
    half_done.ledger.file.write_bytes(b"".join(first))
    assert len([key for key in list_keys(s3) if "/input/job01-2-" in key]) == 1
    gone = delete(half_done, ask=say_yes)
    assert list_keys(s3) == []
    assert gone["what"].to_list() == ["input in S3", "input in S3", "output in S3", "output in S3", "run"]


def test_a_further_try_that_was_uploaded_and_not_noted_is_found(half_done, s3):
    submit(half_done)
    (uploaded,) = [key for key in list_keys(s3) if "/input/job01-2-" in key]
    lines = half_done.ledger.file.read_bytes().splitlines(keepends=True)
    half_done.ledger.file.write_bytes(b"".join(line for line in lines if b'"job_try":2' not in line))
    shown = read_list(half_done)
    assert uploaded.rpartition("/")[0] in shown
    assert "beside these" not in shown


def test_of_a_lost_ledger_without_jobs_it_is_said_what_cannot_be_known(run, monkeypatch, tmp_path):
    (run.folder / "sent.json").write_text('{"invocation": "batch", "profile": "production", "region": "us-east-1"}')
    monkeypatch.setattr("analysis.runs.traces.open_session", lambda *_, **__: open_session("emulator"))
    words = r"its ledger is lost, and the account lists no job of it.*; give --bucket NAME, or put ledger.jsonl back"
    with pytest.raises(RunError, match=words):
        delete(run, ask=say_yes)
    assert "What is in S3 stays, if the run has put anything there." in read_list(run, local_only=True)
    delete(run, ask=say_yes, bucket=EMULATOR_BUCKET)
    assert not run.folder.exists()


def test_a_damaged_table_does_not_keep_a_run_from_being_deleted(sent, s3):
    for name in ("records.parquet", "files.parquet"):
        (sent.folder / name).write_bytes(b"PAR1")
    delete(sent, ask=say_yes)
    assert list_keys(s3) == []
    assert not sent.folder.exists()


def test_another_account_is_refused(sent, monkeypatch, tmp_path, s3):
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "another"))
    with pytest.raises(RunError, match=r"was sent to the account emulator:.*local_only=True"):
        delete(sent, ask=say_yes)
    assert sent.folder.exists()


def test_an_account_that_cannot_be_reached_has_a_cure(sent, set_up_emulator):
    set_up_emulator(faults={"unavailable:ListObjectVersions": 1})
    with pytest.raises((JobError, StorageError), match=r"local_only=True \(--local-only\)"):
        delete(sent, ask=say_yes)
    assert len(load_answers(sent)) == 100


def test_another_process_that_sends_the_run_is_waited_for(sent):
    with FileLock(sent.folder / "sending.lock"), pytest.raises(RunError, match="another process is sending this run"):
        delete(sent, ask=say_yes)


def test_a_run_that_was_sent_on_while_the_list_was_looked_at_stays(sent, s3):
    before = list_keys(s3)

    def send_on(_):
        sent.ledger.append("answering", host="other", until="2026-11-30T00:00:00+00:00")
        return "y"

    with pytest.raises(RunError, match="was sent on while the list was looked at; delete it again"):
        delete(sent, ask=send_on)
    assert list_keys(s3) == before


@pytest.mark.parametrize("name", ["other", "calls"])
def test_what_is_no_run_is_refused(tmp_path, run, name):
    (tmp_path / "runs" / "calls").mkdir()
    with pytest.raises(RunError, match="not a run; there are demo"):
        delete(tmp_path / "runs" / name, ask=say_yes)
    assert (tmp_path / "runs" / "calls").exists()


def test_links_are_deleted_and_not_what_they_lead_to(sent, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine", encoding="utf-8")
    (sent.folder / "link").symlink_to(precious)
    (sent.folder / "output" / "file").symlink_to(precious / "file")
    shutil.rmtree(tmp_path / "reports" / "demo")
    (tmp_path / "reports" / "demo").symlink_to(precious)
    delete(sent, ask=say_yes)
    assert (precious / "file").read_text(encoding="utf-8") == "mine"
    assert not sent.folder.exists()


def test_a_run_that_is_given_by_a_link_is_deleted(sent, tmp_path):
    (tmp_path / "link").symlink_to(sent.folder)
    delete(tmp_path / "link", ask=say_yes)
    assert not sent.folder.exists()


def test_a_folder_in_reports_that_is_no_report_stays(sent, tmp_path):
    (tmp_path / "reports" / "demo" / "index.html").rename(tmp_path / "reports" / "demo" / "mine.txt")
    delete(sent, ask=say_yes)
    assert (tmp_path / "reports" / "demo" / "mine.txt").exists()


def test_answers_that_others_took_over_stay_theirs(sent, set_up_emulator, s3, tmp_path):
    set_up_emulator(min_records=1)
    other = prepare(make_calls(120), make_prompt(), into=tmp_path / "runs", name="demo-2", quotas={"min_records": 1})
    submit(other)
    collect(other)
    before = load_answers(other)
    assert "Answers that demo-2 took over are copies, and stay there." in read_list(sent)
    delete(sent, ask=say_yes)
    collect(other)
    assert load_answers(other).equals(before)
    assert before["taken_from"].drop_nulls().len() == 100
    assert list_keys(s3) == [key for key in list_keys(s3) if key.startswith("batchbook/demo-2/")] != []


def test_objects_that_a_copy_of_the_folder_shares_stay(sent, s3, tmp_path):
    shutil.copytree(sent.folder, tmp_path / "runs" / "copy")
    before = list_keys(s3)
    assert "copy is a copy of this run with the same jobs: their objects in S3 stay." in read_list(sent)
    delete(sent, ask=say_yes)
    assert list_keys(s3) == before
    collect(tmp_path / "runs" / "copy")
    delete(tmp_path / "runs" / "copy", ask=say_yes)
    assert list_keys(s3) == []


def test_a_run_that_is_prepared_again_is_answered_by_a_repair(sent, set_up_emulator, tmp_path, capsys, list_account):
    delete(sent, ask=say_yes)
    again = prepare(make_calls(100), make_prompt(), into=tmp_path / "runs", name="demo")
    capsys.readouterr()
    submit(again)
    assert len(list_account()) == 1
    (said,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("job01 ended"))
    assert said.startswith(
        f"job01 ended Completed for an earlier run of this name, and its output is not in s3://{EMULATOR_BUCKET}/"
    )
    assert said.endswith(
        "repair(run) asks its 100 records again, which is paid for again; so does another name for the run."
    )
    assert collect(again)["missing"].sum() == 100
    repair(again)
    assert load_answers(again)["error_kind"].null_count() == 100
    assert len(list_account()) == 2


def test_a_job_of_a_lost_ledger_whose_output_is_there_is_adopted_without_a_word(sent, capsys):
    sent.ledger.file.unlink()
    shutil.rmtree(sent.folder / "output")
    submit(open_run(sent.folder))
    assert "earlier run of this name" not in capsys.readouterr().out


def test_many_jobs_do_not_fill_the_screen(set_up_emulator, tmp_path, s3):
    set_up_emulator(min_records=1)
    quotas = {"records_per_job": 1, "min_records": 1}
    run = prepare(make_calls(11), make_prompt(), into=tmp_path / "runs", name="demo", quotas=quotas)
    submit(run)
    shown = read_list(run)
    assert re.search(r"^    input in S3 +11 +[\d,]+  s3://\S+/, and 10 more$", shown, re.MULTILINE)
    assert shown.count("output in S3") == 1
    gone = delete(run, ask=say_yes)
    assert gone.filter(what="input in S3").height == 11
    assert list_keys(s3) == []


def test_another_deletion_meanwhile_is_no_error(sent, s3):
    delete(sent, ask=lambda _: delete(sent, ask=say_yes) is not None and "yes")
    assert list_keys(s3) == []
    assert not sent.folder.exists()


def test_drafts_beside_a_run_are_deleted_but_not_those_of_others(run, tmp_path):
    runs = tmp_path / "runs"
    for name in (".demo-abcd1234.draft", ".demo-2-abcd1234.draft", ".demo-abcd12345.draft"):
        (runs / name).mkdir()
    gone = delete(run, ask=say_yes)
    assert gone["what"].to_list() == ["drafts", "run"]
    assert sorted(path.name for path in runs.iterdir()) == [".demo-2-abcd1234.draft", ".demo-abcd12345.draft"]


def test_a_draft_that_a_process_works_on_stays(run, tmp_path):
    with make_draft(tmp_path / "runs", "demo") as draft:
        assert delete(run, ask=say_yes)["what"].to_list() == ["run"]
        assert draft.exists()


def test_what_a_killed_deletion_left_is_deleted_by_the_next_one(sent, tmp_path):
    sent.folder.rename(tmp_path / "runs" / ".demo-abcd1234.draft")
    shown = read_list(sent.folder)
    assert "The run itself is gone: a deletion, or its preparation, was killed before it was done." in shown
    delete(sent.folder, ask=say_yes)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_repaired_run_is_deleted_with_all_its_attempts(set_up_emulator, tmp_path, s3):
    set_up_emulator(faults={"record-500": 0.2})
    run = prepare(make_calls(200), make_prompt(), into=tmp_path / "runs", name="demo", quotas={"min_records": 1})
    submit(run)
    collect(run)
    set_up_emulator(min_records=1)
    repair(run)
    assert [key for key in list_keys(s3) if "a2-job01" in key]
    delete(run, ask=say_yes)
    assert list_keys(s3) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may delete anything")
def test_a_folder_that_may_not_be_deleted_is_an_error(run, tmp_path):
    (tmp_path / "runs").chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        delete(run, ask=say_yes)
    (tmp_path / "runs").chmod(0o700)
