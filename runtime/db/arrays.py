"""Lists as PostgreSQL reads them, written a whole list at a time.

The driver's own writer looks at every item by itself, and at every quotation mark of a JSON text by a regular
expression: a sixth of what a worker did. A list goes out without a type, so that the statement's cast says what it
is, and one statement is one prepared statement whatever numbers are in its lists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap, PyFormat, RecursiveDumper

NUL = "\x00"
"""What no text in PostgreSQL holds, and so what can stand between texts until they are quoted."""


class ListDumper(RecursiveDumper):
    """As `{…}`; see "Array Input and Output Syntax" in PostgreSQL's manual."""

    def dump(self, obj: list[Any]) -> bytes:
        return self._written(obj).encode()

    def _written(self, items: list[Any]) -> str:
        kinds = set(map(type, items))
        if len(kinds) == 1:
            if (kind := kinds.pop()) is str:
                return _texts(items)
            if kind is int:
                return "{" + ",".join(map(repr, items)) + "}"
        return "{" + ",".join(map(self._item, items)) + "}"

    def _item(self, item: Any) -> str:
        if item is None:
            return "NULL"
        if isinstance(item, list):
            return self._written(item)
        if plain := _PLAIN.get(type(item)):
            return plain(item)
        other = self._tx.get_dumper(item, PyFormat.TEXT).dump(item)
        return "NULL" if other is None else _quoted(bytes(other).decode())


def _texts(items: list[str]) -> str:
    joined = NUL.join(items)
    if joined.count(NUL) != len(items) - 1:
        raise psycopg.DataError("a text for PostgreSQL cannot hold U+0000")
    return "{" + _quoted(joined).replace(NUL, '","') + "}"


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_PLAIN: dict[type[Any], Callable[[Any], str]] = {
    str: lambda item: _texts([item])[1:-1],
    bool: lambda item: "t" if item else "f",
    int: repr,
    float: repr,
    bytes: lambda item: f'"\\\\x{item.hex()}"',
}


def adapters() -> AdaptersMap:
    """The driver's, with lists as above."""
    found = AdaptersMap(psycopg.adapters)
    found.register_dumper(list, ListDumper)
    return found
