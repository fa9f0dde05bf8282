"""Position: how much a judge prefers what stands first."""

from __future__ import annotations

from typing import Any

import polars as pl
from narwhals.typing import IntoDataFrameT

from analysis.columns import FRACTION, TEXT, WHOLE, read_columns
from analysis.comparison.means import estimate_mean
from analysis.comparison.rows import make_frame
from analysis.judging.correction import read_table
from analysis.judging.verdicts import PAIR

POSITION = {
    "judge": TEXT,
    "pairs": WHOLE,
    "first_wins": FRACTION,
    "low": FRACTION,
    "high": FRACTION,
    "both_orders": WHOLE,
    "changed": FRACTION,
}
READ = ("call_id", "variant", "sample", "kind", "other_variant", "position", "wins", "judge")
ALPHA = 0.05


def measure_position(verdicts: IntoDataFrameT) -> IntoDataFrameT:
    """Measure how much a judge of pairs prefers the answer that stands first.

    Parameters
    ----------
    verdicts
        From `read_verdicts`.

    Returns
    -------
    frame
        One row per judge, by name; none of judges that score.

        - `judge`; `pairs`: verdicts on a pair, each order for itself;
        - `first_wins`: the share that prefer the first answer, a tie counting half, with `low` and `high`, its 95 %
          interval over calls. 0.5 where the order makes no difference, as far as it was drawn at random;
        - `both_orders`: pairs that were presented in both; `changed`: the share of these on which the verdicts differ.

        Missing where there are none. Where more than half changed, both orders of all pairs find more (`pair_answers`).
    """
    frame = read_columns(verdicts, READ, of="verdicts")
    table = read_table(verdicts, READ, "verdicts").filter(pl.col("kind") == PAIR, pl.col("wins").is_not_null())
    first = table.filter(pl.col("position") == 1).sort("judge", maintain_order=True)
    rows = [measure_judge(judge, own) for (judge,), own in first.group_by("judge", maintain_order=True)]
    return make_frame(rows, POSITION, like=frame)


def measure_judge(judge: object, first: pl.DataFrame) -> dict[str, Any]:
    """Measure one judge, by a row for each pair and order: what the first answer wins."""
    by_call = first.group_by("call_id").agg(pl.col("wins").mean())["wins"].to_numpy()
    share = estimate_mean(by_call, by_call * 0 + 0.5, None, ALPHA)
    both = find_both_orders(first)
    return {
        "judge": judge,
        "pairs": len(first),
        "first_wins": 0.5 + share.difference,
        "low": max(0.0, 0.5 + share.low),
        "high": min(1.0, 0.5 + share.high),
        "both_orders": len(both),
        "changed": both["is_changed"].mean(),
    }


def find_both_orders(first: pl.DataFrame) -> pl.DataFrame:
    """Find the pairs that have a verdict in both orders, and whether these differ."""
    by_name = pl.min_horizontal("variant", "other_variant"), pl.max_horizontal("variant", "other_variant")
    wins_of_first_name = pl.when(pl.col("variant") < pl.col("other_variant")).then("wins").otherwise(1 - pl.col("wins"))
    pairs = first.select(
        "call_id", "sample", by_name[0].alias("one"), by_name[1].alias("other"), "variant", wins=wins_of_first_name
    )
    grouped = pairs.group_by("call_id", "sample", "one", "other").agg(
        pl.col("variant").n_unique().alias("orders"), is_changed=pl.col("wins").n_unique() > 1
    )
    return grouped.filter(pl.col("orders") == 2)
