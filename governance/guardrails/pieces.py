"""Long texts in pieces, so that a scan can be stopped between two of them, and what a scan gives.

A piece is searched together with some text around it, so that nothing is missed or cut where two pieces meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from governance.guardrails.letters import lower

PIECE = 100_000
"""Characters; a scan takes some 2 ms for one."""

AROUND = 300
"""Characters before and after a piece that belong to what is searched: the longest match and its context."""

Pause = Callable[[], None]
"""Called between two pieces; what it raises ends the scan."""


def no_pause() -> None:
    """Goes on."""


class Found(NamedTuple):
    kind: str
    start: int
    """In characters of the whole text."""
    end: int


def scanned(text: str, scan: Callable[[str], Iterable[Found]], pause: Pause = no_pause) -> Iterator[Found]:
    """All that `scan` finds in the text, whose places it tells within what it is given; each once, where it begins."""
    for start in range(0, len(text), PIECE):
        pause()
        before = max(0, start - AROUND)
        for found in scan(text[before : start + PIECE + AROUND]):
            begins = before + found.start
            if start <= begins < start + PIECE:
                yield Found(found.kind, begins, before + found.end)


Counts = tuple[tuple[str, int], ...]


def counted(text: str, found: Iterable[Found]) -> Counts:
    """How many different ones of each kind, by kind; one that is there on every page counts once."""
    different: dict[str, set[str]] = {}
    for kind, start, end in found:
        different.setdefault(kind, set()).add("".join(filter(str.isalnum, text[start:end])).casefold())
    return tuple((str(kind), len(values)) for kind, values in sorted(different.items()))


def places(text: str, word: str) -> Iterator[int]:
    """Where the word stands in the text, letter by letter. Much quicker than a pattern, where it is rare."""
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def lowered(text: str) -> str:
    """In small letters, each in its place: a few capitals have small forms of two characters."""
    small = lower(text)
    if len(small) == len(text):
        return small
    return "".join(one if len(one := each.lower()) == 1 else each for each in text)
