"""The body and answer format of Amazon Nova Multimodal Embeddings by InvokeModel.

Source: Amazon Nova User Guide, "Complete embeddings request and response schema", its synchronous part.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from bedrock_local.families.embedder import Embedder, check_choice, malformed
from bedrock_local.families.family import Body
from bedrock_local.families.schema import ANY_OBJECT, Integer, Object, String
from bedrock_local.families.vectors import embed_bytes, embed_text
from bedrock_local.inference import count_tokens
from bedrock_local.models import Model

DIMENSIONS = (3_072, 1_024, 384, 256)
MOST_TOKENS = 8_192
MODALITIES = ("text", "image", "audio", "video")
PURPOSES = (
    "GENERIC_INDEX", "GENERIC_RETRIEVAL", "TEXT_RETRIEVAL", "IMAGE_RETRIEVAL", "VIDEO_RETRIEVAL", "DOCUMENT_RETRIEVAL",
    "AUDIO_RETRIEVAL", "CLASSIFICATION", "CLUSTERING",
)  # fmt: skip
SCHEMA = Object(
    {
        "schemaVersion": String(enum=("nova-multimodal-embed-v1",)),
        "taskType": String(enum=("SINGLE_EMBEDDING",)),
        "singleEmbeddingParams": Object(
            {
                "embeddingPurpose": String(enum=PURPOSES),
                "embeddingDimension": Integer(),
                "text": Object(
                    {
                        "truncationMode": String(enum=("START", "END", "NONE")),
                        "value": String(min_length=1),
                        "source": ANY_OBJECT,
                    },
                    required=("truncationMode",),
                ),
                **dict.fromkeys(("image", "audio", "video"), ANY_OBJECT),
            },
            required=("embeddingPurpose",),
        ),
    },
    required=("taskType", "singleEmbeddingParams"),
)


def count_input(model: Model, body: Body) -> int:  # noqa: ARG001
    """Count the tokens of the text, up to where it is cut off; what is not text has none."""
    given = body["singleEmbeddingParams"]
    check_choice("singleEmbeddingParams/embeddingDimension", given.get("embeddingDimension"), DIMENSIONS)
    found = [name for name in MODALITIES if name in given]
    if len(found) != 1:
        raise malformed("#/singleEmbeddingParams: exactly one of the keys [text, image, audio, video] is required")
    if found != ["text"]:
        return 0
    if len([name for name in ("value", "source") if name in given["text"]]) != 1:
        raise malformed("#/singleEmbeddingParams/text: exactly one of the keys [value, source] is required")
    tokens = count_tokens(given["text"].get("value", ""))
    if tokens > MOST_TOKENS and given["text"]["truncationMode"] == "NONE":
        raise malformed(f"#/singleEmbeddingParams/text/value: expected maxLength: {MOST_TOKENS}, actual: {tokens}")
    return min(tokens, MOST_TOKENS)


def write_answer(model: Model, body: Body, tokens: int) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer; what is not a text in the body is not looked at."""
    given = body["singleEmbeddingParams"]
    dimensions = given.get("embeddingDimension", DIMENSIONS[0])
    kind = next(name for name in MODALITIES if name in given)
    text = given[kind].get("value") if kind == "text" else None
    vector = embed_bytes(msgspec.json.encode(given[kind]), dimensions) if text is None else embed_text(text, dimensions)
    return {"embeddings": [{"embeddingType": kind.upper(), "embedding": vector}]}


NOVA_EMBED = Embedder(re.compile(r"amazon\.nova-.*embed"), SCHEMA, count_input, write_answer)
