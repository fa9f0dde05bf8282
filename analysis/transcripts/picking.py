"""Pick some of the calls at random, so that each kind of call keeps its share."""

from __future__ import annotations

import random
from typing import Any

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from analysis.columns import read_columns
from analysis.errors import CallsError, ColumnError
from analysis.transcripts.sources import suggest_columns


def pick_calls(calls: IntoDataFrameT, n: int, *, seed: int = 0, by: str | None = None) -> IntoDataFrameT:
    """Pick calls at random, the same ones for the same seed.

    Parameters
    ----------
    calls
        One row per call.
    n
        The number of calls to pick, 1 or more.
    seed
        The seed of the random choice.
    by
        A column, or `length` (four groups of equal size by characters of transcript). The calls are picked so that each
        value keeps its share of the calls, rounded by largest remainder. Missing is a value of its own.

    Returns
    -------
    frame
        `n` rows of `calls`, in the order of `calls`.

    Raises
    ------
    CallsError
        `n` is below 1 or not whole, or there are fewer calls.
    ColumnError
        `by` is not a column; or it is `length`, and there are no transcripts.
    """
    frame = read_columns(calls, ("transcript",) if by == "length" else (), of="calls")
    if n != int(n) or not 1 <= n <= len(frame):
        raise CallsError("pick_calls", f"cannot pick {n} of {len(frame)} calls", f"give n from 1 to {len(frame)}")
    strata: dict[str, list[int]] = {}
    for position, label in enumerate(label_calls(frame, by)):
        strata.setdefault(label, []).append(position)
    picks = random.Random(seed)  # noqa: S311 not a secret
    shares = zip(strata.values(), apportion(int(n), [len(stratum) for stratum in strata.values()]), strict=True)
    chosen = sorted(position for stratum, share in shares for position in picks.sample(stratum, share))
    return nw.maybe_reset_index(frame[chosen]).to_native()


def label_calls(frame: nw.DataFrame[Any], by: str | None) -> list[str]:
    """Return the stratum of every call."""
    if by is None:
        return [""] * len(frame)
    if by in frame.columns:
        # A missing value is NaN in some pandas columns, and only NaN differs from itself.
        return [repr(None if value is None or value != value else value) for value in frame[by].to_list()]
    if by != "length":
        cure = f"give 'length' or {suggest_columns(by, frame.columns)}"
        raise ColumnError("pick_calls", f"no column {by!r}", cure)
    lengths = frame["transcript"].str.len_chars().fill_null(0).to_list()
    shortest_first = sorted(range(len(lengths)), key=lengths.__getitem__)
    quarters = {position: rank * 4 // len(lengths) for rank, position in enumerate(shortest_first)}
    return [str(quarters[position]) for position in range(len(lengths))]


def apportion(n: int, sizes: list[int]) -> list[int]:
    """Divide n in proportion to sizes by the largest-remainder method (Hare quota); the first of equals wins."""
    shares, remainders = zip(*(divmod(n * size, sum(sizes)) for size in sizes), strict=True)
    rounded_up = sorted(range(len(sizes)), key=lambda stratum: -remainders[stratum])[: n - sum(shares)]
    return [share + (stratum in rounded_up) for stratum, share in enumerate(shares)]
