"""Digests of calls: of all rows in their order, or of each row, where no process has all of them in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import polars as pl

MODULUS = 1 << 256


def digest_calls(calls: pl.DataFrame) -> str:
    """Return the SHA-256 of the values of all rows, whatever the frame was read from; the order of the rows counts."""
    digest = hashlib.sha256()
    for row in encode_rows(calls):
        digest.update(row)
    return digest.hexdigest()


def sum_digests(calls: pl.DataFrame, transcripts: pl.Series) -> int:
    """Add up the SHA-256 of the values of each row, modulo 2^256: sums of parts add up, in any order of the rows.

    A transcript counts by its digest, since a cluster that has taken that need not take another one of the whole text.
    """
    calls = calls.with_columns(transcript=transcripts.bin.encode("hex"))
    return sum(int.from_bytes(hashlib.sha256(row).digest()) for row in encode_rows(calls)) % MODULUS


def format_sum(total: int) -> str:
    """Format a sum of digests as hex digits."""
    return f"{total % MODULUS:064x}"


def encode_rows(calls: pl.DataFrame) -> Iterator[bytes]:
    """Encode the values of each row as a line of JSON."""
    encoder = msgspec.json.Encoder(enc_hook=str)
    for row in calls.iter_rows():
        yield encoder.encode(row) + b"\n"
