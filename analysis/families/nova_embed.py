"""Amazon Nova Multimodal Embeddings: only read. `embeddings` has an object for each vector.

Source: Amazon Nova User Guide, "Nova Embeddings complete schema"; answers have no token counts.
"""

from __future__ import annotations

import re

from analysis.families.cohere_embed import EmbedAnswer, EmbedRequest
from analysis.families.family import Family, only_read

NOVA_EMBED = Family(
    name="nova_embed",
    models=re.compile(r"amazon\.nova-.*embed"),
    write_request=only_read,
    request=EmbedRequest,
    answer=EmbedAnswer,
    stops={},
)
