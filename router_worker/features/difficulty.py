"""How hard a document is to review, 0 to 1: a weighed mean of signals, each 0 to 1 and never falling. Pure.

No model was asked, and none was fitted: it is a prior for policies (`job.difficulty > 0.6`), told in the open. More of
any signal never makes a document easier; property tests hold that.

| signal | weight | 0 at | 1 at |
|---|---|---|---|
| length, in o200k tokens, by its logarithm | .35 | 250 | 64,000 |
| kinds of findings that the review asks for | .15 | 1 | 24 |
| references to other parts, in a thousand words | .15 | 0 | 12 |
| words of the law, in a thousand words | .10 | 0 | 40 |
| words of an average sentence | .10 | 12 | 40 |
| headings and tables | .10 | 0 | 60 |
| a second language, or none that could be told | .05 | no | yes |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log2

from governance.guardrails.letters import beyond_ascii, lower
from governance.guardrails.words import Words

UNTOLD = 1.0
"""Where it cannot be told, a document counts as hard."""

LAW_CHARACTERS = 20_000
"""Of the beginning, in which words of the law are counted; a longer text is taken to go on so."""

_LAW = (
    *("shall", "hereof", "hereto", "herein", "hereunder", "thereof", "pursuant", "notwithstanding"),
    *("indemnif", "liabilit", "warrant", "covenant", "waive", "terminat", "arbitrat", "jurisdiction"),
    *("force majeure", "provided that", "haftung", "gemäß", "unbeschadet", "verpflicht", "gewährleist"),
    *("kündig", "schadensersatz", "rechtswahl", "responsabilité", "conformément", "nonobstant", "résili"),
    *("responsabilidad", "conforme a", "rescis", "indemniz", "responsabilità", "ai sensi", "risoluzion"),
    *("aansprakelijk", "overeenkomstig", "ontbind"),
)
_LAW_FINDER = Words(_LAW)
_OTHER_LETTER = re.compile(
    r"[\u0370-\u03ff\u0400-\u04ff\u0590-\u05ff\u0600-\u06ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
_OTHER_SCRIPT = re.compile(_OTHER_LETTER.pattern + "{2}")


@dataclass(frozen=True, slots=True)
class Signals:
    tokens: int
    finding_kinds: int
    words: int
    references: int
    law_words: int
    sentence_words: int
    parts: int
    """Headings and tables."""
    is_mixed: bool
    """More than one language, or none that could be told."""


def difficulty(of: Signals) -> float:
    """Rounded to three places, so that it reads the same everywhere."""
    thousands = max(of.words, 200) / 1_000
    total = (
        0.35 * _between(log2(max(1, of.tokens)), log2(250), log2(64_000))
        + 0.15 * _between(of.finding_kinds, 1, 24)
        + 0.15 * _between(of.references / thousands, 0, 12)
        + 0.10 * _between(of.law_words / thousands, 0, 40)
        + 0.10 * _between(of.sentence_words, 12, 40)
        + 0.10 * _between(of.parts, 0, 60)
        + 0.05 * of.is_mixed
    )
    return round(min(1.0, total), 3)


def law_words(text: str) -> int:
    counted = _LAW_FINDER.counted(lower(text[:LAW_CHARACTERS]))
    return counted * max(len(text), LAW_CHARACTERS) // LAW_CHARACTERS


def is_mixed(text: str, language: str) -> bool:
    """Whether a Latin language's text holds other scripts at several places, or no language could be told."""
    if language == "und":
        return True
    if text.isascii() or language in {"el", "ru", "uk", "bg", "sr", "he", "ar", "fa", "ur", "ja", "zh", "ko"}:
        return False
    beyond = beyond_ascii(text[:LAW_CHARACTERS])
    if beyond is not None and not _OTHER_LETTER.search("".join(beyond)):
        return False
    return sum(1 for _, _ in zip(_OTHER_SCRIPT.finditer(text[:LAW_CHARACTERS]), range(5), strict=False)) == 5


def _between(value: float, none: float, full: float) -> float:
    return min(1.0, max(0.0, (value - none) / (full - none)))
