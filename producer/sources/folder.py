"""A folder: every file in it and below it, sorted by name, each one document.

Hidden files and folders, and what desktops leave behind, are skipped and mentioned. Links to files inside the
folder are read; links that leave it are rejected, so that a folder from elsewhere cannot pull in `/etc/passwd`.
Linked folders are never walked: those inside are reached by their own name, and there can be no circle.
The names of the folders on the way are held, and no more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from producer.sources.custom_ids import derive
from producer.sources.files import is_clutter, read_file
from producer.sources.places import Flaw, Found, Place, Skipped, printable
from producer.sources.regular import flaw_of
from schemas.submission import Rejection


def read_folder(folder: Path, source: str, on_skip: Callable[[Skipped], None]) -> Iterator[Found | Rejection]:
    """The documents of a folder. One without any is rejected as such."""
    root = folder.resolve()
    is_empty = True
    for relative, entry in _walk(root):
        place = Place(source, derive(relative))
        if is_clutter(Path(relative).name):
            on_skip(Skipped(str(place), "hidden"))
            continue
        is_empty = False
        yield place.reject(flaw_of(entry)) if isinstance(entry, OSError) else _read(entry, root, place)
    if is_empty:
        yield Place(source).reject(Flaw("empty_folder", "There are no documents: the folder holds no files."))


def _walk(root: Path) -> Iterator[tuple[str, os.DirEntry[str] | OSError]]:
    """What lies below `root`, by relative path: files, links, hidden things, and folders that cannot be listed.

    A stack rather than recursion: paths may be nested more deeply than Python calls.
    """
    stack = [iter(_listing(root, ""))]
    while stack:
        relative, entry = next(stack[-1], ("", None))
        if entry is None:
            stack.pop()
        elif isinstance(entry, os.DirEntry) and _is_open_folder(entry):
            stack.append(iter(_listing(Path(entry.path), relative)))
        else:
            yield relative, entry


def _listing(folder: Path, relative: str) -> list[tuple[str, os.DirEntry[str] | OSError]]:
    try:
        with os.scandir(folder) as entries:
            return [(f"{relative}/{e.name}".lstrip("/"), e) for e in sorted(entries, key=lambda e: e.name)]
    except OSError as error:
        return [(relative, error)]


def _is_open_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and not is_clutter(entry.name)


def _read(entry: os.DirEntry[str], root: Path, place: Place) -> Found | Rejection:
    path = Path(entry.path)
    if not entry.is_symlink():
        return read_file(path, place, place.member)
    target = _target(path, root)
    return place.reject(target) if isinstance(target, Flaw) else read_file(target, place, place.member)


def _target(link: Path, root: Path) -> Path | Flaw:
    try:
        target = link.resolve(strict=True)
    except OSError as error:
        return (
            Flaw("not_found", "It is a link to nothing.")
            if isinstance(error, FileNotFoundError)
            else flaw_of(error)
        )
    except RuntimeError:  # before Python 3.13, a circle of links
        return Flaw("not_a_file", "It is a link that leads to itself.")
    if not target.is_relative_to(root):
        sentence = f"It is a link that leaves the folder, to {printable(target)}; name that as a PATH to have it read."
        return Flaw("link_leaves_folder", sentence)
    if target.is_dir():
        return Flaw("not_a_file", "It is a link to a folder; its files are read under their own names.")
    return target
