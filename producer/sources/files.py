"""One file, one document: its bytes through `text.decode`, whatever its suffix says, as long as they are text."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from producer.sources.places import Flaw, Found, Place
from producer.sources.regular import flaw_of, open_regular, read_up_to
from producer.sources.text import Decoded, decode, too_large
from schemas.submission import MAX_DOCUMENT_BYTES, Rejection, SourceDocument

TABLES = frozenset({".jsonl", ".ndjson", ".csv", ".tsv"})
ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar"})

_NOT_YET = {
    **dict.fromkeys((".pdf", ".djvu", ".epub"), "PDF and other page formats"),
    **dict.fromkeys((".docx", ".doc", ".odt", ".rtf", ".pages"), "Word processor files"),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".pptx", ".ppt", ".odp"), "Office files"),
    **dict.fromkeys((".eml", ".msg", ".mbox"), "Mail files"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp"), "Pictures"),
}

_CLUTTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def read_file(path: Path, place: Place, custom_id: str) -> Found | Rejection:
    """The document of one regular file. One that is too large is turned away by its size, before it is read."""
    flaw = unsupported(path.name)
    if flaw:
        return place.reject(flaw)
    stream = open_regular(path, place)
    if isinstance(stream, Rejection):
        return stream
    try:
        with stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            # The size is what the file claims: it may grow while it is read, which read_up_to bounds.
            data = read_up_to(stream, MAX_DOCUMENT_BYTES) if size_bytes <= MAX_DOCUMENT_BYTES else None
    except OSError as error:
        return place.reject(flaw_of(error))
    return place.reject(too_large(size_bytes)) if data is None else document_of_bytes(data, place, custom_id)


def document_of_bytes(data: bytes, place: Place, custom_id: str) -> Found | Rejection:
    decoded = decode(data)
    if not isinstance(decoded, Decoded):
        return place.reject(decoded)
    return Found(place, SourceDocument(custom_id, place.name, decoded.text, decoded.encoding))


def unsupported(name: str) -> Flaw | None:
    """Why a file of this name cannot be one document, whatever it holds; None where its content decides."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in TABLES or suffix == ".zip":
        sentence = f"A {suffix} file holds many documents; name it as a PATH of its own to have each of them reviewed."
        return Flaw("unsupported_type", sentence)
    if suffix in ARCHIVES:
        return Flaw(
            "unsupported_type", f"A {suffix} file cannot be read; unpack it, or pack its texts as .zip."
        )
    if suffix in _NOT_YET:
        return Flaw(
            "unsupported_type", f"{_NOT_YET[suffix]} ({suffix}) are not supported yet; save it as .txt."
        )
    return None


def is_clutter(part: str) -> bool:
    """Whether one part of a path is hidden, or what desktops leave in folders and archives."""
    return part.startswith(".") or part.lower() in _CLUTTER
