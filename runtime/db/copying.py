"""Rows as PostgreSQL's binary COPY takes them, and lists as its binary arrays. Pure: values in, bytes out.

For what comes by the million. Most columns of such rows are the same in all, and are written once; a whole group is one
piece of bytes, made by whoever has a thread to spare, so that the connection has nothing to do but send it.
Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"; checked 2026-11-28.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any

from psycopg.adapt import Dumper
from psycopg.pq import Format

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_SINCE = datetime(2000, 1, 1, tzinfo=UTC)

_size = struct.Struct("!i").pack


def small(value: int) -> bytes:
    return struct.pack("!h", value)


def number(value: int) -> bytes:
    return struct.pack("!i", value)


def instant(value: datetime) -> bytes:
    passed = value - _SINCE
    return struct.pack("!q", (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


def uuid(value: str) -> bytes:
    return bytes.fromhex(value.replace("-", ""))


def words(values: Sequence[str]) -> bytes:
    """A `text[]`."""
    return array(_TEXT, [value.encode() for value in values])


class Rows:
    """Rows of one table: columns that vary, in this order, and those that are the same in all."""

    def __init__(self, table: str, varying: Sequence[str], same: Mapping[str, bytes | None]) -> None:
        names = ", ".join((*varying, *same))
        self.statement = f"copy {table} ({names}) from stdin (format binary)"
        self._head = small(len(varying) + len(same))
        self._tail = b"".join(
            _NULL if value is None else _size(len(value)) + value for value in same.values()
        )

    def packed(self, *columns: Sequence[bytes]) -> bytes:
        """The columns that vary, each with a value for every row."""
        cells = [cell for column in columns for cell in (map(_size, map(len, column)), column)]
        rows = zip(repeat(self._head), *cells, repeat(self._tail))
        return b"".join((_SIGNATURE, *chain.from_iterable(rows), _END))


# -- arrays

_BYTES, _NUMBER, _TEXT = 17, 23, 25
"""Oids of `bytea`, `int4` and `text`."""


def array(kind: int, values: Sequence[bytes]) -> bytes:
    if not values:
        return struct.pack("!iiI", 0, 0, kind)
    head = struct.pack("!iiIii", 1, 0, kind, len(values), 1)
    return b"".join((head, *chain.from_iterable(zip(map(_size, map(len, values)), values, strict=True))))


class _Array:
    """A list that is written already; a statement takes it as it is."""

    kind: int

    def __init__(self, values: Sequence[bytes]) -> None:
        self.data = array(self.kind, values)


class ByteArray(_Array):
    kind = _BYTES


class NumberArray(_Array):
    kind = _NUMBER


class TextArray(_Array):
    kind = _TEXT


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> bytes:
        return bytes(obj.data)


class _ByteArrayDumper(_ArrayDumper):
    oid = 1001


class _NumberArrayDumper(_ArrayDumper):
    oid = 1007


class _TextArrayDumper(_ArrayDumper):
    oid = 1009


DUMPERS: tuple[tuple[type[Any], type[Dumper]], ...] = (
    (ByteArray, _ByteArrayDumper),
    (NumberArray, _NumberArrayDumper),
    (TextArray, _TextArrayDumper),
)
