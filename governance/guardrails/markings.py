"""What a document says of itself: `CONFIDENTIAL`, `Streng vertraulich`, `RESTRICTED`, in a line that says nothing else.

Only the first and the last lines are read, and only a line, or a part of one that is set apart, that is a marking as a
whole: a clause that is headed 'Confidential Information' marks nothing. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from governance.guardrails.words import Words
from schemas.raising import Marking

HEAD_LINES, FOOT_LINES = 8, 5
"""Lines that are not empty."""

EDGE_CHARACTERS = 4_000
"""From each end; lines beyond are not looked at."""

LINE_CHARACTERS = 160
"""A longer line is a paragraph."""

_APART = re.compile(r"\t+|\s{2,}|\s*[|·•/]\s*|\s+[-\u2013\u2014]+\s+|[()\[\]{}<>]+")
"""What sets the parts of a line apart."""

_LABEL = re.compile(
    r"(?:\w+ )?(?:classification|class|sensitivity|confidentiality|security|protection|marking|klassifizierung|"
    r"vertraulichkeit(?:sstufe)?|klassifikation|clasificación|classificazione|confidentialité)"
    r"(?: level| class)?\s*[:=]\s*",
    re.IGNORECASE,
)

_PAGE = re.compile(
    r"\b(?:page|seite|pagina|página)\s+\d{1,4}(?:\s+(?:of|von|de|di|van|/)\s+\d{1,4})?", re.IGNORECASE
)
_DIGIT = re.compile(r"\d")
_MAY_PART = re.compile(r"[\t|·•/()\[\]{}<>]|\s[\s\u2013\u2014-]")
"""Is in whatever sets parts apart."""

_DRESS = " \t.,;:!*#=_~-\u2013\u2014\"'`\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"

_STRICT = (
    r"(?:strictly|highly|most|very|streng|strengstens|strictement|très|estrictamente|altamente|strettamente|"
    r"strikt|zeer)"
)
_SECRECY = (
    r"(?:confidential|vertraulich|confidentiel(?:le)?|confidencial|riservat[oa]|confidenziale|vertrouwelijk|"
    r"konfidentiell|poufne|luottamuksellinen|fortrolig)"
)
_WHOSE = r"(?:company|commercial(?:ly)?|business|client|customer|proprietary|commercial in|trade secret|firm|corporate)"
_AND = r"(?:\s*(?:&|\+|/|,|and|und|et|y|e|en)\s*)"

_MARKINGS: tuple[tuple[Marking, str], ...] = (
    (
        Marking.SECRET,
        r"(?:top |most )?secret|streng geheim|geheim|très secret|secret défense|secreto|segreto|tlp ?:? ?red",
    ),
    (Marking.RESTRICTED, r"(?:highly |strictly )?restricted(?: (?:data|circulation|distribution))?"),
    (
        Marking.PRIVILEGED,
        r"(?:(?:legally )?privileged|attorney[ -]client(?: privileged?| communication)?|attorney work product|"
        rf"solicitor[ -]client privileged?)(?:{_AND}{_SECRECY})?|{_SECRECY}{_AND}(?:legally )?privileged",
    ),
    (
        Marking.STRICTLY_CONFIDENTIAL,
        rf"{_STRICT} (?:{_SECRECY}|private|persönlich|privat)(?:{_AND}{_SECRECY})?|tlp ?:? ?amber(?:\+strict)?",
    ),
    (
        Marking.CONFIDENTIAL,
        rf"(?:{_WHOSE} )?{_SECRECY}(?: (?:document|draft|dokument))?|private{_AND}{_SECRECY}|"
        rf"{_SECRECY}{_AND}(?:private|proprietary|privat|persönlich)|persönlich{_AND}vertraulich|"
        rf"proprietary{_AND}{_SECRECY}|commercial[ -]in[ -]confidence",
    ),
    (
        Marking.INTERNAL,
        r"(?:for )?internal(?: use)?(?: only)?|nur für den (?:internen |dienst)gebrauch|intern|"
        r"(?:for )?(?:company|staff) use only|usage interne|uso interno|tlp ?:? ?green",
    ),
)
_WORDS = tuple((marking, re.compile(words, re.IGNORECASE)) for marking, words in _MARKINGS)
_PUBLIC = re.compile(r"public|öffentlich|publique?|público|pubblico|unclassified", re.IGNORECASE)
LEGEND = 2
"""Markings on one line, beyond which they are a list of what there is."""

_HINTS = (
    *("secret", "segreto", "geheim", "tlp", "restricted", "privileged", "attorney", "solicitor", "confiden"),
    *(
        "vertraulich",
        "riservat",
        "vertrouwelijk",
        "konfidentiell",
        "poufne",
        "luottamuksellinen",
        "fortrolig",
    ),
    *("privat", "persönlich", "intern", "use only"),
)
"""In small letters; a line without any of them is no marking."""

_HINT_FINDER = Words(_HINTS)

_FILED = re.compile(
    r"^[ \t]{0,100}(?:\d{1,3}[ \t]{1,100})?exhibit (?:\d{1,2}\.\d{1,3}|99)\b|"
    r"omitted (?:and|from this) .{0,60}\bfiled\b|"
    r"\bconfidential treatment (?:has been |was )?request|request(?:ed)? for confidential treatment|"
    r"(?:omitted|redacted) for confidential treatment|"
    r"^[ \t]{0,100}source: .{2,80}, (?:10-[kq]|8-k|s-1|s-4|f-1|20-f|6-k|10-12g)[^,\n]{0,20}, "
    r"\d{1,2}/\d{1,2}/\d{4}[ \t]{0,100}$",
    re.IGNORECASE | re.MULTILINE,
)

_FILED_HINTS = ("exhibit ", "omitted ", "confidential treatment", "source: ")
"""In small letters; a line without any of them says nothing of a filing."""

_FILED_FINDER = Words(_FILED_HINTS)
_TWICE_SMALL = frozenset("\u0130\u0131\u017f\u212a")
"""Letters that a pattern takes for an i, an s or a k, and that are none in small letters."""


def markings(text: str) -> tuple[str, ...]:
    """Names of `Marking`, from the least to the most careful; each once."""
    lines = [line for line in edges(text) if len(line) <= LINE_CHARACTERS]
    if not _may_mark("\n".join(lines)):
        return ()
    found = {marking for line in lines for marking in _in_line(line)}
    return tuple(str(marking) for marking in Marking if marking in found)


def is_filing(text: str) -> bool:
    """Whether its first or last lines say that it was filed with a public register: an exhibit's number as the
    American one (EDGAR) asks for, or a note on what was left out for it."""
    head, foot = text[:EDGE_CHARACTERS], text[-EDGE_CHARACTERS:]
    return _says_filed(head) or (foot != head and _says_filed(foot))


def _says_filed(edge: str) -> bool:
    """The pattern lies within a line, and takes its time: it is asked where a hint is."""
    if not edge.isascii() and not _TWICE_SMALL.isdisjoint(edge):
        return bool(_FILED.search(edge))
    if not _FILED_FINDER.held(edge.lower()):
        return False
    return any(_FILED.search(line) for line in edge.split("\n") if _FILED_FINDER.held(line.lower()))


def edges(text: str) -> Iterator[str]:
    """The first and the last lines that are not empty."""
    head = text[:EDGE_CHARACTERS].splitlines()
    foot = text[max(EDGE_CHARACTERS, len(text) - EDGE_CHARACTERS) :].splitlines()
    yield from islice(filter(None, map(str.strip, head)), HEAD_LINES)
    if foot or len(head) > HEAD_LINES:
        yield from islice(filter(None, map(str.strip, reversed(foot or head))), FOOT_LINES)


def _may_mark(line: str) -> bool:
    return bool(_HINT_FINDER.held(line.lower()))


def _in_line(line: str) -> set[Marking]:
    if not _may_mark(line):
        return set()
    bare = _PAGE.sub("  ", line) if _DIGIT.search(line) else line
    apart = _APART.split(bare) if _MAY_PART.search(bare) else ()
    parts = {_unlabelled(part).strip(_DRESS) for part in (bare, *apart)}
    found = {marking for part in parts if part and (marking := _marking(part))}
    # A line that names several classes is a legend, or a form to be filled in.
    return set() if len(found) > LEGEND or any(map(_PUBLIC.fullmatch, parts)) else found


def _unlabelled(part: str) -> str:
    return _LABEL.sub("", part, count=1) if ":" in part or "=" in part else part


def _marking(part: str) -> Marking | None:
    return next((marking for marking, pattern in _WORDS if pattern.fullmatch(part)), None)
