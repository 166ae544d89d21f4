"""Whether a request is sent again, and after how long. Arithmetic: chance and the clock are passed in.

Only what does no more when it is done twice is sent again, or what was surely not done: it never got there, or was
turned away at the door. Pauses grow, and have chance in them, so that many clients do not come back at one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from classyard.client.effects import Request
from classyard.client.problems import ClientError, NotConnected, RateLimited, Refused

AGAIN = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    chance: Callable[[], float]
    """0 to 1."""
    now: Callable[[], datetime]
    """With a time zone; for a `Retry-After` that is a date."""
    most: int = 4
    """After the first time."""
    base_s: float = 0.5
    cap_s: float = 20.0
    longest_s: float = 120.0
    """A longer `Retry-After` is the caller's to wait for."""

    def pause(self, request: Request, error: ClientError, tries: int) -> float | None:
        """Seconds, after so many tries that failed (from 1); None: do not send it again."""
        if tries > self.most or not _may_be_sent_again(request, error):
            return None
        told = self._told(error)
        if told is None:
            return _half(min(self.cap_s, self.base_s * 2 ** (tries - 1)), self.chance())
        # A little later than told, each by its own: those who were told the same would meet again.
        return told + self.base_s * self.chance() if told <= self.longest_s else None

    def _told(self, error: ClientError) -> float | None:
        text = error.retry_after if isinstance(error, Refused) else None
        if not text:
            return None
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(text) - self.now()).total_seconds())
        except (ValueError, TypeError):
            return None


def _may_be_sent_again(request: Request, error: ClientError) -> bool:
    if request.body is not None and not request.body.is_whole:
        return False
    if isinstance(error, Refused):
        return error.status in AGAIN and (request.is_repeatable or isinstance(error, RateLimited))
    return request.is_repeatable or isinstance(error, NotConnected)


def _half(seconds: float, chance: float) -> float:
    """Half of it, and up to as much again."""
    return seconds * (0.5 + 0.5 * chance)
