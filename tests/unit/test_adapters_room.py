"""What is left of a provider's limits, read from headers as they are really sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_workers.adapters import ADAPTERS
from provider_workers.adapters.room import Left, Room, anthropic_room, openai_room, span_s
from schemas.call import HttpReply

OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-reset-tokens": "6m0s",
}
"""The example of OpenAI's guide to rate limits."""

ANTHROPIC = {
    "date": "Mon, 23 Nov 2026 12:00:00 GMT",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:12Z",
    "anthropic-ratelimit-tokens-limit": "60000",
    "anthropic-ratelimit-tokens-remaining": "58000",
    "anthropic-ratelimit-tokens-reset": "2026-11-23T12:00:02Z",
    "anthropic-ratelimit-output-tokens-limit": "10000",
    "anthropic-ratelimit-output-tokens-remaining": "8000",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-23T12:00:12Z",
}


def test_openai_s_headers() -> None:
    room = openai_room(OPENAI)

    assert room == Room(Left(59, 1.0, 60), Left(149_984, 360.0, 150_000))
    assert room.rest_s(2_000) is None


def test_anthropic_s_headers_relative_to_the_reply_s_own_date() -> None:
    room = anthropic_room(ANTHROPIC)

    assert room == Room(Left(0, 12.0, 50), Left(8_000, 12.0, 10_000))
    assert room.rest_s(100) == 12.0


def test_a_limit_that_is_used_up_or_too_small_for_the_next_call_asks_for_a_rest() -> None:
    requests_gone = openai_room(OPENAI | {"x-ratelimit-remaining-requests": "0"})
    tokens_short = openai_room(OPENAI | {"x-ratelimit-remaining-tokens": "900"})
    nearly = openai_room(OPENAI | {"x-ratelimit-remaining-requests": "1"})

    assert requests_gone is not None
    assert requests_gone.rest_s(10) == 1.0
    assert tokens_short is not None
    assert (tokens_short.rest_s(901), tokens_short.rest_s(10)) == (360.0, 360.0)
    assert nearly is not None
    assert nearly.rest_s(10) == 1.0


def test_a_call_that_is_larger_than_the_whole_limit_does_not_wait_for_ever() -> None:
    assert Room(tokens=Left(5_000, 60.0, 5_000)).rest_s(9_000) is None


def test_without_a_time_there_is_nothing_to_wait_for() -> None:
    assert Room(requests=Left(0)).rest_s(1) is None
    assert anthropic_room({k: v for k, v in ANTHROPIC.items() if k != "date"}) == Room(
        Left(0, None, 50), Left(8_000, None, 10_000)
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("20ms", 0.02),
        ("1h2m3s", 3_723.0),
        ("1d", 86_400.0),
        ("9d", 86_400.0),
        ("0s", 0.0),
        ("12", 12.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1s", None),
        ("s", None),
    ],
)
def test_spans(text: str | None, seconds: float | None) -> None:
    assert span_s(text) == (pytest.approx(seconds) if seconds is not None else None)


_names = st.sampled_from(sorted({**OPENAI, **ANTHROPIC}))


@given(st.dictionaries(_names, st.text(max_size=40) | st.sampled_from(list(OPENAI.values()))), st.integers(0))
def test_no_header_makes_a_reader_raise_or_a_rest_negative_or_endless(
    headers: dict[str, str], call_tokens: int
) -> None:
    for adapter in ADAPTERS.values():
        room = adapter.room(HttpReply(200, headers, b""))
        rest_s = room.rest_s(call_tokens) if room else None
        assert rest_s is None or 0 < rest_s <= 86_400
