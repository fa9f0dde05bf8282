"""Causes: why records have no good answer, and which of them are asked again, and how."""

from __future__ import annotations

import polars as pl

from analysis.facts.models import find_model
from analysis.metrics.stop_reasons import TRUNCATED, suggest_max_tokens
from analysis.outputs.answers import KEYS
from analysis.runs.asked import CAUSE_SCHEMA, find_last_asked, read_causes
from analysis.runs.folder import Run
from analysis.runs.winners import OUTPUT, find_unmet, scan_winners

FAILED, EXPIRED, MISSING, UNREADABLE = "failed", "expired", "missing", "unreadable"
REFUSED, CUT_OFF, UNMET = "refused", "cut_off", "not_as_expected"
# Codes of errors that the same request meets each time: those of its body, not of the account.
OF_BODY = (400, 413, 422)
DETAIL = 200  # characters of a message that tell one reason from another
WINNER = (*OUTPUT, "stop", "output_tokens", "max_tokens", "error_kind", "error_code", "error_message")


def find_causes(run: Run) -> pl.DataFrame:
    """Find why records of a collected run have no good answer, after all attempts.

    Returns
    -------
    frame
        One row per call, variant and sample without a good answer, in the order of the records: these three; `cause`:
        `failed` (throttled, or an error of the service), `expired`, `missing`, `unreadable`, `refused` (the body of
        the request, so each time), `cut_off` (by `max_tokens`), `not_as_expected` (by the header of its prompt);
        `detail` (code and message of the error, or what is not as expected); `room` (the `max_tokens` to ask with;
        missing where it is asked as it was); `why_not` (why it is not asked again; missing where it is).
    """
    asked = find_last_asked(run)
    winners = scan_winners(run).select(*KEYS, *WINNER).collect()
    unmet = find_unmet(run)
    known = asked.select(*KEYS, "model_id", asked_room="max_tokens").join(
        winners.join(unmet, on=OUTPUT, how="left", maintain_order="left"),
        on=KEYS,
        how="left",
        maintain_order="left",
    )
    found = known.with_columns(cause=choose_cause(), detail=describe_detail()).drop_nulls("cause")
    repeated = read_causes(run).filter(cause=UNMET).select(*KEYS, was_repeated=pl.lit(value=True)).unique()
    found = add_rooms(found, winners).join(repeated, on=KEYS, how="left", maintain_order="left")
    return found.with_columns(why_not=explain_refusal()).select(*CAUSE_SCHEMA)


def choose_cause() -> pl.Expr:
    """Return an expression for the cause; missing for a good answer."""
    kind = pl.col("error_kind")
    return (
        pl.when(pl.col("file").is_null())
        .then(pl.lit(MISSING))
        .when(kind.is_null() & (pl.col("stop") == TRUNCATED))
        .then(pl.lit(CUT_OFF))
        .when(kind.is_null() & pl.col("unmet").is_not_null())
        .then(pl.lit(UNMET))
        .when((kind == "service") & pl.col("error_code").is_in(OF_BODY))
        .then(pl.lit(REFUSED))
        .when(kind == "service")
        .then(pl.lit(FAILED))
        .otherwise(kind)
    )


def describe_detail() -> pl.Expr:
    """Return an expression for the code and message of an error, or for what an answer does not meet."""
    code = pl.col("error_code").cast(pl.String)
    error = pl.concat_str(code, "error_message", separator=": ", ignore_nulls=True)
    # Messages about lines name each line, so that no two are alike.
    is_told = pl.col("error_kind") == "service"
    is_unmet = pl.col("error_kind").is_null() & pl.col("stop").ne_missing(TRUNCATED)
    return pl.when(is_unmet).then("unmet").when(is_told).then(error.str.slice(0, DETAIL))


def add_rooms(found: pl.DataFrame, winners: pl.DataFrame) -> pl.DataFrame:
    """Add the `max_tokens` that answers which were cut off are asked with, as far as their model writes."""
    suggested = suggest_max_tokens(winners).select("variant", "suggested_max_tokens")
    ceilings = {name: find_model(name).max_output_tokens for name in found["model_id"].unique().to_list()}
    ceiling = pl.col("model_id").replace_strict(ceilings, default=None, return_dtype=pl.Int64)
    own = pl.coalesce("max_tokens", "asked_room")
    more = pl.when(pl.col("suggested_max_tokens") > own).then("suggested_max_tokens").otherwise(2 * own)
    room = pl.min_horizontal(more, ceiling)
    rows = found.join(suggested, on="variant", how="left", maintain_order="left").with_columns(ceiling=ceiling, own=own)
    return rows.with_columns(room=pl.when((pl.col("cause") == CUT_OFF) & (room > own)).then(room))


def explain_refusal() -> pl.Expr:
    """Return an expression for why a record is not asked again; missing where it is."""
    cause = pl.col("cause")
    return (
        pl.when(cause == REFUSED)
        .then(pl.lit("the same request is refused each time: change its prompt or its call"))
        .when((cause == CUT_OFF) & pl.col("room").is_null())
        .then(pl.format("its model writes at most {} tokens", "ceiling"))
        .when((cause == UNMET) & pl.col("was_repeated"))
        .then(pl.lit("it was asked again once, and the answer is again not as expected: change the prompt"))
    )
