"""An extraction that fails closes: its most careful value is taken, and its name and the reason are kept.

Failing is raising anything, or taking longer than there is time for one. Time is that of the processor, so that a busy
machine closes nothing. Scans of long texts ask between two pieces; what cannot be asked is told at its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

OVERTIME = "overtime"
Pause = Callable[[], None]


class Overtime(Exception):
    """An extraction took longer than it may."""


class Closing:
    """For one document."""

    def __init__(self, ticks: Callable[[], float], limit_s: float) -> None:
        self._ticks, self._limit_s = ticks, limit_s
        self._now = ticks()
        self._reasons: list[str] = []

    def told(self, name: str, extract: Callable[[Pause], T], careful: T) -> T:
        """What `extract` gives; the careful value where it fails."""
        ends = self._now + self._limit_s  # which was read when the one before ended

        def pause() -> None:
            self._now = self._ticks()
            if self._now > ends:
                raise Overtime

        try:
            found = extract(pause)
            pause()
        except Overtime:
            self.close(name, OVERTIME)
        except Exception as failed:  # any failure closes; of its message nothing is kept, which may hold text
            self._now = self._ticks()
            self.close(name, type(failed).__name__)
        else:
            return found
        return careful

    def close(self, name: str, reason: str) -> None:
        self._reasons.append(f"{name}:{reason}")

    @property
    def closed_by(self) -> tuple[str, ...]:
        """`NAME:REASON`, in the order in which they failed."""
        return tuple(self._reasons)
