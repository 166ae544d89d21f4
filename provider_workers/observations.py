"""What a worker has seen of its provider lately, for its heartbeat: how long jobs take, and outages in a row."""

from __future__ import annotations

from collections import deque
from statistics import median

KEPT = 64
"""Calls looked back on: enough for a steady median, few enough to follow a provider that changes."""


class Observations:
    def __init__(self) -> None:
        self._job_ms: deque[int] = deque(maxlen=KEPT)
        self.answered = 0
        self.outages_in_a_row = 0
        self._counted_at_s = float("-inf")

    def saw(self, latency_ms: int, *, outage: bool, ended_s: float) -> None:
        """`ended_s` is on a clock that only goes forward. Calls that were in flight together and failed together
        count as one outage: a hiccup is no longer for a provider with many slots."""
        if outage:
            if ended_s - latency_ms / 1000 >= self._counted_at_s:
                self.outages_in_a_row += 1
                self._counted_at_s = ended_s
            return
        self.outages_in_a_row = 0
        self.answered += 1
        self._job_ms.append(max(1, latency_ms))

    @property
    def job_ms_p50(self) -> int | None:
        return round(median(self._job_ms)) if self._job_ms else None
