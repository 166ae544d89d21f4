"""CSV: one document a row, as `records.py` says, under a header that names the columns.

The header is line 1 and decides the delimiter: of comma, semicolon and tab, the one that makes known columns of it.
Cells in quotes may hold line ends; a row is named by the physical line on which it begins. UTF-8 alone, since a
guess per row could differ from row to row. One row is held at a time.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from producer.sources.places import Flaw, Found, Place, printable
from producer.sources.records import ID_KEYS, NAME_KEY, TEXT_KEYS, document_of, first_of, reserved_keys
from producer.sources.text import flaw_of_head, too_large
from schemas.submission import MAX_DOCUMENT_BYTES, Rejection

DELIMITERS = ",;\t"
MAX_ROW_BYTES = 2 * MAX_DOCUMENT_BYTES + 64 * 1024
"""A document of the largest size that is all quotes, which CSV doubles."""


@dataclass(frozen=True, slots=True)
class Header:
    delimiter: str
    columns: tuple[str, ...]
    """Lower case, without blanks around."""


def read_csv(
    stream: io.BufferedReader, source: str, *, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[Found | Rejection]:
    """The documents of a stream, in order. A file without any is rejected as such.

    Raises the process-wide field limit of the `csv` module where it is lower than a row may be long.
    """
    csv.field_size_limit(max(csv.field_size_limit(), max_row_bytes))
    place, feed = Place(source), _Feed(stream, max_row_bytes)
    header = flaw_of_head(stream.peek(4096)[:4096]) or _header(feed)
    if isinstance(header, Flaw):
        yield place.reject(header)
        return
    is_empty = True
    for found in _rows(feed, header, place):
        is_empty = False
        yield found
    if is_empty:
        yield place.reject(Flaw("empty_file", "There are no documents: no row follows the header."))


def _header(feed: _Feed) -> Header | Flaw:
    try:
        line = next(feed, "").removeprefix(codecs.BOM_UTF8.decode())
        readings = [Header(mark, _names(line, mark)) for mark in DELIMITERS]
    except _UnreadableRowError as broken:
        return broken.flaw
    except csv.Error as error:
        return Flaw("invalid_csv_line", f"The header is not CSV: {error}.")
    if not line.strip():
        return Flaw("empty_file", "There is no header: the first line is empty.")
    header = max(readings, key=_known_columns)  # the first of equals
    return _flaw_of_header(header) or header


def _names(line: str, delimiter: str) -> tuple[str, ...]:
    row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    return tuple(name.strip().lower() for name in row)


def _known_columns(header: Header) -> int:
    return len({*ID_KEYS, *TEXT_KEYS, NAME_KEY}.intersection(header.columns))


def _flaw_of_header(header: Header) -> Flaw | None:
    used = (first_of(ID_KEYS, header.columns), first_of(TEXT_KEYS, header.columns))
    for column, wanted in zip(used, ("custom_id", "text"), strict=True):
        if column is None:
            found = printable(", ".join(header.columns))[:200]
            return Flaw(
                "missing_required_parameter", f"The header has no column {wanted!r}; it has: {found}."
            )
        if header.columns.count(column) > 1:
            return Flaw("invalid_header", f"The header has the column {column!r} more than once.")
    return reserved_keys(header.columns)


def _rows(feed: _Feed, header: Header, place: Place) -> Iterator[Found | Rejection]:
    reader = csv.reader(feed, delimiter=header.delimiter, strict=True)
    while True:
        feed.begin_row()
        try:
            row = next(reader)
        except StopIteration:
            return
        except _UnreadableRowError as broken:
            yield place.at(feed.first).reject(broken.flaw)
        except csv.Error as error:
            yield place.at(feed.first).reject(_flaw_of_csv(feed, error))
        else:
            if row:  # an empty line is no row
                yield _document(row, header, place.at(feed.first))


def _document(row: list[str], header: Header, place: Place) -> Found | Rejection:
    if len(row) != len(header.columns):
        count, wanted = len(row), len(header.columns)
        sentence = (
            f"The row has {count} cells, the header {wanted}; put cells with {header.delimiter!r} in quotes."
        )
        return place.reject(Flaw("invalid_csv_line", sentence))
    return document_of(dict(zip(header.columns, row, strict=True)), place)


def _flaw_of_csv(feed: _Feed, error: csv.Error) -> Flaw:
    span = f"lines {feed.first} to {feed.number}" if feed.number > feed.first else f"line {feed.first}"
    if feed.has_ended:
        return Flaw("invalid_csv_line", f"A quote that opens in this row never closes; {span} are not read.")
    return Flaw("invalid_csv_line", f"Not CSV: {error}; {span} skipped.")


class _UnreadableRowError(Exception):
    """Passes through the `csv` reader, which begins afresh with the next line."""

    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw


class _Feed:
    """Physical lines for the `csv` reader, which joins those of a quoted cell; counts them, and caps a row."""

    def __init__(self, stream: io.BufferedReader, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self.number = 0
        self.has_ended = False
        self.begin_row()

    def begin_row(self) -> None:
        self.first = self.number + 1
        self._size = 0
        self._is_quoted = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._limit - self._size + 1)
        if not line:
            self.has_ended = True
            raise StopIteration
        self._note(line)
        if self._size > self._limit:
            raise self._abandoned(line, Flaw("too_large", f"The row is too long. {too_large().sentence}"))
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            sentence = (
                f"Byte {error.start + 1:,} of line {self.number} is not UTF-8; save the file as 'CSV UTF-8'."
            )
            raise self._abandoned(line, Flaw("undecodable", sentence)) from None

    def _note(self, line: bytes) -> None:
        self.number += 1
        self._size += len(line)
        self._is_quoted ^= line.count(b'"') % 2 == 1

    def _abandoned(self, line: bytes, flaw: Flaw) -> _UnreadableRowError:
        """Reads past the rest of the row, which ends where its quotes are even, and keeps none of it."""
        while line and (self._is_quoted or not line.endswith(b"\n")):
            is_same_line = not line.endswith(b"\n")
            line = self._stream.readline(64 * 1024)
            self._is_quoted ^= line.count(b'"') % 2 == 1
            self.number += bool(line) and not is_same_line
        return _UnreadableRowError(flaw)
