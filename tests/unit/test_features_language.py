"""The language of a document, or `und`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        assert list(pool.map(shared.identify, [ENGLISH, GERMAN * 2] * 8)) == ["en", "de"] * 8


LONGER = {
    "en": ENGLISH * 3,
    "de": GERMAN * 3,
    "fr": "Le présent contrat est conclu entre les parties et prend fin dès que l'une d'elles donne congé. "
    * 3,
    "es": "Este contrato se celebra entre las partes y termina cuando una de ellas da aviso por escrito. "
    * 3,
    "it": "Il presente contratto è stipulato tra le parti e cessa quando una di esse ne dà comunicazione. "
    * 3,
    "nl": "Deze overeenkomst wordt tussen partijen gesloten en eindigt zodra een van hen schriftelijk opzegt. "
    * 3,
    "pl": "Niniejsza umowa zostaje zawarta między stronami i wygasa, gdy jedna z nich ją pisemnie wypowie. "
    * 3,
    "pt": "O presente contrato é celebrado entre as partes e não pode ser alterado sem o consentimento delas. Uma das "
    "partes pode denunciá-lo por carta registada, com trinta dias de antecedência, sem lugar a indemnização.",
    "sv": "Detta avtal ingås mellan parterna och upphör när någon av dem säger upp det skriftligen i god tid. "
    * 3,
    "he": "הסכם זה נערך בין הצדדים ומסתיים כאשר אחד מהם מודיע על כך בכתב לצד השני בזמן סביר מראש. " * 3,
}


@pytest.mark.parametrize("language", LONGER)
def test_most_are_told_by_a_glance_without_the_large_model(language: str) -> None:
    shared = LanguageIdentifier()

    assert shared.identify(LONGER[language]) == language
    assert "_model" not in vars(shared)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "no",
            "Denne avtalen inngås mellom partene og opphører når en av dem skriftlig sier den opp i god tid. "
            * 3,
        ),
        (
            "da",
            "Denne aftale indgås mellem parterne og ophører, når en af dem skriftligt opsiger den i god tid. "
            * 3,
        ),
    ],
)
def test_kin_is_told_by_the_large_model(language: str, text: str) -> None:
    shared = LanguageIdentifier()

    assert shared.identify(text) == language
    assert "_model" in vars(shared)


def test_without_the_small_library_the_large_one_tells(
    identifier: LanguageIdentifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycld2", None)
    bare = LanguageIdentifier()
    bare.__dict__["_model"] = identifier._model

    assert {each: bare.identify(text) for each, text in LONGER.items()} == {each: each for each in LONGER}


@given(st.text(max_size=400), st.sampled_from([ENGLISH, "\x00" + ENGLISH, "\ud800\ufffe" + ENGLISH, ""]))
def test_no_text_is_an_error(identifier: LanguageIdentifier, text: str, also: str) -> None:
    assert 2 <= len(identifier.identify(text + also * 2)) <= 3
