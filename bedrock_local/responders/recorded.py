"""Answers that a real model gave before: the output lines of a batch job, found again by what was asked.

Any family's lines will do, those of several jobs in one file too, and what was asked in one form is found when it is
asked in another. The file stays where it is; of each answer only where it stands is kept in memory.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bedrock_local.inference import Question, Reply, Stop, count_tokens
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.surrogates import replace_surrogates

# What a prompt has around the user's texts in the templates of Llama, Mistral and DeepSeek, the model's own turns with
# it: a body of another form asks the same without it.
AROUND = re.compile(
    r"<\|start_header_id\|>assistant<\|end_header_id\|>.*?(?:<\|eot_id\|>|\Z)|\[/INST\].*?(?:</s>|\Z)"
    r"|<\uff5cAssistant\uff5c>.*?(?:<\uff5cend\u2581of\u2581sentence\uff5c>|\Z)"
    r"|<\|start_header_id\|>\w{1,20}<\|end_header_id\|>|<\|\w{1,30}\|>|\[INST\]|<</?SYS>>|</?s>"
    r"|<\uff5c[^\uff5c\n]{1,40}\uff5c>",
    re.DOTALL,
)
STATUS = re.compile("[1-5][0-9]{2}")
OFFSET_BITS = 64
MOST_TOKENS = 2**53


class Paths(NamedTuple):
    """Where a family's answer has its text, its tokens in and out, and the word for how it ended."""

    text: str
    input_tokens: str
    output_tokens: str
    stop: str


# Source: the families' pages of the User Guide, "Inference request parameters and response fields".
FAMILIES = (
    Paths("output.message.content", "usage.inputTokens", "usage.outputTokens", "stopReason"),
    Paths("content", "usage.input_tokens", "usage.output_tokens", "stop_reason"),
    Paths("results.0.outputText", "inputTextTokenCount", "results.0.tokenCount", "results.0.completionReason"),
    Paths("generation", "prompt_token_count", "generation_token_count", "stop_reason"),
    Paths("outputs.0.text", "", "", "outputs.0.stop_reason"),
    Paths("generations.0.text", "", "", "generations.0.finish_reason"),
    Paths("choices.0.message.content", "usage.prompt_tokens", "usage.completion_tokens", "choices.0.finish_reason"),
    Paths("choices.0.text", "usage.prompt_tokens", "usage.completion_tokens", "choices.0.finish_reason"),
    Paths("text", "meta.billed_units.input_tokens", "meta.billed_units.output_tokens", "finish_reason"),
    Paths("completion", "", "", "stop_reason"),
)
LIMITS = (
    "max_tokens",
    "inferenceConfig.maxTokens",
    "max_completion_tokens",
    "max_gen_len",
    "textGenerationConfig.maxTokenCount",
)
ENDS: dict[Stop, set[str]] = {
    "length": {"max_tokens", "model_context_window_exceeded", "length", "model_length", "error_limit"},
    "stop_sequence": {"stop_sequence", "stop_criteria_met"},
    "filtered": {"refusal", "content_filtered", "content_filter", "guardrail_intervened", "error_toxic"},
}
CODES = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class Line(msgspec.Struct):
    """An output line, as far as it is read."""

    model_input: dict[str, Any] = msgspec.field(name="modelInput")
    model_output: dict[str, Any] | None = msgspec.field(name="modelOutput", default=None)
    error: dict[str, Any] | None = None


class Recorded:
    """Answers each question as the first line that asks the same was answered.

    Where several do, one with the same limit of tokens goes before the others. A recorded error is raised again.

    Parameters
    ----------
    path
        A file of output lines. Lines that are none are passed over; a ValueError says when no line is one.
    """

    is_quick = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digests, self.offsets = index_lines(path)
        if not self.digests:
            raise ValueError(f"{path}: no recorded answers; its lines need modelInput and modelOutput, or error")

    def __call__(self, question: Question) -> Reply:
        """Read the answer from the file."""
        lines = list(self.find_lines(digest_of(question.system, question.text)))
        if not lines:
            reason = f"No recorded answer to this question among the {len(self.digests)} of {self.path.name}."
            raise ServiceError("ModelErrorException", reason)
        line = next((line for line in lines if limit_of(line.model_input) == question.max_tokens), lines[0])
        if line.error is not None:
            raise recorded_error(line.error)
        return read_reply(question, line.model_output or {})

    def find_lines(self, digest: int) -> Iterator[Line]:
        """Read the lines that ask a question, in the order of the file."""
        place = bisect_left(self.digests, digest)
        with self.path.open("rb") as file:
            while place < len(self.digests) and self.digests[place] == digest:
                file.seek(self.offsets[place])
                line = read_line(file.readline())
                # The file may be another by now.
                if line and digest_of(*read_texts(line.model_input)) == digest:
                    yield line
                place += 1


def index_lines(path: Path) -> tuple[array[int], array[int]]:
    """List the digests of all questions, sorted, and where the line of each begins."""
    places, offset = [], 0
    with path.open("rb") as lines:
        for content in lines:
            if line := read_line(content):
                places.append(digest_of(*read_texts(line.model_input)) << OFFSET_BITS | offset)
            offset += len(content)
    places.sort()
    offsets = array("Q", (place & (1 << OFFSET_BITS) - 1 for place in places))
    return array("Q", (place >> OFFSET_BITS for place in places)), offsets


def read_line(content: bytes) -> Line | None:
    """Read a line; nothing when it is none of a batch job's output."""
    try:
        line = msgspec.json.decode(content, type=Line)
    except msgspec.DecodeError:
        # JSON may hold half a surrogate pair, which msgspec refuses.
        try:
            line = msgspec.convert(json.loads(content), Line)
        except (ValueError, RecursionError):
            return None
    return line if line.model_output is not None or line.error is not None else None


def read_texts(body: dict[str, Any]) -> tuple[str, str]:
    """Read the system text and the user's out of a body of any family."""
    lists = [given for name in ("chat_history", "messages") if isinstance(given := body.get(name), list)]
    told, asked = [], []
    for message in (message for given in lists for message in given if isinstance(message, dict)):
        text = texts_of(message.get("content") or message.get("message"))
        role = str(message.get("role")).lower()
        told += [text] if role in ("system", "developer") else []
        asked += [text] if role == "user" else []
    told += [texts_of(body.get(name)) for name in ("system", "preamble")]
    asked += [texts_of(body.get(name)) for name in ("prompt", "inputText", "message")]
    return "".join(told), "".join(asked)


def texts_of(content: Any) -> str:
    """Join the texts of a content, which is a text, a block, or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = [content] if isinstance(content, dict) else content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def digest_of(system: str, text: str) -> int:
    """Give a number for what is asked, whatever the form."""
    asked = AROUND.sub("", system + text) if "<" in text or "[" in text else system + text
    plain = replace_surrogates("".join(asked.split()))
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest(), "big")


def follow(value: Any, path: str) -> Any:
    """Follow a path of keys and places; nothing where it ends early."""
    for step in path.split("."):
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def limit_of(body: dict[str, Any]) -> Any:
    """Read how many tokens a body allows."""
    return next((limit for path in LIMITS if (limit := follow(body, path)) is not None), None)


def read_reply(question: Question, output: dict[str, Any]) -> Reply:
    """Read an answer of any family; tokens that it does not count are counted as the emulator counts."""
    for family in FAMILIES:
        content = follow(output, family.text)
        if isinstance(content, str | list):
            text = replace_surrogates(without_thought(texts_of(content)))
            counted = count_tokens(question.system) + count_tokens(question.text)
            sequence = output.get("stop_sequence")
            return Reply(
                text,
                # Mistral's chat models say `stop_reason` where all others of that form say `finish_reason`.
                stop_of(follow(output, family.stop) or follow(output, "choices.0.stop_reason")),
                tokens_of(follow(output, family.input_tokens), counted),
                tokens_of(follow(output, family.output_tokens), count_tokens(text)),
                sequence if isinstance(sequence, str) else None,
            )
    raise ServiceError("ModelErrorException", "The recorded answer is of no family that the emulator knows.")


def without_thought(text: str) -> str:
    """Leave out what gpt-oss and DeepSeek-R1 think before they answer; the emulator has such models think anew."""
    for end in ("</reasoning>", "</think>"):
        text = text.partition(end)[2].lstrip() if end in text else text
    return text


def tokens_of(recorded: Any, counted: int) -> int:
    """Give the tokens that were recorded, which Titan's may be as `28.0`, or those that were counted."""
    return int(recorded) if type(recorded) in (int, float) and 0 <= recorded < MOST_TOKENS else counted


def stop_of(word: Any) -> Stop:
    """Say how an answer ended, by its family's word."""
    return next((stop for stop, words in ENDS.items() if str(word).lower() in words), "end")


def recorded_error(error: dict[str, Any]) -> ServiceError:
    """Make the error that was recorded."""
    code, message = str(error.get("errorCode")), error.get("errorMessage")
    status = int(code) if STATUS.fullmatch(code) else 400
    name = CODES.get(status, "ValidationException" if status < 500 else "InternalServerException")
    return ServiceError(name, replace_surrogates(str(message or "The recorded error has no message.")))
