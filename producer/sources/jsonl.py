"""JSON Lines: one document a line, as `records.py` says. UTF-8, with or without a byte-order mark; LF or CRLF.

One line is held at a time. Lines are split as bytes, at LF alone: no byte of a longer UTF-8 character is an LF, so
a character may be cut anywhere between two reads. Empty lines are passed over, and counted.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from producer.sources.places import Flaw, Found, Place, printable
from producer.sources.records import document_of
from producer.sources.text import flaw_of_head, too_large
from schemas.submission import MAX_DOCUMENT_BYTES, Rejection

MAX_LINE_BYTES = 3 * MAX_DOCUMENT_BYTES + 64 * 1024
"""A document of the largest size in any script: `\\u0434` for a letter of two bytes is three times its size."""


class Line(NamedTuple):
    number: int
    """From 1."""
    data: bytes | None
    """With its line end; None where it is longer than the limit."""


def read_jsonl(
    stream: io.BufferedReader, source: str, *, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[Found | Rejection]:
    """The documents of a stream, in order. A file without any is rejected as such."""
    place = Place(source)
    flaw = flaw_of_head(stream.peek(4096)[:4096])
    if flaw:
        yield place.reject(flaw)
        return
    is_empty = True
    for line in lines(stream, max_line_bytes):
        if line.data is None or line.data.strip():
            is_empty = False
            yield _document(line, place.at(line.number), max_line_bytes)
    if is_empty:
        yield place.reject(Flaw("empty_file", "There are no documents: the file has no line with JSON."))


def lines(stream: io.BufferedReader, limit: int) -> Iterator[Line]:
    """The lines of a stream. The rest of one that is longer than `limit` bytes is read past, and not kept."""
    number = 0
    while data := stream.readline(limit + 1):
        number += 1
        if number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        is_cut = len(data) > limit and not data.endswith(b"\n")
        if is_cut:
            skip_line(stream)
        yield Line(number, None if is_cut else data)


def skip_line(stream: io.BufferedReader) -> None:
    """Reads to just behind the next line end, or the end."""
    while (piece := stream.readline(64 * 1024)) and not piece.endswith(b"\n"):
        pass


def _document(line: Line, place: Place, limit: int) -> Found | Rejection:
    if line.data is None:
        return place.reject(
            Flaw("too_large", f"The line is longer than {limit:,} bytes. {too_large().sentence}")
        )
    try:
        record = orjson.loads(line.data.rstrip(b"\r\n"))
    except orjson.JSONDecodeError as error:
        return place.reject(_flaw_of_json(line.data, error))
    if not isinstance(record, dict):
        return place.reject(
            Flaw("invalid_json_line", 'The line is JSON, and not an object like {"custom_id": …}.')
        )
    return document_of(record, place)


def _flaw_of_json(data: bytes, error: orjson.JSONDecodeError) -> Flaw:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as bad:
        return Flaw(
            "undecodable", f"Byte {bad.start + 1:,} of the line is not UTF-8; save the file as UTF-8."
        )
    reason = printable(error.msg)
    return Flaw("invalid_json_line", f"The line is not JSON: {reason} (column {error.colno:,}).")
