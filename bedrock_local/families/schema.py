"""What a body may hold, declared as a table in the words of JSON Schema.

A family declares its table once; `find_violations` checks a body against it, and `error_wording` words what is wrong as
the model would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

Path = tuple[str | int, ...]
Rule = Literal[
    "required", "additional", "type", "minimum", "exclusive_minimum", "maximum", "min_length", "min_items", "max_items",
    "enum", "tag",
]  # fmt: skip


class Violation(NamedTuple):
    """A rule that is broken at a path: what the rule expects, what was found, and the schema that it belongs to."""

    path: Path
    rule: Rule
    expected: Any
    found: Any
    schema: Schema


class Schema:
    """The schema of a value; this base class allows anything."""

    type_name: ClassVar[str] = "value"
    types: ClassVar[tuple[type, ...]] = ()

    def list_types(self) -> tuple[str, ...]:
        """List the names of the JSON types that a value may have."""
        return (self.type_name,)

    def has_type(self, value: Any) -> bool:
        """Return whether a value has the JSON type: true is not a number, and 5.0 is not an integer."""
        # Not isinstance: a bool is an int in Python, and a number or an integer of JSON is not.
        return not self.types or type(value) in self.types

    def find_violations(self, value: Any, path: Path = ()) -> Iterator[Violation]:
        """Find what is wrong with a value, in the order of its paths."""
        if self.has_type(value):
            yield from self.check_value(value, path)
        else:
            yield Violation(path, "type", self.list_types(), value, self)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:  # noqa: ARG002
        """Find what is wrong with a value of the right type."""
        yield from ()


ANY = Schema()


@dataclass(frozen=True)
class Boolean(Schema):
    """True or false, or one of them alone (`only`)."""

    only: bool | None = None
    type_name = "boolean"
    types = (bool,)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Find the value that is not allowed."""
        if self.only not in (None, value):
            yield Violation(path, "enum", (str(self.only).lower(),), str(value).lower(), self)


@dataclass(frozen=True)
class Number(Schema):
    """A number in a range."""

    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    type_name = "number"
    types: ClassVar[tuple[type, ...]] = (int, float)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Find a number out of its range."""
        if self.minimum is not None and value < self.minimum:
            yield Violation(path, "minimum", self.minimum, value, self)
        if self.exclusive_minimum is not None and value <= self.exclusive_minimum:
            yield Violation(path, "exclusive_minimum", self.exclusive_minimum, value, self)
        if self.maximum is not None and value > self.maximum:
            yield Violation(path, "maximum", self.maximum, value, self)


@dataclass(frozen=True)
class Integer(Number):
    """An integer in a range."""

    type_name = "integer"
    types = (int,)


@dataclass(frozen=True)
class String(Schema):
    """A string with a minimum length, or one of an enumeration or of a pattern beside it, which errors do not name."""

    min_length: int = 0
    enum: tuple[str, ...] = ()
    pattern: str = ""
    type_name = "string"
    types = (str,)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Find a string that is too short or not in the enumeration."""
        if len(value) < self.min_length:
            yield Violation(path, "min_length", self.min_length, len(value), self)
        is_beside = bool(self.pattern) and re.fullmatch(self.pattern, value) is not None
        if self.enum and value not in self.enum and not is_beside:
            yield Violation(path, "enum", self.enum, value, self)


@dataclass(frozen=True)
class Array(Schema):
    """A list of items with the same schema."""

    items: Schema = ANY
    min_items: int = 0
    max_items: int | None = None
    type_name = "list"
    types = (list,)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Find a list that is too short or too long, then what is wrong with its items."""
        if len(value) < self.min_items:
            yield Violation(path, "min_items", self.min_items, len(value), self)
        if self.max_items is not None and len(value) > self.max_items:
            yield Violation(path, "max_items", self.max_items, len(value), self)
        for number, item in enumerate(value):
            yield from self.items.find_violations(item, (*path, number))


@dataclass(frozen=True)
class Object(Schema):
    """An object.

    Attributes
    ----------
    properties
        Schema by field name.
    required
        Fields that must be present; missing ones are reported in this order.
    additional
        Schema of all other fields; they are not allowed when None.
    nullable
        Whether a field that is not required may be null.
    """

    properties: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    additional: Schema | None = None
    nullable: bool = False
    type_name = "object"
    types = (dict,)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Find missing fields, then unknown fields, then what is wrong inside the others."""
        for name in self.required:
            if name not in value:
                yield Violation(path, "required", name, None, self)
        for name in value:
            if self.additional is None and name not in self.properties:
                yield Violation(path, "additional", name, value[name], self)
        for name, part in value.items():
            schema = self.properties.get(name, self.additional)
            if schema and not (part is None and self.nullable and name not in self.required):
                yield from schema.find_violations(part, (*path, name))


@dataclass(frozen=True)
class OneOf(Schema):
    """An object that matches one of several variants, chosen by its field `type`."""

    variants: Mapping[str, Object]
    type_name = "object"
    types = (dict,)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Find a missing or unknown tag, or what is wrong inside an object with a known one."""
        tag = value.get("type")
        if "type" not in value:
            yield Violation(path, "required", "type", None, self)
        elif not isinstance(tag, str):
            yield Violation((*path, "type"), "type", ("string",), tag, self)
        elif tag not in self.variants:
            yield Violation(path, "tag", tuple(self.variants), tag, self)
        else:
            rest = {name: part for name, part in value.items() if name != "type"}
            # The tag is a step of the path, as in pydantic's errors of discriminated unions, which Claude's look like.
            yield from self.variants[tag].check_value(rest, (*path, tag))


@dataclass(frozen=True)
class AnyOf(Schema):
    """A value that matches one of several schemas, chosen by its JSON type."""

    choices: tuple[Schema, ...]

    def list_types(self) -> tuple[str, ...]:
        """List the JSON types of all choices."""
        return tuple(name for schema in self.choices for name in schema.list_types())

    def has_type(self, value: Any) -> bool:
        """Return whether the value has the type of one of the choices."""
        return any(schema.has_type(value) for schema in self.choices)

    def check_value(self, value: Any, path: Path) -> Iterator[Violation]:
        """Check the value against the first choice that has its type."""
        yield from next(schema for schema in self.choices if schema.has_type(value)).check_value(value, path)


ANY_OBJECT = Object({}, additional=ANY)
