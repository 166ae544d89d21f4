"""Letters of long texts that are nearly all ASCII, such as a contract with curly quotes: quicker by their bytes.

CPython takes 8 ns to write a letter of such a text in small, and a tenth of that where all is ASCII. Answers are those
of `str`, which property tests hold.
"""

from __future__ import annotations

LEAST_CHARACTERS = 4_000
"""A shorter text takes as long one way as the other."""

MOST_BEYOND = 1 / 8
"""Of a text's bytes, beyond ASCII; a text with more is of another script."""

MOST_CAPITALS = 8
"""Beyond ASCII, for each of which the text is gone through once more."""

_ASCII = bytes(range(128))
_IN_CONTEXT = frozenset("\u0130\u03a3")
"""Capitals whose small form is two characters or depends on what stands beside them."""


def beyond_ascii(text: str) -> frozenset[str] | None:
    """The characters of a text that are not ASCII, each once; None where it has many."""
    if text.isascii():
        return frozenset()
    data = _bytes(text)
    beyond = data.translate(None, _ASCII)
    return None if len(beyond) > len(data) * MOST_BEYOND else frozenset(_text(beyond))


def lower(text: str) -> str:
    """`text.lower()`."""
    if text.isascii() or len(text) < LEAST_CHARACTERS:
        return text.lower()
    beyond = beyond_ascii(text)
    capitals = [each for each in beyond or () if each.lower() != each]
    if beyond is None or len(capitals) > MOST_CAPITALS or not _IN_CONTEXT.isdisjoint(capitals):
        return text.lower()
    small = _text(_bytes(text).lower())
    for each in capitals:
        small = small.replace(each, each.lower())
    return small


def words(text: str) -> int:
    """`len(text.split())`: the places where a word begins."""
    beyond = beyond_ascii(text)
    if beyond is None:
        return len(text.split())
    data = _bytes(text)
    for each in filter(str.isspace, beyond):
        data = data.replace(_bytes(each), b" ")
    white = data.translate(_WHITE)
    return white.count(b" a") + white.startswith(b"a")


_WHITE = bytes(ord(" " if each < 128 and chr(each).isspace() else "a") for each in range(256))


def _bytes(text: str) -> bytes:
    """Also of a text with lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
