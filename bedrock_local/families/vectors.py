"""Vectors in place of an embedding model's: texts that share words, or parts of words, are near to each other.

Each word and each three letters of a text add to some places of the vector, which their digest chooses: feature
hashing (Weinberger et al., 2009). The same text gets the same vector, in every process.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

WORD = re.compile(r"\w+")
# Parts of words count less than words: they tell `refund` and `refunds` from words that have nothing in common.
PART_CHARS, PART_WEIGHT = 3, 0.3
PLACES = 4
DIGITS = 8  # after the point, as in answers of the service
HALF_BYTE = 127


def embed_text(text: str, dimensions: int, *, is_unit: bool = True) -> list[float]:
    """Return the vector of a text; of length 1 unless told otherwise."""
    vector = [0.0] * dimensions
    for feature, weight in list_features(text).items():
        for place, sign in choose_places(feature, dimensions):
            vector[place] += sign * weight
    length = math.hypot(*vector) or 1.0
    scale = 1 / length if is_unit else 1.0
    return [round(number * scale, DIGITS) for number in vector]


def embed_bytes(content: bytes, dimensions: int) -> list[float]:
    """Return a vector of what is no text: equal contents get equal vectors, others are far from each other."""
    return embed_text(hashlib.sha256(content).hexdigest(), dimensions)


def join_vectors(vectors: Iterable[Sequence[float]]) -> list[float]:
    """Return the direction between some vectors, as of a text and an image in one request."""
    summed = [sum(numbers) for numbers in zip(*vectors, strict=True)]
    length = math.hypot(*summed) or 1.0
    return [round(number / length, DIGITS) for number in summed]


def list_features(text: str) -> dict[str, float]:
    """Return the words of a text and their parts, each with its weight; of a text without words the text itself."""
    # A word that is said ten times is not ten times as much of what a text is about.
    words = {word: 1 + math.log(count) for word, count in (Counter(WORD.findall(text.casefold())) or {text: 1}).items()}
    parts: dict[str, float] = defaultdict(float)
    for word, weight in words.items():
        for part in list_parts(word):
            parts[part] += PART_WEIGHT * weight
    return words | parts


@lru_cache(maxsize=65_536)
def list_parts(word: str) -> tuple[str, ...]:
    """List the parts of a word, with marks that no word has at its ends, so that no part is a word."""
    marked = f"<{word}>"
    return tuple(f"<{marked[start : start + PART_CHARS]}" for start in range(len(marked) - PART_CHARS + 1))


@lru_cache(maxsize=65_536)
def choose_places(feature: str, dimensions: int) -> tuple[tuple[int, int], ...]:
    """Choose the places of a vector to which a feature adds, and whether it adds or subtracts."""
    digest = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=4 * PLACES).digest()
    numbers = [int.from_bytes(digest[start : start + 4]) for start in range(0, len(digest), 4)]
    return tuple((number // 2 % dimensions, 1 if number % 2 else -1) for number in numbers)


def quantize(vector: Sequence[float], kind: str) -> list[float] | list[int]:
    """Return a vector in one of the types of Cohere: float, int8, uint8, binary (eight signs in a byte) or ubinary."""
    if kind == "float":
        return list(vector)
    if kind in ("int8", "uint8"):
        return [round(number * HALF_BYTE) + (HALF_BYTE + 1 if kind == "uint8" else 0) for number in vector]
    packed = [pack_signs(vector[start : start + 8]) for start in range(0, len(vector), 8)]
    return packed if kind == "ubinary" else [byte - 128 for byte in packed]


def list_signs(vector: Sequence[float]) -> list[int]:
    """Return 1 for each number above zero and 0 for the others, which is how Titan writes a binary vector."""
    return [int(number > 0) for number in vector]


def pack_signs(numbers: Sequence[float]) -> int:
    """Pack the signs of eight numbers into a byte, the first one highest."""
    return sum(sign << 7 - place for place, sign in enumerate(list_signs(numbers)))
