"""The PATHs of a submission as documents, one at a time, whatever they lie in; and what could not become one.

    folder      every file below it             folder.py
    .zip        every member                    archive.py
    .jsonl      every line (.ndjson)            jsonl.py
    .csv        every row (.tsv)                csv_rows.py
    else        one text file                   files.py

What comes out has unique ids, text that can be stored, and names that can be shown. Memory holds one document and
the ids (`custom_ids.py`), never the submission. Order: that of the paths, then that of each source.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from producer.sources.archive import read_archive
from producer.sources.csv_rows import read_csv
from producer.sources.custom_ids import CustomIds, derive
from producer.sources.files import read_file
from producer.sources.folder import read_folder
from producer.sources.jsonl import read_jsonl
from producer.sources.places import Flaw, Found, Place, Skipped, printable
from producer.sources.regular import flaw_of, open_regular
from schemas.errors import BadInput
from schemas.submission import Rejection, SourceDocument

__all__ = ["Skipped", "read_all", "read_stream", "unique"]

_MANY = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".zip"})
_ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")


def read_all(
    paths: Sequence[Path], *, on_skip: Callable[[Skipped], None] = lambda skipped: None
) -> Iterator[SourceDocument | Rejection]:
    """Reads while the caller takes; `on_skip` hears of hidden files, which are neither documents nor faults.

    Raises `BadInput` at once, before anything is read, where a path is missing or there is none.
    """
    if not paths:
        raise BadInput("Name at least one file or folder.", code="missing_required_parameter")
    for path in paths:
        _require(path)
    return unique(found for path in paths for found in _read(path, on_skip))


def _require(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput("There is no such file or folder.", where=printable(path), code="not_found") from error
    except (OSError, ValueError) as error:
        flaw = (
            flaw_of(error)
            if isinstance(error, OSError)
            else Flaw("not_found", "That is not the name of a file.")
        )
        raise BadInput(flaw.sentence, where=printable(path), code=flaw.code) from error


def unique(items: Iterable[Found | Rejection]) -> Iterator[SourceDocument | Rejection]:
    """The first document of an id goes on; each later one is rejected and told of the first."""
    ids = CustomIds()
    for item in items:
        if isinstance(item, Rejection):
            yield item
            continue
        earlier = ids.claim(item.document.custom_id, item.place)
        yield item.document if earlier is None else item.place.reject(_duplicate(item, earlier))


def _duplicate(item: Found, earlier: Place) -> Flaw:
    custom_id = item.document.custom_id
    sentence = f"The custom_id {custom_id!r} is taken by {earlier}; ids must be unique in a submission."
    return Flaw("duplicate_custom_id", sentence)


def _read(path: Path, on_skip: Callable[[Skipped], None]) -> Iterator[Found | Rejection]:
    source = printable(path)
    place = Place(source)
    if path.is_dir():
        yield from read_folder(path, source, on_skip)
        return
    stream = open_regular(path.resolve(), place)  # a link that the caller names is followed
    if isinstance(stream, Rejection):
        yield stream
        return
    with stream:
        try:
            yield from _by_kind(path, stream, place, on_skip)
        except OSError as error:
            yield place.reject(flaw_of(error))


def _by_kind(
    path: Path, stream: io.BufferedReader, place: Place, on_skip: Callable[[Skipped], None]
) -> Iterator[Found | Rejection]:
    found = _of_many(path.suffix.lower(), stream, place, on_skip)
    return iter([read_file(path.resolve(), place, derive(path.name))]) if found is None else found


def read_stream(
    stream: io.BufferedReader, name: str, *, on_skip: Callable[[Skipped], None] = lambda skipped: None
) -> Iterator[SourceDocument | Rejection]:
    """The documents of one file that came from elsewhere, by its name: an archive, CSV, or else JSON Lines.

    The stream must be able to seek, for archives.
    """
    place = Place(printable(name))
    suffix = PurePosixPath(name).suffix.lower()
    found = _of_many(suffix if suffix in _MANY else "", stream, place, on_skip)
    return unique(read_jsonl(stream, place.source) if found is None else found)


def _of_many(
    suffix: str, stream: io.BufferedReader, place: Place, on_skip: Callable[[Skipped], None]
) -> Iterator[Found | Rejection] | None:
    """None where the file is one document, as far as its name tells."""
    if suffix in (".jsonl", ".ndjson"):
        return read_jsonl(stream, place.source)
    if suffix in (".csv", ".tsv"):
        return read_csv(stream, place.source)
    if suffix == ".zip" or (not suffix and stream.peek(4).startswith(_ZIP_BEGINNINGS)):
        return read_archive(stream, place.source, on_skip)
    return None
