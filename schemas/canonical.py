"""Canonical bytes of a value, and their digest: the same value gives the same bytes, always.

Rules: UTF-8 JSON, keys sorted, no spaces, integers for money and counts, times as RFC 3339 in UTC.
What is signed, chained or compared is these bytes as stored, never JSON that was parsed and written again.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from pydantic import BaseModel

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> bytes:
    """The canonical JSON bytes of a value made of dataclasses, pydantic models, mappings, lists and scalars.

    Raises `TypeError` for a value without a canonical form (NaN and infinities become `null` and are refused
    by the callers' types, which hold integers or bounded floats).
    """
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def digest(value: Any) -> str:
    """`sha256:` and 64 hex digits over `canonical(value)`; bytes are hashed as they are."""
    data = value if isinstance(value, bytes) else canonical(value)
    return "sha256:" + hashlib.sha256(data).hexdigest()
