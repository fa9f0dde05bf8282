"""A table of fields, at the edges of each kind."""

from __future__ import annotations

import pytest

from bedrock_local.families.schema import ANYTHING, Either, Fields, Flag, Items, Number, Tagged, Text, Whole

NESTED = Fields({"a": Items(Fields({"b": Whole(1)}, required=("b",)))})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Number(0, 1), 0),
        (Number(0, 1), 1.0),
        (Number(above=0), 0.00001),
        (Whole(1, 5), 5),
        (Text(least=1), "a"),
        (Text(choices=("a", "b")), "b"),
        (Items(Whole(), least=1, most=2), [1, 2]),
        (Flag(), False),
        (Flag(only=False), False),
        (Either((Text(), Items())), [None]),
        (Fields({"a": Whole()}, takes_null=True), {"a": None}),
        (Fields({}, more=ANYTHING), {"z": None}),
        (Tagged({"x": Fields({})}), {"type": "x"}),
        (ANYTHING, None),
    ],
)
def test_a_value_within_its_kind_has_no_violation(kind, value):
    assert list(kind.find_violations(value)) == []


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        (Number(0, 1), -0.1, "least"),
        (Number(0, 1), 1.01, "most"),
        (Number(above=0), 0, "above"),
        (Number(), True, "type"),
        (Number(), "1", "type"),
        (Whole(), 1.0, "type"),
        (Whole(1, 5), 6, "most"),
        (Text(least=1), "", "short"),
        (Text(choices=("a", "b")), "c", "choice"),
        (Items(least=1), [], "few"),
        (Items(most=1), [1, 2], "many"),
        (Flag(), 0, "type"),
        (Flag(only=False), True, "choice"),
        (Either((Text(), Items())), {}, "type"),
        (Fields({"a": Whole()}), {"a": None}, "type"),
        (Fields({"a": Whole()}, required=("a",), takes_null=True), {"a": None}, "type"),
        (Fields({}), {"z": 1}, "extra"),
        (Fields({}, required=("a",)), {}, "missing"),
        (Tagged({"x": Fields({})}), {}, "missing"),
        (Tagged({"x": Fields({})}), {"type": "y"}, "tag"),
        (Tagged({"x": Fields({})}), {"type": ["x"]}, "type"),
    ],
)
def test_a_value_outside_its_kind_has_one_violation(kind, value, rule):
    assert [violation.rule for violation in kind.find_violations(value)] == [rule]


def test_a_violation_says_where_it_is():
    violations = NESTED.find_violations({"a": [{"b": 1}, {}, {"b": 0}]})
    assert [(path, rule) for path, rule, *_ in violations] == [(("a", 1), "missing"), (("a", 2, "b"), "least")]


def test_what_lacks_is_named_before_what_is_too_much():
    violations = Fields({"a": Whole()}, required=("a",)).find_violations({"z": 1})
    assert [violation.rule for violation in violations] == ["missing", "extra"]
