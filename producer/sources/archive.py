"""A `.zip` of text files, which may have been made to hurt: nothing in it is believed before it is counted.

Nothing is written to disk. Names serve as names only, without `..`, drive or root. Sizes are counted while the
bytes come, and reading stops at the first limit that is passed. Members are read in the order of the archive.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from producer.sources.custom_ids import derive
from producer.sources.files import ARCHIVES, document_of_bytes, is_clutter, unsupported
from producer.sources.places import Flaw, Found, Place, Skipped
from producer.sources.text import too_large
from schemas.submission import MAX_DOCUMENT_BYTES, Rejection

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    entries: int = 100_000
    """The list of members is held while reading, at about 0.6 KB each."""
    directory_bytes: int = 32 * 1024 * 1024
    """Of that list in the file: it is refused before it is read."""
    member_bytes: int = MAX_DOCUMENT_BYTES
    total_bytes: int = 4 * 1024**3
    """Of all members together, unpacked."""
    ratio: int = 200
    """Unpacked over packed. Text packs 3 to 20 times; deflate can reach 1,032."""
    ratio_from_bytes: int = 1024 * 1024
    """Below this size a ratio harms nobody, and short repetitive texts do reach it."""


DEFAULT_LIMITS = ArchiveLimits()

_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, LookupError, OverflowError),
)
"""All that `zipfile` was seen to raise on damaged archives."""


def read_archive(
    stream: io.BufferedReader,
    source: str,
    on_skip: Callable[[Skipped], None],
    *,
    limits: ArchiveLimits = DEFAULT_LIMITS,
) -> Iterator[Found | Rejection]:
    """The documents of an archive. One without any is rejected as such."""
    place = Place(source)
    archive = _open(stream, limits)
    if isinstance(archive, Flaw):
        yield place.reject(archive)
        return
    with archive:
        yield from _Reading(archive, place, limits, on_skip).documents()


def safe_name(info: zipfile.ZipInfo) -> str:
    """The member's path as a name: slashes, no root, no drive, no `..`."""
    parts = [part for part in re.split(r"[/\\]", _unmangled(info)) if part not in ("", ".", "..")]
    if parts and re.fullmatch("[A-Za-z]:", parts[0]):
        parts = parts[1:]
    return "/".join(parts) or "unnamed"


def _unmangled(info: zipfile.ZipInfo) -> str:
    """Many programs write UTF-8 names without the flag that says so, and `zipfile` then reads DOS letters."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _open(stream: io.BufferedReader, limits: ArchiveLimits) -> zipfile.ZipFile | Flaw:
    try:
        archive = zipfile.ZipFile(_Guarded(stream, limits.directory_bytes))
    except _LongDirectoryError:
        limit = limits.directory_bytes
        return Flaw(
            "too_many_entries", f"The archive's list of members is longer than {limit:,} bytes; split it."
        )
    except _UNREADABLE:
        return Flaw(
            "damaged_archive", "It is not a .zip archive, or its end is cut off; pack or copy it again."
        )
    count = len(archive.infolist())
    if count > limits.entries:
        return Flaw(
            "too_many_entries",
            f"The archive has {count:,} members; the most is {limits.entries:,}: split it.",
        )
    return archive


class _LongDirectoryError(Exception):
    pass


class _Guarded(io.BufferedReader):
    """`zipfile` reads the whole list of members at once, however long the archive says it is; not past a limit."""

    def __init__(self, stream: io.BufferedReader, limit: int) -> None:
        super().__init__(stream)
        self._limit = limit

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:  # the search for the end record, in the last 64 KiB
            return super().read(128 * 1024)
        if size > self._limit:
            raise _LongDirectoryError
        return super().read(size)


class _Reading:
    """One pass over an archive, with the bytes that it has unpacked so far."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        place: Place,
        limits: ArchiveLimits,
        on_skip: Callable[[Skipped], None],
    ) -> None:
        self._archive = archive
        self._place = place
        self._limits = limits
        self._on_skip = on_skip
        self._unpacked_bytes = 0

    def documents(self) -> Iterator[Found | Rejection]:
        is_empty = True
        for number, info in enumerate(self._archive.infolist()):
            if info.filename.endswith("/"):  # a folder
                continue
            name = safe_name(info)
            place = Place(self._place.source, derive(name))
            if any(is_clutter(part) for part in name.split("/")):
                self._on_skip(Skipped(str(place), "hidden"))
                continue
            is_empty = False
            yield self._document(info, place)
            if self._unpacked_bytes > self._limits.total_bytes:
                yield self._place.reject(self._flaw_of_total(number + 1))
                return
        if is_empty:
            yield self._place.reject(
                Flaw("empty_file", "There are no documents: the archive holds no files.")
            )

    def _document(self, info: zipfile.ZipInfo, place: Place) -> Found | Rejection:
        data = self._flaw_of_header(info, place) or self._bytes_of(info)
        return place.reject(data) if isinstance(data, Flaw) else document_of_bytes(data, place, place.member)

    def _flaw_of_header(self, info: zipfile.ZipInfo, place: Place) -> Flaw | None:
        """What can be said of a member without unpacking it."""
        if info.flag_bits & 0x1:
            return Flaw("encrypted", "It is encrypted; pack it without a password.")
        if stat.S_ISLNK(info.external_attr >> 16):
            return Flaw("not_a_file", "It is a link; pack the file itself.")
        if PurePosixPath(place.member).suffix.lower() in ARCHIVES:
            return Flaw("nested_archive", "It is an archive within an archive; unpack it.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile unpacks the other methods without a bound on what comes out at once
            return Flaw(
                "unsupported_type", "Its compression method is unusual; pack it with the usual one (deflate)."
            )
        if info.file_size > self._limits.member_bytes:
            return too_large(info.file_size, limit=self._limits.member_bytes)
        return unsupported(place.member)

    def _bytes_of(self, info: zipfile.ZipInfo) -> bytes | Flaw:
        data = bytearray()
        try:
            with self._archive.open(info) as member:
                while chunk := member.read(CHUNK_BYTES):
                    data += chunk
                    self._unpacked_bytes += len(chunk)
                    flaw = self._flaw_of_size(len(data), info)
                    if flaw:
                        return flaw
        except _UNREADABLE as error:
            return Flaw("damaged_archive", f"It cannot be unpacked ({type(error).__name__}); pack it again.")
        return bytes(data)

    def _flaw_of_size(self, size_bytes: int, info: zipfile.ZipInfo) -> Flaw | None:
        limits = self._limits
        if size_bytes > limits.member_bytes:
            return too_large(limit=limits.member_bytes)
        if size_bytes > limits.ratio_from_bytes and size_bytes > limits.ratio * max(1, info.compress_size):
            return Flaw(
                "too_compressed", f"It unpacks to more than {limits.ratio} times its size, as bombs do."
            )
        if self._unpacked_bytes > limits.total_bytes:
            return Flaw("too_large", "The archive's limit is reached within this file.")
        return None

    def _flaw_of_total(self, done: int) -> Flaw:
        left = len(self._archive.infolist()) - done
        limit = self._limits.total_bytes
        return Flaw(
            "too_large", f"The archive unpacks to more than {limit:,} bytes; {left:,} members are not read."
        )
