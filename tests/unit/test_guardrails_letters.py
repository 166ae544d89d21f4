"""Letters by their bytes are those of `str`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from governance.guardrails.letters import LEAST_CHARACTERS, beyond_ascii, lower, words

PLAIN = "The Supplier\tSHALL deliver\n\nwhat was ordered. \x1c\x85"
RARE = st.text(
    st.one_of(
        st.characters(exclude_categories=[]), st.sampled_from("ÉÄÖÜßİıΣσςКж\u00a0\u2003\u3000\u2019\ud800٣")
    ),
    max_size=30,
)


@given(st.lists(RARE, max_size=4), st.sampled_from([1, LEAST_CHARACTERS // len(PLAIN) + 1]))
def test_small_letters_and_words_are_those_of_str(rare: list[str], times: int) -> None:
    text = (PLAIN * times).join(["", *rare, ""])

    assert lower(text) == text.lower()
    assert words(text) == len(text.split())


@given(RARE)
def test_what_is_beyond_ascii_is_told_unless_it_is_much(rare: str) -> None:
    beyond = beyond_ascii(PLAIN * 50 + rare)

    assert beyond == {each for each in PLAIN + rare if not each.isascii()}
    assert beyond_ascii("Договор между сторонами") is None
