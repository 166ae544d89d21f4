"""Clocks are passed in. These are the two real ones; tests bring their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the time in UTC."""

Ticks = Callable[[], float]
"""Gives seconds that never run backwards; only differences mean something."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def ticks() -> float:
    return time.monotonic()
