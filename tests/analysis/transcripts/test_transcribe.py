"""Outputs of Amazon Transcribe jobs, written by hand after the Developer Guide."""

import pytest

from analysis.errors import CallsError


def word(content, begin, end, **fields):
    alternatives = [{"confidence": "0.9", "content": content}, {"confidence": "0.1", "content": "wrong"}]
    return {"type": "pronunciation", "start_time": begin, "end_time": end, "alternatives": alternatives} | fields


def mark(content):
    return {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": content}]}


def job(text="", items=(), **results):
    results = {"transcripts": [{"transcript": text}], "items": list(items)} | results
    return {"jobName": "order-7", "accountId": "111122223333", "status": "COMPLETED", "results": results}


def channel(number, *items):
    return {"channel_label": f"ch_{number}", "items": list(items)}


def channels(*parts, text="Yes. No."):
    return job(text, channel_labels={"number_of_channels": len(parts), "channels": list(parts)})


def segment(label, *items):
    times = [{"start_time": item["start_time"], "end_time": item["end_time"]} for item in items]
    return {"speaker_label": label, "start_time": "0.0", "end_time": "9.9", "items": times}


YES, NO, SURE = word("Yes", "0.5", "0.9"), word("No", "1.25", "1.999"), word("sure", "3.1", "3.4")


def test_a_plain_job_is_one_turn_without_a_speaker(read_one):
    call = read_one(job("Yes. No.", [YES, mark("."), NO, mark(".")]))
    assert (call["call_id"], call["transcript"]) == ("order-7", "Yes. No.")
    assert call["turns"] == [{"speaker": None, "text": "Yes. No.", "begin_ms": 500, "end_ms": 1999, "sentiment": None}]


def test_what_the_job_does_not_say_is_missing(read_one):
    call = read_one(job("Yes."))
    named = {"call_id", "transcript", "source_format", "source_file", "turns"}
    assert {call[name] for name in call.keys() - named} == {None}
    assert (call["source_format"], call["source_file"]) == ("transcribe", "file.json")


def test_the_first_channel_to_speak_comes_first(read_turns):
    document = channels(channel(0, NO, mark(".")), channel(1, YES, mark(",")))
    assert read_turns(document) == [("ch_1", "Yes,", 500, 900), ("ch_0", "No.", 1250, 1999)]


def test_a_turn_ends_at_a_pause_in_which_another_channel_begins(read_turns):
    document = channels(channel(0, YES, mark(","), SURE), channel(1, NO))
    assert [turn[1] for turn in read_turns(document)] == ["Yes,", "No", "sure"]


def test_a_word_of_another_channel_without_a_pause_does_not_end_a_turn(read_turns):
    document = channels(channel(0, word("Let", "1.0", "1.5"), word("me", "1.5", "2.0")), channel(1, NO))
    assert read_turns(document) == [("ch_0", "Let me", 1000, 2000), ("ch_1", "No", 1250, 1999)]


def test_a_channel_that_is_silent_has_no_turn(read_turns):
    assert len(read_turns(channels(channel(0, YES), channel(1)))) == 1


def test_words_are_matched_to_speakers_by_their_times(read_turns):
    labels = {"speakers": 2, "segments": [segment("spk_0", YES), segment("spk_1", NO, SURE)]}
    document = job("Yes. No, sure.", [YES, mark("."), NO, mark(","), SURE, mark(".")], speaker_labels=labels)
    assert read_turns(document) == [("spk_0", "Yes.", 500, 900), ("spk_1", "No, sure.", 1250, 3400)]


def test_adjacent_segments_of_one_speaker_are_two_turns(read_turns):
    labels = {"speakers": 1, "segments": [segment("spk_0", YES), segment("spk_0", NO)]}
    assert [turn[1] for turn in read_turns(job("Yes No", [YES, NO], speaker_labels=labels))] == ["Yes", "No"]


def test_items_name_their_speaker_where_no_segment_does(read_turns):
    items = [word("Yes", "0.5", "0.9", speaker_label="spk_1"), word("No", "1.25", "1.999", speaker_label="spk_0")]
    document = job("Yes No", items, speaker_labels={"speakers": 2, "segments": []})
    assert [turn[:2] for turn in read_turns(document)] == [("spk_1", "Yes"), ("spk_0", "No")]


@pytest.mark.parametrize("field", ["speaker_label", "channel_label"])
def test_newer_files_have_the_text_of_each_segment(read_turns, field):
    part = {"id": 0, "transcript": "Yes. No.", "start_time": "0.5", "end_time": "1.999", "items": [0, 1], field: "x_0"}
    other = part | {"id": 1, "transcript": "Sure.", "start_time": "0.1", "end_time": "0.3", field: "x_1"}
    document = job("Yes. No. Sure.", [YES, NO], audio_segments=[part, other])
    assert read_turns(document) == [("x_1", "Sure.", 100, 300), ("x_0", "Yes. No.", 500, 1999)]


def test_a_text_without_items_is_one_turn_without_a_speaker(read_turns):
    document = job("Yes. No.", speaker_labels={"speakers": 2, "segments": []})
    assert read_turns(document) == [(None, "Yes. No.", None, None)]


def test_words_of_languages_without_spaces_are_joined_without_spaces(read_turns):
    document = channels(channel(0, word("你", "0.1", "0.2"), word("好", "0.2", "0.3"), mark("。")), text="你好。")
    assert read_turns(document) == [("ch_0", "你好。", 100, 300)]


def test_the_language_is_the_one_spoken_longest(read_one):
    spoken = [
        {"language_code": "en-US", "duration_in_seconds": 3.5},
        {"language_code": "fr-CA", "duration_in_seconds": 9},
    ]
    assert read_one(job("Oui.", language_codes=spoken))["language"] == "fr-CA"
    assert read_one(job("Yes.", language_code="en-GB"))["language"] == "en-GB"


def test_a_redacted_text_keeps_its_placeholders(read_one):
    name = word("[PII]", "0.1", "0.2") | {"alternatives": [{"content": "[PII]", "redactions": [{"type": "NAME"}]}]}
    call = read_one(channels(channel(0, YES, name, mark(","), SURE)) | {"isRedacted": True})
    assert (call["redacted"], call["transcript"]) == (True, "Ch_0: Yes [PII], sure")


@pytest.mark.parametrize("status", ["FAILED", "IN_PROGRESS", "QUEUED"])
def test_a_job_that_is_not_completed_is_refused(read_one, status):
    with pytest.raises(
        CallsError, match=rf"file.json: the status of the job is {status}, not COMPLETED; run the job again, or leave"
    ):
        read_one({"jobName": "order-7", "status": status})


@pytest.mark.parametrize("kind", ["TranscriptionJob", "CallAnalyticsJob"])
def test_a_response_about_a_job_is_refused(read_one, kind):
    with pytest.raises(CallsError, match=r"file.json: the status of a job.* the file at its TranscriptFileUri"):
        read_one({kind: {"TranscriptionJobName": "order-7"}})


@pytest.mark.parametrize("time", ["soon", "nan", "1e999"])
def test_an_invalid_time_is_refused(read_one, time):
    with pytest.raises(
        CallsError, match=r"file.json: looks like Amazon Transcribe, but cannot be read: .*; leave the file out"
    ):
        read_one(channels(channel(0, word("Yes", time, "1.0"))))
