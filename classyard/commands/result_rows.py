"""Rows of results for a terminal, which would obey control characters in a text. Pure."""

from __future__ import annotations

from typing import Any

from classyard.commands.text import clean


def harmless(row: dict[str, Any]) -> dict[str, Any]:
    """The same row; a file gets it as it is."""
    return {name: _harmless(value) for name, value in row.items()}


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return "\n".join(clean(line, most=len(line) + 1) for line in value.split("\n"))
    if isinstance(value, list):
        return [_harmless(item) for item in value]
    if isinstance(value, dict):
        return {_harmless(name): _harmless(item) for name, item in value.items()}
    return value
