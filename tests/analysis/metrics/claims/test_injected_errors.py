"""A short run of benchmarks/claims.py: true claims are not flagged, changed ones are found, as the goals ask."""

import sys
from pathlib import Path

import polars as pl
import pytest

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


@pytest.fixture
def claims(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import claims

    yield claims
    for name in ("claims", "measuring", "spelling", "wrong_claims"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["made up", "aws_call_samples", "star"])
def test_true_claims_are_not_flagged_and_changed_ones_are_found(claims, name):
    if name != "made up" and not claims.DATA.exists():
        pytest.skip("the shared data is not here")
    found, written, spelled, hits = claims.measure_set(name, 200)
    assert len(found) > 500
    assert len(written) <= 0.003 * len(found)
    assert len(spelled) <= 0.013 * len(found)
    assert hits.select(pl.col("hit").mean()).item() >= 0.92
