"""The outermost `&&`, `||` and `!` of an expression's text.

Reads no more of the language than its brackets, strings and comments. A split is given only where every part
compiles by itself to true or false; otherwise the text is left whole, which is slower and never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.expressions import BadExpression, compiled

_TOKEN = re.compile(
    r"""
      (?:[bB]?[rR][bB]?) (?: \"{3} .*? \"{3} | '{3} .*? '{3} | "[^"\n]*" | '[^'\n]*' )
    | [bB]? (?: \"{3} (?:\\.|[^\\])*? \"{3} | '{3} (?:\\.|[^\\])*? '{3} | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
    | //[^\n]*
    | \w+ | && | \|\| | .
    """,
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


class Split(NamedTuple):
    operator: str
    """`&&`, `||` or `!`."""
    parts: tuple[str, ...]
    """One for `!`, else two or more."""


def split(text: str) -> Split | None:
    """None where the text has no such operator outside of everything, or cannot be split safely.

    >>> split("a || b && (c || d)")
    Split(operator='||', parts=('a', 'b && (c || d)'))
    """
    found = _split(_bare(text))
    return found if found and all(_stands_alone(part) for part in found.parts) else None


def _split(text: str) -> Split | None:
    outer = list(_outermost(text))
    if "?" in {token for token, _ in outer}:
        return None  # binds looser than all others: `a || b ? c : d`
    for operator in ("||", "&&"):
        places = [place for token, place in outer if token == operator]
        if places:
            return Split(operator, tuple(_cut(text, places)))
    if text.startswith("!") and _bare(text[1:]) != text[1:].strip():
        return Split("!", (_bare(text[1:]),))
    return None


def _cut(text: str, places: list[int]) -> Iterator[str]:
    start = 0
    for place in (*places, len(text)):
        yield text[start:place].strip()
        start = place + 2


def _bare(text: str) -> str:
    """Without the brackets around the whole of it."""
    text = text.strip()
    while text.startswith("(") and _end_of_first(text) == len(text):
        text = text[1:-1].strip()
    return text


def _end_of_first(text: str) -> int:
    """Where the bracket that opens the text is closed again."""
    depth = 0
    for token, place in _tokens(text):
        depth += (token in _OPEN) - (token in _CLOSE)
        if depth == 0:
            return place + len(token)
    return -1


def _outermost(text: str) -> Iterator[tuple[str, int]]:
    depth = 0
    for token, place in _tokens(text):
        depth += (token in _OPEN) - (token in _CLOSE)
        if depth == 0:
            yield token, place


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    return ((found[0], found.start()) for found in _TOKEN.finditer(text))


def _stands_alone(part: str) -> bool:
    try:
        compiled(part)
    except BadExpression:
        return False
    return True
