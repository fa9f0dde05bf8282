"""Schemas of values, at the edges of what each allows."""

from __future__ import annotations

import pytest

from bedrock_local.families.schema import ANY, AnyOf, Array, Boolean, Integer, Number, Object, OneOf, String

NESTED = Object({"a": Array(Object({"b": Integer(1)}, required=("b",)))})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (Number(0, 1), 0),
        (Number(0, 1), 1.0),
        (Number(exclusive_minimum=0), 0.00001),
        (Integer(1, 5), 5),
        (String(min_length=1), "a"),
        (String(enum=("a", "b")), "b"),
        (Array(Integer(), min_items=1, max_items=2), [1, 2]),
        (Boolean(), False),
        (Boolean(only=False), False),
        (AnyOf((String(), Array())), [None]),
        (Object({"a": Integer()}, nullable=True), {"a": None}),
        (Object({}, additional=ANY), {"z": None}),
        (OneOf({"x": Object({})}), {"type": "x"}),
        (ANY, None),
    ],
)
def test_a_value_that_fits_its_schema_has_no_violation(schema, value):
    assert list(schema.find_violations(value)) == []


@pytest.mark.parametrize(
    ("schema", "value", "rule"),
    [
        (Number(0, 1), -0.1, "minimum"),
        (Number(0, 1), 1.01, "maximum"),
        (Number(exclusive_minimum=0), 0, "exclusive_minimum"),
        (Number(), True, "type"),
        (Number(), "1", "type"),
        (Integer(), 1.0, "type"),
        (Integer(1, 5), 6, "maximum"),
        (String(min_length=1), "", "min_length"),
        (String(enum=("a", "b")), "c", "enum"),
        (Array(min_items=1), [], "min_items"),
        (Array(max_items=1), [1, 2], "max_items"),
        (Boolean(), 0, "type"),
        (Boolean(only=False), True, "enum"),
        (AnyOf((String(), Array())), {}, "type"),
        (Object({"a": Integer()}), {"a": None}, "type"),
        (Object({"a": Integer()}, required=("a",), nullable=True), {"a": None}, "type"),
        (Object({}), {"z": 1}, "additional"),
        (Object({}, required=("a",)), {}, "required"),
        (OneOf({"x": Object({})}), {}, "required"),
        (OneOf({"x": Object({})}), {"type": "y"}, "tag"),
        (OneOf({"x": Object({})}), {"type": ["x"]}, "type"),
    ],
)
def test_a_value_that_breaks_its_schema_has_one_violation(schema, value, rule):
    assert [violation.rule for violation in schema.find_violations(value)] == [rule]


def test_a_violation_says_where_it_is():
    violations = NESTED.find_violations({"a": [{"b": 1}, {}, {"b": 0}]})
    assert [(path, rule) for path, rule, *_ in violations] == [(("a", 1), "required"), (("a", 2, "b"), "minimum")]


def test_missing_fields_are_found_before_unknown_ones():
    violations = Object({"a": Integer()}, required=("a",)).find_violations({"z": 1})
    assert [violation.rule for violation in violations] == ["required", "additional"]
