"""Simulations of comparisons on made-up calls: how often each thing happens that should, or should not.

Each yields rows: what was measured as a share of runs, and the goal.
"""

from dataclasses import dataclass
from functools import partial
from math import isnan

import draws
import numpy as np
import polars as pl

from analysis.comparison.call_values import CallValues
from analysis.comparison.early_looks import collect_beaten
from analysis.comparison.judged import Values, correct
from analysis.comparison.means import estimate_mean, find_quantile
from analysis.comparison.metric import Metric
from analysis.comparison.pairs import estimate_difference
from analysis.comparison.planning import plan_pair
from analysis.comparison.shares import find_limits, find_p, plan_share
from analysis.comparison.variants import compare_values
from analysis.judging.agreement import Pairs, estimate, find_alpha_parts, find_kappa_parts

ALPHA = 0.05
Z = 1.959963984540054
POWER = 0.8
MOST_CALLS = 4_000_000  # of all runs of a row: fewer runs where each has many calls
FEWEST_RUNS = 200  # but for those that were asked for
LOOKS = (500, 1_500, 10_000)
MARGIN = 0.02
RARE_GOAL = (0.93, 1)  # rare events that come in some clusters only
PAIRS = ((0.005, 0.005), (0.05, 0.05), (0.3, 0.3))
CHANGES = ((0.005, 0.02), (0.05, 0.08), (0.92, 0.9))
OWN = 0.12  # of calls, on which a prompt does not follow the call: with a share of 70 %, 10 % of calls change
JUDGED = 5_000  # calls
CORRECTED_GOAL = (0.935, 0.965)
WIDTH_GOAL = 0.75  # of the interval of the ratings alone, at a correlation of .7
SHARES_AT_ONCE = 5  # times as many runs: those of shares are made all together


@dataclass(frozen=True)
class Row:
    """What was measured, as a share of runs, and the ends of its goal."""

    name: str
    measured: float
    runs: int
    low: float
    high: float

    def meets_goal(self, errors=2):
        """Return whether the goal is met, give or take some errors of the simulation."""
        spread = max(self.measured * (1 - self.measured), 1 / self.runs)
        slack = errors * np.sqrt(spread / self.runs)
        return self.low - slack <= self.measured <= self.high + slack


def repeat(runs, calls, happens):
    """Find how often something happens, in fewer runs where each has many calls; give the share and the runs."""
    runs = min(runs, max(FEWEST_RUNS, MOST_CALLS // calls))
    return sum(bool(happens()) for _ in range(runs)) / runs, runs


def covers(values, truth=0.0, clusters=None, kind="mean"):
    """Return whether the interval of a difference holds the truth."""
    estimate = estimate_difference(*values, clusters, ALPHA, kind=kind, is_whole=kind == "share")
    return estimate.low <= truth <= estimate.high


def covers_draw(draw, random, calls):
    """Return whether the interval of two equal variants holds 0."""
    return covers(draw(random, calls))


def draw_changes(random, calls, gained, lost, runs):
    """Draw how many calls gained and lost a property, in each of many runs."""
    counts = random.multinomial(calls, [gained, lost, 1 - gained - lost], runs)
    return counts[:, 0], counts[:, 1]


def measure_equal(random, runs):
    """Yield how often two equal prompts are called different."""
    for calls in (30, 100, 300, 1_000, 10_000):
        for name, draw, least in (("scores", draws.draw_scores, 30), ("tokens", draws.draw_tokens, 100)):
            if calls >= least:
                share, done = repeat(runs, calls, partial(covers_draw, draw, random, calls))
                yield Row(f"{name}, {calls:,} calls", 1 - share, done, 0, ALPHA)
        for one, _ in PAIRS:
            changed, done = one * (1 - one), SHARES_AT_ONCE * runs
            gained, lost = draw_changes(random, calls, changed, changed, done)
            yield Row(
                f"share of {100 * one:g} %, {calls:,} calls", (find_p(gained, lost) < ALPHA).mean(), done, 0, ALPHA
            )
    for calls in (1_000, 5_000):
        share, done = repeat(runs, calls, partial(covers_draw, draws.draw_dear, random, calls))
        yield Row(f"costs, 2 % of calls ten times as dear, {calls:,} calls", 1 - share, done, 0, ALPHA)


def measure_coverage(random, runs):
    """Yield how often the interval holds the true difference, or the true ratio."""
    sides = partial(draws.draw_one_sided, sigma=0.8)
    cases = (("scores", draws.draw_scores, 30), ("tokens", draws.draw_tokens, 30), ("one-sided, sigma 0.8", sides, 100))
    costs = (
        ("costs, 2 % of calls ten times as dear", draws.draw_dear, 300),
        ("costs, 2 % of the calls of each ten times as dear", draws.draw_dear_each, 100),
    )
    for name, draw, least in (*cases, *costs):
        for calls in (30, 100, 300, 1_000):
            if calls >= least:
                share, done = repeat(runs, calls, partial(covers_draw, draw, random, calls))
                yield Row(f"{name}, {calls:,} calls", share, done, 0.93, 0.97)
    for calls in (30, 300, 3_000):
        share, done = repeat(runs, calls, partial(covers_ratio, random, calls))
        yield Row(f"ratio of costs, 38 % less, {calls:,} calls", share, done, 0.93, 0.97)
    for one, other in (*PAIRS, *CHANGES):
        for calls in (30, 100, 300, 1_000, 10_000):
            done = SHARES_AT_ONCE * runs
            gained, lost = draw_changes(random, calls, other * (1 - one), one * (1 - other), done)
            low, high = find_limits(gained, lost, calls, Z)
            share = ((low <= other - one) & (other - one <= high)).mean()
            name = f"share of {100 * one:g} % to {100 * other:g} %, {calls:,} calls"
            yield Row(name, share, done, 0.935, 0.97 if calls >= 1_000 else 1)


def covers_ratio(random, calls):
    """Return whether the interval of a ratio holds the true one."""
    ours, theirs = draws.draw_tokens(random, calls)
    estimate = estimate_mean(0.62 * ours, theirs, None, ALPHA)
    return estimate.ratio_low <= 0.62 <= estimate.ratio_high


def measure_clusters(random, runs):
    """Yield how often the interval of clustered calls holds the true difference."""
    shares = draws.draw_clustered_shares
    for number in (5, 10, 20, 50, 200):
        for name, draw, truth, goal in (
            ("scores, alike .1", partial(draws.draw_clustered_scores, alike=0.1), 0, (0.945, 0.965)),
            ("share of 5 %, alike .05", partial(shares, share=0.05, alike=0.05), 0, (0.945, 1)),
            ("share of 0.5 %, alike .02", partial(shares, share=0.005, alike=0.02), 0, (0.945, 1)),
            (
                "share of 0.5 % to 2 %, alike .02",
                partial(shares, share=0.005, alike=0.02, gain=0.015),
                0.015,
                RARE_GOAL,
            ),
        ):
            kind = "share" if "share" in name else "mean"
            share, done = repeat(runs, 50 * number, partial(covers_clustered, draw, random, number, kind, truth))
            yield Row(f"{name}, {number} clusters", share, done, *goal)


def covers_clustered(draw, random, number, kind, truth):
    """Return whether the interval of clustered calls holds the true difference."""
    clusters = draws.draw_clusters(random, number)
    return covers(draw(random, clusters), truth, clusters, kind)


def to_values(**metrics):
    """Put arrays of variants and calls into the form that comparisons read; whole numbers of 0 and 1 are shares."""
    variants, calls = next(iter(metrics.values())).shape
    shares = {name for name, values in metrics.items() if np.isin(values, (0, 1)).all()}
    ids = pl.int_range(calls, eager=True)
    return CallValues(ids, [f"v{place}" for place in range(variants)], metrics, shares, set(), [calls] * variants)


def compare(alpha=ALPHA, **metrics):
    """Compare all pairs of variants by some metrics; give the rows."""
    given = [Metric(name, margin=MARGIN if name == "with_margin" else None) for name in metrics]
    return compare_values(to_values(**metrics), [], given, None, alpha)


def finds_any(**metrics):
    """Return whether any variant is called better or worse than another."""
    return any(row["verdict"] in ("better", "worse") for row in compare(**metrics))


def measure_holm(random, runs):
    """Yield how often any difference is found among five equal variants, by one metric and by three."""
    for calls in (100, 1_000):
        for name, draw in (("scores", draws.draw_scores), ("tokens", draws.draw_tokens), ("shares", draws.draw_shares)):
            happens = partial(lambda draw, calls: finds_any(metric=draw(random, calls, 5)), draw, calls)
            share, done = repeat(max(10, runs // 4), 5 * calls, happens)
            yield Row(f"five variants, {name}, {calls:,} calls", share, done, 0, ALPHA)
        share, done = repeat(max(10, runs // 4), 15 * calls, partial(finds_any_of_three, random, calls))
        yield Row(f"five variants, all three, {calls:,} calls", share, done, 0, ALPHA)


def finds_any_of_three(random, calls):
    """Return whether any difference is found among five equal variants by three metrics."""
    draw = {name: getattr(draws, f"draw_{name}") for name in ("scores", "tokens", "shares")}
    return finds_any(**{name: draw[name](random, calls, 5) for name in draw})


def measure_power(random, runs):
    """Yield how often a difference is found on the calls that were planned for it."""
    for name, draw, difference in (
        ("score .11", partial(draws.draw_scores, gain=0.11), 0.11),
        ("tokens 5 %", draw_cheaper, 0.05 * draws.MEAN_TOKENS),
    ):
        known = plan(draw(random, 200_000), difference)
        share, done = repeat(runs, known, partial(finds, draw, random, known))
        yield Row(f"{name}, spread known, {known:,} calls", share, done, POWER - 0.005, 1)
        share, done = repeat(runs, known, partial(finds_after_pilot, draw, random, difference))
        yield Row(f"{name}, spread from a pilot of 100", share, done, POWER, 1)
    for one, other in ((0.05, 0.03), (0.3, 0.25), (0.005, 0.002), (0.92, 0.9)):
        gained, lost = other * (1 - one), one * (1 - other)
        calls = int(np.ceil(plan_share(gained + lost, abs(one - other), ALPHA, POWER)))
        counts = draw_changes(random, calls, gained, lost, SHARES_AT_ONCE * runs)
        name = f"share of {100 * one:g} % to {100 * other:g} %, changes known, {calls:,} calls"
        yield Row(name, (find_p(*counts) < ALPHA).mean(), SHARES_AT_ONCE * runs, POWER - 0.005, 1)
        draw = partial(draws.draw_shares, shares=(other, one))
        share, done = repeat(runs, calls, partial(finds_after_pilot, draw, random, abs(one - other), "share"))
        yield Row(f"share of {100 * one:g} % to {100 * other:g} %, changes from a pilot of 100", share, done, POWER, 1)


def draw_cheaper(random, calls):
    """Draw tokens of which the first variant's are 5 % fewer."""
    tokens = draws.draw_tokens(random, calls)
    tokens[0] *= 0.95
    return tokens


def plan(values, difference, kind="mean"):
    """Plan the calls that a difference takes, from a pilot."""
    name = "kept" if kind == "share" else "output_tokens" if values.mean() > 10 else "score"
    pilot = to_values(**{name: values})
    row = plan_pair(pilot, name, ("v0", "v1"), difference, POWER, ALPHA)
    return 10 if isnan(row["calls"]) else max(10, row["calls"])


def finds(draw, random, calls, kind="mean"):
    """Return whether a difference is found."""
    estimate = estimate_difference(*draw(random, calls), None, ALPHA, kind=kind, is_whole=kind == "share")
    return estimate.p < ALPHA


def finds_after_pilot(draw, random, difference, kind="mean"):
    """Return whether a difference is found on as many calls as a pilot of 100 asks for."""
    return finds(draw, random, plan(draw(random, 100), difference, kind), kind)


def measure_not_worse(random, runs):
    """Yield how often a prompt that is worse by just the margin, 2 points, is called not worse or equivalent."""
    for calls, changed in ((1_000, 0.04), (3_000, 0.1), (10_000, 0.2)):
        done = SHARES_AT_ONCE * runs
        gained, lost = draw_changes(random, calls, (changed - MARGIN) / 2, (changed + MARGIN) / 2, done)
        low, _ = find_limits(gained, lost, calls, Z)
        yield Row(f"{100 * changed:g} % of calls change, {calls:,} calls", (low > -MARGIN).mean(), done, 0, 0.028)


def measure_looks(random, runs):
    """Yield how often two equal prompts are called different at any of three looks."""
    for name, draw, kind in (
        ("tokens", draws.draw_tokens, "mean"),
        ("10 % of calls change", partial(draws.draw_shares, shares=(0.7, 0.7), own=OWN), "share"),
        ("share of 0.5 %", partial(draws.draw_shares, shares=(0.005, 0.005)), "share"),
        ("heavy tails", draws.draw_heavy, "mean"),
    ):
        # Five times as many runs as elsewhere, since what is looked for is near its bound.
        share, done = repeat(runs, LOOKS[-1] // 5, partial(differs_at_a_look, draw, random, kind))
        yield Row(name, share, done, 0, 0.056)


def differs_at_a_look(draw, random, kind):
    """Return whether a difference is found at one of three looks."""
    ours, theirs = draw(random, LOOKS[-1])
    alpha = ALPHA / len(LOOKS)
    estimate = partial(estimate_difference, clusters=None, alpha=alpha, kind=kind, is_whole=kind == "share")
    return any(estimate(ours[:look], theirs[:look]).p < alpha for look in LOOKS)


def measure_losers(random, runs):
    """Yield how often a best one of five variants is dropped, and which share of the records has to be sent."""
    for name, shares, own, most_sent in (
        ("all equal, 10 % of calls change", (0.7,) * 5, OWN, 1),
        ("one 5 points better, 5 % of calls change besides", (0.75, *(0.7,) * 4), OWN / 2, 0.15),
        ("one 5 points better, 10 % of calls change besides", (0.75, *(0.7,) * 4), OWN, 0.15),
        ("0, -2, -5, -10, -20 points", (0.7, 0.68, 0.65, 0.6, 0.5), OWN, 0.35),
    ):
        found = [drop_at_looks(random, shares, own) for _ in range(max(3, runs // 10))]
        yield Row(f"{name}: best dropped", np.mean([lost for lost, _ in found]), len(found), 0, 0.055)
        yield Row(f"{name}: records sent", np.mean([sent for _, sent in found]), len(found), 0, most_sent)


def drop_at_looks(random, shares, own):
    """Drop losers at three looks; give whether one of the best is dropped, and the share of records sent."""
    values = draws.draw_shares(random, LOOKS[-1], shares=shares, own=own)
    left, sent, before = list(range(len(shares))), 0, 0
    for look in LOOKS:
        if len(left) > 1:
            sent, before = sent + len(left) * (look - before), look
            rows = compare(ALPHA / len(LOOKS), metric=values[left, :look])
            beaten = collect_beaten(rows)
            left = [variant for place, variant in enumerate(left) if f"v{place}" not in beaten]
    best = {variant for variant, share in enumerate(shares) if share == max(shares)}
    return bool(best - {*left}), sent / (len(shares) * LOOKS[-1])


def measure_judges(random, runs):
    """Yield how often a judge that people correct is right, and how much narrower the interval is by it."""
    for rated in (100, 300):
        for alike in (0.3, 0.5, 0.7, 0.85, 0.95):
            draw = partial(draws.draw_judged_scores, alike=alike)
            share, width, done = repeat_corrected(draw, random, runs, rated)
            name = f"scores, correlation {alike:g}, {rated} ratings"
            yield Row(f"{name}: the interval holds the truth", share, done, *CORRECTED_GOAL)
            widest = {0.7: WIDTH_GOAL}.get(alike, 1.02 if alike < 0.7 else WIDTH_GOAL)
            yield Row(f"{name}: its width, of that of the ratings alone", width, done, 0, widest)
        for name, draw in (
            ("preferences, agreement .7", partial(draws.draw_judged_preferences, agreement=0.7)),
            ("preferences, agreement .85", partial(draws.draw_judged_preferences, agreement=0.85)),
            ("findings in 5 % of answers", draws.draw_judged_findings),
        ):
            share, _, done = repeat_corrected(draw, random, runs, rated)
            yield Row(f"{name}, {rated} ratings: the interval holds the truth", share, done, *CORRECTED_GOAL)
    for number in (20, 50):
        share, done = repeat(runs, 50 * number, partial(covers_corrected_clusters, random, number, 300))
        yield Row(f"scores of {number} clusters, 300 ratings: the interval holds the truth", share, done, 0.93, 0.97)
    for first in (1, 0.5):
        share, done = repeat(runs, 1_000, partial(differs_by_order, random, first))
        yield Row(
            f"equal prompts, {100 * first:g} % of verdicts take the first: called different", share, done, 0, ALPHA
        )
    for noise, find in ((0.5, find_kappa_parts), (0.5, find_alpha_parts), (1.0, find_kappa_parts)):
        for calls in (100, 300):
            truth, seen = (
                find_true_agreement(random, noise, find),
                partial(covers_agreement, random, noise, find, calls),
            )
            share, done = repeat(runs, calls, partial(seen, truth))
            name = "weighted kappa" if find is find_kappa_parts else "alpha"
            yield Row(f"{name} of {truth:.2f}, {calls} calls: the interval holds the truth", share, done, 0.93, 0.97)
    share, done = repeat(runs, JUDGED, partial(covers_picked, random, 100))
    # Shown to be wrong: such ratings are left out wherever something is estimated.
    yield Row("findings, 100 ratings where the judge sees a difference: holds the truth", share, done, 0, 0.9)


def repeat_corrected(draw, random, runs, rated):
    """Find how often a corrected interval holds 0, and its mean width by that of the ratings alone."""
    hits, widths = 0, []
    for _ in range(runs):
        people, judge = draw(random, JUDGED)
        estimate_of_both = correct_draw(people, judge, rated)
        own = people[:rated]
        alone = 2 * find_quantile(rated - 1.0, 1 - ALPHA / 2) * own.std(ddof=1) / np.sqrt(rated)
        hits += estimate_of_both.low <= 0 <= estimate_of_both.high
        widths.append((estimate_of_both.high - estimate_of_both.low) / alone)
    return hits / runs, float(np.mean(widths)), runs


def correct_draw(people, judge, rated, clusters=None):
    """Correct what a judge says by the first ratings; calls are in no order."""
    seen = np.where(np.arange(len(people)) < rated, people, np.nan)
    none = np.zeros(len(people))
    return correct(Values(seen, none, judge, none), clusters, ALPHA).estimate


def covers_picked(random, rated):
    """Return whether the interval holds 0 where those calls are rated on which the judge sees a difference."""
    people, judge = draws.draw_judged_findings(random, JUDGED)
    order = np.argsort(judge == 0, kind="stable")  # calls are in no order among themselves
    found = correct_draw(people[order], judge[order], rated)
    return found.low <= 0 <= found.high


def covers_corrected_clusters(random, number, rated):
    """Return whether the corrected interval of clustered calls holds 0."""
    clusters = random.permutation(draws.draw_clusters(random, number))
    found = correct_draw(*draws.draw_judged_clusters(random, clusters, 0.7, 0.1), rated, clusters)
    return found.low <= 0 <= found.high


def differs_by_order(random, first):
    """Return whether two equal prompts are called different by a judge that likes what stands first."""
    wins = draws.draw_wins(random, 1_000, first)
    return estimate_mean(wins, np.full(1_000, 0.5), None, ALPHA).p < ALPHA


def find_true_agreement(random, noise, find):
    """Find the agreement of two raters over a great many calls."""
    return estimate(make_pairs(draws.draw_raters(random, 200_000, noise)), find)[0]


def covers_agreement(random, noise, find, calls, truth):
    """Return whether the interval of an agreement holds the true one."""
    _, low, high = estimate(make_pairs(draws.draw_raters(random, calls, noise)), find)
    return low <= truth <= high


def make_pairs(scores):
    """Pair the scores of two raters."""
    return Pairs(*scores, np.arange(scores.shape[1]), np.ones(scores.shape[1]))
