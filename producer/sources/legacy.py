"""Guessing the encoding of text that is not Unicode, and admitting when the guess does not stand alone.

`charset_normalizer` proposes; here it is decided. A wrong letter in a contract is worse than a question to its
owner, so a guess counts only where every plausible encoding reads the same text. Among Latin letters, plausible
means that one language has them all: French read as Baltic (`č` for `è`) is no language's spelling.
"""

from __future__ import annotations

import io
import re
import unicodedata

from charset_normalizer import from_bytes

from producer.sources.places import Flaw

LATIN = ("cp1252", "cp1250", "cp1254", "cp1257", "iso8859_2")
OTHER_SCRIPTS = (
    *("cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "cp866"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
"""Encodings in which people still keep files, in order of preference among those that read the same. Rare ones (old
DOS and Macintosh pages) would only make more guesses ambiguous."""

MAX_MESS = 0.1
"""The most `charset_normalizer` mess (0..1) of a plausible reading. Right readings were seen below 0.05."""

COHERENCE_MARGIN = 0.2
"""A reading whose letters are by so much less like a language's (0..1) than the best one's is out of the race."""

SAMPLE_BYTES = 256 * 1024
"""A guess looks at this much: all of a short text, and of a long one the lines that are not ASCII."""

_ALPHABETS = (
    "àâæçéèêëîïôœùûüÿ",  # French
    "áéíñóúüçàèòï·",  # Spanish, Catalan
    "ãâáàçéêíóôõúü",  # Portuguese
    "äöüßé",  # German
    "àèéìíîòóùú",  # Italian
    "áéëèïíöóüú",  # Dutch
    "åäöéüà",  # Swedish, Finnish
    "æøåéèêóòôü",  # Danish, Norwegian
    "áðéíóúýþæö",  # Icelandic
    "äõöüšž",  # Estonian
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíľňóôšťúýž",  # Slovak; without its rare ŕ and ĺ, which are what French à and å become
    "áéíóöőúüű",  # Hungarian
    "čćđšž",  # Croatian, Slovene
    "ăâîșțşţ",  # Romanian
    "çğıöşüâîû",  # Turkish
    "ąčęėįšųūž",  # Lithuanian
    "āčēģīķļņšūž",  # Latvian
)

_UNLIKELY = re.compile(
    r"[a-z][À-ÖØ-ÞŒŠŽŸŁŚŹŻĄĆĘŃŐŰČŘŤŮĎŇĽ]"  # a capital inside a word
    r"|[À-ɏ]\d|\d[À-ɏ]"  # a letter against a number
    r"|[^\W\d_][\xa1-\xa9\xab\xac\xae-\xb4\xb6\xb8\xb9\xbb-\xbf\xd7\xf7][^\W\d_]"  # a sign within a word
)
"""How letters, quotes and currency signs look when read wrongly."""

_COMMON_SIGNS = set("ªºµ")
_LAYOUT = set("\t\n\v\f\r\x1b")


def guess(data: bytes) -> tuple[str, str] | Flaw:
    """The text and its encoding, for bytes that are not Unicode and hold no NUL."""
    readings = _readings(_sample(data))
    if len(set(readings.values())) != 1:
        return _unsure(list(readings))
    encoding = next(iter(readings))
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        return Flaw(
            "undecodable", f"It looks like {encoding}, and byte {error.start:,} is not; save it as UTF-8."
        )


def _unsure(encodings: list[str]) -> Flaw:
    if not encodings:
        return Flaw("undecodable", "It is not UTF-8, and no known encoding fits; save it as UTF-8.")
    several = " or ".join([", ".join(encodings[:-1]), encodings[-1]])
    return Flaw(
        "undecodable", f"It is not UTF-8, and could be {several}, which read differently; save it as UTF-8."
    )


def _sample(data: bytes) -> bytes:
    if len(data) <= SAMPLE_BYTES:
        return data
    picked, size = [], 0
    stream = io.BytesIO(data)
    while size < SAMPLE_BYTES and (line := stream.readline(SAMPLE_BYTES)):
        if not line.isascii():
            picked.append(line)
            size += len(line)
    return b"".join(picked)


def _readings(sample: bytes) -> dict[str, str]:
    """Plausible encodings and what they read, in order of preference."""
    matches = [
        match
        for match in from_bytes(sample, cp_isolation=[*LATIN, *OTHER_SCRIPTS])
        if match.chaos <= MAX_MESS
    ]
    enough = max((match.coherence for match in matches), default=0.0) - COHERENCE_MARGIN
    proposed = {
        name for match in matches if match.coherence >= enough for name in match.could_be_from_charset
    }
    return {
        name: text
        for names, is_plausible in ((LATIN, _is_plausible_latin), (OTHER_SCRIPTS, _is_plausible_other))
        for name in names
        if name in proposed and (text := _strictly(sample, name)) and is_plausible(text)
    }


def _strictly(sample: bytes, encoding: str) -> str:
    """The text, or nothing where any byte does not fit."""
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _is_plausible_latin(text: str) -> bool:
    letters = {character for character in text.lower() if character.isalpha() and not character.isascii()}
    if _holds_no_text(text) or _UNLIKELY.search(text):
        return False
    return any(letters - _COMMON_SIGNS <= set(alphabet) for alphabet in _ALPHABETS)


def _is_plausible_other(text: str) -> bool:
    """A text in another script is mostly in that script; else a few accents or quotes were read as its letters."""
    letters = [character for character in text if character.isalpha()]
    beyond_ascii = sum(not character.isascii() for character in letters)
    return not _holds_no_text(text) and bool(letters) and beyond_ascii * 2 >= len(letters)


def _holds_no_text(text: str) -> bool:
    """Controls, or characters that Unicode leaves open."""
    return any(unicodedata.category(character) in ("Cc", "Co", "Cn") for character in set(text) - _LAYOUT)
