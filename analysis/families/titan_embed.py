"""Amazon Titan embeddings, of text and of images: only read. An answer is a vector, in one or several types.

Source: Amazon Bedrock User Guide, "Amazon Titan Embeddings Text" and "Amazon Titan Multimodal Embeddings G1"; with
`embeddingTypes` other than float, `embedding` may be absent.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from analysis.families.family import Count, Family, ParsedAnswer, Sampling, Vectors, only_read


class TitanEmbedRequest(Struct, rename="camel"):
    """What distinguishes an echoed request; it has no inference parameters."""

    dimensions: Count | None = None
    embedding_types: Any = None
    embedding_config: Any = None

    def has_own_field(self) -> bool:
        """Return whether one of the fields is there that only these requests have."""
        return any(field is not None for field in (self.dimensions, self.embedding_types, self.embedding_config))

    def sampling(self) -> Sampling:
        """Return no inference parameters."""
        return Sampling()


class TitanEmbedAnswer(Struct, rename="camel"):
    """An answer; with `results` its required field would be that of Titan Text."""

    input_text_token_count: Count | None
    embedding: Any = None
    embeddings_by_type: Any = None
    results: UnsetType = UNSET

    def parse(self) -> ParsedAnswer:
        """Describe the vector, whose types are forms of one; a model that writes no text has no output tokens."""
        by_type = self.embeddings_by_type if isinstance(self.embeddings_by_type, dict) else {}
        vector = self.embedding or next(iter(by_type.values()), None)
        vectors = (
            Vectors(1, len(vector), ", ".join(by_type) or "float") if isinstance(vector, list) and vector else None
        )
        return ParsedAnswer(input_tokens=self.input_text_token_count, output_tokens=0, vectors=vectors)


TITAN_EMBED = Family(
    name="titan_embed",
    models=re.compile(r"amazon\.titan-embed"),
    write_request=only_read,
    request=TitanEmbedRequest,
    answer=TitanEmbedAnswer,
    stops={},
)
