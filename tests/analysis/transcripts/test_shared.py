"""Files that AWS wrote or documents, and published conversations; expected values were read off without this code."""

import gzip
import json
from pathlib import Path

import pytest

from analysis.errors import CallsError
from analysis.transcripts import read_calls

JSON = Path(__file__).parents[3].parent / "shared" / "data" / "json"
pytestmark = pytest.mark.skipif(not JSON.exists(), reason="the shared data is not here")
BLUEPRINT = "bedrock_data_automation/bda-custom.json"
TWIN = "transcribe/{}-automatic-content-redaction-with-undredacted-{}.json"

# Turns, characters of the first one, its speaker, and in ms when it begins and when the last word of the call ends.
FACTS = {
    "transcribe/01-plain.json": (1, 1974, None, 490, 141_540),
    "transcribe/02-channel-identification.json": (7, 249, "ch_1", 490, 141_540),
    "transcribe/03-speaker-identification.json": (24, 137, "spk_0", 490, 141_540),
    TWIN.format("05", "redacted"): (1, 1974, None, 490, 141_540),
    TWIN.format("06", "unredacted"): (1, 1974, None, 490, 141_540),
    "transcribe/08-vocabulary-filter-remove.json": (1, 1892, None, 490, 141_540),
    "transcribe/09-channel-identification-alternative-results.json.gz": (7, 249, "ch_1", 490, 141_540),
    "transcribe/12-channel-identification-vocabulary-filter-remove.json": (7, 208, "ch_1", 490, 141_540),
    "transcribe/docs-channel-id-output-batch.json": (2, 30, "ch_0", 4860, 9250),
    "transcribe/docs-diarization-output-batch.json": (2, 30, "spk_0", 4870, 9240),
    "transcribe/docs-pii-redaction-output.json": (1, 335, None, 2860, 6250),
    "call_analytics/example-call.json": (37, 108, "agent", 40, 182_890),
    "contact_lens/docs-voice-raw.json": (10, 5, "agent", 0, 32_110),
    "contact_lens/docs-voice-redacted.json": (10, 5, "agent", 0, 32_110),
    "contact_lens/docs-chat-raw.json": (31, 123, "system", 2655, 170_713),
    "bedrock_data_automation/bda-standard.json": (51, 83, "spk_1", 1620, 272_210),
    "harper_valley/0002f70f7386445b.json": (18, 41, "agent", 1669, 50_610),
    "harper_valley/004860b1ab2e4c88.json": (18, 7, "caller", 1490, 44_580),
}
DURATIONS_S = {
    "call_analytics/example-call.json": 182.89,
    "contact_lens/docs-voice-raw.json": 32.11,
    "contact_lens/docs-voice-redacted.json": 32.11,
    "bedrock_data_automation/bda-standard.json": 273.16,
    "harper_valley/0002f70f7386445b.json": 51.203,
}


@pytest.fixture(scope="module")
def calls():
    """The calls of the whole folder by their files; ABCD has three in one."""
    read = read_calls(JSON)
    assert read["call_id"].is_unique().all()
    return {call["source_file"]: call for call in read.to_dicts()}


def test_every_file_is_read(calls):
    files = {file.relative_to(JSON).as_posix() for file in JSON.rglob("*") if file.is_file()}
    assert calls.keys() == files - {BLUEPRINT}


@pytest.mark.parametrize("file", FACTS)
def test_a_file_alone_is_read_as_in_its_folder(calls, file):
    (call,) = read_calls(JSON / file).to_dicts()
    assert [call[name] for name in ("transcript", "turns")] == [calls[file][name] for name in ("transcript", "turns")]


@pytest.mark.parametrize("file", FACTS)
def test_turns_have_the_times_of_the_file(calls, file):
    turns = calls[file]["turns"]
    first = (len(turns[0]["text"]), turns[0]["speaker"], turns[0]["begin_ms"])
    assert (len(turns), *first, max(turn["end_ms"] for turn in turns)) == FACTS[file]


def test_durations_are_those_of_the_file(calls):
    stated = {file: call["duration_s"] for file, call in calls.items() if call["duration_s"] is not None}
    assert stated == DURATIONS_S


@pytest.mark.parametrize("file", [file for file in FACTS if file.startswith("transcribe/")])
def test_no_word_of_a_job_is_lost(calls, file):
    content = (JSON / file).read_bytes()
    job = json.loads(gzip.decompress(content) if file.endswith(".gz") else content)
    said = " ".join(turn["text"] for turn in calls[file]["turns"])
    assert said == job["results"]["transcripts"][0]["transcript"]


def test_sentiments_and_categories_are_those_of_the_call(calls):
    call = calls["call_analytics/example-call.json"]
    assert (call["agent_sentiment"], call["customer_sentiment"]) == (2.4, 1.8)
    assert (call["categories"], call["redacted"], call["channel"]) == (["No_Closing_Remark"], True, "voice")


def test_files_with_one_job_name_have_different_ids(calls):
    ids = [calls[file]["call_id"] for file in FACTS if file.startswith("transcribe/docs")]
    assert ids == ["docs-channel-id-output-batch", "docs-diarization-output-batch", "docs-pii-redaction-output"]


def test_the_blueprint_is_joined_to_its_call(calls):
    call = calls["bedrock_data_automation/bda-standard.json"]
    assert call["summary"].startswith("Carl Lucas called Sleepaway Camp Hotel")
    assert call["categories"] == ["Customer service"]


def test_the_blueprint_alone_says_where_the_words_are():
    with pytest.raises(CallsError, match=r"the words are in the standard output of Data Automation"):
        read_calls(JSON / BLUEPRINT)


def test_chats_of_abcd_are_three_calls():
    calls = read_calls(JSON / "abcd")
    assert calls["call_id"].to_list() == ["3592", "9489", "3695"]
    assert calls["turns"].list.len().to_list() == [29, 21, 22]
