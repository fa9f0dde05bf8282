"""Streams: decoded by botocore, held to its service model, and equal to the whole answer to the same request."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from contextlib import closing

import pytest
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from botocore.exceptions import EventStreamError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from bedrock_local import Settings, open_session
from bedrock_local.families import FAMILIES, find_family
from bedrock_local.inference import Reply, split_text
from bedrock_local.models import MODELS
from bedrock_local.protocol.event_stream import encode_event
from bedrock_local.protocol.shapes import operation_model

from .conftest import find_violations
from .test_runtime import BODIES, BODY, MODEL, SAID

TRANSPORTS = ["inside", "http"]
OPENAI = "openai.gpt-oss-20b-1:0"
METRICS = "amazon-bedrock-invocationMetrics"
STREAMS = ("ConverseStream", "InvokeModelWithResponseStream")
# One model of each family, and those that think.
BASES = [
    *{find_family(model).name: base for base, model in MODELS.items()}.values(),
    "anthropic.claude-opus-5", OPENAI, "deepseek.r1-v1:0", "moonshot.kimi-k2-thinking",
]  # fmt: skip
TOOL_SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
INPUT = {"total": 12.5}


def profile_of(base):
    return f"us.{base}" if MODELS[base].needs_profile else base


def read_chunks(runtime, model_id, body):
    response = runtime.invoke_model_with_response_stream(modelId=model_id, body=json.dumps(body))
    assert response["contentType"] == "application/json"
    return [json.loads(event["chunk"]["bytes"]) for event in response["body"]]


def read_events(runtime, model_id, **body):
    return list(runtime.converse_stream(modelId=model_id, messages=SAID, **body)["stream"])


def join_anthropic(chunks):
    """Build the message that the events of Anthropic Messages describe, as Anthropic's SDK does."""
    message = {}
    for chunk in chunks:
        if chunk["type"] == "message_start":
            message = chunk["message"]
        elif chunk["type"] == "content_block_start":
            message["content"].append(chunk["content_block"] | {"json": ""})
        elif chunk["type"] == "content_block_delta":
            delta, block = chunk["delta"], message["content"][chunk["index"]]
            for name in ("text", "thinking", "signature"):
                block[name] = block.get(name, "") + delta.get(name, "")
            block["json"] += delta.get("partial_json", "")
        elif chunk["type"] == "message_delta":
            message |= chunk["delta"]
            message["usage"] |= chunk["usage"]
    names = {"text": ("text",), "thinking": ("thinking", "signature"), "tool_use": ("id", "name")}
    for place, block in enumerate(message["content"]):
        kept = {name: block[name] for name in ("type", *names[block["type"]])}
        message["content"][place] = kept | ({"input": json.loads(block["json"])} if block["json"] else {})
    return message


def join_content(events):
    """Build the content that events of Converse describe."""
    blocks = defaultdict(lambda: defaultdict(str))
    for name, event in events:
        if name == "contentBlockStart":
            blocks[event["contentBlockIndex"]] |= event["start"]["toolUse"]
        elif name == "contentBlockDelta":
            delta = event["delta"]
            for kind, text in {**delta.pop("toolUse", {}), **delta}.items():
                inside = text if isinstance(text, dict) else {kind: text}
                for field, piece in inside.items():
                    blocks[event["contentBlockIndex"]][f"{kind}.{field}" if isinstance(text, dict) else field] += piece
    return [blocks[place] for place in sorted(blocks)]


def describe_content(content):
    """Describe the content of a whole answer as `join_content` does."""
    for block in content:
        if reasoning := block.get("reasoningContent"):
            yield {f"reasoningContent.{name}": text for name, text in reasoning["reasoningText"].items() if text}
        elif call := block.get("toolUse"):
            yield {**call, "input": call["input"]}
        elif block["text"]:
            yield block


def join_chat(chunks):
    """Join the deltas of the first choice: text, tool input, finish reason and usage."""
    choices = [chunk["choices"][0] for chunk in chunks]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    calls = [call["function"] for choice in choices for call in choice["delta"].get("tool_calls", ())]
    arguments = "".join(call["arguments"] for call in calls)
    return text, arguments, choices[-1]["finish_reason"], chunks[-1]["usage"]


def describe_chat(answer):
    (choice, *_) = answer["choices"]
    calls = choice["message"].get("tool_calls") or [{"function": {"arguments": ""}}]
    text = choice["message"]["content"] or ""
    return text, calls[0]["function"]["arguments"], choice["finish_reason"], answer["usage"]


def join_texts(chunks, *path, stop):
    """Join the texts at a path of all chunks, and return them with the stop reason of the last."""
    return "".join(find(chunk, path) or "" for chunk in chunks), find(chunks[-1], (*path[:-1], stop))


def find(value, path):
    for step in path:
        value = value.get(step) if isinstance(value, dict) else value[step]
    return value


# How the chunks of a family are joined, and what they are compared with in its answer.
FORMS = {
    "anthropic": (join_anthropic, dict),
    "cohere-command": (
        lambda chunks: join_texts(chunks, "text", stop="finish_reason"),
        lambda answer: join_texts(answer["generations"], "text", stop="finish_reason"),
    ),
    "cohere-command-r": (
        lambda chunks: (*join_texts(chunks, "text", stop="finish_reason"), chunks[-1]["response"]["text"]),
        lambda answer: (answer["text"], answer["finish_reason"], answer["text"]),
    ),
    "deepseek": (lambda chunks: join_texts(chunks, "choices", 0, "text", stop="stop_reason"),) * 2,
    "jamba": (join_chat, describe_chat),
    "llama": (lambda chunks: join_texts(chunks, "generation", stop="stop_reason"),) * 2,
    "mistral-chat": (
        lambda chunks: (
            join_texts(chunks, "choices", 0, "message", "content", stop="role")[0],
            find(chunks[-1], ("choices", 0, "stop_reason")),
        ),
    ) * 2,
    "mistral-prompt": (lambda chunks: join_texts(chunks, "outputs", 0, "text", stop="stop_reason"),) * 2,
    "nova": (
        lambda chunks: (
            [dict(block) for block in join_content(next(iter(chunk.items())) for chunk in chunks)],
            next(chunk["messageStop"]["stopReason"] for chunk in chunks if "messageStop" in chunk),
            chunks[-1]["metadata"]["usage"],
        ),
        lambda answer: (
            list(describe_content(answer["output"]["message"]["content"])), answer["stopReason"], answer["usage"]
        ),
    ),
    "openai": (join_chat, describe_chat),
    "titan": (
        lambda chunks: (*join_texts(chunks, "outputText", stop="completionReason"), chunks[-1]["inputTextTokenCount"]),
        lambda answer: (
            *join_texts(answer["results"], "outputText", stop="completionReason"), answer["inputTextTokenCount"]
        ),
    ),
    "writer": (join_chat, describe_chat),
}  # fmt: skip
# Forms that an answer and its chunks share are written for a list of chunks.
LISTS = ("deepseek", "llama", "mistral-chat", "mistral-prompt")


def describe_answer(family, answer):
    return FORMS[family][1]([answer] if family in LISTS else answer)


def test_every_family_streams():
    assert FORMS.keys() == {family.name for family in FAMILIES}


@pytest.mark.parametrize("base", BASES)
def test_the_chunks_of_a_native_stream_join_to_the_whole_answer(runtime, base):
    family, model_id = find_family(MODELS[base]).name, profile_of(base)
    chunks = read_chunks(runtime, model_id, BODIES[family])
    response = runtime.invoke_model(modelId=model_id, body=json.dumps(BODIES[family]))
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    metrics = chunks[-1].pop(METRICS)
    assert FORMS[family][0](chunks) == describe_answer(family, json.loads(response["body"].read()))
    assert metrics["inputTokenCount"] == int(headers["x-amzn-bedrock-input-token-count"])
    assert metrics["outputTokenCount"] == int(headers["x-amzn-bedrock-output-token-count"])
    assert 0 <= metrics["firstByteLatency"] <= metrics["invocationLatency"]
    assert not any(METRICS in chunk for chunk in chunks)


@pytest.mark.parametrize("base", BASES)
def test_the_events_of_converse_join_to_the_whole_answer(runtime, base):
    events = [next(iter(event.items())) for event in read_events(runtime, profile_of(base))]
    answer = runtime.converse(modelId=profile_of(base), messages=SAID)
    assert [dict(block) for block in join_content(events)] == list(
        describe_content(answer["output"]["message"]["content"])
    )
    assert [name for name, _ in events[:1]] + [name for name, _ in events[-2:]] == [
        "messageStart", "messageStop", "metadata",
    ]  # fmt: skip
    assert events[-2][1] == {"stopReason": answer["stopReason"]}
    assert events[-1][1]["usage"] == answer["usage"]


def read_frames(session, operation, model_id, body):
    """Read a stream past the parser of the client, which drops members that the service model does not have."""
    frames = EventStreamBuffer()

    def keep(event_name, response_dict, **_):
        content = b"".join(response_dict["body"].stream())
        frames.add_data(content)
        response_dict["body"] = type("Empty", (), {"stream": lambda self: iter(()), "close": lambda self: None})()

    client = session.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register(f"before-parse.bedrock-runtime.{operation}", keep)
    if operation == "ConverseStream":
        client.converse_stream(modelId=model_id, **body)
    else:
        client.invoke_model_with_response_stream(modelId=model_id, body=json.dumps(body))
    return list(frames)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("operation", STREAMS)
def test_every_event_has_the_shape_of_the_service_model(session, operation, base):
    body = {"messages": SAID} if operation == "ConverseStream" else BODIES[find_family(MODELS[base]).name]
    shapes = operation_model("bedrock-runtime", operation).get_event_stream_output().members
    frames = read_frames(session, operation, profile_of(base), body)
    assert frames
    for frame in frames:
        assert list(frame.headers) == [":event-type", ":content-type", ":message-type"]
        content = json.loads(frame.payload)
        # Padding, which no shape has: recordings.
        assert "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".startswith(content.pop("p"))
        assert list(find_violations(content, shapes[frame.headers[":event-type"]], frame.headers[":event-type"])) == []


def test_a_frame_is_that_of_the_specification():
    # Lengths and checksums by hand: 12 bytes of prelude, one header block, 9 + 2 bytes of payload, 4 of the checksum.
    frame = encode_event("chunk", {"a": "b"})
    headers = b"\x0b:event-type\x07\x00\x05chunk\x0d:content-type\x07\x00\x10application/json"
    headers += b"\x0d:message-type\x07\x00\x05event"
    assert frame[12:-4] == headers + b'{"a":"b"}'
    assert int.from_bytes(frame[:4]) == len(frame)
    assert int.from_bytes(frame[4:8]) == len(headers)
    assert int.from_bytes(frame[8:12]) == zlib.crc32(frame[:8])
    assert int.from_bytes(frame[-4:]) == zlib.crc32(frame[:-4])


def test_a_damaged_frame_is_noticed():
    frames = EventStreamBuffer()
    frame = encode_event("chunk", {"a": "b"})
    frames.add_data(frame[:-10] + b"!" + frame[-9:])
    with pytest.raises(ChecksumMismatch):
        list(frames)


@pytest.mark.parametrize("text", ["", " ", "a\n\nb  c", "لا أعرف", "x" * 40])
def test_pieces_join_to_the_text(text):
    assert "".join(split_text(text)) == text


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(st.characters(codec="utf-8"), min_size=1), base=st.sampled_from(BASES))
def test_any_text_is_the_same_in_pieces(tmp_path_factory, text, base):
    folder = tmp_path_factory.getbasetemp() / "any-text"
    reply = Reply(text, "end", 3, 4)
    runtime = open_session(folder, responder=lambda _: reply).client("bedrock-runtime")
    family = find_family(MODELS[base]).name
    chunks = read_chunks(runtime, profile_of(base), BODIES[family])
    answer = json.loads(runtime.invoke_model(modelId=profile_of(base), body=json.dumps(BODIES[family]))["body"].read())
    assert FORMS[family][0](chunks) == describe_answer(family, answer)


TOOLS = {
    "anthropic": (
        MODEL,
        {
            "tools": [{"name": "bill", "input_schema": TOOL_SCHEMA}],
            "tool_choice": {"type": "tool", "name": "bill"},
        },
    ),
    "nova": (
        "amazon.nova-lite-v1:0",
        {
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "bill", "inputSchema": {"json": TOOL_SCHEMA}}}],
                "toolChoice": {"tool": {"name": "bill"}},
            }
        },
    ),
    "openai": (
        OPENAI,
        {
            "tools": [{"type": "function", "function": {"name": "bill", "parameters": TOOL_SCHEMA}}],
            "tool_choice": {"type": "function", "function": {"name": "bill"}},
        },
    ),
}


def bill(question):
    return Reply(json.dumps(INPUT), "end", 3, 4)


@pytest.mark.parametrize("family", TOOLS)
def test_the_input_of_a_tool_comes_in_pieces(folder, family):
    runtime = open_session(folder, responder=bill).client("bedrock-runtime")
    model_id, more = TOOLS[family]
    body = BODIES[family] | more
    chunks = read_chunks(runtime, model_id, body)
    joined = FORMS[family][0](chunks)
    answer = json.loads(runtime.invoke_model(modelId=model_id, body=json.dumps(body))["body"].read())
    expected = describe_answer(family, answer)
    if family == "nova":
        joined[0][0]["input"] = json.loads(joined[0][0]["input"])
    assert joined == expected
    assert json.dumps(answer).count("12.5") == 1


@pytest.mark.parametrize("model_id", [MODEL, "amazon.nova-lite-v1:0"])
def test_converse_calls_a_forced_tool_whole_and_in_pieces(folder, model_id):
    runtime = open_session(folder, responder=bill).client("bedrock-runtime")
    config = TOOLS["nova"][1]
    answer = runtime.converse(modelId=model_id, messages=SAID, **config)
    (block,) = answer["output"]["message"]["content"]
    assert (block["toolUse"]["name"], block["toolUse"]["input"], answer["stopReason"]) == ("bill", INPUT, "tool_use")
    events = [next(iter(event.items())) for event in read_events(runtime, model_id, **config)]
    (joined,) = join_content(events)
    assert {**joined, "input": json.loads(joined["input"])} == block["toolUse"]
    assert dict(events)["messageStop"] == {"stopReason": "tool_use"}


@pytest.mark.parametrize("family", ["openai", "cohere-command"])
def test_a_body_may_say_that_it_asks_for_a_stream(runtime, family):
    base = next(base for base in BASES if find_family(MODELS[base]).name == family)
    assert read_chunks(runtime, profile_of(base), BODIES[family] | {"stream": True})


@pytest.mark.parametrize("body", [{}, BODY | {"max_tokens": 0}, BODY | {"unheard": 1}])
def test_a_refused_body_is_an_error_and_no_stream(runtime, error_of, body):
    arguments = {"modelId": MODEL, "body": json.dumps(body)}
    whole = error_of(runtime.invoke_model, **arguments)
    assert error_of(runtime.invoke_model_with_response_stream, **arguments) == whole
    assert whole[:2] == ("ValidationException", 400)


def test_the_latency_that_was_asked_for_comes_back(runtime):
    response = runtime.invoke_model_with_response_stream(
        modelId=MODEL, body=json.dumps(BODY), performanceConfigLatency="optimized"
    )
    assert response["performanceConfigLatency"] == "optimized"
    assert len(list(response["body"])) > 3


ERRORS = {
    "stream-throttled": "throttlingException",
    "stream-model-error": "modelStreamErrorException",
    "stream-timeout": "modelTimeoutException",
    "stream-invalid": "validationException",
    "stream-internal-error": "internalServerException",
    "stream-unavailable": "serviceUnavailableException",
}


@pytest.mark.parametrize(("fault", "code"), ERRORS.items())
@pytest.mark.parametrize("operation", STREAMS)
def test_an_error_ends_a_stream_half_way(open_at, operation, fault, code):
    runtime = open_at(faults={f"{fault}:{operation}": 1}).client("bedrock-runtime")
    if operation == "ConverseStream":
        stream = runtime.converse_stream(modelId=MODEL, messages=SAID)["stream"]
        code = "modelStreamErrorException" if fault == "stream-timeout" else code
    else:
        stream = runtime.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(BODY))["body"]
    with closing(stream):
        events = iter(stream)
        assert [len(next(events)) for _ in range(3)] == [1, 1, 1]
        with pytest.raises(EventStreamError) as caught:
            next(events)
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("operation", STREAMS)
def test_a_connection_ends_half_way(open_at, operation):
    runtime = open_at(faults={"stream-cut": 1}).client("bedrock-runtime")
    read = {STREAMS[0]: lambda: read_events(runtime, MODEL), STREAMS[1]: lambda: read_chunks(runtime, MODEL, BODY)}
    with pytest.raises(ProtocolError):
        read[operation]()


def test_an_error_of_a_stream_leaves_other_operations_alone(open_at):
    session = open_at(faults=dict.fromkeys(["stream-throttled", "stream-cut"], 1))
    assert session.client("bedrock-runtime").converse(modelId=MODEL, messages=SAID)["stopReason"] == "end_turn"


class Slow:
    """A responder that says a word, waits for a sign, and then says the rest, or fails."""

    def __init__(self, error=None):
        self.error, self.said, self.is_closed = error, [], False

    def __call__(self, question):
        raise AssertionError("asked for the whole")

    def stream(self, question):
        try:
            self.said.append("one")
            yield "one "
            self.said.append("two")
            if self.error:
                raise self.error
            yield ""
            yield "two"
            return Reply("one two", "end", 7, 9)
        finally:
            self.is_closed = True


def test_a_piece_reaches_the_client_before_the_next_is_asked_for(folder):
    slow = Slow()
    runtime = open_session(folder, responder=slow).client("bedrock-runtime")
    events = iter(runtime.converse_stream(modelId=MODEL, messages=SAID)["stream"])
    assert next(events) == {"messageStart": {"role": "assistant"}}
    assert next(events)["contentBlockDelta"]["delta"] == {"text": "one "}
    assert slow.said == ["one"]
    rest = list(events)
    assert rest[0]["contentBlockDelta"]["delta"] == {"text": "two"}
    assert rest[-1]["metadata"]["usage"].items() >= {"inputTokens": 7, "outputTokens": 9}.items()


def test_a_client_that_stops_reading_ends_the_question(folder):
    slow = Slow()
    runtime = open_session(folder, responder=slow).client("bedrock-runtime")
    stream = runtime.converse_stream(modelId=MODEL, messages=SAID)["stream"]
    next(iter(stream))
    stream.close()
    assert (slow.is_closed, slow.said) == (True, ["one"])
    # The one place of the responder is free again.
    assert len(read_events(runtime, MODEL)) > 3


@pytest.mark.parametrize(
    ("error", "code"), [(RuntimeError("a secret"), "modelStreamErrorException"), (TimeoutError(), "modelTimeout")]
)
def test_a_responder_that_fails_half_way_is_an_error_in_the_stream(folder, error, code):
    runtime = open_session(folder, responder=Slow(error)).client("bedrock-runtime")
    with pytest.raises(EventStreamError, match=code) as caught:
        read_chunks(runtime, MODEL, BODY)
    assert "a secret" not in str(caught.value)


def test_a_responder_that_fails_at_once_is_an_ordinary_error(folder, error_of):
    slow = Slow()
    slow.stream = lambda question: (_ for _ in ()).throw(RuntimeError("no"))
    runtime = open_session(folder, responder=slow, settings=Settings()).client("bedrock-runtime")
    assert error_of(runtime.converse_stream, modelId=MODEL, messages=SAID)[:2] == ("ModelErrorException", 424)


def test_llama_counts_its_prompt_in_the_first_chunk_alone(runtime):
    chunks = read_chunks(runtime, "meta.llama3-1-8b-instruct-v1:0", BODIES["llama"])
    assert [chunk["prompt_token_count"] for chunk in chunks] == [4] + [None] * (len(chunks) - 1)


def test_structured_output_comes_in_pieces(folder):
    """By `extract`, which answers with JSON that fits the schema."""
    runtime = open_session(folder).client("bedrock-runtime")
    schema = {"type": "object", "properties": {"sum": {"type": "string"}}, "required": ["sum"]}
    form = {"schema": json.dumps(schema | {"additionalProperties": False}), "name": "bill"}
    config = {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": form}}}}
    events = [next(iter(event.items())) for event in read_events(runtime, MODEL, **config)]
    (block,) = join_content(events)
    assert list(json.loads(block["text"])) == ["sum"]
    answer = runtime.converse(modelId=MODEL, messages=SAID, **config)
    assert [dict(block)] == answer["output"]["message"]["content"]
    assert len([name for name, _ in events if name == "contentBlockDelta"]) > 1


def test_fields_that_a_request_asks_for_come_with_the_end_of_the_message(runtime):
    asked = {"additionalModelResponseFieldPaths": ["/stop_sequence", "/none"]}
    *_, stop, metadata = runtime.converse_stream(modelId=MODEL, messages=SAID, **asked)["stream"]
    assert stop["messageStop"]["additionalModelResponseFields"] == {"stop_sequence": None}
    assert "additionalModelResponseFields" not in metadata["metadata"]
