"""Numbers that belong to a person: of accounts, cards, identities, telephones, machines.

One pass finds runs of digits and one finds capitals before digits, which are rare in prose; what such a candidate is,
is told by its form and its checksum, and where that is not enough by the words before it. Called by `pii`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from ipaddress import IPv6Address

from governance.guardrails.letters import beyond_ascii
from governance.guardrails.pieces import Found
from schemas.raising import PersonalData

MOST_CUTS = 4
"""Groups of letters behind an account's number that may be taken for a part of it at first."""

CONTEXT = 48
"""Characters before a number in which a word can say what it is."""

LEAST_RUN = 6
_ANY = re.compile(r"\d(?:[\d ().+/-]{5,}|(?<=[A-Z].)\d)")
_ASCII = re.compile(r"[0-9](?:[0-9 ().+/-]{5,}|(?<=[A-Z].)[0-9])")
"""At least six characters of a number, however it is grouped; or where accounts and identities with letters turn from
them to digits. The second is for texts with no other digits, and quicker."""

LEAST_DIGITS = 7
"""Of a telephone's number; all others but a machine's have more."""

_CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){11,18}(?![\w-])")
_CARD_WORD = re.compile(r"card|karte|carte|tarjeta|carta|kaart|visa|maestro|amex|\bcc\b", re.IGNORECASE)
_FIXED = re.compile(
    r"(?<![\w.+/-])(?:"
    r"(?P<us>\d{3}-\d{2}-\d{4})"
    r"|(?P<ch>756\.\d{4}\.\d{4}\.\d{2})"
    r"|(?P<br>\d{3}\.\d{3}\.\d{3}-\d{2})"
    r"|(?P<be>\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2})"
    r"|(?P<fr>[12] \d{2} \d{2} \d{2} \d{3} \d{3} \d{2})"
    r")(?![\w-])"
)
_FIXED_BY = {"ch": "ch.ssn", "br": "br.cpf", "be": "be.nn", "fr": "fr.nir"}
_ADDRESS = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_PHONE = re.compile(
    r"(?<![\w$€£#.,/+-])(?:\+\d{1,3}[ .-]?|00\d{1,3}-)?(?:\(\d{1,5}\)[ .-]?)?\d{1,10}(?:[ ./-]\d{2,8}){0,5}"
    r"(?![\w$€£%]|[.,/:-]\d|-\w)"
)
_AMERICAN = re.compile(r"(?:\+?1[ .-]|00\d-)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}")
_DAY = re.compile(r"\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
_DIGITS = re.compile(r"(?<![\w.+-])\d(?:[ .-]?\d){7,14}(?![\w-])")

_TELEPHONE = re.compile(
    r"\b(?:tele)?(?:phone|fon|foon|cop)|\b(?:tel|tél|cell|fax|mobile|móvil|cellulare|handy|call|dial|desk|line|whatsapp"
    r"|sms|reach|answering|messages? to|my registered|contact)\b",
    re.IGNORECASE,
)
_TELEPHONE_AFTER = re.compile(r"\s?[\s(,]?(?:office|mobile|fax|phone|cell|home|work)\b", re.IGNORECASE)
_MACHINE = re.compile(
    r"\b(?:ip|ipv4|host|hosts|server|dns|ping|gateway|subnet|route|address|client)\b", re.IGNORECASE
)
_NO_MACHINE = re.compile(
    r"(?:section|sections|clause|article|schedule|exhibit|version|release|rev|§|\bv)\.?\s{0,2}$",
    re.IGNORECASE,
)

_IDENTITIES = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), validator)
    for words, validator in (
        (r"ssn|social security(?: \w+)?|itin|taxpayer id\w*", "us"),
        (r"pesel", "pl.pesel"),
        (r"bsn|burgerservicenummer|sofinummer", "nl.bsn"),
        (r"steuer-?id\w*|idnr|steuerliche identifikationsnummer|steueridentifikationsnummer", "de.idnr"),
        (r"aadhaa?r|uidai", "in_.aadhaar"),
        (r"social insurance(?: \w+)?|sin", "ca.sin"),
        (r"nhs(?: \w+)?", "gb.nhs"),
        (r"personnummer|samordningsnummer", "se.personnummer"),
        (r"cpr", "dk.cpr"),
        (r"f[øo]dselsnummer", "no.fodselsnummer"),
        (r"contribuinte|nif", "pt.nif"),
        (r"tfn|tax file(?: \w+)?", "au.tfn"),
        (r"rijksregisternummer|num[eé]ro national|registre national", "be.nn"),
        (r"cpf", "br.cpf"),
        (r"s[eé]curit[eé] sociale|nir", "fr.nir"),
        (r"ahv|avs|oasi", "ch.ssn"),
    )
)
"""The word that makes a number one of an identity, and what checks it: a module of `stdnum`, or `us`."""

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_AT_TURN = (
    (0, re.compile(r"(?<![A-Za-z0-9])[XYZ]\d{7}-?[A-Z](?![A-Za-z0-9])"), "es.nie"),
    (
        5,
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![A-Za-z0-9])"),
        "it.codicefiscale",
    ),
    (1, re.compile(r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D](?![A-Za-z0-9])"), "gb"),
)
"""How far before the turn it begins."""

_IN_RUN = re.compile(
    r"(?<![A-Za-z0-9+.-])(?:(?P<dni>\d{8}-?[A-HJ-NP-TV-Z])|(?P<hetu>\d{6}[-+A]\d{3}[0-9A-Y])|(?P<ric>\d{17}X))"
    r"(?![A-Za-z0-9])"
)
_IN_RUN_BY = {"dni": "es.dni", "hetu": "fi.hetu", "ric": "cn.ric"}
_BRITISH = re.compile(r"\b(?:national insurance|nino|ni (?:no|number))\b", re.IGNORECASE)
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,32}")
_HEX = re.compile(r"[0-9A-Fa-f]{0,4}$")


def found(text: str) -> Iterator[Found]:
    """Surer ones first."""
    turns, runs = _turns_and_runs(text)
    for at in turns:
        yield from _accounts(text, at)
        yield from _lettered(text, at)
    numbers = [run for run in runs if sum(map(str.isdecimal, text[slice(*run)])) >= LEAST_DIGITS]
    for sure in (_cards, _fixed, _shaped, _identities):
        for start, end in numbers:
            yield from sure(text, start, end)
    for start, end in runs:
        if text.count(".", start, end) > 2:
            yield from _machines(text, start, end)
    for start, end in numbers:
        yield from _phones(text, start, end)
    yield from _machines_of_six(text)


def _turns_and_runs(text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Where a capital stands before two digits, and from where to where numbers may be, in one pass."""
    turns, runs = [], []
    beyond = beyond_ascii(text)
    is_plain = beyond is not None and not any(map(str.isdecimal, beyond))
    for one in (_ASCII if is_plain else _ANY).finditer(text):
        start, end = one.span()
        if start and "A" <= text[start - 1] <= "Z" and text[start + 1].isdecimal():
            turns.append(start - 1)
        if end - start >= LEAST_RUN:
            runs.append((_whole(text, start), min(end + 5, len(text))))
    return turns, runs


def _whole(text: str, start: int) -> int:
    """Where the number begins, with what stands before its first digit."""
    while start and text[start - 1] in "+(":
        start -= 1
    return start


def _accounts(text: str, turn: int) -> Iterator[Found]:
    start = max(0, turn - 1)
    whole = _IBAN.match(text, start)
    for _ in range(MOST_CUTS):
        if whole is None:
            return
        if _adds_up(whole[0]) and _valid("iban", whole[0]):
            yield Found(PersonalData.IBAN, *whole.span())
            return
        # What follows an account's number may look like a part of it: one group less.
        cut = whole[0].rfind(" ")
        whole = _IBAN.match(text, start, start + cut) if cut > 12 else None


def _adds_up(account: str) -> bool:
    """The checksum of ISO 13616, which costs less than asking for the country's own rules, too."""
    plain = account.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _lettered(text: str, turn: int) -> Iterator[Found]:
    for before, shape, validator in _AT_TURN:
        one = shape.match(text, max(0, turn - before))
        if one and (
            _BRITISH.search(_before(text, one.start())) if validator == "gb" else _valid(validator, one[0])
        ):
            yield Found(PersonalData.NATIONAL_ID, *one.span())


def _shaped(text: str, start: int, end: int) -> Iterator[Found]:
    for one in _IN_RUN.finditer(text, start, end):
        if _valid(_IN_RUN_BY[str(one.lastgroup)], one[0]):
            yield Found(PersonalData.NATIONAL_ID, *one.span())


def _cards(text: str, start: int, end: int) -> Iterator[Found]:
    for one in _CARD.finditer(text, start, end):
        digits = re.sub(r"\D", "", one[0])
        said = _CARD_WORD.search(_before(text, one.start()))
        if (said or _is_of_a_card(digits)) and _grouped_like_a_card(one[0]) and _valid("luhn", digits):
            yield Found(PersonalData.CARD, *one.span())


def _is_of_a_card(digits: str) -> bool:
    """Who issues cards begins their numbers so. Source: ISO/IEC 7812 as Wikipedia's 'Payment card number' lists it,
    read 2026-11-20."""
    if digits[0] == "4":
        return len(digits) in {13, 16, 19}
    if digits[:2] in {"34", "37"} or digits[:4] in {"1800", "2131"}:
        return len(digits) == 15
    if digits[0] == "3":
        return digits[1] in "0568" and len(digits) in {14, 16, 19}
    if digits[0] == "5" or digits[0] == "6":
        return len(digits) == 16 or digits[:2] in {"50", "56", "57", "58", "63", "67", "60", "62", "64", "65"}
    return "2221" <= digits[:4] <= "2720" and len(digits) == 16


def _grouped_like_a_card(number: str) -> bool:
    groups = re.split(r"[ -]", number)
    return len(groups) == 1 or [len(each) for each in groups[:-1]] in ([4, 4, 4], [4, 6], [4, 4, 4, 4])


def _fixed(text: str, start: int, end: int) -> Iterator[Found]:
    for one in _FIXED.finditer(text, start, end):
        kind = str(one.lastgroup)
        said = _before(text, one.start())
        if _american(one[0], said) if kind == "us" else _valid(_FIXED_BY[kind], one[0]):
            yield Found(PersonalData.NATIONAL_ID, *one.span())


def _american(number: str, said: str) -> bool:
    """Numbers from 900 on are given to taxpayers without one of social security; they need the word for it."""
    digits = re.sub(r"\D", "", number)
    if len(digits) != 9 or digits[:3] in {"000", "666"} or digits[3:5] == "00" or digits[5:] == "0000":
        return False
    return digits[0] != "9" or bool(_IDENTITIES[0][0].search(said))


def _identities(text: str, start: int, end: int) -> Iterator[Found]:
    for one in _DIGITS.finditer(text, start, end):
        said = _before(text, one.start())
        for word, validator in _IDENTITIES:
            if word.search(said) and _is_identity(validator, one[0], said):
                yield Found(PersonalData.NATIONAL_ID, *one.span())
                break


def _is_identity(validator: str, number: str, said: str) -> bool:
    return _american(number, said) if validator == "us" else _valid(validator, number)


def _machines(text: str, start: int, end: int) -> Iterator[Found]:
    for one in _ADDRESS.finditer(text, start, end):
        parts = [int(part) for part in one[0].split(".")]
        said = _before(text, one.start())
        if max(parts) > 255 or _NO_MACHINE.search(said):
            continue
        # Contracts number their clauses so: 10.1.2.3 is a machine only where a word says so.
        if max(parts) > 40 or _MACHINE.search(said):
            yield Found(PersonalData.IP_ADDRESS, *one.span())


def _machines_of_six(text: str) -> Iterator[Found]:
    for colons in _COLONS.finditer(text):
        begin = _HEX.search(text, max(0, colons.start() - 4), colons.start())
        start = begin.start() if begin else colons.start()
        written = text[start : colons.end()]
        may_be = ("::" in written or written.count(":") == 7) and sum(map(str.isalnum, written)) > 5
        if may_be and _is_of_six(written):
            yield Found(PersonalData.IP_ADDRESS, start, colons.end())


def _is_of_six(written: str) -> bool:
    try:
        IPv6Address(written)
    except ValueError:
        return False
    return True


def _phones(text: str, start: int, end: int) -> Iterator[Found]:
    for one in _PHONE.finditer(text, start, end):
        number = one[0]
        digits = sum(map(str.isdigit, number))
        if not 7 <= digits <= 15 or _DAY.fullmatch(number):
            continue
        said = _TELEPHONE.search(_before(text, one.start())) or _TELEPHONE_AFTER.match(text, one.end())
        if said or _calls(number, digits):
            yield Found(PersonalData.PHONE, *one.span())


def _calls(number: str, digits: int) -> bool:
    """Whether its form alone says that one can call it."""
    return (number.startswith("+") and digits >= 9) or bool(_AMERICAN.fullmatch(number))


def _before(text: str, at: int) -> str:
    """What stands before it on its line."""
    said = text[max(0, at - CONTEXT) : at]
    return said[said.rfind("\n") + 1 :]


@cache
def _checker(name: str) -> Callable[[str], bool]:
    check: Callable[[str], bool] = import_module(f"stdnum.{name}").is_valid
    return check


def _valid(name: str, number: str) -> bool:
    return _checker(name)(number)
