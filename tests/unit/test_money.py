"""Dollars as people write them."""

from __future__ import annotations

import pytest

from producer.money import format_usd, parse_usd
from schemas.errors import BadInput


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("5", 5_000_000),
        ("5.00", 5_000_000),
        ("$0.25", 250_000),
        (" 0.000001 ", 1),
        (".5", 500_000),
        ("0", 0),
        ("0.1", 100_000),
        ("1.1000000000", 1_100_000),
        ("1000000", 1_000_000_000_000),
    ],
)
def test_what_is_read(text: str, micros: int) -> None:
    assert parse_usd(text) == micros


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not an amount"),
        ("$", "not an amount"),
        ("five", "not an amount"),
        ("NaN", "not an amount"),
        ("Infinity", "not an amount"),
        ("1e3", "not an amount"),
        ("5.", "not an amount"),
        ("\u0665", "not an amount"),
        ("-1", "negative"),
        ("$-1", "negative"),
        ("-$1", "negative"),
        ("1,000", "comma"),
        ("5,00", "comma"),
        ("0.0000001", "too many decimals"),
        ("1000000.01", "too much"),
        ("9" * 50, "too much"),
        ("9" * 10_000, "not an amount"),
    ],
)
def test_what_is_not_read_says_why(text: str, word: str) -> None:
    with pytest.raises(BadInput, match=word) as caught:
        parse_usd(text)

    assert caught.value.code == "invalid_amount"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("micros", "text"),
    [(12_300, "$0.0123"), (0, "$0.00"), (1, "$0.000001"), (5_500_000, "$5.50"), (-10_000, "-$0.01")],
)
def test_what_is_written(micros: int, text: str) -> None:
    assert format_usd(micros) == text
