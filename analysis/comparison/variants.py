"""Variants: every pair of them compared on the calls that both have, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, TRUTH, WHOLE, read_columns
from analysis.comparison.call_values import CallValues, read_call_values, tells_answers
from analysis.comparison.metric import ANSWERED, Metric, check_margins, find_metrics
from analysis.comparison.notices import find_notices, warn
from analysis.comparison.pairs import Pair, compare_pair, list_pairs
from analysis.comparison.rows import make_frame
from analysis.comparison.verdicts import adjust_p, find_verdict, hold_back
from analysis.errors import AnalysisError

COMPARISONS = {
    "metric": TEXT,
    "variant": TEXT,
    "baseline": TEXT,
    "calls": WHOLE,
    "unpaired_calls": WHOLE,
    "clusters": WHOLE,
    "value": FRACTION,
    "baseline_value": FRACTION,
    "difference": FRACTION,
    "low": FRACTION,
    "high": FRACTION,
    "ratio": FRACTION,
    "ratio_low": FRACTION,
    "ratio_high": FRACTION,
    "p": FRACTION,
    "p_holm": FRACTION,
    "better_calls": WHOLE,
    "worse_calls": WHOLE,
    "margin": FRACTION,
    "verdict": TEXT,
    "detectable": FRACTION,
    "method": TEXT,
    "few_calls": TRUTH,
}

ESTIMATED = ("difference", "low", "high", "ratio", "ratio_low", "ratio_high", "p", "method")


def compare_variants(
    measured: IntoDataFrameT,
    metrics: str | Metric | Sequence[str | Metric],
    *,
    baseline: str | None = None,
    cluster: str | None = None,
    margins: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> IntoDataFrameT:
    """Compare variants on the calls that both of a pair have: differences with intervals, tests and verdicts.

    Parameters
    ----------
    measured
        One row per answer: `call_id`, `variant` and the metrics are read. Several rows of a call and variant are its
        samples, which are averaged first: the call is the unit.
    metrics
        Names of columns, or `Metric` values. A Boolean column is a share of calls, a number a mean. Costs and tokens
        (`..._usd`, `..._tokens`), `truncated`, `has_unsupported`, `unsupported_claims` and `repeated_share` are better
        low, all others high; a `Metric` says what is. Of `price_usd` and `cost_usd` take `price_usd` where there is
        one: `cost_usd` is 0 for an answer that another run paid for.
    baseline
        The variant that all others are compared with; every pair is where it is left out.
    cluster
        A column with the agent or customer of a call, whose calls are alike.
    margins
        The largest difference of a metric that does not matter, by name, in its units; chosen before looking.
    confidence
        Of each interval.

    Returns
    -------
    frame
        One row per metric and pair, `answered` first, then the metrics as given; pairs by name.

        - `metric`, `variant`, `baseline`;
        - `calls` with a value of both, `unpaired_calls` with one of either alone, `clusters` (missing without any);
        - `value`, `baseline_value`, `difference` (variant minus baseline) with `low` and `high`, its interval;
        - `ratio` (variant / baseline) with its interval; missing for shares, and where a value is below 0;
        - `p`, and `p_holm`, adjusted for all pairs of the metrics given, those of `answered` among themselves;
        - `better_calls`, `worse_calls`: calls on which the variant's value is better or worse;
        - `margin`; `verdict`: see Notes; `detectable`: the smallest difference that a verdict `better` or `worse`
          is reached for with 80 %, by as many calls;
        - `method`, with the confidence; `few_calls`: below 100 calls, or 300 for costs and tokens, or 5 clusters.

        What is not known is missing: all but the counts where no call has both, intervals and tests of means where
        one has.

    Raises
    ------
    ColumnError
        A column is missing, or is neither Boolean nor a number.
    AnalysisError
        No such baseline; a wrong metric, margin or confidence; a sample that occurs twice; a call in two clusters.

    Warns
    -----
    ComparisonNotice
        What a reader must know beside the numbers: a direction that nobody gave, a column that looks like a cluster,
        answers that are missing, unpaired or truncated.

    Notes
    -----
    `equivalent`: the interval lies within the margin on both sides. Else `better` or `worse`: `p_holm` is below
    1 - confidence. Else `not_worse`: the interval lies above minus the margin, in the direction that is better. Else
    `undecided`. A verdict in favour of the variant that answers fewer calls is `undecided`. Intervals are not adjusted
    for the number of comparisons.

    `answered` is worked out from `error_kind` and `text` or `tool_calls`; without these it is a column, and without
    that, each row is an answer, and there is no such row. It is no metric of the decision unless given.

    Means have the paired t interval, whose end on the side of the long tail is Hall's (1992) where that is further out;
    ratios the same of the logarithm, by the delta method; shares Tango's interval and the score test that it inverts;
    clusters CR3. Shares of several samples are treated as means. No interval is by one method and its p by another.

    A metric with `judged_by` has power-tuned prediction-powered inference: its `calls` are those that people rated, and
    with fewer than 100 of them there is no interval.
    """
    check_confidence(confidence)
    frame = read_columns(measured, (), of="measured")
    given = find_metrics(metrics, margins)
    gate = find_gate(given, frame.columns, margins)
    names = dict.fromkeys(name for metric in (*gate, *given) for name in metric.columns)
    values = read_call_values(measured, [*names], cluster=cluster)
    check_margins([*gate, *given], values.shares)
    warn(find_notices(measured, metrics, values))
    alpha = round(1 - confidence, 12)  # 1 - 0.95 is not 0.05 in binary
    return make_frame(compare_values(values, gate, given, baseline, alpha), COMPARISONS, like=frame)


def check_confidence(confidence: float) -> None:
    """Raise for a confidence that is none."""
    if not 0 < confidence < 1:
        raise AnalysisError("confidence", f"{confidence} is not between 0 and 1", "0.95 gives 95 % intervals")


def compare_values(
    values: CallValues, gate: list[Metric], given: list[Metric], baseline: str | None, alpha: float
) -> list[dict[str, Any]]:
    """Make the row of each metric and pair; the gate is counted apart, or it would cost the metrics given power."""
    names = list_pairs(values.variants, baseline)
    families = [
        [compare_pair(values, metric, *pair, alpha) for metric in metrics for pair in names]
        for metrics in (gate, given)
    ]
    return hold_back_rows([row for family in families for row in judge_family(family, alpha)])


def find_gate(given: list[Metric], columns: Sequence[str], margins: Mapping[str, float] | None = None) -> list[Metric]:
    """Return `answered` where the frame tells which rows are answers and it is not given as a metric."""
    if any(metric.name == ANSWERED for metric in given):
        return []
    margin = (margins or {}).get(ANSWERED)
    if tells_answers(columns):
        return [Metric(ANSWERED, margin=margin)]
    if margin is not None:
        reason = "a margin of 'answered', but no column tells which rows are answers"
        raise AnalysisError("margins", reason, "keep error_kind and text, or a Boolean column answered")
    return []


def judge_family(pairs: list[Pair], alpha: float) -> list[dict[str, Any]]:
    """Make rows of pairs that are adjusted together, with their verdicts."""
    adjusted = adjust_p([pair.estimate.p for pair in pairs])
    tests = sum(not isnan(p) for p in adjusted)
    rows = []
    for pair, p_holm in zip(pairs, adjusted, strict=True):
        estimate, metric = pair.estimate, pair.metric
        low, high = sorted((metric.sign * estimate.low, metric.sign * estimate.high))
        rows.append(
            pair.counts
            | {name: getattr(estimate, name) for name in ESTIMATED}
            | {
                "p_holm": p_holm,
                "margin": metric.margin,
                "verdict": find_verdict(low, high, p_holm, metric.margin, alpha),
                "detectable": estimate.find_detectable(alpha / max(1, tests)),
            }
        )
    return rows


def hold_back_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Withhold each verdict in favour of the variant of a pair that answers fewer calls."""
    answered = {(row["variant"], row["baseline"]): row["verdict"] for row in rows if row["metric"] == ANSWERED}
    for row in rows:
        row["verdict"] = hold_back(row["verdict"], answered.get((row["variant"], row["baseline"]), ""))
    return rows
