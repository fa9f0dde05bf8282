"""Fields of the model's own answer that a request of Converse asks for by JSON Pointers.

Sources: Amazon Bedrock API Reference, Converse, `additionalModelResponseFieldPaths`; RFC 6901.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bedrock_local.protocol.errors import ServiceError

POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)+")
FIELD = "additionalModelResponseFields"


def check_pointers(pointers: Sequence[str]) -> None:
    """Refuse a text that is no JSON Pointer; the wording is the emulator's own."""
    for pointer in pointers:
        if not POINTER.fullmatch(pointer):
            reason = f"{pointer!r} in additionalModelResponseFieldPaths is not a JSON Pointer such as /stop_sequence."
            raise ServiceError("ValidationException", reason)


def pick_fields(answer: dict[str, Any], pointers: Sequence[str]) -> dict[str, Any]:
    """Return the fields of an answer that pointers name, in objects as they stand there; none that it lacks."""
    picked: dict[str, Any] = {}
    for pointer in pointers:
        names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
        inside: Any = answer
        for name in names:
            inside = inside.get(name, ...) if isinstance(inside, dict) else ...
        if inside is ...:
            continue
        place = picked
        for name in names[:-1]:
            # A copy, since a shorter pointer may have picked the object of the answer itself.
            place[name] = dict(place.get(name, {}))
            place = place[name]
        place[names[-1]] = inside
    return {FIELD: picked} if picked else {}
