"""From what a model wrote to the JSON object in it. Text around it may be cut away; nothing is ever mended."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson

MAX_STARTS = 8
"""How many opening braces are tried as an object's beginning, so that hostile text costs a few readings."""

_DECODER = json.JSONDecoder()
_NOT_JSON = object()


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
    if isinstance(value, dict):
        return Parsed(value)
    if value is not _NOT_JSON:
        return Parsed(None, sentence="The answer is JSON, and not an object.")
    objects = _objects_within(text)
    if len(objects) == 1:
        return Parsed(objects[0], repaired=True)
    if objects:
        return Parsed(None, sentence="The answer holds more than one JSON object.")
    return Parsed(None, sentence="The answer holds no whole JSON object.")


def _strict(text: str) -> Any:
    """The value that the text is, or `_NOT_JSON`."""
    try:
        return orjson.loads(text)
    except ValueError:
        return _NOT_JSON


def _objects_within(text: str) -> list[dict[str, Any]]:
    """Objects that stand side by side in the text; one inside another is not counted."""
    found: list[dict[str, Any]] = []
    start = text.find("{")
    for _ in range(MAX_STARTS):
        if start < 0:
            break
        end = _end_of_object(text, start)
        value = _strict(text[start:end]) if end else None
        if isinstance(value, dict):
            found.append(value)
        start = text.find("{", end or start + 1)
    return found


def _end_of_object(text: str, start: int) -> int:
    """The index behind the object that begins at `start`; 0 where none does.

    It finds the end and no more: what it takes and strict JSON does not (NaN) is read again strictly.
    """
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return 0
