"""From what a model wrote to the JSON object in it. Text around the object may be cut away; nothing is ever
mended."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson

MAX_STARTS = 8
"""How many opening braces are tried as the beginning of an object, so that hostile text costs a few
readings only."""

_DECODER = json.JSONDecoder()


class Parsed(NamedTuple):
    value: dict[str, Any] | None
    repaired: bool = False
    """Whether text around the object was cut away."""
    sentence: str = ""
    """Why there is no value; never a piece of the text."""


def parse(text: str) -> Parsed:
    """The object that the text is; else the only object that stands in it. Never raises.

    Two objects are as good as none: choosing one would be a guess.
    """
    value = _strict(text)
    if value is not None:
        return _storable(Parsed(value))
    objects = _objects_within(text)
    if len(objects) == 1:
        return _storable(Parsed(objects[0], repaired=True))
    if objects:
        return Parsed(None, sentence="The answer holds more than one JSON object.")
    return Parsed(None, sentence="The answer holds no whole JSON object.")


def _strict(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _objects_within(text: str) -> list[dict[str, Any]]:
    """Objects that stand side by side in the text; one inside another is not counted."""
    found: list[dict[str, Any]] = []
    start = text.find("{")
    for _ in range(MAX_STARTS):
        if start < 0:
            break
        end = _end_of_object(text, start)
        value = _strict(text[start:end]) if end else None
        if value is not None:
            found.append(value)
        start = text.find("{", end or start + 1)
    return found


def _end_of_object(text: str, start: int) -> int:
    """The index behind the object that begins at `start`; 0 where none does. It finds the end and nothing
    more: what it takes and strict JSON does not (NaN, lone surrogates) is read again strictly."""
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return 0


def _storable(parsed: Parsed) -> Parsed:
    """NUL characters are legal JSON, and no column of PostgreSQL takes them."""
    if _holds_nul(parsed.value):
        return Parsed(None, sentence="The answer holds a NUL character, which cannot be stored.")
    return parsed


def _holds_nul(value: object) -> bool:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str) and "\x00" in part:
            return True
        if isinstance(part, dict):
            waiting.extend(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return False
