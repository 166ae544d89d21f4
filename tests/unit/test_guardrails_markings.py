"""What a document says of itself, in its head or foot and nowhere else."""

from __future__ import annotations

import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.guardrails.markings import _FILED, EDGE_CHARACTERS, is_filing, markings
from tests.data import data_file

BODY = "\n".join(f"{number}. The supplier delivers what was ordered." for number in range(40))


@pytest.mark.parametrize(
    ("line", "marking"),
    [
        ("CONFIDENTIAL", "confidential"),
        ("*** Confidential ***", "confidential"),
        ("Company Confidential", "confidential"),
        ("PRIVATE AND CONFIDENTIAL", "confidential"),
        ("Acme Corp | Confidential | Page 3 of 10", "confidential"),
        ("Confidential - do not distribute", "confidential"),
        ("Page 3 of 10 CONFIDENTIAL", "confidential"),
        ("Sensitivity: Confidential", "confidential"),
        ("Vertraulich", "confidential"),
        ("Confidentiel", "confidential"),
        ("Riservato", "confidential"),
        ("STRICTLY PRIVATE", "strictly_confidential"),
        ("Strictly Private & Confidential", "strictly_confidential"),
        ("- streng vertraulich -", "strictly_confidential"),
        ("PRIVILEGED AND CONFIDENTIAL", "privileged"),
        ("Attorney-Client Privileged", "privileged"),
        ("RESTRICTED", "restricted"),
        ("Classification: Restricted", "restricted"),
        ("TOP SECRET", "secret"),
        ("TLP:RED", "secret"),
        ("For internal use only", "internal"),
    ],
)
def test_a_line_that_is_a_marking_marks(line: str, marking: str) -> None:
    assert markings(f"{line}\n\n{BODY}") == (marking,)
    assert markings(f"{BODY}\n{line}\n") == (marking,)


@pytest.mark.parametrize(
    "line",
    [
        "12. CONFIDENTIALITY",
        "Confidential Information",
        "CONFIDENTIALITY AGREEMENT",
        "This Agreement is confidential.",
        "Confidential treatment requested",
        "Restricted Period",
        "Public | Internal | Confidential | Restricted",
        "The Secretary",
        "Each party keeps what it learns confidential, and returns it at the end of this Agreement without a copy.",
    ],
)
def test_a_line_about_it_does_not(line: str) -> None:
    assert markings(f"{line}\n\n{BODY}") == ()


def test_the_middle_of_a_document_marks_nothing() -> None:
    assert markings(f"{BODY}\nCONFIDENTIAL\n{BODY}") == ()


def test_several_are_told_from_the_least_to_the_most_careful() -> None:
    assert markings(f"RESTRICTED\n{BODY}\nInternal use only") == ("internal", "restricted")


def test_a_filing_says_so_in_its_first_or_last_lines() -> None:
    assert is_filing(f"Exhibit 10.33\n{BODY}")
    assert is_filing(f"[*] Text omitted for confidential treatment.\n{BODY}")
    assert not is_filing(f"Exhibit A\n{BODY}")
    assert not is_filing(BODY)


def test_real_contracts_with_confidentiality_clauses_are_not_marked() -> None:
    """60 of them; the three with a stamp of their drafts were filed with the public register."""
    with zipfile.ZipFile(data_file("documents", "cuad", "contracts_txt.zip")) as archive:
        texts = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]

    marked = [text for text in texts if markings(text)]

    assert len(marked) == 3
    assert all(map(is_filing, marked))


FILED_SCRAPS = st.sampled_from(
    (
        *(
            "Exhibit 10.33",
            "EXHIBIT 99",
            "exhib\u0131t 10.1",
            "Exhibit A",
            "12   exhibit 4.2x",
            "\t",
            " ",
            "\n",
            "\r",
        ),
        *("[*] Text omitted and filed", "omitted from this ", "filed", "\u2028", "\u017fource: ", "Source: "),
        *("Confidential Treatment requested", "request for ", "confidential treatment", "has been requested"),
        *("Acme Ltd, 10-K, 3/4/2020", ", S-1/A, 1/2/1999  ", "a term of three years ", "x" * 1_990, "\u212a"),
    )
)


@settings(deadline=None, max_examples=300)
@given(st.lists(FILED_SCRAPS, max_size=12).map("".join))
def test_hints_are_only_quicker_than_the_pattern(text: str) -> None:
    plain = _FILED.search(text, 0, EDGE_CHARACTERS) or _FILED.search(text[-EDGE_CHARACTERS:])
    assert is_filing(text) == bool(plain)
