"""The body and answer formats of Cohere Embed v3 and v4 by InvokeModel.

Sources: Amazon Bedrock User Guide, "Cohere Embed v3" and "Cohere Embed v4". Answers have no token counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bedrock_local.families.embedder import Embedder, check_choice, malformed
from bedrock_local.families.family import Body, make_uuid
from bedrock_local.families.schema import ANY, Array, Integer, Object, OneOf, String
from bedrock_local.families.vectors import embed_bytes, embed_text, join_vectors, quantize
from bedrock_local.inference import count_tokens
from bedrock_local.models import Model

V3_DIMENSIONS = 1_024
V4_DIMENSIONS = (1_536, 1_024, 512, 256)
MOST_INPUTS = 96
INPUTS = ("texts", "images", "inputs")
USES = ("search_document", "search_query", "classification", "clustering", "image")
KINDS = ("float", "int8", "uint8", "binary", "ubinary")
TEXTS = Array(String(), max_items=MOST_INPUTS)
SHARED = {"input_type": String(enum=USES), "texts": TEXTS, "embedding_types": Array(String(enum=KINDS))}
V3 = Object(
    {
        **SHARED,
        "images": Array(String(min_length=1), max_items=1),
        "truncate": String(enum=("NONE", "START", "END")),
    },
    required=("input_type",),
)
PART = OneOf(
    {
        "text": Object({"text": String()}, required=("text",)),
        "image_url": Object({"image_url": ANY}, required=("image_url",)),
    }
)
V4 = Object(
    {
        **SHARED,
        "images": Array(String(min_length=1), max_items=MOST_INPUTS),
        "inputs": Array(Object({"content": Array(PART, min_items=1)}, required=("content",)), max_items=MOST_INPUTS),
        "output_dimension": Integer(),
        "max_tokens": Integer(1),
        # The page has LEFT and RIGHT; Cohere's own API, whose clients are used here too, the words of v3.
        "truncate": String(enum=("NONE", "LEFT", "RIGHT", "START", "END")),
    },
    required=("input_type",),
)


def count_input(model: Model, body: Body) -> int:  # noqa: ARG001
    """Count the tokens of all texts."""
    check_choice("output_dimension", body.get("output_dimension"), V4_DIMENSIONS)
    if len([name for name in INPUTS if body.get(name)]) != 1:
        raise malformed("#: exactly one of the keys [texts, images, inputs] is required")
    parts = [part for one in body.get("inputs", ()) for part in one["content"]]
    return sum(map(count_tokens, [*body.get("texts", ()), *(part.get("text", "") for part in parts)]))


def write_v3(model: Model, body: Body, tokens: int) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer of v3."""
    return write_vectors(body, V3_DIMENSIONS)


def write_v4(model: Model, body: Body, tokens: int) -> dict[str, Any]:  # noqa: ARG001
    """Write the answer of v4."""
    return write_vectors(body, body.get("output_dimension", V4_DIMENSIONS[0]))


def write_vectors(body: Body, dimensions: int) -> dict[str, Any]:
    """Write an answer: a list of vectors or, where types are asked for, such a list for each of them."""
    vectors = list(embed_inputs(body, dimensions))
    kinds = body.get("embedding_types")
    by_type = {kind: [quantize(vector, kind) for vector in vectors] for kind in KINDS if kind in (kinds or ())}
    return {
        "embeddings": by_type if kinds else vectors,
        "id": make_uuid(body),
        "response_type": "embeddings_by_type" if kinds else "embeddings_floats",
        **{name: body[name] for name in ("texts",) if name in body},
    }


def embed_inputs(body: Body, dimensions: int) -> Iterator[list[float]]:
    """Yield the vector of each text, image or mixture."""
    for text in body.get("texts", ()):
        yield embed_text(text, dimensions)
    for image in body.get("images", ()):
        yield embed_bytes(image.encode(), dimensions)
    for one in body.get("inputs", ()):
        yield join_vectors([embed_part(part, dimensions) for part in one["content"]])


def embed_part(part: dict[str, Any], dimensions: int) -> list[float]:
    """Return the vector of a part of a mixture."""
    if part["type"] == "text":
        return embed_text(part["text"], dimensions)
    return embed_bytes(str(part["image_url"]).encode("utf-8", "surrogatepass"), dimensions)


COHERE_EMBED_V3 = Embedder(re.compile(r"cohere\.embed-(english|multilingual)-v3"), V3, count_input, write_v3)
COHERE_EMBED_V4 = Embedder(re.compile(r"cohere\.embed-v4"), V4, count_input, write_v4)
