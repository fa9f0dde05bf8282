import importlib
import pickle
import re
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest

from analysis import as_pandas, errors, show_table
from analysis.errors import (
    EXTRAS,
    AnalysisError,
    ExtraError,
    check_extra,
    describe_passed,
    escape_controls,
    show_name,
    show_names,
)
from analysis.reports.notebooks import export_page, find_notebooks, run_notebook

ROOT = Path(__file__).parents[2]

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, AnalysisError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling(kind):
    error = pickle.loads(pickle.dumps(kind("runs/a", "no run here", "prepare it first")))
    assert type(error) is kind
    assert (error.where, error.reason, error.cure) == ("runs/a", "no run here", "prepare it first")
    assert str(error) == "runs/a: no run here; prepare it first"


def test_an_error_without_a_cure_ends_with_the_reason():
    assert str(AnalysisError("calls.csv", "no rows")) == "calls.csv: no rows"


def test_the_place_of_an_error_is_text(tmp_path):
    assert AnalysisError(tmp_path, "no run here").where == str(tmp_path)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn, parents = {"AnalysisError": "Exception"}, ["AnalysisError"]
    for bars, name in re.findall(r"(?m)^((?:│   )*)[├└]── (\w+)", errors.__doc__):
        level = len(bars) // 4
        drawn[name] = parents[level]
        parents[level + 1 :] = [name]
    assert [*drawn.items()] == [(kind.__name__, kind.__bases__[0].__name__) for kind in CLASSES]


@pytest.fixture
def core(monkeypatch):
    """An installation without the extra `notebooks`."""
    imported = {name for name in sys.modules if name.split(".")[0] in EXTRAS["notebooks"]}
    for name in imported.union(EXTRAS["notebooks"]):
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("analysis.plots")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("feature", "use"),
    [
        ("as_pandas", lambda: as_pandas(pl.DataFrame({"call_id": ["c1"]}))),
        ("show_table", lambda: show_table(pl.DataFrame({"call_id": ["c1"]}))._repr_html_()),
        ("analysis.plots", lambda: importlib.import_module("analysis.plots")),
        ("batchbook run", lambda: check_extra("notebooks", "batchbook run")),
        ("run_notebook", lambda: run_notebook(find_notebooks() / "costs.ipynb", {}, Path("report"))),
        ("export_page", lambda: export_page(Path("costs.ipynb"))),
    ],
)
def test_what_needs_an_extra_says_which(core, feature, use):
    cure = re.escape("is not installed; pip install 'batchbook[notebooks]'")
    with pytest.raises(ExtraError, match=rf"^{feature}: \w+ {cure}$"):
        use()


def test_a_missing_extra_is_an_import_error(core):
    with pytest.raises(ImportError):
        importlib.import_module("analysis.plots")


def test_without_the_extra_a_table_is_its_frame_as_text(core):
    frame = pl.DataFrame({"call_id": ["c1"]})
    assert repr(show_table(frame)) == repr(frame)


DISTRIBUTIONS = {"PIL": "pillow"}  # of modules with another name


def test_modules_of_an_extra_are_installed_by_it():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        listed = {re.split(r"\W", line)[0] for line in extras[extra]}
        # JupyterLab brings the kernel.
        assert {DISTRIBUTIONS.get(module, module) for module in modules} - listed <= {"ipykernel"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x7f\x00", r"a\rb\x7f\x00"),
        ("abc\u202ecba\u2066x\u2069\u200f\u061c", r"abc\u202ecba\u2066x\u2069\u200f\u061c"),
        ("line\u2028line\u0085", r"line\u2028line\x85"),
        ("caf\udce9.txt", r"caf\udce9.txt"),
        ("a\tb\nسعيد 👩\u200d🚀 \ufeff", "a\tb\nسعيد 👩\u200d🚀 \ufeff"),
    ],
)
def test_what_a_terminal_obeys_is_escaped(text, shown):
    assert escape_controls(text) == shown


def test_an_error_never_commands_a_terminal():
    error = AnalysisError("a\x1b[2J\nb.csv", "no column '\u202emutcnart'", "there are \x9bH")
    assert str(error) == r"a\x1b[2J\nb.csv: no column '\u202emutcnart'; there are \x9bH"
    assert error.where == "a\x1b[2J\nb.csv"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("call-1", "call-1"),
        ("How satisfied were you (1 to 5)?", "How satisfied were you (1 to 5)?"),
        ("a\nb\x1b", r"a\nb\x1b"),
        ("x" * 81, "a text of 81 characters"),
        ("Agent: my name is Anna Maier from Bremen", "a text of 40 characters"),
        (7, "7"),
    ],
)
def test_a_long_name_is_not_quoted_since_it_may_be_a_transcript(name, shown):
    assert show_name(name) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (3, "3"),
        ("demo", "the text 'demo'"),
        ("Agent: my name is Anna Maier from Bremen", "a text of 40 characters"),
        ([], "an empty list"),
        ([(1,)], "a list that begins with a tuple"),
        (AnalysisError("a", "b"), "an AnalysisError"),
        (pl.DataFrame({"call_id": ["c1"], "text": ["secret"]}), "a frame with the columns call_id, text"),
        (pl.LazyFrame({"call_id": ["c1"]}), "a LazyFrame"),
    ],
)
def test_what_was_passed_is_described_without_its_content(value, shown):
    assert describe_passed(value) == shown


def test_of_many_names_the_first_are_listed():
    assert show_names(range(3), most=3) == "0, 1, 2"
    assert show_names(range(4), most=3) == "0, 1, 2, ..."
    assert show_names([]) == ""
