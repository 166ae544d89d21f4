"""The caller's names for documents: derived from paths, checked, and unique in a submission.

Uniqueness takes memory for every id, though not for its text: a 16-byte digest and one number, 36 to 72 MB per million
ids. Two ids that differ and share a digest are not to be expected before 10^16 ids.
"""

from __future__ import annotations

import hashlib
import struct
from array import array

from producer.sources.places import Flaw, Place, printable
from schemas.submission import MAX_CUSTOM_ID_CHARACTERS

_LINE_BITS = 40


def derive(path: str) -> str:
    """The id of a file, from its path in the folder or archive: stable, and at most as long as an id may be.

    A longer path keeps its end, which tells most, behind a digest of the whole.
    """
    name = printable(path)
    if len(name) <= MAX_CUSTOM_ID_CHARACTERS:
        return name
    whole = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return f"{whole}…{name[len(whole) + 1 - MAX_CUSTOM_ID_CHARACTERS :]}"


def flaw_of_custom_id(custom_id: str) -> Flaw | None:
    """Why a caller's own id cannot be used; None where it can."""
    if not custom_id or custom_id.isspace():
        return Flaw(
            "missing_required_parameter", "The custom_id is empty; give every document one of its own."
        )
    if len(custom_id) > MAX_CUSTOM_ID_CHARACTERS:
        limit = MAX_CUSTOM_ID_CHARACTERS
        return Flaw("invalid_value", f"The custom_id has {len(custom_id):,} characters; the most is {limit}.")
    if not custom_id.isprintable() and printable(custom_id) != custom_id:
        return Flaw("invalid_value", f"The custom_id '{printable(custom_id)}' holds control characters.")
    return None


class CustomIds:
    """The ids of one submission so far, and where each was first seen."""

    def __init__(self) -> None:
        self._tables = [_Table() for _ in range(_TABLES)]
        self._origins: list[tuple[str, bool]] = []

    def claim(self, custom_id: str, place: Place) -> Place | None:
        """Takes the id for `place`, or gives the place that has it already.

        Claims come source after source, as they are read. Of a file in a folder or archive, `place.member` is its
        `custom_id` (see `derive`), which is why it need not be kept.
        """
        key = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
        high, low = _halves(key)
        earlier = self._tables[key[0]].claim(high, low, self._packed(place))
        return None if earlier is None else self._unpacked(earlier, custom_id)

    def _packed(self, place: Place) -> int:
        """Never 0."""
        origin = (place.source, bool(place.member))
        if not self._origins or self._origins[-1] != origin:
            self._origins.append(origin)
        return (len(self._origins) << _LINE_BITS) + place.line

    def _unpacked(self, packed: int, custom_id: str) -> Place:
        source, has_members = self._origins[(packed >> _LINE_BITS) - 1]
        return Place(source, custom_id if has_members else "", packed & ((1 << _LINE_BITS) - 1))


_TABLES = 256
"""One by the first byte of the digest: while one grows, it alone is there twice."""
_FIRST_SLOTS = 8

_halves = struct.Struct("<QQ").unpack


class _Table:
    """Digests and numbers side by side in arrays, each in its slot or in the next free one. A dict of the same takes
    three times the memory, since each digest in it is an object."""

    __slots__ = ("_count", "_highs", "_lows", "_mask", "_numbers")

    def __init__(self, slots: int = _FIRST_SLOTS) -> None:
        self._mask, self._count = slots - 1, 0
        self._highs, self._lows, self._numbers = (array("Q", bytes(8 * slots)) for _ in range(3))

    def claim(self, high: int, low: int, number: int) -> int | None:
        """The number that the digest has already; None where it got this one."""
        numbers, mask = self._numbers, self._mask
        slot = low & mask
        while earlier := numbers[slot]:
            if self._lows[slot] == low and self._highs[slot] == high:
                return earlier
            slot = (slot + 1) & mask
        self._highs[slot], self._lows[slot], numbers[slot] = high, low, number
        self._count += 1
        if self._count * 3 > (mask + 1) * 2:
            self._grow()
        return None

    def _grow(self) -> None:
        larger = _Table(2 * (self._mask + 1))
        for high, low, number in zip(self._highs, self._lows, self._numbers, strict=True):
            if number:
                larger.claim(high, low, number)
        for name in self.__slots__:
            setattr(self, name, getattr(larger, name))
