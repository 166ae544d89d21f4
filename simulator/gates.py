"""The limits of a pretend provider: calls in flight, and calls a minute.

A bucket that starts full and fills at the profile's rate; the time is passed in, so a test needs no clock.
"""

from __future__ import annotations

from simulator.profiles import Profile

_BURST_S = 10  # unless the profile says otherwise, ten seconds' worth of calls may come at once


class Gate:
    """Answers one question for one provider: may this call in, and if not, when."""

    def __init__(self, profile: Profile, *, now_s: float) -> None:
        per_minute = profile.requests_per_minute
        self._per_s = (per_minute or 0) / 60
        self._is_limited = per_minute is not None
        self._ceiling = profile.max_concurrency
        self._retry_after_s = profile.retry_after_s
        burst = profile.burst_requests
        self._room = max(1.0, burst if burst is not None else self._per_s * _BURST_S)
        self._left = self._room
        self._filled_at_s = now_s

    def left(self) -> tuple[int, int, float]:
        """Calls that may come at once, calls that are left of them, and seconds until all are there again."""
        reset_s = (self._room - self._left) / self._per_s if self._per_s else 0.0
        return int(self._room), max(0, int(self._left)), reset_s

    def wait_s(self, *, in_flight: int, now_s: float) -> float | None:
        """None for a call that may come in, which takes its place; else seconds until one may try again.

        `in_flight` includes this call. A refused call takes nothing from the bucket.
        """
        if self._ceiling is not None and in_flight > self._ceiling:
            return self._retry_after_s
        if not self._is_limited:
            return None
        self._left = min(self._room, self._left + (now_s - self._filled_at_s) * self._per_s)
        self._filled_at_s = now_s
        if self._left >= 1:
            self._left -= 1
            return None
        return (1 - self._left) / self._per_s if self._per_s else 60.0
