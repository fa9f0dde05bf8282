"""What a body may hold, said as a table: each field with its type, its range, and whether it must be there.

A family writes its table once; `find_violations` checks a body against it, and `error_wording` words what is wrong as
the model would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

Path = tuple[str | int, ...]
Rule = Literal["missing", "extra", "type", "least", "above", "most", "short", "long", "few", "many", "choice", "tag"]


class Violation(NamedTuple):
    """What is wrong at a place: the rule that is broken, what it wants, and what is there."""

    path: Path
    rule: Rule
    want: Any
    got: Any
    kind: Kind


class Kind:
    """A kind of value; this one is anything, and nobody looks into it."""

    name: ClassVar[str] = "value"
    types: ClassVar[tuple[type, ...]] = ()

    def names(self) -> tuple[str, ...]:
        """Name the JSON types that a value may have."""
        return (self.name,)

    def is_of(self, value: Any) -> bool:
        """Tell whether a value has the JSON type; true is no number, and 5.0 no whole one."""
        return not self.types or type(value) in self.types

    def find_violations(self, value: Any, path: Path = ()) -> Iterator[Violation]:
        """Name what is wrong with a value, place by place."""
        if self.is_of(value):
            yield from self.look_inside(value, path)
        else:
            yield Violation(path, "type", self.names(), value, self)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:  # noqa: ARG002
        """Name what is wrong with a value of the right type."""
        yield from ()


ANYTHING = Kind()


@dataclass(frozen=True)
class Flag(Kind):
    """True or false; `only` says which."""

    only: bool | None = None
    name = "boolean"
    types = (bool,)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Name the one that may not be."""
        if self.only not in (None, value):
            yield Violation(path, "choice", (str(self.only).lower(),), str(value).lower(), self)


@dataclass(frozen=True)
class Number(Kind):
    """A number in a range; `above` leaves its own end out."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    name = "number"
    types: ClassVar[tuple[type, ...]] = (int, float)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Name a number out of its range."""
        if self.least is not None and value < self.least:
            yield Violation(path, "least", self.least, value, self)
        if self.above is not None and value <= self.above:
            yield Violation(path, "above", self.above, value, self)
        if self.most is not None and value > self.most:
            yield Violation(path, "most", self.most, value, self)


@dataclass(frozen=True)
class Whole(Number):
    """A whole number in a range."""

    name = "integer"
    types = (int,)


@dataclass(frozen=True)
class Text(Kind):
    """A text of a length, or one of a few."""

    least: int = 0
    choices: tuple[str, ...] = ()
    name = "string"
    types = (str,)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Name a text that is too short, or none of the few."""
        if len(value) < self.least:
            yield Violation(path, "short", self.least, len(value), self)
        if self.choices and value not in self.choices:
            yield Violation(path, "choice", self.choices, value, self)


@dataclass(frozen=True)
class Items(Kind):
    """A list of items of one kind."""

    item: Kind = ANYTHING
    least: int = 0
    most: int | None = None
    name = "list"
    types = (list,)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Name a list that is too short or too long, and what is wrong with its items."""
        if len(value) < self.least:
            yield Violation(path, "few", self.least, len(value), self)
        if self.most is not None and len(value) > self.most:
            yield Violation(path, "many", self.most, len(value), self)
        for number, item in enumerate(value):
            yield from self.item.find_violations(item, (*path, number))


@dataclass(frozen=True)
class Fields(Kind):
    """An object.

    Attributes
    ----------
    known
        Kind by name.
    required
        Names that must be there, in the order in which they are missed.
    more
        Kind of all other fields; none may be there when missing.
    takes_null
        Whether a field that is not required may be null.
    """

    known: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    more: Kind | None = None
    takes_null: bool = False
    name = "object"
    types = (dict,)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Name fields that lack, then fields that nobody knows, then what is wrong inside the others."""
        for name in self.required:
            if name not in value:
                yield Violation(path, "missing", name, None, self)
        for name in value:
            if self.more is None and name not in self.known:
                yield Violation(path, "extra", name, value[name], self)
        for name, part in value.items():
            kind = self.known.get(name, self.more)
            if kind and not (part is None and self.takes_null and name not in self.required):
                yield from kind.find_violations(part, (*path, name))


@dataclass(frozen=True)
class Tagged(Kind):
    """An object whose field `type` says which fields it has."""

    kinds: Mapping[str, Fields]
    name = "object"
    types = (dict,)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Name a type that is none, and what is wrong inside an object of its type."""
        tag = value.get("type")
        if "type" not in value:
            yield Violation(path, "missing", "type", None, self)
        elif not isinstance(tag, str):
            yield Violation((*path, "type"), "type", ("string",), tag, self)
        elif tag not in self.kinds:
            yield Violation(path, "tag", tuple(self.kinds), tag, self)
        else:
            rest = {name: part for name, part in value.items() if name != "type"}
            yield from self.kinds[tag].look_inside(rest, (*path, tag))


@dataclass(frozen=True)
class Either(Kind):
    """A value of one of several kinds, told apart by their JSON types."""

    kinds: tuple[Kind, ...]

    def names(self) -> tuple[str, ...]:
        """Name the JSON types of all kinds."""
        return tuple(name for kind in self.kinds for name in kind.names())

    def is_of(self, value: Any) -> bool:
        """Tell whether it is of one of the kinds."""
        return any(kind.is_of(value) for kind in self.kinds)

    def look_inside(self, value: Any, path: Path) -> Iterator[Violation]:
        """Look at it as the kind that it is of."""
        yield from next(kind for kind in self.kinds if kind.is_of(value)).look_inside(value, path)


OBJECT = Fields({}, more=ANYTHING)
