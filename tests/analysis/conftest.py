from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.aws import open_session

PANDAS_DTYPES = {pl.Int64: "Int64", pl.Float64: "float64", pl.Boolean: "boolean"}


@dataclass(frozen=True)
class Kind:
    """One of the kinds of frame that users have."""

    make: Callable[[pl.DataFrame], object]

    def check(self, result, rows, schema):
        """Compare a whole result, dtypes included, with rows worked out by hand."""
        if isinstance(result, pd.DataFrame):
            assert result.index.equals(pd.RangeIndex(len(rows)))
            wanted = {name: PANDAS_DTYPES[dtype] for name, dtype in schema.items() if dtype in PANDAS_DTYPES}
            assert {name: str(result[name].dtype) for name in wanted} == wanted
            texts = [pl.col(name).cast(pl.String) for name, dtype in schema.items() if dtype == pl.String]
            result = pl.from_pandas(result).with_columns(texts)
        assert_frame_equal(result, pl.DataFrame(rows, schema, orient="row"))


def nullable_pandas(frame):
    """Whole numbers stay whole; the index is that of a frame that was sorted."""
    native = frame.to_pandas().convert_dtypes()
    native.index = range(len(native), 0, -1)
    return native


@pytest.fixture(
    params=[pl.DataFrame.clone, pl.DataFrame.to_pandas, nullable_pandas], ids=["polars", "pandas", "nullable"]
)
def kind(request):
    return Kind(request.param)


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    """An account in a folder of its own; gives its session."""
    monkeypatch.setenv("BEDROCK_LOCAL", str(tmp_path / "emulator"))
    return open_session("emulator")
