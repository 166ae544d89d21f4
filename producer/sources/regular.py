"""Opening regular files, and nothing else: a fifo would wait for ever, a device may never end.

What the file system says no to becomes a `Rejection`; the other files go on.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from producer.sources.places import Flaw, Place
from schemas.submission import Rejection

CHUNK_BYTES = 1024 * 1024


def open_regular(path: Path, place: Place) -> io.BufferedReader | Rejection:
    """The file for reading. A link in the last part of `path` is refused: callers resolve what they may follow."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return place.reject(not_regular(path))
        return _open(path, place)
    except OSError as error:
        return place.reject(flaw_of(error))


def read_up_to(stream: io.BufferedReader, limit: int) -> bytes | None:
    """All that is left in the stream; None where that is more than `limit` bytes, however long it claims to be."""
    pieces, size = [], 0
    while size <= limit and (piece := stream.read(min(CHUNK_BYTES, limit + 1 - size))):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces) if size <= limit else None


def flaw_of(error: OSError) -> Flaw:
    if isinstance(error, FileNotFoundError):
        return Flaw("not_found", "It is not there any more.")
    if isinstance(error, PermissionError):
        return Flaw(
            "permission_denied", "This user may not read it; change its permissions or run as its owner."
        )
    if error.errno == errno.ELOOP:
        return Flaw("not_a_file", "It is a link that leads to itself, or became a link while it was read.")
    return Flaw("unreadable", f"It cannot be read: {error.strerror or error}.")


def not_regular(path: Path) -> Flaw:
    mode = path.lstat().st_mode
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    return Flaw("not_a_file", f"It is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file.")


def _open(path: Path, place: Place) -> io.BufferedReader | Rejection:
    # Between the look above and here a fifo may have taken the name: without O_NONBLOCK we would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return io.BufferedReader(io.FileIO(handle))
    os.close(handle)
    return place.reject(Flaw("not_a_file", "It stopped being a file while it was read."))
