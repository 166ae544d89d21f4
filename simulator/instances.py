"""The smallest value that keeps a JSON schema: how a pretend model answers a contract it does not know.

Reads the part of JSON Schema that structured outputs use: type, enum, const, required, properties, items,
minItems, minLength, minimum, maximum, exclusive bounds, multipleOf, anyOf, oneOf, allOf and local `$ref`. Not
a validator, and blind to `pattern` and `format`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 40  # a schema that requires itself has no finite instance; stop rather than recurse for ever


def minimal(schema: Schema, *, root: Schema | None = None) -> Any:
    """A small value that satisfies `schema`; `$ref` points into `root`, or into the schema itself."""
    return _value(schema, root if root is not None else schema, 0)


def resolve(schema: Any, root: Schema) -> Schema:
    """The schema that a local `$ref` leads to, or the schema itself; an empty one where it leads nowhere."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = _follow(reference, root)
    return {}


def _follow(reference: str, root: Schema) -> Any:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if key:
            place = place.get(key) if isinstance(place, Mapping) else None
    return place


def _value(raw: Any, root: Schema, depth: int) -> Any:
    schema = resolve(raw, root)
    if depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return _value(_merged(schema, schema[choice][:1], root), root, depth + 1)
    if schema.get("allOf"):
        return _value(_merged(schema, schema["allOf"], root), root, depth + 1)
    return _of_type(_type_of(schema), schema, root, depth)


def _merged(schema: Schema, parts: list[Any], root: Schema) -> Schema:
    """One schema that asks for what all of them ask for; enough for objects split over `allOf`."""
    merged: dict[str, Any] = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "allOf")}
    for part in parts:
        for key, value in resolve(part, root).items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, ()), *value]
            else:
                merged[key] = value
    return merged


def _type_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _of_type(kind: str, schema: Schema, root: Schema, depth: int) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {
                key: _value(properties.get(key, {}), root, depth + 1) for key in schema.get("required", ())
            }
        case "array":
            items = schema.get("items", {})
            return [_value(items, root, depth + 1) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return _text(schema)


def _text(schema: Schema) -> str:
    text = "simulated".ljust(schema.get("minLength", 0), ".")
    return text[: schema.get("maxLength", len(text))]


def _number(schema: Schema, *, whole: bool) -> float | int:
    """0 where it is allowed, or an allowed number at a bound or between the bounds; 0 where there is none."""
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    step = schema.get("multipleOf") or (1 if whole else None)
    tries: list[float] = [0]
    if lows:
        tries += [max(lows), max(lows) + (step or 1)]
    if highs:
        tries += [min(highs), min(highs) - (step or 1)]
    if lows and highs:
        tries.append((max(lows) + min(highs)) / 2)
    snapped = [_snap(value, step) for value in tries]
    return next((value for value in snapped if _is_allowed(value, schema)), 0)


def _snap(value: float, step: float | None) -> float:
    """The multiple of `step` at the value or next above it."""
    return value if step is None else math.ceil(value / step) * step


def _is_allowed(value: float, schema: Schema) -> bool:
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
    return bool(low <= value <= high and above < value < below)
