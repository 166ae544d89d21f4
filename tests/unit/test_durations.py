"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from producer.durations import MAX_SECONDS, format_duration, parse_duration
from schemas.errors import BadInput
from schemas.submission import Requirements


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("30m", 1800),
        ("90min", 5400),
        ("1d12h", 129_600),
        (" 1D 12H ", 129_600),
        ("90s", 90),
        ("1w", 604_800),
        ("PT2H", 7200),
        ("P1D", 86_400),
        ("p1dt1h1m1s", 90_061),
        ("P2W", 1_209_600),
        ("30d", MAX_SECONDS),
    ],
)
def test_what_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds
    assert Requirements(deadline_s=seconds).deadline_s == seconds


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not a span"),
        ("90", "write it like 90s"),
        ("two hours", "not a span"),
        ("1.5h", "not a span"),
        ("-2h", "not a span"),
        ("12h1d", "not a span"),
        ("1h1h", "not a span"),
        ("P", "not a span"),
        ("PT", "not a span"),
        ("P1DT", "not a span"),
        ("P1M", "not a span"),
        ("P1Y", "not a span"),
        ("2H30", "not a span"),
        ("٣h", "not a span"),
        ("0s", "no time"),
        ("31d", "most is 30d"),
        ("9" * 50 + "h", "most is 30d"),
        ("9" * 10_000 + "h", "not a span"),
    ],
)
def test_what_is_not_read_says_why(text: str, word: str) -> None:
    with pytest.raises(BadInput, match=word) as caught:
        parse_duration(text)

    assert caught.value.code == "invalid_duration"
    assert len(str(caught.value)) < 200


def test_zero_is_written_and_not_read() -> None:
    assert format_duration(0) == "0s"
