import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.families import FAMILIES
from analysis.families.reasoning import REASONING_TAGS, split_reasoning
from analysis.outputs.frames import list_columns
from analysis.outputs.lines import read_lines


@pytest.mark.parametrize(
    ("written", "text", "chars"),
    [
        ("Refund.", "Refund.", 0),
        ("<think>Hm.</think>Refund.", "Refund.", 3),
        ("<thinking>Hm.</thinking>\nRefund.", "\nRefund.", 3),
        ("<reasoning>Hm.</reasoning>Refund.", "Refund.", 3),
        ("\n <think>\nHm.\n</think>\n\nRefund.", "\n\nRefund.", 5),
        ("<reasoning>Plan.</reasoning><reasoning>More.</reasoning>Refund.", "Refund.", 10),
        ("<think>a</think>\n\n<thinking>bc</thinking>Refund.", "Refund.", 3),
        ("<think>a</think>Re<think>bc</think>fund.", "Refund.", 3),
        ("Plan.\n</think>\nRefund.", "\nRefund.", 6),
        ("Plan.</reasoning>Refund.", "Refund.", 5),
        ("Plan.</think><think>x</think>Refund.", "Refund.", 6),
        ("<think>", None, 0),
        ("<think>Hm, that is", None, 11),
        ("<think>a</think><think>cut", None, 4),
        ("<think>a</think>Refund.\n<think>cut", "Refund.\n", 4),
        ("<think>a</think>", "", 1),
        # Not reasoning: the text speaks of tags, or another program's mark-up has them.
        ("The tag <think>x</think> is HTML.", "The tag <think>x</think> is HTML.", 0),
        ("Write <reasoning> first.", "Write <reasoning> first.", 0),
        ("<think>a</think>Write a <think> tag.", "Write a <think> tag.", 1),
        ("<reasoning>Hm.</reasoning>See </reasoning>.", "See </reasoning>.", 3),
        ("<thinker>x</thinker>", "<thinker>x</thinker>", 0),
        ("a < b", "a < b", 0),
        ("", "", 0),
    ],
)
def test_reasoning_is_set_apart_and_counted(written, text, chars):
    assert split_reasoning(written) == (text, chars)


def test_tags_that_are_not_asked_for_stay_in_the_text():
    assert split_reasoning("<think>a</think>b", ()) == ("<think>a</think>b", 0)
    assert split_reasoning("<think>a</think>b", ("reasoning",)) == ("<think>a</think>b", 0)
    assert split_reasoning("<plan>a</plan>b", ("plan",)) == ("b", 1)


PIECES = st.lists(st.sampled_from([f"<{end}{tag}>" for tag in REASONING_TAGS for end in ("", "/")] + ["a", "\n", " "]))


@given(PIECES.map("".join))
def test_what_is_left_is_part_of_what_was_written(written):
    text, chars = split_reasoning(written)
    letters = iter(written)
    assert all(letter in letters for letter in text or "")  # in this order
    assert 0 <= chars <= len(written) - len(text or "")


@given(st.text(st.characters(exclude_characters="<")), st.lists(st.text(st.characters(exclude_characters="<"))))
def test_blocks_in_front_of_any_text_are_taken_out(text, thoughts):
    written = "".join(f"<think>{thought}</think>" for thought in thoughts) + text
    assert split_reasoning(written) == (text, sum(map(len, thoughts)))


# The text of an answer in the form of each family.
FORMS = {
    "anthropic": lambda text: {"content": [{"type": "text", "text": text}]},
    "converse": lambda text: {"output": {"message": {"content": [{"text": text}]}}},
    "chat": lambda text: {"choices": [{"message": {"content": text}}]},
    "llama": lambda text: {"generation": text},
    "mistral": lambda text: {"outputs": [{"text": text}]},
    "titan": lambda text: {"results": [{"outputText": text}]},
    "cohere_r": lambda text: {"text": text, "finish_reason": None},
    "cohere": lambda text: {"generations": [{"text": text}]},
    "completion": lambda text: {"choices": [{"text": text}]},
    "anthropic_text": lambda text: {"completion": text},
    "jurassic": lambda text: {"completions": [{"data": {"text": text}}]},
}


def read(form, text, **options):
    line = json.dumps({"modelOutput": FORMS[form](text)}).encode()
    (row,) = read_lines([line], "a.jsonl.out", **options)
    columns = list_columns([row])
    return columns["text"][0], columns["reasoning_chars"][0]


def test_there_is_a_form_for_every_shape_of_text():
    with_text = {family.answer for family in FAMILIES if not family.name.endswith("_embed")}
    assert len(FORMS) == len(with_text)


@pytest.mark.parametrize("form", FORMS)
def test_reasoning_is_set_apart_in_every_family(form):
    assert read(form, "<think>Hm.</think>Refund.") == ("Refund.", 3)
    assert read(form, "<thinking>Hm") == (None, 2)
    assert read(form, "Hm.</think>Refund.", reasoning_tags=()) == ("Hm.</think>Refund.", 0)


def test_reasoning_is_set_apart_in_a_line_that_is_not_of_its_types():
    line = b'{"modelOutput":{"content":"<think>Hm.</think>Refund.","usage":[]}}'
    (row,) = read_lines([line], "a.jsonl.out")
    assert (row.parsed.text, row.parsed.reasoning_chars) == ("Refund.", 3)


def test_blocks_of_one_answer_are_one_text():
    blocks = [{"text": "<thinking>Hm"}, {"text": ".</thinking>Refund."}]
    line = json.dumps({"modelOutput": {"output": {"message": {"content": blocks}}}}).encode()
    (row,) = read_lines([line], "a.jsonl.out")
    assert (row.parsed.text, row.parsed.reasoning_chars) == ("Refund.", 3)
