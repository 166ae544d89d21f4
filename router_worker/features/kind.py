"""What kind of document a text is, by plain signals that can be told to a person. Pure, and the same for the same text.

Each kind has words that its documents use, in several languages, and some have a form. A word counts once, however
often it is there; the kind with the most points wins, the earlier one where two are equal, and `other` where none has
enough.
"""

from __future__ import annotations

import re

from governance.guardrails.letters import lower
from governance.guardrails.pieces import places
from governance.guardrails.words import Words
from router_worker.features.structure import Structure

READ_CHARACTERS = 8_000
"""From the beginning; the end, where letters are signed, is read too."""

END_CHARACTERS = 1_500
LEAST_POINTS = 3
TITLE_POINTS, TITLE_CHARACTERS = 2, 200
"""For a word that names the kind itself, near the beginning."""

_WORDS = {
    kind: tuple(word for line in lines for word in line.split("|"))
    for kind, lines in {
        "contract": (
            "agreement|hereinafter|the parties|whereas|hereby|hereto|by and between|in witness whereof",
            "shall |governing law|terminate|indemnif|contract",
            "vertrag|parteien|vertragspartei|kündigung|nachfolgend|auftragnehmer|gerichtsstand",
            "contrat|les parties|ci-après|il a été convenu|résiliation|contrato|las partes|cláusula",
            "contratto|le parti|di seguito|overeenkomst|de partijen|hierna",
        ),
        "policy": (
            "policy|purpose|scope|applies to all|employees|must not|compliance|procedure|guideline",
            "responsibilities|violations|disciplinary|code of conduct|privacy|personal data|we collect",
            "datenschutz|personenbezogen|données personnelles|datos personales|dati personali",
            "richtlinie|geltungsbereich|mitarbeiter|verhaltenskodex|politique|directive|salariés",
            "política|alcance|empleados|regolamento|dipendenti|beleid|medewerkers",
        ),
        "report": (
            "report|executive summary|findings|figure |results|introduction|conclusion|table of contents",
            "quarter|fiscal year|compared to|revenue|methodology|analysis|recommendation",
            "bericht|zusammenfassung|ergebnis|geschäftsjahr|rapport|résumé|exercice|informe|resumen",
            "relazione|sintesi|jaarverslag|samenvatting",
        ),
        "letter": (
            "dear |sincerely|kind regards|best regards|yours truly|yours faithfully|subject:|from:|to:",
            "sent:|cc:|re:|please find|i am writing|looking forward|wrote:",
            "memorandum|to the members|an die mitglieder|note de service",
            "sehr geehrte|mit freundlichen grüßen|betreff:|von:|an:|madame, monsieur|cordialement|objet:",
            "estimado|estimada|atentamente|saludos|asunto:|gentile|cordiali saluti|oggetto:|geachte",
            "met vriendelijke groet|onderwerp:",
        ),
        "form": (
            "please complete|tick|check one|applicant|date of birth|signature of|for office use|form no",
            "invoice|total|quantity|unit price|amount due|order no|purchase order|rechnung|summe",
            "formular|antrag|ankreuzen|formulaire|facture|formulario|factura|modulo|fattura|formulier",
        ),
    }.items()
}

_KIND_OF = tuple(kind for kind, words in _WORDS.items() for _ in words)
_FINDER = Words(word for words in _WORDS.values() for word in words)

_HEAD = re.compile(
    r"^(?:from|to|sent|date|subject|von|an|betreff|de|à|objet|asunto|oggetto|onderwerp):\s",
    re.IGNORECASE | re.MULTILINE,
)
_HEAD_LETTERS = 9
"""Of the longest word before the colon."""

_BLANKS = ("____", "......", "[ ]", "[x]", "\u2610", "\u2611", "\u25a1")
_CODE = re.compile(
    r"(?:def|class|import|from|function|return|public|private|static|const|let|var|if|for|while|select|insert|update|"
    r"#include|package|fn|func|elif|else)\b[^.]*(?:[:;(={]|import \S+)\s*$|import [\w.]+$|(?:return|end)\b[^.,]{0,40}$"
)
_LOG = re.compile(
    r"^\W{0,2}(?:\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}|\d{2}:\d{2}:\d{2}|[A-Z][a-z]{2} {1,2}\d{1,2} \d{2}:\d{2}:\d{2}|"
    r"(?:DEBUG|INFO|WARN|WARNING|ERROR|TRACE|FATAL)\b)"
)
_CODE_BEGINS = frozenset("cdefilprsuvw#")
"""First letters of the words of code."""

_LOG_BEGINS = frozenset("DEFITW")
"""First letters of the levels of a log."""

_CODE_SHARE = 0.4
"""Of the lines, from which on it is code or a log."""


def kind_of(text: str, built: Structure) -> str:
    """One of `schemas.features.KINDS`."""
    head = text[:READ_CHARACTERS]
    if _is_code(head):
        return "code"
    read = lower(head + "\n" + text[max(READ_CHARACTERS, len(text) - END_CHARACTERS) :])
    points = dict.fromkeys(_WORDS, 0)
    for word in _FINDER.held(read):
        points[_KIND_OF[word]] += 1
    points["letter"] += min(4, _letter_lines(head[:2_000]))
    points["form"] += _form_points(head, built)
    for kind in {_TITLED[word] for word in _TITLE_FINDER.held(read[:TITLE_CHARACTERS])}:
        points[kind] += TITLE_POINTS * bool(_TITLES[kind].search(read, 0, TITLE_CHARACTERS))
    best = max(points, key=lambda kind: points[kind])
    return best if points[best] >= LEAST_POINTS else "other"


_TITLES = {
    kind: re.compile(words)
    for kind, words in {
        "contract": r"agreement|contract\b|vertrag|contrat\b|contrato|contratto|overeenkomst",
        "letter": r"^\W*(?:memo\b|memorandum|dear |from:|to:|sehr geehrte|aktennotiz)",
        "policy": r"\bpolicy\b|privacy notice|datenschutzerklärung|datenschutzhinweise|richtlinie|"
        r"politique de|política de|code of conduct",
        "report": r"\breport\b|bericht\b|rapport\b|informe\b",
    }.items()
}


_TITLE_HINTS = {
    "contract": ("agreement", "contra", "vertrag", "overeenkomst"),
    "letter": ("memo", "dear ", "from:", "to:", "sehr geehrte", "aktennotiz"),
    "policy": (
        "policy",
        "privacy notice",
        "datenschutz",
        "richtlinie",
        "politique",
        "política",
        "code of conduct",
    ),
    "report": ("report", "bericht", "rapport", "informe"),
}
"""One of these is in every title of the kind, as the patterns above have them."""

_TITLED = tuple(kind for kind, hints in _TITLE_HINTS.items() for _ in hints)
_TITLE_FINDER = Words(hint for hints in _TITLE_HINTS.values() for hint in hints)


def _letter_lines(head: str) -> int:
    """Lines such as `To: `; a colon near the beginning of its line is looked for first."""
    found = 0
    for colon in places(head, ":"):
        start = head.rfind("\n", max(0, colon - _HEAD_LETTERS - 1), colon) + 1
        if start or colon <= _HEAD_LETTERS:
            one = _HEAD.match(head, start)
            found += one is not None and one.end() == colon + 2
    return found


def _form_points(head: str, built: Structure) -> int:
    """Blanks to be filled in, columns, and many digits in few sentences."""
    blanks = sum(map(head.count, _BLANKS))
    return min(4, blanks // 3) + min(3, built.tables) + 2 * (built.digit_permille > 150)


def _is_code(head: str) -> bool:
    lines = [line for each in head.splitlines()[:300] if (line := each[:200].strip())]
    marked = sum(
        1
        for line in lines
        if line[-1] in ";{}"
        or (line[0] in _CODE_BEGINS and _CODE.match(line))
        or (_may_be_logged(line) and _LOG.match(line))
    )
    return len(lines) >= 3 and marked >= _CODE_SHARE * len(lines)


def _may_be_logged(line: str) -> bool:
    """Whether it begins with a sign or a digit, a month, or the first letter of a level."""
    first = line[0]
    return not first.isalpha() or first in _LOG_BEGINS or line[3:4] == " "
