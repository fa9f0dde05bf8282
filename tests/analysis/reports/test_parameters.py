import re
import subprocess
import sys

import pytest

from analysis import check_parameters
from analysis.errors import NotebookError
from analysis.reports.notebooks import find_notebooks, run_notebook
from analysis.reports.parameters import check_cells, list_parameters

pytestmark = pytest.mark.whole

DECLARED = """name: str = "a"  # a name
calls: int = 3
share: float = 0.5
quick: bool = False
keys: list = []
more: dict = {}"""
DEFAULTS = {"name": "a", "calls": 3, "share": 0.5, "quick": False, "keys": [], "more": {}}


def test_parameters_are_listed_with_their_defaults():
    assert list_parameters(find_notebooks() / "stop_reasons.ipynb") == {"run_folder": "''", "wanted_share": "0.99"}


@pytest.mark.parametrize(
    "values", [{}, {"share": 1}, {"share": float("inf")}, {"calls": 0}, {"keys": ["b"]}, {"more": {"b": 1}}]
)
def test_a_value_of_the_declared_type_passes(values):
    injected = "# Parameters\n" + "".join(f"{name} = 0\n" for name in values)
    check_cells(["", DECLARED, injected], DEFAULTS | values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": 2024}, "parameters: name is 2024 and not a text; pass a text, to papermill by -r name TEXT"),
        ({"name": None}, "parameters: name is None and not a text; .*"),
        ({"calls": "lots"}, "parameters: calls is the text 'lots' and not a whole number; pass a whole number"),
        ({"calls": 1.5}, "parameters: calls is 1.5 and not a whole number; pass a whole number"),
        ({"calls": True}, "parameters: calls is True and not a whole number; pass a whole number"),
        ({"share": True}, "parameters: share is True and not a number; pass a number"),
        ({"quick": "yes"}, "parameters: quick is the text 'yes' and not True or False; pass True or False"),
        ({"keys": "b"}, r"parameters: keys is the text 'b' and not a list; .*-y 'keys: \[\.\.\.\]'"),
        ({"more": "{}"}, r"parameters: more is the text '{}' and not a dict; .*-y 'more: {\.\.\.}'"),
    ],
)
def test_a_value_of_another_type_is_told_in_a_sentence(values, sentence):
    with pytest.raises(NotebookError) as error:
        check_cells(["", DECLARED], DEFAULTS | values)
    assert re.fullmatch(sentence, str(error.value))


def test_a_name_that_is_not_declared_is_told_before_a_wrong_type():
    with pytest.raises(NotebookError, match="no parameter 'shares'; there are name, calls, share, quick, keys, more"):
        check_cells(["", DECLARED, "# Parameters\nname = 1\nshares = 2"], DEFAULTS | {"name": 1, "shares": 2})


def test_names_that_papermill_adds_for_itself_pass():
    check_cells(["", DECLARED, '# Parameters\nPAPERMILL_INPUT_PATH = "a.ipynb"'], DEFAULTS)


def test_the_cell_of_parameters_that_was_executed_last_declares():
    cells = ["", DECLARED, "# Parameters\nshares = 2", "broken (", 'shares: str = "all"', "shares"]
    check_cells(cells, DEFAULTS | {"shares": "all"})


def test_outside_of_a_notebook_there_is_nothing_to_check():
    check_parameters()


def test_the_runner_refuses_a_value_of_another_type(tmp_path):
    with pytest.raises(NotebookError, match=r"costs.ipynb: corpus_calls is the text 'lots' and not a whole number"):
        run_notebook(find_notebooks() / "costs.ipynb", {"corpus_calls": "lots"}, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("notebook", "options", "sentence"),
    [
        ("prepare", ["-p", "quota_year", "2024"], "quota_year is 2024 and not a text"),
        ("prepare", ["-p", "columns", "{'transcript': 'body'}"], "and not a dict; pass a dict"),
        ("costs", ["-p", "corpus_calls", "lots"], "corpus_calls is the text 'lots' and not a whole number"),
        ("costs", ["-p", "run_foldr", "x"], "no parameter 'run_foldr'; there are run_folder, corpus_calls, prices"),
    ],
)
def test_the_command_of_papermill_tells_it_before_anything_runs(account, tmp_path, notebook, options, sentence):
    path = find_notebooks() / f"{notebook}.ipynb"
    command = [sys.executable, "-m", "papermill", str(path), "out.ipynb", "--no-progress-bar", *options]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1
    assert last.startswith("NotebookError: parameters: ")
    assert sentence in last
    assert [path.name for path in tmp_path.iterdir() if path.name in {"runs", "reports"}] == []
