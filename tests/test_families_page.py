import re
from pathlib import Path

import pytest

from analysis.families import FAMILIES
from analysis.families.family import only_read
from analysis.outputs.lines import make_shapes

TEXT = (Path(__file__).parents[1] / "docs/families.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "families.md", "exec"), names)
    return names


def test_the_tests_of_the_page_pass(names):
    tests = [test for name, test in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_family_of_the_page_is_read_beside_the_others(names):
    shapes = make_shapes((*FAMILIES, names["ACME"]))
    line = b'{"recordId":"r1","modelInput":{"heat":0.5},"modelOutput":{"reply":"A refund."}}'
    (shape,) = (shape for shape in shapes if names["ACME"] in shape.families)
    assert shape.decode(line).modelOutput.parse().text == "A refund."
    assert shape.decode(line).modelInput.has_own_field()


def test_every_family_is_in_the_table():
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(family.name for family in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_says_which_families_are_only_read(family):
    (row,) = re.findall(rf"^\| `{family.name}` \|.*$", TEXT, re.MULTILINE)
    assert ("only read" in row) == (family.write_request is only_read)
