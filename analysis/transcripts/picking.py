"""Pick some of the calls at random, so that each kind of call keeps its share."""

from __future__ import annotations

import random
from typing import Any

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from analysis.errors import CallsError, ColumnError
from analysis.transcripts.sources import offer


def pick_calls(calls: IntoDataFrameT, n: int, *, seed: int = 0, by: str | None = None) -> IntoDataFrameT:
    """Pick calls at random, the same ones for the same seed.

    Parameters
    ----------
    calls
        One row per call.
    n
        How many to pick, 1 or more.
    seed
        Another seed picks others.
    by
        A column, or `length` (the quarters of the calls by characters of transcript), whose values keep their shares:
        each gives its part of `n`, rounded by largest remainder. A missing value is a value of its own.

    Returns
    -------
    frame
        `n` rows of `calls` in their order.

    Raises
    ------
    CallsError
        There are fewer calls.
    ColumnError
        There is no such column.
    """
    frame = nw.from_native(calls, eager_only=True)
    if not 1 <= n <= len(frame):
        raise CallsError("pick_calls", f"cannot pick {n} of {len(frame)} calls", f"give n from 1 to {len(frame)}")
    strata: dict[str, list[int]] = {}
    for position, label in enumerate(label_calls(frame, by)):
        strata.setdefault(label, []).append(position)
    picks = random.Random(seed)  # noqa: S311 not a secret
    shares = zip(strata.values(), share_out(n, [len(stratum) for stratum in strata.values()]), strict=True)
    chosen = sorted(position for stratum, share in shares for position in picks.sample(stratum, share))
    return nw.maybe_reset_index(frame[chosen]).to_native()


def label_calls(frame: nw.DataFrame[Any], by: str | None) -> list[str]:
    """Name the stratum of every call."""
    if by is None:
        return [""] * len(frame)
    if by in frame.columns:
        return [repr(None if value is None or value != value else value) for value in frame[by].to_list()]
    if by != "length":
        cure = f"give 'length' or {offer(by, frame.columns)}"
        raise ColumnError("pick_calls", f"no column {by!r}", cure)
    lengths = frame["transcript"].str.len_chars().fill_null(0).to_list()
    shortest_first = sorted(range(len(lengths)), key=lengths.__getitem__)
    quarters = {position: rank * 4 // len(lengths) for rank, position in enumerate(shortest_first)}
    return [str(quarters[position]) for position in range(len(lengths))]


def share_out(n: int, sizes: list[int]) -> list[int]:
    """Divide n in proportion to sizes, by largest remainder (Hare); the first of equals comes first."""
    shares, remainders = zip(*(divmod(n * size, sum(sizes)) for size in sizes), strict=True)
    rounded_up = sorted(range(len(sizes)), key=lambda stratum: -remainders[stratum])[: n - sum(shares)]
    return [share + (stratum in rounded_up) for stratum, share in enumerate(shares)]
