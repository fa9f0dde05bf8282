"""Check requests against the shapes that the service publishes, in the service models of botocore.

Clients check less: no maxima, no patterns, no enums.
"""

from __future__ import annotations

import base64
import re
import reprlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader, create_loader
from botocore.model import OperationModel, ServiceModel, Shape

from bedrock_local.protocol.errors import ServiceError
from bedrock_local.protocol.patterns import is_match
from bedrock_local.protocol.routing import ResolvedRequest
from bedrock_local.protocol.timestamps import read_time

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
    refuse_violations(list(find_violations(value, input_shape(service, operation), "")))


def check_address(request: ResolvedRequest) -> None:
    """Check path, query and headers of a request against its operation's shape; the body is checked later."""
    model = operation_model(request.service, request.operation)
    places = {
        "uri": dict.fromkeys(re.findall(r"\{(\w+)\}", model.http["requestUri"]), request.identifier),
        "querystring": request.query,
        "header": request.headers,
    }
    violations: list[str] = []
    for name, member in input_shape(request.service, request.operation).members.items():
        place, written = member.serialization.get("location"), member.serialization.get("name", name)
        text = places.get(place or "", {}).get(written.lower() if place == "header" else written)
        if text is not None:
            violations += find_violations(read_text(text, member.type_name), member, name)
    refuse_violations(violations)


def read_text(text: str, type_name: str) -> Any:
    """Read a number that is written as text."""
    # A longer one is no 64-bit number, and may be too long for `int`.
    return int(text) if type_name in BITS and re.fullmatch(r"-?[0-9]{1,20}", text) else text


def refuse_violations(violations: list[str]) -> None:
    """Refuse a request that has violations, in the words of the service."""
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
        raise ServiceError("ValidationException", count + "; ".join(violations))


@cache
def shared_loader() -> Loader:
    """Return one loader for all service models: to read them takes most of the time that a session takes."""
    return create_loader()


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return the model of an operation."""
    model = ServiceModel(shared_loader().load_service_model(service, "service-2"), service)
    return model.operation_model(operation)


def input_shape(service: str, operation: str) -> Any:
    """Return the input shape of an operation."""
    return operation_model(service, operation).input_shape


def keep_known(value: Any, shape: Any) -> Any:
    """Return a value without members that are null or not in its shape: the service neither stores nor returns them."""
    if shape.type_name == "structure" and not is_document(shape):
        names = [name for name in shape.members if value.get(name) is not None]
        return {name: keep_known(value[name], shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [keep_known(item, shape.member) for item in value]
    return value


def is_document(shape: Any) -> bool:
    """Return whether a shape accepts any JSON."""
    return bool(getattr(shape, "is_document_type", False))


def find_violations(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Name what is wrong with a value, place by place."""
    if is_document(shape):
        return
    if not is_type(value, shape.type_name):
        yield violation(value, path, f"Member must be of type {shape.type_name}")
        return
    yield from find_limits(value, shape, path)
    if shape.type_name == "structure":
        yield from find_members(value, shape, path)
    elif shape.type_name == "list":
        for number, item in enumerate(value, 1):
            yield from find_violations(item, shape.member, f"{path}.{number}.member")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from find_violations(name, shape.key, f"{path}.{name}.key")
            yield from find_violations(item, shape.value, f"{path}.{name}.value")


def is_type(value: Any, type_name: str) -> bool:
    """Return whether a value is of a type; true and false are not numbers."""
    is_kind = isinstance(value, TYPES[type_name]) and isinstance(value, bool) == (type_name == "boolean")
    if is_kind and type_name in BITS:
        return bool(-(2 ** (BITS[type_name] - 1)) <= value < 2 ** (BITS[type_name] - 1))
    return is_kind and (type_name not in ("blob", "timestamp") or is_written(value, type_name))


def is_written(value: Any, type_name: str) -> bool:
    """Return whether a text is valid base64 for a blob, or a valid time for a timestamp."""
    try:
        if type_name == "blob":
            base64.b64decode(value, validate=True)
        elif isinstance(value, str):
            read_time(value)
    except (ValueError, OverflowError):
        return False
    return True


def find_members(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[str]:
    """Yield the required members that are missing, and the violations inside those that are there."""
    start = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield violation(None, start + name, "Member must not be null")
    present = [name for name in shape.members if value.get(name) is not None]
    if shape.is_tagged_union and len(present) != 1:
        yield violation(value, path, "Member must have exactly one of its members set")
    for name in present:
        yield from find_violations(value[name], shape.members[name], start + name)


def find_limits(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Yield the violations of the limits of a shape: minimum, maximum, enum, pattern."""
    limits = shape.metadata
    word, size = measure(value, shape.type_name)
    is_long = "max" in limits and size > limits["max"]
    if "min" in limits and size < limits["min"]:
        yield violation(value, path, f"Member must have {word} greater than or equal to {limits['min']}")
    if is_long:
        yield violation(value, path, f"Member must have {word} less than or equal to {limits['max']}")
    if "enum" in limits and value not in limits["enum"]:
        yield violation(value, path, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")
    # No pattern is tried on a text of any length.
    if "pattern" in limits and not is_long and not is_match(limits["pattern"], value):
        yield violation(value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}")


def measure(value: Any, type_name: str) -> tuple[str, float]:
    """Return what the limits of a type count (value or length), and how much of it a value has."""
    if isinstance(value, (int, float)):
        return "value", value
    return "length", len(value) * 3 // 4 - value.count("=") if type_name == "blob" else len(value)


def violation(value: Any, path: str, rule: str) -> str:
    """Name a violation in the words of the service."""
    # Of lists and objects the beginning: they may be large, or nested deeper than `str` goes.
    text = value if isinstance(value, str) else reprlib.repr(value)
    shown = "null" if value is None else f"'{text[:100]}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"
