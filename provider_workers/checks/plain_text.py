"""A text made plain, so that a quote is found where only its typography differs; every place leads back to
the text.

Made plain are: white space (one space for any run, invisible characters dropped), letter case, typographic
quotes, dashes, ellipses and ligatures, and accents written apart from their letter. Words stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_right

_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Soft hyphen, zero-width spaces and joiners, byte-order mark."""

_LIGATURES = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}

_LONGER = {**_LIGATURES, "\u2026": "...", "\u0130": "i"}
"""Characters whose plain form has another length. The last is the only one that `str.lower` makes longer."""

_LEVEL = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u03c2": "\u03c3",  # `str.lower` writes a sigma by its place in the word
    }
)

_UNEVEN = re.compile(
    rf"[^\W\d_][\u0300-\u036f]+|[\s{_INVISIBLE}]{{2,}}|[^\S ]|[{_INVISIBLE}{''.join(_LONGER)}]"
)
"""What the plain form is longer or shorter than, or may be. A single ordinary space, by far the most
frequent, is not among it: that keeps the table of places short."""


def plain(text: str) -> str:
    return PlainText(text).text


class PlainText:
    """Costs about 60 ns a character for ordinary text, and 0.5 µs where every second one is special."""

    __slots__ = ("_begins", "_ends", "_from", "_to", "text")

    def __init__(self, original: str) -> None:
        # Of the i-th uneven piece: where it begins and ends in the plain text, and in the original.
        self._begins, self._ends = array("q"), array("q")
        self._from, self._to = array("q"), array("q")
        pieces: list[str] = []
        done = length = 0
        for match in _UNEVEN.finditer(original):
            piece = _plain_piece(match[0])
            length += match.start() - done
            pieces += (original[done : match.start()], piece)
            self._note(length, length + len(piece), match.start(), match.end())
            length += len(piece)
            done = match.end()
        pieces.append(original[done:])
        self.text = "".join(pieces).lower().translate(_LEVEL)

    def origin(self, begin: int, end: int) -> tuple[int, int]:
        """The part of the original that covers `text[begin:end]`, which is not empty."""
        return self._origin_of(begin)[0], self._origin_of(end - 1)[1]

    def _note(self, begin: int, end: int, start: int, stop: int) -> None:
        self._begins.append(begin)
        self._ends.append(end)
        self._from.append(start)
        self._to.append(stop)

    def _origin_of(self, index: int) -> tuple[int, int]:
        piece = bisect_right(self._begins, index) - 1
        if piece < 0:
            return index, index + 1
        if index < self._ends[piece]:
            return self._from[piece], self._to[piece]
        start = self._to[piece] + index - self._ends[piece]
        return start, start + 1


def _plain_piece(piece: str) -> str:
    if piece in _LONGER:
        return _LONGER[piece]
    if piece.strip(_INVISIBLE).isspace():
        return " "
    if not piece.strip(_INVISIBLE):
        return ""
    return unicodedata.normalize("NFC", piece).replace("\u0130", "i")
