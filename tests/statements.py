"""Every SQL statement of the project as its code writes it, for tests that ask something of all of them."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

_STATEMENT = re.compile(
    r"\s*(with|select|insert\s+into|update|delete\s+from|lock|table|copy)\s", re.IGNORECASE
)
_TABLE = re.compile(r"\b(?:from|join|into|update|table|lateral)\s+(?:only\s+)?([a-z_]+)\b", re.IGNORECASE)
_NAMED = re.compile(r"\b([a-z_]+)\s+as\s+(?:not\s+materialized\s+|materialized\s+)?\(", re.IGNORECASE)


class Statement(NamedTuple):
    module: str
    function: str
    """Empty for a constant of the module."""
    line: int
    text: str

    @property
    def where(self) -> str:
        return f"{self.module}.{self.function}" if self.function else self.module

    @property
    def tables(self) -> frozenset[str]:
        """What it reads or writes, without the names that it gives itself."""
        found = {name.lower() for name in _TABLE.findall(self.text)}
        return frozenset(found - {name.lower() for name in _NAMED.findall(self.text)})


def statements(*packages: str) -> Iterator[Statement]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _of_module(path)


def _of_module(path: Path) -> Iterator[Statement]:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(_STATEMENT.match(one.value) for one in ast.walk(tree) if _is_text(one)):
        return
    known = vars(importlib.import_module(name))
    for function, node in _texts(tree, ""):
        text = _text(node, known)
        if _STATEMENT.match(text):
            yield Statement(name, function, node.lineno, text)


def _is_text(node: ast.AST) -> Any:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _texts(node: ast.AST, function: str) -> Iterator[tuple[str, ast.expr]]:
    """Whole texts, f-strings included, without docstrings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and _is_text(child.value):
            continue
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _texts(child, child.name)
        elif isinstance(child, ast.JoinedStr) or _is_text(child):
            yield function, child  # type: ignore[misc]
        else:
            yield from _texts(child, function)


def _text(node: ast.expr, known: Mapping[str, Any]) -> str:
    """With the module's constants in their places; what only a call knows is left out."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    return "".join(_part(part, known) for part in node.values)


def _part(part: ast.expr, known: Mapping[str, Any]) -> str:
    if isinstance(part, ast.FormattedValue):
        if isinstance(part.value, ast.Name) and isinstance(known.get(part.value.id), str):
            return str(known[part.value.id])
        return " ? "
    return str(part.value) if isinstance(part, ast.Constant) else ""
