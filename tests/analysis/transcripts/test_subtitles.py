"""Subtitles as transcripts: WebVTT and SRT, alone, in folders and zips, by whatever name."""

import html
import string
import tempfile
import zipfile
from itertools import groupby
from pathlib import Path

import boto3
import moto
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import CallsError
from analysis.transcripts import read_calls

TEAMS = """WEBVTT

7b0c-0001/12-0
00:00:03.120 --> 00:00:06.480
<v Ana Ruiz>Good day, how can I help?</v>

7b0c-0001/14-0
00:00:07.000 --> 00:00:11.200
<v Per Berg>My line has been</v>

7b0c-0001/14-1
00:00:11.200 --> 00:00:12.000
<v Per Berg>dead
since Monday.</v>
"""
TEAMS_READ = [
    ("Ana Ruiz", "Good day, how can I help?", 3120, 6480),
    ("Per Berg", "My line has been dead since Monday.", 7000, 12000),
]
ZOOM = (
    "WEBVTT\r\n\r\n1\r\n00:00:01.000 --> 00:00:04.000\r\nAna R: Hello.\r\n\r\n"
    "2\r\n00:05.000 --> 00:09.000\r\nPer: Fish &amp; chips?\r\n"
)
SRT = "1\n00:00:01,000 --> 00:00:04,000\nAna R: Hello.\n\n2\n00:00:05,000 --> 00:00:09,000\nPer: Fish & chips?\n"
ZOOM_READ = [("Ana R", "Hello.", 1000, 4000), ("Per", "Fish & chips?", 5000, 9000)]


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


def list_turns(call):
    return [(turn["speaker"], turn["text"], turn["begin_ms"], turn["end_ms"]) for turn in call["turns"]]


def read_cues(folder, *cues, head="WEBVTT", name="c.vtt"):
    """Read the turns of cues of one second each."""
    blocks = [f"00:00:{n:02}.000 --> 00:00:{n + 1:02}.000\n{text}" for n, text in enumerate(cues)]
    (call,) = read_calls(write(folder / name, "\n\n".join([head, *blocks, ""]))).to_dicts()
    return [(turn["speaker"], turn["text"]) for turn in call["turns"]]


@pytest.mark.parametrize("name", ["call.vtt", "call.VTT", "call.txt", "call.srt"])
@pytest.mark.parametrize(("text", "expected"), [(TEAMS, TEAMS_READ), (ZOOM, ZOOM_READ), (SRT, ZOOM_READ)])
def test_subtitles_are_read_by_whatever_name(tmp_path, name, text, expected):
    (call,) = read_calls(write(tmp_path / name, text)).to_dicts()
    assert list_turns(call) == expected
    assert call["transcript"] == "\n".join(f"{who}: {words}" for who, words, *_ in expected)
    assert call["call_id"] == "call"
    assert call["source_format"] == ("srt" if text is SRT else "webvtt")


def test_plain_texts_beside_subtitles_saved_as_text_are_unchanged(tmp_path):
    write(tmp_path / "a.txt", TEAMS)
    write(tmp_path / "b.txt", "Agent: Hi.\r\n\tWEBVTT ")
    calls = read_calls(tmp_path)
    assert calls["transcript"].to_list()[1] == "Agent: Hi.\r\n\tWEBVTT "
    assert calls["source_format"].to_list() == ["webvtt", "text"]


def test_a_text_that_speaks_of_webvtt_is_a_text(tmp_path):
    calls = read_calls(write(tmp_path / "a.txt", "WEBVTTs are files.\n1\n"))
    assert calls.columns == ["call_id", "transcript"]


def test_a_zip_of_subtitles_is_read_as_its_folder(tmp_path):
    texts = {"b/1.vtt": TEAMS, "b/2.srt": SRT, "3.vtt": ZOOM}
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for name, text in texts.items():
            write(tmp_path / "folder" / name.replace("/", "-"), text)
            archive.writestr(name, text)
    calls = read_calls(tmp_path / "c.zip")
    assert calls["call_id"].to_list() == ["3", "1", "2"]
    assert calls["transcript"].to_list() == read_calls(tmp_path / "folder")["transcript"].to_list()


def test_subtitles_are_read_from_s3(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with moto.mock_aws():
        s3 = boto3.Session(region_name="us-east-1").client("s3")
        s3.create_bucket(Bucket="talk")
        s3.put_object(Bucket="talk", Key="run/call.vtt", Body=TEAMS.encode())
        (call,) = read_calls("s3://talk/run", region="us-east-1").to_dicts()
    assert list_turns(call) == TEAMS_READ


def test_subtitles_beside_a_file_of_their_name_are_passed_over_and_others_read(tmp_path, capsys):
    write(tmp_path / "a.json", '{"text": "x", "language": "en", "segments": [{"start": 0, "end": 1, "text": "Hi."}]}')
    for name in ("a.vtt", "a.srt", "b.vtt", "b.srt", "c.srt"):
        write(tmp_path / name, SRT if name.endswith("srt") else TEAMS)
    assert read_calls(tmp_path)["call_id"].to_list() == ["a", "b", "c"]
    assert "3 files are passed over: 3 subtitles beside the same call (a.srt, a.vtt, b.srt)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cues", "expected"),
    [
        (["One", "two.", "<b>Three</b>"], [(None, "One two. Three")]),
        (["日本", "語です。"], [(None, "日本語です。")]),
        (["<v.loud Ana>Hi <i>you</i></v> <v Per>Yes?"], [("Ana", "Hi you"), ("Per", "Yes?")]),
        (["<v Ana &amp; Co>Hi", "(music)"], [("Ana & Co", "Hi"), (None, "(music)")]),
        (["Ana: Hi", "and you?", "Per: Yes"], [("Ana", "Hi and you?"), ("Per", "Yes")]),
        (["[SPEAKER_00]: Hi", "[SPEAKER_01]: Yes"], [("SPEAKER_00", "Hi"), ("SPEAKER_01", "Yes")]),
        (["Ana: Hi\nPer: Yes", "Ana: So"], [("Ana", "Hi"), ("Per", "Yes"), ("Ana", "So")]),
        (["So I said to him and to her: no.", "Ana: x"], [(None, "So I said to him and to her: no. Ana: x")]),
        (["<c.yellow>One</c> <00:00:00.500>two", "a &lt;b&gt; &#39;c&#39; AT&T"], [(None, "One two a <b> 'c' AT&T")]),
        (["<laughs> Well", "x < y > z"], [(None, "<laughs> Well x < y > z")]),
        (["My number is", "42", "7"], [(None, "My number is 42 7")]),
        (["One\n\nfour", "five"], [(None, "One four five")]),
        (["At 10:30 then", "ok"], [(None, "At 10:30 then ok")]),
    ],
)
def test_cues_are_joined_by_speaker_without_marks_and_entities(tmp_path, cues, expected):
    assert read_cues(tmp_path, *cues) == expected


def test_notes_styles_and_settings_are_not_said(tmp_path):
    head = "WEBVTT - Call 1\nKind: captions\nLanguage: de\n\nSTYLE\n::cue { color: red }\n\nNOTE not said"
    path = write(
        tmp_path / "c.vtt", f"{head}\n\n00:01.000 --> 00:02.000 align:start position:0%\nHallo.\n\nNOTE\nnor this\n"
    )
    (call,) = read_calls(path).to_dicts()
    assert (call["transcript"], call["language"]) == ("Hallo.", "de")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("c.vtt", "WEBVTT\n\n1\n00:01 --> soon\nHi.\n", r"c\.vtt: line 4: no times that can be read; write them as"),
        ("c.srt", "1\n00:00:01,0 -> 00:00:02,0\nHi.\n", r"c\.srt: does not begin as subtitles do: .*; export it again"),
        ("c.vtt", "WEBVTT\n\n", r"1 empty transcript \(c in c\.vtt\); leave them out"),
    ],
)
def test_what_is_no_subtitles_is_refused_with_the_reason(tmp_path, name, text, reason):
    with pytest.raises(CallsError, match=reason):
        read_calls(write(tmp_path / name, text))


WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6)
WORDS = st.lists(
    WORD | st.sampled_from(["<b>", "AT&T", "a<b", "&amp;", "-", "x:y", "é", "日本"]), min_size=1, max_size=5
).map(" ".join)
SAID = st.lists(st.tuples(st.sampled_from(["Ana", "Per Berg"]), WORDS), min_size=1, max_size=6)


def write_time(millis, mark):
    return f"{millis // 3_600_000:02}:{millis // 60_000 % 60:02}:{millis // 1000 % 60:02}{mark}{millis % 1000:03}"


@settings(deadline=None, max_examples=60)
@given(SAID, st.integers(1, 200_000), st.sampled_from(["\n", "\r\n"]))
def test_made_up_calls_are_read_back_from_webvtt(said, step, end):
    cues = [
        f"{write_time(n * step, '.')} --> {write_time(n * step + step - 1, '.')}\n<v {who}>{html.escape(text)}</v>"
        for n, (who, text) in enumerate(said)
    ]
    assert read_text("\n\n".join(["WEBVTT", *cues, ""]).replace("\n", end), "c.vtt") == merge(said, step)


@settings(deadline=None, max_examples=60)
@given(SAID, st.integers(1, 200_000), st.sampled_from(["\n", "\r\n"]))
def test_made_up_calls_are_read_back_from_srt(said, step, end):
    said = [(who, text.replace("<b>", "b").replace("&amp;", "and")) for who, text in said]
    cues = [
        f"{n + 1}\n{write_time(n * step, ',')} --> {write_time(n * step + step - 1, ',')}\n{who}: {text}"
        for n, (who, text) in enumerate(said)
    ]
    assert read_text("\n\n".join([*cues, ""]).replace("\n", end), "c.srt") == merge(said, step)


def read_text(text, name):
    with tempfile.TemporaryDirectory() as folder:
        (call,) = read_calls(write(Path(folder, name), text)).to_dicts()
    return list_turns(call)


def merge(said, step):
    """Join what one speaker says at a stretch, as Python's own groupby does."""
    turns = []
    for who, group in groupby(enumerate(said), key=lambda each: each[1][0]):
        parts = list(group)
        text = parts[0][1][1]
        for _, (_, more) in parts[1:]:
            text += ("" if text[-1] in "日本" and more[0] in "日本" else " ") + more
        turns.append((who, text, parts[0][0] * step, parts[-1][0] * step + step - 1))
    return turns


@pytest.mark.parametrize("mark", ["<b ", "<v ", "<v.x", "{\\x", "&a", "Ana:", "a: b\n"])
def test_marks_that_are_never_closed_are_words(tmp_path, mark):
    (speaker, text), *_ = read_cues(tmp_path, mark * 100_000)
    assert mark.strip().partition(":")[0] in f"{speaker}{text}"
