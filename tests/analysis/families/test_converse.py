import msgspec
import pytest

from analysis.families.converse import CONVERSE, ConverseAnswer, ConverseRequest
from analysis.families.family import ParsedAnswer, Sampling
from analysis.prompts import Prompt

BARE = Prompt(name="short", model_id="zai.glm-4.7", template="{{ transcript }}", invocation_type="Converse")
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
    return msgspec.json.decode(body, type=ConverseAnswer).parse()


def read_content(content: str) -> str | None:
    return read(f'{{"output":{{"message":{{"role":"assistant","content":{content}}}}}}}').text


def read_sampling(body: str) -> Sampling:
    return msgspec.json.decode(body, type=ConverseRequest).sampling()


def test_a_minimal_prompt_sends_only_required_fields():
    assert CONVERSE.write_request(BARE, "Hello") == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 1024},
    }


def test_what_the_prompt_sets_is_sent_in_a_fixed_order():
    assert list(CONVERSE.write_request(FULL, "Hello").items()) == [
        ("system", [{"text": "You write notes."}]),
        ("messages", [{"role": "user", "content": [{"text": "Hello"}]}]),
        ("inferenceConfig", {"maxTokens": 400, "temperature": 0, "topP": 0.9, "stopSequences": ["END"]}),
        ("additionalModelRequestFields", {"top_k": 5, "thinking": {"type": "adaptive"}}),
    ]


@pytest.mark.parametrize(
    ("model_id", "fields"),
    [
        ("us.amazon.nova-lite-v1:0", {"inferenceConfig": {"topK": 20}}),
        ("cohere.command-r-v1:0", {"k": 20}),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", {"top_k": 20}),
    ],
)
def test_top_k_is_written_as_the_model_names_it(model_id, fields):
    request = CONVERSE.write_request(msgspec.structs.replace(BARE, model_id=model_id, top_k=20), "Hello")
    assert request["additionalModelRequestFields"] == fields


def test_the_inference_parameters_of_a_request_are_read_back():
    echo = msgspec.convert(CONVERSE.write_request(FULL, "Hello"), ConverseRequest)
    assert echo.sampling() == Sampling(max_tokens=400, temperature=0.0, top_p=0.9, top_k=5)
    assert echo.has_own_field()


@pytest.mark.parametrize(
    "body",
    [
        '{"inferenceConfig":{"topK":20}}',
        '{"additionalModelRequestFields":{"top_k":20}}',
        '{"additionalModelRequestFields":{"k":20}}',
        '{"additionalModelRequestFields":{"inferenceConfig":{"topK":20}}}',
    ],
)
def test_top_k_is_read_from_where_the_model_expects_it(body):
    assert read_sampling(body) == Sampling(top_k=20)


@pytest.mark.parametrize("body", ["{}", '{"inferenceConfig":null}', '{"additionalModelRequestFields":null}'])
def test_inference_parameters_that_are_not_set_are_missing(body):
    assert read_sampling(body) == Sampling()


def test_an_anthropic_request_has_no_field_of_this_family_alone():
    assert not msgspec.convert({"max_tokens": 4, "messages": []}, ConverseRequest).has_own_field()


def test_members_that_are_null_are_ignored():
    parsed = read(
        '{"output":{"message":{"role":"assistant","content":[{"text":null,"image":null,"toolUse":null,'
        '"citationsContent":null,"reasoningContent":{"reasoningText":{"text":"Hm."}}},'
        '{"text":"Refund asked.","image":null,"reasoningContent":null}]}},"stopReason":"end_turn",'
        '"usage":{"inputTokens":419,"outputTokens":8,"totalTokens":427,"cacheReadInputTokens":null,'
        '"cacheWriteInputTokens":null,"cacheDetails":null},"metrics":null}'
    )
    assert parsed == ParsedAnswer(None, "Refund asked.", "end_turn", 419, 8, reasoning_chars=3)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[]", None),
        ("null", None),
        ('[{"toolUse":{"name":"look","input":{}}}]', None),
        ('[{"text":""}]', ""),
        ('[{"text":"a"},{"text":"b"}]', "ab"),
        (
            '[{"text":"He should "},{"citationsContent":{"content":[{"text":"call back."}],"citations":[]}}]',
            "He should call back.",
        ),
    ],
)
def test_text_blocks_and_cited_texts_are_joined(content, text):
    assert read_content(content) == text


@pytest.mark.parametrize("output", ["null", "{}", '{"message":null}', '{"message":{"content":null}}'])
def test_an_answer_without_a_message_has_no_text(output):
    assert read(f'{{"output":{output}}}') == ParsedAnswer()


@pytest.mark.parametrize("name", ["cacheReadInputTokens", "cacheReadInputTokenCount"])
def test_the_cache_counter_is_read_under_either_name(name):
    assert read(f'{{"output":null,"usage":{{"{name}":30}}}}').cache_read_tokens == 30


def test_the_two_names_of_a_cache_counter_are_not_added():
    usage = '{"cacheWriteInputTokens":30,"cacheWriteInputTokenCount":30,"cacheReadInputTokens":0}'
    parsed = read(f'{{"output":null,"usage":{usage}}}')
    assert (parsed.cache_read_tokens, parsed.cache_write_tokens) == (0, 30)


@pytest.mark.parametrize(
    ("stop_reason", "stop"),
    [
        ("end_turn", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool"),
        ("guardrail_intervened", "filtered"),
        ("Content_Filtered", "filtered"),
        ("malformed_tool_use", "other"),
        (None, None),
    ],
)
def test_stop_reasons_in_common_words(stop_reason, stop):
    assert CONVERSE.find_stop(stop_reason) == stop
