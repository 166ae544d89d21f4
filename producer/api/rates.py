"""How often a key may ask: a bucket that holds a minute's worth and fills evenly. Arithmetic, and how it is told.

The bucket is a moment, `busy_until`: each request moves it on by one step, 60 s / limit, from now or from where it is,
and is turned away where it would come to lie more than a minute ahead. So a key that was quiet may ask a whole minute's
worth at once, and in the long run it asks at the limit. `runtime.db.stores.api_keys` keeps the moment and applies the
same rule in the statement that looks the key up, so that it holds over all processes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from schemas.errors import BadInput

MINUTE_S = 60.0
MOST_A_MINUTE = 1_000_000

_RATE = re.compile(r"(?P<count>\d{1,9})/(?P<unit>[sm])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where a key stands after a request."""

    per_minute: int
    busy_s: float
    """Seconds until its bucket is full again."""

    @property
    def step_s(self) -> float:
        return MINUTE_S / self.per_minute

    @property
    def admits(self) -> bool:
        """Whether one more is let in. Half a step of room, since the moment is kept in whole microseconds."""
        return self.busy_s <= MINUTE_S - self.step_s / 2

    @property
    def left(self) -> int:
        return max(0, math.floor((MINUTE_S - self.busy_s) / self.step_s + 0.5))

    @property
    def wait_s(self) -> float:
        """Until one more is let in."""
        return max(0.0, self.busy_s - (MINUTE_S - self.step_s))

    def headers(self) -> dict[str, str]:
        """As OpenAI's clients read them. Source: the page "Rate limits" of its API reference, checked 2026-11-20."""
        return {
            "x-ratelimit-limit-requests": str(self.per_minute),
            "x-ratelimit-remaining-requests": str(self.left),
            "x-ratelimit-reset-requests": f"{max(0.0, self.busy_s):.3f}s",
        }


def after(seconds: float) -> dict[str, str]:
    """The header of an answer that says: come back then. Whole seconds, and at least one."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def parse_rate(text: str) -> int:
    """Requests a minute; 0: no limit. Raises `BadInput` with code `invalid_rate`.

    >>> parse_rate("600/m"), parse_rate("5/s"), parse_rate("none")
    (600, 300, 0)
    """
    if text == "none":
        return 0
    found = _RATE.fullmatch(text)
    count = int(found["count"]) * {"s": 60, "m": 1}[found["unit"]] if found else 0
    if not 1 <= count <= MOST_A_MINUTE:
        raise BadInput(
            f"{text[:40]!r} is not a rate; write it like 600/m or 10/s, up to {MOST_A_MINUTE}/m, or 'none'.",
            where="--rate",
            code="invalid_rate",
        )
    return count


def rate_text(per_minute: int | None) -> str:
    return "default" if per_minute is None else f"{per_minute}/m" if per_minute else "none"
