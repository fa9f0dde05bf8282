"""Cases: what a judge is asked, as calls of a run of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import as_pandas, read_columns
from analysis.errors import AnalysisError, show_names
from analysis.metrics.json_answers import list_bodies

NEEDED = ("call_id", "variant", "text", "transcript")
KEYS = ("call_id", "variant", "sample")
CASE = {"call_id": pl.String, "transcript": pl.String}
JUDGED = {"judged_call": pl.String, "judged_sample": pl.Int16}
SCORED = CASE | {"answer": pl.String} | JUDGED | {"judged_variant": pl.String}
PAIRED = CASE | {"answer_1": pl.String, "answer_2": pl.String} | JUDGED | {"first": pl.String, "second": pl.String}


def present_answers(answers: IntoDataFrameT) -> IntoDataFrameT:
    """Present each answer to a judge that scores it by itself.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`: `call_id`, `variant`, `text`, `transcript` and, where they are there,
        `sample`, `tool_calls` and `error_kind` are read.

    Returns
    -------
    frame
        One row per answer that is there, in their order: the calls of a run whose prompt is the judge. `call_id` names
        the answer; `transcript` and `answer` are for the prompt's text, which has no name of a variant;
        `judged_call`, `judged_sample` and `judged_variant` say whose answer it is, and come back beside the verdict.

    Raises
    ------
    AnalysisError
        A sample of a call and variant has two rows.
    """
    frame, table = read_answers(answers)
    cases = table.select(
        pl.format("{}/{}/{}", "call_id", "sample", "variant").alias("call_id"),
        "transcript",
        pl.col("body").alias("answer"),
        pl.col("call_id").alias("judged_call"),
        pl.col("sample").alias("judged_sample"),
        pl.col("variant").alias("judged_variant"),
    )
    return restore(cases, like=frame)


def pair_answers(
    answers: IntoDataFrameT, variants: Sequence[str], *, both_orders: int = 100, seed: int = 0
) -> IntoDataFrameT:
    """Pair the answers of variants to the same calls for a judge that says which of two is better.

    Parameters
    ----------
    answers
        As in `present_answers`.
    variants
        Two or more; each is paired with the last one, the baseline.
    both_orders
        Of each two variants so many pairs, picked at random, are presented in both orders: they tell how often the
        judge changes its mind with the order. All where there are fewer.
    seed
        Of the order, which is drawn for each call, and of that choice.

    Returns
    -------
    frame
        One row per pair and order, for calls of which both variants have an answer: the calls of a run whose prompt is
        the judge. `call_id` names the pair; `transcript`, `answer_1` and `answer_2` are for the prompt's text, which
        has no name of a variant; `judged_call`, `judged_sample`, `first` and `second` say whose answers these are.

    Raises
    ------
    AnalysisError
        `variants` is not two or more variants of the frame, or a sample of a call and variant has two rows.

    Notes
    -----
    Judges prefer what stands first, and an order at random spreads that over both variants. For a decision it finds
    more than both orders of half as many calls, as long as the judge takes the first one, whatever it is, in less than
    half of the pairs; beyond that, present all in both orders (see `measure_position`).
    """
    frame, table = read_answers(answers)
    *others, baseline = check_variants(variants, table["variant"].unique())
    pairs = [each for variant in others for each in order_pairs(join_pair(table, variant, baseline), both_orders, seed)]
    return restore(pl.DataFrame(pairs, schema=PAIRED, orient="row"), like=frame)


def read_answers(answers: IntoDataFrameT) -> tuple[nw.DataFrame[IntoDataFrameT], pl.DataFrame]:
    """Read the answers that are there: keys, `transcript`, and `body`, the text or the input of a tool."""
    frame = read_columns(answers, NEEDED, of="answers")
    bodies = pl.Series("body", list_bodies(frame), pl.String)
    optional = [name for name in ("sample", "error_kind") if name in frame.columns]
    table = frame.select(*NEEDED, *optional).to_polars().with_columns(bodies)
    sample = pl.col("sample") if "sample" in optional else pl.lit(1)
    is_there = pl.col("body").str.contains(r"\S") & pl.col("transcript").is_not_null()
    if "error_kind" in optional:
        is_there &= pl.col("error_kind").is_null()
    names = [pl.col(name).cast(pl.String) for name in ("call_id", "variant")]
    table = table.with_columns(*names, sample.cast(pl.Int16).alias("sample")).filter(is_there)
    repeated = table.filter(table.select(KEYS).is_duplicated())
    if len(repeated):
        call, variant, number = repeated.select(KEYS).row(0)
        reason = f"call {call!r} has sample {number} of variant {variant!r} more than once"
        raise AnalysisError("answers", reason, "pass what load_answers(run) returns")
    return frame, table


def check_variants(variants: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return two or more different variants after checking that they are all there."""
    names = [] if isinstance(variants, str) else list(variants)
    if len(names) < 2 or len(set(names)) < len(names):
        reason = f"{variants!r} is not two variants or more"
        raise AnalysisError("variants", reason, "name each once, and last the one that they are compared with")
    there = sorted(known)
    for name in names:
        if name not in there:
            raise AnalysisError("variants", f"no answer of {name!r}", f"there are {show_names(there, most=20)}")
    return names


def join_pair(table: pl.DataFrame, variant: str, baseline: str) -> pl.DataFrame:
    """Join the answers of two variants to the same call and sample."""
    theirs = table.filter(variant=baseline).select("call_id", "sample", pl.col("body").alias("other"))
    ours = table.filter(variant=variant).select("call_id", "sample", "transcript", "variant", "body")
    joined = ours.join(theirs, on=["call_id", "sample"], maintain_order="left")
    return joined.with_columns(pl.lit(baseline).alias("baseline"))


def order_pairs(pairs: pl.DataFrame, both_orders: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """Yield a case for each pair in an order that is drawn by its call, and for some a second one the other way."""
    rows = pairs.select("call_id", "sample", "transcript", "variant", "baseline", "body", "other").rows()
    draws = [draw(seed, call, sample, *sorted(names)) for call, sample, _, *names, _, _ in rows]
    # The first byte draws the order, the others the choice, so that both are independent.
    twice = set(sorted(range(len(rows)), key=lambda place: draws[place][1:])[: max(0, both_orders)])
    for place, (call, sample, transcript, variant, baseline, ours, theirs) in enumerate(rows):
        sides = [(variant, ours), (baseline, theirs)]
        # By name, so that the order does not depend on which of two is the baseline.
        sides.sort(reverse=bool(draws[place][0] % 2))
        for (first, text), (second, other) in [sides, sides[::-1]] if place in twice else [sides]:
            yield f"{call}/{sample}/{first}/{second}", transcript, text, other, call, sample, first, second


def draw(*parts: object) -> bytes:
    """Draw bytes that look random and are the same for the same parts."""
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=9).digest()


def restore(table: pl.DataFrame, *, like: nw.DataFrame[IntoDataFrameT]) -> IntoDataFrameT:
    """Convert a table to the library of the caller's frame."""
    native: Any = as_pandas(table) if like.implementation.is_pandas() else table
    restored: IntoDataFrameT = native
    return restored
