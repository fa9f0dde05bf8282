"""What Claude models refuse of a JSON Schema for the answer, by InvokeModel and Converse alike.

Sources: Amazon Bedrock User Guide, "Structured outputs"; the texts as in recordings and reports of vercel/ai#14773,
vercel/ai#17737, ax-llm/ax#667 and anthropics/anthropic-sdk-python#1759. That a text names the properties in the order
of the alphabet is inferred from one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_local.models import Model

# Opus 4.7, 4.8, Sonnet 5 and Opus 5; Opus 5 until 2026-09-23 at least, and what it does today is not known.
REFUSED_BY = ("adaptive", "always")
NOT_TAKEN = {
    "array": ("maxItems",),
    "integer": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "number": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "string": ("maxLength", "minLength"),
}


def find_schema_violations(model: Model, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Find what the model refuses of `output_config.format`, in parameters that match the schema of a body."""
    form = (parameters.get("output_config") or {}).get("format")
    if not form:
        return
    if model.thinking in REFUSED_BY:
        yield "output_config.format: Extra inputs are not permitted"
    for node in walk_schemas(form.get("schema")):
        for reason in find_node_violations(node):
            yield f"output_config.format.schema: {reason}"


def find_node_violations(node: Mapping[str, Any]) -> Iterator[str]:
    """Find what is refused of one schema within the schema."""
    kind = node.get("type")
    if kind == "object" and node.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    found = [name for name in NOT_TAKEN.get(kind, ()) if name in node] if isinstance(kind, str) else []
    if len(found) == 1:
        yield f"For '{kind}' type, property '{found[0]}' is not supported"
    elif found:
        yield f"For '{kind}' type, properties {', '.join(found)} are not supported"
    if kind == "array" and node.get("minItems", 0) not in (0, 1):
        yield f"For 'array' type, 'minItems' values other than 0 or 1 are not supported (got: [{node['minItems']}, ∞])"


def walk_schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and those in it: of properties, items, alternatives and definitions."""
    if not isinstance(schema, dict):
        return
    yield schema
    inside = [schema.get("items")]
    for name in ("anyOf", "allOf"):
        inside += list(schema.get(name) or ()) if isinstance(schema.get(name), list) else []
    for name in ("properties", "$defs", "definitions"):
        inside += list(schema[name].values()) if isinstance(schema.get(name), dict) else []
    for each in inside:
        yield from walk_schemas(each)
