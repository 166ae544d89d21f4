"""What a worker has seen of its provider lately: how long jobs take, and what it has yet to tell.

What it tells is folded into the provider's row, together with what other workers saw; see `governance.drift.seen`.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from governance.drift.seen import Observation, Seen, stored
from runtime.db.stores.capacity import Shown
from schemas.attempt import Fault, FaultKind

KEPT = 64
"""Calls looked back on: enough for a steady median, few enough to follow a provider that changes."""


MOST_UNTOLD = 2_000
"""Kept while the database cannot be told; the oldest are forgotten first."""

_ITS_FAULT = frozenset({FaultKind.OVERLOAD, FaultKind.TIMEOUT, FaultKind.CONNECTION, FaultKind.MALFORMED})
_SAYS_NOTHING = frozenset({FaultKind.RATE, FaultKind.AUTH, FaultKind.QUOTA, FaultKind.BAD_REQUEST})
"""Of how well it serves: these have answers of their own."""


class Observations:
    def __init__(self) -> None:
        self._job_ms: deque[int] = deque(maxlen=KEPT)
        self.answered = 0
        self._untold: deque[Observation] = deque(maxlen=MOST_UNTOLD)

    def saw(self, latency_ms: int, *, outage: bool) -> None:
        """An outage says nothing of how long jobs take; the provider's breaker counts it (`runtime.breaker`)."""
        if outage:
            return
        self.answered += 1
        self._job_ms.append(max(1, latency_ms))

    def noted(self, ending: object, *, latency_ms: int, expected_ms: int, tokens: int) -> None:
        """`expected_ms` is the catalog's, for a call of the size that this one turned out to have."""
        kind = ending.kind if isinstance(ending, Fault) else None
        if kind not in _SAYS_NOTHING:
            fault, answered = kind in _ITS_FAULT, kind is None
            self._untold.append(Observation(latency_ms, expected_ms if answered else 0, tokens, fault))

    def untold(self) -> tuple[Observation, ...]:
        """In the order in which they were seen."""
        return tuple(self._untold)

    def told(self, count: int) -> None:
        """The first so many are written down."""
        for _ in range(min(count, len(self._untold))):
            self._untold.popleft()

    @property
    def job_ms_p50(self) -> int | None:
        return round(median(self._job_ms)) if self._job_ms else None


def shown(seen: Seen) -> Shown:
    """As the provider's row has it."""
    return Shown(
        seen=stored(seen),
        pace_millionths=seen.pace_millionths,
        usual_millionths=seen.usual_millionths,
        latency_ms_p95=seen.latency_ms_p95,
        tokens_per_s=seen.tokens_per_s,
        faults_millionths=seen.faults_millionths,
        health=seen.health.value,
    )
