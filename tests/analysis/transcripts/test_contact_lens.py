"""Files of Contact Lens and its real-time segments, written by hand after the Connect guides."""

from datetime import UTC, datetime

import pytest

from analysis.errors import CallsError

AGENT, CUSTOMER = "aaaa-1", "cccc-2"
PARTICIPANTS = [
    {"ParticipantId": AGENT, "ParticipantRole": "AGENT"},
    {"ParticipantId": CUSTOMER, "ParticipantRole": "CUSTOMER"},
]


def said(who, content, begin, end, **fields):
    turn = {"Id": f"t{begin}", "ParticipantId": who, "Content": content, "LoudnessScore": [70.5, None]}
    return turn | {"BeginOffsetMillis": begin, "EndOffsetMillis": end} | fields


def voice(*turns, **fields):
    known = {"Version": "VOICE-2022-11-30", "Channel": "VOICE", "JobStatus": "COMPLETED", "LanguageCode": "en-US"}
    contact = {"CustomerMetadata": {"ContactId": "1111-22", "InstanceId": "aaaa-bb"}}
    return known | contact | {"Participants": PARTICIPANTS, "Transcript": list(turns)} | fields


HELLO = said(AGENT, "How can I help?", 0, 1900, Sentiment="POSITIVE")
REFUND = said(CUSTOMER, "I want a refund.", 2100, 3900, Sentiment="NEGATIVE")


def message(key, role, content, time, kind="MESSAGE"):
    item = {"Id": key, "ParticipantId": f"{role}-id", "ParticipantRole": role, "Type": kind, "AbsoluteTime": time}
    return item | ({"Content": content} if content else {})


def chat(*items, **fields):
    known = {"Version": "CHAT-2022-11-30", "Channel": "CHAT", "JobStatus": "COMPLETED", "LanguageCode": "en-US"}
    return known | {"CustomerMetadata": {"ContactId": "3333-44"}, "Transcript": list(items)} | fields


JOINED = message("e1", "CUSTOMER", None, "2026-03-01T10:00:00.250Z", kind="EVENT")
WELCOME = message("m1", "SYSTEM", "Welcome.", "2026-03-01T10:00:01.000Z")
HELP = message("m2", "CUSTOMER", "Help!", "2026-03-01T10:00:03.250Z")


def test_roles_come_from_the_participants(read_one):
    call = read_one(voice(HELLO, REFUND))
    assert (call["call_id"], call["source_format"]) == ("1111-22", "contact_lens")
    assert call["transcript"] == "Agent: How can I help?\nCustomer: I want a refund."
    assert [turn["sentiment"] for turn in call["turns"]] == ["positive", "negative"]


def test_a_participant_id_that_is_a_role_is_used_as_role(read_turns):
    document = voice(said("AGENT", "Hello.", 0, 9), Participants=[])
    assert read_turns(document) == [("agent", "Hello.", 0, 9)]


def test_a_participant_without_a_role_is_named_by_id(read_turns):
    assert read_turns(voice(said("dddd-3", "Hello.", 0, 9)))[0][0] == "dddd-3"


def test_a_file_without_a_contact_id_has_its_name_as_id(read_one):
    document = voice(HELLO)
    del document["CustomerMetadata"]
    name = "1111-22_analysis_2026-03-01T10:00:00Z.json"
    assert read_one(document, name)["call_id"] == "1111-22_analysis_2026-03-01T10:00:00Z"


@pytest.mark.parametrize("place", ["ConversationCharacteristics", None])
def test_the_summary_is_found_in_every_version_of_the_format(read_one, place):
    summary = {"ContactSummary": {"PostContactSummary": {"Content": "A refund."}}}
    assert read_one(voice(HELLO, **({place: summary} if place else summary)))["summary"] == "A refund."


def test_a_redacted_file_is_marked(read_one):
    call = read_one(voice(said(AGENT, "I am [PII].", 0, 9), ContentMetadata={"Output": "Redacted"}))
    assert (call["redacted"], call["transcript"]) == (True, "Agent: I am [PII].")


def test_times_of_a_chat_begin_at_its_first_event(read_one):
    call = read_one(chat(JOINED, WELCOME, HELP))
    assert (call["channel"], call["started_at"]) == ("chat", datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC))
    assert call["transcript"] == "System: Welcome.\nCustomer: Help!"
    assert [(turn["begin_ms"], turn["end_ms"]) for turn in call["turns"]] == [(750, 750), (3000, 3000)]


def test_sentiments_of_a_chat_are_joined_to_its_messages(read_one):
    group = {"Sentiment": "NEGATIVE", "ParticipantRole": "CUSTOMER", "TranscriptItems": [{"Id": "m2"}]}
    overall = {"DetailsByParticipantRole": {"AGENT": 1.5, "CUSTOMER": -1}, "DetailsByInteraction": {}}
    sentiment = {"DetailsByTranscriptItemGroup": [group], "OverallSentiment": overall}
    call = read_one(chat(WELCOME, HELP, ConversationCharacteristics={"Sentiment": sentiment}))
    assert [turn["sentiment"] for turn in call["turns"]] == [None, "negative"]
    assert (call["agent_sentiment"], call["customer_sentiment"]) == (1.5, -1.0)


def test_a_failed_analysis_is_refused(read_one):
    with pytest.raises(CallsError, match=r"file.json: the status of the job is FAILED, not COMPLETED"):
        read_one(voice(JobStatus="FAILED"))


REAL_TIME = [
    {"Transcript": said(CUSTOMER, "I want a refund.", 2100, 3900, ParticipantRole="CUSTOMER")},
    {"Transcript": said(AGENT, "How can I help?", 0, 1900, ParticipantRole="AGENT")},
    {"Categories": {"MatchedCategories": ["Refund"], "MatchedDetails": {}}},
    {"PostContactSummary": {"Content": "A refund.", "Status": "COMPLETED"}},
]


def test_real_time_segments_are_a_call(read_one):
    call = read_one({"Segments": REAL_TIME}, "5555-66.json")
    assert (call["call_id"], call["source_format"]) == ("5555-66", "contact_lens_real_time")
    assert call["transcript"] == "Agent: How can I help?\nCustomer: I want a refund."
    assert (call["categories"], call["summary"]) == (["Refund"], "A refund.")


@pytest.mark.parametrize("time", ["2026-03-01T10:00:02Z", 1772359202])
def test_times_of_a_real_time_chat_begin_at_its_first_event(read_one, time):
    joined = {"Id": "e1", "ParticipantId": "x", "Time": {"AbsoluteTime": "2026-03-01T10:00:00Z"}}
    sent = {"Id": "m1", "ParticipantId": "x", "ParticipantRole": "CUSTOMER", "Content": "Help!"}
    segments = [{"Event": joined}, {"Transcript": sent | {"Time": {"AbsoluteTime": time}}}]
    matched = [{"Categories": {"MatchedDetails": {"Help": {"RuleId": "r"}}}}]
    call = read_one({"Channel": "CHAT", "Status": "COMPLETED", "Segments": segments + matched})
    assert (call["channel"], call["categories"], call["turns"][0]["begin_ms"]) == ("chat", ["Help"], 2000)


def test_a_part_of_a_contact_is_refused(read_one):
    with pytest.raises(
        CallsError, match=r"file.json: only a part of a contact: it has a NextToken; request the rest with the token"
    ):
        read_one({"Segments": REAL_TIME, "NextToken": "more"})


def test_a_contact_in_progress_is_refused(read_one):
    with pytest.raises(CallsError, match=r"file.json: the status of the job is IN_PROGRESS, not COMPLETED"):
        read_one({"Channel": "CHAT", "Status": "IN_PROGRESS", "Segments": []})
