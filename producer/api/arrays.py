"""The long array of a JSON object, cut into its elements as its bytes come. Pure; the whole is never held.

Strings are passed over and brackets are counted, no more: what an element holds is handed on as it stands, for a JSON
reader to judge. All that is between elements is judged here, so that the two together take what a JSON reader takes of
the whole, and nothing else.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import orjson

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""Up to its closing quote, or as far as a piece goes."""
_FLAT = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"){0,200}', re.DOTALL)
"""Up to a bracket, or to a string that ends in a later piece; or nearer, and then again from there. Where this repeats
possessively, CPython 3.11.2 goes on behind the opening quote of that string (3.11.7 does not); and without a bound each
round would be kept for going back."""
_SCALAR = re.compile(rb'[^ \t\n\r,:"{}\[\]]*+')

_Step = Callable[[bytes, int], int]
_Steps = Mapping[bytes, _Step]

_OPENING, _QUOTE, _BACKSLASH = b"{[", ord('"'), ord("\\")


class NotJson(ValueError):
    """The bytes are no JSON object of the kind that was expected. Its message is a sentence."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of the object's members beside the array."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Element:
    index: int
    value: bytes | None
    """As it stands; None for one that is longer than the limit."""


class Splitter:
    """Takes pieces as they come, cut anywhere. `array`: the name of the member that is cut into its elements."""

    def __init__(self, array: str, *, element_bytes: int, member_bytes: int) -> None:
        self._array, self._element_bytes, self._member_bytes = array, element_bytes, member_bytes
        self._head: bytes | None = b""
        """The first bytes, until it is seen whether they are a byte-order mark."""
        self._step: _Step = self._object
        self._value = _Value(0)
        self._name, self._index, self._has_array = "", 0, False
        self._found: list[Member | Element] = []

    def feed(self, piece: bytes) -> Iterator[Member | Element]:
        """What ends in this piece. Raises `NotJson`."""
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < len(codecs.BOM_UTF8):
                self._head = piece
                return
            piece, self._head = piece.removeprefix(codecs.BOM_UTF8), None
        yield from self._through(piece)

    def finish(self) -> Iterator[Member | Element]:
        """Raises `NotJson` where something is missing."""
        if self._head:
            rest, self._head = self._head, None
            yield from self._through(rest)
        if self._step != self._nothing:
            raise NotJson("The JSON is cut short.")
        if not self._has_array:
            raise NotJson(f"There are no {self._array!r}.")

    def _through(self, piece: bytes) -> Iterator[Member | Element]:
        at = 0
        while at < len(piece):
            at = self._step(piece, at)
            if self._found:
                yield from self._found
                self._found.clear()

    # -- steps: each takes the piece from a place, and gives the place that it came to

    def _object(self, piece: bytes, at: int) -> int:
        at = _after_space(piece, at)
        return self._expect(piece, at, {b"{": self._first_name}, "an object")

    def _first_name(self, piece: bytes, at: int) -> int:
        return self._begin_name(piece, at, {b"}": self._nothing})

    def _next_name(self, piece: bytes, at: int) -> int:
        return self._begin_name(piece, at, {})

    def _begin_name(self, piece: bytes, at: int, after: _Steps) -> int:
        at = _after_space(piece, at)
        if at < len(piece) and piece[at] == _QUOTE:
            self._value, self._step = _Value(self._member_bytes), self._in_name
            return at
        return self._expect(piece, at, after, "a name")

    def _in_name(self, piece: bytes, at: int) -> int:
        at, is_done = self._value.take(piece, at)
        if is_done:
            self._name, self._step = _name(self._value.whole), self._colon
        return at

    def _colon(self, piece: bytes, at: int) -> int:
        return self._expect(piece, _after_space(piece, at), {b":": self._member}, "a colon")

    def _member(self, piece: bytes, at: int) -> int:
        at = _after_space(piece, at)
        if self._name == self._array:
            if self._has_array:
                raise NotJson(f"There are {self._array!r} twice.")
            return self._expect(piece, at, {b"[": self._first_element}, f"an array of {self._array!r}")
        if at < len(piece):
            self._value, self._step = _Value(self._member_bytes), self._in_member
        return at

    def _in_member(self, piece: bytes, at: int) -> int:
        at, is_done = self._value.take(piece, at)
        if is_done:
            if self._value.whole is None:
                raise NotJson(f"{self._name[:60]!r} is longer than {self._member_bytes:,} bytes.")
            self._found.append(Member(self._name, self._value.whole))
            self._step = self._after_member
        return at

    def _after_member(self, piece: bytes, at: int) -> int:
        after = {b",": self._next_name, b"}": self._nothing}
        return self._expect(piece, _after_space(piece, at), after, "a comma or the end of the object")

    def _first_element(self, piece: bytes, at: int) -> int:
        self._has_array = True
        at = _after_space(piece, at)
        if at < len(piece) and piece[at : at + 1] == b"]":
            self._step = self._after_member
            return at + 1
        return self._next_element(piece, at)

    def _next_element(self, piece: bytes, at: int) -> int:
        at = _after_space(piece, at)
        if at < len(piece):
            self._value, self._step = _Value(self._element_bytes), self._in_element
        return at

    def _in_element(self, piece: bytes, at: int) -> int:
        at, is_done = self._value.take(piece, at)
        if is_done:
            self._found.append(Element(self._index, self._value.whole))
            self._index += 1
            self._step = self._after_element
        return at

    def _after_element(self, piece: bytes, at: int) -> int:
        after = {b",": self._next_element, b"]": self._after_member}
        return self._expect(piece, _after_space(piece, at), after, f"a comma or the end of {self._array!r}")

    def _nothing(self, piece: bytes, at: int) -> int:
        return self._expect(piece, _after_space(piece, at), {}, "nothing more")

    def _expect(self, piece: bytes, at: int, after: _Steps, what: str) -> int:
        if at >= len(piece):
            return at
        step = after.get(piece[at : at + 1])
        if step is None:
            raise NotJson(f"It is no such JSON: {what} was expected{self._where()}.")
        self._step = step
        return at + 1

    def _where(self) -> str:
        return f" after {self._index:,} of the {self._array!r}" if self._index else ""


class _Value:
    """One JSON value on its way in, from its first byte to its last."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._is_long = most, bytearray(), False
        self._depth, self._is_scalar = 0, False
        self._in_string, self._is_escaped, self._has_begun = False, False, False

    @property
    def whole(self) -> bytes | None:
        return None if self._is_long else bytes(self._held)

    def take(self, piece: bytes, at: int) -> tuple[int, bool]:
        """How far it goes in this piece, and whether it ends there."""
        end, is_done = self._scan(piece, at)
        if not self._is_long:
            self._held += piece[at:end]
            if len(self._held) > self._most:
                self._held, self._is_long = bytearray(), True
        return end, is_done

    def _scan(self, piece: bytes, at: int) -> tuple[int, bool]:
        if not self._has_begun:
            self._has_begun = True
            at = self._begin(piece, at)
        if self._is_scalar:
            return self._scalar(piece, at)
        while at < len(piece):
            if self._in_string:
                at = self._string(piece, at)
            elif self._depth:
                at = self._flat(piece, at)
            if not self._in_string and not self._depth:
                return at, True
        return at, False

    def _begin(self, piece: bytes, at: int) -> int:
        first = piece[at]
        if first == _QUOTE:
            self._in_string = True
            return at + 1
        if first in _OPENING:
            self._depth = 1
            return at + 1
        self._is_scalar = True
        if not _end(_SCALAR, piece, at) > at:
            raise NotJson("A value is missing.")
        return at

    def _scalar(self, piece: bytes, at: int) -> tuple[int, bool]:
        end = _end(_SCALAR, piece, at)
        return end, end < len(piece)

    def _string(self, piece: bytes, at: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            at += 1
        end = _end(_STRING, piece, at)
        if end < len(piece):
            if piece[end] == _BACKSLASH:
                self._is_escaped = True
            else:
                self._in_string = False
            end += 1
        return end

    def _flat(self, piece: bytes, at: int) -> int:
        end = _end(_FLAT, piece, at)
        while end > at:
            at, end = end, _end(_FLAT, piece, end)
        if end < len(piece):
            if piece[end] == _QUOTE:
                self._in_string = True
            else:
                self._depth += 1 if piece[end] in _OPENING else -1
            end += 1
        return end


def _end(pattern: re.Pattern[bytes], piece: bytes, at: int) -> int:
    found = pattern.match(piece, at)
    return at if found is None else found.end()


def _after_space(piece: bytes, at: int) -> int:
    return _end(_SPACE, piece, at)


def _name(value: bytes | None) -> str:
    if value is None:
        raise NotJson("A name is too long.")
    try:
        return str(orjson.loads(value))
    except orjson.JSONDecodeError as error:
        raise NotJson("A name is no JSON text.") from error
