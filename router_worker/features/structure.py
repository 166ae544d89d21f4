"""How a document is built, counted in one pass over its lines: headings, tables, lists, pages, digits, sentences. Pure.

Plain signals that hold in most written languages: no words are looked at but those that number a section. Figures say
what is probable, not what is so: a text without line ends has no headings, whatever its author meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from governance.guardrails.letters import words
from governance.guardrails.pieces import lowered
from governance.guardrails.words import Words

MOST_CHARACTERS = 1_000_000
"""A longer text is measured by so much of its beginning: some 350 pages."""

HEADING_CHARACTERS = 100
PAGE_CHARACTERS = 3_000
"""Of a page in prose, where nothing in the text says where pages end."""

_HEADING = re.compile(
    r"#{1,6} \S|(?:article|section|part|chapter|schedule|annex|appendix|exhibit|artikel|abschnitt|teil|kapitel|anlage|"
    r"anhang|chapitre|titre|annexe|artículo|sección|capítulo|anexo|articolo|sezione|capitolo|allegato|hoofdstuk|bijlage|§)"
    r"\.? {0,3}[\divxlcdm]{1,6}\b|\d{1,2}(?:\.\d{1,2}){0,3}[.)]? {1,8}[^\W\d_]{2}|[IVX]{1,6}\. {1,4}[^\W\d_]",
    re.IGNORECASE,
)
_NUMBERED_BEGIN = frozenset(
    {"ab", "al", "an", "ap", "ar", "bi", "ca", "ch", "ex", "ho", "ka", "pa", "sc", "se", "te", "ti"}
)
"""First two letters of the words above that number a section."""

_BULLETS = frozenset("-*•‣▪◦\u2013")
_ITEM = re.compile(r"[-*•‣▪◦\u2013] {1,4}\S|\(?(?:[a-z]|[ivx]{1,4}|\d{1,2})\) {1,4}\S", re.IGNORECASE)
_COLUMNS = re.compile(r"\S.{0,60}\S {3,}\S.{0,60}\S {3,}\S")
_RULE = re.compile(r"[-=|+: ]{8,}")
_SENTENCE_ENDS, _WIDE_ENDS = (b". ", b".\n", b"\n\n"), ("\u3002", "\uff01", "\uff1f")
_FOLDED = bytes.maketrans(b"0123456789?!", b"0000000000..")
"""Digits as one, and what ends a sentence as one: bytes below 128 are characters of their own in UTF-8."""

_PAGE_NUMBER = re.compile(r"(?:- ?|page |seite |página |pagina )?\d{1,4}(?: ?-)?", re.IGNORECASE)
LONGEST_PAGE = 13
"""Characters of the longest number of a page, with the word before it."""

_PARTS = (
    *("section", "clause", "article", "paragraph", "schedule", "exhibit", "annex", "appendix"),
    *(
        "ziffer",
        "abschnitt",
        "artikel",
        "anlage",
        "absatz",
        "cláusula",
        "artículo",
        "articolo",
        "alinéa",
        "§",
    ),
)
_PART_FINDER = Words(_PARTS)
_PART_NAMED = re.compile(r"s? {0,2}(?:\d|[A-Z]\b|[IVX]{1,5}\b)")


@dataclass(frozen=True, slots=True)
class Structure:
    sections: int = 0
    """Lines that read as headings."""
    tables: int = 0
    """Runs of three lines and more that are set in columns."""
    list_items: int = 0
    pages: int = 0
    digit_permille: int = 0
    """In characters that are not white space."""
    sentence_words: int = 0
    """Of an average sentence, rounded."""
    references: int = 0
    """To other parts of the document, as `Section 4`."""
    words: int = 0


def structure(text: str) -> Structure:
    seen = text[:MOST_CHARACTERS]
    lines = [line.strip() for line in seen.splitlines()]
    short = [line for line in lines if line and len(line) <= HEADING_CHARACTERS]
    told = words(seen)
    folded = seen.encode("utf-8", "surrogatepass").translate(_FOLDED)
    blank = sum(map(folded.count, (b" ", b"\n", b"\t", b"\r")))
    sentences = 1 + sum(map(folded.count, _SENTENCE_ENDS))
    if not seen.isascii():
        sentences += sum(map(seen.count, _WIDE_ENDS))
    return Structure(
        sections=sum(map(_is_heading, short)),
        tables=_tables(lines),
        list_items=sum(1 for line in lines if _may_be_item(line) and _ITEM.match(line)),
        pages=_pages(short, seen.count("\f"), len(text)),
        digit_permille=round(1000 * folded.count(b"0") / max(1, len(seen) - blank)),
        sentence_words=round(told / sentences),
        references=references(seen),
        words=told,
    )


def references(text: str) -> int:
    return sum(
        bool(_PART_NAMED.match(text, at + len(_PARTS[part]))) for part, at in _PART_FINDER.each(lowered(text))
    )


def _is_heading(line: str) -> bool:
    if line[-1] in ".;,":
        return line[:-1].isupper() and len(line) > 3 and line[-1] == "."
    if _may_be_numbered(line) and _HEADING.match(line):
        return True
    return line.isupper() and 3 < len(line) <= 80 and not _is_row(line)


def _may_be_numbered(line: str) -> bool:
    """Whether it begins like a heading's pattern, as far as one sees at once."""
    start = line[:2].lower()
    return start in _NUMBERED_BEGIN or start[0] in "#ivx" or start[0].isdigit() or not start.isascii()


def _may_be_item(line: str) -> bool:
    return line[:1] in _BULLETS or ")" in line[:6]


def _is_row(line: str) -> bool:
    """Whether it has two bars, or two tabs with something between, or two gaps of three spaces."""
    if "|" in line and line.count("|") > 1:
        return True
    if "\t" in line:
        first = line.find("\t")
        if line.find("\t", first + 1) > first + 1:
            return True
    return "   " in line and line.count("   ") > 1 and bool(_COLUMNS.match(line))


def _tables(lines: Iterable[str]) -> int:
    """A rule drawn between two rows belongs to its table."""
    found = rows = 0
    for line in lines:
        if _is_row(line):
            rows += 1
            found += rows == 3
        elif rows and not _RULE.fullmatch(line or "."):
            rows = 0
    return found


def _pages(lines: Iterable[str], feeds: int, characters: int) -> int:
    """As the text marks them: by form feeds or by numbers that stand alone. Else by its length."""
    marked = max(
        feeds, sum(1 for line in lines if len(line) <= LONGEST_PAGE and _PAGE_NUMBER.fullmatch(line))
    )
    by_length = -(-characters // PAGE_CHARACTERS)
    return marked + 1 if marked >= 2 and marked >= by_length // 4 else by_length
