"""The whole check of one answer: sound, doubtful, or unusable with a sentence that says why."""

from __future__ import annotations

from typing import Any

from provider_workers.checks.contract import first_breach
from provider_workers.checks.parse import parse
from provider_workers.checks.quotes import check_quotes
from schemas.result import CheckedAnswer, CheckReport, Standing


def check(answer_text: str, document_text: str, schema: dict[str, Any]) -> CheckedAnswer:
    """Never raises for any answer or document. Takes time in proportion to their sizes (see `quotes`)."""
    parsed = parse(answer_text)
    if parsed.value is None:
        return _unusable(parsed.sentence, parsed=False)
    breach = first_breach(parsed.value, schema)
    if breach:
        return _unusable(breach, parsed=True, repaired=parsed.repaired)
    quotes = check_quotes(_quotes(parsed.value), document_text)
    astray = sum(not quote.verified for quote in quotes)
    report = CheckReport(
        standing=Standing.DOUBTFUL if astray else Standing.SOUND,
        sentence=_doubt(astray, len(quotes)) if astray else "",
        parsed=True,
        schema_valid=True,
        repaired=parsed.repaired,
        quotes=quotes,
    )
    return CheckedAnswer(report, parsed.value)


def _quotes(output: dict[str, Any]) -> list[str]:
    """One for each finding, in order; empty where a finding has none, which no document verifies."""
    findings = output.get("findings")
    if not isinstance(findings, list):
        return []
    quotes = [finding.get("quote") if isinstance(finding, dict) else None for finding in findings]
    return [quote if isinstance(quote, str) else "" for quote in quotes]


def _unusable(sentence: str, *, parsed: bool, repaired: bool = False) -> CheckedAnswer:
    report = CheckReport(Standing.UNUSABLE, sentence, parsed=parsed, schema_valid=False, repaired=repaired)
    return CheckedAnswer(report, None)


def _doubt(astray: int, total: int) -> str:
    return f"{astray} of {total} quotes do not stand in the document."
