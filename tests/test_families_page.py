import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from analysis.families import FAMILIES
from analysis.families.family import only_read
from analysis.outputs.lines import make_shapes

TEXT = (Path(__file__).parents[1] / "docs/families.md").read_text(encoding="utf-8")


@pytest.fixture
def names(monkeypatch):
    """Run the page's family as the module that the page's tests import, then the tests; return all names."""
    family, tests = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    module = ModuleType("analysis.families.parrot")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(family, "families.md", "exec"), vars(module))
    names = {}
    exec(compile(tests, "families.md", "exec"), names)
    return names


def test_the_tests_of_the_page_pass(names):
    tests = [test for name, test in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_family_of_the_page_is_read_beside_the_others(names):
    shapes = make_shapes((*FAMILIES, names["PARROT"]))
    line = b'{"recordId":"r1","modelInput":{"heat":0.5},"modelOutput":{"reply":"A refund."}}'
    (shape,) = (shape for shape in shapes if names["PARROT"] in shape.families)
    assert shape.decode(line).modelOutput.parse().text == "A refund."
    assert shape.decode(line).modelInput.has_own_field()


def test_every_family_is_in_the_table():
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(family.name for family in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_says_which_families_are_only_read(family):
    (row,) = re.findall(rf"^\| `{family.name}` \|.*$", TEXT, re.MULTILINE)
    assert ("only read" in row) == (family.write_request is only_read)
