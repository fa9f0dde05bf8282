"""The body and answer formats of Amazon Titan embeddings: Text V1 and V2, and Multimodal G1, by InvokeModel.

Sources: Amazon Bedrock User Guide, "Amazon Titan Embeddings Text" and "Amazon Titan Multimodal Embeddings G1". That a
binary vector of V2 is a 0 or a 1 for each number is inferred.
"""

from __future__ import annotations

import re
from typing import Any

from bedrock_local.families.embedder import Embedder, check_choice, malformed
from bedrock_local.families.family import Body
from bedrock_local.families.schema import Array, Boolean, Integer, Object, String
from bedrock_local.families.vectors import embed_bytes, embed_text, join_vectors, list_signs
from bedrock_local.inference import count_tokens
from bedrock_local.models import Model

V1_DIMENSIONS = 1_536
V2_DIMENSIONS = (1_024, 512, 256)
IMAGE_DIMENSIONS = (1_024, 384, 256)
# "Amazon Titan Embeddings Text": both refuse a longer text.
MOST_TOKENS = 8_192
KINDS = ("float", "binary")
TEXT_V1 = Object({"inputText": String(min_length=1)}, required=("inputText",))
TEXT_V2 = Object(
    {
        "inputText": String(min_length=1),
        "dimensions": Integer(),
        "normalize": Boolean(),
        "embeddingTypes": Array(String(enum=KINDS), min_items=1),
    },
    required=("inputText",),
)
IMAGE = Object(
    {
        "inputText": String(),
        "inputImage": String(min_length=1),
        "embeddingConfig": Object({"outputEmbeddingLength": Integer()}),
    }
)


def count_text(model: Model, body: Body) -> int:  # noqa: ARG001
    """Count the tokens of the text."""
    check_choice("dimensions", body.get("dimensions"), V2_DIMENSIONS)
    tokens = count_tokens(body["inputText"])
    if tokens > MOST_TOKENS:
        raise malformed(f"expected maxLength: {MOST_TOKENS}, actual: {tokens}")
    return tokens


def write_text_v1(model: Model, body: Body, tokens: int) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer of V1."""
    return {"embedding": embed_text(body["inputText"], V1_DIMENSIONS), "inputTextTokenCount": tokens}


def write_text_v2(model: Model, body: Body, tokens: int) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer of V2: `embedding` is there where floats are asked for, and they are unless others are."""
    dimensions, is_unit = body.get("dimensions", V2_DIMENSIONS[0]), body.get("normalize", True)
    vector = embed_text(body["inputText"], dimensions, is_unit=is_unit)
    kinds = body.get("embeddingTypes", ["float"])
    by_type = {kind: vector if kind == "float" else list_signs(vector) for kind in KINDS if kind in kinds}
    whole = {"embedding": vector} if "float" in kinds else {}
    return {**whole, "embeddingsByType": by_type, "inputTextTokenCount": tokens}


def count_image(model: Model, body: Body) -> int:  # noqa: ARG001
    """Count the tokens of the text; an image has none."""
    length = (body.get("embeddingConfig") or {}).get("outputEmbeddingLength")
    check_choice("embeddingConfig/outputEmbeddingLength", length, IMAGE_DIMENSIONS)
    if not body.get("inputText") and not body.get("inputImage"):
        raise malformed("#: required key [inputText] not found")
    return count_tokens(body.get("inputText", ""))


def write_image(model: Model, body: Body, tokens: int) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer; an image is not looked at, so its vector says only whether another is the same."""
    length = (body.get("embeddingConfig") or {}).get("outputEmbeddingLength", IMAGE_DIMENSIONS[0])
    parts = [embed_text(body["inputText"], length)] if body.get("inputText") else []
    parts += [embed_bytes(body["inputImage"].encode(), length)] if body.get("inputImage") else []
    return {"embedding": join_vectors(parts), "inputTextTokenCount": tokens, "message": None}


TITAN_EMBED_V1 = Embedder(re.compile(r"amazon\.titan-embed-(text-v1|g1-text)"), TEXT_V1, count_text, write_text_v1)
TITAN_EMBED_V2 = Embedder(re.compile(r"amazon\.titan-embed-text-v2"), TEXT_V2, count_text, write_text_v2)
TITAN_EMBED_IMAGE = Embedder(re.compile(r"amazon\.titan-embed-image"), IMAGE, count_image, write_image)
