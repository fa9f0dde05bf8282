"""A responder that asks a model behind an OpenAI-compatible endpoint, as of llama.cpp, vLLM or Ollama.

Source: OpenAI API Reference, "Create chat completion", as far as these servers support it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
import urllib3
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from bedrock_local.inference import Pieces, Question, Reply, Stop, count_tokens, find_stop_sequence
from bedrock_local.protocol.errors import ServiceError

# On a laptop's processor, a model takes minutes to read a call of an hour.
DEFAULT_TIMEOUT = urllib3.Timeout(connect=10, read=600)
MAX_WAIT_S = 20
READ_BYTES = 65_536
BUSY_STATUSES = (429, 500, 502, 503, 504)
STOPS: dict[str | None, Stop] = {"length": "length", "content_filter": "filtered"}
# Error names for a prompt that is longer than the context: of OpenAI and vLLM, and of llama.cpp.
TOO_LONG_ERRORS = {"context_length_exceeded", "exceed_context_size_error"}
PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")


class Function(msgspec.Struct):
    """A function that is called, or a piece of that; its arguments are JSON text, or an object where a server errs."""

    arguments: Any = None

    def read_arguments(self) -> str:
        """Return the arguments as JSON text."""
        given = self.arguments
        return given if isinstance(given, str) else "" if given is None else msgspec.json.encode(given).decode()


class Call(msgspec.Struct):
    """A call of a tool, or a piece of one."""

    function: Function = msgspec.field(default_factory=Function)
    index: Any = 0


class Message(msgspec.Struct):
    """The message of an answer, or what an event of a stream adds to it."""

    content: str | None = None
    tool_calls: list[Call] | None = None

    def read_input(self) -> str:
        """Return the input of the first tool that is called; empty where none is."""
        calls = [call for call in self.tool_calls or () if not call.index]
        return calls[0].function.read_arguments() if calls else ""


class Choice(msgspec.Struct):
    """One answer; `stop_reason` is set by vLLM alone: the stop sequence that ended it."""

    message: Message
    finish_reason: str | None = None
    stop_reason: Any = None


class Completion(msgspec.Struct):
    """The fields that are read from the body of an answer."""

    choices: list[Choice]
    usage: Any = None


class StreamChoice(msgspec.Struct):
    """What an event adds to one answer; the last fields are as in `Choice`."""

    delta: Message = msgspec.field(default_factory=Message)
    finish_reason: str | None = None
    stop_reason: Any = None


class Event(msgspec.Struct):
    """The fields that are read from an event of a stream; the one with the usage has no choices."""

    choices: list[StreamChoice] = []
    usage: Any = None
    error: Any = None


class Finish(NamedTuple):
    """Why a stream ends."""

    reason: str | None = None
    stop: Any = None


class RetryPolicy(urllib3.Retry):
    """Retries, but not after a timeout, as the next try would last as long, nor after a refused connection."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> RetryPolicy:
        """Count one more try, or raise an error that is not worth one."""
        is_refused = error is not None and isinstance(error.__cause__, ConnectionRefusedError)
        if error is not None and (is_refused or isinstance(error, ReadTimeoutError)):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Read the server's Retry-After in seconds, limited to MAX_WAIT_S; None when it has none or is invalid."""
        try:
            wait_s = super().get_retry_after(response)
        except InvalidHeader:
            return None
        return None if wait_s is None else min(wait_s, MAX_WAIT_S)


class Endpoint:
    """Asks an endpoint, at most `workers` questions at once, whatever the number of threads.

    Parameters
    ----------
    url
        Up to the API version: `http://127.0.0.1:8080/v1`.
    model
        The server's name of the model; the id that the question names when empty.
    workers
        How many questions are asked at once; further ones wait.
    tries
        How often a question is asked when the server is busy or cannot be reached.
    pause_s
        How long to wait before the third try, unless the server says; twice as long before each one after that.
    timeout
        Of the connection, and of the answer.

    Notes
    -----
    The key is read from `OPENAI_API_KEY`, if it is set, for each question. It is not stored.
    """

    is_quick = False

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        workers: int = 8,
        tries: int = 5,
        pause_s: float = 0.5,
        timeout: urllib3.Timeout = DEFAULT_TIMEOUT,
    ) -> None:
        self.url, self.model, self.workers = f"{url.rstrip('/')}/chat/completions", model, workers
        retry_policy = RetryPolicy(
            tries - 1,
            # A server that cannot be reached is rarely back a moment later.
            connect=min(2, tries - 1),
            redirect=False,
            # None includes POST, which urllib3 does not retry by default.
            allowed_methods=None,
            status_forcelist=BUSY_STATUSES,
            backoff_factor=pause_s,
            backoff_max=MAX_WAIT_S,
            # The response of the last try becomes an error by its status.
            raise_on_status=False,
        )
        # The blocking pool is what limits the questions; while one waits for its next try it occupies no connection.
        self.pool = urllib3.PoolManager(maxsize=workers, block=True, retries=retry_policy, timeout=timeout)

    def __call__(self, question: Question) -> Reply:
        """Ask the endpoint, and read the answer."""
        with reporting_errors(self.url):
            response = self._request(write_body(question, self.model), preload_content=True)
        if response.status != 200:
            raise make_error(response.status, response.data)
        return read_reply(question, response.data)

    def stream(self, question: Question) -> Pieces:
        """Ask the endpoint for a stream, and yield its pieces as they come."""
        body = write_body(question, self.model, stream=True, stream_options={"include_usage": True})
        with reporting_errors(self.url):
            response = self._request(body, preload_content=False)
            try:
                if response.status != 200:
                    raise make_error(response.status, response.read())
                if response.headers.get("content-type", "").startswith("text/event-stream"):
                    return (yield from read_pieces(question, response))
                # A server that does not stream ignores that it was asked to.
                reply = read_reply(question, response.read())
                yield reply.text
                return reply
            finally:
                # A connection in the middle of an answer cannot be used again.
                response.close()
                response.release_conn()

    def _request(self, body: bytes, *, preload_content: bool) -> BaseHTTPResponse:
        headers = {"content-type": "application/json"}
        # A key that was read from a file often ends in a line break.
        if key := os.environ.get("OPENAI_API_KEY", "").strip():
            headers["authorization"] = f"Bearer {key}"
        return self.pool.request("POST", self.url, body=body, headers=headers, preload_content=preload_content)


@contextmanager
def reporting_errors(url: str) -> Iterator[None]:
    """Turn errors of the connection into those of the service."""
    try:
        yield
    except ReadTimeoutError:
        raise ServiceError("ModelTimeoutException", "The endpoint took too long to answer.") from None
    except NewConnectionError:
        reason = f"Nothing listens at {url}: is the server running? Or choose another responder in the settings."
        raise ServiceError("ServiceUnavailableException", reason) from None
    except MaxRetryError as error:
        reason = f"The endpoint cannot be reached ({type(error.reason).__name__}): is the server running?"
        raise ServiceError("ServiceUnavailableException", reason) from None
    except HTTPError as error:
        raise ServiceError("ModelErrorException", f"The endpoint failed: {type(error).__name__}") from None


def write_body(question: Question, model: str, **more: Any) -> bytes:
    """Write the body of a request, with more of its fields."""
    messages = [{"role": "system", "content": question.system}] if question.system else []
    body: dict[str, Any] = {
        "model": model or question.model_id,
        "messages": [*messages, {"role": "user", "content": question.text}],
        "max_tokens": question.max_tokens,
    }
    if stops := [stop for stop in question.stop_sequences if stop]:
        body["stop"] = stops
    body |= {name: value for name in ("temperature", "top_p") if (value := getattr(question, name)) is not None}
    return msgspec.json.encode(body | write_form(question) | more)


def write_form(question: Question) -> dict[str, Any]:
    """Write the fields that say which form the answer has to have: the input of a tool, or JSON by a schema.

    Of one tool alone `required` means that one, and llama.cpp takes no name in its place. Whether JSON is strict by the
    schema is left to the server: OpenAI's own refuses `strict` for many a schema that Bedrock takes.
    """
    if tool := question.tool:
        function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
        function = {name: value for name, value in function.items() if value != ""}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}
    if question.schema is not None:
        form = {"name": "answer", "schema": question.schema}
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    return {}


def make_error(status: int, content: bytes) -> ServiceError:
    """Make the error for a response; of its text only a plain name is kept, as the rest may quote the call."""
    name = find_error_name(content)
    answered = f"The endpoint answered {status}" + (f" ({name})" if name else "")
    if status == 429:
        return ServiceError("ThrottlingException", f"{answered}: too many requests, please wait before trying again.")
    if status == 503:
        return ServiceError("ServiceUnavailableException", f"{answered}.")
    if name in TOO_LONG_ERRORS:
        return ServiceError("ValidationException", "Input is too long for requested model.")
    cures = dict.fromkeys((401, 403), "set OPENAI_API_KEY to its key")
    cures[404] = "set responder_model to one of its models"
    cure = cures.get(status, "see its log")
    return ServiceError("ModelErrorException", f"{answered}: {cure}.")


def find_error_name(content: bytes) -> str:
    """Find the code or the type of an error if it is a plain name."""
    try:
        error = msgspec.json.decode(content)["error"]
        names = [error["code"], error["type"]] if "code" in error and "type" in error else list(error.values())
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return ""
    return next((name for name in names if isinstance(name, str) and PLAIN_NAME.fullmatch(name)), "")


def read_reply(question: Question, content: bytes) -> Reply:
    """Read an answer; token counts that the server leaves out are replaced by the emulator's."""
    try:
        completion = msgspec.json.decode(content, type=Completion)
        choice = completion.choices[0]
    except (msgspec.DecodeError, IndexError):
        raise ServiceError("ModelErrorException", "The endpoint's answer is not a chat completion.") from None
    return make_endpoint_reply(question, *cut_at_stop(question, choice), completion.usage)


def cut_at_stop(question: Question, choice: Choice) -> tuple[str, Stop, str | None]:
    """Return the text, why it ended, and the stop sequence; the text is cut at one that the server left in it.

    Where the question forces a tool, its input is the text.
    """
    if question.tool and (given := choice.message.read_input()):
        return given, STOPS.get(choice.finish_reason, "end"), None
    text = choice.message.content or ""
    if found := find_stop_sequence(question, text):
        end, stop = found
        return text[:end], "stop_sequence", stop
    if choice.stop_reason in question.stop_sequences:
        return text, "stop_sequence", choice.stop_reason
    return text, STOPS.get(choice.finish_reason, "end"), None


def read_pieces(question: Question, response: BaseHTTPResponse) -> Pieces:
    """Yield the text of a stream; what could be the beginning of a stop sequence is held back until that is known."""
    held_chars = max([len(stop) for stop in question.stop_sequences], default=1) - 1
    pieces, held, given, finish, usage = list[str](), "", "", Finish(), None
    for event in read_events(response):
        usage = event.usage or usage
        for choice in event.choices[:1]:
            held += choice.delta.content or ""
            given += choice.delta.read_input()
            finish = Finish(choice.finish_reason, choice.stop_reason) if choice.finish_reason else finish
        if question.tool:  # whether its input comes, or a text, is known at the end
            continue
        if find_stop_sequence(question, held):
            break
        ready = held[: len(held) - held_chars] if held_chars else held
        held = held[len(ready) :]
        if ready:
            pieces.append(ready)
            yield ready
    calls = [Call(Function(given))] if given else None
    whole = Choice(Message(held, calls), finish.reason, finish.stop)
    text, stop, sequence = cut_at_stop(question, whole)
    if text:
        pieces.append(text)
        yield text
    return make_endpoint_reply(question, "".join(pieces), stop, sequence, usage)


def make_endpoint_reply(question: Question, text: str, stop: Stop, sequence: str | None, usage: Any) -> Reply:
    """Make the reply of an answer; token counts that the server leaves out are replaced by the emulator's."""
    if not text and stop == "end":
        raise ServiceError("ModelErrorException", "The endpoint answered with an empty text.")
    counted = count_tokens(question.system) + count_tokens(question.text)
    input_tokens = choose_tokens(usage, "prompt_tokens", counted)
    return Reply(text, stop, input_tokens, choose_tokens(usage, "completion_tokens", count_tokens(text)), sequence)


def read_events(response: BaseHTTPResponse) -> Iterator[Event]:
    """Yield the events of a stream up to `[DONE]`; an event may be an error.

    Source: HTML Standard, "Server-sent events"; OpenAI API Reference, "Streaming".
    """
    for line in split_lines(response):
        name, _, content = line.partition(b":")
        if name != b"data":
            continue
        if content.strip() == b"[DONE]":
            return
        try:
            event = msgspec.json.decode(content, type=Event)
        except msgspec.DecodeError:
            raise ServiceError("ModelErrorException", "The endpoint's stream is none of chat completions.") from None
        if event.error is not None:
            raise make_error(500, content)
        yield event
    raise ServiceError("ModelErrorException", "The endpoint's stream ended before its answer did.")


def split_lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of a body as their bytes come."""
    begun = b""
    while content := response.read1(READ_BYTES):
        *lines, begun = (begun + content).split(b"\n")
        yield from lines
    yield begun


def choose_tokens(usage: Any, name: str, counted: int) -> int:
    """Return the server's token count, or the emulator's where that is missing or invalid."""
    tokens = usage.get(name) if isinstance(usage, dict) else None
    return tokens if type(tokens) is int and tokens >= 0 else counted
