"""Words are joined as the text that the service spoke has them."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.transcripts import read_calls
from analysis.transcripts.calls import ROLES
from analysis.transcripts.spacing import find_spaces, join_texts


def write_job(turns, whole, *, by_channel=False):
    """Write turns of words, of two speakers in turn, as Amazon Transcribe does."""
    items, segments, now = [[], []], [], 0
    for number, words in enumerate(turns):
        said = []
        for word in words:
            is_mark = word in {"。", "、", ".", "?", "\uff01"}
            times = {} if is_mark else {"start_time": f"{now / 10:.1f}", "end_time": f"{now / 10 + 0.1:.1f}"}
            kind = "punctuation" if is_mark else "pronunciation"
            said.append(times | {"type": kind, "alternatives": [{"content": word}]})
            now += not is_mark
        items[number % 2] += said
        spoken = [item for item in said if "start_time" in item]
        segments.append({"speaker_label": f"spk_{number % 2}", "items": spoken, "start_time": spoken[0]["start_time"]})
    results = {"transcripts": [{"transcript": whole}]}
    if by_channel:
        channels = [{"channel_label": f"ch_{n}", "items": each} for n, each in enumerate(items)]
        return {"jobName": "j", "results": results | {"channel_labels": {"channels": channels}}}
    in_order, places = [], [0, 0]
    for number, words in enumerate(turns):
        begin = places[number % 2]
        in_order += items[number % 2][begin : begin + len(words)]
        places[number % 2] += len(words)
    return {"jobName": "j", "results": results | {"items": in_order, "speaker_labels": {"segments": segments}}}


CASES = [
    (
        [["お", "電話", "です", "。"], ["Acme", "Phone", "が", "壊れ", "た", "。"]],
        ["お電話です。", "Acme Phone が壊れた。"],
    ),
    ([["您好", "、", "我", "的"], ["Wi-Fi", "坏", "了", "。"]], ["您好、我的", "Wi-Fi坏了。"]),
    ([["สวัสดี", "ครับ", "ผม"], ["เน็ต", "เสีย"]], ["สวัสดีครับ ผม", "เน็ต เสีย"]),
    ([["안녕", "하세요", "."], ["환불", "해", "주세요", "."]], ["안녕하세요.", "환불해 주세요."]),
    ([["Hello", "."], ["I", "can't", "go", "."]], ["Hello.", "I can't go."]),
    ([["Oui", "?"], ["Non", "."]], ["Oui ?", "Non."]),
]


@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize(("turns", "expected"), CASES)
def test_the_text_of_the_service_says_how_words_are_joined(read_turns, turns, expected, by_channel):
    read = read_turns(write_job(turns, " ".join(expected), by_channel=by_channel))
    assert [text for _, text, *_ in read] == expected
    read = read_turns(write_job(turns, "".join(expected), by_channel=by_channel))
    assert [text for _, text, *_ in read] == expected


def test_channels_that_go_back_and_forth_are_joined_like_the_text(read_turns):
    turns = [["我", "要"], ["好", "的", "。"], ["退", "Acme", "的", "货"], ["好", "。"]]
    read = read_turns(write_job(turns, "我要 好的。 退 Acme 的货 好。", by_channel=True))
    assert [text for _, text, *_ in read] == ["我要", "好的。", "退 Acme 的货", "好。"]


@pytest.mark.parametrize("whole", ["", "[PII] [PII]", "別の話です。"])
def test_where_the_text_has_other_words_the_scripts_decide(read_turns, whole):
    turns = [["お", "電話", "。"], ["Acme", "Phone", "が", "壊れ", "た", "。"], ["Hello", "you", "?"]]
    read = read_turns(write_job(turns, whole))
    assert [text for _, text, *_ in read] == ["お電話。", "Acme Phone が壊れた。", "Hello you?"]


def test_a_replaced_word_leaves_the_others_as_they_are():
    words = ["My", "name", "is", "Ana", "日", "本"]
    spaces, place = find_spaces(words, "My name is [NAME] 日 本, yes")
    assert spaces == ["", " ", " ", None, None, " "]
    assert place == len("My name is [NAME] 日 本")


TOKENS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=4)
SPACED = st.lists(st.tuples(TOKENS, st.sampled_from(["", " ", "  ", "\u3000"])), min_size=1, max_size=30)


@settings(deadline=None, max_examples=200)
@given(SPACED)
def test_any_words_are_joined_to_the_text_they_are_from(pairs):
    whole = "".join(word + space for word, space in pairs)
    spaces, _ = find_spaces([word for word, _ in pairs], whole)
    assert spaces == ["", *(space for _, space in pairs[:-1])]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(TOKENS.filter(lambda word: word not in ROLES), min_size=1, max_size=5), min_size=1, max_size=5),
    st.data(),
)
def test_turns_of_any_words_are_those_of_the_text(turns, data):
    expected = []
    for words in turns:
        spaces = data.draw(st.lists(st.sampled_from(["", " "]), min_size=len(words) - 1, max_size=len(words) - 1))
        expected.append("".join(map("".join, zip(words, [*spaces, ""], strict=True))))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j.json")
        path.write_text(json.dumps(write_job(turns, " ".join(expected))), encoding="utf-8")
        read = read_calls(path)["turns"][0].to_list()
    assert [turn["text"] for turn in read] == expected


def test_pieces_keep_their_own_spaces():
    assert join_texts([" One", " two", "three ", "", " "]) == "One two three"
    assert join_texts(["日本", " 語", "です"]) == "日本 語です"
    assert join_texts([]) == ""
