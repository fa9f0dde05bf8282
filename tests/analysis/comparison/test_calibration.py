"""A short run of benchmarks/calibration.py: bounds are wide, since few runs are made, and the seed is fixed."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
RUNS, ERRORS = 30, 4  # so many errors of the simulation are let pass


@pytest.fixture(scope="module")
def simulations():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield import_module("simulations")
    for name in ("simulations", "draws"):
        sys.modules.pop(name)


@pytest.mark.parametrize(
    "name", ["equal", "coverage", "clusters", "holm", "power", "not_worse", "looks", "losers", "judges"]
)
def test_comparisons_are_wrong_as_often_as_they_say(simulations, name):
    rows = [*getattr(simulations, f"measure_{name}")(np.random.default_rng(20261130), RUNS)]
    assert [row for row in rows if not row.meets_goal(ERRORS)] == []


def test_a_simulation_notices_an_interval_that_is_too_narrow(simulations, monkeypatch):
    monkeypatch.setattr(simulations, "Z", 1.0)  # 68 %
    rows = simulations.measure_coverage(np.random.default_rng(20261130), RUNS)
    shares = [row for row in rows if row.name.startswith("share") and "10,000" in row.name]
    assert not any(row.meets_goal(ERRORS) for row in shares)
