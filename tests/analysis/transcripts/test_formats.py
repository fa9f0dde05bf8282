"""Documents of services: what they say is read back, and the table of fields says where it was read from."""

import copy
import json
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import CallsError
from analysis.transcripts import read_calls
from analysis.transcripts.formats import FORMATS

STARTED = datetime(2026, 8, 1, 10, tzinfo=UTC)
EPOCH_MS = 1_785_578_400_000  # the same moment, in milliseconds since 1970
FIELDS = {each.source_format: each.fields for each in FORMATS if each.fields}


def seconds(millis):
    return millis / 1000


# Each writes made-up turns (speaker, text, begin and end in ms) as the service does, with all fields that are read.
def write_whisper(turns):
    parts = [
        {"id": n, "start": seconds(a), "end": seconds(b), "text": f" {text}", "speaker": who}
        for n, (who, text, a, b) in enumerate(turns)
    ]
    return {"task": "transcribe", "language": "en", "duration": 90.5, "text": "all", "segments": parts}


def write_whisper_cpp(turns):
    parts = [{"offsets": {"from": a, "to": b}, "text": f" {text}", "speaker": who} for who, text, a, b in turns]
    return {"model": {}, "result": {"language": "en"}, "transcription": parts}


def write_deepgram(turns):
    parts = [
        {"start": seconds(a), "end": seconds(b), "transcript": text, "speaker": int(who), "channel": 0}
        for who, text, a, b in turns
    ]
    channel = {"detected_language": "en", "alternatives": [{"transcript": "all", "words": []}]}
    results = {"channels": [channel], "utterances": parts, "summary": {"result": "success", "short": "A refund."}}
    return {"metadata": {"request_id": "r-1", "duration": 90.5, "channels": 1}, "results": results}


def write_assemblyai(turns):
    parts = [
        {"speaker": who, "channel": f"{who}c", "text": text, "start": a, "end": b, "words": []}
        for who, text, a, b in turns
    ]
    own = {
        "id": "t-1",
        "status": "completed",
        "audio_url": "x",
        "text": "all",
        "language_code": "en",
        "audio_duration": 90.5,
    }
    return own | {"redact_pii": True, "summary": "A refund.", "utterances": parts}


def write_azure(turns):
    parts = [
        {
            "recognitionStatus": "Success", "channel": 0, "speaker": int(who), "locale": "en-US",
            "offsetMilliseconds": a, "offsetInTicks": 10_000.0 * (a + 1),
            "durationMilliseconds": b - a, "durationInTicks": 10_000.0 * (b - a + 5),
            "nBest": [{"display": text, "lexical": "x"}, {"display": "another"}],
        }
        for who, text, a, b in turns
    ]  # fmt: skip
    source = "https://account.example/audio/call%201.wav?sv=2024&sig=secret"
    return {"source": source, "durationMilliseconds": 90_500, "durationInTicks": 9e8, "recognizedPhrases": parts}


def write_health_scribe(turns):
    parts = [
        {"SegmentId": str(n), "BeginAudioTime": seconds(a), "EndAudioTime": seconds(b), "Content": text,
         "ParticipantDetails": {"ParticipantRole": who.upper()}}
        for n, (who, text, a, b) in enumerate(turns)
    ]  # fmt: skip
    talk = {"ConversationId": "c-1", "JobName": "j-1", "LanguageCode": "en-US", "TranscriptItems": []}
    return {"Conversation": talk | {"TranscriptSegments": parts}}


def write_genesys(turns):
    parts = [
        {
            "text": text,
            "startTimeMs": EPOCH_MS + a,
            "duration": {"milliseconds": b - a},
            "participantPurpose": who,
            "words": [],
        }
        for who, text, a, b in turns
    ]
    own = {"organizationId": "o", "conversationId": "c-1", "mediaType": "Call", "startTime": EPOCH_MS}
    return own | {
        "duration": {"milliseconds": 90_500},
        "transcripts": [{"transcriptId": "t", "language": "en-us", "phrases": parts}],
    }


def write_post_call(turns):
    names = {"agent": "spk_0", "customer": "spk_1"}
    parts = [
        {"SegmentStartTime": seconds(a), "SegmentEndTime": seconds(b), "SegmentSpeaker": names[who],
         "DisplayText": text, "OriginalText": f"{text} (said)", "SentimentIsPositive": 1, "SentimentIsNegative": 1}
        for who, text, a, b in turns
    ]  # fmt: skip
    found = {
        "GUID": "call-1.wav",
        "ConversationTime": "2026-08-01T10:00:00",
        "Duration": "90.5",
        "LanguageCode": "en-US",
    }
    found |= {"CategoriesDetected": [{"Name": "refund"}], "Summary": {"Summary": "A refund."}}
    labels = [{"Speaker": label, "DisplayText": who} for who, label in names.items()]
    return {"ConversationAnalytics": found | {"SpeakerLabels": labels}, "SpeechSegments": parts}


def write_chat(turns):
    parts = [
        {"AbsoluteTime": (STARTED + timedelta(milliseconds=a)).isoformat(timespec="milliseconds"),
         "Content": text, "ContentType": "text/plain", "Id": str(n), "Type": "MESSAGE", "ParticipantId": f"{who}-id",
         "ParticipantRole": who.upper(), "ContactId": "c-2"}
        for n, (who, text, a, _) in enumerate(turns)
    ]  # fmt: skip
    return {"Version": "2019-08-26", "ContactId": "c-1", "InitialContactId": "c-0", "Transcript": parts}


def write_contact_lens(turns):
    parts = [
        {"Id": str(n), "ParticipantId": f"{who}-id", "ParticipantRole": who.upper(), "Content": text,
         "BeginOffsetMillis": a, "EndOffsetMillis": b, "Sentiment": "POSITIVE"}
        for n, (who, text, a, b) in enumerate(turns)
    ]  # fmt: skip
    return write_analysis(parts) | {"CustomerMetadata": {"ContactId": "c-1"}, "ContactId": "c-2", "Participants": []}


def write_call_analytics(turns):
    parts = [
        {
            "ParticipantRole": who.upper(),
            "Content": text,
            "BeginOffsetMillis": a,
            "EndOffsetMillis": b,
            "Sentiment": "POSITIVE",
        }
        for who, text, a, b in turns
    ]
    summary = {"AutoGenerated": {"OverallSummary": {"Content": "A refund."}}}
    return write_analysis(parts, summary="Another.") | {"JobName": "j-1", "ContactSummary": summary}


def write_analysis(parts, summary="A refund."):
    measured = {
        "TotalConversationDurationMillis": 90_500,
        "Sentiment": {"OverallSentiment": {"AGENT": 1.5, "CUSTOMER": -2.5}},
        "ContactSummary": {"PostContactSummary": {"Content": summary}},
    }
    own = {"LanguageCode": "en-US", "Channel": "VOICE", "ContentMetadata": {"Output": "Redacted"}}
    categories = {"MatchedCategories": ["refund"]}
    return own | {"Categories": categories, "ConversationCharacteristics": measured, "Transcript": parts}


def write_real_time(turns):
    parts = [{"Transcript": part} for part in write_contact_lens(turns)["Transcript"]]
    parts += [{"Categories": {"MatchedCategories": ["refund"]}}, {"PostContactSummary": {"Content": "A refund."}}]
    return {"ContactId": "c-1", "LanguageCode": "en-US", "Channel": "VOICE", "Segments": parts}


def write_transcribe(turns):
    parts = [
        {"id": n, "transcript": text, "start_time": str(seconds(a)), "end_time": str(seconds(b)), "speaker_label": who,
         "channel_label": f"{who}-channel", "items": []}
        for n, (who, text, a, b) in enumerate(turns)
    ]  # fmt: skip
    results = {"language_code": "en-US", "transcripts": [{"transcript": "all"}], "items": [], "audio_segments": parts}
    return {"jobName": "j-1", "status": "COMPLETED", "isRedacted": True, "results": results}


def write_data_automation(turns):
    parts = [
        {"text": text, "start_timestamp_millis": a, "end_timestamp_millis": b, "speaker": {"speaker_label": who},
         "channel": {"channel_label": f"{who}-channel"}}
        for who, text, a, b in turns
    ]  # fmt: skip
    known = {
        "s3_key": "call-1.wav",
        "semantic_modality": "AUDIO",
        "duration_millis": 90_500,
        "dominant_asset_language": "EN",
    }
    return {"metadata": known, "audio": {"summary": "A refund."}, "audio_segments": parts}


WRITERS = {
    "whisper": (write_whisper, ("SPEAKER_00", "SPEAKER_01")),
    "whisper_cpp": (write_whisper_cpp, ("0", "1")),
    "deepgram": (write_deepgram, ("0", "1")),
    "assemblyai": (write_assemblyai, ("A", "B")),
    "azure_speech": (write_azure, ("1", "2")),
    "health_scribe": (write_health_scribe, ("clinician_0", "patient_0")),
    "genesys_cloud": (write_genesys, ("internal", "external")),
    "post_call_analytics": (write_post_call, ("agent", "customer")),
    "connect_chat": (write_chat, ("agent", "customer")),
    "contact_lens": (write_contact_lens, ("agent", "customer")),
    "contact_lens_real_time": (write_real_time, ("agent", "customer")),
    "call_analytics": (write_call_analytics, ("agent", "customer")),
    "transcribe": (write_transcribe, ("spk_0", "spk_1")),
    "data_automation": (write_data_automation, ("spk_0", "spk_1")),
}
ALL = {
    "call_id": {
        "connect_chat": "c-1", "contact_lens": "c-1", "contact_lens_real_time": "c-1", "health_scribe": "c-1",
        "genesys_cloud": "c-1", "call_analytics": "j-1", "transcribe": "j-1", "deepgram": "r-1", "assemblyai": "t-1",
        "azure_speech": "call 1.wav", "post_call_analytics": "call-1.wav", "data_automation": "call-1.wav",
    },
    "language": {"genesys_cloud": "en-us", "data_automation": "EN"}
    | dict.fromkeys(("whisper", "whisper_cpp", "deepgram", "assemblyai"), "en")
    | dict.fromkeys(("azure_speech", "health_scribe", "post_call_analytics"), "en-US")
    | dict.fromkeys(("contact_lens", "contact_lens_real_time", "call_analytics", "transcribe"), "en-US"),
    "channel": {"connect_chat": "chat"}
    | dict.fromkeys(("genesys_cloud", "contact_lens", "contact_lens_real_time", "call_analytics"), "voice"),
    "duration_s": dict.fromkeys(
        ("whisper", "deepgram", "assemblyai", "azure_speech", "genesys_cloud", "post_call_analytics", "contact_lens",
         "call_analytics", "data_automation"), 90.5),
    "started_at": dict.fromkeys(("connect_chat", "genesys_cloud", "post_call_analytics"), STARTED),
    "redacted": dict.fromkeys(("assemblyai", "contact_lens", "call_analytics", "transcribe"), True),
    "summary": dict.fromkeys(
        ("deepgram", "assemblyai", "post_call_analytics", "contact_lens", "contact_lens_real_time", "call_analytics",
         "data_automation"), "A refund."),
    "categories": {
        name: ["refund"]
        for name in ("post_call_analytics", "contact_lens", "contact_lens_real_time", "call_analytics")
    },
    "agent_sentiment": dict.fromkeys(("contact_lens", "call_analytics"), 1.5),
    "customer_sentiment": dict.fromkeys(("contact_lens", "call_analytics"), -2.5),
}  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
ONE_CALL = st.lists(st.tuples(TEXTS, st.integers(0, 5_000), st.integers(1, 5_000)), min_size=1, max_size=6)


def read_document(document, name="file.json"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        (call,) = read_calls(path).to_dicts()
        return call


def place(said, speakers):
    """Give turns speakers in turn and times one after another."""
    turns, now = [], 0
    for number, (text, pause, length) in enumerate(said):
        turns.append((speakers[number % 2], text, now + pause, now + pause + length))
        now += pause + length
    return turns


@pytest.mark.parametrize("name", WRITERS)
@settings(deadline=None, max_examples=25)
@given(said=ONE_CALL)
def test_a_made_up_call_is_read_back(name, said):
    writer, speakers = WRITERS[name]
    turns = place(said, speakers)
    call = read_document(writer(turns))
    read = [(turn["speaker"], turn["text"], turn["begin_ms"], turn["end_ms"]) for turn in call["turns"]]
    first = turns[0][2]
    if name == "connect_chat":  # whose messages begin and end at once, counted from the first one
        turns = [(who, text, begin - first, begin - first) for who, text, begin, _ in turns]
    assert read == turns
    lines = [f"{who[0].upper()}{who[1:]}: {text}" for who, text, *_ in turns]
    assert call["transcript"] == "\n".join(lines)
    expected = {column: values.get(name) for column, values in ALL.items()}
    expected["call_id"] = expected["call_id"] or "file"
    if name == "connect_chat":
        expected["started_at"] += timedelta(milliseconds=first)
    assert {column: call[column] for column in expected} == expected
    assert call["source_format"] == name


TWO_TURNS = [("Hello.", 500, 1000), ("A refund, please.", 200, 900)]
PLACES = [(name, column) for name in WRITERS for column in FIELDS[name]]


@pytest.mark.parametrize(("name", "column"), PLACES)
def test_a_column_is_read_from_the_fields_that_the_table_names_in_their_order(name, column):
    writer, speakers = WRITERS[name]
    document = writer(place(TWO_TURNS, speakers))
    seen = [find_values(document, column)]
    for path in FIELDS[name][column]:
        document = remove(document, path)
        seen.append(find_values(document, column))
    assert all(before != after for before, after in pairwise(seen)), seen
    assert None not in seen[0]


def find_values(document, column):
    """Return what a column has, of the call or of its turns; of a document without words there is none."""
    try:
        call = read_document(document)
    except CallsError:
        return ["no words"]
    return [call[column]] if column in call else [turn[column] for turn in call["turns"]]


def remove(document, path):
    """Return a copy of a document without a field, wherever it is."""
    first, _, rest = path.partition(".")
    name = first.removesuffix("[]")
    if name not in document:
        return document
    document = copy.copy(document)
    if not rest:
        del document[name]
    elif first.endswith("[]"):
        document[name] = [remove(each, rest) for each in document[name]]
    else:
        document[name] = remove(document[name], rest)
    return document


def test_every_format_with_words_is_written_here():
    assert FIELDS.keys() - {"data_automation_custom"} == WRITERS.keys()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"text": " Good morning. ", "language": "en", "segments": []}, "Good morning."),
        (
            {
                "text": "ab",
                "segments": [{"start": 0, "end": 1, "text": "日本"}, {"start": 1, "end": 2, "text": "語。"}],
            },
            "日本語。",
        ),
        (
            {"text": "ab", "segments": [{"start": 0, "end": 1, "text": "One"}, {"start": 1, "end": 2, "text": "two."}]},
            "One two.",
        ),
        (
            {
                "text": "x",
                "chunks": [{"timestamp": [0.0, 1.5], "text": " Hi."}, {"timestamp": [1.5, None], "text": " You?"}],
            },
            "Hi. You?",
        ),
    ],
)
def test_segments_of_whisper_are_joined_as_they_are_written(document, expected):
    assert read_document(document)["transcript"] == expected


WORD = {"word": "hi", "punctuated_word": "Hi.", "start": 0.5, "end": 0.9}
PARTS = [
    {"speaker": 0, "start": 0.1, "end": 0.9, "sentences": [{"text": "Hello."}, {"text": "Yes?"}]},
    {"speaker": 1, "start": 1.0, "end": 1.9, "sentences": [{"text": "Hi."}]},
]


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ([{"transcript": "Hi.", "words": [WORD]}], "Hi."),
        ([{"transcript": "Hi. Hi.", "words": [WORD | {"speaker": 0}, WORD | {"speaker": 1}]}], "0: Hi.\n1: Hi."),
        ([{"transcript": "x", "paragraphs": {"paragraphs": PARTS}}], "0: Hello. Yes?\n1: Hi."),
    ],
)
def test_deepgram_without_utterances_is_read_from_what_there_is(alternatives, expected):
    document = {
        "metadata": {"request_id": "r", "channels": 1},
        "results": {"channels": [{"alternatives": alternatives}]},
    }
    assert read_document(document)["transcript"] == expected


def test_several_channels_of_deepgram_and_azure_are_the_speakers():
    channels = [
        {"alternatives": [{"transcript": text, "words": [WORD | {"start": n, "end": n + 1}]}]}
        for n, text in enumerate(["Hi.", "Yes."])
    ]
    assert (
        read_document({"metadata": {"channels": 2}, "results": {"channels": channels}})["transcript"]
        == "Ch_0: Hi.\nCh_1: Yes."
    )
    phrases = [
        {"channel": n, "offsetInTicks": 1e7 * n, "nBest": [{"display": text}]} for n, text in enumerate(["Hi.", "Yes."])
    ]
    assert read_document({"recognizedPhrases": phrases})["transcript"] == "Ch_0: Hi.\nCh_1: Yes."


def test_fast_transcription_of_azure_is_read_like_batch_transcription():
    phrases = [{"speaker": 1, "offsetMilliseconds": 80, "durationMilliseconds": 20, "text": "Hi.", "locale": "en-US"}]
    call = read_document({"durationMilliseconds": 900, "combinedPhrases": [{"text": "Hi."}], "phrases": phrases})
    assert (call["transcript"], call["language"], call["duration_s"]) == ("1: Hi.", "en-US", 0.9)
    assert call["turns"] == [{"speaker": "1", "text": "Hi.", "begin_ms": 80, "end_ms": 100, "sentiment": None}]


@pytest.mark.parametrize("status", ["error", "queued"])
def test_a_transcript_of_assemblyai_that_is_not_there_is_refused(status):
    with pytest.raises(CallsError, match=f"the status of the job is {status.upper()}"):
        read_document({"id": "t", "status": status, "audio_url": "x", "text": None, "error": "no audio"})


def test_notes_of_health_scribe_beside_the_transcript_are_no_call(tmp_path):
    turns = place(TWO_TURNS, ("clinician_0", "patient_0"))
    (tmp_path / "summary.json").write_text('{"ClinicalDocumentation": {"Sections": []}}', encoding="utf-8")
    (tmp_path / "transcript.json").write_text(json.dumps(write_health_scribe(turns)), encoding="utf-8")
    assert read_calls(tmp_path)["call_id"].to_list() == ["c-1"]


def test_documents_of_several_services_are_one_frame(tmp_path):
    for name, (writer, speakers) in WRITERS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(writer(place(TWO_TURNS, speakers))), encoding="utf-8")
    calls = read_calls(tmp_path)
    assert sorted(calls["source_format"]) == sorted(WRITERS)
    assert calls["turns"].list.len().to_list() == [2] * len(WRITERS)


INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (
            INTERACTIVE,
            {"templateType": "ListPicker", "data": {"content": {"title": "Which?", "elements": [{"title": "A"}]}}},
            "Which?",
        ),
        (
            INTERACTIVE,
            {"templateType": "Panel", "data": {"replyMessage": {"title": "Thanks"}, "content": {"title": "Pick"}}},
            "Thanks",
        ),
        (
            f"{INTERACTIVE}.response",
            {"templateType": "QuickReply", "version": "1.0", "data": {"action": "Router"}},
            "Router",
        ),
        (INTERACTIVE, {"templateType": "TimePicker", "data": {"content": {"subtitle": "When?"}}}, "When?"),
        ("application/json", {"a": [1, {"b": None}]}, None),
        (INTERACTIVE, "Not JSON", "Not JSON"),
        (INTERACTIVE, '{"title": "cut', None),
        ("text/plain", {"title": "typed by somebody"}, '{"title": "typed by somebody"}'),
    ],
)
@pytest.mark.parametrize("is_analyzed", [False, True])
def test_an_interactive_message_is_what_people_see_of_it(kind, content, expected, is_analyzed):
    text = content if isinstance(content, str) else json.dumps(content)
    said = [{"ContentType": "text/plain", "Content": "Hi."}, {"ContentType": kind, "Content": text}]
    items = [
        each | {"ParticipantId": "p", "ParticipantRole": "SYSTEM", "AbsoluteTime": "2026-08-01T10:00:00Z"}
        for each in said
    ]
    document = {"Transcript": items} | ({"CustomerMetadata": {"ContactId": "c"}} if is_analyzed else {"ContactId": "c"})
    expected = "System: Hi." + (f"\nSystem: {expected}" if expected else "")
    assert read_document(document)["transcript"] == expected


def test_a_part_of_a_chat_is_refused():
    with pytest.raises(CallsError, match="only a part of a chat: it has a NextToken"):
        read_document({"InitialContactId": "c", "NextToken": "t", "Transcript": []})


def test_the_contact_of_all_messages_is_the_id_where_the_response_has_the_first_contact_alone():
    items = [{"Content": "Hi.", "ContentType": "text/plain", "ContactId": contact} for contact in ("c-2", "c-3")]
    assert read_document({"InitialContactId": "c-1", "Transcript": items[:1]})["call_id"] == "c-2"
    assert read_document({"InitialContactId": "c-1", "Transcript": items})["call_id"] == "c-1"
