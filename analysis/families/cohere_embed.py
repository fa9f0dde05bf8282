"""Cohere Embed v3 and v4: only read. An answer has a vector for each text, and the token count is not in it.

Source: Amazon Bedrock User Guide, "Cohere Embed and Cohere Embed v4 models". `embeddings` is a list of vectors, or
with `embedding_types` an object that has one such list by type.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from analysis.families.cohere_r import CohereRMeta
from analysis.families.family import Family, ParsedAnswer, Sampling, Vectors, only_read


class EmbedRequest(Struct):
    """What distinguishes an echoed request of Cohere or Nova; it has no inference parameters."""

    input_type: Any = None

    def has_own_field(self) -> bool:
        """Return whether `input_type` is there, which only Cohere's requests have."""
        return self.input_type is not None

    def sampling(self) -> Sampling:
        """Return no inference parameters."""
        return Sampling()


class EmbedAnswer(Struct):
    """An answer; the required `embeddings` distinguishes it from other families' answers."""

    embeddings: Any
    meta: CohereRMeta | None = None

    def parse(self) -> ParsedAnswer:
        """Describe the vectors; a model that writes no text has no output tokens."""
        billed = self.meta and self.meta.billed_units
        vectors = describe_vectors(self.embeddings)
        return ParsedAnswer(input_tokens=billed.input_tokens if billed else None, output_tokens=0, vectors=vectors)


def describe_vectors(embeddings: Any) -> Vectors | None:
    """Describe vectors that are a list, or lists by type; None where there are none."""
    by_type = embeddings if isinstance(embeddings, dict) else {"float": embeddings}
    lists = {kind: vectors for kind, vectors in by_type.items() if isinstance(vectors, list) and vectors}
    if not lists:
        return None
    first = next(iter(lists.values()))
    return Vectors(len(first), measure(first[0]), ", ".join(lists))


def measure(vector: Any) -> int | None:
    """Return the length of a vector, which Nova holds in an object; None for one in base64."""
    numbers = vector.get("embedding") if isinstance(vector, dict) else vector
    return len(numbers) if isinstance(numbers, list) else None


COHERE_EMBED = Family(
    name="cohere_embed",
    models=re.compile(r"cohere\.embed"),
    write_request=only_read,
    request=EmbedRequest,
    answer=EmbedAnswer,
    stops={},
)
