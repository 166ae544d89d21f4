"""Canonical bytes of a value, and their digest: the same value gives the same bytes, always.

Rules: UTF-8 JSON, keys sorted (fields of dataclasses too), no spaces, integers for money and counts, times as
RFC 3339 in UTC, whatever zone they were told in.
What is signed, chained or compared is these bytes as stored, never JSON that was parsed and written again.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""orjson by itself writes a dataclass in the order of its fields, and a time in the zone that it was told in."""


def _plain(value: Any) -> Any:
    kind: type[Any] = type(value)
    if is_dataclass(kind):
        return {name: getattr(value, name) for name in _fields(kind)}
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no canonical form")


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise TypeError("a time without a zone is no instant, and has no canonical form")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def canonical(value: Any) -> bytes:
    """The canonical JSON bytes of a value made of dataclasses, pydantic models, mappings, lists and scalars.

    Raises `TypeError` for a value without a canonical form, such as a time without a zone. NaN and infinities become
    `null`; the callers' types hold integers or finite floats, and refuse them.
    """
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def digest(value: Any) -> str:
    """`sha256:` and 64 hex digits over `canonical(value)`; bytes are hashed as they are."""
    data = value if isinstance(value, bytes) else canonical(value)
    return "sha256:" + hashlib.sha256(data).hexdigest()
