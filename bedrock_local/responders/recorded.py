"""A responder that repeats recorded answers: output lines of a batch job, found by their question.

Lines may be of any family, and of several jobs in one file; a question is found in whichever format it is asked again.
The answers stay in the file; memory holds 16 bytes for each.
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

from bedrock_local.families.tool_results import list_results
from bedrock_local.inference import Question, Reply, Stop, count_tokens
from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.surrogates import replace_surrogates

# Tokens of the chat templates of Llama, Mistral and DeepSeek, and the model's own turns between them: a body in another
# format asks the same question without them.
TEMPLATE_TOKENS = re.compile(
    r"<\|start_header_id\|>assistant<\|end_header_id\|>.*?(?:<\|eot_id\|>|\Z)|\[/INST\].*?(?:</s>|\Z)"
    r"|<\uff5cAssistant\uff5c>.*?(?:<\uff5cend\u2581of\u2581sentence\uff5c>|\Z)"
    r"|<\|start_header_id\|>\w{1,20}<\|end_header_id\|>|<\|\w{1,30}\|>|\[INST\]|<</?SYS>>|</?s>"
    r"|<\uff5c[^\uff5c\n]{1,40}\uff5c>",
    re.DOTALL,
)
STATUS = re.compile("[1-5][0-9]{2}")
OFFSET_BITS = 64
# Larger numbers are not exact in all JSON readers, and no count of tokens.
MAX_TOKENS = 2**53


class AnswerPaths(NamedTuple):
    """The paths of the text, the token counts and the stop reason in a family's answer; empty where it has none."""

    text: str
    input_tokens: str
    output_tokens: str
    stop: str


# Source: the families' pages of the User Guide, "Inference request parameters and response fields".
ANSWER_PATHS = (
    AnswerPaths("output.message.content", "usage.inputTokens", "usage.outputTokens", "stopReason"),
    AnswerPaths("content", "usage.input_tokens", "usage.output_tokens", "stop_reason"),
    AnswerPaths("results.0.outputText", "inputTextTokenCount", "results.0.tokenCount", "results.0.completionReason"),
    AnswerPaths("generation", "prompt_token_count", "generation_token_count", "stop_reason"),
    AnswerPaths("outputs.0.text", "", "", "outputs.0.stop_reason"),
    AnswerPaths("generations.0.text", "", "", "generations.0.finish_reason"),
    AnswerPaths(
        "choices.0.message.content", "usage.prompt_tokens", "usage.completion_tokens", "choices.0.finish_reason"
    ),
    AnswerPaths("choices.0.text", "usage.prompt_tokens", "usage.completion_tokens", "choices.0.finish_reason"),
    AnswerPaths("text", "meta.billed_units.input_tokens", "meta.billed_units.output_tokens", "finish_reason"),
    AnswerPaths("completion", "", "", "stop_reason"),
)
MAX_TOKENS_PATHS = (
    "max_tokens",
    "inferenceConfig.maxTokens",
    "max_completion_tokens",
    "max_gen_len",
    "textGenerationConfig.maxTokenCount",
)
STOP_REASONS: dict[Stop, set[str]] = {
    "length": {"max_tokens", "model_context_window_exceeded", "length", "model_length", "error_limit"},
    "stop_sequence": {"stop_sequence", "stop_criteria_met"},
    "filtered": {"refusal", "content_filtered", "content_filter", "guardrail_intervened", "error_toxic"},
}
ERROR_CLASSES = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class Line(msgspec.Struct):
    """The fields that are read from an output line."""

    model_input: dict[str, Any] = msgspec.field(name="modelInput")
    model_output: dict[str, Any] | None = msgspec.field(name="modelOutput", default=None)
    error: dict[str, Any] | None = None


class RecordedAnswers:
    """Answers each question as recorded in the first line with the same question.

    A line with the same `max_tokens` is preferred. A recorded error is raised again.

    Parameters
    ----------
    path
        A file of output lines. Other lines are skipped; a ValueError is raised when there are no output lines.
    """

    is_quick = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digests, self.offsets = index_lines(path)
        if not self.digests:
            raise ValueError(f"{path}: no recorded answers; its lines need modelInput and modelOutput, or error")

    def __call__(self, question: Question) -> Reply:
        """Read the answer to a question from the file."""
        lines = list(self.find_lines(digest_question(question.system, question.text)))
        if not lines:
            reason = f"No recorded answer to this question among the {len(self.digests)} of {self.path.name}."
            raise ServiceError("ModelErrorException", reason)
        line = next((line for line in lines if find_max_tokens(line.model_input) == question.max_tokens), lines[0])
        if line.error is not None:
            raise make_error(line.error)
        return read_reply(question, line.model_output or {})

    def find_lines(self, digest: int) -> Iterator[Line]:
        """Read the lines with a question, in the order of the file."""
        place = bisect_left(self.digests, digest)
        with self.path.open("rb") as file:
            while place < len(self.digests) and self.digests[place] == digest:
                file.seek(self.offsets[place])
                line = read_line(file.readline())
                # The file may have been replaced since.
                if line and digest_question(*read_question_texts(line.model_input)) == digest:
                    yield line
                place += 1


def index_lines(path: Path) -> tuple[array[int], array[int]]:
    """Return the digests of all questions, sorted, and the offset of each line."""
    # A digest and its offset share one integer: sorting integers is faster than tuples, and takes less memory.
    places, offset = [], 0
    with path.open("rb") as lines:
        for content in lines:
            if line := read_line(content):
                places.append(digest_question(*read_question_texts(line.model_input)) << OFFSET_BITS | offset)
            offset += len(content)
    places.sort()
    offsets = array("Q", (place & (1 << OFFSET_BITS) - 1 for place in places))
    return array("Q", (place >> OFFSET_BITS for place in places)), offsets


def read_line(content: bytes) -> Line | None:
    """Read a line; None when it is not an output line of a batch job."""
    try:
        line = msgspec.json.decode(content, type=Line)
    except msgspec.DecodeError:
        # msgspec refuses half a surrogate pair, which JSON allows.
        try:
            line = msgspec.convert(json.loads(content), Line)
        except (ValueError, RecursionError):
            return None
    return line if line.model_output is not None or line.error is not None else None


def read_question_texts(body: dict[str, Any]) -> tuple[str, str]:
    """Read the system text and the user's text from a body of any family."""
    lists = [given for name in ("chat_history", "messages") if isinstance(given := body.get(name), list)]
    system_texts, user_texts = [], []
    for message in (message for given in lists for message in given if isinstance(message, dict)):
        text = join_texts(message.get("content") or message.get("message"))
        role = str(message.get("role")).lower()
        system_texts += [text] if role in ("system", "developer") else []
        results = list_results(message.get("content"))
        user_texts += [text, *results] if role in ("user", "tool") else []
    system_texts += [join_texts(body.get(name)) for name in ("system", "preamble")]
    user_texts += [join_texts(body.get(name)) for name in ("prompt", "inputText", "message")]
    return "".join(system_texts), "".join(user_texts)


def join_texts(content: Any) -> str:
    """Join the texts of a content, which is a text, a block, or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = [content] if isinstance(content, dict) else content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def digest_question(system: str, text: str) -> int:
    """Return a 64-bit digest of a question that is the same in every format."""
    # The pattern is slow, and each of its tokens has one of these characters.
    asked = TEMPLATE_TOKENS.sub("", system + text) if "<" in text or "[" in text else system + text
    # White space differs between formats and templates.
    plain = replace_surrogates("".join(asked.split()))
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest(), "big")


def find_value(value: Any, path: str) -> Any:
    """Find the value at a path of keys and indexes; None where there is none."""
    for step in path.split("."):
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def find_max_tokens(body: dict[str, Any]) -> Any:
    """Find the `max_tokens` of a body of any family."""
    return next((limit for path in MAX_TOKENS_PATHS if (limit := find_value(body, path)) is not None), None)


def read_reply(question: Question, output: dict[str, Any]) -> Reply:
    """Read an answer of any family; token counts that it lacks are replaced by the emulator's."""
    for family in ANSWER_PATHS:
        content = find_value(output, family.text)
        if isinstance(content, str | list):
            text = replace_surrogates(drop_reasoning(join_texts(content)))
            counted = count_tokens(question.system) + count_tokens(question.text)
            sequence = output.get("stop_sequence")
            return Reply(
                text,
                # Mistral's chat models have `stop_reason` where others of that format have `finish_reason`.
                find_stop(find_value(output, family.stop) or find_value(output, "choices.0.stop_reason")),
                choose_tokens(find_value(output, family.input_tokens), counted),
                choose_tokens(find_value(output, family.output_tokens), count_tokens(text)),
                sequence if isinstance(sequence, str) else None,
            )
    raise ServiceError("ModelErrorException", "The recorded answer is in no format that the emulator knows.")


def drop_reasoning(text: str) -> str:
    """Drop the reasoning of gpt-oss and DeepSeek-R1 from a text: the emulator adds its own for such models."""
    for end in ("</reasoning>", "</think>"):
        text = text.partition(end)[2].lstrip() if end in text else text
    return text


def choose_tokens(recorded: Any, counted: int) -> int:
    """Return the recorded token count, which of Titan may be `28.0`, or the emulator's where that is invalid."""
    return int(recorded) if type(recorded) in (int, float) and 0 <= recorded < MAX_TOKENS else counted


def find_stop(word: Any) -> Stop:
    """Find why an answer ended by its family's stop reason."""
    return next((stop for stop, words in STOP_REASONS.items() if str(word).lower() in words), "end")


def make_error(error: dict[str, Any]) -> ServiceError:
    """Make the recorded error."""
    code, message = str(error.get("errorCode")), error.get("errorMessage")
    status = int(code) if STATUS.fullmatch(code) else 400
    name = ERROR_CLASSES.get(status, "ValidationException" if status < 500 else "InternalServerException")
    return ServiceError(name, replace_surrogates(str(message or "The recorded error has no message.")))
