"""Claims: the amounts, numbers, percents, dates, times, codes and names of an answer, and whether its call has them."""

from __future__ import annotations

from operator import itemgetter

import narwhals as nw
from narwhals.typing import IntoDataFrameT

from analysis.columns import TEXT, WHOLE, finish_frame, read_columns
from analysis.metrics.claims.checks import AnswerCheck
from analysis.metrics.claims.kept import measure_kept
from analysis.metrics.texts import make_column, read_texts

__all__ = ["find_unsupported_claims", "measure_kept"]

KEYS = ("call_id", "variant", "sample")
CLAIMS = {"kind": TEXT, "mention": TEXT, "begin": WHOLE, "end": WHOLE, "nearest": TEXT}


def find_unsupported_claims(answers: IntoDataFrameT) -> IntoDataFrameT:
    """Find what answers state and their calls do not say.

    A claim is an amount, number, percent, date, time, code or name. It is looked for in the transcript in digits and
    in words, so "$45.50" is supported by "forty-five fifty".

    Parameters
    ----------
    answers
        One row per answer, from `load_answers`; `call_id`, `variant`, `sample`, `text` and `transcript` are read.

    Returns
    -------
    frame
        One row per claim that the call does not support, in the order of the answers and of their texts:

        - `call_id`, `variant`, `sample` of the answer;
        - `kind`: `amount`, `number`, `percent`, `date`, `time`, `code` or `name`;
        - `mention`: the words of the answer; `begin` and `end`, their place in `text` in characters from 0,
          the end not included;
        - `nearest`: what the call says that is spelled most like it, of the same kind and of no other unit; missing
          where it has nothing.

        No rows for answers without a text or a transcript.

    Raises
    ------
    ColumnError
        `answers` lacks a column.

    Notes
    -----
    That a call does not say a thing does not make it wrong: a sum, a date of the visit or a number that was converted
    ("14 days" for two weeks) is listed too. Counts below ten without a unit are no claims. docs/quality.md has what
    was measured, and what this cannot see.
    """
    frame = read_columns(answers, [*KEYS, "text", "transcript"], of="answers")
    texts = read_texts(frame, "text", "transcript").drop_nulls()
    check = AnswerCheck(texts["text"], texts["transcript"])
    found = [
        (texts["row"][checked.row], check.list_claims(checked)) for checked in check.check() if checked.unsupported
    ]
    found.sort(key=itemgetter(0))
    rows = [row for row, claims in found for _ in claims]
    values = list(zip(*(claim for _, claims in found for claim in claims), strict=True)) or [()] * len(CLAIMS)
    keys = nw.maybe_reset_index(frame.select(*KEYS)[rows])
    columns = [make_column(keys, name, column, CLAIMS[name]) for name, column in zip(CLAIMS, values, strict=True)]
    return finish_frame(keys.with_columns(*columns), KEYS, CLAIMS)
