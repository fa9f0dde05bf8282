"""Overlap: what answers copy from their calls, what they say twice, and which key terms of a call they have.

Words are compared by hashes, some hundred kilobytes of texts at a time. The hash of a word, or of its beginning, is a
difference of two prefix sums of a polynomial over the bytes, so that no word is looked at alone. What is compared
within an answer or a call is a number of 64 bits, the owner's number before 40 bits of hash: sorting is all it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

Array = np.ndarray[Any, np.dtype[Any]]

COPIED_WORDS = 6  # in a row are a copy; fewer are often the only way to say a thing
REPEATED_WORDS = 4
STEM_BYTES = 6  # of a word are compared for key terms: "refund" is in "refunded"
LEAST_STEM_BYTES = 3
KEY_TERMS = 10
LEAST_SAID = 2  # times in the call
MOST_CALLS = 0.2  # of the calls have a key term
CHUNK_BYTES = 3 << 18  # the arrays of a chunk stay in the processor's cache
BASE = 0x5851F42D4C957F2D  # odd, so that it has an inverse modulo 2**64
MIXER = np.uint64(0x9E3779B97F4A7C15)
HASH_BITS = 40
HASH_MASK = np.uint64((1 << HASH_BITS) - 1)
IS_WORD = bytes(chr(byte).isalnum() or byte >= 128 for byte in range(256))
NOT_ASCII_MARK = r"[^\p{L}\p{N}\p{M}\x00-\x7f]"


class Words(NamedTuple):
    """The words of several texts in a row: hashes, hashes of their beginnings (0 for short words), numbers of texts."""

    hashes: Array
    stems: Array
    texts: Array


class Copies(NamedTuple):
    """What answers copy and repeat; NaN where an answer is too short for it."""

    copied_share: Array
    longest_copied: Array
    repeated_share: Array


class StemCounts(NamedTuple):
    """The stems that a call says twice or more, with how often; and every stem, with how many of the calls say it."""

    calls: Array
    stems: Array
    said: Array
    known: Array
    in_calls: Array


class KeyTerms(NamedTuple):
    """The stems of the key terms of calls, sorted by call; several rows for a call."""

    calls: Array
    stems: Array


def measure_overlap(answers: pl.Series, transcripts: pl.Series, calls: pl.Series) -> dict[str, pl.Series]:
    """Measure answers against their calls.

    Parameters
    ----------
    answers
        One text per answer.
    transcripts
        One text per call.
    calls
        The number of each answer's call among the transcripts.

    Returns
    -------
    columns
        `copied_share`, `longest_copied`, `repeated_share` and `coverage` of each answer, as fractions; missing where an
        answer is too short, or its call has no key terms.
    """
    order = calls.arg_sort()
    ordered, numbers = answers.gather(order), calls.gather(order).to_numpy()
    chunks = list(list_chunks(transcripts, ordered, numbers))
    copies, counts, stems = [], [], []
    for first, last, begin, end in chunks:
        said, answered = hash_words(transcripts[first:last]), hash_words(ordered[begin:end])
        copies.append(measure_copies(answered, said, numbers[begin:end] - first))
        counts.append(count_stems(said, first))
        stems.append(list_stems(answered)[0])
    terms = find_key_terms(counts, len(transcripts))
    coverage = [
        measure_coverage(some, numbers[begin:end], terms)
        for some, (_, _, begin, end) in zip(stems, chunks, strict=True)
    ]
    measured = [*(np.concatenate([[], *column]) for column in zip(*copies, strict=True))] or [np.empty(0)] * 3
    back = order.arg_sort()
    names = (*Copies._fields, "coverage")
    columns = (*measured, np.concatenate([np.empty(0), *coverage]))
    return {
        name: pl.Series(name, column, pl.Float64, nan_to_null=True).gather(back)
        for name, column in zip(names, columns, strict=True)
    }


def list_chunks(transcripts: pl.Series, answers: pl.Series, numbers: Array) -> Iterator[tuple[int, int, int, int]]:
    """Yield pieces of so many bytes of transcripts and the answers to them, at least one call: ends of either."""
    answer_bytes = np.bincount(numbers, answers.str.len_bytes().to_numpy(), len(transcripts))
    ends = np.cumsum(transcripts.str.len_bytes().to_numpy() + answer_bytes)
    first = 0
    while first < len(ends):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + CHUNK_BYTES, side="right")))
        begin, end = np.searchsorted(numbers, [first, last])
        yield first, last, int(begin), int(end)
        first = last


def hash_words(texts: pl.Series) -> Words:
    """Divide texts into words of letters and digits, in small letters, and hash them."""
    small = texts.str.to_lowercase()
    sizes = small.str.len_bytes()
    if (sizes != small.str.len_chars()).any():
        small = small.str.replace_all(NOT_ASCII_MARK, " ")
        sizes = small.str.len_bytes()
    data = (small.str.join("\n").item() or "").encode()
    begins, ends = find_words(data)
    powers, inverses = list_powers(max(1 << 20, 1 << len(data).bit_length()))
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(np.frombuffer(data, np.uint8) * powers[: len(data)], out=sums[1:])
    shifts = inverses[begins]
    stems = (sums[np.minimum(ends, begins + STEM_BYTES)] - sums[begins]) * shifts
    stems[ends - begins < LEAST_STEM_BYTES] = 0
    counts = np.diff(np.searchsorted(begins, np.cumsum(sizes.to_numpy().astype(np.int64) + 1)), prepend=0)
    return Words((sums[ends] - sums[begins]) * shifts, stems, np.repeat(np.arange(len(counts)), counts))


def find_words(data: bytes) -> tuple[Array, Array]:
    """Find where words begin and end."""
    is_word = np.frombuffer(b"\0" + data.translate(IS_WORD) + b"\0", np.bool_)
    edges = np.flatnonzero(is_word[1:] != is_word[:-1])
    return edges[::2], edges[1::2]


@lru_cache(maxsize=2)
def list_powers(size: int) -> tuple[Array, Array]:
    """List the powers of the base and of its inverse, modulo 2**64."""
    inverse = pow(BASE, -1, 1 << 64)
    powers, inverses = (np.cumprod(np.full(size, base, np.uint64), dtype=np.uint64) for base in (BASE, inverse))
    return powers, inverses


def label(hashes: Array, owners: Array) -> Array:
    """Put the number of its owner before each hash, of which 40 bits are kept."""
    labelled: Array = (owners.astype(np.uint64) << HASH_BITS) | ((hashes * MIXER) >> (64 - HASH_BITS))
    return labelled


def count_owners(labelled: Array, count: int) -> Array:
    """Count the hashes of each owner."""
    return np.bincount((labelled >> HASH_BITS).astype(np.int64), minlength=count)


def find_different(labelled: Array) -> tuple[Array, Array]:
    """Return the different ones in order, and how often each occurs."""
    ordered = np.sort(labelled)
    firsts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return ordered[firsts], np.diff(firsts, append=len(ordered))


def is_among(labelled: Array, ordered: Array) -> Array:
    """Return which are among others that are in order."""
    if not len(ordered):
        return np.zeros(len(labelled), np.bool_)
    found: Array = ordered[np.minimum(np.searchsorted(ordered, labelled), len(ordered) - 1)] == labelled
    return found


def hash_runs(words: Words, owners: Array, length: int) -> tuple[Array, Array]:
    """Hash each run of so many words, labelled by its owner, and return the places where such runs begin."""
    count = max(0, len(words.texts) - length + 1)
    hashes = words.hashes[:count].copy()
    for place in range(1, length):
        hashes *= np.uint64(BASE)
        hashes += words.hashes[place : count + place]
    places = np.flatnonzero(words.texts[:count] == words.texts[length - 1 :])
    return label(hashes[places], owners[words.texts[places]]), places


def measure_copies(answers: Words, calls: Words, call_of: Array) -> Copies:
    """Measure how much of each answer stands in its call word for word, and how much it says twice."""
    count = len(call_of)
    in_calls, _ = hash_runs(calls, np.arange(int(calls.texts.max(initial=0)) + 1), COPIED_WORDS)
    runs, places = hash_runs(answers, call_of, COPIED_WORDS)
    copied = places[is_among(runs, np.sort(in_calls))]
    begins = copied[np.diff(copied, prepend=-2) > 1]
    ends = copied[np.diff(copied, append=len(answers.texts) + 2) > 1] + COPIED_WORDS
    longest = np.zeros(count)
    np.maximum.at(longest, answers.texts[begins], ends - begins)
    words = np.bincount(answers.texts, minlength=count)
    covered = count_covered(answers, copied, count)
    longest[words < COPIED_WORDS] = np.nan
    return Copies(divide(covered, np.where(words < COPIED_WORDS, 0, words)), longest, measure_repeats(answers, count))


def count_covered(words: Words, copied: Array, count: int) -> Array:
    """Count the words of each text that are in a copied run."""
    steps = np.zeros(len(words.texts) + 1, np.int32)
    steps[copied] += 1
    steps[copied + COPIED_WORDS] -= 1
    return np.bincount(words.texts[np.cumsum(steps[:-1]) > 0], minlength=count)


def measure_repeats(words: Words, count: int) -> Array:
    """Measure which share of the runs of four words of each text stood there before."""
    runs, _ = hash_runs(words, np.arange(count), REPEATED_WORDS)
    different, _ = find_different(runs)
    return 1 - divide(count_owners(different, count), count_owners(runs, count))


def divide(part: Array, whole: Array) -> Array:
    """Divide, with NaN where the whole is 0."""
    shares: Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def list_stems(words: Words) -> tuple[Array, Array]:
    """List the different stems of each text, labelled by it, and how often each occurs."""
    is_stem = words.stems != 0
    return find_different(label(words.stems[is_stem], words.texts[is_stem]))


def count_stems(words: Words, first: int) -> StemCounts:
    """Count how often each stem is said in each call, and in how many of these calls it is said."""
    different, said = list_stems(words)
    is_often = said >= LEAST_SAID
    often = different[is_often]
    calls, stems = (often >> HASH_BITS).astype(np.int64) + first, often & HASH_MASK
    return StemCounts(calls, stems, said[is_often], *find_different(different & HASH_MASK))


def find_key_terms(counts: list[StemCounts], calls: int) -> KeyTerms:
    """Find the stems of each call with the highest tf-idf: said twice or more, and in few calls."""
    if not counts:
        return KeyTerms(np.empty(0, np.int64), np.empty(0, np.uint64))
    numbers, stems, said, known, in_calls = (np.concatenate(columns) for columns in zip(*counts, strict=True))
    known, places = np.unique(known, return_inverse=True)
    spread = np.bincount(places, in_calls)[np.searchsorted(known, stems)]
    is_rare = spread <= MOST_CALLS * calls
    numbers, stems = numbers[is_rare], stems[is_rare]
    score = said[is_rare] * np.log(calls / spread[is_rare])
    order = np.lexsort((stems, -score, numbers))
    numbers, stems = numbers[order], stems[order]
    rank = np.arange(len(numbers)) - np.searchsorted(numbers, numbers)
    return KeyTerms(numbers[rank < KEY_TERMS], stems[rank < KEY_TERMS])


def measure_coverage(stems: Array, call_of: Array, terms: KeyTerms) -> Array:
    """Measure which share of the key terms of its call each answer has, from its different stems."""
    low, high = np.searchsorted(terms.calls, call_of), np.searchsorted(terms.calls, call_of, side="right")
    begin, end, first = (low[0], high[-1], call_of[0]) if len(call_of) else (0, 0, 0)
    wanted = ((terms.calls[begin:end] - first).astype(np.uint64) << HASH_BITS) | terms.stems[begin:end]
    owners = (call_of - first).astype(np.uint64)[(stems >> HASH_BITS).astype(np.int64)]
    has = is_among((owners << HASH_BITS) | (stems & HASH_MASK), np.sort(wanted))
    return divide(count_owners(stems[has], len(call_of)), high - low)
