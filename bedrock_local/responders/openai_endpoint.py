"""A model behind an OpenAI-compatible endpoint, such as llama.cpp, vLLM or Ollama serve one.

Source: OpenAI API Reference, "Create chat completion", as far as these servers have it.
"""

from __future__ import annotations

import os
import re
from types import TracebackType
from typing import Any

import msgspec
import urllib3
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from bedrock_local.inference import Question, Reply, Stop, count_tokens, find_stop
from bedrock_local.protocol.errors import ServiceError

# A model on a laptop's processor reads a call of an hour for minutes.
TIMEOUT = urllib3.Timeout(connect=10, read=600)
LONGEST_WAIT_S = 20
BUSY = (429, 500, 502, 503, 504)
STOPS: dict[str | None, Stop] = {"length": "length", "content_filter": "filtered"}
# What servers name a prompt that is longer than the context: OpenAI and vLLM, llama.cpp.
TOO_LONG = {"context_length_exceeded", "exceed_context_size_error"}
NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")


class Message(msgspec.Struct):
    """What the model said."""

    content: str | None = None


class Choice(msgspec.Struct):
    """One answer; `stop_reason` is the stop sequence that ended it, where the server is vLLM."""

    message: Message
    finish_reason: str | None = None
    stop_reason: Any = None


class Completion(msgspec.Struct):
    """The body of an answer, as far as it is read."""

    choices: list[Choice]
    usage: Any = None


class Patience(urllib3.Retry):
    """Tries again where that may help; not after a timeout, as the next try would last as long, nor where nobody is."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Patience:
        """Count one try more."""
        is_refused = error is not None and isinstance(error.__cause__, ConnectionRefusedError)
        if error is not None and (is_refused or isinstance(error, ReadTimeoutError)):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Read how long the server wants one to wait; no longer than is bearable."""
        try:
            wait_s = super().get_retry_after(response)
        except InvalidHeader:
            return None
        return None if wait_s is None else min(wait_s, LONGEST_WAIT_S)


class Endpoint:
    """Asks the endpoint, from as many threads as one likes, `workers` questions at once.

    Parameters
    ----------
    url
        Up to the version: `http://127.0.0.1:8080/v1`.
    model
        The server's name of the model; the id that the question names when empty.
    workers
        How many questions are out at once; further ones wait.
    tries
        How often a question is put to a server that is busy or does not answer.
    pause_s
        How long to wait before the third try where the server does not say; twice as long before each one after.
    timeout
        For the connection, and for the answer.

    Notes
    -----
    The key is that of `OPENAI_API_KEY`, when it is set. It is kept nowhere.
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
        timeout: urllib3.Timeout = TIMEOUT,
    ) -> None:
        self.url, self.model, self.workers = f"{url.rstrip('/')}/chat/completions", model, workers
        patience = Patience(
            tries - 1,
            # A server that is not there is seldom there a moment later.
            connect=min(2, tries - 1),
            redirect=False,
            allowed_methods=None,
            status_forcelist=BUSY,
            backoff_factor=pause_s,
            backoff_max=LONGEST_WAIT_S,
            raise_on_status=False,
        )
        # A pool that blocks is what limits the questions; one that waits to be tried again is not out.
        self.pool = urllib3.PoolManager(maxsize=workers, block=True, retries=patience, timeout=timeout)

    def __call__(self, question: Question) -> Reply:
        """Ask, and read the answer."""
        headers = {"content-type": "application/json"}
        if key := os.environ.get("OPENAI_API_KEY", "").strip():
            headers["authorization"] = f"Bearer {key}"
        try:
            response = self.pool.request("POST", self.url, body=write_body(question, self.model), headers=headers)
        except ReadTimeoutError:
            raise ServiceError("ModelTimeoutException", "The endpoint took too long to answer.") from None
        except NewConnectionError:
            reason = (
                f"Nothing listens at {self.url}: is the server running? Or choose another responder in the settings."
            )
            raise ServiceError("ServiceUnavailableException", reason) from None
        except MaxRetryError as error:
            reason = f"The endpoint cannot be reached ({type(error.reason).__name__}): is the server running?"
            raise ServiceError("ServiceUnavailableException", reason) from None
        except HTTPError as error:
            raise ServiceError("ModelErrorException", f"The endpoint failed: {type(error).__name__}") from None
        if response.status != 200:
            raise refusal(response.status, response.data)
        return read_reply(question, response.data)


def write_body(question: Question, model: str) -> bytes:
    """Write the request."""
    messages = [{"role": "system", "content": question.system}] if question.system else []
    body: dict[str, Any] = {
        "model": model or question.model_id,
        "messages": [*messages, {"role": "user", "content": question.text}],
        "max_tokens": question.max_tokens,
    }
    if stops := [stop for stop in question.stop_sequences if stop]:
        body["stop"] = stops
    body |= {name: value for name in ("temperature", "top_p") if (value := getattr(question, name)) is not None}
    return msgspec.json.encode(body)


def refusal(status: int, content: bytes) -> ServiceError:
    """Say what the server's refusal means; of its words only a name, as the others may quote the call."""
    name = error_name(content)
    said = f"The endpoint answered {status}" + (f" ({name})" if name else "")
    if status == 429:
        return ServiceError("ThrottlingException", f"{said}: too many requests, please wait before trying again.")
    if status == 503:
        return ServiceError("ServiceUnavailableException", f"{said}.")
    if name in TOO_LONG:
        return ServiceError("ValidationException", "Input is too long for requested model.")
    cures = {401: "OPENAI_API_KEY has to hold its key", 403: "OPENAI_API_KEY has to hold its key"}
    cures |= {404: "responder_model has to be a model that it has"}
    cure = cures.get(status, "see its log")
    return ServiceError("ModelErrorException", f"{said}: {cure}.")


def error_name(content: bytes) -> str:
    """Find the code or the type of an error, where it is a plain name."""
    try:
        error = msgspec.json.decode(content)["error"]
        names = [error["code"], error["type"]] if "code" in error and "type" in error else list(error.values())
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return ""
    return next((name for name in names if isinstance(name, str) and NAME.fullmatch(name)), "")


def read_reply(question: Question, content: bytes) -> Reply:
    """Read the answer; tokens that the server does not count are counted as the emulator counts."""
    try:
        completion = msgspec.json.decode(content, type=Completion)
        choice = completion.choices[0]
    except (msgspec.DecodeError, IndexError):
        raise ServiceError("ModelErrorException", "The endpoint answered with what is no chat completion.") from None
    text, stop, sequence = end_text(question, choice)
    if not text and stop == "end":
        raise ServiceError("ModelErrorException", "The endpoint answered with an empty text.")
    counted = count_tokens(question.system) + count_tokens(question.text)
    input_tokens = tokens_of(completion.usage, "prompt_tokens", counted)
    output_tokens = tokens_of(completion.usage, "completion_tokens", count_tokens(text))
    return Reply(text, stop, input_tokens, output_tokens, sequence)


def end_text(question: Question, choice: Choice) -> tuple[str, Stop, str | None]:
    """Tell how the text ended, and cut it at a stop sequence that the server left in it."""
    text = choice.message.content or ""
    if found := find_stop(question, text):
        place, stop = found
        return text[:place], "stop_sequence", stop
    if choice.stop_reason in question.stop_sequences:
        return text, "stop_sequence", choice.stop_reason
    return text, STOPS.get(choice.finish_reason, "end"), None


def tokens_of(usage: Any, name: str, counted: int) -> int:
    """Give the tokens that the server counted, or those that we did."""
    tokens = usage.get(name) if isinstance(usage, dict) else None
    return tokens if type(tokens) is int and tokens >= 0 else counted
