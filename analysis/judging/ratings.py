"""Ratings: which answers people are to rate, and what they said of them, in a Parquet file for each rater."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoDataFrame, IntoDataFrameT

from analysis.columns import read_columns
from analysis.errors import AnalysisError, StorageError, describe_passed, show_names
from analysis.files import explain_file_errors, make_folder, replace_when_whole
from analysis.prompts.prompt import NAME

RATINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "call_id": pl.String,
    "variant": pl.String,
    "sample": pl.Int16,
    "rater": pl.String,
    "kind": pl.String,
    "score": pl.Float64,
    "other_variant": pl.String,
    "preferred": pl.String,
    "comment": pl.String,
    "picked": pl.String,
    "rated_at": pl.Datetime("us", "UTC"),
}
PLANNED = ("call_id", "variant", "sample", "other_variant", "picked")
SCORE, PAIR = "score", "pair"
RANDOM, DISAGREEMENT = "random", "disagreement"
TIE = "tie"
LOCK = "ratings.lock"
NEEDED = ("call_id", "variant", "text")
KEYS = ("call_id", "sample", "_one", "_other")  # of a rating, with those of `add_keys`


@dataclass(frozen=True)
class Rating:
    """What one person says of one answer, or of two answers to the same call.

    Attributes
    ----------
    call_id, sample
        The call, and which of several answers to it.
    variant
        Whose answer was rated; of a pair the one that was shown first.
    rater
        Who rated: small letters, digits and `-`, at most 40; part of the name of a file.
    score
        A number on the scale of the rater; None for a pair.
    other_variant
        Of a pair the one that was shown second; else None.
    preferred
        Of a pair the variant that is better, or `tie`; else None.
    comment
        May be empty.
    picked
        `random`, or `disagreement`: chosen since the variants differ there, so that it estimates nothing.
    rated_at
        With a time zone.

    Raises
    ------
    AnalysisError
        It is neither a score nor a preference between two variants, or a field has a value that it cannot have.
    """

    call_id: str
    variant: str
    rater: str
    sample: int = 1
    score: float | None = None
    other_variant: str | None = None
    preferred: str | None = None
    comment: str = ""
    picked: str = RANDOM
    rated_at: datetime | None = None

    def __post_init__(self) -> None:
        check_rater(self.rater)
        if self.picked not in (RANDOM, DISAGREEMENT):
            raise AnalysisError("rating", f"picked is {self.picked!r}", f"it can be {RANDOM!r} or {DISAGREEMENT!r}")
        if self.rated_at is not None and self.rated_at.tzinfo is None:
            raise AnalysisError("rating", "rated_at has no time zone", "give datetime.now(UTC), or leave it out")
        if self.kind == SCORE and (self.score is None or self.preferred is not None or not math.isfinite(self.score)):
            raise AnalysisError("rating", "one answer needs a score, and no preference", "give score, a finite number")
        if self.kind == PAIR and (self.score is not None or self.preferred not in self.list_choices()):
            reason = f"preferred is {self.preferred!r}, and score {self.score!r}"
            raise AnalysisError("rating", reason, f"give preferred as one of {show_names(self.list_choices())}")

    @property
    def kind(self) -> str:
        """`score` for one answer, `pair` for two side by side."""
        return SCORE if self.other_variant is None else PAIR

    def list_choices(self) -> list[str]:
        """List what a pair can be preferred."""
        return [self.variant, str(self.other_variant), TIE]


def check_rater(rater: object) -> None:
    """Raise an error for a name of a rater that cannot be part of the name of a file."""
    if not isinstance(rater, str) or not NAME.fullmatch(rater):
        reason = f"{describe_passed(rater)} cannot name a rater"
        raise AnalysisError("rater", reason, "use small letters, digits and '-', at most 40: ada, rater-2")


def plan_ratings(
    answers: IntoDataFrameT, n: int, *, variants: Sequence[str] = (), pair: Sequence[str] = (), seed: int = 0
) -> IntoDataFrameT:
    """Pick calls at random whose answers people are to rate, and put the answers into a random order.

    Parameters
    ----------
    answers
        One row per answer: `call_id`, `variant`, `text` and, where it is there, `sample` are read. Of several samples
        the first is rated.
    n
        The number of calls. Of these every answer is to be rated by itself, or each pair.
    variants
        Those to rate by themselves; by default all.
    pair
        Two variants, to be rated side by side; which stands first is at random for each call.
    seed
        The seed of the choice and the order: every rater who has the same one rates the same answers.

    Returns
    -------
    frame
        One row per answer or pair, in the order in which they are rated: `call_id`, `variant`, `sample`,
        `other_variant` (missing for an answer by itself) and `picked`, which is `random`.

    Raises
    ------
    AnalysisError
        There are fewer calls of which each variant has an answer, or `pair` is not two variants that are there.
    """
    listing = Listing.read(answers, pair or variants, is_pair=bool(pair))
    generator = random.Random(seed)  # noqa: S311 not a secret
    calls = generator.sample(listing.pick_from(n), n)
    planned: IntoDataFrameT = listing.plan(calls, generator, RANDOM)
    return planned


def plan_disagreements(
    answers: IntoDataFrameT, n: int, *, variants: Sequence[str] = (), pair: Sequence[str] = (), seed: int = 0
) -> IntoDataFrameT:
    """Pick the calls on which answers differ most in their words, to learn why, as `plan_ratings` picks at random.

    Parameters
    ----------
    answers, n, variants, pair, seed
        As in `plan_ratings`; the seed is that of the order alone.

    Returns
    -------
    frame
        As from `plan_ratings`; `picked` is `disagreement`. These calls are chosen: no share or mean of their ratings
        estimates anything.

    Raises
    ------
    AnalysisError
        As in `plan_ratings`, or there is one variant only.
    """
    listing = Listing.read(answers, pair or variants, is_pair=bool(pair))
    if len(listing.variants) < 2:
        raise AnalysisError("variants", "one alone cannot disagree", "give answers of two variants or more")
    most_different_first = sorted(listing.pick_from(n), key=lambda call: -listing.measure_difference(call))
    generator = random.Random(seed)  # noqa: S311 not a secret
    planned: IntoDataFrameT = listing.plan(most_different_first[:n], generator, DISAGREEMENT)
    return planned


@dataclass(frozen=True)
class Listing:
    """Answers that may be rated, by call and variant: the sample and the text of each."""

    frame: nw.DataFrame[Any]
    variants: list[str]
    is_pair: bool
    answers: dict[str, dict[str, tuple[int, str]]]

    @classmethod
    def read(cls, answers: IntoDataFrame, wanted: Sequence[str], *, is_pair: bool) -> Listing:
        """Read the first sample of each call and variant that has a text."""
        frame = read_columns(answers, NEEDED, of="answers")
        texts = frame.select([*NEEDED, *(["sample"] if "sample" in frame.columns else [])]).to_polars()
        if "sample" not in texts.columns:
            texts = texts.with_columns(sample=1)
        texts = texts.filter(pl.col("text").str.len_chars() > 0).sort("sample", maintain_order=True)
        variants = check_variants(wanted, texts["variant"].unique(maintain_order=True).to_list(), is_pair=is_pair)
        found: dict[str, dict[str, tuple[int, str]]] = {}
        for row in texts.filter(pl.col("variant").is_in(variants)).iter_rows(named=True):
            found.setdefault(str(row["call_id"]), {}).setdefault(row["variant"], (row["sample"], row["text"]))
        return cls(frame, variants, is_pair, found)

    def pick_from(self, n: int) -> list[str]:
        """List the calls of which each variant has an answer, by id, so that the order of the frame does not matter."""
        calls = sorted(call for call, of_call in self.answers.items() if self.can_be_rated(of_call))
        if isinstance(n, bool) or n != int(n) or not 1 <= n <= len(calls):
            reason = f"cannot pick {n} of {len(calls)} calls of which each variant has an answer"
            raise AnalysisError(
                "ratings", reason, f"give n from 1 to {len(calls)}" if calls else "collect the run first"
            )
        return calls

    def can_be_rated(self, of_call: dict[str, tuple[int, str]]) -> bool:
        """Return whether each variant has an answer, and the two of a pair are of the same sample."""
        samples = {sample for sample, _ in of_call.values()}
        return len(of_call) == len(self.variants) and not (self.is_pair and len(samples) > 1)

    def measure_difference(self, call: str) -> float:
        """Return the largest difference between two answers to a call: the share of words that they do not share."""
        from rapidfuzz.distance import Indel

        words = [text.casefold().split() for _, text in self.answers[call].values()]
        return max(Indel.normalized_distance(one, other) for one, other in combinations(words, 2))

    def plan(self, calls: Sequence[str], generator: random.Random, picked: str) -> Any:
        """Make a frame of the answers or pairs to rate, in random order, of the caller's kind."""
        rows = [row for call in sorted(calls) for row in self.list_rows(call, generator)]
        generator.shuffle(rows)
        columns = zip(*((*row, picked) for row in rows), strict=True)
        dtypes = (nw.String(), nw.String(), nw.Int16(), nw.String(), nw.String())
        data = {name: list(column) for name, column in zip(PLANNED, columns, strict=True)}
        schema = dict(zip(PLANNED, dtypes, strict=True))
        return nw.from_dict(data, schema, backend=self.frame.implementation).to_native()

    def list_rows(self, call: str, generator: random.Random) -> Iterator[tuple[str, str, int, str | None]]:
        """Yield what is to be rated of a call: each answer, or one pair in random order."""
        samples = {name: self.answers[call][name][0] for name in self.variants}
        if not self.is_pair:
            yield from ((call, name, sample, None) for name, sample in samples.items())
            return
        first, second = generator.sample(self.variants, 2)
        yield call, first, samples[first], second


def check_variants(wanted: Sequence[str], known: list[str], *, is_pair: bool) -> list[str]:
    """Return the variants that are asked for, or all, after checking that they are there."""
    if is_pair and (isinstance(wanted, str) or len(set(wanted)) != 2 or len(wanted) != 2):
        raise AnalysisError("pair", f"{wanted!r} is not two variants", "give two names")
    if TIE in (*wanted, *known):
        raise AnalysisError("variants", f"{TIE!r} is the name of a variant", "it means that none is better: rename it")
    if unknown := [name for name in wanted if name not in known]:
        cure = f"there are {show_names(known) or 'none'}"
        raise AnalysisError("variants", f"no variant {unknown[0]!r} has an answer", cure)
    return sorted(wanted or known)


@explain_file_errors()
def read_ratings(folder: Path) -> pl.DataFrame:
    """Read the ratings of all raters.

    Parameters
    ----------
    folder
        Has a file for each rater.

    Returns
    -------
    frame
        One row per rating, in the order in which they were given: `call_id`, `variant`, `sample`, `rater`, `kind`
        (`score` or `pair`), `score`, `other_variant`, `preferred`, `comment`, `picked`, `rated_at`. Of an answer that a
        rater rated again it is the last rating. No rows where nobody has rated.

    Raises
    ------
    StorageError
        A file is damaged.
    """
    frames = [read_file(file) for file in sorted(folder.glob("*.parquet"))]
    ratings = pl.concat([pl.DataFrame(schema=RATINGS), *frames])
    return ratings.sort("rated_at", maintain_order=True)


def read_file(file: Path) -> pl.DataFrame:
    """Read the ratings of one rater; columns that a later version may add are left out."""
    try:
        return pl.read_parquet(file, columns=list(RATINGS), glob=False)
    except pl.exceptions.PolarsError as error:
        raise StorageError(file, "is damaged", "put it back, or delete it to rate again") from error


@explain_file_errors()
def write_rating(folder: Path, rating: Rating) -> None:
    """Write a rating to its rater's file, in place of an earlier one of the same answer or pair.

    Several processes may write at a time: each sees what the others wrote, and a file is replaced as a whole.

    Raises
    ------
    StorageError
        The file of the rater is damaged, or may not be written.
    """
    from filelock import FileLock

    make_folder(folder)
    rated_at = rating.rated_at or datetime.now(UTC)
    row = pl.DataFrame([asdict(rating) | {"kind": rating.kind, "rated_at": rated_at.astimezone(UTC)}], RATINGS)
    file = folder / f"{rating.rater}.parquet"
    with FileLock(folder / LOCK):
        known = read_file(file) if file.exists() else pl.DataFrame(schema=RATINGS)
        kept = add_keys(known).join(add_keys(row), on=KEYS, how="anti", maintain_order="left").select(known.columns)
        with replace_when_whole(file) as part:
            pl.concat([kept, row]).write_parquet(part)


def add_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Add columns by which a rating is known: a pair is the same pair the other way round."""
    other = pl.col("other_variant").fill_null("")
    pair = (pl.min_horizontal("variant", other), pl.max_horizontal("variant", other))
    return frame.with_columns(pair[0].alias(KEYS[2]), pair[1].alias(KEYS[3]))


def add_ratings(planned: pl.DataFrame, ratings: pl.DataFrame, rater: str) -> pl.DataFrame:
    """Add what a rater has said to the rows of a plan: `score`, `preferred` and `comment`, missing where nothing."""
    said = ("score", "preferred", "comment")
    own = add_keys(ratings.filter(pl.col("rater") == rater)).select(*KEYS, *said)
    joined = add_keys(planned).join(own, on=KEYS, how="left", maintain_order="left")
    return joined.select(*planned.columns, *said)
