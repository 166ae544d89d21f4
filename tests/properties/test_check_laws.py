"""Laws of the checks: true quotes verify where they stand, untrue ones do not, and nothing raises."""

# ruff: noqa: RUF001 - the typographic characters are what these tests are about

from __future__ import annotations

import json
import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from provider_workers.checks.parse import parse
from provider_workers.checks.plain_text import PlainText, plain
from provider_workers.checks.quotes import check_quotes
from provider_workers.checks.review import check
from schemas.result import QuoteMatch, Standing
from schemas.review import output_contract

TYPOGRAPHIC = st.text(
    alphabet=st.sampled_from(
        list("aAbßé \n\t'\"-.ΣσςİI") + list("’“”—–…\ufb01\ufb03\u00a0\u200b\u00ad\u0301\u0307")
    ),
    max_size=60,
)
WORDS = st.lists(st.text(alphabet="abcdefghijklmnop", min_size=2, max_size=8), min_size=6, max_size=60)
ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=300)

TYPOGRAPHY = {
    "'": ["’", "‘", "'"],
    '"': ["“", "”", "„", "«"],
    "-": ["–", "—", "\u2011"],
    " ": ["  ", "\n", "\u00a0", " \t ", "\u200b ", "\r\n"],
    "fi": ["\ufb01"],
    "ffi": ["\ufb03"],
}


def mangled(text: str, seed: int) -> str:
    """The same words in another typography."""
    chance = random.Random(seed)
    for plain_form, others in sorted(TYPOGRAPHY.items(), key=lambda pair: -len(pair[0])):
        text = "".join(
            part if index == 0 else chance.choice([plain_form, *others]) + part
            for index, part in enumerate(text.split(plain_form))
        )
    return "".join(chance.choice([letter.upper(), letter]) if letter.isascii() else letter for letter in text)


@st.composite
def document_and_part(draw: st.DrawFn) -> tuple[str, str]:
    document = draw(st.text(min_size=1, max_size=200) | TYPOGRAPHIC.filter(bool))
    start = draw(st.integers(0, len(document) - 1))
    end = draw(st.integers(start + 1, len(document)))
    return document, document[start:end]


@given(document_and_part())
def test_any_part_of_a_document_verifies_where_it_stands(pair: tuple[str, str]) -> None:
    document, quote = pair

    (found,) = check_quotes([quote], document)

    assert found.verified
    assert document[found.start : found.end] == quote


@given(words=WORDS, seed=st.integers(0, 10_000), where=st.tuples(st.integers(0, 59), st.integers(1, 20)))
def test_another_typography_verifies_and_covers_the_original(
    words: list[str], seed: int, where: tuple[int, int]
) -> None:
    chance = random.Random(seed)
    text = "".join(word + chance.choice([" ", " ", " - ", "' ", '" ', "fi ", "ffi "]) for word in words)
    document = mangled(text, seed)
    start = where[0] % len(words)
    quote = " ".join(text.split()[start : start + where[1]]) or text.strip()

    (found,) = check_quotes([quote[:600]], document)

    assert found.verified
    assert plain(document[found.start : found.end]).strip() == plain(quote[:600]).strip()


@given(words=WORDS, index=st.integers(0, 59))
def test_a_quote_with_an_altered_word_does_not_verify(words: list[str], index: int) -> None:
    document = " ".join(words)
    altered = list(words)
    altered[index % len(words)] = "zzz" + altered[index % len(words)]

    (found,) = (
        check_quotes([" ".join(altered)[:600]], document) if "zzz" in " ".join(altered)[:600] else (None,)
    )

    assert found is None or not found.verified


@given(document=TYPOGRAPHIC, quote=TYPOGRAPHIC)
def test_what_verifies_by_typography_is_the_same_when_made_plain(document: str, quote: str) -> None:
    (found,) = check_quotes([quote], document)

    if found.match == QuoteMatch.NORMALISED:
        assert found.start is not None
        assert found.end is not None
        assert 0 <= found.start < found.end <= len(document)
        assert plain(quote).strip() in plain(document)
    if found.match == QuoteMatch.ABSENT:
        assert quote == "" or quote not in document


@given(TYPOGRAPHIC)
def test_every_plain_character_leads_back_into_the_text_in_order(text: str) -> None:
    made = PlainText(text)

    places = [made.origin(index, index + 1) for index in range(len(made.text))]

    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(places))


@given(text=ANY_TEXT, document=ANY_TEXT)
def test_no_text_makes_the_check_raise(text: str, document: str) -> None:
    checked = check(text, document, output_contract())

    assert checked.report.standing in Standing
    assert (checked.output is None) == (checked.report.standing == Standing.UNUSABLE)


@given(quotes=st.lists(ANY_TEXT, max_size=5), document=ANY_TEXT)
def test_no_quote_makes_the_search_raise(quotes: list[str], document: str) -> None:
    assert [found.finding for found in check_quotes(quotes, document)] == list(range(len(quotes)))


@given(st.integers(1, 200_000), st.sampled_from(['{"a":', "[", '{"a":[', "{"]))
def test_no_depth_makes_parsing_raise(depth: int, opening: str) -> None:
    assert parse(opening * depth).value is None


@given(
    st.dictionaries(
        st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
        st.integers(0, 9),
    ),
    st.text(alphabet="abc \n`*:", max_size=40),
    st.text(alphabet="abc \n`*:", max_size=40),
)
def test_an_object_is_found_in_talk_and_read_as_it_is(value: dict[str, int], before: str, after: str) -> None:
    parsed = parse(before + json.dumps(value) + after)

    assert parsed.value == value
    assert parsed.repaired == bool(before.strip() or after.strip())
