import hashlib
import os
import re
import subprocess
import sys
from itertools import pairwise

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.errors import CallsError
from analysis.synthetic import make_calls
from analysis.synthetic.phrases import format_ordinal, polish, spell

SCHEMA = {
    "call_id": pl.String,
    "transcript": pl.String,
    "industry": pl.String,
    "reason": pl.String,
    "outcome": pl.String,
    "mood": pl.String,
    "language": pl.String,
    "amounts": pl.List(pl.String),
    "promised_actions": pl.List(pl.String),
    "duration_s": pl.Int64,
    "words": pl.Int64,
}
IN_ANOTHER_PROCESS = """
import io, hashlib
from analysis.synthetic import make_calls
file = io.BytesIO()
make_calls(30, seed=3).write_parquet(file)
print(hashlib.sha256(file.getvalue()).hexdigest())
"""


@pytest.fixture(scope="module")
def calls():
    return make_calls(1200)


def lines_of(calls):
    return [line for transcript in calls["transcript"] for line in transcript.split("\n")]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_given_number_of_calls_is_made_in_fixed_columns(count):
    calls = make_calls(count)
    assert len(calls) == count
    assert dict(calls.schema) == SCHEMA


@pytest.mark.parametrize("calls", [-1, 10_000_001, 10**12])
def test_a_number_of_calls_that_cannot_be_made_is_refused(calls):
    with pytest.raises(CallsError, match=rf"cannot make {calls:,} calls; give 0 to 10,000,000"):
        make_calls(calls)


def test_a_call_does_not_depend_on_how_many_are_made(calls):
    assert_frame_equal(make_calls(10), calls.head(10))


def test_another_seed_gives_other_calls():
    assert not set(make_calls(20)["transcript"]) & set(make_calls(20, seed=1)["transcript"])


def test_the_same_seed_gives_the_same_file_in_another_process(tmp_path):
    make_calls(30, seed=3).write_parquet(tmp_path / "calls.parquet")
    here = hashlib.sha256((tmp_path / "calls.parquet").read_bytes()).hexdigest()
    environment = os.environ | {"PYTHONHASHSEED": "12"}
    there = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_calls_have_ids_and_transcripts_of_their_own(calls):
    assert calls["call_id"].n_unique() == calls["transcript"].n_unique() == 1200
    assert calls["call_id"][6] == "call-00007"


@pytest.mark.parametrize("column", ["amounts", "promised_actions"])
def test_the_details_of_a_call_occur_in_its_transcript(calls, column):
    said = calls.select("transcript", column).explode(column).drop_nulls()
    assert len(said) > 500
    assert said.select(pl.col("transcript").str.contains(pl.col(column), literal=True).all()).item()


def test_amounts_are_not_parts_of_longer_numbers():
    calls = make_calls(300)
    for transcript, amounts in calls.select("transcript", "amounts").iter_rows():
        for amount in amounts:
            assert re.search(rf"(?<!\d){re.escape(amount)}(?!\d|[.,]\d)", transcript)


def test_every_line_is_a_turn_and_turns_alternate(calls):
    for transcript in calls["transcript"]:
        speakers = [re.match(r"(Agent|Customer): \S", line)[1] for line in transcript.split("\n")]
        assert all(one != other for one, other in pairwise(speakers))


def test_no_choice_or_slot_is_left_open(calls):
    assert not [line for line in lines_of(calls) if re.search(r"[\[\]{}|\0]|  |\?\.|,\.", line)]


def test_words_are_counted_without_speakers(calls):
    transcript, words = calls.select("transcript", "words").row(0)
    assert words == len(re.sub(r"^(Agent|Customer): ", "", transcript, flags=re.MULTILINE).split())


def test_lengths_are_skewed_and_reach_both_limits(calls):
    words = calls["words"]
    assert 40 <= words.min() <= 60
    assert 2200 <= words.max() <= 2500
    assert 400 <= words.median() <= 600
    assert words.mean() > words.median()


def test_every_kind_of_call_is_there(calls):
    assert calls["industry"].n_unique() == 9
    assert set(calls["outcome"]) == {"resolved", "pending", "escalated", "declined", "disconnected"}
    assert set(calls["mood"]) == {"calm", "friendly", "frustrated", "angry", "anxious", "confused"}
    assert set(calls["language"]) == {"en", "es", "de", "fr"}
    assert 0.02 <= (calls["language"] != "en").mean() <= 0.08


def test_holds_transfers_interruptions_and_spelled_numbers_occur(calls):
    text = "\n".join(calls["transcript"])
    assert re.search(r"put you on (a brief )?hold", text)
    assert "transfer you" in text
    assert re.search(r"--\nCustomer: ", text)
    assert re.search(r"(one|two|three) (four|five|six) (oh|one|two)", text)


def test_a_dropped_call_promises_nothing(calls):
    dropped = calls.filter(pl.col("outcome") == "disconnected")
    assert dropped["promised_actions"].list.len().sum() == 0


def test_phone_numbers_are_those_of_fiction_and_no_number_is_as_long_as_a_card(calls):
    text = "\n".join(calls["transcript"])
    assert set(re.findall(r"\d{3}-\d\d", text)) == {"555-01"}
    assert not re.search(r"(?:\d[ -]?){9}", text)


def test_calls_take_longer_than_they_are_spoken_at_three_words_a_second(calls):
    assert (calls["duration_s"] * 3 > calls["words"]).all()


@pytest.mark.parametrize(
    ("number", "spelled"),
    [(5, "five"), (19, "nineteen"), (40, "forty"), (45, "forty-five"), (232, "two hundred thirty-two")],
)
def test_numbers_are_spelled(number, spelled):
    assert spell(number) == spelled


def test_ordinals_have_their_endings():
    assert [format_ordinal(day) for day in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd"]
    )


def test_sentences_get_capitals_and_one_stop():
    assert polish("well... okay. is that all?.") == "Well... okay. Is that all?"
