"""Quality: what can be measured of an answer without a reference and without a judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, TRUTH, WHOLE, read_columns
from analysis.metrics.claims.checks import AnswerCheck, number_calls
from analysis.metrics.expectations import list_invalid, list_unmet
from analysis.metrics.json_answers import list_bodies
from analysis.metrics.texts import add_columns, read_texts, rename_clashes
from analysis.prompts import Expectations, Prompt, PromptSource, read_prompts

ANY = Expectations()  # of a prompt that has a schema alone

MEASURES = {
    "words": WHOLE,
    "compression": FRACTION,
    "copied_share": FRACTION,
    "longest_copied": WHOLE,
    "repeated_share": FRACTION,
    "coverage": FRACTION,
    "claims": WHOLE,
    "unsupported_claims": WHOLE,
    "has_unsupported": TRUTH,
    "as_expected": TRUTH,
    "unmet": TEXT,
}


def measure_answers(answers: IntoDataFrameT, *, prompts: PromptSource = ()) -> IntoDataFrameT:
    """Measure each answer by its own text and its call's.

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `text` and `transcript` are read, and with prompts `variant`.
    prompts
        Those of the run, `run.read_prompts()`, or their files; what their headers expect is checked.

    Returns
    -------
    frame
        The rows of `answers` in their order, and last these columns; a column of the call that has one of these names
        is called `<name>_call`:

        - `words` of the answer, divided at white space;
        - `compression`: words of the transcript for each word of the answer;
        - `copied_share`: share of the answer's words in runs of six or more that stand in the transcript (0 to 1), and
          `longest_copied`: words of the longest such run, 0 where there is none; both missing below six words;
        - `repeated_share`: share of the answer's runs of four words that stood in it before; missing below four words;
        - `coverage`: share of the call's key terms that the answer has (up to ten words that the call says twice or
          more, and at most a fifth of the calls at all, by tf-idf); missing where a call has none, so always with
          fewer than five calls;
        - `claims`, `unsupported_claims` and `has_unsupported` (whether there is one), see `find_unsupported_claims`;
        - `as_expected`: whether the answer meets all that its prompt's header expects, and `unmet`: what it does not
          meet, empty where it meets all; missing where the header expects nothing.

        All are missing without an answer; what compares with the call is missing without a transcript.

    Raises
    ------
    ColumnError
        `answers` lacks a column, or was measured before.

    Notes
    -----
    Compression and copying are as in Grusky, Naaman and Artzi, "Newsroom" (NAACL 2018), but for runs of six words.
    docs/quality.md says how to read the measures, and what they cannot see.
    """
    by_name = {prompt.name: prompt for prompt in read_prompts(prompts)}
    frame = read_columns(answers, ["text", "transcript", *(["variant"] if by_name else [])], of="answers")
    frame = rename_clashes(frame, MEASURES)
    texts = read_texts(frame, "text", "transcript")
    columns = measure_length(texts) | measure_against_calls(texts)
    variants = frame["variant"].to_list() if by_name else repeat(None)
    columns["unmet"] = check_expectations(texts["text"].to_list(), list_bodies(frame), variants, by_name)
    columns["as_expected"] = columns["unmet"] == ""
    return add_columns(frame, columns, MEASURES)


def check_expectations(
    texts: Sequence[str | None],
    bodies: Sequence[str | None],
    variants: Iterable[str | None],
    prompts: Mapping[str, Prompt],
) -> pl.Series:
    """List what each answer does not meet, as one text; missing where nothing is expected or no answer came.

    The bodies are what may hold the JSON of the answers, as `list_bodies` gives them.
    """
    unmet = [
        describe_unmet(text, body, find_expecting(prompts, variant))
        for text, body, variant in zip(texts, bodies, variants, strict=False)
    ]
    return pl.Series(unmet, dtype=pl.String)


def describe_unmet(text: str | None, body: str | None, prompt: Prompt | None) -> str | None:
    """Describe what an answer does not meet; one that only calls a tool has an empty text."""
    if body is None or prompt is None:
        return None
    return "; ".join(list_unmet(text or "", prompt.expects or ANY) + list_invalid(body, prompt.schema))


def find_expecting(prompts: Mapping[str, Prompt], variant: str | None) -> Prompt | None:
    """Find the prompt of a variant; None where it expects nothing and has no schema."""
    prompt = prompts.get(variant or "")
    return prompt if prompt and expects_something(prompt) else None


def expects_something(prompt: Prompt) -> bool:
    """Return whether the header of a prompt says what its answers shall be like."""
    return prompt.expects is not None or prompt.schema is not None


def measure_length(texts: pl.DataFrame) -> dict[str, pl.Series]:
    """Count words, and divide those of the transcript by them."""
    words = texts["text"].str.count_matches(r"\S+").cast(pl.Int64)
    said, numbers = number_calls(texts["transcript"])
    said_words = said.str.count_matches(r"\S+").gather(numbers)
    counts = pl.DataFrame({"words": words, "said": said_words})
    ratio = counts.select(pl.when(pl.col("words") > 0).then(pl.col("said") / pl.col("words")))
    return {"words": words, "compression": ratio.to_series()}


def measure_against_calls(texts: pl.DataFrame) -> dict[str, pl.Series]:
    """Measure copying, repetition, coverage and claims of the answers that have a call."""
    # Imported here, since numpy takes a tenth of a second, and the package is imported by much that measures nothing.
    from analysis.metrics.overlap import measure_overlap

    known = texts.drop_nulls()
    check = AnswerCheck(known["text"], known["transcript"])
    overlap = measure_overlap(known["text"], check.calls, check.call_numbers)
    counts = [(checked.row, checked.claims, checked.unsupported) for checked in check.check()]
    schema = {"place": pl.UInt32, "claims": pl.Int64, "unsupported_claims": pl.Int64}
    claims = pl.DataFrame(counts, schema, orient="row").sort("place").drop("place")
    measured = pl.DataFrame({"row": known["row"], **overlap, **claims.to_dict()})
    measured = measured.with_columns(has_unsupported=pl.col("unsupported_claims") > 0)
    return texts.select("row").join(measured, on="row", how="left", maintain_order="left").drop("row").to_dict()
