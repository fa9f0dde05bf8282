"""The body and answer format of Cohere Command R and R+ by InvokeModel.

Source: Amazon Bedrock User Guide, "Cohere Command R and Command R+ models". Documents are accepted and not cited;
token counts are documented for streams only.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.family import Body, Chunks, Family, make_uuid
from bedrock_local.families.schema import ANY, ANY_OBJECT, Array, Boolean, Integer, Number, Object, String
from bedrock_local.inference import Question, Reply, ReplyStream
from bedrock_local.models import Model

# Recorded answers; the page shows lower case, and nothing for a stop sequence.
STOPS = {"end": "COMPLETE", "length": "MAX_TOKENS", "stop_sequence": "STOP_SEQUENCE", "filtered": "ERROR_TOXIC"}
SCHEMA = Object(
    {
        "message": String(min_length=1),
        "chat_history": Array(
            Object(
                {"role": String(enum=("USER", "CHATBOT", "SYSTEM", "TOOL")), "message": String()},
                required=("role",),
                additional=ANY,
            )
        ),
        "preamble": String(),
        "max_tokens": Integer(1),
        "temperature": Number(0, 1),
        "p": Number(0.01, 0.99),
        "k": Integer(0, 500),
        "stop_sequences": Array(String()),
        "seed": Integer(),
        "frequency_penalty": Number(0, 1),
        "presence_penalty": Number(0, 1),
        "prompt_truncation": String(enum=("OFF", "AUTO_PRESERVE_ORDER")),
        "documents": Array(ANY_OBJECT),
        "tools": Array(ANY_OBJECT),
        "tool_results": Array(ANY_OBJECT),
        **dict.fromkeys(("search_queries_only", "return_prompt", "raw_prompting"), Boolean()),
    },
    required=("message",),
)
DEFAULT_MAX_TOKENS = 4_096


def read_question(model: Model, body: Body) -> Question:
    """Read the question out of a checked body."""
    before = [turn.get("message", "") for turn in body.get("chat_history", ()) if turn["role"] == "USER"]
    return Question(
        model_id=model.base,
        system=body.get("preamble", ""),
        text="\n\n".join([*before, body["message"]]),
        max_tokens=body.get("max_tokens", DEFAULT_MAX_TOKENS),
        stop_sequences=tuple(body.get("stop_sequences", ())),
    )


def write_answer(model: Model, body: Body, reply: Reply) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer; it repeats the conversation."""
    asked, said = {"role": "USER", "message": body["message"]}, {"role": "CHATBOT", "message": reply.text}
    return {
        "response_id": f"{make_uuid(body)[:8]}/{make_uuid(body, 1)}",
        "text": reply.text,
        "generation_id": make_uuid(body, 2),
        "chat_history": [*body.get("chat_history", ()), asked, said],
        "finish_reason": STOPS[reply.stop],
    }


def write_chunks(model: Model, body: Body, stream: ReplyStream) -> Chunks:
    """Write the chunks; the last has the whole answer, with its counts of tokens."""
    yield {"is_finished": False, "event_type": "stream-start", "generation_id": make_uuid(body, 2)}
    for piece in stream:
        yield {"is_finished": False, "event_type": "text-generation", "text": piece}
    reply = stream.reply
    units = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return {
        "is_finished": True,
        "event_type": "stream-end",
        "response": {**write_answer(model, body, reply), "meta": {"billed_units": units}},
        "finish_reason": STOPS[reply.stop],
    }


COHERE_COMMAND_R = Family(
    "cohere-command-r", re.compile(r"cohere\.command-r"), SCHEMA, read_question, write_answer, write_chunks
)
