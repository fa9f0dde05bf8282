"""Published conversations, in documents written by hand."""

from datetime import UTC, datetime

from analysis.transcripts import read_calls


def spoken(role, begin, duration, human, machine):
    return {
        "index": 1,
        "speaker_role": role,
        "start_ms": begin,
        "duration_ms": duration,
        "human_transcript": human,
        "transcript": machine,
    }


def test_a_call_of_harper_valley_has_its_human_transcript(read_one):
    segments = [spoken("agent", 1000, 500, "hello", "hallo"), spoken("caller", 1200, 300, "", "hi")]
    call = read_one({"sid": "00ff", "start_time_ms": 1000, "end_time_ms": 3500, "segments": segments})
    assert (call["call_id"], call["transcript"]) == ("00ff", "Agent: hello\nCaller: hi")
    assert (call["duration_s"], call["started_at"]) == (2.5, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert (call["turns"][1]["begin_ms"], call["turns"][1]["end_ms"]) == (1200, 1500)


def test_a_file_of_abcd_has_several_chats(write_json):
    said = [["agent", "Hi!"], ["action", "Account has been pulled up."], ["customer", "A return."]]
    chats = [{"convo_id": number, "scenario": {}, "original": said} for number in (7, 8)]
    calls = read_calls(write_json("chats.json", chats))
    assert calls["call_id"].to_list() == ["7", "8"]
    assert calls["transcript"][0] == "Agent: Hi!\nAction: Account has been pulled up.\nCustomer: A return."
