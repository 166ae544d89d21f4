"""The language of a document, or `und`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from router_worker.features.language import PART_CHARACTERS, UNKNOWN, LanguageIdentifier

ENGLISH = "This agreement is made between the parties and ends when either of them gives notice. "
GERMAN = "Dieser Vertrag wird zwischen den Parteien geschlossen und tritt am ersten Januar in Kraft. "


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        ("Le présent contrat est conclu entre les parties soussignées.", "fr"),
        ("Este contrato se celebra entre las partes y entra en vigor hoy.", "es"),
        ("本契約は、当事者間で締結されます。契約の期間は一年とし、更新できる。", "ja"),
        ("Договор заключен между сторонами и вступает в силу немедленно.", "ru"),
        (ENGLISH.upper(), "en"),
    ],
)
def test_it_tells_languages(identifier: LanguageIdentifier, text: str, language: str) -> None:
    assert identifier.identify(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "Hello",
        "123 456 7890 -- 12/12/2024",
        "0.23 | 0.55 | n/a\n" * 30,
        "xkq zzv qwp lkjh mmnb vcx",
    ],
)
def test_too_little_or_uncertain_is_unknown(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify(text) == UNKNOWN


def test_where_the_beginning_says_nothing_the_middle_is_asked(identifier: LanguageIdentifier) -> None:
    assert identifier.identify("-" * PART_CHARACTERS + GERMAN * 100) == "de"


def test_a_broken_text_is_no_error(identifier: LanguageIdentifier) -> None:
    assert identifier.identify("\ud800" + ENGLISH) == "en"


def test_nothing_is_loaded_before_the_first_question_and_threads_may_share() -> None:
    shared = LanguageIdentifier()
    assert "_model" not in vars(shared)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.identify, [ENGLISH, GERMAN] * 8)) == ["en", "de"] * 8
