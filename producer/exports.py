"""Result rows as JSONL or CSV: all of them, or the file as it was before.

A file is written beside its place and takes it when it is whole and on disk. Rows pass one by one. What is not a
plain file (`/dev/full`, a pipe) is written as it is, and so is standard output, which `-` means.
"""

from __future__ import annotations

import csv
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson

from schemas.errors import BadInput, ClassyardError, NoSpaceLeft

BUFFER_BYTES = 64 * 1024

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Spreadsheets run a cell that begins so as a formula, whoever wrote it; the last four are full-width signs.
Source: OWASP, CSV Injection; ASVS 5.0, 1.2.10."""

_STDOUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_JSON = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS

Row = Mapping[str, Any]


class ExportFormat(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


def export(rows: Iterable[Row], to: str | Path, *, columns: Sequence[str], form: ExportFormat) -> int:
    """Writes the rows, and gives their number. `columns` are the keys to write, in order; an absent one is null.

    Raises `NoSpaceLeft` where the disk is full, and `BadInput` where the place cannot be written; in both cases,
    and where `rows` raises, a file that stood there stands unchanged. A reader of a pipe that goes away raises
    `BrokenPipeError`, as anywhere.
    """
    chunk, count = bytearray(), -1 if form is ExportFormat.CSV else 0  # the header is no row
    with _target(str(to)) as stream:
        for line in encoded(rows, columns=columns, form=form):
            chunk += line
            count += 1
            if len(chunk) >= BUFFER_BYTES:
                _write(stream, chunk, str(to))
                chunk.clear()
        _write(stream, chunk, str(to))
    return count


def encoded(
    rows: Iterable[Row], *, columns: Sequence[str], form: ExportFormat, with_header: bool = True
) -> Iterator[bytes]:
    """A line a row, its end included; of CSV with a header before them, unless they go on where others ended."""
    if form is ExportFormat.JSONL:
        yield from _jsonl(rows, columns)
        return
    written = _csv(rows, columns)
    header = next(written)
    if with_header:
        yield header
    yield from written


def safe_cell(value: Any) -> str | int | float | None:
    """A cell that shows as its value and runs as nothing. Text that a spreadsheet would run gets a `'` before it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value) if isinstance(value, str) else orjson.dumps(value, option=_JSON).decode().strip('"')
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _jsonl(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps({key: row.get(key) for key in columns}, option=_JSON | orjson.OPT_APPEND_NEWLINE)


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    writer = csv.writer(_Echo())  # line ends are CRLF. Source: RFC 4180, 2.1
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([safe_cell(row.get(key)) for key in columns])


class _Echo:
    """A file for `csv.writer`, whose `writerow` then gives back the row."""

    def write(self, line: str) -> Any:
        return line.encode("utf-8")


class _Stream(Protocol):
    def write(self, data: memoryview, /) -> int | None: ...


@contextmanager
def _target(to: str) -> Iterator[_Stream]:
    if to in _STDOUT:
        sys.stdout.flush()
        # Unbuffered: what a full disk refuses must not wait in a buffer, to fail again when Python ends.
        yield getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        return
    path = Path(to)
    with _in_sentences(to):
        found = path.stat() if path.exists() else None
    if found and stat.S_ISDIR(found.st_mode):
        raise BadInput("It is a folder; name a file in it.", where=to, code="not_a_file")
    is_plain = found is None or stat.S_ISREG(found.st_mode)
    with _beside(path.resolve(), to) if is_plain else _as_it_is(path, to) as stream:
        yield stream


@contextmanager
def _as_it_is(path: Path, to: str) -> Iterator[BinaryIO]:
    with _in_sentences(to):
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    with os.fdopen(handle, "wb", buffering=0) as stream:
        yield stream


@contextmanager
def _beside(path: Path, to: str) -> Iterator[BinaryIO]:
    """A new file in the folder of `path`, which becomes `path` at the end, or nothing where the end is not reached."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    with _in_sentences(to):
        stream = _created(part, path)
    try:
        with stream:
            yield stream
            with _in_sentences(to):
                os.fsync(stream.fileno())
        with _in_sentences(to):
            part.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _created(part: Path, path: Path) -> BinaryIO:
    """Open for writing, with the permissions of the file that it will replace."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    if path.exists():
        os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
    return os.fdopen(handle, "wb", buffering=0)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(stream: _Stream, chunk: bytearray, to: str) -> None:
    """All of it: an unbuffered stream may take a part at a time."""
    left = memoryview(chunk)
    with _in_sentences(to), left:
        done = 0
        while done < len(chunk):
            done += stream.write(left[done:]) or 0


@contextmanager
def _in_sentences(to: str) -> Iterator[None]:
    """What the system says about the place, as an error that a person can act on. Not around `rows`: theirs pass."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _error(error, "standard output" if to == "-" else to) from error


def _error(error: OSError, to: str) -> ClassyardError:
    if error.errno in _NO_SPACE:
        return NoSpaceLeft(
            f"{to}: there is no space left to write the results; free some, or name another place."
        )
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return BadInput("The folder to write in does not exist; make it first.", where=to, code="not_found")
    if isinstance(error, PermissionError):
        return BadInput("This user may not write there.", where=to, code="permission_denied")
    return BadInput(f"It cannot be written: {error.strerror or error}.", where=to, code="unwritable")
