"""Where a document or a flaw stands, and the values that sources hand on.

Every name that leaves this module can be shown on a terminal and stored: what comes from a file system or an
archive may hold bytes that are no text, and control characters that repaint a screen.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from schemas.submission import Rejection, SourceDocument

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, line separators, marks that turn the direction of writing, and lone surrogates."""


class Flaw(NamedTuple):
    """What is wrong with a file, a line or a value, before it is said where."""

    code: str
    """As in `Rejection.code`."""
    sentence: str


class Place(NamedTuple):
    """A PATH of the submission, and where within it."""

    source: str
    """The PATH as the caller wrote it, printable."""
    member: str = ""
    """The file's path in a folder or an archive, printable; empty where the PATH itself is meant."""
    line: int = 0
    """Physical line, from 1; 0 where the whole file is meant."""

    def __str__(self) -> str:
        where = f"{self.source.rstrip('/')}/{self.member}" if self.member else self.source
        return f"{where}, line {self.line}" if self.line else where

    @property
    def name(self) -> str:
        """The place without the folders that lead to the PATH: what is kept with the document."""
        source = _last(self.source)
        if not source and self.member:  # `.` and `/` have no name
            return self.member
        return str(Place(source, self.member, self.line))

    def at(self, line: int) -> Place:
        return Place(self.source, self.member, line)

    def reject(self, flaw: Flaw) -> Rejection:
        return Rejection(where=str(self), code=flaw.code, sentence=flaw.sentence)


class Found(NamedTuple):
    """A document, and the place that a later one with the same `custom_id` is told of."""

    place: Place
    document: SourceDocument


class Skipped(NamedTuple):
    """Something that is no document and no fault: hidden files, and what desktops leave behind."""

    where: str
    reason: str


@lru_cache(maxsize=64)
def _last(path: str) -> str:
    """Asked for every line of the same file."""
    return PurePosixPath(path).name


def printable(name: str | os.PathLike[str]) -> str:
    r"""The name with everything escaped that is no text for a screen: `a\x1b[2J.txt`, `caf\xe9.txt`."""
    if (
        isinstance(name, str) and name.isprintable()
    ):  # a stricter rule, by which nearly every name passes at once
        return name
    return _UNPRINTABLE.sub(lambda found: f"\\x{_code(found[0]):02x}", os.fspath(name))


def _code(character: str) -> int:
    """Of a byte that was no UTF-8 in a file's name, and that Python smuggles as U+DC80..U+DCFF: the byte."""
    return ord(character) - 0xDC00 if "\udc80" <= character <= "\udcff" else ord(character)
