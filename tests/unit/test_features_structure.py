"""Kind and structure of a document by plain signals, and how hard it seems."""

from __future__ import annotations

import zipfile

import pytest

from router_worker.features.difficulty import Signals, difficulty, is_mixed, law_words
from router_worker.features.kind import kind_of
from router_worker.features.structure import Structure, structure
from simulator.documents import make_documents
from tests.data import data_file

CONTRACT = """SERVICE AGREEMENT

This Agreement is made by and between the parties named below.

1. Services
The Supplier shall provide what Schedule 2 and Section 4.1 name.

2. Term
(a) It begins on signature.
(b) Either party may terminate it by notice.

| item | price | unit |
|------|-------|------|
| a    | 1     | hour |
| b    | 2     | hour |

IN WITNESS WHEREOF the parties have signed.
"""


def test_headings_lists_tables_and_references_are_counted() -> None:
    built = structure(CONTRACT)

    assert (built.sections, built.tables, built.list_items, built.references, built.pages) == (3, 1, 2, 2, 1)
    assert built.words == len(CONTRACT.split())


def test_pages_are_those_that_the_text_marks_else_its_length() -> None:
    assert structure("a page\f" * 4).pages == 5
    assert structure("\n".join(f"text\n{number}\n" for number in range(1, 5))).pages == 5
    assert structure("word " * 3_000).pages == 5


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("contract", CONTRACT),
        ("contract", "Mietvertrag\n\nZwischen den Parteien wird vereinbart: Kündigung, Gerichtsstand."),
        (
            "policy",
            "Travel Policy\n\nPurpose and scope: it applies to all employees. Violations are reported.",
        ),
        ("report", "Annual Report\n\nExecutive summary. Revenue grew compared to the fiscal year before."),
        ("letter", "From: a\nTo: b\nSubject: lunch\n\nDear Ann,\nplease find it attached.\nKind regards"),
        (
            "letter",
            "Sehr geehrte Frau Muster,\n\nanbei das Gewünschte.\n\nMit freundlichen Grüßen\nAnna\nBetreff: Angebot",
        ),
        (
            "form",
            "Invoice no 7\nQuantity  Unit price  Total\n____ ____ ____\nAmount due: ______\n[ ] paid [ ] open",
        ),
        ("code", "import os\n\ndef main():\n    return os.name\n\nfor each in x:\n    y = {}\n"),
        ("code", "\n".join(f"2026-11-28 10:00:{second:02} INFO started" for second in range(20))),
        ("other", "A poem about the sea, and about the wind above it."),
        ("other", ""),
    ],
)
def test_a_kind_is_told_by_its_words_and_its_form(kind: str, text: str) -> None:
    assert kind_of(text, structure(text)) == kind


def test_documents_of_the_simulator_are_of_the_kind_they_were_made_as() -> None:
    expected = {
        "contract": "contract",
        "loan-agreement": "contract",
        "privacy-policy": "policy",
        "financial-report": "report",
        "confidential-memo": "letter",
    }
    made = make_documents(11, 60)

    right = sum(kind_of(each.text, structure(each.text)) == expected[each.kind] for each in made)

    assert right >= 57, "an invented text may have too few of its kind's words"


def test_real_contracts_are_contracts() -> None:
    with zipfile.ZipFile(data_file("documents", "cuad", "contracts_txt.zip")) as archive:
        texts = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]

    assert {kind_of(text, structure(text)) for text in texts} == {"contract"}


def test_a_letter_is_easy_and_a_credit_agreement_is_hard() -> None:
    letter = Signals(
        tokens=300,
        finding_kinds=1,
        words=200,
        references=0,
        law_words=0,
        sentence_words=10,
        parts=0,
        is_mixed=False,
    )
    agreement = Signals(
        tokens=70_000,
        finding_kinds=24,
        words=50_000,
        references=700,
        law_words=2_500,
        sentence_words=45,
        parts=200,
        is_mixed=False,
    )

    assert difficulty(letter) < 0.05
    assert difficulty(agreement) == 0.95


def test_two_languages_are_told_by_their_scripts() -> None:
    assert not is_mixed("Der Vertrag gilt für fünf Jahre.", "de")
    assert is_mixed("The Agreement " + "契約書 " * 6, "en")
    assert not is_mixed("契約書 " * 6, "ja")
    assert is_mixed("anything", "und")


def test_words_of_the_law_in_a_long_text_are_taken_to_go_on() -> None:
    assert law_words("The Supplier shall, pursuant to Section 4, indemnify.") == 3
    assert law_words("shall " * 10_000) == pytest.approx(10_000, rel=0.01)


def test_nothing_is_nothing() -> None:
    assert structure("") == Structure()
