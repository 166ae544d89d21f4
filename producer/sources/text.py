"""Bytes to text, or the reason why not. No character is ever replaced or dropped, save a byte-order mark.

In this order: size, byte-order mark, UTF-8, and only then a guess, which must stand alone (`legacy.py`).
What comes out can be stored: PostgreSQL keeps neither U+0000 nor lone surrogates.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from producer.sources.legacy import guess
from producer.sources.places import Flaw
from schemas.submission import MAX_DOCUMENT_BYTES

CONTROL_SHARE = 0.02
"""More control characters than this and the bytes are not text. Form feeds and stray escapes stay well below."""

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_MAGIC = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive or an Office file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
)

_ASCII_CONTROLS = bytes((*range(1, 9), *range(14, 27), *range(28, 32), 127))
_LATER_CONTROLS = re.compile(rb"\xc2[\x80-\x84\x86-\x9f]")
"""In UTF-8. Without tab, line ends, form feed, escape and U+0085 (next line), which texts do hold."""


class Decoded(NamedTuple):
    text: str
    encoding: str
    """As Python names it: `utf-8`, `utf-16`, `cp1252`, …"""


def decode(data: bytes) -> Decoded | Flaw:
    """The text of a whole file. Takes about a second for 20 MiB that are not Unicode, and far less else."""
    flaw = _flaw_of_bytes(data)
    if flaw:
        return flaw
    decoded = _by_mark(data) or _as_utf8(data) or guess(data)
    if isinstance(decoded, Flaw):
        return decoded
    decoded = Decoded(*decoded)
    return flaw_of_text(decoded.text) or decoded


def flaw_of_text(text: str, *, empty_code: str = "empty_file") -> Flaw | None:
    """Why this text cannot become a job; None where it can."""
    if not text:
        return Flaw(empty_code, "There is no text: it is empty.")
    if text.isspace():
        return Flaw(empty_code, "There is no text: it holds only white space.")
    at = text.find("\0")
    if at >= 0:
        return Flaw("not_text", f"Character {at + 1:,} is NUL (U+0000), which cannot be stored; take it out.")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        return Flaw(
            "not_text", f"Character {error.start + 1:,} is half of a surrogate pair, which is no text."
        )
    if len(data) > MAX_DOCUMENT_BYTES:
        return too_large(len(data))
    return _binary(data, len(text))


def flaw_of_head(head: bytes) -> Flaw | None:
    """Why a file of rows cannot be read at all, by its first bytes. Rows are UTF-8, whatever the machine."""
    for mark, encoding in _MARKS:
        if head.startswith(mark) and encoding != "utf-8-sig":
            return Flaw("undecodable", f"The file is {encoding.upper()}; save it as UTF-8.")
    is_binary = head.count(0) * 10 > len(head)  # one NUL is the flaw of one row
    if is_binary or any(head.startswith(magic) for magic, _ in _MAGIC):
        return Flaw("not_text", f"The file is {_kind(head)}, not text.")
    return None


def too_large(size_bytes: int | None = None, *, limit: int = MAX_DOCUMENT_BYTES) -> Flaw:
    size = f"is {size_bytes:,} bytes long" if size_bytes else "is too long"
    return Flaw("too_large", f"The document {size}; the most that is taken is {limit:,} bytes.")


def _flaw_of_bytes(data: bytes) -> Flaw | None:
    if not data:
        return Flaw("empty_file", "There is no text: it is empty.")
    if len(data) > MAX_DOCUMENT_BYTES:
        return too_large(len(data))
    if any(data.startswith(magic) for magic, _ in _MAGIC) or (b"\0" in data and not _mark(data)):
        return Flaw("not_text", f"The content is {_kind(data)}, not text.")
    return None


def _kind(data: bytes) -> str:
    named = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    return named or "binary data (or UTF-16 without a byte-order mark)"


def _mark(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _by_mark(data: bytes) -> tuple[str, str] | Flaw | None:
    encoding = _mark(data)
    if encoding is None:
        return None
    try:
        return data.decode(encoding), encoding.removesuffix("-sig")
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        return Flaw("undecodable", f"It begins as {name}, and byte {error.start:,} is not {name}.")


def _as_utf8(data: bytes) -> tuple[str, str] | None:
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return None


def _binary(data: bytes, characters: int) -> Flaw | None:
    controls = len(data) - len(data.translate(None, _ASCII_CONTROLS))
    if len(data) > characters:
        controls += len(_LATER_CONTROLS.findall(data))
    if controls <= characters * CONTROL_SHARE:
        return None
    return Flaw(
        "not_text", f"{controls:,} of its {characters:,} characters are control characters: not text."
    )
