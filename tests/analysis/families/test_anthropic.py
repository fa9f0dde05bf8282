import msgspec
import pytest

from analysis.families.anthropic import ANTHROPIC, AnthropicAnswer, AnthropicRequest
from analysis.families.family import ParsedAnswer, Sampling, ToolCall
from analysis.prompts import Prompt

BARE = Prompt(name="short", model_id="anthropic.claude-haiku-4-5", template="{{ transcript }}")
FULL = msgspec.structs.replace(
    BARE,
    system="You write notes.",
    max_tokens=400,
    temperature=0,
    top_p=0.9,
    top_k=5,
    stop_sequences=("END",),
    additional_fields={"thinking": {"type": "adaptive"}},
)


def read(body: str) -> ParsedAnswer:
    return msgspec.json.decode(body, type=AnthropicAnswer).parse()


def test_a_minimal_prompt_sends_only_required_fields():
    assert ANTHROPIC.write_request(BARE, "Hello") == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


def test_what_the_prompt_sets_is_sent_in_a_fixed_order():
    request = ANTHROPIC.write_request(FULL, "Hello")
    assert list(request) == [
        "anthropic_version",
        "max_tokens",
        "system",
        "messages",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "thinking",
    ]
    assert (request["system"], request["temperature"], request["stop_sequences"]) == ("You write notes.", 0, ["END"])


def test_the_inference_parameters_of_a_request_are_read_back():
    echo = msgspec.convert(ANTHROPIC.write_request(FULL, "Hello"), AnthropicRequest)
    assert echo.sampling() == Sampling(max_tokens=400, temperature=0.0, top_p=0.9, top_k=5)
    assert echo.has_own_field()


def test_a_converse_request_has_no_field_of_this_family_alone():
    assert not msgspec.convert({"messages": [], "inferenceConfig": {"maxTokens": 4}}, AnthropicRequest).has_own_field()


def test_text_blocks_are_joined_and_tool_calls_stand_apart():
    parsed = read(
        '{"model":"claude-haiku-4-5","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"Refund "},'
        '{"type":"tool_use","id":"t","name":"look","input":{"text":"no"}},{"type":"text","text":"asked."}],'
        '"stop_reason":"end_turn","usage":{"input_tokens":210,"output_tokens":9,"cache_read_input_tokens":0,'
        '"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":7}}}'
    )
    assert parsed == ParsedAnswer(
        "claude-haiku-4-5",
        "Refund asked.",
        "end_turn",
        210,
        9,
        0,
        7,
        tool_calls=[ToolCall("look", '{"text":"no"}')],
        reasoning_chars=3,
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[]", None),
        ("null", None),
        ('[{"type":"thinking","thinking":"Hm."}]', None),
        ('[{"type":"text","text":""}]', ""),
        ('[{"type":"text","text":null}]', None),
    ],
)
def test_an_answer_without_text_blocks_has_no_text(content, text):
    assert read(f'{{"content":{content}}}').text == text


@pytest.mark.parametrize("usage", ["", ',"usage":null', ',"usage":{}', ',"usage":{"input_tokens":null}'])
def test_token_counts_that_are_not_there_are_missing(usage):
    assert read(f'{{"content":[]{usage}}}') == ParsedAnswer()


@pytest.mark.parametrize(
    ("stop_reason", "stop"),
    [
        ("end_turn", "end"),
        ("MAX_TOKENS", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool"),
        ("refusal", "filtered"),
        ("pause_turn", "other"),
        ("", "other"),
        (None, None),
    ],
)
def test_stop_reasons_in_common_words(stop_reason, stop):
    assert ANTHROPIC.find_stop(stop_reason) == stop
