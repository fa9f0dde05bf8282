"""Files like those that people asked about in public; what is right was written down without this code."""

from pathlib import Path

import pytest

from analysis.errors import CallsError
from analysis.transcripts import read_calls

CASES = Path(__file__).parents[3].parent / "shared" / "data" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the shared data is not here")
READ = {
    "csv-excel-semicolon/calls.csv": ["Agent: Hello, how are you?", "Customer: Refund, please."],
    "csv-excel-semicolon/calls-no-commas.csv": ["Agent: Hello", "Customer: Refund please"],
    "csv-cp1252/calls.csv": ["Customer: It\u2019s broken \u2013 50 € gone."],
    "csv-header-case/calls.csv": ["Customer: Refund please."],
    "csv-multiline/calls.csv": ['Agent: Hello.\nCustomer: He said "no".', "Agent: Hi, there."],
    "csv-pandas-index/calls.csv": ["Agent: Hello", "Agent: Hi"],
    "tsv/calls.tsv": ["Customer: Refund, please."],
    "json-array-of-calls/calls.json": ["Agent: Hello", "Agent: Hi"],
    "jsonl-nested-turns/calls.jsonl": ["Agent: Hello\nCustomer: Refund"],
    "vtt-teams/call-0001.vtt": [
        "Maria Keller: Good morning, how can I help?\nTom Berg: My router has been dead since Monday."
    ],
    "vtt-zoom/call-0002.vtt": ["Agent Smith: Good morning.\nCustomer: I want to cancel & get a refund."],
    "vtt-as-txt/call-0001.txt": ["Maria Keller: Good morning."],
    "zip-of-vtt/export.zip": ["A: Hi"],
    "txt-with-vtt-beside": ["Agent: Hi"],
    "whisper-json/call-0004.json": ["Good morning. I want to cancel."],
    "whisperx-json/call-0005.json": ["SPEAKER_00: Good morning.\nSPEAKER_01: I want to cancel."],
    "deepgram-json/call-0006.json": ["Ch_0: Good morning.\nCh_1: I want to cancel."],
    "genesys-json/call-0008.json": ["Internal: good morning\nExternal: i want to cancel"],
    "transcribe-pca/call-0012.json": ["Agent: Hello.\nCustomer: Refund."],
    "transcribe-unspaced/call-0014.json": ["Spk_0: お電話ありがとうございます。\nSpk_1: ルーターが壊れました。"],
    "transcribe-unspaced/call-0015.json": ["Spk_0: お電話ありがとうございます。\nSpk_1: Amazon Connect が壊れました。"],
    "connect-chat-raw/chat-0009.json": [
        "System: Welcome. An agent will be with you.\nCustomer: My router is dead\n"
        "Agent: **Sorry** to hear that.\nSystem: Which product?"
    ],
}


@pytest.mark.parametrize("file", READ)
def test_a_file_is_read_as_it_should_be(file):
    assert read_calls(CASES / file)["transcript"].to_list() == READ[file]


def test_clock_times_order_turns():
    calls = read_calls(CASES / "csv-turn-times" / "turns.csv", turn="start")
    assert calls["transcript"].to_list() == ["Agent: Hello\nAgent: Why\nCustomer: Refund"]


def test_ids_and_channels_are_those_of_the_service():
    (chat,) = read_calls(CASES / "connect-chat-raw").to_dicts()
    assert (chat["call_id"], chat["channel"]) == ("aaaaaaaa-0000-4000-8000-000000000001", "chat")
    assert read_calls(CASES / "genesys-json")["call_id"].to_list() == ["c0ffee00-0000-4000-8000-000000000008"]
    assert read_calls(CASES / "deepgram-json")["duration_s"].to_list() == [12.5]


def test_ids_that_excel_has_rounded_are_refused():
    with pytest.raises(CallsError, match="Excel has rounded long numbers"):
        read_calls(CASES / "csv-big-ids")
