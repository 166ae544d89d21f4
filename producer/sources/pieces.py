"""A file that is kept in pieces, as a stream that may be read from anywhere: one piece is held, never the file.

Archives are read from their end, so the stream can seek. A character, a line or a record may lie over any number of
pieces; whoever reads sees no seam.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

READ_BYTES = 256 * 1024


class Pieces(io.RawIOBase):
    """`sizes`: bytes of each piece, in order; `fetch` gives a piece by its number, and what it raises passes."""

    def __init__(self, sizes: Sequence[int], fetch: Callable[[int], bytes]) -> None:
        super().__init__()
        self._starts = [0, *accumulate(sizes)]
        self._fetch, self._at = fetch, 0
        self._number, self._held = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, over as many pieces as that takes: a look ahead sees enough. Less only at the end."""
        done, wanted = 0, memoryview(buffer).cast("B")
        while done < len(wanted) and (part := self._part(len(wanted) - done)):
            wanted[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done

    def _part(self, most: int) -> memoryview:
        """What is left of the piece at this place; empty at the end."""
        number = bisect_right(self._starts, self._at) - 1
        if number >= len(self._starts) - 1:
            return memoryview(b"")
        if number != self._number:
            self._number, self._held = number, self._fetch(number)
        start = self._at - self._starts[number]
        return memoryview(self._held)[start : start + most]


def stream_of(sizes: Sequence[int], fetch: Callable[[int], bytes]) -> io.BufferedReader:
    return io.BufferedReader(Pieces(sizes, fetch), READ_BYTES)
