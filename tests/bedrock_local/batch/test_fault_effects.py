from __future__ import annotations

import json

import pytest

from bedrock_local import Settings
from bedrock_local.batch.fault_effects import (
    JOB_ENDS,
    apply_line_fault,
    apply_manifest_fault,
    apply_reply_fault,
    find_job_end,
    find_record_fault,
    inject_fault,
    slow_clock,
)
from bedrock_local.faults import ERROR_CODES, JOB_FAULTS, RECORD_FAULTS
from bedrock_local.inference import Question, Reply
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.responders.extract import extract

LINE = b'{"recordId":"r1"}\n'
MANIFEST = {
    "totalRecordCount": 22,
    "processedRecordCount": 22,
    "successRecordCount": 20,
    "errorRecordCount": 2,
    "inputTokenCount": 1000,
    "outputTokenCount": 101,
}


@pytest.mark.parametrize("fault", RECORD_FAULTS)
def test_a_rate_of_one_applies_to_every_record(fault):
    settings = Settings(faults={fault: 1})
    assert {find_record_fault(settings, "calls.jsonl", line) for line in range(100)} == {fault}


def test_without_faults_none_applies_to_a_record():
    assert find_record_fault(Settings(faults={"record-500": 0, "throttled": 1}), "calls.jsonl", 1) == ""


def test_a_fault_depends_on_file_and_line_alone():
    settings = Settings(faults={"record-lost": 0.5}, seed=3)
    struck = [find_record_fault(settings, "a.jsonl", line) for line in range(50)]
    assert struck == [find_record_fault(settings, "a.jsonl", line) for line in range(50)]
    assert struck != [find_record_fault(settings, "b.jsonl", line) for line in range(50)]
    assert 15 <= struck.count("record-lost") <= 35  # 25 of 50, 2.8 standard deviations


@pytest.mark.parametrize("code", ERROR_CODES)
def test_the_error_of_a_record_has_its_code(code):
    with pytest.raises(ServiceError) as error:
        inject_fault(extract, f"record-{code}")(Question("model", "", "Hello.", 10))
    assert error.value.status == code


def test_other_faults_are_no_error():
    question = Question("model", "", "Hello.", 10)
    assert [inject_fault(extract, fault)(question) for fault in ("", "record-lost")] == [extract(question)] * 2


def test_a_truncated_reply_is_half_as_long():
    reply = Reply("0123456789", "stop_sequence", 7, 4, "9")
    assert apply_reply_fault(reply, "record-truncated") == Reply("01234", "length", 7, 2)


def test_a_filtered_reply_is_a_refusal():
    reply = apply_reply_fault(Reply("The caller asked.", "end", 7, 4), "record-filtered")
    assert (reply.text, reply.stop, reply.input_tokens) == ("I can't help with that.", "filtered", 7)


def test_other_faults_leave_a_reply_alone():
    reply = Reply("The caller asked.", "end", 7, 4)
    assert [apply_reply_fault(reply, fault) for fault in ("", "record-lost", "line-cut")] == [reply] * 3


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ("", LINE),
        ("record-truncated", LINE),
        ("record-lost", b""),
        ("record-repeated", LINE + LINE),
        ("line-cut", b'{"recordI\n'),
    ],
)
def test_a_line_becomes_what_its_fault_says(fault, left):
    assert apply_line_fault(LINE, fault) == left


def test_an_unreadable_line_is_one_line_and_neither_json_nor_text():
    left = apply_line_fault(LINE, "line-unreadable")
    assert (left.count(b"\n"), left[-1:]) == (1, b"\n")
    with pytest.raises(UnicodeDecodeError):
        left.decode()
    with pytest.raises(json.JSONDecodeError):
        json.loads(left.decode(errors="replace"))


@pytest.mark.parametrize(("fault", "end"), JOB_ENDS.items())
def test_a_struck_job_ends_as_its_fault_says(fault, end):
    assert find_job_end(Settings(faults={fault: 1}), "summaries-1") == end


def test_a_job_without_a_fault_ends_by_itself():
    assert find_job_end(Settings(faults={"job-slow": 1, "job-failed": 0}), "summaries-1") is None


def test_a_slow_job_waits_ten_times_as_long_before_it_begins():
    slow = slow_clock(Settings(clock="realistic", seconds={"Scheduled": 5}, faults={"job-slow": 1}), "summaries-1")
    lasts = {status: slow.minimum_seconds(status) for status in ("Submitted", "Validating", "Scheduled", "InProgress")}
    assert lasts == {"Submitted": 600, "Validating": 600, "Scheduled": 50, "InProgress": 180}


def test_other_jobs_are_not_slow():
    settings = Settings(clock="realistic")
    assert slow_clock(settings, "summaries-1") is settings


def test_a_manifest_without_faults_is_itself():
    assert apply_manifest_fault(MANIFEST, Settings(), "summaries-1") == MANIFEST


def test_a_manifest_can_be_missing():
    assert apply_manifest_fault(MANIFEST, Settings(faults={"manifest-missing": 1}), "summaries-1") is None


def test_a_wrong_manifest_forgets_a_tenth_of_the_records():
    wrong = apply_manifest_fault(MANIFEST, Settings(faults={"manifest-wrong": 1}), "summaries-1")
    assert list(wrong.values()) == [20, 20, 18, 2, 900, 90]


def test_a_wrong_manifest_of_one_record_forgets_it():
    one = dict(zip(MANIFEST, [1, 1, 1, 0, 10, 5], strict=True))
    wrong = apply_manifest_fault(one, Settings(faults={"manifest-wrong": 1}), "summaries-1")
    assert list(wrong.values()) == [0] * 6


def test_a_manifest_may_have_keys_that_nobody_knows_and_nulls():
    odd = apply_manifest_fault(MANIFEST, Settings(faults={"manifest-unknown-keys": 1}), "summaries-1")
    assert {name: odd[name] for name in MANIFEST} == MANIFEST
    assert None in [odd[name] for name in odd.keys() - MANIFEST.keys()]


def test_every_fault_of_a_job_is_known_here():
    manifests = {"manifest-missing", "manifest-wrong", "manifest-unknown-keys"}
    assert {*JOB_ENDS, "job-slow", *manifests} == set(JOB_FAULTS)
