"""Canonical bytes of a value, and their digest: the same value gives the same bytes, always.

Rules: UTF-8 JSON, keys sorted (fields of dataclasses too), no spaces, integers for money and counts, times as
RFC 3339 in UTC, whatever zone they were told in. A field that came `later` is left out while it is at its default, so
that what was written before there was such a field still gives the bytes that it gave then.
What is signed, chained or compared is these bytes as stored, never JSON that was parsed and written again.
"""

from __future__ import annotations

import hashlib
from dataclasses import field, fields, is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

T = TypeVar("T")

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""orjson by itself writes a dataclass in the order of its fields, and a time in the zone that it was told in."""


LATER = "later"


def later(default: T) -> T:
    """A field of a dataclass that its first version did not have; not written while it is at its default.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Trunk:
    ...     rings: int
    ...     moss: bool = later(False)
    >>> canonical(Trunk(3)), canonical(Trunk(3, moss=True))
    (b'{"rings":3}', b'{"moss":true,"rings":3}')
    """
    made: T = field(default=default, metadata={LATER: True})
    return made


def _plain(value: Any) -> Any:
    kind: Any = type(value)
    if (known := _fields(kind)) is not None:
        named, came_later = known
        found = {name: getattr(value, name) for name in named}
        for name, default in came_later:
            if found[name] == default:
                del found[name]
        return found
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
def _fields(kind: type[Any]) -> tuple[tuple[str, ...], tuple[tuple[str, Any], ...]] | None:
    """All names; and of those that came later, the value at which the field is left out. None where it is no
    dataclass."""
    if not is_dataclass(kind):
        return None
    named = fields(kind)
    later_ones = tuple((each.name, each.default) for each in named if each.metadata.get(LATER))
    return tuple(each.name for each in named), later_ones


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


def piece(value: Any) -> Any:
    """A value that is written already: inside of others it gives the bytes that the value itself would give."""
    return orjson.Fragment(canonical(value))


def digest(value: Any) -> str:
    """`sha256:` and 64 hex digits over `canonical(value)`; bytes are hashed as they are."""
    data = value if isinstance(value, bytes) else canonical(value)
    return "sha256:" + hashlib.sha256(data).hexdigest()
