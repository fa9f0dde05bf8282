import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="session")
def measure():
    """Make one row per call and variant; each variant gives its column of values, missing rows included as None."""

    def make(name="score", **variants):
        frames = [
            pl.DataFrame(
                {"call_id": [f"c{place:05}" for place in range(len(values))], "variant": variant, name: list(values)},
                strict=False,
            )
            for variant, values in variants.items()
        ]
        return pl.concat(frames, how="vertical_relaxed")

    return make


@pytest.fixture
def random():
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20261130)
