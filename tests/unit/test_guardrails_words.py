"""Many words in one pass are found where one by one they would be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.guardrails import leaked_keys, markings, pii, words
from governance.guardrails.pieces import lowered, places
from governance.guardrails.words import Words
from router_worker.features import difficulty, kind, structure

FINDERS = {
    "kinds": kind._FINDER,
    "titles": kind._TITLE_FINDER,
    "law": difficulty._LAW_FINDER,
    "parts": structure._PART_FINDER,
    "hints": markings._HINT_FINDER,
    "prefixes": leaked_keys._PREFIX_FINDER,
    "secrets": leaked_keys._WORD_FINDER,
    "persons": pii._WORD_FINDER,
}
BESIDE = st.sampled_from([" ", "", "\n", "a", "é", "İ", "ß", "\u65e5", "\U0001f600", "\ud800", "\0"])


@st.composite
def texts(draw: st.DrawFn, finder: Words) -> str:
    """Of its words and of halves of them, with letters of all widths between."""
    chosen = st.sampled_from(finder._words)
    halves = st.builds(lambda word, cut: word[: len(word) * cut // 4], chosen, st.integers(1, 4))
    return "".join(draw(st.lists(st.one_of(chosen, halves, BESIDE), max_size=40)))


@pytest.mark.parametrize("name", FINDERS)
@given(data=st.data())
def test_all_are_told_as_one_by_one(name: str, data: st.DataObject) -> None:
    finder = FINDERS[name]
    drawn = data.draw(texts(finder))
    for text in (drawn, drawn.lower(), lowered(drawn)):
        known = finder._words

        assert finder.held(text) == {at for at, word in enumerate(known) if word in text}
        assert finder.counted(text) == sum(map(text.count, known))
        assert finder.places(text) == list(one_by_one(known, text))


@given(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=6), st.text("abc", max_size=60))
def test_words_that_hold_or_overlap_one_another_are_all_told(known: list[str], text: str) -> None:
    finder = Words(known)

    assert finder.places(text) == list(one_by_one(tuple(known), text))


@given(st.lists(st.sampled_from(["aa", "ab", "é", "b"]), max_size=40).map("".join))
def test_blocks_hide_nothing_where_they_meet(text: str) -> None:
    known = ("aa", "aba", "b", "éa")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(words, "BLOCK", 5)

        assert Words(known).places(text) == list(one_by_one(known, text))


def one_by_one(known: tuple[str, ...], text: str) -> Iterator[tuple[int, int]]:
    return ((number, at) for number, word in enumerate(known) for at in places(text, word))
