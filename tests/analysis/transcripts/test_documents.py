"""JSON files of any service: where they are read from, how, and which are refused."""

import gzip
import json
import re
import zipfile

import pandas as pd
import polars as pl
import pytest

from analysis import Prompt, as_pandas, pick_calls, prepare
from analysis.errors import CallsError
from analysis.transcripts import calls as calls_module
from analysis.transcripts import read_calls
from analysis.transcripts.documents import READABLE

ODD = ["a\r\nb", "line\u2028and\u0085paragraph", "nul\0here", "😀 مرحبا", '{"Agent": "{{ x }}"}', "Agent: \\ud83d"]


def talk(name, *texts):
    said = texts or ("Hello.",)
    turns = [
        {"ParticipantRole": "AGENT", "Content": text, "BeginOffsetMillis": n, "EndOffsetMillis": n + 1}
        for n, text in enumerate(said)
    ]
    return {"JobStatus": "COMPLETED", "JobName": name, "Transcript": turns}


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "A.JSON"])
def test_a_compressed_file_is_read_like_a_plain_one(read_one, name):
    assert read_one(talk("call-1"), name)["call_id"] == "call-1"


def test_a_byte_order_mark_is_not_part_of_the_file(read_one):
    assert read_one(b"\xef\xbb\xbf" + json.dumps(talk("call-1")).encode())["call_id"] == "call-1"


@pytest.mark.parametrize("text", ODD)
def test_words_are_unchanged(read_one, text):
    call = read_one(talk("call-1", text))
    assert call["transcript"] == f"Agent: {text}"
    assert call["turns"][0]["text"] == text


def test_a_folder_is_read_with_its_subfolders_in_order_of_names(write_json, tmp_path):
    for name in ("b.json", "2026/03/01/z.json.gz", ".write_access_check_file.temp", "a/a.json"):
        write_json(name, talk(name))
    assert read_calls(tmp_path / "calls")["call_id"].to_list() == ["2026/03/01/z.json.gz", "a/a.json", "b.json"]


def test_subtitles_beside_json_are_left_out(write_json, tmp_path):
    for name in ("call-1.json", "call-1.vtt", "call-1.srt"):
        write_json(name, talk("call-1"))
    assert len(read_calls(tmp_path / "calls")) == 1


def test_calls_of_several_chunks_are_one_frame(write_json, tmp_path, monkeypatch):
    monkeypatch.setattr(calls_module, "CALLS_AT_ONCE", 2)
    for number in range(5):
        write_json(f"{number}.json", talk(f"call-{number}", f"Hello {number}."))
    read = read_calls(tmp_path / "calls")
    assert read["transcript"].to_list() == [f"Agent: Hello {number}." for number in range(5)]


def test_a_zip_is_read_as_its_folder(tmp_path):
    members = {"x/a.json": json.dumps(talk("call-1")), "b.json.gz": gzip.compress(json.dumps(talk("call-2")).encode())}
    with zipfile.ZipFile(tmp_path / "calls.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    calls = read_calls(tmp_path / "calls.zip")
    assert calls["call_id"].to_list() == ["call-2", "call-1"]
    assert calls["source_file"].to_list() == ["calls.zip/b.json.gz", "calls.zip/x/a.json"]


def test_a_prefix_in_s3_is_read_as_its_folder(emulator, write_json, tmp_path):
    s3 = emulator.client("s3")
    for name in ("a.json", "2026/03/b:c.json"):
        s3.upload_file(str(write_json(name, talk(name))), "batchbook", f"Analysis/Voice/{name}")
    calls = read_calls("s3://batchbook/Analysis/Voice", profile="emulator")
    assert calls.equals(read_calls(tmp_path / "calls"))
    assert calls["call_id"].to_list() == ["2026/03/b:c.json", "a.json"]


def test_files_that_share_an_id_have_their_names_as_ids(write_json, tmp_path):
    for name in ("a.json", "b.json", "c.json"):
        write_json(name, talk("again" if name != "c.json" else "once"))
    assert read_calls(tmp_path / "calls")["call_id"].to_list() == ["a", "b", "once"]


def test_files_that_share_id_and_name_have_their_paths_as_ids(write_json, tmp_path):
    for name in ("x/result.json", "y/result.json", "y/result.json.gz"):
        write_json(name, talk("again"))
    assert read_calls(tmp_path / "calls")["call_id"].to_list() == ["x/result", "y/result.json", "y/result.json.gz"]


def test_one_id_twice_in_one_file_is_refused(read_one):
    chat = {"convo_id": 7, "original": [["agent", "Hi!"]]}
    with pytest.raises(CallsError, match=r"1 ids belong to more than one call \(file.json\)"):
        read_one([chat, chat])


def test_services_may_be_mixed(write_json, tmp_path):
    write_json("a.json", talk("call-1"))
    write_json("b.json", {"jobName": "call-2", "results": {"transcripts": [{"transcript": "Hello."}]}})
    assert read_calls(tmp_path / "calls")["source_format"].to_list() == ["call_analytics", "transcribe"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"JobName": "call-1", "Transc', r"not JSON \(.*truncated\); download it again"),
        (b" \n", "the file is empty; download it again"),
        (b"\xff\xfe{", "begins as UTF-16, but not all of it is that"),
        (b'{"JobName": "call-1", "Transcript": "\\ud83d"}', r"half of a surrogate pair .*write U\+FFFD"),
        (b'"words"', rf"not a transcript \(.*\); {re.escape(READABLE)}"),
        (b"[]", r"not a transcript of a known format \(its fields: none\)"),
        (b'{"calls": 1, "b": 2}', r"a known format \(its fields: calls, b\); .*convert others to .jsonl or .txt"),
        (b'[{"call_id": "a", "transcript": "x"}]', r"a known format \(its fields: call_id, transcript\)"),
        (
            b'{"JobName": "a", "Transcript": [{"Content": 7}]}',
            r"looks like Call Analytics, but cannot be read: .*\$.Transcript",
        ),
        (
            b'{"JobName": "a", "Transcript": [{"BeginOffsetMillis": 1e99}]}',
            "looks like Call Analytics, but cannot be read",
        ),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_file_that_is_not_a_transcript_is_refused_with_its_name(write_json, tmp_path, content, text):
    write_json("good.json", talk("call-1"))
    write_json("sub/bad.json", content)
    with pytest.raises(CallsError, match=r"sub/bad.json: .*" + text):
        read_calls(tmp_path / "calls")


def test_calls_without_words_are_refused_with_their_file(write_json, tmp_path):
    write_json("good.json", talk("call-1"))
    write_json("bad.json", talk("call-2", " "))
    with pytest.raises(CallsError, match=r"1 empty transcript \(call-2 in bad.json\); leave them out: read_calls"):
        read_calls(tmp_path / "calls")
    assert read_calls(tmp_path / "calls", empty="drop")["call_id"].to_list() == ["call-1"]


def test_json_and_text_in_one_folder_are_refused(write_json, tmp_path):
    write_json("a.json", talk("call-1"))
    write_json("b.txt", b"Hello.")
    with pytest.raises(CallsError, match=r"several kinds of files: a.json and b.txt; put each kind"):
        read_calls(tmp_path / "calls")


def test_turns_are_a_table_of_turns(write_json, tmp_path):
    calls = read_calls(write_json("a.json", talk("call-1", "Hello.", "Goodbye.")))
    turns = calls.select("call_id", "turns").explode("turns").unnest("turns")
    assert turns.columns == ["call_id", "speaker", "text", "begin_ms", "end_ms", "sentiment"]
    turns.write_parquet(tmp_path / "turns.parquet")
    again = read_calls(tmp_path / "turns.parquet", turn=None)
    assert again["transcript"].to_list() == calls["transcript"].to_list()


@pytest.mark.parametrize("convert", [pl.DataFrame.clone, as_pandas], ids=["polars", "pandas"])
def test_a_run_can_be_prepared_from_json(write_json, tmp_path, convert):
    for number in range(3):
        write_json(f"{number}.json", talk(f"call-{number}", f"Hello {number}."))
    calls = convert(read_calls(tmp_path / "calls"))
    template = "{% for turn in turns %}{{ turn.speaker }} {{ turn.begin_ms }}: {{ turn.text }}{% endfor %}"
    prompt = Prompt(name="timed", model_id="global.anthropic.claude-haiku-4-5-20251001-v1:0", template=template)
    run = prepare(pick_calls(calls, 2), prompt, into=tmp_path / "runs", name="demo")
    assert "agent 0: Hello" in next((run.folder / "input").rglob("*.jsonl")).read_text(encoding="utf-8")


def test_pandas_keeps_the_integers_of_turns(write_json):
    calls = as_pandas(read_calls(write_json("a.json", talk("call-1"))))
    assert isinstance(calls, pd.DataFrame)
    assert [str(calls[name].dtype) for name in ("duration_s", "redacted")] == ["float64", "boolean"]
