import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bedrock_local import open_session
from bedrock_local.emulator import Emulator
from bedrock_local.families import read_native_question
from bedrock_local.inference import ForcedTool, Question, Reply, ReplyStream
from bedrock_local.models import find_model
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.responders.openai_endpoint import Endpoint, read_pieces, read_reply
from bedrock_local.settings import Settings, read_settings

ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "A refund."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 30, "completion_tokens": 3, "total_tokens": 33},
}
SECRET = "the caller's name is Rumpelstiltskin"


class Server:
    """A chat server that records its requests, and answers what a test has put."""

    def __init__(self):
        self.requests, self.answers, self.is_held = [], [], threading.Event()
        self.is_held.set()
        self.lock, self.out, self.most = threading.Lock(), 0, 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                server.reply(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def reply(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self.lock:
            self.requests.append((handler.path, dict(handler.headers), body))
            self.out += 1
            self.most = max(self.most, self.out)
            status, answer, headers = self.answers.pop(0) if self.answers else (200, ANSWER, {})
        if "slow" in body["messages"][-1]["content"]:
            self.is_held.wait()
        with self.lock:
            self.out -= 1
        if status is None:
            handler.close_connection = True
            return
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        with suppress(ConnectionError):  # of who waits no longer
            handler.end_headers()
            handler.wfile.write(content)

    def put(self, status, answer=b"", **headers):
        self.answers.append((status, answer, {name.replace("_", "-"): value for name, value in headers.items()}))

    @property
    def bodies(self):
        return [body for _, _, body in self.requests]


@pytest.fixture
def server():
    server = Server()
    server.thread.start()
    yield server
    server.is_held.set()
    server.http.shutdown()
    server.http.server_close()
    server.thread.join()


@pytest.fixture
def ask(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    endpoint = Endpoint(server.url, pause_s=0)
    yield lambda text=SECRET, **more: endpoint(
        Question(**({"model_id": "m", "system": "", "text": text} | LIMIT | more))
    )
    endpoint.pool.clear()


LIMIT = {"max_tokens": 50}


def answer_with(content, finish_reason="stop", **more):
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason} | more
    return ANSWER | {"choices": [choice]}


def test_the_question_arrives_as_a_chat(ask, server):
    ask("Summarise.", system="Be brief.", stop_sequences=("", "END"), temperature=0.0, top_p=0.5)
    ((path, _, body),) = server.requests
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Summarise."}],
        "max_tokens": 50,
        "stop": ["END"],
        "temperature": 0.0,
        "top_p": 0.5,
    }


def test_parameters_that_were_not_requested_are_not_sent(ask, server):
    ask()
    assert set(server.bodies[0]) == {"model", "messages", "max_tokens"}
    assert [message["role"] for message in server.bodies[0]["messages"]] == ["user"]


def test_the_answer_has_its_text_and_the_servers_tokens(ask):
    reply = ask()
    assert (reply.text, reply.stop, reply.input_tokens, reply.output_tokens) == ("A refund.", "end", 30, 3)


@pytest.mark.parametrize("usage", [None, {}, [], "many", {"prompt_tokens": "30", "completion_tokens": -1}])
def test_tokens_that_the_server_does_not_count_are_counted_here(ask, server, usage):
    server.put(200, ANSWER | {"usage": usage})
    reply = ask("12345678", system="1234")
    assert (reply.input_tokens, reply.output_tokens) == (3, 3)


@pytest.mark.parametrize(
    ("finish_reason", "stop"),
    [("stop", "end"), (None, "end"), ("length", "length"), ("content_filter", "filtered"), ("eos", "end")],
)
def test_finish_reasons_are_mapped_to_the_emulators_stops(ask, server, finish_reason, stop):
    server.put(200, answer_with("A refund.", finish_reason))
    assert ask().stop == stop


def test_a_stop_sequence_in_the_text_ends_it(ask, server):
    server.put(200, answer_with("A refund. END And more."))
    reply = ask(stop_sequences=("more", "END"))
    assert (reply.text, reply.stop, reply.stop_sequence) == ("A refund. ", "stop_sequence", "END")


def test_a_stop_sequence_that_vllm_reports_is_kept(ask, server):
    server.put(200, answer_with("", stop_reason="END"))
    reply = ask(stop_sequences=("END",))
    assert (reply.text, reply.stop, reply.stop_sequence) == ("", "stop_sequence", "END")


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_or_filtered_may_be_empty(ask, server, finish_reason):
    server.put(200, answer_with(None, finish_reason))
    assert ask().text == ""


@pytest.mark.parametrize("content", [None, ""])
def test_an_empty_answer_is_a_model_error(ask, server, content):
    server.put(200, answer_with(content))
    with pytest.raises(ServiceError, match="ModelErrorException: The endpoint answered with an empty text"):
        ask()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff", b"[]", b"null", {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": "x"}]}],
)
def test_a_body_that_is_not_a_chat_completion_is_a_model_error(ask, server, body):
    server.put(200, body)
    with pytest.raises(ServiceError, match=r"ModelErrorException: .* not a chat completion"):
        ask()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, None])
def test_a_busy_server_is_asked_again(ask, server, status):
    server.put(status)
    server.put(status)
    assert ask().text == "A refund."
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "ThrottlingException"), (503, "ServiceUnavailableException"), (500, "ModelErrorException")],
)
def test_a_server_that_stays_busy_is_an_error_in_the_end(ask, server, status, code):
    for _ in range(9):
        server.put(status)
    with pytest.raises(ServiceError, match=f"{code}: The endpoint answered {status}"):
        ask()
    assert len(server.requests) == 5


@pytest.mark.parametrize(("asked", "slept"), [("7", 7), ("3600", 20), ("soon", None), ("0", None)])
def test_the_server_says_how_long_to_wait(ask, server, monkeypatch, asked, slept):
    naps = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", naps.append)
    server.put(429, retry_after=asked)
    ask()
    assert naps == ([slept] if slept else [])


@pytest.mark.parametrize(("status", "cure"), [(400, "see its log"), (401, "set OPENAI_API"), (404, "set responder_m")])
def test_a_refusal_is_not_retried_and_says_what_to_do(ask, server, status, cure):
    server.put(status, {"error": {"message": SECRET, "type": "invalid_request_error", "code": "odd"}})
    with pytest.raises(ServiceError, match=rf"ModelErrorException: The endpoint answered {status} \(odd\): {cure}"):
        ask()
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["context_length_exceeded", "exceed_context_size_error"])
def test_a_prompt_beyond_the_context_is_refused_as_bedrock_does(ask, server, name):
    server.put(400, {"error": {"message": SECRET, "type": name, "code": 400}})
    with pytest.raises(ServiceError, match="ValidationException: Input is too long for requested model"):
        ask()


@pytest.mark.parametrize("error", [{"error": SECRET}, {"error": {"code": SECRET}}, [SECRET], SECRET, {"error": None}])
def test_no_error_quotes_the_call(ask, server, error):
    server.put(400, error)
    with pytest.raises(ServiceError) as refused:
        ask()
    assert "Rumpel" not in str(refused.value)


def test_the_key_of_the_environment_is_sent_and_not_stored(server, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\n")
    endpoint = Endpoint(server.url)
    endpoint(Question("m", "", "hi", 5))
    endpoint.pool.clear()
    assert server.requests[0][1]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in repr(vars(endpoint))


def test_the_settings_name_of_the_model_goes_before_the_requested_one(server):
    endpoint = Endpoint(server.url, model="llama3.2:1b")
    endpoint(Question("m", "", "hi", 5))
    endpoint.pool.clear()
    assert server.bodies[0]["model"] == "llama3.2:1b"


def test_at_most_workers_questions_are_asked_at_once(server):
    endpoint = Endpoint(server.url, workers=3)
    server.is_held.clear()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(endpoint, Question("m", "", "slow", 5)) for _ in range(12)]
        while server.out < 3:
            pass
        server.is_held.set()
        assert [reply.result().text for reply in asked] == ["A refund."] * 12
    endpoint.pool.clear()
    assert server.most == 3


def test_a_slow_answer_does_not_delay_the_others(server):
    endpoint = Endpoint(server.url, workers=2)
    server.is_held.clear()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(endpoint, Question("m", "", "slow", 5))
        quick = [pool.submit(endpoint, Question("m", "", f"quick {number}", 5)) for number in range(20)]
        assert [reply.result().text for reply in quick] == ["A refund."] * 20
        assert not slow.done()
        server.is_held.set()
    endpoint.pool.clear()


def test_an_answer_that_takes_too_long_is_a_timeout_and_not_asked_for_again(server):
    endpoint = Endpoint(server.url, timeout=urllib3.Timeout(read=0.05))
    server.is_held.clear()
    with pytest.raises(ServiceError, match="ModelTimeoutException"):
        endpoint(Question("m", "", "slow", 5))
    endpoint.pool.clear()
    while not server.requests:  # the server may read a request after nobody waits for its answer
        pass
    assert len(server.requests) == 1


def test_a_refused_connection_is_an_error_at_once(monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pytest.fail)
    with pytest.raises(ServiceError, match=r"ServiceUnavailableException: Nothing listens at http://127.0.0.1:1/v1/"):
        Endpoint("http://127.0.0.1:1/v1")(Question("m", "", "hi", 5))


@pytest.mark.parametrize(
    ("model_id", "body"),
    [
        (
            "us.anthropic.claude-3-haiku-20240307-v1:0",
            {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "temperature": 0, "top_p": 0.5},
        ),
        ("us.amazon.nova-lite-v1:0", {"inferenceConfig": {"temperature": 0, "topP": 0.5}}),
        ("openai.gpt-oss-20b-1:0", {"temperature": 0, "top_p": 0.5}),
    ],
)
def test_a_model_is_asked_with_the_sampling_of_the_request(model_id, body):
    content = [{"text": "Why?"}] if "nova" in model_id else "Why?"
    question = read_native_question(find_model(model_id), body | {"messages": [{"role": "user", "content": content}]})
    assert (question.temperature, question.top_p) == (0, 0.5)


def test_a_job_is_answered_by_the_endpoint_that_the_settings_name(server, folder, jobs, record):
    settings = replace(read_settings(folder), responder=server.url, responder_workers=2)
    jobs = type(jobs)(open_session(folder, settings=settings))
    job = jobs.run([record(number) for number in range(20)])
    Emulator(folder).find_responder().pool.clear()
    assert {output["modelOutput"]["content"][0]["text"] for output in jobs.outputs(job)} == {"A refund."}
    assert (job["successRecordCount"], len(server.requests)) == (20, 20)


def write_stream(*pieces, finish_reason="stop", usage=None, end=b"data: [DONE]\n\n"):
    """Write the events of a stream as llama.cpp and vLLM do, with a comment between them."""
    choices = [{"delta": {"role": "assistant", "content": None}}, *({"delta": {"content": piece}} for piece in pieces)]
    events = [{"choices": [choice]} for choice in (*choices, {"delta": {}, "finish_reason": finish_reason})]
    events += [{"choices": [], "usage": usage}] if usage else []
    return b"".join(b"data: %b\n\n: ping\n\n" % json.dumps(event).encode() for event in events) + end


EVENT_STREAM = {"content_type": "text/event-stream; charset=utf-8"}


@pytest.fixture
def stream(server, monkeypatch):
    """Ask for a stream; return its pieces and its reply."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    endpoint = Endpoint(server.url, pause_s=0)

    def read(text=SECRET, **more):
        pieces = ReplyStream(
            endpoint.stream(Question(**({"model_id": "m", "system": "", "text": text} | LIMIT | more))), 0
        )
        return list(pieces), pieces.reply

    yield read
    endpoint.pool.clear()


def test_a_stream_is_asked_for_and_read(stream, server):
    usage = {"prompt_tokens": 30, "completion_tokens": 3}
    server.put(200, write_stream("A ", "", "refund.", usage=usage), **EVENT_STREAM)
    assert stream() == (["A ", "refund."], Reply("A refund.", "end", 30, 3))
    (body,) = server.bodies
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_tokens_that_a_stream_leaves_out_are_counted(stream, server):
    server.put(200, write_stream("12345678", finish_reason="length"), **EVENT_STREAM)
    assert stream("123456")[1] == Reply("12345678", "length", 2, 2)


def test_a_server_that_does_not_stream_is_read_whole(stream, server):
    server.put(200, ANSWER, content_type="application/json")
    assert stream() == (["A refund."], Reply("A refund.", "end", 30, 3))


def test_a_stream_is_asked_for_again_while_the_server_is_busy(stream, server):
    server.put(503, {})
    server.put(200, write_stream("Yes."), **EVENT_STREAM)
    assert stream()[1].text == "Yes."
    assert len(server.requests) == 2


def test_a_refused_stream_is_an_error_by_its_status(stream, server):
    server.put(404, {"error": {"message": SECRET, "code": "model_not_found"}})
    with pytest.raises(ServiceError, match=r"answered 404 \(model_not_found\): set responder_model"):
        stream()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (write_stream("A ", end=b""), "ended before its answer did"),
        (write_stream("A ", end=b'data: {"error": {"message": "No.", "type": "overloaded"}}\n\n'), "500 .overloaded"),
        (write_stream("A ", end=b"data: {\n\n"), "is none of chat completions"),
        (write_stream(), "answered with an empty text"),
    ],
)
def test_a_stream_that_fails_is_an_error_of_the_model(stream, server, content, message):
    server.put(200, content, **EVENT_STREAM)
    with pytest.raises(ServiceError, match=message) as caught:
        stream()
    assert caught.value.code == "ModelErrorException"


def test_a_stream_whose_connection_ends_is_an_error_of_the_model(stream, server):
    server.put(200, write_stream("A ", end=b""), content_length="9000", connection="close", **EVENT_STREAM)
    with pytest.raises(ServiceError, match="endpoint"):
        stream()


@settings(max_examples=200, deadline=None)
@given(
    text=st.text("ab \n\N{ARABIC LETTER ALEF}", min_size=1, max_size=30),
    places=st.lists(st.integers(0, 30)),
    stops=st.lists(st.text("ab ", max_size=3), max_size=3),
    reads=st.integers(1, 200),
)
def test_a_stream_in_any_pieces_gives_the_reply_of_the_whole(text, places, stops, reads):
    question = Question("m", "", "asked", 50, tuple(stops))
    cuts = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    whole = read_reply(question, json.dumps(answer_with(text)).encode())
    content = io.BytesIO(write_stream(*pieces, usage=ANSWER["usage"]))
    read = SimpleNamespace(read1=lambda size: content.read(min(size, reads)), status=200)
    stream = ReplyStream(read_pieces(question, read), 0)
    assert "".join(stream) == whole.text
    # A stream that is cut at a stop sequence is not read up to its usage.
    assert (stream.reply.stop, stream.reply.stop_sequence) == (whole.stop, whole.stop_sequence)


def test_a_piece_of_the_endpoint_reaches_the_client_of_the_emulator_at_once(server, folder, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    replies = HeldStream()
    server.reply = replies.reply
    session = open_session(folder, settings=Settings(responder=server.url))
    runtime = session.client("bedrock-runtime")
    said = [{"role": "user", "content": [{"text": "Hello."}]}]
    events = iter(runtime.converse_stream(modelId="amazon.nova-lite-v1:0", messages=said)["stream"])
    assert next(events) == {"messageStart": {"role": "assistant"}}
    assert next(events)["contentBlockDelta"]["delta"] == {"text": "one "}
    replies.is_read.set()
    assert [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event] == ["two"]


class HeldStream:
    """A server's answer whose second half waits for a sign."""

    def __init__(self):
        self.is_read = threading.Event()

    def reply(self, handler):
        handler.rfile.read(int(handler.headers["content-length"]))
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        content = write_stream("one ", "two")
        begun, _, _ = content.partition(b'data: {"choices": [{"delta": {"content": "two"')
        self.send(handler, begun)
        self.is_read.wait()
        self.send(handler, content.removeprefix(begun))
        handler.wfile.write(b"0\r\n\r\n")

    def send(self, handler, content):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))


SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
TOOL = ForcedTool("bill", SCHEMA, "Notes what is owed.")
INPUT = {"amount": 12.5}


def call_with(arguments, content=None):
    call = {"id": "c1", "type": "function", "function": {"name": "bill", "arguments": arguments}}
    message = {"role": "assistant", "content": content, "tool_calls": [call]}
    return ANSWER | {"choices": [{"message": message, "finish_reason": "tool_calls"}]}


def test_the_schema_of_the_answer_is_passed_on(ask, server):
    server.put(200, answer_with(json.dumps(INPUT)))
    assert ask(schema=SCHEMA).text == json.dumps(INPUT)
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert server.bodies[0]["response_format"] == form
    assert not {"tools", "tool_choice"} & set(server.bodies[0])


@pytest.mark.parametrize("arguments", [json.dumps(INPUT), INPUT])
def test_a_forced_tool_is_passed_on_and_its_input_is_the_reply(ask, server, arguments):
    server.put(200, call_with(arguments, content="Calling."))
    reply = ask(tool=TOOL, schema=SCHEMA, stop_sequences=("amount",))
    assert (json.loads(reply.text), reply.stop) == (INPUT, "end")
    function = {"name": "bill", "description": "Notes what is owed.", "parameters": SCHEMA}
    assert server.bodies[0]["tools"] == [{"type": "function", "function": function}]
    assert server.bodies[0]["tool_choice"] == "required"
    assert "response_format" not in server.bodies[0]


def test_a_tool_without_a_description_has_none(ask, server):
    server.put(200, call_with("{}"))
    assert ask(tool=ForcedTool("bill", SCHEMA)).text == "{}"
    assert server.bodies[0]["tools"][0]["function"] == {"name": "bill", "parameters": SCHEMA}


@pytest.mark.parametrize("calls", [None, []])
def test_a_server_that_calls_no_tool_has_answered_with_a_text(ask, server, calls):
    server.put(200, ANSWER | {"choices": [{"message": {"content": "No.", "tool_calls": calls}}]})
    assert ask(tool=TOOL, schema=SCHEMA).text == "No."


def test_a_call_that_nobody_forced_is_left_aside(ask, server):
    server.put(200, call_with(json.dumps(INPUT), content="A refund."))
    assert ask().text == "A refund."


def write_call_stream(*pieces):
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "bill", "arguments": ""}}
    calls = [first, *({"index": 0, "function": {"arguments": piece}} for piece in pieces)]
    events = [{"choices": [{"delta": {"tool_calls": [call]}}]} for call in calls]
    events = [{"choices": [{"delta": {"content": "Calling."}}]}, *events]
    events += [{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}, {"choices": [], "usage": ANSWER["usage"]}]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def test_the_input_of_a_tool_is_read_from_the_pieces_of_a_stream(stream, server):
    server.put(200, write_call_stream('{"amo', 'unt": 12', ".5}"), **EVENT_STREAM)
    assert stream(tool=TOOL, schema=SCHEMA) == (['{"amount": 12.5}'], Reply('{"amount": 12.5}', "end", 30, 3))


def test_a_text_in_place_of_a_call_is_read_from_a_stream(stream, server):
    server.put(200, write_stream("No, ", "thanks."), **EVENT_STREAM)
    assert stream(tool=TOOL, schema=SCHEMA)[1].text == "No, thanks."


CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50}
ASKED = {
    "anthropic": (
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        CLAUDE
        | {
            "messages": [{"role": "user", "content": "Hello."}],
            "tools": [{"name": "bill", "description": TOOL.description, "input_schema": SCHEMA}],
            "tool_choice": {"type": "tool", "name": "bill"},
        },
        lambda answer: [block["input"] for block in answer["content"]],
    ),
    "nova": (
        "us.amazon.nova-lite-v1:0",
        {
            "messages": [{"role": "user", "content": [{"text": "Hello."}]}],
            "toolConfig": {
                "tools": [
                    {
                        "toolSpec": {
                            "name": "bill",
                            "description": TOOL.description,
                            "inputSchema": {"json": SCHEMA},
                        }
                    }
                ],
                "toolChoice": {"tool": {"name": "bill"}},
            },
        },
        lambda answer: [block["toolUse"]["input"] for block in answer["output"]["message"]["content"]],
    ),
    "openai": (
        "openai.gpt-oss-20b-1:0",
        {
            "messages": [{"role": "user", "content": "Hello."}],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "bill", "description": TOOL.description, "parameters": SCHEMA},
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "bill"}},
        },
        lambda answer: [
            json.loads(call["function"]["arguments"]) for call in answer["choices"][0]["message"]["tool_calls"]
        ],
    ),
}


@pytest.fixture
def runtime(server, folder, monkeypatch):
    """Requests on demand, which the server answers."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    yield open_session(folder, settings=Settings(responder=server.url)).client("bedrock-runtime")
    Emulator(folder).find_responder().pool.clear()


@pytest.mark.parametrize("family", ASKED)
def test_a_tool_goes_to_the_endpoint_and_its_call_comes_back_in_each_format(server, runtime, family):
    model_id, body, read_inputs = ASKED[family]
    server.put(200, call_with(json.dumps(INPUT)))
    answer = json.loads(runtime.invoke_model(modelId=model_id, body=json.dumps(body))["body"].read())
    assert read_inputs(answer) == [INPUT]
    function = {"name": "bill", "description": "Notes what is owed.", "parameters": SCHEMA}
    assert server.bodies[0]["tools"] == [{"type": "function", "function": function}]


def test_a_tool_of_converse_goes_to_the_endpoint_and_its_call_comes_back(server, runtime):
    model_id, body, read_inputs = ASKED["nova"]
    server.put(200, call_with(json.dumps(INPUT)))
    answer = runtime.converse(modelId=model_id, **body)
    assert (read_inputs(answer), answer["stopReason"]) == ([INPUT], "tool_use")
    assert server.bodies[0]["tool_choice"] == "required"


SCHEMAS = {
    "anthropic": (
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        CLAUDE
        | {
            "messages": [{"role": "user", "content": "Hello."}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA | {"additionalProperties": False}}},
        },
    ),
    "openai": (
        "openai.gpt-oss-20b-1:0",
        {
            "messages": [{"role": "user", "content": "Hello."}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "bill", "schema": SCHEMA | {"additionalProperties": False}},
            },
        },
    ),
}


@pytest.mark.parametrize("family", SCHEMAS)
def test_a_schema_goes_to_the_endpoint_from_each_format(server, runtime, family):
    model_id, body = SCHEMAS[family]
    server.put(200, answer_with(json.dumps(INPUT)))
    answer = runtime.invoke_model(modelId=model_id, body=json.dumps(body))["body"].read()
    assert json.dumps(json.dumps(INPUT)).strip('"').encode() in answer
    sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert sent == SCHEMA | {"additionalProperties": False}
