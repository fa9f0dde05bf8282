"""Requests held to the shapes that the service itself publishes, in the service models of botocore.

The client checks less: no maxima, no patterns, no enums.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader, create_loader
from botocore.model import ServiceModel, Shape

from bedrock_local.errors import ServiceError
from bedrock_local.patterns import is_match

TYPES: dict[str, tuple[type, ...]] = {
    "blob": (str,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (str, int, float),
}
BITS = {"integer": 32, "long": 64}


def check_request(service: str, operation: str, value: Mapping[str, Any]) -> None:
    """Refuse a request that its operation's shape does not allow, naming every place."""
    refuse_faults(list(find_faults(value, input_shape(service, operation), "")))


def refuse_faults(faults: list[str]) -> None:
    """Refuse a request that has faults, in the words of the service."""
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: "
        raise ServiceError("ValidationException", count + "; ".join(faults))


@cache
def shared_loader() -> Loader:
    """Give a loader of service models that has read each one once, which takes most of a session's time."""
    return create_loader()


@cache
def input_shape(service: str, operation: str) -> Any:
    """Give the input shape of an operation."""
    model = ServiceModel(shared_loader().load_service_model(service, "service-2"), service)
    return model.operation_model(operation).input_shape


def keep_known(value: Any, shape: Any) -> Any:
    """Leave out what a shape does not have, and what is null: the service neither keeps nor echoes it."""
    if shape.type_name == "structure" and not is_document(shape):
        names = [name for name in shape.members if value.get(name) is not None]
        return {name: keep_known(value[name], shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [keep_known(item, shape.member) for item in value]
    return value


def is_document(shape: Any) -> bool:
    """Tell whether a shape takes any JSON."""
    return bool(getattr(shape, "is_document_type", False))


def find_faults(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Name what is wrong with a value, place by place."""
    if is_document(shape):
        return
    if not is_type(value, shape.type_name):
        yield fault(value, path, f"Member must be of type {shape.type_name}")
        return
    yield from find_limits(value, shape, path)
    if shape.type_name == "structure":
        yield from find_members(value, shape, path)
    elif shape.type_name == "list":
        for number, item in enumerate(value, 1):
            yield from find_faults(item, shape.member, f"{path}.{number}.member")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from find_faults(name, shape.key, f"{path}.{name}.key")
            yield from find_faults(item, shape.value, f"{path}.{name}.value")


def is_type(value: Any, type_name: str) -> bool:
    """Tell whether a value can be one of a type; true and false are not numbers."""
    is_kind = isinstance(value, TYPES[type_name]) and isinstance(value, bool) == (type_name == "boolean")
    if is_kind and type_name in BITS:
        return bool(-(2 ** (BITS[type_name] - 1)) <= value < 2 ** (BITS[type_name] - 1))
    return is_kind and (type_name != "blob" or is_base64(value))


def is_base64(text: str) -> bool:
    """Tell whether a text stands for bytes."""
    try:
        return base64.b64decode(text, validate=True) is not None
    except ValueError:
        return False


def find_members(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[str]:
    """Name members that lack, and what is wrong inside those that are there."""
    start = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield fault(None, start + name, "Member must not be null")
    present = [name for name in shape.members if value.get(name) is not None]
    if shape.is_tagged_union and len(present) != 1:
        yield fault(value, path, "Member must have exactly one of its members set")
    for name in present:
        yield from find_faults(value[name], shape.members[name], start + name)


def find_limits(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Name the limits of a shape that a value does not keep."""
    limits = shape.metadata
    word, size = measure(value, shape.type_name)
    is_long = "max" in limits and size > limits["max"]
    if "min" in limits and size < limits["min"]:
        yield fault(value, path, f"Member must have {word} greater than or equal to {limits['min']}")
    if is_long:
        yield fault(value, path, f"Member must have {word} less than or equal to {limits['max']}")
    if "enum" in limits and value not in limits["enum"]:
        yield fault(value, path, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")
    # No pattern is tried on a text of any length.
    if "pattern" in limits and not is_long and not is_match(limits["pattern"], value):
        yield fault(value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}")


def measure(value: Any, type_name: str) -> tuple[str, float]:
    """Give what the limits of a type are about, and how much of it a value has."""
    if isinstance(value, (int, float)):
        return "value", value
    return "length", len(value) * 3 // 4 - value.count("=") if type_name == "blob" else len(value)


def fault(value: Any, path: str, rule: str) -> str:
    """Name a fault in the words of the service."""
    shown = "null" if value is None else f"'{str(value)[:100]}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"
