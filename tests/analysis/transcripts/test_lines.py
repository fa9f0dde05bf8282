"""Documents of services one per line, and the rows of tables that look like such."""

import gzip
import io
import json
import zipfile

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.errors import CallsError
from analysis.transcripts import read_calls

from .test_formats import TWO_TURNS, WRITERS, place

CHAT = {"ContactId": "c-1", "Transcript": [{"ParticipantRole": "AGENT", "Content": "Hello.", "Type": "MESSAGE",
                                            "AbsoluteTime": "2026-08-01T10:00:00Z"}]}  # fmt: skip


def write_documents():
    """Write the same two turns as each service does."""
    return [writer(place(TWO_TURNS, speakers)) for writer, speakers in WRITERS.values()]


def join_lines(documents, end="\n"):
    return end.join(json.dumps(document, ensure_ascii=False) for document in documents).encode()


def make_zip(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


PLACES = {
    "calls.jsonl": lambda lines: lines,
    "calls.ndjson": lambda lines: b"\n\n" + lines.replace(b"\n", b"\r\n") + b"\n\n",
    "calls.jsonl.gz": gzip.compress,
    "calls.json": lambda lines: lines,
    "calls.json.gz": gzip.compress,
    "calls.zip": lambda lines: make_zip("x/calls.jsonl", lines),
    "packed.zip": lambda lines: make_zip("calls.ndjson.gz", gzip.compress(lines)),
}


@pytest.mark.parametrize("name", PLACES)
def test_documents_of_all_services_one_per_line_are_read_as_files_of_their_own(tmp_path, write_json, name):
    documents = write_documents()
    for number, document in enumerate(documents):
        write_json(f"{number:02}.json", document)
    (tmp_path / name).write_bytes(PLACES[name](join_lines(documents)))
    calls, files = read_calls(tmp_path / name), read_calls(tmp_path / "calls")
    assert_frame_equal(calls.drop("call_id", "source_file"), files.drop("call_id", "source_file"))
    assert calls["source_format"].to_list() == list(WRITERS)


def test_a_line_without_an_id_is_named_by_its_file_and_number(tmp_path):
    documents = [writer(place(TWO_TURNS, ("0", "1"))) for writer, _ in map(WRITERS.get, ("whisper", "deepgram"))]
    for name in ("a/calls.jsonl", "b/more.jsonl.gz"):
        path = tmp_path / "calls" / name
        path.parent.mkdir(parents=True)
        lines = join_lines([documents[0], documents[1] | {"metadata": {"request_id": name}}, documents[0]], end="\n\n")
        path.write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    calls = read_calls(tmp_path / "calls")
    assert calls.select("call_id", "source_file").rows() == [
        ("calls:1", "a/calls.jsonl:1"),
        ("a/calls.jsonl", "a/calls.jsonl:3"),
        ("calls:5", "a/calls.jsonl:5"),
        ("more:1", "b/more.jsonl.gz:1"),
        ("b/more.jsonl.gz", "b/more.jsonl.gz:3"),
        ("more:5", "b/more.jsonl.gz:5"),
    ]


def test_a_line_that_is_no_document_is_named(tmp_path):
    (tmp_path / "c.jsonl").write_bytes(join_lines([CHAT, {"call_id": "b", "transcript": "Hi."}]))
    with pytest.raises(CallsError, match=r"c\.jsonl, line 2: not a transcript of a known format \(its fields: call_id"):
        read_calls(tmp_path / "c.jsonl")


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_line_that_cannot_be_read_is_named(tmp_path, ending):
    (tmp_path / f"c.{ending}").write_bytes(join_lines([CHAT, CHAT | {"Transcript": 5}]))
    with pytest.raises(CallsError, match=rf"c\.{ending}, line 2: looks like Amazon Connect chats, but cannot be read"):
        read_calls(tmp_path / f"c.{ending}")


def test_an_empty_file_of_lines_has_no_calls(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\n \n")
    (tmp_path / "b.jsonl").write_bytes(join_lines([CHAT]))
    (tmp_path / "c.jsonl").write_bytes(b"")
    assert read_calls(tmp_path)["transcript"].to_list() == ["Agent: Hello."]


ROWS = [
    {"ContactId": "c-1", "Transcript": "Agent: Hello.", "queue": "a"},
    {"ContactId": "c-1", "Transcript": [{"who": "Agent", "said": "Hello."}], "queue": "a"},
    {"id": "c-1", "JobName": "j", "transcript": "Agent: Hello.", "queue": "a"},
    {"id": "c-1", "jobName": "j", "transcript": "Agent: Hello.", "queue": "a"},
    {"id": "c-1", "status": "done", "turns": [{"role": "Agent", "text": "Hello."}], "queue": "a"},
]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("ending", ["jsonl", "ndjson.gz", "zip", "json"])
def test_a_row_with_names_of_a_service_stays_a_row(tmp_path, row, ending):
    lines = join_lines([row, {**row, "queue": "b"} | {name: "c-2" for name in ("id", "ContactId") if name in row}])
    content = gzip.compress(lines) if ending.endswith("gz") else lines
    (tmp_path / f"c.{ending}").write_bytes(make_zip("x.jsonl", lines) if ending == "zip" else content)
    calls = read_calls(tmp_path / f"c.{ending}")
    assert calls.select("call_id", "transcript", "queue").rows() == [
        ("c-1", "Agent: Hello.", "a"),
        ("c-2", "Agent: Hello.", "b"),
    ]


def test_a_document_is_a_row_where_its_columns_are_named(tmp_path, capsys):
    (tmp_path / "c.jsonl").write_bytes(join_lines([CHAT | {"queue": "a"}]))
    calls = read_calls(tmp_path / "c.jsonl", call_id="ContactId", transcript="Transcript")
    assert calls.select("call_id", "transcript", "queue").rows() == [("c-1", "AGENT: Hello.", "a")]
    assert capsys.readouterr().out == ""
    assert read_calls(tmp_path / "c.jsonl")["source_format"].to_list() == ["connect_chat"]
    told = "lines are read as documents of Amazon Connect chats; to keep their other fields, read a table by "
    assert f"c.jsonl: {told}call_id='ContactId', transcript='Transcript'\n" in capsys.readouterr().out


NOTES = {"ClinicalDocumentation": {"Sections": [{"SectionName": "PLAN", "Summary": []}]}}


def test_the_notes_of_health_scribe_are_passed_over_with_a_word(tmp_path, write_json, capsys):
    write_json("job/summary.json", NOTES)
    write_json("job/transcript.json", WRITERS["health_scribe"][0](place(TWO_TURNS, ("clinician_0", "patient_0"))))
    assert read_calls(tmp_path / "calls")["source_file"].to_list() == ["job/transcript.json"]
    assert capsys.readouterr().out == "1 file is passed over: 1 notes of HealthScribe (job/summary.json)\n"


def test_the_notes_of_health_scribe_alone_are_no_calls(write_json):
    with pytest.raises(CallsError, match=r"summary\.json: no calls"):
        read_calls(write_json("summary.json", NOTES))


def write_event(contact, kind, *segments, **more):
    own = {"Version": "1.0.0", "Channel": "VOICE", "ContactId": contact, "LanguageCode": "en-US", "EventType": kind}
    return own | ({"Segments": [*segments]} if segments else {}) | more


def say(role, text, begin):
    own = {"ParticipantRole": role, "ParticipantId": role, "Content": text, "Sentiment": "NEUTRAL"}
    return {"Transcript": own | {"BeginOffsetMillis": begin, "EndOffsetMillis": begin + 500}}


STREAM = [
    write_event("a", "STARTED"),
    write_event("a", "SEGMENTS", {"Utterance": {"PartialContent": "Good"}}, say("AGENT", "Good morning.", 0)),
    write_event("b", "STARTED"),
    write_event("b", "SEGMENTS", say("AGENT", "Hello.", 100)),
    write_event("a", "SEGMENTS", say("CUSTOMER", "A refund.", 4000), {"Categories": {"MatchedCategories": ["fee"]}}),
    # What was said at once may come in another order.
    write_event("a", "SEGMENTS", say("AGENT", "Hm.", 2000), {"Categories": {"MatchedCategories": ["fee", "loss"]}}),
    write_event("a", "SEGMENTS", {"PostContactSummary": {"Content": "A refund was asked for."}}),
    write_event("a", "COMPLETED"),
]


@pytest.mark.parametrize("ending", ["jsonl", "json", "files"])
def test_segments_of_a_contact_in_several_lines_are_one_call(tmp_path, write_json, capsys, ending):
    if ending == "files":
        for number, event in enumerate(STREAM):
            write_json(f"{number}.json", event)
    else:
        write_json(f"s.{ending}", join_lines(STREAM))
    first, second = read_calls(tmp_path / "calls").to_dicts()
    assert (first["call_id"], second["call_id"]) == ("a", "b")
    assert first["transcript"] == "Agent: Good morning.\nAgent: Hm.\nCustomer: A refund."
    assert [(turn["text"], turn["begin_ms"]) for turn in first["turns"]] == [
        ("Good morning.", 0), ("Hm.", 2000), ("A refund.", 4000)
    ]  # fmt: skip
    assert (first["categories"], first["summary"]) == (["fee", "loss"], "A refund was asked for.")
    assert (first["language"], first["channel"], second["transcript"]) == ("en-US", "voice", "Agent: Hello.")
    assert (second["categories"], second["summary"]) == (None, None)
    assert first["source_file"] == ("1.json" if ending == "files" else f"s.{ending}:2")
    assert capsys.readouterr().out == ""


def test_clock_times_of_segments_are_counted_from_the_first_of_all(tmp_path, write_json):
    def message(text, second):
        own = {"ParticipantRole": "AGENT", "Content": text, "ContentType": "text/plain"}
        return {"Transcript": own | {"Time": {"AbsoluteTime": f"2026-08-01T10:00:{second:02}Z"}}}

    events = [write_event("a", "SEGMENTS", message(text, at)) for text, at in (("Two.", 12), ("One.", 10))]
    (call,) = read_calls(write_json("s.jsonl", join_lines(events))).to_dicts()
    assert [(turn["text"], turn["begin_ms"]) for turn in call["turns"]] == [("One.", 0), ("Two.", 2000)]
    assert call["started_at"].second == 10


def test_very_many_lines_are_read_in_parts(tmp_path):
    lines = [CHAT | {"ContactId": str(number)} for number in range(1000)]
    (tmp_path / "c.jsonl").write_bytes(join_lines(lines))
    calls = read_calls(tmp_path / "c.jsonl")
    assert calls["call_id"].to_list() == [str(number) for number in range(1000)]
    assert calls["transcript"].unique().to_list() == ["Agent: Hello."]
    assert calls["source_file"][-1] == "c.jsonl:1000"
    assert calls.schema["turns"].inner == pl.Struct
