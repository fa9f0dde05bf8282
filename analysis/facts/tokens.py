"""Tokens of a text before a model has counted them: an estimate from its bytes."""

from __future__ import annotations

BYTES_PER_TOKEN = 4  # rule of thumb for English text; the plan takes it as plus or minus a quarter


def estimate_tokens(text_bytes: int) -> int:
    """Estimate the tokens of texts of this size, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)
