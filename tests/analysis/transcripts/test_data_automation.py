"""Outputs of Bedrock Data Automation, written by hand."""

import pytest

from analysis.errors import CallsError
from analysis.transcripts import read_calls


def part(label, text, begin, end, **fields):
    times = {"start_timestamp_millis": begin, "end_timestamp_millis": end}
    return {"segment_index": 0, "text": text, "speaker": {"speaker_label": label}} | times | fields


def standard(*parts, key="calls/card.wav", **fields):
    metadata = {"asset_id": "0", "semantic_modality": "AUDIO", "s3_bucket": "talk", "s3_key": key}
    known = {"duration_millis": 61_500, "dominant_asset_language": "EN"}
    return {"metadata": metadata | known, "audio_segments": list(parts)} | fields


def custom(summary="A lost card."):
    blueprint = {"name": "Conversational Analytics", "confidence": 1.0}
    found = {"call_summary": summary, "call_categories": ["Customer service"]}
    return {"metadata": {}, "matched_blueprint": blueprint, "inference_result": found}


HELLO = part("spk_1", "Hello.", 1620, 5840)


def test_segments_are_turns(read_one):
    call = read_one(standard(part("spk_0", "My card is gone.", 7770, 21_830), HELLO, audio={"summary": "A card."}))
    assert (call["call_id"], call["source_format"]) == ("calls/card.wav", "data_automation")
    assert call["transcript"] == "Spk_1: Hello.\nSpk_0: My card is gone."
    assert (call["duration_s"], call["language"], call["summary"]) == (61.5, "EN", "A card.")


def test_a_speaker_without_a_label_is_named_by_channel(read_turns):
    assert read_turns(standard(part(None, "Hello.", 0, 9, channel={"channel_label": "ch_1"})))[0][0] == "ch_1"


def test_a_text_without_segments_is_one_turn(read_one):
    audio = {"transcript": {"representation": {"text": "Hello. My card is gone."}}}
    assert read_one(standard(audio=audio))["transcript"] == "Hello. My card is gone."


def test_the_blueprint_of_a_job_is_joined_to_its_call(write_json, tmp_path):
    for number in (0, 1):
        write_json(f"job-1/{number}/standard_output/0/result.json", standard(HELLO, key=f"{number}.wav"))
        write_json(f"job-1/{number}/custom_output/0/result.json", custom(f"Card {number}."))
    write_json("job-1/job_metadata.json", {"job_id": "job-1", "job_status": "PROCESSED", "output_metadata": []})
    calls = read_calls(tmp_path / "calls")
    assert calls.select("call_id", "summary").rows() == [("0.wav", "Card 0."), ("1.wav", "Card 1.")]
    assert calls["categories"].to_list() == [["Customer service"]] * 2


def test_a_blueprint_alone_has_no_words(read_one):
    with pytest.raises(
        CallsError, match=r"1 empty transcript \(file in file.json\); the words are in the standard out"
    ):
        read_one(custom())


def test_a_blueprint_that_fits_two_calls_is_joined_to_neither(write_json, tmp_path):
    write_json("a.json", standard(HELLO, key="a.wav"))
    write_json("b.json", standard(HELLO, key="b.wav"))
    write_json("c.json", custom())
    calls = read_calls(tmp_path / "calls", empty="drop")
    assert calls.select("call_id", "summary").rows() == [("a.wav", None), ("b.wav", None)]


def test_other_media_are_refused(read_one):
    document = {"metadata": {"semantic_modality": "DOCUMENT"}, "pages": []}
    with pytest.raises(CallsError, match=r"file.json: the output of DOCUMENT, not of AUDIO; leave the file out"):
        read_one(document)
