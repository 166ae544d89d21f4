"""How many calls a provider takes at once, learned from its 429s: additive increase, multiplicative decrease. Pure.

The number stands in the provider's row as the last cut and its time, and is worked out when it is looked at; so it
holds over all workers, and only a 429 costs a write.

A cut halves what was in flight. After it the number grows in a straight line to just below where the 429 came, within
`RECOVERY_S`, and from there slowly, one call every few seconds, to see whether more is taken by now. Most of the time
it stands between 90 and 100 % of what the provider takes. It is never below 1 and never above the ceiling.

A congestion cuts once, however many calls meet it: a 429 of a call that began before the cut, that comes within
`GUARD_S` of it, or while more calls are in flight than it leaves, says nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

CUT = 0.5

KNEE = 0.9
"""Of the number at which the 429 came: up to here it grows fast."""

RECOVERY_S = 6.0
"""From a cut back to the knee."""

STEP_S = 5.0
"""Beyond the knee it grows by one call, or by a twentieth where that is more, in so many seconds."""


GUARD_S = 1.0
"""Claims go in one after another; a burst of them, and its 429s, take about so long."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The last cut. Without one the ceiling is allowed."""

    cut_at: datetime | None = None
    cut_to: float = 0.0
    level: float = 0.0
    """Calls in flight at which the 429 came."""

    def calls(self, ceiling: int, now: datetime) -> int:
        """Calls in flight that are allowed now: 1 to the ceiling."""
        return max(1, min(ceiling, int(self._grown(ceiling, now))))

    def _grown(self, ceiling: int, now: datetime) -> float:
        if self.cut_at is None:
            return float(ceiling)
        elapsed_s = max(0.0, (now - self.cut_at).total_seconds())
        knee = max(self.cut_to, KNEE * self.level)
        if elapsed_s < RECOVERY_S:
            return self.cut_to + (knee - self.cut_to) * elapsed_s / RECOVERY_S
        return knee + max(1.0, self.level / 20) * (elapsed_s - RECOVERY_S) / STEP_S


def congested(
    allowance: Allowance, ceiling: int, *, in_flight: int, lasted_s: float, now: datetime
) -> Allowance:
    """After a 429. `in_flight`: calls over all workers when it came, itself among them; `lasted_s` as in
    `breaker.Outage`."""
    allowed = allowance.calls(ceiling, now)
    if allowance.cut_at is not None:
        known_s = max(GUARD_S, lasted_s)
        if in_flight > allowed or now - timedelta(seconds=known_s) < allowance.cut_at:
            return allowance
    level = max(1.0, float(min(in_flight, allowed)))
    return Allowance(cut_at=now, cut_to=max(1.0, level * CUT), level=level)
