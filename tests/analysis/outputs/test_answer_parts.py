"""What an answer has besides one text: tool calls, blocks of other kinds, several choices, parts in place of a text."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis import add_costs, find_prices
from analysis.outputs import OUTPUT_SCHEMA, load_outputs, scan_outputs, scan_parts, write_part
from analysis.outputs.frames import list_columns, make_frame
from analysis.outputs.lines import read_lines

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
CASES = Path(__file__).parents[4] / "shared" / "data" / "cases"
INPUT = '{"reason":"Line dead","urgent":true}'
CALL = {"name": "note_call", "input": INPUT}


def read(answer: dict, model_id: str | None = None) -> dict:
    (row,) = read_lines([json.dumps({"recordId": "r1", "modelOutput": answer}).encode()], "a.jsonl.out", model_id)
    return {name: value for name, (value,) in list_columns([row]).items()}


def chat(*messages, **fields):
    choices = [{"index": place, "message": message, "finish_reason": "stop"} for place, message in enumerate(messages)]
    return {"choices": choices, "model": "qwen.qwen3-32b-v1:0", "usage": {"prompt_tokens": 7}} | fields


def converse(*blocks):
    return {"output": {"message": {"content": list(blocks)}}, "stopReason": "tool_use", "usage": {"inputTokens": 7}}


def anthropic(*blocks):
    return {"content": list(blocks), "stop_reason": "tool_use", "usage": {"input_tokens": 7}}


def function(arguments):
    return {"id": "t1", "type": "function", "function": {"name": "note_call", "arguments": arguments}}


VALUE = json.loads(INPUT)
TOOL_ANSWERS = {
    "anthropic": anthropic({"type": "tool_use", "id": "t1", "name": "note_call", "input": VALUE}),
    "converse": converse({"toolUse": {"toolUseId": "t1", "name": "note_call", "input": VALUE}}),
    "converse, other members null": converse(
        {"text": None, "image": None, "toolUse": {"name": "note_call", "input": VALUE}}
    ),
    "chat": chat({"content": None, "tool_calls": [function(INPUT)]}),
    "chat, arguments as an object": chat({"content": None, "tool_calls": [function(VALUE)]}),
    "chat, one function of the older form": chat({"content": None, "function_call": function(INPUT)["function"]}),
    "mistral_chat": {
        "choices": [{"message": {"content": "", "tool_calls": [function(INPUT)]}, "stop_reason": "tool_calls"}]
    },
    "cohere_r": {"text": "", "finish_reason": "COMPLETE", "tool_calls": [{"name": "note_call", "parameters": VALUE}]},
}


@pytest.mark.parametrize("answer", TOOL_ANSWERS.values(), ids=TOOL_ANSWERS)
def test_a_tool_call_has_its_name_and_its_input(answer):
    row = read(answer, "mistral.mistral-large-2407-v1:0")
    assert row["tool_calls"] == [CALL]
    assert (row["skipped_blocks"], row["error_kind"], row["error_message"]) == (0, None, None)
    assert not row["text"]


def test_several_tool_calls_keep_their_order_and_the_text_beside_them():
    calls = [{"type": "tool_use", "name": name, "input": {}} for name in "ba"]
    row = read(anthropic(calls[0], {"type": "text", "text": "Hi."}, calls[1]))
    assert [call["name"] for call in row["tool_calls"]] == ["b", "a"]
    assert row["text"] == "Hi."


def test_the_input_that_a_model_wrote_as_text_keeps_its_spelling():
    cut = '{"reason": "Li'
    assert read(chat({"content": None, "tool_calls": [function(cut)]}))["tool_calls"][0]["input"] == cut


JSON = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False),
    max_size=3,
)


@given(JSON)
def test_the_input_of_a_tool_call_is_read_back(value):
    for answer in (
        anthropic({"type": "tool_use", "name": "a", "input": value}),
        converse({"toolUse": {"name": "a", "input": value}}),
        chat({"content": None, "tool_calls": [function(json.dumps(value))]}),
    ):
        assert json.loads(read(answer)["tool_calls"][0]["input"]) == value


@pytest.mark.parametrize(
    ("answer", "skipped"),
    [
        (anthropic({"type": "text", "text": "Hi."}), 0),
        (anthropic({"type": "text", "text": "Hi."}, {"type": "redacted_thinking", "data": "x"}), 1),
        (anthropic({"type": "image"}, {"type": "server_tool_use", "name": "s"}, {"type": "text", "text": "Hi."}), 2),
        (converse({"text": "Hi."}, {"image": {}}), 1),
        (converse({"text": "Hi."}, {"reasoningContent": {"redactedContent": "eA=="}}), 1),
        (converse({"text": "Hi."}, {"reasoningContent": {"reasoningText": {"text": "Hm."}}}), 0),
        (chat({"content": [{"type": "text", "text": "Hi."}, {"type": "audio"}]}), 1),
    ],
)
def test_blocks_that_are_passed_over_are_counted(answer, skipped):
    row = read(answer)
    assert (row["text"], row["skipped_blocks"]) == ("Hi.", skipped)


@pytest.mark.parametrize(
    ("answer", "chars"),
    [
        (anthropic({"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi."}), 3),
        (converse({"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "<think>Yes.</think>Hi."}), 7),
        (chat({"content": "Hi.", "reasoning_content": "Hm."}), 3),
        (chat({"content": "Hi.", "reasoning": "Hm."}), 3),
        (chat({"content": "Hi.", "reasoning_content": "Hm.", "reasoning": "Hm."}), 3),
        (chat({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"text": "Hi."}]}), 3),
        (chat({"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi."}]}), 3),
    ],
)
def test_reasoning_that_stands_apart_is_counted(answer, chars):
    row = read(answer)
    assert (row["text"], row["reasoning_chars"], row["skipped_blocks"]) == ("Hi.", chars, 0)


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (chat({"content": "Hi."}, {"content": "Ho."}), "1 further choice left out"),
        (chat({"content": "Hi."}, {"content": "Ho."}, {"content": "Hu."}), "2 further choices left out"),
        ({"choices": [{"text": "Hi."}, {"text": "Ho."}], "model": "x"}, "1 further choice left out"),
        ({"generations": [{"text": "Hi."}, {"text": "Ho."}]}, "1 further generation left out"),
        ({"results": [{"outputText": "Hi."}, {}]}, "1 further result left out"),
        ({"outputs": [{"text": "Hi."}, {}, {}]}, "2 further outputs left out"),
        ({"completions": [{"data": {"text": "Hi."}}, {}]}, "1 further completion left out"),
    ],
)
def test_further_choices_are_noted(answer, note):
    row = read(answer)
    assert (row["text"], row["error_kind"]) == ("Hi.", None)
    assert note in row["error_message"]


@pytest.mark.parametrize("content", [[], None, "", " \n", [{"type": "text", "text": ""}]], ids=repr)
def test_an_answer_without_words_says_so(content):
    row = read({"content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 7}})
    assert (row["error_kind"], row["stop"], row["input_tokens"]) == (None, "end", 7)
    assert row["error_message"] == "no words in the answer"


# Odd fields, beside text, stop and tokens that are plain.
ODD = {
    "anthropic": (anthropic({"type": "text", "text": "Hi."}), ["model", "usage"]),
    "converse": (converse({"text": "Hi.", "citationsContent": None}), ["usage"]),
    "chat": (chat({"content": "Hi."}), ["model", "usage"]),
}


@pytest.mark.parametrize("odd", [5, "x", [], [1], {"a": {}}, True], ids=repr)
@pytest.mark.parametrize("name", ODD)
def test_an_odd_field_leaves_the_rest_of_the_answer(name, odd):
    answer, fields = ODD[name]
    for field in fields:
        row = read(answer | {field: odd})
        assert (row["text"], row["error_kind"]) == ("Hi.", None)


@pytest.mark.parametrize("odd", [5, "x", [1], {"a": {}}, True], ids=repr)
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "tool_calls", "function_call", "refusal"])
def test_an_odd_field_of_a_message_leaves_text_stop_and_tokens(field, odd):
    row = read(chat({"content": "Hi.", field: odd}))
    assert (row["text"], row["stop"], row["input_tokens"], row["error_kind"]) == ("Hi.", "end", 7, None)


@pytest.mark.parametrize("odd", [5, "x", [1], True], ids=repr)
def test_an_odd_member_of_a_block_leaves_the_blocks_beside_it(odd):
    for member in ("text", "toolUse", "reasoningContent", "citationsContent"):
        if not (member == "text" and odd == "x"):
            row = read(converse({member: odd}, {"text": "Hi."}))
            assert (row["text"], row["stop"], row["input_tokens"]) == ("Hi.", "tool", 7)


def test_parts_of_a_message_are_one_text():
    parts = [{"type": "text", "text": "Fee "}, {"type": "text", "text": "back."}]
    assert read(chat({"content": parts}))["text"] == "Fee back."
    assert read(chat({"content": ["Fee ", "back."]}))["text"] == "Fee back."


def write_lines(path, *answers):
    path.write_text("".join(json.dumps({"recordId": "r", "modelOutput": answer}) + "\n" for answer in answers))
    return path


def test_a_frame_has_the_tool_calls_of_some_of_its_rows(tmp_path):
    path = write_lines(tmp_path / "a.jsonl.out", anthropic({"type": "text", "text": "Hi."}), *TOOL_ANSWERS.values())
    frame = load_outputs(path)
    assert frame.schema == OUTPUT_SCHEMA
    assert frame["tool_calls"].to_list() == [None] + [[CALL]] * len(TOOL_ANSWERS)
    chosen = scan_outputs(path).select(pl.col("tool_calls").list.first().struct.field("input")).collect()
    assert chosen["input"].to_list() == [None] + [INPUT] * len(TOOL_ANSWERS)


def test_a_part_keeps_tool_calls(tmp_path):
    path = write_lines(tmp_path / "a.jsonl.out", anthropic({"type": "text", "text": "Hi."}), *TOOL_ANSWERS.values())
    frame = load_outputs(path)
    write_part([frame], tmp_path / "part.parquet")
    assert_frame_equal(scan_parts([tmp_path / "part.parquet"]).collect(), frame)


def test_a_part_of_an_earlier_version_has_the_new_columns_missing(tmp_path):
    frame = load_outputs(write_lines(tmp_path / "a.jsonl.out", anthropic({"type": "text", "text": "Hi."})))
    new = ["tool_calls", "skipped_blocks", "reasoning_chars", "vectors", "vector_length", "vector_type"]
    frame.drop(new).write_parquet(tmp_path / "part.parquet")
    part = scan_parts([tmp_path / "part.parquet"]).collect()
    assert part.schema == OUTPUT_SCHEMA
    assert part.select(new).row(0) == (None,) * 6
    assert part["text"].item() == "Hi."


def test_tags_that_a_text_may_have_are_a_choice_of_the_reader(tmp_path):
    path = write_lines(tmp_path / "a.jsonl.out", anthropic({"type": "text", "text": "<think>a</think>b"}))
    assert load_outputs(path)["text"].item() == "b"
    assert load_outputs(path, reasoning_tags=())["text"].item() == "<think>a</think>b"
    assert scan_outputs(path, reasoning_tags=["plan"]).collect()["text"].item() == "<think>a</think>b"


# What a case of the collection holds: name of the file, model, and columns with their values.
EXPECTED = {
    "tool-use-answer/anthropic.jsonl.out": [
        {
            "stop": "tool",
            "tool_calls": [{"name": "record_call", "input": '{"reason":"Router broken","resolved":false}'}],
        }
    ],
    "tool-use-answer/converse.jsonl.out": [
        {
            "stop": "tool",
            "tool_calls": [{"name": "record_call", "input": '{"reason":"Router broken","resolved":false}'}],
        }
    ],
    "content-list-of-parts/magistral.jsonl.out": [
        {"text": "The caller wants the fee back.", "stop": "end", "input_tokens": 120, "output_tokens": 55}
    ],
    "think-tags-in-content/minimax.jsonl.out": [
        {"text": '\n\n{"reason": "fee"}'},
        {"text": None, "stop": "length"},
    ],
    "reasoning-tags-gpt-oss/out.jsonl.out": [
        {"text": '{"a":1}'},
        {"text": '{"a":1}'},
        {"text": '\n\n{"a":1}'},
        {"text": None, "stop": "length"},
        {"text": None, "stop": "length"},
    ],
    "several-choices/out.jsonl.out": [{"text": "A", "error_message": "1 further choice left out"}],
    "titan-embed-batch/input.jsonl.out": [
        {"family": "titan_embed", "input_tokens": tokens, "output_tokens": 0, "vectors": 1, "vector_length": 3}
        for tokens in (14, 5)
    ],
    "cohere-embed-batch/input.jsonl.out": [
        {"family": "cohere_embed", "error_kind": None, "input_tokens": None, "vectors": 1, "vector_length": 2}
    ],
    "empty-content/anthropic.jsonl.out": [{"error_message": "no words in the answer"}] * 4,
}


@pytest.mark.skipif(not CASES.exists(), reason="the collection of cases is not here")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_case_of_the_collection_is_read(name):
    rows = load_outputs(CASES / name, model_id="minimax.minimax-m2" if "minimax" in name else None).to_dicts()
    assert len(rows) == len(EXPECTED[name])
    for row, expected in zip(rows, EXPECTED[name], strict=True):
        assert {column: row[column] for column in expected} == expected


def test_a_frame_without_tool_calls_has_the_column():
    rows = list(read_lines([b'{"modelOutput":{"content":[]}}'] * 3, "a.jsonl.out"))
    assert make_frame(rows, [], columns=["tool_calls"]).rows() == [(None,)] * 3


EMBEDDINGS = {
    "amazon.titan-embed-text-v2:0": ({"embedding": [0.5, 0.25], "inputTextTokenCount": 9}, "titan_embed"),
    "cohere.embed-english-v3": ({"embeddings": [[0.5, 0.25]], "response_type": "embeddings_floats"}, "cohere_embed"),
    "us.cohere.embed-v4:0": ({"embeddings": {"float": [[0.5, 0.25]]}}, "cohere_embed"),
    "amazon.nova-2-multimodal-embeddings-v1:0": ({"embeddings": [{"embedding": [0.5, 0.25]}]}, "nova_embed"),
}


@pytest.mark.parametrize("model_id", EMBEDDINGS)
def test_embeddings_are_answers(model_id):
    answer, family = EMBEDDINGS[model_id]
    row = read(answer, model_id)
    assert (row["family"], row["error_kind"], row["error_message"]) == (family, None, None)
    assert (row["vectors"], row["vector_length"], row["vector_type"]) == (1, 2, "float")
    assert (row["text"], row["output_tokens"], row["stop"]) == (None, 0, None)


def test_embeddings_with_odd_counts_keep_their_vectors():
    row = read({"embedding": [0.5, 0.25], "inputTextTokenCount": "9"})
    assert (row["family"], row["vector_length"], row["input_tokens"]) == ("titan_embed", 2, None)


def test_an_answer_without_vectors_says_so():
    assert read({"embedding": [], "inputTextTokenCount": 9})["error_message"] == "no words in the answer"


def test_embeddings_are_priced_by_their_input(tmp_path):
    path = write_lines(tmp_path / "a.jsonl.out", {"embedding": [0.5], "inputTextTokenCount": 14})
    prices = find_prices(HAIKU)
    of_embeddings = prices.with_columns(model_id=pl.lit(TITAN), input_usd_per_million=0.5, output_usd_per_million=0.0)
    costed = add_costs(load_outputs(path, model_id=TITAN), of_embeddings)
    assert costed["cost_usd"].to_list() == pytest.approx([7e-6])  # 14 tokens at 0.5 USD per million
