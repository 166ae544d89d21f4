"""What a provider says is left of its limits, in the headers of its replies. Pure: no clock, a date is taken relative
to the reply's own.

OpenAI's, and those who speak like it (Groq, Azure, vLLM gateways): `x-ratelimit-limit-requests`,
`x-ratelimit-remaining-requests`, `x-ratelimit-reset-requests` and the same for `-tokens`; a reset is a span such as
`1s`, `6m0s`, `2m59.56s` or `12ms`.
Source: developers.openai.com/api/docs/guides/rate-limits, console.groq.com/docs/rate-limits; checked 2026-11-23.

Anthropic's: `anthropic-ratelimit-requests-limit`, `-remaining`, `-reset`, and the same for `tokens`, `input-tokens` and
`output-tokens`; a reset is an instant by RFC 3339, at which the limit is whole again. Counts of tokens are rounded to
thousands. Source: platform.claude.com/docs/en/api/rate-limits, checked 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_S = 86_400.0
"""A longer wait is the same to us."""

MOST_LEFT = 10**12

NEAR = 0.02
"""Of a limit: what is left counts as used up from here on."""

_SPAN = re.compile(
    r"(?:(\d{1,4})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,8}(?:\.\d{1,9})?)s)?", re.ASCII
)
_MILLISECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)ms", re.ASCII)
_COUNT = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Left:
    """Of one limit."""

    left: int
    resets_in_s: float | None = None
    limit: int | None = None

    @property
    def is_used_up(self) -> bool:
        """Nothing is left, or so little of a large limit that calls under way use it up."""
        return self.left <= NEAR * (self.limit or 0)


@dataclass(frozen=True, slots=True)
class Room:
    requests: Left | None = None
    tokens: Left | None = None
    """The tightest of those that are told: all tokens, input, output."""

    def rest_s(self, call_tokens: int) -> float | None:
        """Seconds that the provider is better left alone, as far as it says when more is there: until then, a call of
        this size would only be told to slow down. None: go on."""
        short = [
            each.resets_in_s
            for each in (self._short_requests(), self._short_tokens(call_tokens))
            if each is not None and each.resets_in_s
        ]
        return max(short) if short else None

    def _short_requests(self) -> Left | None:
        return self.requests if self.requests and self.requests.is_used_up else None

    def _short_tokens(self, call_tokens: int) -> Left | None:
        if self.tokens is None:
            return None
        fits_at_all = self.tokens.limit is None or call_tokens <= self.tokens.limit
        too_small = fits_at_all and self.tokens.left < call_tokens
        return self.tokens if self.tokens.is_used_up or too_small else None


def openai_room(headers: Mapping[str, str]) -> Room | None:
    """None where the reply says nothing of it, or not readably."""
    return _room(_openai(headers, "requests"), [_openai(headers, "tokens")])


def anthropic_room(headers: Mapping[str, str]) -> Room | None:
    kinds = ("tokens", "input-tokens", "output-tokens")
    return _room(_anthropic(headers, "requests"), [_anthropic(headers, kind) for kind in kinds])


def _room(requests: Left | None, tokens: list[Left | None]) -> Room | None:
    told = [each for each in tokens if each is not None]
    tightest = min(told, key=lambda each: each.left) if told else None
    return Room(requests, tightest) if requests or tightest else None


def _openai(headers: Mapping[str, str], kind: str) -> Left | None:
    left = _count(headers.get(f"x-ratelimit-remaining-{kind}"))
    if left is None:
        return None
    reset, limit = headers.get(f"x-ratelimit-reset-{kind}"), headers.get(f"x-ratelimit-limit-{kind}")
    return Left(left, span_s(reset), _count(limit))


def _anthropic(headers: Mapping[str, str], kind: str) -> Left | None:
    left = _count(headers.get(f"anthropic-ratelimit-{kind}-remaining"))
    if left is None:
        return None
    reset = _seconds_until(headers.get(f"anthropic-ratelimit-{kind}-reset"), headers.get("date"))
    return Left(left, reset, _count(headers.get(f"anthropic-ratelimit-{kind}-limit")))


def span_s(text: str | None) -> float | None:
    """Seconds of a span such as `6m0s`, `1h2m`, `7.66s`, `20ms`, or a bare number; at most a day.

    >>> span_s("6m0s"), span_s("20ms"), span_s("1.5"), span_s("soon")
    (360.0, 0.02, 1.5, None)
    """
    text = (text or "").strip()
    if found := _MILLISECONDS.fullmatch(text):
        return min(MOST_S, float(found[1]) / 1000)
    found = _SPAN.fullmatch(text if text[-1:].isalpha() else f"{text}s")
    if not found or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return min(MOST_S, days * 86_400 + hours * 3_600 + minutes * 60 + seconds)


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if _COUNT.fullmatch(text) else None


def _seconds_until(then: str | None, now: str | None) -> float | None:
    try:
        later, sent = datetime.fromisoformat(then or ""), parsedate_to_datetime(now or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    later, sent = (each if each.tzinfo else each.replace(tzinfo=UTC) for each in (later, sent))
    return min(MOST_S, max(0.0, (later - sent).total_seconds()))
