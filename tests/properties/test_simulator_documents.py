"""Synthetic documents: the same seed, the same bytes; every planted clause stands where it was planted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import digest
from schemas.errors import UnknownName
from schemas.sensitivity import Sensitivity
from simulator.documents import kinds, make_documents
from simulator.reviews import find

seeds = st.integers(-(2**63), 2**63)


@settings(max_examples=40)
@given(seeds)
def test_planted_quotes_stand_at_their_offsets_and_are_found(seed: int) -> None:
    for document in make_documents(seed, 10):
        for finding in document.findings:
            assert document.text[finding.start : finding.start + len(finding.quote)] == finding.quote
        planted = [(f.family, f.quote, f.start) for f in document.findings]
        assert [(f.family.key, f.quote, f.start) for f in find(document.text)] == planted


@settings(max_examples=40)
@given(seeds)
def test_documents_are_small_named_once_and_of_a_known_class(seed: int) -> None:
    documents = make_documents(seed, 20)

    assert all(600 <= len(document.text) <= 3000 for document in documents)
    assert len({document.name for document in documents}) == 20
    assert all(Sensitivity(document.sensitivity) for document in documents)
    assert all(3 <= len(document.findings) <= 6 for document in documents)


@given(seeds, st.integers(0, 12))
def test_a_document_is_the_same_however_many_are_made(seed: int, count: int) -> None:
    assert make_documents(seed, 12)[:count] == make_documents(seed, count)


def test_the_bytes_of_a_seed_never_change() -> None:
    text = "".join(document.text for document in make_documents(7, 50))

    assert digest(text.encode()) == "sha256:41b39e0eb7554443b0f90c2a2c77e8ad45187ccc8ef6bea2437d9d11e5dbd535"


def test_all_kinds_and_languages_come_up() -> None:
    documents = make_documents(1, 300)

    assert {document.kind for document in documents} == set(kinds())
    assert {document.language for document in documents} == {"en", "de", "fr"}


def test_kinds_and_language_can_be_chosen() -> None:
    chosen = make_documents(1, 20, kinds=("contract",), language="fr")

    assert {(document.kind, document.language) for document in chosen} == {("contract", "fr")}


@pytest.mark.parametrize(
    ("chosen", "language"), [(("poem",), None), (None, "la"), (("loan-agreement",), "fr")]
)
def test_what_does_not_exist_is_named(chosen: tuple[str, ...] | None, language: str | None) -> None:
    with pytest.raises(UnknownName):
        make_documents(1, 1, kinds=chosen, language=language)
