import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import analysis
from analysis import runs, transcripts

HEAVY = (
    *("boto3", "botocore.session", "filelock", "IPython", "ipywidgets", "jinja2", "matplotlib"),
    *("numpy", "pandas", "papermill", "pyarrow", "rapidfuzz", "scipy", "text_to_num", "tqdm"),
)
# What a program that only prepares and submits has no use for.
AFTER = tuple(f"analysis.{name}" for name in ("transcripts.reading", "runs.collection", "runs.costs", "metrics.bills"))


def list_imported():
    """List the names that the stub imports."""
    tree = ast.parse(Path(analysis.__file__).with_suffix(".pyi").read_bytes())
    return [
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]


def test_what_is_exported_is_what_is_imported():
    assert sorted(list_imported()) == sorted(analysis.__all__)


def test_a_name_is_imported_when_it_is_asked_for():
    code = "import sys, analysis; print('polars' in sys.modules, analysis.Prompt and 'analysis.prompts' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "True"]


def test_exports_are_in_alphabetical_order():
    assert analysis.__all__ == sorted(analysis.__all__)
    assert len(set(analysis.__all__)) == len(analysis.__all__)


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_export_is_documented(name):
    exported = getattr(analysis, name)
    assert inspect.getdoc(exported)
    assert exported.__module__.startswith("analysis.")


def test_no_export_hides_a_module():
    modules = {path.stem for path in Path(analysis.__file__).parent.iterdir()}
    assert not modules & set(analysis.__all__)


def test_what_sends_a_run_loads_nothing_that_reads_files_of_calls_or_prices_outputs():
    others = (
        "analysis.transcripts.reading",
        "analysis.runs.collection",
        "analysis.runs.costs",
        "analysis.metrics.bills",
    )
    code = (
        f"import sys; from analysis import prepare, submit; print([name for name in {others} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("room", [runs, transcripts])
def test_every_name_that_a_room_offers_is_there(room):
    assert [name for name in room.__all__ if not hasattr(room, name)] == []


def test_heavy_libraries_are_imported_where_they_are_used():
    code = f"import sys; from analysis import *; print([name for name in {HEAVY} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
