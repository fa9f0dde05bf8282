import pickle
import re

import pytest

from analysis import errors
from analysis.errors import AnalysisError

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
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__)
    assert ["AnalysisError", *drawn] == [kind.__name__ for kind in CLASSES]
    assert {kind.__base__ for kind in CLASSES} == {AnalysisError, Exception}
