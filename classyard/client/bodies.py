"""Documents as the lines of a request, a piece at a time: a submission of any length takes the same memory.

A list, or a file, can be sent again from its beginning. What can be read once only (a generator) can be sent again as
long as no more than `KEPT_BYTES` of it were: so much is kept.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from classyard.client.problems import Misconfigured

PIECE_BYTES = 128 * 1024
KEPT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    custom_id: str
    """Yours, and unique in its submission: results carry it."""
    text: str
    name: str | None = None
    """For people."""


Given = Document | Mapping[str, Any]
Documents = Iterable[Given] | AsyncIterable[Given]
Source = str | os.PathLike[str] | Documents
"""A path of JSON Lines, or documents."""


class Body:
    """The bytes of a request, in pieces, from the beginning each time that they are asked for."""

    def __init__(self, source: Source) -> None:
        """Raises `Misconfigured` where there is no such file, or it is not documents at all."""
        self._source: Any = Path(source) if isinstance(source, (str, os.PathLike)) else source
        if isinstance(self._source, Path) and not self._source.is_file():
            raise Misconfigured(f"There is no file {str(self._source)!r} to submit.")
        if isinstance(self._source, (bytes, Mapping, Document)) or not self._is_many():
            raise Misconfigured("Submit a path, or documents: Document(custom_id, text), or dicts of these.")
        self._once: Iterator[bytes] | None = None
        self._once_to_come: AsyncIterator[bytes] | None = None
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self.is_whole = True
        """Whether it can still be sent from its beginning."""

    @property
    def is_asynchronous(self) -> bool:
        return isinstance(self._source, AsyncIterable)

    @property
    def is_file(self) -> bool:
        return isinstance(self._source, Path)

    def pieces(self) -> Iterator[bytes]:
        """None is empty."""
        if isinstance(self._source, Path):
            yield from _of_file(self._source)
        elif not isinstance(self._source, Iterator):
            yield from packed(self._source)
        else:
            self._once = self._once or packed(self._source)
            yield from tuple(self._kept)
            for piece in self._once:
                self._keep(piece)
                yield piece

    async def pieces_to_come(self) -> AsyncIterator[bytes]:
        """The same of documents that come asynchronously."""
        if not isinstance(self._source, AsyncIterator):
            async for piece in packed_to_come(self._source):
                yield piece
            return
        self._once_to_come = self._once_to_come or packed_to_come(self._source)
        for piece in tuple(self._kept):
            yield piece
        async for piece in self._once_to_come:
            self._keep(piece)
            yield piece

    def _keep(self, piece: bytes) -> None:
        self._kept_bytes += len(piece)
        if self._kept_bytes > KEPT_BYTES:
            self.is_whole = False
            self._kept.clear()
        if self.is_whole:
            self._kept.append(piece)

    def _is_many(self) -> bool:
        return isinstance(self._source, (Path, Iterable, AsyncIterable))


def line_of(given: Given) -> bytes:
    """Raises `Misconfigured` for what is no document, and never with its text."""
    if isinstance(given, Document):
        record: Mapping[str, Any] = {"custom_id": given.custom_id, "text": given.text}
        record = record if given.name is None else {**record, "name": given.name}
    else:
        record = given
    if not isinstance(record, Mapping):
        raise Misconfigured(f"A document is a Document or a dict with custom_id and text, not {type(given)}.")
    try:
        return orjson.dumps(dict(record), option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        named = str(record.get("custom_id"))[:80]
        raise Misconfigured(
            f"The document {named!r} cannot be written as JSON: text must be Unicode without lone surrogates."
        ) from None


def packed(documents: Iterable[Given]) -> Iterator[bytes]:
    pack = _Pack()
    for given in documents:
        if piece := pack.add(given):
            yield piece
    if piece := pack.rest():
        yield piece


async def packed_to_come(documents: AsyncIterable[Given]) -> AsyncIterator[bytes]:
    pack = _Pack()
    async for given in documents:
        if piece := pack.add(given):
            yield piece
    if piece := pack.rest():
        yield piece


class _Pack:
    """Lines until they are worth sending."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, given: Given) -> bytes:
        line = line_of(given)
        self._lines.append(line)
        self._bytes += len(line)
        return self.rest() if self._bytes >= PIECE_BYTES else b""

    def rest(self) -> bytes:
        piece = b"".join(self._lines)
        self._lines.clear()
        self._bytes = 0
        return piece


def _of_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
