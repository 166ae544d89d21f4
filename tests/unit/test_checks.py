"""What the checks make of an answer: values a person can read. The laws are in `test_check_laws.py`."""

# ruff: noqa: RUF001  (typographic characters are what these tests are about)

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from provider_workers.checks.contract import first_breach
from provider_workers.checks.parse import parse
from provider_workers.checks.quotes import check_quotes
from provider_workers.checks.review import check
from schemas.result import QuoteCheck, QuoteMatch, Standing
from schemas.review import output_contract

DOCUMENT = (
    "The supplier’s liability — under any law — is limited to “EUR 500”.\n"
    "Payment is due\n   within 30 days; the o\ufb03ce\u00a0may waive it…\n"
    "Die Zahlung erfolgt binnen 30 Tagen ohne Abzug."
)
SCHEMA = output_contract(("liability-cap",))


def finding(quote: str) -> dict[str, Any]:
    return {"id": "liability-cap", "severity": "high", "quote": quote, "explanation": "e"}


def answer(*quotes: str, **changes: Any) -> str:
    body = {"summary": "s", "findings": [finding(quote) for quote in quotes], "verdict": "acceptable"}
    return json.dumps({**body, "confidence": 0.5, **changes})


def one(quote: str, document: str = DOCUMENT) -> QuoteCheck:
    return check_quotes([quote], document)[0]


def test_an_answer_that_keeps_all_is_sound() -> None:
    checked = check(answer("Payment is due"), DOCUMENT, SCHEMA)

    assert checked.report.standing == Standing.SOUND
    assert checked.report.sentence == ""
    assert checked.output is not None
    assert checked.report.quotes == (QuoteCheck(0, QuoteMatch.EXACT, 68, 82),)


def test_a_quote_that_does_not_stand_there_makes_it_doubtful() -> None:
    checked = check(answer("Payment is due", "Payment is never due"), DOCUMENT, SCHEMA)

    assert checked.report.standing == Standing.DOUBTFUL
    assert checked.report.sentence == "1 of 2 quotes do not stand in the document."
    assert checked.output is not None
    assert [quote.verified for quote in checked.report.quotes] == [True, False]


def test_an_answer_without_findings_is_sound() -> None:
    assert check(answer(), DOCUMENT, SCHEMA).report.standing == Standing.SOUND


@pytest.mark.parametrize(
    ("text", "sentence", "parsed"),
    [
        ("", "The answer holds no whole JSON object.", False),
        ("The document is fine.", "The answer holds no whole JSON object.", False),
        ('{"summary": "half', "The answer holds no whole JSON object.", False),
        ("[]", "The answer is JSON, and not an object.", False),
        ('[{"summary": "s"}]', "The answer is JSON, and not an object.", False),
        ('{"a": 1} or {"b": 2}', "The answer holds more than one JSON object.", False),
        ("{}", "The answer breaks its contract at / (required).", True),
        (answer(verdict="perhaps"), "The answer breaks its contract at /verdict (enum).", True),
        (answer(confidence=7), "The answer breaks its contract at /confidence (maximum).", True),
        (answer(""), "The answer breaks its contract at /findings/0/quote (minLength).", True),
        (answer("x" * 601), "The answer breaks its contract at /findings/0/quote (maxLength).", True),
        (answer(secret="x"), "The answer breaks its contract at / (additionalProperties).", True),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(text: str, sentence: str, parsed: bool) -> None:
    checked = check(text, DOCUMENT, SCHEMA)

    assert checked.output is None
    assert checked.report.standing == Standing.UNUSABLE
    assert checked.report.sentence == sentence
    assert (checked.report.parsed, checked.report.schema_valid) == (parsed, False)


@pytest.mark.parametrize(
    "around",
    [
        "```json\n%s\n```",
        "Here is the review:\n\n%s\n\nI hope that helps.",
        "The set {a, b} is odd. %s",
        "\ufeff%s",
        "%s\n```",
    ],
)
def test_text_around_the_object_is_cut_away_and_recorded(around: str) -> None:
    checked = check(around % answer("Payment is due"), DOCUMENT, SCHEMA)

    assert checked.report.standing == Standing.SOUND
    assert checked.report.repaired


def test_a_clean_object_is_not_repaired() -> None:
    assert not parse(' \n{"a": 1}\n').repaired


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": 1,}', "{'a': 1}", '{"a": 01}', '{"a": "\\ud800"}', '{"a": 1', '"{}"']
)
def test_what_is_no_strict_json_is_never_mended(text: str) -> None:
    assert parse(text).value is None


def test_a_name_that_the_model_chose_stays_out_of_the_sentence() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}

    assert first_breach({"the private name": "x"}, schema) == "The answer breaks its contract at /* (type)."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("The supplier's liability - under any law", "The supplier’s liability — under any law"),
        ('limited to "EUR 500"', "limited to “EUR 500”"),
        ("payment is DUE within 30 days", "Payment is due\n   within 30 days"),
        ("  Payment is due within ", "Payment is due\n   within"),
        ("the office may waive it...", "the o\ufb03ce\u00a0may waive it…"),
        ("law\u200b — is", "law — is"),
    ],
)
def test_a_quote_stands_there_but_for_typography(quote: str, found: str) -> None:
    result = one(quote)

    assert result.match == QuoteMatch.NORMALISED
    assert DOCUMENT[result.start : result.end] == found


def test_an_accent_written_apart_is_the_same_letter() -> None:
    result = one("café noir", "Un cafe\u0301 noir.")

    assert (result.match, result.start, result.end) == (QuoteMatch.NORMALISED, 3, 13)


@pytest.mark.parametrize(
    "quote",
    [
        "Die Zahlung erfolgt binnen 90 Tagen ohne Abzug.",
        "Die Zahlung erfolgt binnen 30 Tagen ohne Abzüge.",
        "The supplier's liability under any law is limited",
    ],
)
def test_a_quote_with_an_altered_word_is_close_and_not_verified(quote: str) -> None:
    result = one(quote)

    assert result.match == QuoteMatch.CLOSE
    assert not result.verified
    assert result.start is not None


@pytest.mark.parametrize("quote", ["", "\u200b", "The moon is made of cheese, says the contract.", "x" * 601])
def test_a_quote_that_is_not_there_is_absent(quote: str) -> None:
    assert one(quote) == QuoteCheck(0, QuoteMatch.ABSENT)


def test_a_quote_longer_than_the_document_is_absent() -> None:
    assert one("Payment is due now and here", "Payment is due now").match == QuoteMatch.ABSENT


def test_quotes_beyond_the_fiftieth_are_not_looked_for() -> None:
    results = check_quotes(["Payment"] * 51, DOCUMENT)

    assert results[49].match == QuoteMatch.EXACT
    assert results[50].match == QuoteMatch.ABSENT


@pytest.mark.parametrize(
    ("document", "quote"),
    [
        ("ab" * 10_000, "ab" * 250 + "x" * 60),
        ("ab\n" * 700_000, "ab ab " * 90 + "z"),
        ("a\u0301" * 500_000, "b" * 600),
        (" " * 2_000_000, "a" + " " * 598 + "b"),
    ],
    ids=["near matches", "white space", "accents", "blanks"],
)
def test_hostile_documents_take_bounded_time(document: str, quote: str) -> None:
    """Seconds, where an unbounded search takes minutes; the limit is wide for slow machines."""
    began = time.monotonic()

    check_quotes([f"{quote[:597]}{number}" for number in range(50)], document)

    assert time.monotonic() - began < 15
