"""Personal data that can be told by its form: addresses, numbers with checksums, numbers behind the words for them.

Names and places need a model, and are not looked for here. Patterns find candidates, and something else confirms each:
a checksum (`python-stdnum`), the structure of an address, or words close by. Every pattern is bounded and begins at a
boundary, so that no text takes more than time in proportion to its length; a test holds that on hostile ones.
`spans` serves redaction and benchmarks, `personal_data` the features of a job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from governance.guardrails import personal_numbers
from governance.guardrails.pieces import Counts, Found, Pause, counted, lowered, no_pause, places, scanned
from governance.guardrails.words import Words
from schemas.raising import PersonalData

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
"""Of an address, read from its @ backwards."""
_DOMAIN = re.compile(r"(?:[^\W_][^\W_-]{0,30}(?:-[^\W_-]{1,30}){0,4}\.){1,8}[^\W\d_]{2,24}(?![\w-])")

_MONTH = (
    r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|janv|févr|mars|avr|juin|juil|août|déc|"
    r"ene|abr|ago|dic|gen|mag|giu|lug|set|ott|mrt|mei)[^\W\d_]{0,8}\.?"
)
_DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)?\s{{1,3}}(?:of\s|de\s)?{_MONTH},?\s{{1,3}}(?:de\s)?\d{{4}}"
    rf"|{_MONTH}\s{{1,3}}\d{{1,2}}(?:st|nd|rd|th)?,?\s{{1,3}}\d{{4}})"
)
_BETWEEN = r"(?:\s|[:=(#.|,-]){0,6}"
_NUMBER_IS = r"(?:\s|[:=#.(-]|no\b|nr\b|number\b|nummer\b|num[eé]ro\b|n°|is\b){1,8}"
_BORN = re.compile(
    rf"d\.o\.b\.?{_BETWEEN}({_DATE})"
    rf"|[^\W\d_]{{2,12}}\.?(?: (?:on|am|op|of birth|le|el|il|date))?{_BETWEEN}(?:is |on |am )?({_DATE})",
    re.IGNORECASE,
)
_PASSPORT = re.compile(rf"[^\W\d_]{{6,17}}{_NUMBER_IS}([A-Z]{{0,3}}\d[A-Z0-9]{{5,12}})\b", re.IGNORECASE)
_LICENSE = re.compile(
    rf"(?:driver'?s?'?|driving)[ -]licen[cs]e{_NUMBER_IS}([A-Z]{{0,5}}\d[A-Z0-9-]{{5,18}})\b", re.IGNORECASE
)
_BORN_WORDS = (
    *("born ", "birth", "dob", "d.o.b", "geboren", "geburtsdatum", "née le", "né le", "naissance"),
    *("nacimiento", "nacido el", "nacida el", "nascita", "nato il", "nata il", "geboortedatum"),
)
_PASSPORT_WORDS = ("passport", "reisepass", "passeport", "pasaporte", "passaporto", "paspoort")
_BEHIND_WORDS = (
    (PersonalData.DATE_OF_BIRTH, _BORN_WORDS, _BORN, 4),
    (PersonalData.PASSPORT, _PASSPORT_WORDS, _PASSPORT, 5),
    (PersonalData.DRIVER_LICENSE, ("driver", "driving"), _LICENSE, 5),
)
"""Kind, the words that it stands behind, what follows from the first letter of the word on, and the fewest digits."""

_BEHIND = tuple((kind, pattern, digits) for kind, words, pattern, digits in _BEHIND_WORDS for _ in words)
_WORD_FINDER = Words(word for _, words, _, _ in _BEHIND_WORDS for word in words)


def personal_data(text: str, pause: Pause = no_pause) -> Counts:
    """How many different ones of each kind of `PersonalData`; kinds without any are left out."""
    return counted(text, scanned(text, _scan, pause))


def spans(text: str, pause: Pause = no_pause) -> list[Found]:
    """Where they are, by place. Two kinds never overlap."""
    return sorted(scanned(text, _scan, pause), key=lambda each: each.start)


def _scan(text: str) -> Iterator[Found]:
    taken = bytearray(len(text))
    for kind, start, end in _candidates(text):
        if 1 not in taken[start:end]:
            taken[start:end] = b"\x01" * (end - start)
            yield Found(kind, start, end)


def _candidates(text: str) -> Iterator[Found]:
    """Surer ones first: what they cover is nothing else."""
    yield from _emails(text)
    yield from _behind_words(text)
    yield from personal_numbers.found(text)


def _behind_words(text: str) -> Iterator[Found]:
    for word, at in _WORD_FINDER.places(lowered(text)):
        kind, pattern, digits = _BEHIND[word]
        one = pattern.match(text, at)
        group = one.lastindex if one else None
        if one and group and sum(map(str.isdigit, one[group])) >= digits:
            yield Found(kind, *one.span(group))


def _emails(text: str) -> Iterator[Found]:
    for at in places(text, "@"):
        local = _LOCAL.match(text[max(0, at - 64) : at][::-1])
        domain = _DOMAIN.match(text, at + 1)
        if local and domain and not local[0].startswith("."):
            yield Found(PersonalData.EMAIL, at - len(local[0].rstrip(".")), domain.end())
